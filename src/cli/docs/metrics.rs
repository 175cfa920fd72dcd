//! The page of metrics.

use super::table;
use crate::operator::metrics::{Described, Metrics};

/// The labels of each metric that has any. A test compares them with those of a running operator.
pub const LABELS: &[(&str, &[&str])] = &[
    ("actions", &["kind", "verb"]),
    ("arangodb_request_duration_seconds", &["coordinator"]),
    ("arangodb_requests", &["coordinator", "status"]),
    ("build", &["version"]),
    ("comparison_interval_seconds", &["arangocluster"]),
    ("coordinator_reachable", &["arangocluster", "coordinator"]),
    ("deployment_changed", &["arangocluster"]),
    ("arangodb_request_limit", &["arangocluster"]),
    ("drift_found", &["kind"]),
    ("drift_repaired", &["kind"]),
    ("kubernetes_writes", &["kind", "what"]),
    ("left_behind", &["kind"]),
    ("maintenance", &["state"]),
    ("objects", &["kind", "ready", "reason"]),
    ("queue_depth", &["kind"]),
    ("reconcile_duration_seconds", &["kind"]),
    ("reconciles", &["kind", "reason"]),
    ("snapshot_age_seconds", &["arangocluster"]),
    ("unmanaged", &["kind"]),
];

/// What each label says.
const MEANINGS: &[(&str, &str)] = &[
    ("arangocluster", "an ArangoCluster, as namespace/name"),
    ("coordinator", "an endpoint of an ArangoCluster; dropped when no ArangoCluster has it any more"),
    ("kind", "a kind of resource: `ArangoCluster`, `ArangoDatabase`, `ArangoUser`, `ArangoPermission`"),
    ("ready", "`True`, `False` or `Unknown`"),
    (
        "reason",
        "a reason of [conditions.md](conditions.md); of passes also `Gone`, `Waiting`, `Settling`, `Outdated`, \
         `KubernetesError`, `Deadline`",
    ),
    ("status", "class of the HTTP status: `2xx` to `5xx`, or `error` if there was no answer"),
    ("verb", "`create`, `delete`, `update`, `grant`, `revoke`, `restore`, `generate`, `other`"),
    ("version", "the program's version"),
    ("what", "what was written: a status, a finalizer, a claim, an Event, a Secret"),
    ("state", "`on`; `long_running`, which are `on` as well; `undone`"),
];

const HEAD: &str = "\
# Metrics

`run` serves them at `/metrics` of `--metrics-addr` (port 8080), in the OpenMetrics format, without a login. All values of all
labels are out of closed sets or out of the ArangoClusters' specs, so that nobody's names blow them up. Names of databases and
users, and of course passwords, are never in them.

Gauges of resources are counted when somebody asks, and cost nothing otherwise. Counters begin anew with each start; those
that alerts are about begin with 0.

A dashboard, alerts and what to do about each are in [monitoring.md](monitoring.md).

";

/// All metrics, by name.
pub fn all() -> Vec<Described> {
    let mut all = Metrics::default().described().to_vec();
    all.sort_by_key(Described::sample);
    all
}

/// The labels of a metric.
pub fn labels(name: &str) -> &'static [&'static str] {
    LABELS.iter().find(|(metric, _)| *metric == name).map_or(&[], |(_, labels)| labels)
}

/// The page.
pub(super) fn page() -> String {
    let metrics = all().into_iter().map(|metric| {
        let labels: Vec<_> = labels(metric.name).iter().map(|label| format!("`{label}`")).collect();
        vec![format!("`{}`", metric.sample()), metric.type_.into(), labels.join(", "), metric.help.into()]
    });
    let metrics = table(&["name", "type", "labels", "what it says"], metrics);
    let meanings = MEANINGS.iter().map(|(label, meaning)| vec![format!("`{label}`"), (*meaning).to_owned()]);
    let meanings = table(&["label", "what it says"], meanings);
    format!("{HEAD}{metrics}\n## Labels\n\n{meanings}")
}
