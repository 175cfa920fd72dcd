//! A registry that knows what is in it, also before anything was counted: the page of metrics is made of it.

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::MetricType,
    registry::{Metric, Registry},
};

/// What the names of our own metrics begin with.
const PREFIX: &str = "arangooperator";

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// What comes before its name: the operator's own prefix, or nothing.
    pub prefix: &'static str,
    /// Its name without the prefix and without what its samples add.
    pub name: &'static str,
    /// counter, gauge, histogram or info.
    pub type_: &'static str,
    /// What it counts.
    pub help: &'static str,
}

impl Described {
    /// The name of its samples, of a histogram without what they add.
    pub fn sample(&self) -> String {
        let suffix = match self.type_ {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        format!("{}{}{suffix}", self.prefix, self.name)
    }
}

/// The metrics of the operator.
#[derive(Debug)]
pub struct Book {
    own: Registry,
    /// Those whose names everybody knows, without our prefix.
    plain: Registry,
    /// What is in it, in the order of its registration.
    pub described: Vec<Described>,
}

impl Default for Book {
    fn default() -> Self {
        let (own, plain) = (Registry::with_prefix(PREFIX), Registry::default());
        Self { own, plain, described: Vec::new() }
    }
}

impl Book {
    /// Adds a metric of our own.
    pub fn register(&mut self, name: &'static str, help: &'static str, metric: impl Metric) {
        self.describe("arangooperator_", name, help, &metric);
        self.own.register(name, help, metric);
    }

    /// Adds a metric whose name everybody knows.
    pub fn register_plain(&mut self, name: &'static str, help: &'static str, metric: impl Metric) {
        self.describe("", name, help, &metric);
        self.plain.register(name, help, metric);
    }

    fn describe(
        &mut self,
        prefix: &'static str,
        name: &'static str,
        help: &'static str,
        metric: &impl Metric,
    ) {
        let type_ = match metric.metric_type() {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::Info => "info",
            MetricType::Unknown => "unknown",
        };
        self.described.push(Described { prefix, name, type_, help });
    }

    /// The `OpenMetrics` text of this moment.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String can't fail.
        let _ = encode_registry(&mut text, &self.own)
            .and_then(|()| encode_registry(&mut text, &self.plain))
            .and_then(|()| encode_eof(&mut text));
        text
    }
}
