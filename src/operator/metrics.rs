//! Metrics, all labels out of closed sets.

mod book;
mod census;
pub mod gauges;
mod traffic;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

pub use self::{
    book::{Book, Described},
    census::{Census, Count, count},
    gauges::Gauges,
    traffic::Traffic,
};
use super::context::Context;
use crate::arango::Gate;

/// A kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    kind: &'static str,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ActionLabels {
    kind: &'static str,
    verb: &'static str,
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
    registry: Book,
    passes: Family<PassLabels, Counter>,
    durations: Durations,
    writes: Family<WriteLabels, Counter>,
    actions: Family<ActionLabels, Counter>,
    found: Family<KindLabels, Counter>,
    repaired: Family<KindLabels, Counter>,
    left_behind: Family<KindLabels, Counter>,
    leader: Gauge,
    /// ArangoClusters that are connected.
    pub connected: Gauge,
    /// Requests to ArangoDB.
    pub traffic: Traffic,
    /// What is there, by how it stands.
    pub census: Census,
    /// Gauges over all ArangoClusters.
    pub gauges: Gauges,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Book::default();
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
        let leader = Gauge::default();
        registry.register(
            "leader",
            "Whether this replica acts: 1 on the one that holds the Lease, 0 on those that wait; 1 without leader election",
            leader.clone(),
        );
        let connected = Gauge::default();
        registry.register("clusters_connected", "ArangoClusters that are connected", connected.clone());
        let traffic = Traffic::new(&mut registry);
        let census = Census::new(&mut registry);
        let gauges = Gauges::new(&mut registry);
        Self {
            registry,
            passes,
            durations,
            writes,
            actions,
            found,
            repaired,
            left_behind,
            leader,
            connected,
            traffic,
            census,
            gauges,
        }
    }
}

impl Metrics {
    /// What is in it.
    pub fn described(&self) -> &[Described] {
        &self.registry.described
    }

    /// A pass has ended.
    pub fn pass(&self, kind: &'static str, reason: &'static str, seconds: f64) {
        self.passes.get_or_create(&PassLabels { kind, reason }).inc();
        self.durations.get_or_create(&KindLabels { kind }).observe(seconds);
    }

    /// Something was written to Kubernetes.
    pub fn wrote(&self, kind: &'static str, what: &'static str) {
        self.writes.get_or_create(&WriteLabels { kind, what }).inc();
    }

    /// An action was carried out.
    pub fn acted(&self, kind: &'static str, verb: &'static str) {
        self.actions.get_or_create(&ActionLabels { kind, verb }).inc();
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

    /// The `OpenMetrics` text of this moment.
    pub fn scrape(&self, context: &Context) -> String {
        self.leader.set(context.lead.is_open().into());
        self.census.take(context, || self.text())
    }

    /// The `OpenMetrics` text of what was counted.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String can't fail.
        let _ = encode(&mut text, &self.registry.registry);
        text
    }
}
