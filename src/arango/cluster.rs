//! What only a cluster answers: health, endpoints, statistics of a server, maintenance (reference: cluster).
//!
//! A single server refuses all of it with the same 403 with which it refuses who may not. So the role is asked
//! first, and the calls are on a [`Cluster`], which nothing but a coordinator's word makes.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Client, Error, Health, Request, Role, Statistics, Version, answers::Engine};
use crate::core::encode_segment;

const CLUSTER: &str = "/_db/_system/_admin/cluster";

/// A coordinator waits up to 120 s for the supervision (reference: cluster, maintenance). This is twice that and
/// some, because the pool gives the first coordinator half: if that one hangs, another is asked.
const SUPERVISION: Duration = Duration::from_secs(260);
/// The time that supervision maintenance lasts if none is named, which every version understands.
const HOUR: Duration = Duration::from_secs(3600);

/// What kind of deployment answers.
#[derive(Debug, Clone)]
pub enum Deployment {
    /// A single server. It has no id that it would keep for life.
    Single,
    /// Coordinators, and what only they answer.
    Cluster(Cluster),
}

/// A client of a deployment that said that it is a cluster.
#[derive(Debug, Clone)]
pub struct Cluster(pub(super) Client);

/// Where a coordinator says that it is (reference: cluster, endpoints). Schemes are `tcp` and `ssl`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Advertised {
    /// Where clients shall reach it.
    pub endpoint: String,
    /// Where the cluster reaches it, if that is another place.
    #[serde(default)]
    pub internal: Option<String>,
}

/// How many servers the cluster shall have, if anybody said (reference: cluster, number of servers). It is no count
/// of those that run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Targets {
    /// DB-Servers.
    #[serde(rename = "numberOfDBServers", default)]
    pub db_servers: Option<u64>,
    /// Coordinators.
    #[serde(rename = "numberOfCoordinators", default)]
    pub coordinators: Option<u64>,
    /// Ids of DB-Servers that hold no data any more.
    #[serde(rename = "cleanedServers", default)]
    pub cleaned: Vec<String>,
}

/// What the supervision does (reference: cluster, maintenance).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Supervision {
    /// It gives to others what a failed server did.
    Normal,
    /// It does nothing: no failover in the whole cluster.
    Maintenance,
    /// A word that the reference doesn't have.
    Other(String),
}

/// Maintenance of one DB-Server: it is given nothing in a failover (reference: cluster, DB-Server maintenance).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerMaintenance {
    /// `maintenance`.
    pub mode: String,
    /// When it ends by itself.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl Client {
    /// Asks what kind of deployment answers. A DB-Server or an agent is an error: nothing here can be asked there.
    pub async fn deployment(&self) -> Result<Deployment, Error> {
        match self.role().await? {
            Role::Single => Ok(Deployment::Single),
            Role::Coordinator => Ok(Deployment::Cluster(Cluster(self.clone()))),
            role @ (Role::DbServer | Role::Agent) => {
                let what = if role == Role::Agent { "an agent" } else { "a DB-Server" };
                Err(Error::Unusable(format!("an endpoint leads to {what}; name coordinators only")))
            }
            Role::Undefined => {
                Err(not_understood("/_admin/server/role", "the server doesn't know its role yet"))
            }
        }
    }
}

impl Cluster {
    /// How the servers are.
    pub async fn health(&self) -> Result<Health, Error> {
        self.get("/health").await
    }

    /// The identity of the deployment, the same for life: its `ClusterId`.
    pub async fn id(&self) -> Result<String, Error> {
        let problem = "there is no ClusterId in it";
        self.health().await?.cluster_id.ok_or_else(|| not_understood("/_admin/cluster/health", problem))
    }

    /// Where the coordinators say that they are.
    pub async fn endpoints(&self) -> Result<Vec<Advertised>, Error> {
        #[derive(Deserialize)]
        struct Endpoints {
            endpoints: Vec<Advertised>,
        }
        Ok(self.0.get::<Endpoints>("/_db/_system/_api/cluster/endpoints").await?.endpoints)
    }

    /// How many servers there shall be.
    pub async fn targets(&self) -> Result<Targets, Error> {
        self.get("/numberOfServers").await
    }

    /// The figures of a coordinator or a DB-Server, by its id. One that is silent for 10 s is
    /// [`super::Class::Timeout`].
    pub async fn statistics(&self, server: &str) -> Result<Statistics, Error> {
        self.of_server("nodeStatistics", server).await
    }

    /// The version of a coordinator or a DB-Server, by its id.
    pub async fn version(&self, server: &str) -> Result<Version, Error> {
        self.of_server("nodeVersion", server).await
    }

    /// The storage engine of a coordinator or a DB-Server, by its id.
    pub async fn engine(&self, server: &str) -> Result<String, Error> {
        Ok(self.of_server::<Engine>("nodeEngine", server).await?.name)
    }

    /// Whether the supervision works. Until when it doesn't, the server doesn't tell. Needs an administrator.
    pub async fn supervision(&self) -> Result<Supervision, Error> {
        #[derive(Deserialize)]
        struct Answer {
            result: Supervision,
        }
        Ok(self.get::<Answer>("/maintenance").await?.result)
    }

