//! Reading as a whole.

use std::path::Path;

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    cli::docs::{BAD_INPUTS, bad_inputs},
    kinds::{database::Database, permission::Permission, user::User},
    reconcile::Secrets as _,
};

fn source(text: &str) -> Source {
    Source::Text("test.yaml".to_owned(), text.to_owned())
}

fn given(text: &str) -> Result<Manifests, Vec<Complaint>> {
    read(&[source(text)], &Options::default())
}

/// What is said about a text, each complaint as a person sees it.
fn said(text: &str) -> Vec<String> {
    given(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

const SHOP: &str = "\
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {name: shop}
spec:
  clusterRef: {name: prod}
---
# Source: chart/templates/user.yaml
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoUser
metadata: {name: alice, namespace: shop}
spec: {clusterRef: {name: prod, namespace: databases}}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {anything: goes}}
- apiVersion: arango-operator.dev/v1alpha1
  kind: ArangoPermission
  metadata: {name: alice-shop}
  spec: {clusterRef: {name: prod}, user: alice, databaseRef: {name: shop}, access: rw}
";

#[test]
fn what_is_ours_is_read_and_what_is_not_is_counted() {
    let manifests = given(SHOP).unwrap();
    let [database] = manifests.of::<Database>() else { panic!("one database") };
    assert_eq!(database.id().to_string(), "default/shop");
    assert_eq!(database.at.to_string(), "test.yaml:1:1");
    let [user] = manifests.of::<User>() else { panic!("one user") };
    assert_eq!((user.id().to_string(), user.at.line), ("shop/alice".to_owned(), 8));
    assert_eq!(manifests.of::<Permission>()[0].at.to_string(), "test.yaml:19:3");
    assert_eq!(manifests.len(), 3);
    assert_eq!(manifests.foreign()[&("apps/v1".to_owned(), "Deployment".to_owned())], 1);
    let places: Vec<_> = manifests.cluster_refs().iter().map(ToString::to_string).collect();
    assert_eq!(places, ["databases/prod", "default/prod"]);
    let lookup = manifests.lookup("default");
    assert_eq!(lookup.find("ArangoDatabase", "shop").unwrap().name, "shop");
    assert!(lookup.find("ArangoDatabase", "other").is_none() && lookup.find("Pod", "shop").is_none());
}

#[test]
fn a_slip_in_kind_or_version_is_told_and_not_taken_for_somebody_elses() {
    let one = |version: &str, kind: &str| {
        said(&format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n")).join("\n")
    };
    let said = one("arango-operator.dev/v1alpha1", "ArangoDatabse");
    assert!(said.starts_with("test.yaml:2:7: ArangoDatabse x: no matches for kind"), "{said}");
    assert!(said.contains("kind: ArangoDatabase"), "{said}");
    for version in ["arango-operator.dev/v1", "arango-operator.de/v1alpha1"] {
        let said = one(version, "ArangoDatabase");
        assert!(
            said.contains(":1:13: ") && said.contains("`apiVersion: arango-operator.dev/v1alpha1`"),
            "{said}"
        );
    }
    assert_eq!(one("database.arangodb.com/v1", "ArangoDeployment"), "");
}

/// What the words with a dollar in the table of bad inputs stand for, as far as a reader can tell one from another.
fn written_out(value: &mut Value) {
    let count = |text: &str, sign| text.strip_prefix(sign).and_then(|count| count.parse::<usize>().ok());
    match value {
        Value::String(text) => {
            let text = text.as_str();
            *value = if let Some(count) = count(text, "$list:") {
                (0..count).map(|i| json!(format!("http://host-{i}:8529"))).collect()
            } else if let Some(count) = count(text, "$map:") {
                (0..count).map(|i| (format!("c{i}"), json!("ro"))).collect::<Map<_, _>>().into()
            } else if let Some(count) = count(text, "$x") {
                "x".repeat(count).into()
            } else if let Some(count) = count(text, "$\u{e4}") {
                "\u{e4}".repeat(count).into()
            } else {
                text.replace("$server", "http://127.0.0.1:8529").into()
            };
        }
        Value::Array(values) => values.iter_mut().for_each(written_out),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            fields.extend(old.into_iter().map(|(name, mut value)| {
                let mut name = Value::from(name);
                written_out(&mut name);
                written_out(&mut value);
                (name.as_str().unwrap_or_default().to_owned(), value)
            }));
        }
        _ => {}
    }
}

/// The limits of requests and of what kubectl makes are no limits of a file; the name is too long here as well.
const OF_REQUESTS: [&str; 2] = ["Request entity too large", "metadata.annotations: Too long"];

#[test]
fn what_the_api_server_refuses_is_refused_with_the_same_words() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join(BAD_INPUTS);
    let topics = bad_inputs::read(&std::fs::read_to_string(table).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut refused = 0;
    for mut row in topics.into_iter().flat_map(|topic| topic.rows) {
        // What is refused beside something that was there before is about a change.
        if row.refused.is_empty() || !row.given.is_empty() {
            continue;
        }
        row.apply.values_mut().for_each(written_out);
        refused += 1;
        let all = said(&row.manifests()).join("\n");
        let missing =
            row.refused.iter().find(|part| !all.contains(*part) && !OF_REQUESTS.contains(&part.as_str()));
        if all.is_empty() || missing.is_some() {
            wrong.push(format!("{}: {missing:?} is missing in {all:.600}", row.wrong));
        }
    }
    assert!(wrong.is_empty(), "{} of {refused}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused >= 60, "{refused} rows");
}

#[test]
fn every_example_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut wrong = Vec::new();
    let mut read_ones = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() && path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        read_ones += 1;
        let complaints = read(&[Source::Path(path)], &Options::default()).err().unwrap_or_default();
        // Where there is Kubernetes, that keeps passwords.
        let is_fine = |complaint: &&Complaint| !complaint.message.contains("without Kubernetes");
        wrong.extend(complaints.iter().filter(is_fine).map(ToString::to_string));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read_ones > 5, "{read_ones} examples");
}

