//! Gauges over all ArangoClusters: how much nobody declares, and how many are in maintenance. No label names a cluster;
//! which one it is, `kubectl get arangoclusters` says.

use std::collections::HashMap;

use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};

use super::Book;
use crate::{
    core::Id,
    kinds::{Kind, cluster::status::Unmanaged, database::Database, user::User},
};

/// What there is so many of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// What an ArangoCluster's maintenance is like.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What maintenance may be like, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is on.
    On,
    /// It has been on for more than a day.
    LongRunning,
    /// Somebody keeps switching it off.
    Undone,
}

impl State {
    const ALL: [Self; 3] = [Self::On, Self::LongRunning, Self::Undone];

    fn label(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::LongRunning => "long_running",
            Self::Undone => "undone",
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    unmanaged: Unmanaged,
    maintenance: Option<State>,
}

/// The gauges.
#[derive(Debug, Default)]
pub struct Gauges {
    clusters: Mutex<HashMap<Id, Shown>>,
    unmanaged: Family<KindLabels, Gauge>,
    maintenance: Family<StateLabels, Gauge>,
}

impl Gauges {
    /// Gauges that are shown with the others.
    pub fn new(registry: &mut Book) -> Self {
        let gauges = Self::default();
        registry.register(
            "unmanaged",
            "Databases and users on the servers that no resource declares, by the kind that could",
            gauges.unmanaged.clone(),
        );
        registry.register(
            "maintenance",
            "ArangoClusters in maintenance, and those of them where it has been on for more than a day; and those where \
             somebody keeps switching it off",
            gauges.maintenance.clone(),
        );
        gauges.sum(&HashMap::new());
        gauges
    }

    /// How much an ArangoCluster has that nobody declares.
    pub fn unmanaged(&self, cluster: &Id, unmanaged: Unmanaged) {
        self.set(cluster, |shown| shown.unmanaged = unmanaged);
    }

    /// What an ArangoCluster's maintenance is like.
    pub fn maintenance(&self, cluster: &Id, state: Option<State>) {
        self.set(cluster, |shown| shown.maintenance = state);
    }

    /// An ArangoCluster is gone.
    pub fn forget(&self, cluster: &Id) {
        let mut clusters = self.clusters.lock();
        clusters.remove(cluster);
        self.sum(&clusters);
    }

    fn set(&self, cluster: &Id, change: impl FnOnce(&mut Shown)) {
        let mut clusters = self.clusters.lock();
        change(clusters.entry(cluster.clone()).or_default());
        self.sum(&clusters);
    }

    fn sum(&self, clusters: &HashMap<Id, Shown>) {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for (kind, count) in [
            (Database::NAME, clusters.values().map(|shown| shown.unmanaged.databases).sum()),
            (User::NAME, clusters.values().map(|shown| shown.unmanaged.users).sum()),
        ] {
            self.unmanaged.get_or_create(&KindLabels { kind }).set(whole(count));
        }
        for state in State::ALL {
            // What has been on for long is on.
            let is = |shown: &&Shown| {
                shown.maintenance == Some(state)
                    || (state == State::On && shown.maintenance == Some(State::LongRunning))
            };
            let count = clusters.values().filter(is).count() as u64;
            self.maintenance.get_or_create(&StateLabels { state: state.label() }).set(whole(count));
        }
    }
}
