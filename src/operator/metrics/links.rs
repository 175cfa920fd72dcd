//! Gauges of what connects the operator with each deployment, taken at each scrape from the connections themselves.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};

use super::Book;
use crate::{
    core::{Id, deployment::Standing},
    operator::clusters::connections::Connected,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    arangocluster: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CoordinatorLabels {
    arangocluster: String,
    coordinator: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The gauges.
#[derive(Debug, Default)]
pub struct Links {
    ages: Family<ClusterLabels, Seconds>,
    intervals: Family<ClusterLabels, Seconds>,
    changed: Family<ClusterLabels, Gauge>,
    limits: Family<ClusterLabels, Gauge>,
    reachable: Family<CoordinatorLabels, Gauge>,
}

impl Links {
    /// Registers the metrics.
    pub fn new(registry: &mut Book) -> Self {
        let links = Self::default();
        registry.register(
            "snapshot_age_seconds",
            "Time since the databases and users of the deployment were last read for a comparison of everything, or since \
             it was connected; not of an ArangoCluster that is paused",
            links.ages.clone(),
        );
        registry.register(
            "comparison_interval_seconds",
            "Time between two comparisons of everything with the deployment, as its ArangoCluster says",
            links.intervals.clone(),
        );
        registry.register(
            "deployment_changed",
            "1 while another deployment answers than before and no person has accepted it, else 0",
            links.changed.clone(),
        );
        registry.register(
            "arangodb_request_limit",
            "How many requests to the deployment may be under way at once: as many as its answers show that it gains from, \
             and never more than spec.requests.maxConcurrent",
            links.limits.clone(),
        );
        registry.register(
            "coordinator_reachable",
            "1 if the coordinator works, as far as requests and probes have shown, else 0",
            links.reachable.clone(),
        );
        links
    }

    /// Begins anew: what is not connected any more has no gauge.
    pub fn clear(&self) {
        self.ages.clear();
        self.intervals.clear();
        self.changed.clear();
        self.limits.clear();
        self.reachable.clear();
    }

    /// Takes those of one connection.
    pub fn take(&self, id: &Id, connected: &Connected, paused: bool) {
        let arangocluster = id.to_string();
        let labels = ClusterLabels { arangocluster: arangocluster.clone() };
        if !paused {
            self.ages.get_or_create(&labels).set(connected.compared_at().elapsed().as_secs_f64());
        }
        self.intervals.get_or_create(&labels).set(connected.interval.as_secs_f64());
        let is_other = connected.server.standing().is_some_and(|standing| !Standing::is_accepted(&standing));
        self.changed.get_or_create(&labels).set(is_other.into());
        self.limits.get_or_create(&labels).set(i64::try_from(connected.limit()).unwrap_or(i64::MAX));
        for state in connected.coordinators() {
            let labels = CoordinatorLabels {
                arangocluster: arangocluster.clone(),
                coordinator: state.endpoint.to_string(),
            };
            self.reachable.get_or_create(&labels).set(state.reachable.into());
        }
    }
}
