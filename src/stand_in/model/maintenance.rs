//! Maintenance: the supervision's, when nothing fails over at all, and a single DB-Server's (reference: cluster).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, bare, done, object},
    cluster::{iso, no_cluster},
};

/// How long maintenance lasts unless it is said or repeated, in seconds.
const LASTS: u32 = 3600;

impl Model {
    /// Supervision maintenance of the whole cluster. A real coordinator answers only when the supervision has seen
    /// the change; here it has at once, and the answer says how long that would have taken.
    pub(super) fn maintenance(&mut self, call: &Call<'_>) -> Answer {
        // The right is looked at before the kind of deployment.
        self.for_administrators(call)?;
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
                let until = wanted(&body)?.map(|seconds| now + f64::from(seconds));
                self.state.maintenance_until = until;
                let warning = match until {
                    // ASSUMED: the wording; that the end is in it as a date is known.
                    Some(until) => format!(
                        "Cluster supervision deactivated. It will be reactivated automatically on {} unless this \
                         call is repeated until then.",
                        iso(until)
                    ),
                    None => "Cluster supervision reactivated.".to_owned(),
                };
                let mut answer = object(OK, json!({"warning": warning}))?;
                answer.takes = self.config.maintenance_takes;
                Ok(answer)
            }
            _ => Err(Failure::method()),
        }
    }

    /// Maintenance of one DB-Server. The right is looked at before anything else.
    pub(super) fn server_maintenance(&mut self, call: &Call<'_>, server: &str) -> Answer {
        self.for_administrators(call)?;
        if !self.config.is_cluster() {
            return Err(no_cluster());
        }
        // ASSUMED: what an unknown id, a coordinator's id and an agent's id answer.
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
                let timeout = match &body["timeout"] {
                    Value::Null => LASTS,
                    // ASSUMED: another type and what isn't a number of seconds are invalid bodies.
                    timeout => seconds(timeout).ok_or_else(|| Failure::bad(400))?,
                };
                match body["mode"].as_str() {
                    Some("maintenance") => {
                        self.state.server_maintenance.insert(server.to_owned(), now + f64::from(timeout));
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

/// A number of seconds as JSON.
fn seconds(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|seconds| seconds.try_into().ok())
}

/// For how long maintenance is wanted; none to end it. ASSUMED: 0 seconds end it, too.
fn wanted(body: &Value) -> Result<Option<u32>, Failure> {
    let wanted = match body {
        Value::String(text) if text == "on" => Some(LASTS),
        Value::String(text) if text == "off" => Some(0),
        Value::String(text) => text.parse().ok(),
        other => seconds(other),
    };
    let message = "string expected with value `on` or `off`";
    let wanted = wanted.ok_or_else(|| Failure::with(StatusCode::BAD_REQUEST, 10, message))?;
    Ok(Some(wanted).filter(|seconds| *seconds > 0))
}
