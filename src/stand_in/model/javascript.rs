//! What a server offers to those who run JavaScript on it: tasks, of which there are none here, and programs sent to
//! `/_admin/execute`.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, Reply, bare, done},
};

impl Model {
    /// There are no tasks and none can be made.
    pub(super) fn tasks(call: &Call<'_>, rest: &[&str]) -> Answer {
        match (call.method(), rest) {
            (&Method::GET, []) => bare(&json!([])),
            (&Method::GET | &Method::DELETE, [_]) => Err(Failure::missing(1852)),
            (&Method::GET | &Method::DELETE, _) => Err(Failure::bad(400)),
            // As from a server that was started without JavaScript.
            (&Method::POST | &Method::PUT, _) => {
                let message = "JavaScript operations are disabled";
                Err(Failure::with(StatusCode::NOT_IMPLEMENTED, 9, message))
            }
            _ => Err(Failure::method()),
        }
    }

    /// Runs one kind of program: `return` of a value that is written as JSON. It answers with that value alone.
    ///
    /// The route is there only where the configuration says so; any method will do.
    pub(super) fn execute(&self, call: &Call<'_>) -> Answer {
        if !self.is_admin(call.caller) {
            return Err(Failure::forbidden());
        }
        let program = std::str::from_utf8(&call.request.body).unwrap_or_default().trim();
        if call.request.body.is_empty() {
            return done(OK);
        }
        let value = program.strip_prefix("return").map(|rest| rest.trim_end_matches(';').trim());
        match value.map(serde_json::from_str::<Value>) {
            Some(Ok(value)) => bare(&value),
            // ASSUMED: a real server runs it; one that fails answers like this, with its own words.
            _ => Ok(Reply {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                body: "Error: only `return` of a JSON value can be run here".into(),
                text: true,
                ..Reply::default()
            }),
        }
    }
}
