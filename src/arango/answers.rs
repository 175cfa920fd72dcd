//! The answers that are read, each with the keys that are used. Unknown keys are ignored everywhere: servers of
//! different versions send more or less of them.

use serde::Deserialize;
use serde_json::{Map, Value};

/// `{"error": false, "code": 200, "result": …}`.
#[derive(Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) result: T,
}

/// One user of the listing.
#[derive(Deserialize)]
pub(super) struct UserRow {
    pub(super) user: String,
    // Not flattened, which would build every row twice.
    pub(super) active: bool,
    #[serde(default)]
    pub(super) extra: Map<String, Value>,
}

/// What the server tells about a user; never a password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UserInfo {
    /// Whether the user may log in.
    pub active: bool,
    /// Arbitrary data beside the user.
    #[serde(default)]
    pub extra: Map<String, Value>,
}

/// A collection, as far as rights and emptiness ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CollectionInfo {
    /// Its name.
    #[serde(deserialize_with = "collection_name")]
    pub name: crate::core::CollectionName,
    /// Whether the server keeps it for itself.
    #[serde(rename = "isSystem", default)]
    pub is_system: bool,
}

/// A name that the server keeps is a name, whatever the parser of manifests would say.
fn collection_name<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<crate::core::CollectionName, D::Error> {
    String::deserialize(deserializer).map(crate::core::CollectionName::from_server)
}

/// The server's version. A hardened server tells others than administrators none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Version {
    /// `3.12.10`.
    pub version: Option<String>,
    /// `community` or `enterprise`.
    pub license: Option<String>,
    /// `arango`.
    pub server: Option<String>,
}

/// What kind of server answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Role {
    /// A single server.
    #[serde(rename = "SINGLE")]
    Single,
    /// A coordinator of a cluster.
    #[serde(rename = "COORDINATOR")]
    Coordinator,
    /// A DB-Server: the wrong port.
    #[serde(rename = "PRIMARY")]
    DbServer,
    /// An agent: the wrong port.
    #[serde(rename = "AGENT")]
    Agent,
    /// Not known yet, or a word that the reference doesn't have.
    #[serde(other)]
    Undefined,
}

impl Role {
    /// As the server writes it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Single => "SINGLE",
            Self::Coordinator => "COORDINATOR",
            Self::DbServer => "PRIMARY",
            Self::Agent => "AGENT",
            Self::Undefined => "UNDEFINED",
        }
    }
}

#[derive(Deserialize)]
pub(super) struct RoleAnswer {
    pub(super) role: Role,
}

#[derive(Deserialize)]
pub(super) struct Id {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct Engine {
    pub(super) name: String,
}

/// The answer to a login. The token is not kept, only that there is one.
#[derive(Deserialize)]
pub(super) struct LoginAnswer {
    jwt: String,
}

impl LoginAnswer {
    /// Whether it is a token at all: three parts with dots between. A server without authentication sends a word.
    pub(super) fn is_token(&self) -> bool {
        self.jwt.split('.').count() == 3
    }
}

/// How a server is; every key may be missing (reference: information, status).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// `3.12.10`.
    pub version: Option<String>,
    /// `community` or `enterprise`.
    pub license: Option<String>,
    /// The part about this process.
    pub server_info: ServerInfo,
}

/// The part of [`Status`] about the process itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerInfo {
    /// `SINGLE`, `COORDINATOR`, …
    pub role: Option<String>,
    /// Whether the server takes no writes.
    pub read_only: Option<bool>,
    /// Whether writes are switched on.
    pub write_ops_enabled: Option<bool>,
    /// The id in a cluster.
    pub server_id: Option<String>,
    /// The id in a cluster, kept over restarts.
    pub persisted_id: Option<String>,
    /// `SERVING`, …
    pub state: Option<String>,
}

/// What an available server says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Availability {
    /// `default` or `readonly`.
    pub mode: Option<String>,
}
