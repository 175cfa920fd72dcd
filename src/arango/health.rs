//! The health of a cluster's servers. What stands in it comes straight from the agency and changes from version to
//! version, so every key may be missing or of another type, and a word that is not known is kept as it is.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How the supervision sees the servers (reference: cluster, health).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Health {
    /// The cluster's identity, which it keeps for life.
    #[serde(rename = "ClusterId", default)]
    pub cluster_id: Option<String>,
    /// The servers by id: `CRDN-…`, `PRMR-…`, `AGNT-…`.
    #[serde(rename = "Health")]
    pub servers: BTreeMap<String, Member>,
}

/// One server of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct Member {
    /// What it does; a server with an id of another kind has no role.
    pub role: Option<MemberRole>,
    /// How it is; absent if the agency doesn't know it.
    pub status: Option<MemberStatus>,
    /// `Coordinator0001`, `DBServer0001`; agents have none.
    pub short_name: Option<String>,
    /// Where the others of the cluster reach it: `tcp://…`, `ssl://…`.
    pub endpoint: Option<String>,
    /// Where clients shall reach it, if that is another place.
    pub advertised_endpoint: Option<String>,
    /// When its last heartbeat was seen.
    pub last_acked: Option<LastAcked>,
    /// What it says of itself: `SERVING`, …
    pub sync_status: Option<String>,
    /// `3.12.10`.
    pub version: Option<String>,
    /// `rocksdb`.
    pub engine: Option<String>,
    /// Whether an agent leads the others.
    pub leading: Option<bool>,
    /// Whether it is lost and nothing depends on it any more.
    pub can_be_deleted: Option<bool>,
}

/// What a server does, in the words of the health. (The role that a server tells of itself has others.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberRole {
    /// Takes requests.
    Coordinator,
    /// Keeps data.
    DbServer,
    /// Keeps the cluster's plan.
    Agent,
    /// A word that the reference doesn't have.
    Other(String),
}

/// How a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberStatus {
    /// Its heartbeats come.
    Good,
    /// A heartbeat was missed.
    Bad,
    /// None came for about 15 seconds; what it did is given to others.
    Failed,
    /// Another word: `UNCLEAR`, …
    Other(String),
}

/// When a server's last heartbeat was seen: coordinators and DB-Servers have a date, agents an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastAcked {
    /// Then.
    At(Timestamp),
    /// So long before the answer.
    Ago(Duration),
}

impl Health {
    /// The servers with a role, by id.
    pub fn with_role(&self, role: &MemberRole) -> impl Iterator<Item = (&str, &Member)> {
        let has = move |member: &Member| member.role.as_ref() == Some(role);
        self.servers.iter().filter(move |(_, member)| has(member)).map(|(id, member)| (id.as_str(), member))
    }

    /// A server by its id or its short name.
    pub fn find(&self, name: &str) -> Option<(&str, &Member)> {
        let is = |(id, member): &(&String, &Member)| {
            id.as_str() == name || member.short_name.as_deref() == Some(name)
        };
        self.servers.iter().find(is).map(|(id, member)| (id.as_str(), member))
    }

    /// Whether every server is GOOD.
    pub fn is_good(&self) -> bool {
        self.servers.values().all(Member::is_good)
    }
}

impl Member {
    /// Whether it is GOOD.
    pub fn is_good(&self) -> bool {
        self.status == Some(MemberStatus::Good)
    }
}

