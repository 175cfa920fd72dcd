//! What only a coordinator answers: health, endpoints, wished servers, supervision maintenance.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Call, Model, Now, OK,
    answer::{Answer, Failure, bare, done, object},
    state::Targets,
};

/// A server that is silent for so many seconds is given up (reference: cluster, health).
const FAILED_AFTER: f64 = 15.0;
/// How long supervision maintenance lasts unless it is said or repeated, in seconds.
const MAINTENANCE: f64 = 3600.0;

/// A moment as the cluster writes it, without fractions.
fn iso(seconds: f64) -> String {
    Timestamp::from_second(Now(seconds).seconds()).unwrap_or_default().to_string()
}

fn only_on_coordinators() -> Failure {
    Failure::with(StatusCode::FORBIDDEN, 403, "only allowed on coordinators")
}

fn no_cluster() -> Failure {
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
            ["statistics"] => self.node_statistics(call, "DBserver"),
            ["nodeStatistics"] => self.node_statistics(call, "ServerID"),
            ["nodeVersion"] => self.node(call, "ServerID", |_| self.version(call)),
            ["nodeEngine"] => self.node(call, "ServerID", |_| self.engine(call)),
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
                if !self.is_admin(call.caller) {
                    return Err(Failure::new(StatusCode::FORBIDDEN, 403));
                }
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

    /// Asks a server about itself through a coordinator.
    fn node(&self, call: &Call<'_>, parameter: &str, answer: impl Fn(&str) -> Answer) -> Answer {
        if call.method() != Method::GET {
            return Err(Failure::method());
        }
        let bad = |message: String| Failure::with(StatusCode::BAD_REQUEST, 400, message);
        let id = call.target.parameter(parameter).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| bad(format!("missing parameter `{parameter}`")))?;
        if !self.config.db_server_ids.iter().chain(&self.config.coordinator_ids).any(|known| known == id) {
            return Err(bad("unknown server".to_owned()));
        }
        answer(id)
    }

    fn node_statistics(&self, call: &Call<'_>, parameter: &str) -> Answer {
        self.node(call, parameter, |_| Self::statistics(call))
    }

    /// Supervision maintenance of the whole cluster. A real coordinator answers only when the supervision has seen
    /// the change, after one second at the earliest; here it has at once.
    fn maintenance(&mut self, call: &Call<'_>) -> Answer {
        // The right is looked at before the kind of deployment.
        if !self.is_admin(call.caller) {
            return Err(Failure::new(StatusCode::FORBIDDEN, 403));
        }
        if !self.config.is_cluster() {
            return Err(no_cluster());
        }
        let now = call.now.0;
        match *call.method() {
            Method::GET => {
                let on = self.state.maintenance_until.is_some_and(|until| until > now);
                bare(&json!({"error": false, "result": if on { "Maintenance" } else { "Normal" }}))
            }
            Method::PUT => {
                let body = call.json().ok_or_else(|| Failure::bad(600))?;
                let seconds = match &body {
                    Value::String(text) if text == "on" => MAINTENANCE,
                    Value::String(text) if text == "off" => 0.0,
                    Value::String(text) => text.parse::<u32>().map_err(|_| on_or_off())?.into(),
                    Value::Number(seconds) => seconds.as_f64().ok_or_else(on_or_off)?,
                    _ => return Err(on_or_off()),
                };
                let warning = if seconds > 0.0 {
                    self.state.maintenance_until = Some(now + seconds);
                    // ASSUMED: the wording; that the end is in it as a date is known.
                    let until = iso(now + seconds);
                    format!(
                        "Cluster supervision deactivated. It will be reactivated automatically on {until} unless \
                         this call is repeated until then."
                    )
                } else {
                    self.state.maintenance_until = None;
                    "Cluster supervision reactivated.".to_owned()
                };
                object(OK, json!({"warning": warning}))
            }
            _ => Err(Failure::method()),
        }
    }

    /// Maintenance of one DB-Server.
    fn server_maintenance(&mut self, call: &Call<'_>, server: &str) -> Answer {
        if !self.is_admin(call.caller) {
            return Err(Failure::new(StatusCode::FORBIDDEN, 403));
        }
        if !self.config.is_cluster() {
            return Err(no_cluster());
        }
        // ASSUMED: what an unknown id or a coordinator's id answers.
        if !self.config.db_server_ids.iter().any(|id| id == server) {
            return Err(Failure::with(StatusCode::BAD_REQUEST, 400, "unknown server"));
        }
        let now = call.now.0;
        match *call.method() {
            Method::GET => match self.state.server_maintenance.get(server).filter(|until| **until > now) {
                Some(until) => object(OK, json!({"result": {"Mode": "maintenance", "Until": iso(*until)}})),
                None => done(OK),
            },
            Method::PUT => {
                let body = call.json().ok_or_else(|| Failure::bad(600))?;
                match body["mode"].as_str() {
                    Some("maintenance") => {
                        let seconds = body["timeout"].as_f64().unwrap_or(MAINTENANCE);
                        self.state.server_maintenance.insert(server.to_owned(), now + seconds);
                    }
                    Some("normal") => drop(self.state.server_maintenance.remove(server)),
                    _ => return Err(Failure::bad(400)),
                }
                done(OK)
            }
            _ => Err(Failure::method()),
        }
    }
}

fn on_or_off() -> Failure {
    Failure::with(StatusCode::BAD_REQUEST, 10, "string expected with value `on` or `off`")
}
