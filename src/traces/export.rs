//! Batches of spans on their way out, and what is said when nobody takes them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opentelemetry_otlp::SpanExporter as Otlp;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};
use parking_lot::Mutex;
use tracing::warn;

use super::{collector::Collector, translate::translated};

/// How often it is said that spans are lost.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Sends batches.
#[derive(Debug)]
pub(super) struct Exporter {
    otlp: Otlp,
    collector: Arc<Collector>,
    lost: Mutex<Lost>,
}

impl Exporter {
    pub(super) fn new(otlp: Otlp, collector: Arc<Collector>) -> Self {
        Self { otlp, collector, lost: Mutex::default() }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let outcome = self.otlp.export(batch.into_iter().map(translated).collect()).await;
        if outcome.is_err()
            && let Some(spans) = self.lost.lock().add(count, Instant::now())
        {
            let why = self.collector.why();
            warn!(spans, why, "traces can't be delivered and are lost; all else goes on");
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// Spans that were lost since it was said.
#[derive(Debug, Default)]
struct Lost {
    spans: usize,
    said: Option<Instant>,
}

impl Lost {
    /// Adds some; how many there are, if it is time to say so.
    fn add(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans += spans;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < SAID_EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.spans))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said_once_a_minute_and_counted_in_between() {
        let mut lost = Lost::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(lost.add(3, at(0)), Some(3));
        assert_eq!(lost.add(4, at(1)), None);
        assert_eq!(lost.add(5, at(59)), None);
        assert_eq!(lost.add(1, at(60)), Some(10));
        assert_eq!(lost.add(1, at(61)), None);
    }
}