impl From<Map<String, Value>> for Member {
    fn from(keys: Map<String, Value>) -> Self {
        let word = |key: &str| keys.get(key).and_then(Value::as_str);
        let text = |key| word(key).map(str::to_owned);
        let flag = |key: &str| keys.get(key).and_then(Value::as_bool);
        let last_acked = match keys.get("LastAckedTime") {
            Some(Value::String(date)) => date.parse().ok().map(LastAcked::At),
            Some(Value::Number(seconds)) => {
                let age = seconds.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                age.map(LastAcked::Ago)
            }
            _ => None,
        };
        Self {
            role: word("Role").map(MemberRole::of),
            status: word("Status").map(MemberStatus::of),
            short_name: text("ShortName"),
            endpoint: text("Endpoint"),
            advertised_endpoint: text("AdvertisedEndpoint"),
            last_acked,
            sync_status: text("SyncStatus"),
            version: text("Version"),
            engine: text("Engine"),
            leading: flag("Leading"),
            can_be_deleted: flag("CanBeDeleted"),
        }
    }
}

impl MemberRole {
    fn of(word: &str) -> Self {
        match word {
            "Coordinator" => Self::Coordinator,
            "DBServer" => Self::DbServer,
            "Agent" => Self::Agent,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl MemberStatus {
    fn of(word: &str) -> Self {
        match word {
            "GOOD" => Self::Good,
            "BAD" => Self::Bad,
            "FAILED" => Self::Failed,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Coordinator => "Coordinator",
            Self::DbServer => "DBServer",
            Self::Agent => "Agent",
            Self::Other(word) => word,
        })
    }
}

impl fmt::Display for MemberStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "GOOD",
            Self::Bad => "BAD",
            Self::Failed => "FAILED",
            Self::Other(word) => word,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Health {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_health_of_a_3_4_cluster_is_read_with_the_age_of_an_agent_as_a_number() {
        let health = read(
            r#"{"ClusterId":"210a0536","error":false,"code":200,"Health":{
            "CRDN-1":{"Endpoint":"ssl://coordinator:8529","LastAckedTime":"2019-02-20T08:09:22Z",
              "SyncTime":"2019-02-20T08:09:21Z","Version":"3.4.2-1","Engine":"rocksdb","ShortName":"Coordinator0002",
              "Status":"GOOD","SyncStatus":"SERVING","Host":"coordinator","Role":"Coordinator","CanBeDeleted":false},
            "PRMR-1":{"ShortName":"DBServer0006","Status":"FAILED","Role":"DBServer","CanBeDeleted":true},
            "AGNT-1":{"Endpoint":"ssl://agent:8529","Role":"Agent","Status":"GOOD","LastAckedTime":0.312}}}"#,
        );
        assert_eq!(health.cluster_id.as_deref(), Some("210a0536"));
        let (id, coordinator) = health.find("Coordinator0002").unwrap();
        assert_eq!((id, &coordinator.role), ("CRDN-1", &Some(MemberRole::Coordinator)));
        assert_eq!(coordinator.last_acked, Some(LastAcked::At("2019-02-20T08:09:22Z".parse().unwrap())));
        let agent = health.find("AGNT-1").unwrap().1;
        assert_eq!(agent.last_acked, Some(LastAcked::Ago(Duration::from_millis(312))));
        assert_eq!(health.with_role(&MemberRole::DbServer).map(|(id, _)| id).collect::<Vec<_>>(), ["PRMR-1"]);
        assert!(!health.is_good(), "a DB-Server has failed");
    }

    #[test]
    fn what_is_not_known_is_kept_and_what_is_odd_is_left_out() {
        let health = read(
            r#"{"Health":{"CRDN-1":{"Status":"UNCLEAR","Role":"Witness","LastAckedTime":"soon","ShortName":7},
            "XXXX-1":{}}}"#,
        );
        assert_eq!(health.cluster_id, None);
        let (_, odd) = health.find("CRDN-1").unwrap();
        assert_eq!(odd.status, Some(MemberStatus::Other("UNCLEAR".into())));
        assert_eq!(odd.role, Some(MemberRole::Other("Witness".into())));
        assert_eq!((odd.last_acked, &odd.short_name), (None, &None));
        assert!(!odd.is_good());
        assert_eq!(health.find("XXXX-1").unwrap().1, &Member::default());
        assert!(!health.is_good(), "of whom nothing is known, he isn't GOOD");
    }
}
