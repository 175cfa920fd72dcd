//! The custom resource ArangoUser.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    core::{RemovalPolicy, Status},
    kinds::{
        permission::crd::PermissionMemory,
        schema::{ClusterRef, ObjectDrift, Rule},
    },
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
    label("servicebinding.io/provisioned-service", "true"),
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
    /// Keys of the user's `extra` on the server, with values of any form. They are kept as they are here; keys that
    /// are not named are left alone. A key that is taken out again is set to null, if it was set from here. At most 32
    /// keys of up to 128 bytes, 8 KiB in all.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub extra: Map<String, Value>,
    /// Where the password comes from: exactly one of secretRef and generate. If left out the password is not
    /// managed: a user who exists keeps his, and a missing one is not created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// A Secret that is written for applications once the user is Ready, and kept up to date: who they are, where the
    /// deployment is, and whom to trust. If left out, none is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ConnectionSecret")]
    pub connection_secret: Option<ConnectionSecret>,
    /// What becomes of rights of the user that no ArangoPermission declares: Keep leaves them, Revoke takes them away
    /// once two comparisons in a row have shown them. An explicit none is no right and stays. Keep if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UndeclaredPermissions")]
    pub undeclared_permissions: Option<UndeclaredPermissions>,
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

/// An object whose values may be anything, which a schema can only say by preserving what it doesn't know.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": super::extra::KEYS_MAX,
        "x-kubernetes-preserve-unknown-fields": true,
    })
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
    /// Name of the Secret to write; that of connectionSecret if left out, or, where there is none either, <name of this
    /// resource>-password. A Secret that exists and isn't the operator's own for this user is never overwritten.
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

/// What becomes of rights that nobody declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum UndeclaredPermissions {
    /// They are left.
    Keep,
    /// They are taken away.
    Revoke,
}

/// A Secret for applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub struct ConnectionSecret {
    /// Name of the Secret to write, in the same namespace, with the keys username, password, endpoint, endpoints, host,
    /// port, uri, type and provider, and database and ca.crt where there is one. A Secret that exists and isn't the
    /// operator's own for this user is never overwritten.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The database that the application uses: the key database, and the path of uri.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub database: Option<String>,
    /// More keys, each with its text, in which $(username), $(password), $(endpoint), $(endpoints), $(host), $(port),
    /// $(database) and $(uri) stand for these values, with |url behind the name percent-encoded, with |json as between
    /// the quotes of a JSON string. $$ is a dollar.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 32,
        "additionalProperties" = {"type": "string", "maxLength": 4096}
    ))]
    pub template: BTreeMap<String, String>,
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
    /// The Secret that was written for applications (Service Binding specification: a provisioned service).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingRef>,
    /// The version of that Secret as it was last written or found in order, and what it was made of. A restart reads
    /// none and writes none again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<SecretVersion>,
    /// The row that undeclared rights are being taken from, with what is to be put back. Only while that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoking: Option<PermissionMemory>,
    /// The keys of `extra` that were set from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 128)))]
    pub extra_keys: Vec<String>,
    /// The annotation arango-operator.dev/rotate that was last obeyed, or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub rotated: Option<String>,
    /// The annotation arango-operator.dev/rotate that is being obeyed: the Secret may have the key password-next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub rotating: Option<String>,
}

/// A Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingRef {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
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
    Rule::new(
        "connectionSecret.template",
        "!has(self.spec.connectionSecret) || !has(self.spec.connectionSecret.template) \
         || self.spec.connectionSecret.template.all(key, key.size() <= 253)",
        "a key of a Secret has at most 253 characters",
    ),
    Rule::new(
        "connectionSecret.template",
        "!has(self.spec.connectionSecret) || !has(self.spec.connectionSecret.template) \
         || !self.spec.connectionSecret.template.exists(key, key in ['username', 'password', 'password-next', \
         'endpoint', 'endpoints', 'host', 'port', 'database', 'uri', 'type', 'provider', 'ca.crt'])",
        "connectionSecret.template has a key that the operator writes itself (username, password, endpoint, endpoints, \
         host, port, database, uri, type, provider, ca.crt); choose another",
    ),
];
