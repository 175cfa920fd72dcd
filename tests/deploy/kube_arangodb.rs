//! The optional rights for `spec.deploymentRef`, on a control plane to which kube-arangodb comes later.

use std::collections::BTreeSet;

use arango_operator::stand_in::{Options, StandIn};
use serde_json::json;

use crate::{
    life::ready,
    machine::{Machine, Operator, Right, eventually, repository, used},
    rights::{KUBE_ARANGODB, LEASE, rights, rights_everywhere, rights_of},
    stop,
};

const NAMESPACE: &str = "shop";
const SECRET: &str = "the deployment's own secret";

/// Of kube-arangodb up to 1.4.4, where the status is no subresource.
fn definition() -> String {
    let names =
        json!({"kind": "ArangoDeployment", "plural": "arangodeployments", "singular": "arangodeployment"});
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "arangodeployments.database.arangodb.com"},
        "spec": {"group": "database.arangodb.com", "scope": "Namespaced", "names": names,
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]},
    })
    .to_string()
}

fn connection() -> String {
    let spec = json!({"deploymentRef": {"name": "prod"}, "drift": {"interval": "1s"}});
    let database = json!({"clusterRef": {"name": "prod"}, "name": "orders"});
    let object = |kind: &str, name: &str, spec: serde_json::Value| {
        let metadata = json!({"name": name, "namespace": NAMESPACE});
        json!({"apiVersion": "arango-operator.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}).to_string()
    };
    [object("ArangoCluster", "prod", spec), object("ArangoDatabase", "orders", database)].join("\n---\n")
}

fn deployment() -> String {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prod-jwt", "namespace": NAMESPACE},
        "stringData": {"token": SECRET},
    });
    let deployment = json!({
        "apiVersion": "database.arangodb.com/v1", "kind": "ArangoDeployment",
        "metadata": {"name": "prod", "namespace": NAMESPACE},
        "spec": {"mode": "Cluster", "tls": {"caSecretName": "None"}},
        "status": {"members": {"coordinators": [{"id": "CRDN-kq3vwx8n"}]}},
    });
    format!("{secret}\n---\n{deployment}")
}

async fn says(machine: &Machine, operator: &Operator, part: &str) {
    eventually(&format!("it says {part:?}"), async || {
        let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")]}"#;
        let state = machine.kubectl_succeeds(&["get", "arangocluster/prod", "-n", NAMESPACE, "-o", path]);
        let waits = state.contains("ReferenceMissing") && state.contains(r#""status":"Unknown""#);
        if waits && state.contains(part) { Ok(()) } else { Err(format!("{state}\n{}", operator.log())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployment_ref_waits_for_its_rights_for_kube_arangodb_and_for_the_deployment_and_says_for_which() {
    let machine = Machine::start().await;
    let mut options = Options::cluster(1, "pw");
    options.config.jwt_secret = SECRET.as_bytes().to_vec();
    let server = StandIn::start(options).await.unwrap();
    let (_, address) =
        server.endpoints()[0].split_once("://").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    machine.kubectl_succeeds(&["apply", "-k", repository("deploy").to_str().unwrap()]);
    machine.kubectl_succeeds(&["create", "namespace", NAMESPACE]);
    machine.has("arango-operator", &rights(), None).await;
    let route = format!("--connect-to=prod-coordinator-kq3vwx8n.{NAMESPACE}.svc:8529:{address}");
    let operator = machine.operator("arango-operator", &[&route]).await;

    machine.apply("connection.yaml", &connection()).await;
    says(&machine, &operator, "an administrator applies deploy/kube-arangodb").await;
    machine.kubectl_succeeds(&["apply", "-k", repository("deploy/kube-arangodb").to_str().unwrap()]);
    says(&machine, &operator, "resource definitions are not installed").await;
    machine.apply("definition.yaml", &definition()).await;
    says(&machine, &operator, "does not exist in this namespace").await;
    machine.apply("deployment.yaml", &deployment()).await;
    for resource in ["arangocluster/prod", "arangodatabase/orders"] {
        ready(&machine, &operator, NAMESPACE, resource).await;
    }

    // The switch of kube-arangodb is the one thing that is written.
    let annotation = "arango-operator.dev/maintenance=on";
    machine.kubectl_succeeds(&["annotate", "arangocluster/prod", annotation, "-n", NAMESPACE]);
    eventually("the switch is set", async || {
        let path = "jsonpath={.spec.database.maintenance}";
        let set = machine.kubectl_succeeds(&["get", "arangodeployment/prod", "-n", NAMESPACE, "-o", path]);
        if set == "true" { Ok(()) } else { Err(format!("{set}\n{}", operator.log())) }
    })
    .await;

    // What a person is told in a condition is no noise in the log.
    let log = operator.log();
    operator.stop().await;
    let is_loud = |line: &&str| line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#);
    // The API server needs a moment for resource definitions that it has just been given.
    let begins = |line: &&str| line.contains("storage is (re)initializing");
    let loud: Vec<_> = log.lines().filter(is_loud).filter(|line| !begins(line)).collect();
    assert!(loud.is_empty(), "{loud:#?}");
    let mut usual = rights_everywhere();
    usual.insert(Right::new("", "namespaces", "get"));
    usual.extend(rights_of(&LEASE));
    let optional = rights_of(&KUBE_ARANGODB);
    let used = used(&machine.requests("arango-operator"));
    let beyond: BTreeSet<_> =
        used.difference(&usual).filter(|right| !optional.contains(right)).cloned().collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    let unused: Vec<_> = optional.difference(&used).collect();
    assert!(unused.is_empty(), "granted and never used: {unused:?}");
    server.stop().await.unwrap();
    stop(machine).await;
}
