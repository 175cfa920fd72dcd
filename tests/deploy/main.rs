//! What `deploy/` installs: applied with kubectl to a real API server, and the built operator runs with the rights
//! that it gives, no more and no less. The API server's audit log says what was asked and how it was answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod by_helm;
mod chart;
mod helm;
#[path = "../installed/mod.rs"]
mod installed;
mod kube_arangodb;
mod machine;
mod pod;
#[path = "../installed/prometheus_operator.rs"]
mod prometheus_operator;
#[path = "../support/within.rs"]
mod within;

use std::collections::BTreeSet;

use arango_operator::{
    kinds::{
        cluster::crd::ArangoCluster, database::crd::ArangoDatabase, permission::crd::ArangoPermission,
        user::crd::ArangoUser,
    },
    operator::rbac,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Secret},
    events::v1::Event,
    rbac::v1::PolicyRule,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
    core::NamespaceResourceScope,
};
use serde_json::json;

use machine::{Machine, Operator, PASSWORD, Right, eventually, repository, used};

const GROUP: &str = "arango-operator.dev";
const KINDS: [&str; 4] = ["arangoclusters", "arangodatabases", "arangousers", "arangopermissions"];

/// All that the operator may do: group, resources, verbs. A line that is added here is a right that every user of the
/// operator gives away.
const RIGHTS: [(&str, &[&str], &[&str]); 4] = [
    (GROUP, &KINDS, &["get", "list", "patch", "watch"]),
    (
        GROUP,
        &[
            "arangoclusters/status",
            "arangodatabases/status",
            "arangousers/status",
            "arangopermissions/status",
        ],
        &["update"],
    ),
    ("", &["secrets"], &["create", "get", "list", "patch", "watch"]),
    ("events.k8s.io", &["events"], &["create", "patch"]),
];

/// What the operator for all namespaces may do beside that: see the labels by which an `ArangoCluster` is lent.
const LABELS: (&str, &[&str], &[&str]) = ("", &["namespaces"], &["list", "watch"]);

/// What it may do besides where `deploy/kube-arangodb` is applied as well.
const KUBE_ARANGODB: [(&str, &[&str], &[&str]); 1] =
    [("database.arangodb.com", &["arangodeployments"], &["list", "patch", "watch"])];

/// The rights to the Lease that decides which replica acts, in the operator's own namespace alone.
const LEASE: [(&str, &[&str], &[&str]); 2] = [
    ("coordination.k8s.io", &["leases"], &["create"]),
    ("coordination.k8s.io", &["leases"], &["get", "update"]),
];

/// All that it may do in one namespace.
fn rights() -> BTreeSet<Right> {
    rights_of(&RIGHTS)
}

/// All that it may do in all of them.
fn rights_everywhere() -> BTreeSet<Right> {
    rights_of(&[&RIGHTS[..], &[LABELS]].concat())
}

fn rights_of(rules: &[(&str, &[&str], &[&str])]) -> BTreeSet<Right> {
    let each = |(group, resources, verbs): &(&str, &[&str], &[&str])| {
        let pairs = resources.iter().flat_map(|resource| verbs.iter().map(move |verb| (*resource, *verb)));
        pairs.map(|(resource, verb)| Right::new(group, resource, verb)).collect::<Vec<_>>()
    };
    rules.iter().flat_map(each).collect()
}

#[test]
fn the_rules_are_these() {
    are_these(rbac::rules(), &RIGHTS);
    are_these(rbac::rules_everywhere(), &[&RIGHTS[..], &[LABELS]].concat());
    are_these(rbac::kube_arangodb_rules(), &KUBE_ARANGODB);
    let mut lease = rbac::leader_election();
    // Which name is created, RBAC can't say.
    assert_eq!(lease[1].resource_names.take(), Some(vec!["arango-operator".to_owned()]));
    are_these(lease, &LEASE);
}

