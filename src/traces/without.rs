//! A build without traces.

use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;

/// Traces that are sent: there are none.
#[derive(Debug)]
pub enum Traces {}

impl Traces {
    /// Nothing.
    ///
    /// # Errors
    ///
    /// The flag asks for traces.
    pub fn start(flag: Option<&str>) -> anyhow::Result<Option<Self>> {
        anyhow::ensure!(
            flag.is_none(),
            "--otlp-endpoint: this program is built without traces; build it with `cargo build --release --features otlp`"
        );
        Ok(None)
    }

    /// Says in the log that what the environment asks for isn't there.
    pub fn tell(_: Option<&Self>) {
        if super::wanted(None, |name| std::env::var(name).ok()).is_some() {
            warn!("OTEL_EXPORTER_OTLP_ENDPOINT is set, and this program is built without traces");
        }
    }

    /// What takes spans.
    pub fn layer<S: Subscriber>(&self) -> Box<dyn Layer<S> + Send + Sync> {
        match *self {}
    }

    /// Sends what is left.
    #[allow(clippy::unused_async, reason = "as where there are traces")]
    pub async fn stop(self) {
        match self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_traces_is_told_how_to_build_them() {
        let error = Traces::start(Some("http://collector:4318")).unwrap_err().to_string();
        assert!(error.contains("--otlp-endpoint") && error.contains("--features otlp"), "{error}");
        assert!(Traces::start(None).is_ok_and(|traces| traces.is_none()));
    }
}
