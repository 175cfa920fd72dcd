//! Version, engine, status, roles, mode, time, licence, statistics: as recorded from a real server.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, bare, object},
};

const VERSION_DETAILS: &str = include_str!("data/version-details.json");
const ENGINE: &str = include_str!("data/engine.json");
pub(super) const STATISTICS: &str = include_str!("data/statistics.json");
const STATISTICS_DESCRIPTION: &str = include_str!("data/statistics-description.json");

/// A file of recorded data; the tests read each of them.
pub(super) fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn only_get(call: &Call<'_>) -> Result<(), Failure> {
    if matches!(*call.method(), Method::GET) { Ok(()) } else { Err(Failure::method()) }
}

impl Model {
    /// What this server is.
    pub(super) fn role(&self) -> &'static str {
        if self.config.is_cluster() { "COORDINATOR" } else { "SINGLE" }
    }

    fn mode(&self) -> &'static str {
        if self.state.read_only { "readonly" } else { "default" }
    }

    /// This coordinator's id; a single server has none.
    pub(super) fn server_id(&self, call: &Call<'_>) -> Option<&str> {
        self.config.coordinator_ids.get(call.coordinator).map(String::as_str)
    }

    /// Any method is taken. Where the server is hardened, version and details are for administrators; elsewhere they
    /// are for everybody, which python-arango's tests rely on and the HTTP documentation says otherwise.
    pub(super) fn version(&self, call: &Call<'_>) -> Answer {
        let version = &self.config.version;
        let mut answer = json!({
            "server": "arango", "license": "enterprise", "version": version,
            "apiVersions": ["v0"], "deprecatedApiVersions": [], "requestedApiVersion": "v0",
        });
        let hidden = self.hides_from(call);
        if let (true, Value::Object(answer)) = (hidden, &mut answer) {
            answer.remove("version");
        }
        if call.target.flag("details") && !hidden {
            let mut details = recorded(VERSION_DETAILS);
            details["server-version"] = version.as_str().into();
            details["role"] = self.role().into();
            answer["details"] = details;
        }
        bare(&answer)
    }

    /// The engine of a server with this role; a coordinator has no byte order.
    pub(super) fn engine(call: &Call<'_>, role: &str) -> Answer {
        only_get(call)?;
        let mut engine = recorded(ENGINE);
        if let (true, Value::Object(engine)) = (role == "COORDINATOR", &mut engine) {
            engine.remove("endianness");
        }
        bare(&engine)
    }

    pub(super) fn status(&self, call: &Call<'_>) -> Answer {
        if self.hides_from(call) {
            return Err(Failure::forbidden());
        }
        let mut status = json!({
            "server": "arango", "version": self.config.version, "pid": 335, "license": "enterprise",
            "mode": "server", "operationMode": "server", "foxxApi": true, "host": "localhost",
            "hostname": "stand-in",
            "serverInfo": {
                "progress": {"phase": "in wait", "feature": "", "recoveryTick": 0}, "maintenance": false,
                "role": self.role(), "writeOpsEnabled": !self.state.read_only, "readOnly": self.state.read_only,
            },
        });
        if let Some(id) = self.server_id(call) {
            let info = &mut status["serverInfo"];
            info["persistedId"] = id.into();
            info["rebootId"] = 1.into();
            info["address"] = self.endpoint(self.address(call.coordinator)).into();
            info["serverId"] = id.into();
            info["state"] = "SERVING".into();
            let master = self.config.coordinator_ids.first();
            status["coordinator"] = json!({"foxxmaster": master, "isFoxxmaster": call.coordinator == 0});
            let agents = self.config.agent_ids.iter().enumerate();
            let endpoints: Vec<String> = agents.map(|(n, _)| format!("tcp://agent{}:8529", n + 1)).collect();
            status["agency"] = json!({"agencyComm": {"endpoints": endpoints}});
        }
        bare(&status)
    }

    pub(super) fn time(call: &Call<'_>) -> Answer {
        only_get(call)?;
        object(OK, json!({"time": call.now.0}))
    }

    pub(super) fn license(call: &Call<'_>) -> Answer {
        only_get(call)?;
        bare(&json!({
            "upgrading": false,
            "diskUsage": {
                "bytesUsed": 366_555, "bytesLimit": 107_374_182_400_u64, "limitReached": false,
                "secondsUntilReadOnly": 315_569_520, "secondsUntilShutDown": 315_569_520, "status": "good",
            },
        }))
    }

    pub(super) fn statistics(call: &Call<'_>) -> Answer {
        only_get(call)?;
        let mut statistics = recorded(STATISTICS);
        statistics["time"] = call.now.0.into();
        object(OK, statistics)
    }

    pub(super) fn statistics_description(call: &Call<'_>) -> Answer {
        only_get(call)?;
        object(OK, recorded(STATISTICS_DESCRIPTION))
    }

    /// `/_admin/server/…`.
    pub(super) fn server(&mut self, call: &Call<'_>, what: &str) -> Answer {
        if what == "mode" && call.method() == Method::PUT {
            return self.set_mode(call);
        }
        if what == "jwt" {
            return self.secrets(call);
        }
        if !matches!(what, "role" | "id" | "mode" | "availability") {
            return Err(Failure::missing(404));
        }
        only_get(call)?;
        match what {
            // ASSUMED: `mode` stands beside the role.
            "role" => object(OK, json!({"role": self.role(), "mode": self.mode()})),
            "id" => match self.server_id(call) {
                Some(id) => object(OK, json!({"id": id})),
                None => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, 500)),
            },
            // ASSUMED: a server in read-only mode counts as available.
            _ => object(OK, json!({"mode": self.mode()})),
        }
    }

    /// The configured right counts: an administrator can leave read-only mode again.
    fn set_mode(&mut self, call: &Call<'_>) -> Answer {
        if !self.is_admin(call.caller) {
            return Err(Failure::forbidden());
        }
        let invalid = |message| Failure::with(StatusCode::BAD_REQUEST, 400, message);
        let body = call.json().ok_or_else(|| Failure::bad(600))?;
        if !body.is_object() {
            return Err(invalid("body must be an object"));
        }
        match body["mode"].as_str() {
            Some("readonly") => self.state.read_only = true,
            Some("default") => self.state.read_only = false,
            Some(_) => return Err(invalid("mode invalid")),
            None => return Err(invalid("mode must be a string")),
        }
        object(OK, json!({"mode": self.mode()}))
    }

    /// An address as the cluster writes endpoints.
    pub(super) fn endpoint(&self, address: impl std::fmt::Display) -> String {
        let scheme = if self.config.tls { "ssl" } else { "tcp" };
        format!("{scheme}://{address}")
    }

    /// Where a coordinator listens.
    pub(super) fn address(&self, coordinator: usize) -> String {
        let address = self.config.addresses.get(coordinator);
        address.cloned().unwrap_or_else(|| format!("coordinator{}:8529", coordinator + 1))
    }
}
