//! The custom resource ArangoPermission.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::{Level, RemovalPolicy, Status},
    kinds::schema::{ClusterRef, LocalRef, ObjectDrift, Rule},
};

/// One row of the access matrix of an ArangoDB deployment: what one user may do in one database, or, with the
/// wildcard, in all that have no row of their own.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "arango-operator.dev",
    version = "v1alpha1",
    kind = "ArangoPermission",
    plural = "arangopermissions",
    shortname = "arperm",
    category = "arangodata",
    namespaced,
    status = "PermissionStatus",
    derive = "PartialEq",
    selectable = ".spec.clusterRef.name",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Row","type":"string","jsonPath":".status.name","description":"User and database on the server"}"#,
    printcolumn = r#"{"name":"Access","type":"string","jsonPath":".spec.access","description":"Database level"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterRef.name"}"#,
    printcolumn = r#"{"name":"Origin","type":"string","jsonPath":".status.origin","priority":1}"#,
    printcolumn = r#"{"name":"In sync","type":"string","jsonPath":".status.conditions[?(@.type==\"InSync\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ArangoPermissionSpec {
    /// The ArangoCluster that leads to the deployment. Can't be changed.
    pub cluster_ref: ClusterRef,
    /// The ArangoUser whose rights these are. Exactly one of userRef and user. Can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_ref: Option<LocalRef>,
    /// The user's name on the server, for one that no ArangoUser declares. Can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// The ArangoDatabase. Exactly one of databaseRef and database. Can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_ref: Option<LocalRef>,
    /// The database's name on the server, or * for all that have no row of their own. Can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub database: Option<String>,
    /// The level on the database: rw, ro, or none, which also keeps wildcards from applying. If left out, the level
    /// is not managed. rw on _system is the administrator's right, and a level on _system or * reaches every
    /// database that has no row of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Level")]
    pub access: Option<Level>,
    /// Levels on collections, by name or * for all that have no level of their own. Needs database access of at
    /// least ro to be of use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 1024))]
    pub collections: BTreeMap<String, Level>,
    /// What happens to the rights when this resource is deleted: Delete takes away what it declares, Retain leaves
    /// it. If left out, Delete for a row that the operator made, Retain for one that it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RemovalPolicy")]
    pub deletion_policy: Option<RemovalPolicy>,
    /// What is done about differences from what is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectDrift")]
    pub drift: Option<ObjectDrift>,
}

/// Status of an ArangoPermission.
pub type PermissionStatus = Status<PermissionMemory>;

/// What is remembered of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionMemory {
    /// Whose row it is, and where: what userRef and databaseRef led to, so that the rights can be taken away when
    /// the resources that they name are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<RowName>,
    /// What this resource has set, so that it is taken away when it is no longer declared, and nothing else is.
    #[serde(default, skip_serializing_if = "Applied::is_nothing")]
    pub applied: Applied,
    /// Collection levels to be put back, recorded before the database level is taken away: ArangoDB removes both
    /// together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 65536))]
    pub restore: Option<BTreeMap<String, Level>>,
}

/// A row by its names on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowName {
    /// The user.
    #[schemars(length(max = 1024))]
    pub user: String,
    /// The database, or the wildcard.
    #[schemars(length(max = 1024))]
    pub database: String,
}

/// The parts of a row that a resource has set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Whether it set the database level.
    #[serde(default)]
    pub access: bool,
    /// The collections whose level it set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2048), inner(length(max = 256)))]
    pub collections: Vec<String>,
}

impl Applied {
    /// Whether nothing was set.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What the API server checks beside the schema.
pub const RULES: &[Rule] = &[
    Rule::unchangeable("clusterRef", "a row can't move to another deployment"),
    Rule::unchangeable_option(
        "userRef",
        "self.spec.userRef",
        "oldSelf.spec.userRef",
        "spec.userRef can't be changed, set or unset; declare a new ArangoPermission for another user",
    ),
    Rule::unchangeable_option(
        "user",
        "self.spec.user",
        "oldSelf.spec.user",
        "spec.user can't be changed, set or unset; declare a new ArangoPermission for another user",
    ),
    Rule::unchangeable_option(
        "databaseRef",
        "self.spec.databaseRef",
        "oldSelf.spec.databaseRef",
        "spec.databaseRef can't be changed, set or unset; declare a new ArangoPermission for another database",
    ),
    Rule::unchangeable_option(
        "database",
        "self.spec.database",
        "oldSelf.spec.database",
        "spec.database can't be changed, set or unset; declare a new ArangoPermission for another database",
    ),
    Rule::new(
        "",
        "has(self.spec.userRef) != has(self.spec.user)",
        "set exactly one of spec.userRef (an ArangoUser) and spec.user (a name on the server)",
    ),
    Rule::new(
        "",
        "has(self.spec.databaseRef) != has(self.spec.database)",
        "set exactly one of spec.databaseRef (an ArangoDatabase) and spec.database (a name on the server, or *)",
    ),
    Rule::new(
        "user",
        "!has(self.spec.user) || self.spec.user != 'root'",
        "root is every deployment's own account and its rights are never managed; declare another user",
    ),
    Rule::new(
        "",
        "has(self.spec.access) || (has(self.spec.collections) && self.spec.collections.size() > 0)",
        "set spec.access, spec.collections or both; a row without a level declares nothing",
    ),
    Rule::new(
        "collections",
        "!has(self.spec.collections) || !self.spec.collections.exists(name, name == '' || name.startsWith('_'))",
        "levels on system collections (a leading underscore) can't be set: ArangoDB derives them from the database",
    ),
    // `propertyNames` would say it, but isn't part of what a CRD may say.
    Rule::new(
        "collections",
        "!has(self.spec.collections) || self.spec.collections.all(name, name.size() <= 256)",
        "the name of a collection has at most 256 characters",
    ),
    Rule::new(
        "collections",
        "!has(self.spec.collections) || !has(self.spec.database) || self.spec.database != '*' \
         || self.spec.collections.all(name, name == '*')",
        "with the wildcard database only the wildcard collection * can be given a level; name the database instead",
    ),
];
