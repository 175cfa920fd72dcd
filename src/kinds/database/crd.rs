//! The custom resource ArangoDatabase.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::Status,
    kinds::schema::{ClusterRef, NoMemory, ObjectDrift, Rule},
};

/// A database inside an ArangoDB deployment.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "arango-operator.dev",
    version = "v1alpha1",
    kind = "ArangoDatabase",
    plural = "arangodatabases",
    shortname = "ardb",
    category = "arangodata",
    namespaced,
    status = "DatabaseStatus",
    derive = "PartialEq",
    selectable = ".spec.clusterRef.name",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Database","type":"string","jsonPath":".status.name","description":"Name on the server"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterRef.name"}"#,
    printcolumn = r#"{"name":"Deletion","type":"string","jsonPath":".spec.deletionPolicy","priority":1}"#,
    printcolumn = r#"{"name":"In sync","type":"string","jsonPath":".status.conditions[?(@.type==\"InSync\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ArangoDatabaseSpec {
    /// The ArangoCluster that leads to the deployment. Can't be changed.
    pub cluster_ref: ClusterRef,
    /// Name of the database on the server; the resource's own name if left out. Extended names are allowed and are
    /// brought to Unicode NFC. Can't be changed: ArangoDB can't rename a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub name: Option<String>,
    /// Used when the database is created; a database that exists keeps what it has, since ArangoDB can't change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<DatabaseOptions>,
    /// What happens to the database when this resource is deleted: Retain (the default) leaves it and all its data
    /// on the server, DeleteIfEmpty drops it if it has no collection but ArangoDB's own and nothing in those that
    /// count, Delete drops it with all its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DatabaseDeletionPolicy")]
    pub deletion_policy: Option<DatabaseDeletionPolicy>,
    /// What is done about differences from what is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectDrift")]
    pub drift: Option<ObjectDrift>,
}

/// Options of a new database in a cluster; a single server takes and ignores them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseOptions {
    /// How collections are spread: flexible (the server's default), or single for all on one DB-Server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Sharding")]
    pub sharding: Option<Sharding>,
    /// Default number of copies of each shard, 1 to 10; the server's default if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10), extend("format" = "int32"))]
    pub replication_factor: Option<u32>,
    /// Default number of copies that must be in sync for a write, 1 to 10; the server's default if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10), extend("format" = "int32"))]
    pub write_concern: Option<u32>,
}

/// How the collections of a database are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum Sharding {
    /// Each collection as it says itself.
    Flexible,
    /// All on one DB-Server.
    Single,
}

impl Sharding {
    /// As ArangoDB writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flexible => "flexible",
            Self::Single => "single",
        }
    }
}

/// What happens to the database when the resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum DatabaseDeletionPolicy {
    /// It stays, with all its data.
    Retain,
    /// It is dropped if it is empty; until then the deletion waits.
    DeleteIfEmpty,
    /// It is dropped, with all its data.
    Delete,
}

/// Status of an ArangoDatabase.
pub type DatabaseStatus = Status<NoMemory>;

/// What the API server checks beside the schema.
pub const RULES: &[Rule] = &[
    Rule::unchangeable("clusterRef", "a database can't move to another deployment"),
    Rule::unchangeable_option(
        "name",
        "self.spec.name",
        "oldSelf.spec.name",
        "spec.name can't be changed, set or unset: ArangoDB can't rename a database; declare a new ArangoDatabase instead",
    ),
    Rule::new(
        "name",
        "!has(self.spec.name) || (!self.spec.name.startsWith('_') && self.spec.name != '*')",
        "names with a leading underscore are ArangoDB's own, and * is the wildcard; choose another spec.name",
    ),
    Rule::new(
        "name",
        "!has(self.spec.name) || !self.spec.name.matches('^[0-9. ]|[/:\\\\x00-\\\\x1f]| $')",
        "spec.name must not start with a digit, dot or space, end with a space, or contain / : or control characters",
    ),
    Rule::new(
        "",
        "has(self.spec.name) || !self.metadata.name.matches('^[0-9]')",
        "metadata.name starts with a digit, which ArangoDB refuses for a database; set spec.name",
    ),
    Rule::new(
        "options",
        "!has(self.spec.options) || !has(self.spec.options.writeConcern) || !has(self.spec.options.replicationFactor) \
         || self.spec.options.writeConcern <= self.spec.options.replicationFactor",
        "options.writeConcern must not be greater than options.replicationFactor",
    ),
];
