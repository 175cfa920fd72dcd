//! The custom resource ArangoUser.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::{RemovalPolicy, Status},
    kinds::schema::{ClusterRef, ObjectDrift, Rule},
};

/// A user of an ArangoDB deployment.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "arango-operator.dev",
    version = "v1alpha1",
    kind = "ArangoUser",
    plural = "arangousers",
    shortname = "aruser",
    category = "arangodata",
    namespaced,
    status = "UserStatus",
    derive = "PartialEq",
    selectable = ".spec.clusterRef.name",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"User","type":"string","jsonPath":".status.name","description":"Name on the server"}"#,
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterRef.name"}"#,
    printcolumn = r#"{"name":"Origin","type":"string","jsonPath":".status.origin","priority":1}"#,
    printcolumn = r#"{"name":"In sync","type":"string","jsonPath":".status.conditions[?(@.type==\"InSync\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ArangoUserSpec {
    /// The ArangoCluster that leads to the deployment. Can't be changed.
    pub cluster_ref: ClusterRef,
    /// Name of the user on the server; the resource's own name if left out. Can't be changed: ArangoDB can't rename
    /// a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Whether the user may log in. True if left out.
    #[serde(default = "yes")]
    #[schemars(default = "yes")]
    pub active: bool,
    /// Where the password comes from: exactly one of secretRef and generate. If left out the password is not
    /// managed: a user who exists keeps his, and a missing one is not created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// What happens to the user when this resource is deleted: Delete removes him and all his rights, Retain leaves
    /// him. If left out, Delete for a user that the operator created, Retain for one that it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RemovalPolicy")]
    pub deletion_policy: Option<RemovalPolicy>,
    /// What is done about differences from what is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectDrift")]
    pub drift: Option<ObjectDrift>,
}

fn yes() -> bool {
    true
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Password {
    /// A key of a Secret in the same namespace. A change of the Secret changes the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// A password that the operator makes and writes into a Secret of its own, with the keys username and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
}

/// A key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it. `password` if left out.
    #[serde(default = "password_key")]
    #[schemars(length(min = 1, max = 253), default = "password_key")]
    pub key: String,
}

/// The key of a Secret that holds a password, where nothing else is said.
pub fn password_key() -> String {
    "password".to_owned()
}

/// How a password is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Generate {
    /// Name of the Secret to write; <name of this resource>-password if left out. A Secret that exists and isn't
    /// the operator's own for this user is never overwritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// Number of characters, 16 to 128; letters and digits.
    #[serde(default = "password_length")]
    #[schemars(range(min = 16, max = 128), default = "password_length", extend("format" = "int32"))]
    pub length: u32,
}

fn password_length() -> u32 {
    32
}

/// Status of an ArangoUser.
pub type UserStatus = Status<UserMemory>;

/// What is remembered of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserMemory {
    /// The version of the Secret whose password was last set. A restart reads no Secret and sets no password again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<SecretVersion>,
}

/// One version of one Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// UID of the Secret.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Resource version of the Secret.
    #[schemars(length(max = 64))]
    pub resource_version: String,
    /// Name and key, so that a change of the reference is a change of version.
    #[schemars(length(max = 512))]
    pub source: String,
}

/// What the API server checks beside the schema.
pub const RULES: &[Rule] = &[
    Rule::unchangeable("clusterRef", "a user can't move to another deployment"),
    Rule::unchangeable_option(
        "name",
        "self.spec.name",
        "oldSelf.spec.name",
        "spec.name can't be changed, set or unset: ArangoDB can't rename a user; declare a new ArangoUser instead",
    ),
    Rule::new(
        "",
        "has(self.spec.name) ? self.spec.name != 'root' : self.metadata.name != 'root'",
        "root is every deployment's own account and is never managed; declare another user",
    ),
    Rule::new(
        "password",
        "!has(self.spec.password) || has(self.spec.password.secretRef) != has(self.spec.password.generate)",
        "exactly one of password.secretRef and password.generate must be set; leave password out to not manage it",
    ),
];
