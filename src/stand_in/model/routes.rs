//! From a path to its handler.

use http::{HeaderValue, StatusCode, header};

use super::{
    Call, Model,
    answer::{Answer, Failure, Reply},
};

impl Model {
    /// Finds the handler. The gate was passed.
    pub(super) fn route(&mut self, call: &Call<'_>) -> Answer {
        let segments: Vec<&str> = call.target.segments.iter().map(String::as_str).collect();
        match &segments[..] {
            [] => Ok(welcome()),
            ["_api", "database", rest @ ..] => self.database_routes(call, rest),
            ["_api", "user", rest @ ..] => self.user_routes(call, rest),
            ["_api", "token", rest @ ..] => self.token_routes(call, rest),
            ["_api", "collection", rest @ ..] => self.collection_routes(call, rest),
            ["_api", "document", rest @ ..] => self.document_routes(call, rest),
            ["_api", "cursor", rest @ ..] => self.cursor_routes(call, rest),
            ["_api", "tasks", rest @ ..] => Self::tasks(call, rest),
            ["_api", "job", rest @ ..] => self.job_routes(call, rest),
            ["_api" | "_admin", "version"] => self.version(call),
            ["_api", "engine"] => Self::engine(call, self.role()),
            ["_api", "cluster", "endpoints"] => self.endpoints(call),
            ["_admin", "status"] => self.status(call),
            ["_admin", "time"] => Self::time(call),
            ["_admin", "license"] => Self::license(call),
            ["_admin", "statistics"] => Self::statistics(call),
            ["_admin", "statistics-description"] => Self::statistics_description(call),
            ["_admin", "metrics"] | ["_admin", "metrics", "v2"] => self.metrics(call),
            ["_admin", "execute"] if self.config.admin_execute => self.execute(call),
            ["_admin", "auth", "reload"] => self.auth_reload(call),
            ["_admin", "server", what] => self.server(call, what),
            ["_admin", "server", ..] => Err(Failure::missing(404)),
            ["_admin", "cluster", rest @ ..] => self.cluster_routes(call, rest),
            ["_open", "auth"] => self.login(call),
            ["_open", "auth", "renew"] => self.renew(call),
            ["_arango", version, ..] => Err(unknown_version(version, &call.target.path)),
            _ => {
                let message = format!("unknown path '{}'", call.target.path);
                Err(Failure::with(StatusCode::NOT_FOUND, 404, message))
            }
        }
    }
}

/// Only `v0` is an API version yet; a number with a leading zero isn't one at all.
fn unknown_version(version: &str, path: &str) -> Failure {
    let number = version.trim_start_matches('v');
    if number.len() > 1 && number.starts_with('0') {
        return Failure::bad(400);
    }
    Failure::with(StatusCode::NOT_FOUND, 404, format!("unknown API version {number} for path '{path}'"))
}

/// ASSUMED: the bare root leads to the web interface, which isn't there.
fn welcome() -> Reply {
    let location = HeaderValue::from_static("/_db/_system/_admin/aardvark/index.html");
    let status = StatusCode::MOVED_PERMANENTLY;
    Reply { status, headers: vec![(header::LOCATION, location)], text: true, ..Reply::default() }
}
