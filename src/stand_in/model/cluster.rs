//! What only a coordinator answers: health, endpoints, wished servers, and what other servers say of themselves.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Call, Model, Now, OK,
    answer::{Answer, Failure, done, object},
    state::Targets,
};

/// A server that is silent for so many seconds is given up (reference: cluster, health).
const FAILED_AFTER: f64 = 15.0;

/// A moment as the cluster writes it, without fractions.
pub(super) fn iso(seconds: f64) -> String {
    Timestamp::from_second(Now(seconds).seconds()).unwrap_or_default().to_string()
}

fn only_on_coordinators() -> Failure {
    Failure::with(StatusCode::FORBIDDEN, 403, "only allowed on coordinators")
}

pub(super) fn no_cluster() -> Failure {
    // ASSUMED: the newer of the two texts that are known.
    Failure::with(StatusCode::FORBIDDEN, 403, "not allowed on single servers")
}

impl Model {
    pub(super) fn cluster_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        let cluster = self.config.is_cluster();
        match rest {
            ["health"] if !cluster => Err(no_cluster()),
            ["health"] => self.health(call),
            ["maintenance"] => self.maintenance(call),
            ["maintenance", server] => self.server_maintenance(call, server),
            ["numberOfServers" | "statistics" | "nodeVersion" | "nodeEngine" | "nodeStatistics"]
                if !cluster =>
            {
                Err(only_on_coordinators())
            }
            ["numberOfServers"] => self.number_of_servers(call),
            ["statistics"] => self.node(call, "DBserver", |_| Self::statistics(call)),
            ["nodeStatistics"] => self.node(call, "ServerID", |_| Self::statistics(call)),
            ["nodeVersion"] => self.node(call, "ServerID", |_| self.version(call)),
            ["nodeEngine"] => self.node(call, "ServerID", |role| Self::engine(call, role)),
            [command] => {
                Err(Failure::with(StatusCode::BAD_REQUEST, 400, format!("invalid command '{command}'")))
            }
            // ASSUMED: without any command.
            [] => Err(Failure::bad(400)),
            _ => Err(Failure::bad(601)),
        }
    }

    pub(super) fn endpoints(&self, call: &Call<'_>) -> Answer {
        if !self.config.is_cluster() {
            let message = "cannot serve this request for this deployment type";
            return Err(Failure::with(StatusCode::NOT_IMPLEMENTED, 9, message));
        }
        if call.method() != Method::GET {
            let message = "only the GET method is allowed";
            return Err(Failure::with(StatusCode::METHOD_NOT_ALLOWED, 405, message));
        }
        let all =
            (0..self.config.coordinators()).map(|n| json!({"endpoint": self.endpoint(self.address(n))}));
        object(OK, json!({"endpoints": all.collect::<Vec<_>>()}))
    }

    fn health(&self, call: &Call<'_>) -> Answer {
        if call.method() != Method::GET {
            return Err(Failure::method());
        }
        let now = iso(call.now.0);
        let member = |role: &str, short: String, endpoint: String, since: Option<f64>| {
            let status = match since {
                None => "GOOD",
                Some(since) if call.now.0 - since < FAILED_AFTER => "BAD",
                Some(_) => "FAILED",
            };
            let host = endpoint.split(':').next().unwrap_or_default().to_owned();
            let acked = since.map_or_else(|| now.clone(), iso);
            json!({
                "Endpoint": self.endpoint(endpoint), "LastAckedTime": acked, "SyncTime": acked, "Host": host,
                "Version": self.config.version, "Engine": "rocksdb", "ShortName": short, "Timestamp": now,
                "Status": status, "SyncStatus": "SERVING", "Role": role, "CanBeDeleted": status == "FAILED",
            })
        };
        let mut health = Map::new();
        for (n, id) in self.config.coordinator_ids.iter().enumerate() {
            let since = self.away.get(n).copied().flatten();
            let short = format!("Coordinator{:04}", n + 1);
            health.insert(id.clone(), member("Coordinator", short, self.address(n), since));
        }
        for (n, id) in self.config.db_server_ids.iter().enumerate() {
            let (short, endpoint) = (format!("DBServer{:04}", n + 1), format!("dbserver{}:8529", n + 1));
            health.insert(id.clone(), member("DBServer", short, endpoint, None));
        }
        let leader = self.config.agent_ids.first();
        for (n, id) in self.config.agent_ids.iter().enumerate() {
            let agent = json!({
                "Endpoint": format!("tcp://agent{}:8529", n + 1), "Role": "Agent", "CanBeDeleted": false,
                "Version": self.config.version, "Engine": "rocksdb", "Leader": leader, "Leading": n == 0,
                "Status": "GOOD", "LastAckedTime": 0.0,
            });
            health.insert(id.clone(), agent);
        }
        object(OK, json!({"ClusterId": self.config.cluster_id, "Health": health}))
    }

    fn number_of_servers(&mut self, call: &Call<'_>) -> Answer {
        match *call.method() {
            Method::GET => {
                if self.hides_from(call) {
                    return Err(Failure::hidden());
                }
                let Targets { db_servers, coordinators, cleaned } = &self.state.targets;
                object(
                    OK,
                    json!({
                        "numberOfDBServers": db_servers, "numberOfCoordinators": coordinators,
                        "cleanedServers": cleaned,
                    }),
                )
            }
            Method::PUT => {
                self.for_administrators(call)?;
                let body = call.json().filter(Value::is_object).ok_or_else(|| Failure::bad(600))?;
                let targets = &mut self.state.targets;
                targets.db_servers = body["numberOfDBServers"].as_u64().or(targets.db_servers);
                targets.coordinators = body["numberOfCoordinators"].as_u64().or(targets.coordinators);
                if let Some(cleaned) = body["cleanedServers"].as_array() {
                    targets.cleaned.clone_from(cleaned);
                }
                done(OK)
            }
            _ => Err(Failure::method()),
        }
    }

    /// Asks a server about itself through a coordinator; the answer is given by the server's role.
    fn node(&self, call: &Call<'_>, parameter: &str, answer: impl Fn(&str) -> Answer) -> Answer {
        if call.method() != Method::GET {
            return Err(Failure::method());
        }
        let bad = |message: String| Failure::with(StatusCode::BAD_REQUEST, 400, message);
        let id = call.target.parameter(parameter).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| bad(format!("missing parameter `{parameter}`")))?;
        let (role, _) = self.short_name(id).ok_or_else(|| bad("unknown server".to_owned()))?;
        let place = self.config.coordinator_ids.iter().position(|known| known == id);
        if place.and_then(|place| self.away.get(place).copied().flatten()).is_some() {
            return Err(Failure::with(StatusCode::REQUEST_TIMEOUT, 504, "server did not answer"));
        }
        answer(role)
    }

    /// The role and the short name of a coordinator or a DB-Server.
    pub(super) fn short_name(&self, id: &str) -> Option<(&'static str, String)> {
        let place = |ids: &[String]| ids.iter().position(|known| known == id).map(|place| place + 1);
        let coordinator = place(&self.config.coordinator_ids);
        let coordinator = coordinator.map(|place| ("COORDINATOR", format!("Coordinator{place:04}")));
        let db_server = || Some(("PRIMARY", format!("DBServer{:04}", place(&self.config.db_server_ids)?)));
        coordinator.or_else(db_server)
    }
}
