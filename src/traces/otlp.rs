//! Spans from `tracing` to a collector, in batches, by OTLP over HTTP.

use std::{env, sync::Arc, time::Duration};

use anyhow::Context;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector},
    trace::SdkTracerProvider,
};
use tracing::{Metadata, Subscriber, info, warn};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    registry::LookupSpan,
};

use super::{collector::Collector, export::Exporter, translate};

/// How long what is left may take to be sent at the end.
const FLUSH: Duration = Duration::from_secs(5);

/// What this program is called by.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Traces that are sent. Clones of what it hands out keep nothing alive: [`Traces::stop`] ends it.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    to: String,
}

impl Traces {
    /// Begins to send, if the flag or the environment asks for it. Has to be called inside of the runtime.
    ///
    /// How many spans wait and for how long, how many are taken, and the headers that are sent along are up to the
    /// variables of OpenTelemetry's specification (`OTEL_BSP_*`, `OTEL_TRACES_SAMPLER*`,
    /// `OTEL_EXPORTER_OTLP_HEADERS`). At most 2,048 spans wait by default; what comes then is lost.
    ///
    /// # Errors
    ///
    /// The address, or the certificate that is to be trusted, can't be used.
    pub fn start(flag: Option<&str>) -> anyhow::Result<Option<Self>> {
        let Some(to) = super::wanted(flag, |name| env::var(name).ok()) else { return Ok(None) };
        super::check(&to).map_err(|why| {
            anyhow::anyhow!("the address of the collector that traces are to be sent to: {why}")
        })?;
        let collector = Arc::new(Collector::new(to.starts_with("https://"))?);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_shared_http_client(collector.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&to)
            .build()
            .context("traces can't be sent")?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_batch_exporter(Exporter::new(exporter, collector))
            .build();
        Ok(Some(Self { provider, to }))
    }

    /// Says in the log where traces go.
    pub fn tell(traces: Option<&Self>) {
        if let Some(traces) = traces {
            info!(to = traces.to, "traces are sent");
        }
    }

    /// What takes spans.
    pub fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let ours = |metadata: &Metadata<'_>| metadata.is_span() && translate::is_known(metadata);
        let layer = tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Spans go along with their futures here; nobody asks OpenTelemetry for the current one.
            .with_context_activation(false)
            .with_tracer(self.provider.tracer(NAME));
        layer.with_filter(filter_fn(ours).with_max_level_hint(LevelFilter::DEBUG)).boxed()
    }

    /// Sends what is left, for 5 seconds at most.
    pub async fn stop(self) {
        let flushed = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            warn!("the last traces could not be delivered");
        }
    }
}

/// Who sends. What the environment says of it counts more.
fn resource() -> Resource {
    let ours = [
        KeyValue::new("service.name", NAME),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ];
    let told = EnvResourceDetector::new().detect();
    let named = env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let resource = Resource::builder_empty().with_attributes(ours);
    let told = told.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let named = named.map(|name| KeyValue::new("service.name", name));
    resource.with_attributes(told.chain(named).collect::<Vec<_>>()).build()
}
