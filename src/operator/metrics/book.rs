//! A registry that knows what is in it, also before anything was counted: the page of metrics is made of it.

use prometheus_client::{
    metrics::MetricType,
    registry::{Metric, Registry},
};

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its name without the prefix and without what its samples add.
    pub name: &'static str,
    /// counter, gauge, histogram or info.
    pub type_: &'static str,
    /// What it counts.
    pub help: &'static str,
}

/// The metrics of the operator.
#[derive(Debug)]
pub struct Book {
    /// What is served.
    pub registry: Registry,
    /// What is in it, in the order of its registration.
    pub described: Vec<Described>,
}

impl Default for Book {
    fn default() -> Self {
        Self { registry: Registry::with_prefix("arangooperator"), described: Vec::new() }
    }
}

impl Book {
    /// Adds a metric.
    pub fn register(&mut self, name: &'static str, help: &'static str, metric: impl Metric) {
        let type_ = match metric.metric_type() {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::Info => "info",
            MetricType::Unknown => "unknown",
        };
        self.described.push(Described { name, type_, help });
        self.registry.register(name, help, metric);
    }
}
