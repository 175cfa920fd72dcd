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

use super::{collector::Collector, lost::Lost, translate::translated};

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
