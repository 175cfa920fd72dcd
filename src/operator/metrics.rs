//! Metrics, all labels out of closed sets.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// A kind, and a word about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    kind: &'static str,
}

/// A pass by its result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PassLabels {
    kind: &'static str,
    reason: &'static str,
}

/// A write to Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    kind: &'static str,
    what: &'static str,
}

type Durations = Family<KindLabels, Histogram, fn() -> Histogram>;

/// All metrics of the operator.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    durations: Durations,
    writes: Family<WriteLabels, Counter>,
    actions: Family<KindLabels, Counter>,
    found: Family<KindLabels, Counter>,
    repaired: Family<KindLabels, Counter>,
    left_behind: Family<KindLabels, Counter>,
    /// ArangoClusters that are connected.
    pub connected: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("arangooperator");
        let passes = Family::default();
        registry.register(
            "reconciles",
            "Passes over a resource, by the reason of Ready after it",
            passes.clone(),
        );
        let durations = Durations::new_with_constructor(|| {
            Histogram::new([0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
        });
        registry.register("reconcile_duration_seconds", "Time of a pass", durations.clone());
        let writes = Family::default();
        registry.register("kubernetes_writes", "Writes to the Kubernetes API", writes.clone());
        let actions = Family::default();
        registry.register("actions", "Actions carried out on ArangoDB", actions.clone());
        let found = Family::default();
        registry.register(
            "drift_found",
            "Changes made by hand that were found and not repaired: the policy is Observe, or the server takes no writes",
            found.clone(),
        );
        let repaired = Family::default();
        registry.register("drift_repaired", "Passes that repaired a change made by hand", repaired.clone());
        let left_behind = Family::default();
        registry.register(
            "left_behind",
            "Objects that were to be removed and stayed on the server: their ArangoCluster was gone, or a person let them go",
            left_behind.clone(),
        );
        let connected = Gauge::default();
        registry.register("clusters_connected", "ArangoClusters that are connected", connected.clone());
        Self { registry, passes, durations, writes, actions, found, repaired, left_behind, connected }
    }
}

impl Metrics {
    /// A pass has ended.
    pub fn pass(&self, kind: &'static str, reason: &'static str, seconds: f64) {
        self.passes.get_or_create(&PassLabels { kind, reason }).inc();
        self.durations.get_or_create(&KindLabels { kind }).observe(seconds);
    }

    /// Something was written to Kubernetes.
    pub fn wrote(&self, kind: &'static str, what: &'static str) {
        self.writes.get_or_create(&WriteLabels { kind, what }).inc();
    }

    /// Actions were carried out.
    pub fn acted(&self, kind: &'static str, actions: usize) {
        self.actions.get_or_create(&KindLabels { kind }).inc_by(actions as u64);
    }

    /// A change made by hand was found and is not repaired.
    pub fn found(&self, kind: &'static str) {
        self.found.get_or_create(&KindLabels { kind }).inc();
    }

    /// A change made by hand was repaired.
    pub fn repaired(&self, kind: &'static str) {
        self.repaired.get_or_create(&KindLabels { kind }).inc();
    }

    /// An object stayed on the server.
    pub fn left_behind(&self, kind: &'static str) {
        self.left_behind.get_or_create(&KindLabels { kind }).inc();
    }

    /// The `OpenMetrics` text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String can't fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
