//! What the status of an ArangoCluster shows beside the connection: the servers, what is in the deployment, maintenance.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::core::maintenance::{Memory, Phase, Wish};

/// The most servers that are listed.
pub const SERVERS_MAX: usize = 256;

/// One coordinator as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coordinator {
    /// Its address.
    #[schemars(length(max = 512))]
    pub endpoint: String,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// The id of the server that answers there; a single server has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub server_id: Option<String>,
    /// Since when it has been reachable, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// Why it is not reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// One server as the cluster's own health shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Its id: CRDN-…, PRMR-…, AGNT-….
    #[schemars(length(max = 128))]
    pub id: String,
    /// Its short name; agents have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub short_name: Option<String>,
    /// What it does, in the health's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub role: Option<String>,
    /// GOOD, BAD or FAILED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub status: Option<String>,
}

/// What resources declare and is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Managed {
    /// Databases on the server that an ArangoDatabase declares.
    #[schemars(extend("format" = "int64"))]
    pub databases: u64,
    /// Users on the server that an ArangoUser declares.
    #[schemars(extend("format" = "int64"))]
    pub users: u64,
    /// Rows that an ArangoPermission declares.
    #[schemars(extend("format" = "int64"))]
    pub permissions: u64,
}

/// What is there and no resource declares. Nothing of it is ever touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unmanaged {
    /// Databases, _system apart.
    #[schemars(extend("format" = "int64"))]
    pub databases: u64,
    /// Users, root apart.
    #[schemars(extend("format" = "int64"))]
    pub users: u64,
}

/// Whether something is in maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It is.
    On,
    /// It isn't.
    Off,
}

/// Who switched maintenance on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum By {
    /// The operator, since the annotation says so.
    Annotation,
    /// Somebody else: it is not switched off with the annotation.
    SomebodyElse,
}

/// Maintenance of the supervision, or of one DB-Server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Maintained {
    /// Whether it was on at the last look: on or off.
    pub mode: Mode,
    /// Who switched it on, while it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Until when, as far as is known: the annotation's own end; with "on", when the server would end it if it weren't
    /// renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
    /// The annotation that is obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub value: Option<String>,
    /// When that value was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// How far that has come: Waiting, Switching, Held, Over or Undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// When the operator last switched it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub switched: Option<Timestamp>,
    /// When the server ends by itself what the operator switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub lease_until: Option<Timestamp>,
    /// How often in a row it was found off shortly after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "int32"))]
    pub undone: Option<u32>,
}

/// A DB-Server and its maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintainedServer {
    /// The DB-Server as the annotation names it.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Its maintenance.
    #[serde(flatten)]
    pub maintained: Maintained,
}

/// Maintenance: of the supervision, and of single DB-Servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// The supervision's.
    #[serde(flatten)]
    pub supervision: Maintained,
    /// Single DB-Servers, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub servers: Vec<MaintainedServer>,
}

impl Maintained {
    /// What is shown of what was seen and is remembered.
    pub fn new(on: bool, until: Option<Timestamp>, memory: Option<&Memory>) -> Self {
        let ours = memory.filter(|memory| matches!(memory.phase, Phase::Held | Phase::Switching));
        let by = on.then(|| if ours.is_some() { By::Annotation } else { By::SomebodyElse });
        Self {
            mode: if on { Mode::On } else { Mode::Off },
            by,
            until: match by {
                Some(By::SomebodyElse) => until,
                _ => memory.and_then(Memory::until),
            },
            value: memory.map(|memory| memory.value.clone()),
            since: memory.map(|memory| memory.since),
            phase: memory.map(|memory| memory.phase),
            switched: memory.and_then(|memory| memory.switched),
            lease_until: memory.and_then(|memory| memory.lease_until),
            undone: memory.map(|memory| memory.undone).filter(|undone| *undone > 0),
        }
    }

    /// What is remembered.
    pub fn memory(&self) -> Option<Memory> {
        Some(Memory {
            value: self.value.clone()?,
            since: self.since?,
            phase: self.phase?,
            switched: self.switched,
            lease_until: self.lease_until,
            undone: self.undone.unwrap_or_default(),
        })
    }

    /// Whether the operator has it on, or is about to.
    pub fn is_held(&self) -> bool {
        let asks_for_it = self.value.as_deref().map(Wish::parse).is_some_and(|wish| wish != Ok(Wish::Off));
        asks_for_it && matches!(self.phase, Some(Phase::Held | Phase::Switching))
    }
}

impl Maintenance {
    /// Whether the operator has anything on, or is about to.
    pub fn is_held(&self) -> bool {
        self.supervision.is_held() || self.servers.iter().any(|server| server.maintained.is_held())
    }
}

/// What a deployment says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Cluster or Single.
    #[schemars(length(max = 64))]
    pub mode: String,
    /// Its identity: the `ClusterId` of a cluster, a digest of the endpoints for a single server. All ArangoClusters that
    /// lead to one deployment share what is declared there. Once known, another one counts only when the annotation
    /// arango-operator.dev/accept-deployment names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub id: Option<String>,
    /// The identity of the deployment that answers, if it is another one: nothing is taken away there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub found: Option<String>,
    /// The ArangoDB version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub version: Option<String>,
    /// community or enterprise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub license: Option<String>,
    /// The storage engine: rocksdb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub engine: Option<String>,
    /// What answers at the endpoints: Coordinator or Single.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub role: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_comes_back_out_of_the_status() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let memory = Memory {
            value: "on".to_owned(),
            since: at("2026-11-21T12:00:00Z"),
            phase: Phase::Held,
            switched: Some(at("2026-11-21T12:30:00Z")),
            lease_until: Some(at("2026-11-21T13:30:00Z")),
            undone: 1,
        };
        let supervision = Maintained::new(true, None, Some(&memory));
        let server =
            MaintainedServer { id: "PRMR-1".to_owned(), maintained: Maintained::new(false, None, None) };
        let status = Maintenance { supervision, servers: vec![server] };
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(json["mode"], "on");
        assert_eq!(json["by"], "Annotation");
        assert_eq!(json["until"], "2026-11-21T13:30:00Z");
        assert_eq!(json["servers"], serde_json::json!([{"id": "PRMR-1", "mode": "off"}]));
        let read: Maintenance = serde_json::from_value(json).unwrap();
        assert_eq!(read, status);
        assert_eq!(read.supervision.memory(), Some(memory));
        assert_eq!(read.servers[0].maintained.memory(), None);
        assert!(read.is_held());
    }
}
