//! A whole life of one tenant: everything that needs a right happens in it.

use arango_operator::kinds::{
    cluster::crd::ArangoCluster, database::crd::ArangoDatabase, permission::crd::ArangoPermission,
    user::crd::ArangoUser,
};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
    core::NamespaceResourceScope,
};
use serde_json::json;

use crate::machine::{Machine, Operator, PASSWORD, eventually};

/// A connection, a database, a user and his right, in one namespace.
pub(crate) fn manifest(machine: &Machine, namespace: &str) -> String {
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
pub(crate) async fn whole_life(machine: &Machine, operator: &Operator, namespace: &str) {
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

pub(crate) async fn ready(machine: &Machine, operator: &Operator, namespace: &str, resource: &str) {
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

pub(crate) async fn all_gone(machine: &Machine, operator: &Operator, namespace: &str) {
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