#[test]
fn several_documents_are_each_told_what_is_wrong_and_the_good_ones_do_not_hide_it() {
    let text = "\
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {name: a}
spec: {clusterRef: {name: prod}, nmae: x}
---
broken: [1, 2
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoUser
metadata: {name: b}
spec: {clusterRef: {name: prod}, active: 'yes', active: true}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {name: c}
spec: {clusterRef: {name: prod}, options: {no: 1}}
";
    let said = said(text);
    for (place, part) in [
        ("test.yaml:4:34: ArangoDatabase a: ", "unknown field spec.nmae"),
        ("test.yaml:6:9: ", "this is no YAML"),
        ("test.yaml:11:49: ArangoUser b: ", "the same field stands here and in line 11"),
        ("test.yaml:11:42: ArangoUser b: ", "spec.active must be of type boolean, and this is a text"),
        ("test.yaml:16:44: ArangoDatabase c: ", "takes for yes, no or nothing"),
        ("test.yaml:16:44: ArangoDatabase c: ", "unknown field spec.options.no"),
    ] {
        assert!(
            said.iter().any(|one| one.starts_with(place) && one.contains(part)),
            "{place}{part}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 6, "{said:#?}");
    assert!(
        said[0].ends_with("  = did you mean name?") && said[0].contains("| spec: {clusterRef"),
        "{}",
        said[0]
    );
}

#[test]
fn what_is_declared_twice_is_refused_where_it_is_declared_for_the_second_time() {
    let database = |name: &str, namespace: &str, on_server: &str| {
        format!(
            "---\napiVersion: arango-operator.dev/v1alpha1\nkind: ArangoDatabase\nmetadata: {{name: {name}, \
             namespace: {namespace}}}\nspec: {{clusterRef: {{name: prod, namespace: x}}, name: {on_server}}}\n"
        )
    };
    let one = said(&(database("a", "x", "one") + &database("a", "x", "two")));
    assert_eq!(one.len(), 1, "{one:?}");
    assert!(
        one[0].starts_with("test.yaml:9:12: ArangoDatabase x/a: this resource is declared twice"),
        "{}",
        one[0]
    );
    // The same database in two spellings, from two namespaces.
    let two = said(&(database("a", "x", "caf\u{e9}") + &database("b", "z", "cafe\u{301}")));
    assert_eq!(two.len(), 1, "{two:?}");
    assert!(two[0].contains("is declared by the ArangoDatabase x/a as well (test.yaml:2:1)"), "{}", two[0]);
    assert!(two[0].starts_with("test.yaml:10:48: ") && two[0].contains(" | spec: {clusterRef"), "{}", two[0]);
    assert_eq!(said(&(database("a", "x", "one") + &database("a", "z", "two"))), [""; 0]);
}

#[tokio::test]
async fn secrets_are_taken_from_manifests_and_from_outside_and_never_shown() {
    const CANARY: &str = "canary-0123456789abcdef0123456789";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, format!("{CANARY}3\n")).unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{a: {CANARY}1}}\ndata: {{b: Y2FuYXJ5}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: t}}\ntype: bootstrap.kubernetes.io/token\nstringData: {{a: {CANARY}}}\n"
    );
    let given: Given = format!("s/c=file:{}", file.path().display()).parse().unwrap();
    let options = Options { secrets: vec![given], ..Options::default() };
    let manifests = read(&[source(&text)], &options).unwrap();
    let secrets = manifests.secrets("default");
    for (key, value) in [("a", format!("{CANARY}1")), ("b", "canary".to_owned()), ("c", format!("{CANARY}3"))]
    {
        assert_eq!(secrets.read("s", key).await.unwrap().0.expose_secret(), value);
    }
    let refused = |name, key| {
        let secrets = manifests.secrets("default");
        async move { secrets.read(name, key).await.unwrap_err().message }
    };
    assert!(refused("t", "a").await.contains("which is never read"));
    assert!(refused("s", "x").await.contains("--secret default/s/x=env:VARIABLE"));
    assert!(manifests.secrets("other").read("s", "a").await.is_err());
    assert!(!format!("{manifests:?}").contains("canary"));

    // Whatever is wrong with what has secrets in it.
    let head = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
    for broken in [
        format!("{head}data: {{b: {CANARY}!}}\n"),
        format!("{head}stringData:\n  b: [{CANARY}\n"),
        format!("{head}stringData: {{b: [{CANARY}]}}\n"),
        format!("{head}stringData: {{b: x, b: {CANARY}}}\n"),
        format!("{head}stringData:\n  b: \"{CANARY}\n"),
        format!(
            "apiVersion: {GROUP}\nkind: ArangoUser\nmetadata: {{name: a}}\nspec: {{clusterRef: {{name: p}}, password: {CANARY}}}\n"
        ),
    ] {
        let said = said(&broken);
        assert!(!said.is_empty() && !said.join("").contains("canary"), "{broken}: {said:?}");
    }
    for wrong in ["s=env:X", "canary", "a/b/c/d=env:X", "s/k=canary", "s/k=env:", "//k=env:X"] {
        let said = wrong.parse::<Given>().unwrap_err();
        assert!(said.contains("write NAMESPACE/NAME/KEY") && !said.contains("canary"), "{said}");
    }
}