fn are_these(rules: Vec<PolicyRule>, expected: &[(&str, &[&str], &[&str])]) {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules: Vec<_> = rules
        .into_iter()
        .map(|rule| {
            assert_eq!((rule.resource_names, rule.non_resource_urls), (None, None));
            (rule.api_groups.unwrap(), rule.resources.unwrap(), rule.verbs)
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(group, resources, verbs)| (strings(&[group]), strings(resources), strings(verbs)))
        .collect();
    assert_eq!(rules, expected);
}

/// A connection, a database, a user and his right, in one namespace.
fn manifest(machine: &Machine, namespace: &str) -> String {
    let endpoints = machine.stand_in.endpoints().join(", ");
    format!(
        r#"
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: root, namespace: {namespace}}}
stringData: {{username: root, password: {PASSWORD}}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoCluster
metadata: {{name: prod, namespace: {namespace}}}
spec:
  endpoints: [{endpoints}]
  auth: {{secretRef: {{name: root}}}}
  drift: {{interval: 1s}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {{name: shop, namespace: {namespace}}}
spec:
  clusterRef: {{name: prod}}
  deletionPolicy: Delete
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoUser
metadata: {{name: app, namespace: {namespace}}}
spec:
  clusterRef: {{name: prod}}
  password: {{generate: {{}}}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoPermission
metadata: {{name: app-shop, namespace: {namespace}}}
spec:
  clusterRef: {{name: prod}}
  userRef: {{name: app}}
  databaseRef: {{name: shop}}
  access: rw
  collections: {{"*": rw}}
"#
    )
}

/// From nothing to all Ready, a repair or two, and back to nothing.
async fn whole_life(machine: &Machine, operator: &Operator, namespace: &str) {
    machine.apply("shop.yaml", &manifest(machine, namespace)).await;
    for resource in
        ["arangocluster/prod", "arangodatabase/shop", "arangouser/app", "arangopermission/app-shop"]
    {
        ready(machine, operator, namespace, resource).await;
    }
    let secrets = Api::<Secret>::namespaced(machine.client.clone(), namespace);
    let password = secrets.get("app-password").await.unwrap().data.unwrap()["password"].0.clone();
    let password = String::from_utf8(password).unwrap();
    let login = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/_db/shop/_api/version", machine.stand_in.endpoints()[0]);
    let answer = login.get(&url).basic_auth("app", Some(&password)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let wish = ["annotate", "arangouser/app", "-n", namespace, "arango-operator.dev/rotate=1"];
    machine.kubectl_succeeds(&wish);
    eventually("another password is in the Secret, and works", async || {
        let data = secrets.get("app-password").await.unwrap().data.unwrap();
        let new = String::from_utf8(data["password"].0.clone()).unwrap();
        let answer = login.get(&url).basic_auth("app", Some(&new)).send().await.unwrap();
        let done = new != password && answer.status() == 200;
        if done { Ok(()) } else { Err(format!("{}\n{}", answer.status(), operator.log())) }
    })
    .await;

    // The second Event is the first one counted on, which takes another right.
    let events = Api::<Event>::namespaced(machine.client.clone(), namespace);
    for repairs in 1..=2 {
        let url = format!("{}/_api/user/app/database/shop", machine.stand_in.endpoints()[0]);
        let change = login.put(url).basic_auth("root", Some(PASSWORD)).json(&json!({"grant": "ro"}));
        assert_eq!(change.send().await.unwrap().status(), 200);
        eventually("the repair is told", async || {
            let events = events.list(&ListParams::default()).await.unwrap().items;
            let repaired = events.iter().filter(|event| event.reason.as_deref() == Some("DriftRepaired"));
            let count: i32 =
                repaired.map(|event| event.series.as_ref().map_or(1, |series| series.count)).sum();
            if count >= repairs { Ok(()) } else { Err(format!("{count} of {repairs}\n{}", operator.log())) }
        })
        .await;
    }

    all_gone(machine, operator, namespace).await;
    eventually("nothing of ours is left on the server", async || {
        let get = |path: &str| {
            let url = format!("{}{path}", machine.stand_in.endpoints()[1]);
            login.get(url).basic_auth("root", Some(PASSWORD)).send()
        };
        let users = get("/_api/user").await.unwrap().text().await.unwrap();
        let databases = get("/_api/database").await.unwrap().text().await.unwrap();
        let left = users.contains("\"app\"") || databases.contains("\"shop\"");
        if left { Err(format!("{users} {databases}")) } else { Ok(()) }
    })
    .await;
}

async fn ready(machine: &Machine, operator: &Operator, namespace: &str, resource: &str) {
    eventually(&format!("{resource} is Ready"), async || {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
        let state = machine.kubectl_succeeds(&["get", resource, "-n", namespace, "-o", path]);
        if state.contains(r#""status":"True""#) {
            Ok(())
        } else {
            Err(format!("{state}\n{}", operator.log()))
        }
    })
    .await;
}

async fn all_gone(machine: &Machine, operator: &Operator, namespace: &str) {
    gone::<ArangoPermission>(machine, operator, namespace).await;
    gone::<ArangoUser>(machine, operator, namespace).await;
    gone::<ArangoDatabase>(machine, operator, namespace).await;
    gone::<ArangoCluster>(machine, operator, namespace).await;
}

async fn gone<R>(machine: &Machine, operator: &Operator, namespace: &str)
where
    R: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + 'static,
{
    let api = Api::<R>::namespaced(machine.client.clone(), namespace);
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    eventually(&format!("every {} is gone", R::kind(&())), async || {
        let left: Vec<_> =
            api.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}\n{}", operator.log())) }
    })
    .await;
}

/// Every request was granted, and every right was needed.
fn rights_are_exactly_what_is_used(
    machine: &Machine,
    operator_log: &str,
    namespace: &str,
    (rights, identified_by): (&BTreeSet<Right>, &str),
) {
    let requests = machine.requests(namespace);
    let refused: Vec<_> = requests.iter().filter(|asked| [401, 403].contains(&asked.code)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for word in ["Forbidden", "forbidden"] {
        let line = operator_log.lines().find(|line| line.contains(word));
        assert_eq!(line, None);
    }
    let mut used = used(&requests);
    // One namespace is read, which says who the operator is.
    let identity = Right::new("", "namespaces", "get");
    assert!(used.remove(&identity));
    for asked in requests.iter().filter(|asked| asked.right == identity) {
        assert!(asked.uri.ends_with(&format!("/namespaces/{identified_by}")), "{asked:?}");
    }
    // As is one Lease, in the operator's own namespace.
    for right in rights_of(&LEASE) {
        assert!(used.remove(&right), "granted and never used: {right:?}");
    }
    for asked in requests.iter().filter(|asked| asked.right.resource == "leases") {
        let folder = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        let path = asked.uri.split('?').next().unwrap();
        assert!([folder.clone(), folder + "/arango-operator"].iter().any(|ours| ours == path), "{asked:?}");
    }
    assert!(used.is_subset(rights), "{:?}", used.difference(rights));
    // A resource is read only when somebody else wrote it between our read and our write.
    let unused = rights.iter().filter(|right| !used.contains(right));
    let unused: Vec<_> = unused.filter(|right| !(right.group == GROUP && right.verb == "get")).collect();
    assert!(unused.is_empty(), "granted and never used: {unused:?}");
}

/// What an operator that was broken into must not be able to do.
fn beyond() -> Vec<Right> {
    let mut beyond = vec![
        Right::new("", "secrets", "delete"),
        Right::new("", "secrets", "update"),
        Right::new("", "pods", "list"),
        Right::new("", "pods/exec", "create"),
        Right::new("", "configmaps", "get"),
        Right::new("", "namespaces", "patch"),
        Right::new("", "serviceaccounts/token", "create"),
        Right::new("", "serviceaccounts", "impersonate"),
        Right::new("apps", "deployments", "patch"),
        Right::new("events.k8s.io", "events", "list"),
        Right::new("coordination.k8s.io", "leases", "delete"),
        Right::new("coordination.k8s.io", "leases", "list"),
        Right::new("rbac.authorization.k8s.io", "clusterroles", "escalate"),
        Right::new("rbac.authorization.k8s.io", "rolebindings", "create"),
    ];
    for kind in KINDS {
        for verb in ["create", "update", "delete", "deletecollection"] {
            beyond.push(Right::new(GROUP, kind, verb));
        }
    }
    beyond
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_with_the_rights_for_all_namespaces_and_needs_them_all() {
    let machine = Machine::start().await;
    machine.kubectl_succeeds(&["apply", "-k", repository("deploy").to_str().unwrap()]);
    pods_are_let_in(&machine, "arango-operator").await;
    machine.has("arango-operator", &rights_everywhere(), None).await;
    for right in beyond() {
        for namespace in [Some("shop"), Some("arango-operator"), Some("kube-system"), None] {
            assert!(!machine.may("arango-operator", &right, namespace).await, "{right:?} in {namespace:?}");
        }
    }
    people_edit_all_but_connections(&machine).await;

    let operator = machine.operator("arango-operator", &[]).await;
    whole_life(&machine, &operator, "shop").await;
    let log = operator.log();
    operator.stop().await;
    let rights = rights_everywhere();
    rights_are_exactly_what_is_used(&machine, &log, "arango-operator", (&rights, "kube-system"));
    stop(machine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_with_the_rights_for_one_namespace() {
    let machine = Machine::start().await;
    machine.kubectl_succeeds(&["apply", "-k", repository("crds").to_str().unwrap()]);
    machine.kubectl_succeeds(&["create", "namespace", "shop"]);
    let overlay = overlay(&machine, "shop");
    machine.kubectl_succeeds(&["apply", "-k", overlay.to_str().unwrap()]);

    let deployments = Api::<Deployment>::namespaced(machine.client.clone(), "shop");
    let template = deployments.get("arango-operator").await.unwrap().spec.unwrap().template;
    let variables = template.spec.unwrap().containers.remove(0).env.unwrap();
    let watched = variables.iter().find(|variable| variable.name == "ARANGO_OPERATOR_NAMESPACE").unwrap();
    let field = watched.value_from.as_ref().unwrap().field_ref.as_ref().unwrap();
    assert_eq!(field.field_path, "metadata.namespace");

    machine.has("shop", &rights(), Some("shop")).await;
    for right in rights_everywhere() {
        for namespace in [Some("other"), Some("kube-system"), None] {
            assert!(!machine.may("shop", &right, namespace).await, "{right:?} in {namespace:?}");
        }
    }
    for right in beyond() {
        assert!(!machine.may("shop", &right, Some("shop")).await, "{right:?}");
    }

    let operator = machine.operator("shop", &[]).await;
    whole_life(&machine, &operator, "shop").await;
    let log = operator.log();
    operator.stop().await;
    rights_are_exactly_what_is_used(&machine, &log, "shop", (&rights(), "shop"));
    let elsewhere: Vec<_> = machine
        .requests("shop")
        .into_iter()
        .filter(|asked| asked.namespace.as_deref() != Some("shop"))
        .map(|asked| asked.uri)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    stop(machine).await;
}

/// A kustomization that puts the namespaced variant into another namespace, as a user would write it.
fn overlay(machine: &Machine, namespace: &str) -> std::path::PathBuf {
    let folder = machine.folder.path().canonicalize().unwrap().join("overlay");
    std::fs::create_dir(&folder).unwrap();
    // kustomize takes relative paths only.
    let up = "../".repeat(folder.components().count() - 1);
    let variant = repository("deploy/namespaced").canonicalize().unwrap();
    let text = format!("namespace: {namespace}\nresources: ['{up}.{}']\n", variant.display());
    std::fs::write(folder.join("kustomization.yaml"), text).unwrap();
    folder
}

/// The API server takes a pod as the Deployment would make it under the Pod Security level of the namespace, and
/// doesn't take any pod.
async fn pods_are_let_in(machine: &Machine, namespace: &str) {
    let deployments = Api::<Deployment>::namespaced(machine.client.clone(), namespace);
    let spec = deployments.get("arango-operator").await.unwrap().spec.unwrap();
    assert_eq!((spec.replicas, spec.strategy.unwrap().type_.as_deref()), (Some(2), Some("RollingUpdate")));
    let template = spec.template;
    let mut pod = Pod {
        metadata: ObjectMeta { generate_name: Some("operator-".to_owned()), ..template.metadata.unwrap() },
        spec: template.spec,
        status: None,
    };
    let pods = Api::<Pod>::namespaced(machine.client.clone(), namespace);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&dry, &pod).await.unwrap();
    pod.spec.as_mut().unwrap().host_network = Some(true);
    let refused = pods.create(&dry, &pod).await.unwrap_err();
    assert!(refused.to_string().contains("PodSecurity"), "{refused}");
}

/// Who has `edit` in a namespace writes all kinds but `ArangoCluster`; who has `view` reads all.
async fn people_edit_all_but_connections(machine: &Machine) {
    for role in ["view", "edit"] {
        let (role, user) = (format!("--clusterrole={role}"), format!("--user={role}er"));
        machine.kubectl_succeeds(&["create", "rolebinding", &user[7..], &role, &user, "-n", "default"]);
    }
    let may = async |user: &str, verb: &str, resource: &str| {
        machine.may_user(user, &Right::new(GROUP, resource, verb), Some("default")).await
    };
    eventually("the roles for people are aggregated", async || {
        let (view, edit) =
            (may("viewer", "list", "arangousers").await, may("editer", "create", "arangousers").await);
        if view && edit { Ok(()) } else { Err(format!("view {view}, edit {edit}")) }
    })
    .await;
    for kind in KINDS {
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert_eq!(may("editer", verb, kind).await, kind != "arangoclusters", "{verb} {kind}");
            assert!(!may("viewer", verb, kind).await, "{verb} {kind}");
        }
        for verb in ["get", "list", "watch"] {
            assert!(may("editer", verb, kind).await && may("viewer", verb, kind).await, "{verb} {kind}");
        }
        // The status is the operator's word.
        assert!(!may("editer", "update", &format!("{kind}/status")).await, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_stores_what_is_generated_as_it_is() {
    let machine = Machine::start().await;
    let (crds, deploy) = (repository("crds"), repository("deploy"));
    let (crds, deploy) = (crds.to_str().unwrap(), deploy.to_str().unwrap());
    let first = machine.kubectl_succeeds(&["apply", "--server-side", "-k", crds]);
    assert_eq!(first.lines().count(), 4, "{first}");
    let versions =
        || machine.kubectl_succeeds(&["get", "crd", "-o", "jsonpath={.items[*].metadata.generation}"]);
    let before = versions();
    machine.kubectl_succeeds(&["apply", "--server-side", "-k", crds]);
    assert_eq!(versions(), before, "applying the same again is a change");
    // Exit code 1 if there is a difference.
    machine.kubectl_succeeds(&["diff", "--server-side", "-k", crds]);

    machine.kubectl_succeeds(&["apply", "--server-side", "-k", deploy]);
    machine.kubectl_succeeds(&["diff", "--server-side", "-k", deploy]);
    machine.kubectl_succeeds(&["diff", "-k", crds]);
    machine.kubectl_succeeds(&["diff", "-k", deploy]);
    keys_are_bounded(&machine).await;
    stop(machine).await;
}

/// A schema can't bound the keys of a map; a rule does.
async fn keys_are_bounded(machine: &Machine) {
    for (length, is_taken) in [(256, true), (257, false)] {
        let spec = json!({
            "clusterRef": {"name": "prod"}, "user": "app", "database": "shop", "collections": {"c".repeat(length): "ro"},
        });
        let metadata = json!({"name": "app-shop", "namespace": "default"});
        let (version, kind) = (format!("{GROUP}/v1alpha1"), "ArangoPermission");
        let manifest = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
        let path = machine.folder.path().join("permission.json");
        std::fs::write(&path, manifest.to_string()).unwrap();
        // The definitions were stored a moment ago and are served a moment later.
        eventually("the API server decides", async || {
            let output = machine.kubectl(&["apply", "--dry-run=server", "-f", path.to_str().unwrap()]);
            let refusal = String::from_utf8_lossy(&output.stderr).contains("at most 256 characters");
            if output.status.success() == is_taken && refusal != is_taken {
                Ok(())
            } else {
                Err(format!("{output:?}"))
            }
        })
        .await;
    }
}

async fn stop(machine: Machine) {
    machine.stand_in.stop().await.unwrap();
    tokio::time::timeout(machine::LIMIT, machine.plane.stop()).await.unwrap().unwrap();
}
