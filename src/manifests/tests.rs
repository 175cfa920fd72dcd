//! Reading as a whole.

use super::*;
use crate::kinds::{database::Database, permission::Permission, user::User};

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