const GROUP: &str = "arango-operator.dev/v1alpha1";

#[tokio::test]
async fn a_password_that_would_be_generated_must_be_given() {
    let text = format!(
        "apiVersion: {GROUP}\nkind: ArangoUser\nmetadata: {{name: alice}}\nspec: {{clusterRef: {{name: p}}, password: {{generate: {{}}}}}}\n"
    );
    let said = said(&text);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("--secret default/alice-password/password=env:VARIABLE"), "{}", said[0]);
    let secret =
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: alice-password}\nstringData: {password: x}\n";
    let manifests = given(&(text + secret)).unwrap();
    manifests.secrets("default").generate("alice-password", "password", "alice", 32).await.unwrap();
}

#[test]
fn plain_words_mean_what_they_mean_to_kubectl() {
    let user = |active: &str| {
        let text = format!(
            "apiVersion: {GROUP}\nkind: ArangoUser\nmetadata: &m {{name: a}}\nspec:\n  clusterRef: {{name: p}}\n  active: {active}\n"
        );
        given(&text).map(|manifests| manifests.of::<User>()[0].resource.spec.active)
    };
    for (word, means) in
        [("yes", true), ("on", true), ("True", true), ("no", false), ("OFF", false), ("null", true)]
    {
        assert_eq!(user(word).unwrap(), means, "{word}");
    }
    assert!(user("'no'").is_err() && user("1").is_err() && user("maybe").is_err());
    let options = |copies: &str| {
        let text = format!(
            "apiVersion: {GROUP}\nkind: ArangoDatabase\nmetadata: {{name: a}}\nspec:\n  <<: &ref {{clusterRef: {{name: p}}}}\n  \
             options: {{replicationFactor: {copies}}}\n"
        );
        given(&text).map(|manifests| manifests.of::<Database>()[0].resource.spec.options.clone())
    };
    for copies in ["8", "0x8", "0o10", "010", "8.0", "0b1000", "+8"] {
        let options = serde_json::to_value(options(copies).unwrap()).unwrap();
        assert_eq!(options["replicationFactor"], 8, "{copies}");
    }
    for copies in ["8.5", "eight", "'8'", "-8", "0x", "1e400", "+-8"] {
        assert!(options(copies).is_err(), "{copies}");
    }
}

