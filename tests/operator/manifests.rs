//! Manifests without a cluster are judged as a real API server judges them: every field of every kind is given values that
//! it can hardly have, and both are asked.

use std::process::Stdio;

use arango_operator::{
    arango::{Client, Pool},
    cli::{connection::ConnectionArgs, manifests::ManifestArgs},
    kinds::{database::Database, permission::Permission, user::User},
    manifests::{Complaint, Options, Source, read},
    reconcile::Secrets as _,
};
use clap::Parser;
use futures::{StreamExt, stream};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Server, World, alice_on_shop};

/// What a field is given, beside being taken out.
fn odd() -> Vec<Value> {
    vec![
        Value::Null,
        json!(""),
        json!("x"),
        json!("_x"),
        json!("*"),
        json!("1a"),
        json!(" a"),
        json!("root"),
        json!("none"),
        json!("rw"),
        json!("5m"),
        json!("Delete"),
        json!("x".repeat(400)),
        json!(0),
        json!(3),
        json!(-1),
        json!(1.5),
        json!(5000),
        json!(true),
        json!([]),
        json!(["a"]),
        json!(["http://a:1", "https://b"]),
        json!({}),
        json!({"name": "a"}),
        json!({"x": "ro", "_y": "rw"}),
        json!({"matchLabels": {"": "v"}}),
    ]
}

/// One resource of each kind in which most fields are there.
fn whole() -> Vec<Value> {
    let one = |kind: &str, spec: Value| {
        let metadata = json!({"name": "one", "labels": {"a": "b"}, "annotations": {"c": "d"}});
        json!({"apiVersion": "arango-operator.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    };
    let prod = json!({"name": "prod", "namespace": "databases"});
    let rule = json!({
        "namespaces": {
            "matchLabels": {"a": "b"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
        },
        "databases": ["shop-*"], "users": ["shop-*"], "maxAccess": "rw", "adopt": false, "wildcard": "none", "system": "ro",
    });
    vec![
        one(
            "ArangoCluster",
            json!({
                "endpoints": ["https://a:1"], "loadBalancing": "Random",
                "auth": {"secretRef": {"name": "s"}, "method": "Basic"},
                "tls": {"caRef": {"name": "s", "key": "k"}, "clientCertificateSecretRef": {"name": "s"}, "insecureSkipVerify": false},
                "drift": {"policy": "Observe", "interval": "5m"}, "requests": {"timeout": "30s", "maxConcurrent": 32},
                "access": [rule],
            }),
        ),
        one(
            "ArangoCluster",
            json!({"deploymentRef": {"name": "d"}, "auth": {"jwtSecretRef": {"name": "s", "key": "k"}}}),
        ),
        one(
            "ArangoDatabase",
            json!({
                "clusterRef": prod, "name": "shop", "deletionPolicy": "Retain", "drift": {"policy": "Correct"},
                "options": {"sharding": "flexible", "replicationFactor": 3, "writeConcern": 2},
            }),
        ),
        one(
            "ArangoUser",
            json!({
                "clusterRef": prod, "name": "alice", "active": true, "extra": {"team": "shop", "deep": {"a": [1, null]}},
                "password": {"secretRef": {"name": "a", "key": "k"}}, "undeclaredPermissions": "Revoke",
                "connectionSecret": {"name": "s", "database": "shop", "template": {"URL": "$(uri)"}},
                "deletionPolicy": "Delete",
            }),
        ),
        one(
            "ArangoUser",
            json!({"clusterRef": prod, "password": {"generate": {"secretName": "p", "length": 40}}}),
        ),
        one(
            "ArangoPermission",
            json!({
                "clusterRef": prod, "userRef": {"name": "alice"}, "database": "shop", "access": "rw",
                "collections": {"orders": "ro", "*": "none"}, "deletionPolicy": "Retain",
            }),
        ),
        one(
            "ArangoPermission",
            json!({"clusterRef": prod, "user": "alice", "databaseRef": {"name": "shop"}, "access": "ro"}),
        ),
    ]
}

/// The places of all values in it.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let mut below = |name: &str, value: &Value| {
        let place = format!("{at}/{name}");
        all.push(place.clone());
        places(value, &place, all);
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| below(&name.replace('~', "~0").replace('/', "~1"), value));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value));
        }
        _ => {}
    }
}