    /// Stops the supervision for a while of whole seconds: **no failover at all in the whole cluster**. It begins
    /// again by itself; repeating this extends it. Answers when the supervision has stopped, which takes 1 to 120
    /// seconds; if it takes longer, the error is [`super::Class::Timeout`], and it may stop yet.
    ///
    /// Gives the end, if the server told it. Servers before 3.12 know one hour only and refuse everything else as
    /// [`super::Class::Invalid`]. Needs an administrator.
    pub async fn stop_supervision(&self, duration: Duration) -> Result<Option<Timestamp>, Error> {
        // The body is text in either case; an hour is what `on` means everywhere.
        let body = if duration == HOUR { "on".to_owned() } else { duration.as_secs().to_string() };
        self.supervise(&body).await.map(|warning| date_in(&warning))
    }

    /// Lets the supervision work again; as slow as stopping it.
    pub async fn start_supervision(&self) -> Result<(), Error> {
        self.supervise("off").await.map(drop)
    }

    async fn supervise(&self, body: &str) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            warning: String,
        }
        let path = format!("{CLUSTER}/maintenance");
        let request = Request::new(Method::PUT, &path)
            .body(Value::String(body.to_owned()))
            .timeout(SUPERVISION)
            .aside();
        let response = self.0.call(request).await?;
        // The status says that it is done; the text only tells more.
        Ok(serde_json::from_slice::<Answer>(&response.body).map(|answer| answer.warning).unwrap_or_default())
    }

    /// The maintenance of a DB-Server, by its id; `None` if it serves normally. Needs an administrator.
    pub async fn server_maintenance(&self, server: &str) -> Result<Option<ServerMaintenance>, Error> {
        #[derive(Deserialize)]
        struct Answer {
            // There is no such key while it serves normally.
            #[serde(default)]
            result: Option<ServerMaintenance>,
        }
        Ok(self.get::<Answer>(&format!("/maintenance/{}", encode_segment(server))).await?.result)
    }

    /// Takes a DB-Server out of failovers for a while of whole seconds, or lets it take part again if there is none.
    /// [`Cluster::server_maintenance`] shows the change some seconds later. Needs an administrator.
    pub async fn set_server_maintenance(
        &self,
        server: &str,
        duration: Option<Duration>,
    ) -> Result<(), Error> {
        let body = match duration {
            Some(duration) => json!({"mode": "maintenance", "timeout": duration.as_secs()}),
            None => json!({"mode": "normal"}),
        };
        let path = format!("{CLUSTER}/maintenance/{}", encode_segment(server));
        self.0.call(Request::new(Method::PUT, path).body(body)).await.map(drop)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.0.get(format!("{CLUSTER}{path}")).await
    }

    async fn of_server<T: DeserializeOwned>(&self, what: &str, server: &str) -> Result<T, Error> {
        self.get(&format!("/{what}?ServerID={}", encode_segment(server))).await
    }
}

impl Supervision {
    /// As the server writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Normal => "Normal",
            Self::Maintenance => "Maintenance",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Supervision {
    fn from(word: String) -> Self {
        match word.as_str() {
            "Normal" => Self::Normal,
            "Maintenance" => Self::Maintenance,
            _ => Self::Other(word),
        }
    }
}

fn not_understood(path: &str, problem: &str) -> Error {
    Error::NotUnderstood { method: Method::GET, path: path.to_owned(), problem: problem.to_owned() }
}

/// The first date in a sentence. Older servers write "in 60 minutes" instead.
fn date_in(text: &str) -> Option<Timestamp> {
    text.split_whitespace().find_map(|word| word.trim_end_matches(['.', ',', ';']).parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_maintenance_is_read_from_the_servers_sentence_where_it_has_one() {
        let at = "Cluster supervision deactivated. It will be reactivated automatically on \
                  2026-11-21T15:00:00Z unless this call is repeated until then.";
        assert_eq!(date_in(at), Some("2026-11-21T15:00:00Z".parse().unwrap()));
        assert_eq!(date_in("It ends on 2026-11-21T15:00:00Z."), date_in(at));
        assert_eq!(date_in("It will be reactivated automatically in 60 minutes unless …"), None);
    }

    #[test]
    fn a_db_server_in_maintenance_and_targets_are_read_as_the_reference_prints_them() {
        let read = r#"{"Mode":"maintenance","Until":"2022-10-26T06:14:23Z"}"#;
        let maintenance: ServerMaintenance = serde_json::from_str(read).unwrap();
        assert_eq!(maintenance.until, Some("2022-10-26T06:14:23Z".parse().unwrap()));
        let targets: Targets = serde_json::from_str(
            r#"{"numberOfDBServers":null,"numberOfCoordinators":3,"cleanedServers":[],"error":false,"code":200}"#,
        )
        .unwrap();
        assert_eq!((targets.db_servers, targets.coordinators), (None, Some(3)));
    }
}
