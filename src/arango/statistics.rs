//! The figures that a server counts about itself.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A server's figures since its start (reference: information, statistics). All of them are kept as they were sent;
/// the methods give those that tell most, and `None` where a server doesn't count them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Statistics {
    /// Everything that was sent.
    pub all: Map<String, Value>,
}

impl Statistics {
    /// For how long it has been running.
    pub fn uptime(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.figure("server", "uptime")?.as_f64()?).ok()
    }

    /// The clients' connections that are open now.
    pub fn connections(&self) -> Option<u64> {
        self.figure("client", "httpConnections")?.as_u64()
    }

    /// The requests that were answered.
    pub fn requests(&self) -> Option<u64> {
        self.figure("http", "requestsTotal")?.as_u64()
    }

    /// How long a request took on the average; `None` before the first.
    pub fn mean_request_time(&self) -> Option<Duration> {
        let times = self.figure("client", "totalTime")?;
        let count = times.get("count")?.as_f64().filter(|count| *count > 0.0)?;
        Duration::try_from_secs_f64(times.get("sum")?.as_f64()? / count).ok()
    }

    /// The process's memory, in bytes.
    pub fn resident_bytes(&self) -> Option<u64> {
        self.figure("system", "residentSize")?.as_u64()
    }

    /// The process's threads.
    pub fn threads(&self) -> Option<u64> {
        self.figure("system", "numberOfThreads")?.as_u64()
    }

    fn figure(&self, group: &str, name: &str) -> Option<&Value> {
        self.all.get(group)?.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telling_figures_are_read_and_missing_ones_are_none() {
        let read = |text| serde_json::from_str::<Statistics>(text).unwrap();
        let some = read(
            r#"{"system":{"residentSize":299380736,"numberOfThreads":75},"http":{"requestsTotal":244},
            "client":{"httpConnections":1,"totalTime":{"sum":0.5,"count":250,"counts":[250]}},
            "server":{"uptime":12.5}}"#,
        );
        assert_eq!(some.uptime(), Some(Duration::from_millis(12_500)));
        assert_eq!((some.connections(), some.requests()), (Some(1), Some(244)));
        assert_eq!(some.mean_request_time(), Some(Duration::from_millis(2)));
        assert_eq!((some.resident_bytes(), some.threads()), (Some(299_380_736), Some(75)));
        let idle = read(r#"{"client":{"totalTime":{"sum":0,"count":0}},"server":[]}"#);
        assert_eq!((idle.mean_request_time(), idle.uptime(), idle.requests()), (None, None, None));
    }
}
