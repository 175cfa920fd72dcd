//! Requests to ArangoDB, by coordinator.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::StatusCode;
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
};

use super::book::Book;
use crate::arango::Observer;

/// What the answers are counted by.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "error"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    coordinator: Arc<str>,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CoordinatorLabels {
    coordinator: Arc<str>,
}

type Durations = Family<CoordinatorLabels, Histogram, fn() -> Histogram>;

/// Requests to ArangoDB. Clones count together.
#[derive(Debug, Clone)]
pub struct Traffic {
    requests: Family<RequestLabels, Counter>,
    durations: Durations,
    known: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

impl Traffic {
    /// Registers the metrics.
    pub fn new(registry: &mut Book) -> Self {
        let requests = Family::default();
        registry.register(
            "arangodb_requests",
            "Requests to coordinators, logins and probes included, by class of the answer; error if there was none",
            requests.clone(),
        );
        let durations = Durations::new_with_constructor(|| {
            Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
            ])
        });
        registry.register(
            "arangodb_request_duration_seconds",
            "Time of a request to a coordinator, until its answer was read",
            durations.clone(),
        );
        Self { requests, durations, known: Arc::default() }
    }

    /// Drops what was counted for coordinators that no ArangoCluster names any more.
    pub fn keep(&self, in_use: &BTreeSet<String>) {
        self.known.lock().retain(|coordinator| {
            let stays = in_use.contains(&**coordinator);
            if !stays {
                self.durations.remove(&CoordinatorLabels { coordinator: Arc::clone(coordinator) });
                for status in CLASSES {
                    self.requests.remove(&RequestLabels { coordinator: Arc::clone(coordinator), status });
                }
            }
            stays
        });
    }

    fn known(&self, coordinator: &str) -> Arc<str> {
        let mut known = self.known.lock();
        if let Some(coordinator) = known.get(coordinator) {
            return Arc::clone(coordinator);
        }
        let coordinator: Arc<str> = coordinator.into();
        known.insert(Arc::clone(&coordinator));
        coordinator
    }
}

impl Observer for Traffic {
    fn exchanged(&self, coordinator: &str, status: Option<StatusCode>, took: Duration) {
        let coordinator = self.known(coordinator);
        let class = status.and_then(|status| CLASSES.get(usize::from(status.as_u16() / 100).checked_sub(1)?));
        let status = class.copied().unwrap_or("error");
        let labels = RequestLabels { coordinator: Arc::clone(&coordinator), status };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&CoordinatorLabels { coordinator }).observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_class_and_forgotten_with_their_coordinator() {
        let mut registry = Book::default();
        let traffic = Traffic::new(&mut registry);
        for status in [Some(200), Some(201), Some(404), Some(503), None] {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            traffic.exchanged("http://a:1", status, Duration::from_millis(3));
        }
        let text = || registry.text();
        for (status, count) in [("2xx", 2), ("4xx", 1), ("5xx", 1), ("error", 1)] {
            let sample = format!("{{coordinator=\"http://a:1\",status=\"{status}\"}} {count}");
            assert!(text().contains(&sample), "{sample}:\n{}", text());
        }
        traffic.keep(&BTreeSet::from(["http://a:1".to_owned()]));
        assert!(text().contains("http://a:1"));
        traffic.keep(&BTreeSet::new());
        assert!(!text().contains("http://a:1"), "{}", text());
    }
}