#[test]
fn aliases_are_followed_and_a_bomb_of_them_is_refused() {
    let text = format!(
        "apiVersion: {GROUP}\nkind: ArangoDatabase\nmetadata: {{name: &n shop}}\nspec: {{clusterRef: {{name: *n}}, name: *n}}\n"
    );
    assert_eq!(given(&text).unwrap().cluster_refs()[0].name.to_string(), "shop");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = level - 1;
        let six = format!("*a{before}, ").repeat(6);
        bomb.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &six, "]\n"]);
    }
    assert!(said(&bomb)[0].contains("more than 1000000 values"), "{:?}", said(&bomb));
    assert!(said("&a [*a]")[0].contains("an alias"), "{:?}", said("&a [*a]"));
}

/// An ArangoCluster that lends to the namespaces of one team.
const LENDS: &str = "---\napiVersion: arango-operator.dev/v1alpha1\nkind: ArangoCluster\nmetadata: {name: prod, namespace: databases}\n\
                     spec: {endpoints: ['http://a:1'], auth: {secretRef: {name: s}}, access: [{namespaces: {matchLabels: {team: shop}}, \
                     databases: [shop], maxAccess: rw}]}\n";

fn database_of(name: &str, cluster: &str) -> String {
    format!(
        "---\napiVersion: {GROUP}\nkind: ArangoDatabase\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{clusterRef: {cluster}}}\n"
    )
}

#[test]
fn what_an_arangocluster_lends_binds_as_in_a_cluster() {
    use crate::core::{Access, DatabaseName, Reason, Subject};

    let prod = "{name: prod, namespace: databases}";
    let namespace = |labels: &str| {
        format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {labels}}}\n")
    };
    let id = Id::new("databases", "prod");
    let access = |text: String| given(&text).unwrap().access("shop", &id);
    let name = DatabaseName::parse("shop").unwrap();
    let subject = Subject::Database(&name);

    assert!(access(LENDS.to_owned() + &namespace("{team: shop}")).admits(subject).is_ok());
    let refused = access(LENDS.to_owned() + &namespace("{team: other}")).admits(subject).unwrap_err();
    assert!(
        refused.reason == Reason::AccessDenied && refused.message.contains("lends it nothing"),
        "{refused:?}"
    );
    let unknown = access(LENDS.to_owned()).admits(subject).unwrap_err();
    assert!(unknown.message.contains("the Namespace shop is not among the manifests"), "{unknown:?}");
    // Nobody's word is broken where the ArangoCluster isn't there, or where it is at home.
    assert_eq!(access(database_of("shop", prod)), Access::All);
    assert_eq!(given(LENDS).unwrap().access("databases", &id), Access::All);
}

#[test]
fn of_several_arangoclusters_one_is_chosen_or_all_are_named() {
    let select = |text: &str, wanted: Option<&str>| {
        let chosen =
            given(text).unwrap().select(wanted).map(|id| id.map(|id| id.to_string()).unwrap_or_default());
        chosen.unwrap_or_else(|complaint| complaint.to_string())
    };
    assert_eq!(select("", None), "");
    // Nothing is declared yet: the connection alone.
    assert_eq!(select(LENDS, None), "databases/prod");
    let one = database_of("a", "{name: prod}");
    assert_eq!(select(&(LENDS.to_owned() + &one), None), "shop/prod");
    let both = one + &database_of("b", "{name: prod, namespace: databases}");
    let several = select(&both, None);
    assert!(several.contains("databases/prod, shop/prod") && several.contains("--cluster"), "{several}");
    assert_eq!(select(&both, Some("databases/prod")), "databases/prod");
    assert!(select(&both, Some("prod")).contains("several"));
    let other = select(&both, Some("test"));
    assert!(other.contains("ArangoCluster test") && other.contains("databases/prod, shop/prod"), "{other}");
}