/// Every resource with one value changed, taken out, or one more beside it.
fn mutants() -> Vec<Value> {
    let mut mutants = whole();
    for one in whole() {
        let mut all = Vec::new();
        places(&one, "", &mut all);
        // Kind and version decide whom the API server asks, and the operator never sees other names.
        for place in all.iter().filter(|place| place.starts_with("/spec") || place.starts_with("/metadata/"))
        {
            for value in odd() {
                let mut mutant = one.clone();
                *mutant.pointer_mut(place).unwrap() = value;
                mutants.push(mutant);
            }
            let (parent, name) = place.rsplit_once('/').unwrap();
            for change in [true, false] {
                let mut mutant = one.clone();
                let Some(Value::Object(fields)) = mutant.pointer_mut(parent) else { continue };
                if change {
                    fields.remove(&name.replace("~1", "/"));
                } else {
                    fields.insert("unheardOf".to_owned(), json!("x"));
                }
                mutants.push(mutant);
            }
        }
    }
    mutants
}

/// What our reader says, if it refuses; and whether all of it is what the operator would say, once the API server has taken
/// it: that is about a resource by namespace and name.
fn ours(manifest: &Value) -> Option<(String, bool)> {
    let source = Source::Text("t".to_owned(), manifest.to_string());
    let complaints = read(&[source], &Options::default()).err()?;
    let later =
        |complaint: &Complaint| complaint.about.as_ref().is_some_and(|about| about.contains(" default/"));
    let is_later = complaints.iter().all(later);
    Some((complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), is_later))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_without_a_cluster_is_what_an_api_server_refuses() {
    let world = World::without_operator().await;
    let client = world.client.clone();
    let namespace = world.namespace.clone();
    let mutants = mutants();
    let count = mutants.len();
    let asked = stream::iter(mutants).map(|manifest| {
        let (client, namespace) = (client.clone(), namespace.clone());
        async move {
            let plural = format!("{}s", manifest["kind"].as_str().unwrap().to_lowercase());
            let query = "dryRun=All&fieldValidation=Strict";
            let path = format!("/apis/arango-operator.dev/v1alpha1/namespaces/{namespace}/{plural}?{query}");
            let request = Request::post(path).header("content-type", "application/json");
            let answer = client.request_text(request.body(manifest.to_string().into_bytes()).unwrap()).await;
            let theirs = match answer {
                Ok(_) => None,
                Err(kube::Error::Api(status)) => {
                    assert_ne!(status.code, StatusCode::INTERNAL_SERVER_ERROR.as_u16(), "{}", status.message);
                    Some(status.message.clone())
                }
                Err(error) => panic!("{error}"),
            };
            (manifest, theirs)
        }
    });
    let asked: Vec<_> = asked.buffer_unordered(16).collect().await;
    let mut refused = 0;
    let wrong: Vec<_> = asked
        .into_iter()
        .filter_map(|(manifest, theirs)| match (theirs, ours(&manifest)) {
            (Some(_), Some(_)) => {
                refused += 1;
                None
            }
            (None, None | Some((_, true))) => None,
            (theirs, ours) => Some(format!("theirs: {theirs:?}\nours: {ours:?}\n{manifest:.2000}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(refused * 2 > count && refused < count, "{refused} of {count} are refused");
}

/// A command that takes manifests.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_gives_what_is_declared_there_and_how_to_reach_the_deployment() {
    let (world, server) = alice_on_shop("5m").await;
    let kubeconfig = world.plane.kubeconfig_path().to_string_lossy().into_owned();
    let line = ["x", "--kubeconfig", &kubeconfig, "--namespace", &world.namespace];
    let line = Line::try_parse_from(line).unwrap();
    let manifests = line.manifests.read().await.unwrap();
    assert_eq!(manifests.of::<Database>().len(), 1);
    assert_eq!(manifests.of::<Permission>().len(), 1);
    let [alice] = manifests.of::<User>() else { panic!("one user") };
    assert_eq!(alice.at.to_string(), format!("ArangoUser {}/alice", world.namespace));
    // What the operator remembers of it comes along.
    assert!(alice.resource.status.is_some());
    let secret = alice.resource.spec.password.as_ref().and_then(|password| password.secret_ref.as_ref());
    if let Some(secret) = secret {
        assert!(manifests.secrets(&world.namespace).read(&secret.name, &secret.key).await.is_ok());
    }
    let target = line.manifests.target(&manifests, &line.connection).await.unwrap();
    assert_eq!(target.connection.endpoints[0].to_string(), server.stand_in.endpoints()[0]);
    let client = Client::new(Pool::new(target.connection).unwrap());
    assert!(client.databases().await.unwrap().iter().any(|name| name.as_str() == "shop"));

    // Files against what is live: their resources, its connection.
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "{apiVersion: arango-operator.dev/v1alpha1, kind: ArangoDatabase, metadata: {name: new}, spec: {clusterRef: {name: prod}}}";
    std::fs::write(&file, text).unwrap();
    let path = file.path().to_string_lossy().into_owned();
    let line = ["x", "-f", &path, "--kubeconfig", &kubeconfig, "--namespace", &world.namespace];
    let line = Line::try_parse_from(line).unwrap();
    let manifests = line.manifests.read().await.unwrap();
    assert_eq!((manifests.len(), manifests.of::<Database>()[0].name()), (1, "new"));
    assert!(line.manifests.target(&manifests, &line.connection).await.is_ok());

    looked_at_from_outside(&world, &server, &kubeconfig).await;
}

/// The commands that look at a deployment are told of it by the cluster, and `explain` by which object a right is declared.
async fn looked_at_from_outside(world: &World, server: &Server, kubeconfig: &str) {
    let namespace = world.namespace.as_str();
    let run = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
        command.args(arguments).args(["--kubeconfig", kubeconfig]).envs(environment.iter().copied());
        let ran = command.env_remove("ARANGO_PASSWORD").stdin(Stdio::null()).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ran.status.code(), text(ran.stdout), text(ran.stderr))
    };
    let json = async |arguments: &[&str]| -> Value {
        let (code, stdout, stderr) = run(&[arguments, &["-o", "json"]].concat(), &[]).await;
        assert_eq!(code, Some(0), "{arguments:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap()
    };
    let explained = json(&["explain", "alice", "shop", "-n", namespace]).await;
    assert_eq!((&explained["level"], &explained["by"]), (&json!("rw"), &json!("shop")));
    let by = json!([{
        "kind": "ArangoPermission", "namespace": namespace, "name": "alice-shop", "source": null, "level": "rw",
    }]);
    assert_eq!(explained["declared"], by);
    let (code, table, _) = run(&["explain", "alice", "shop", "-n", namespace], &[]).await;
    assert_eq!(code, Some(0));
    let said = format!("by his right on shop, declared by ArangoPermission {namespace}/alice-shop.");
    assert!(table.contains(&said), "{table}");

    let cluster = format!("{namespace}/prod");
    let matrix = json(&["matrix", "--cluster", &cluster]).await;
    assert!(matrix["users"].as_array().unwrap().iter().any(|row| row["user"] == "alice"), "{matrix}");
    let status = json(&["cluster", "status", "--cluster", &cluster]).await;
    assert_eq!(status["endpoints"][0]["endpoint"], server.stand_in.endpoints()[0]);
    let answer = json(&["request", "GET", "/_api/version", "-n", namespace, "--cluster", "prod"]).await;
    assert_eq!(answer["status"], 200);
    let (code, exported, error) = run(&["export", "-n", namespace], &[]).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(
        exported.contains(&format!("  namespace: {namespace}\nspec:\n  clusterRef:\n    name: prod\n  ")),
        "{exported}"
    );

    let (code, _, error) = run(&["matrix", "--cluster", &format!("{namespace}/none")], &[]).await;
    assert_eq!(code, Some(1));
    assert!(error.starts_with("error: ") && error.contains("there is no ArangoCluster"), "{error}");
    let endpoints = server.stand_in.endpoints();
    let endpoint = [("ARANGO_ENDPOINT", endpoints[0].as_str())];
    let (code, _, error) = run(&["matrix", "--cluster", &cluster], &endpoint).await;
    assert_eq!(code, Some(1));
    assert!(error.starts_with("error: two deployments are named"), "{error}");
}
