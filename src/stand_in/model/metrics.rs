//! `/_admin/metrics` and `/_admin/metrics/v2`: what Prometheus reads.

use std::fmt::Write;

use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    Call, Model,
    answer::{Answer, Failure, text_body},
    info,
};

/// Name, kind, help, and where the recorded statistics have the value.
type Metric = (&'static str, &'static str, &'static str, &'static str);

/// A few of a real server's metrics under their own names; there are hundreds.
const METRICS: [Metric; 9] = [
    (
        "arangodb_client_connection_statistics_client_connections",
        "gauge",
        "The number of client connections that are currently open",
        "/client/httpConnections",
    ),
    (
        "arangodb_http_request_statistics_async_requests_total",
        "counter",
        "Number of asynchronously executed HTTP requests",
        "/http/requestsAsync",
    ),
    (
        "arangodb_http_request_statistics_http_get_requests_total",
        "counter",
        "Number of HTTP GET requests",
        "/http/requestsGet",
    ),
    (
        "arangodb_http_request_statistics_total_requests_total",
        "counter",
        "Total number of HTTP requests",
        "/http/requestsTotal",
    ),
    (
        "arangodb_process_statistics_number_of_threads",
        "gauge",
        "Number of threads in the arangod process",
        "/system/numberOfThreads",
    ),
    (
        "arangodb_process_statistics_resident_set_size",
        "gauge",
        "The resident set size of the process in bytes",
        "/system/residentSize",
    ),
    (
        "arangodb_process_statistics_virtual_memory_size",
        "gauge",
        "The virtual memory size of the process in bytes",
        "/system/virtualSize",
    ),
    (
        "arangodb_server_statistics_physical_memory",
        "gauge",
        "Physical memory in bytes",
        "/server/physicalMemory",
    ),
    (
        "arangodb_server_statistics_server_uptime_total",
        "counter",
        "Number of seconds elapsed since server start",
        "/server/uptime",
    ),
];

/// The values of `mode`, which changes nothing here.
const MODES: [&str; 4] = ["local", "trigger_global", "read_global", "write_global"];

impl Model {
    /// Both versions of the route say the same (reference: information endpoints).
    pub(super) fn metrics(&self, call: &Call<'_>) -> Answer {
        if self.hides_from(call) {
            return Err(Failure::forbidden());
        }
        if call.method() != Method::GET {
            // As with users, 400 with errorNum 405.
            return Err(Failure::bad(405));
        }
        self.check_parameters(call)?;
        let id = call.target.parameter("serverId").or(self.server_id(call));
        let labels = match id.and_then(|id| self.short_name(id)) {
            Some((role, name)) => format!("role=\"{role}\",shortname=\"{name}\""),
            None => format!("role=\"{}\"", self.role()),
        };
        let statistics = info::recorded(info::STATISTICS);
        let mut text = String::new();
        for (name, kind, help, pointer) in METRICS {
            let value = statistics.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
            // Writing into a text can't fail.
            let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n{name}{{{labels}}} {value}\n");
        }
        text_body(text)
    }

    /// All that is wrong with the parameters is said at once; the status is 404 for an unknown server alone.
    fn check_parameters(&self, call: &Call<'_>) -> Result<(), Failure> {
        let parameter = |name| call.target.parameter(name);
        let (kind, mode) = (parameter("type"), parameter("mode"));
        let other = parameter("serverId").filter(|id| self.server_id(call).is_some_and(|own| own != *id));
        let unknown = other.is_some_and(|id| self.short_name(id).is_none());
        let wrong = [
            (unknown, "Unknown value of serverId parameter.\n"),
            (other.is_some() && kind.is_some(), "Can't use type parameter with serverId parameter.\n"),
            (other.is_some() && mode.is_some(), "Can't use mode parameter with serverId parameter.\n"),
            (kind.is_some() && mode.is_some(), "Can't use type parameter with mode parameter.\n"),
            (kind.is_some(), "Can't supply type parameter to non-DBServer.\n"),
            (kind.is_some_and(|kind| kind != "json"), "Unknown value of type parameter.\n"),
            (
                mode.is_some() && !self.config.is_cluster(),
                "Can't supply mode parameter to non-Coordinator.\n",
            ),
            (mode.is_some_and(|mode| !MODES.contains(&mode)), "Unknown value of mode parameter.\n"),
        ];
        let said: Vec<&str> = wrong.iter().filter(|(wrong, _)| *wrong).map(|(_, text)| *text).collect();
        let status = match (&said[..], unknown) {
            ([], _) => return Ok(()),
            ([_], true) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Err(Failure::with(status, 400, said.concat()))
    }
}
