//! The custom resource `ArangoCollection`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::Status,
    kinds::schema::{ClusterRef, NoMemory, ObjectDrift, Rule},
};

/// A collection inside a database.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "arango-operator.dev",
    version = "v1alpha1",
    kind = "ArangoCollection",
    plural = "arangocollections",
    shortname = "arcol",
    category = "arangodata",
    namespaced,
    status = "CollectionStatus",
    derive = "PartialEq",
    selectable = ".spec.clusterRef.name",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Database","type":"string","jsonPath":".spec.database"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ArangoCollectionSpec {
    /// The ArangoCluster that leads to the deployment. Can't be changed.
    pub cluster_ref: ClusterRef,
    /// Name of the database on the server. Can't be changed.
    #[schemars(length(min = 1, max = 128))]
    pub database: String,
    /// Name of the collection on the server; the resource's own name if left out. Can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// What happens to the collection when this resource is deleted: Retain (the default) leaves it and all its data on
    /// the server, Delete drops it with all its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CollectionDeletionPolicy")]
    pub deletion_policy: Option<CollectionDeletionPolicy>,
    /// What is done about differences from what is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectDrift")]
    pub drift: Option<ObjectDrift>,
}

/// What happens to the collection when the resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum CollectionDeletionPolicy {
    /// It stays, with all its data.
    Retain,
    /// It is dropped, with all its data.
    Delete,
}

/// Status of an `ArangoCollection`.
pub type CollectionStatus = Status<NoMemory>;

/// What the API server checks beside the schema.
pub const RULES: &[Rule] = &[
    Rule::unchangeable("clusterRef", "a collection can't move to another deployment"),
    Rule::unchangeable("database", "a collection can't move to another database"),
    Rule::unchangeable_option(
        "name",
        "self.spec.name",
        "oldSelf.spec.name",
        "spec.name can't be changed, set or unset; declare a new ArangoCollection instead",
    ),
];
