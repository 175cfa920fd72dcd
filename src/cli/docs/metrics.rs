//! The page of metrics.

use super::table;
use crate::operator::metrics::{Described, Metrics};

/// The labels of each metric that has any. A test compares them with those of a running operator.
pub const LABELS: &[(&str, &[&str])] = &[
    ("actions", &["kind", "verb"]),
    ("arangodb_request_duration_seconds", &["coordinator"]),
    ("arangodb_requests", &["coordinator", "status"]),
    ("build", &["version"]),
    ("drift_found", &["kind"]),
    ("drift_repaired", &["kind"]),
    ("kubernetes_writes", &["kind", "what"]),
    ("left_behind", &["kind"]),
    ("maintenance", &["state"]),
    ("objects", &["kind", "ready", "reason"]),
    ("queue_depth", &["kind"]),
    ("reconcile_duration_seconds", &["kind"]),
    ("reconciles", &["kind", "reason"]),
    ("snapshot_age_seconds", &["cluster"]),
    ("unmanaged", &["kind"]),
];

/// What each label says.
const MEANINGS: &[(&str, &str)] = &[
    ("cluster", "an ArangoCluster, as namespace/name"),
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

/// The prefix of all names.
const PREFIX: &str = "arangooperator_";

const HEAD: &str = "\
# Metrics

`run` serves them at `/metrics` of `--metrics-addr` (port 8080), in the OpenMetrics format, without a login. All values of all
labels are out of closed sets or out of the ArangoClusters' specs, so that nobody's names blow them up. Names of databases and
users, and of course passwords, are never in them.

Gauges of resources are counted when somebody asks, and cost nothing otherwise. Counters begin anew with each start.

";

/// All metrics, by name.
pub fn all() -> Vec<Described> {
    let mut all = Metrics::default().described().to_vec();
    all.sort_by_key(|metric| metric.name);
    all
}

/// The labels of a metric.
pub fn labels(name: &str) -> &'static [&'static str] {
    LABELS.iter().find(|(metric, _)| *metric == name).map_or(&[], |(_, labels)| labels)
}

/// The page.
pub(super) fn page() -> String {
    let metrics = all().into_iter().map(|Described { name, type_, help }| {
        let labels: Vec<_> = labels(name).iter().map(|label| format!("`{label}`")).collect();
        let suffix = match type_ {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        vec![format!("`{PREFIX}{name}{suffix}`"), type_.into(), labels.join(", "), help.into()]
    });
    let metrics = table(&["name", "type", "labels", "what it says"], metrics);
    let meanings = MEANINGS.iter().map(|(label, meaning)| vec![format!("`{label}`"), (*meaning).to_owned()]);
    let meanings = table(&["label", "what it says"], meanings);
    format!("{HEAD}{metrics}\n## Labels\n\n{meanings}{TAIL}")
}

const TAIL: &str = "
## What to watch

| question | expression |
| --- | --- |
| Does a person have to act? | `sum by (kind, reason) (arangooperator_objects{ready=\"False\"}) > 0`, for longer than an interval |
| Does something wait for too long? | `sum by (kind, reason) (arangooperator_objects{ready=\"Unknown\"}) > 0` for an hour |
| Is everything still compared? | `arangooperator_snapshot_age_seconds` above twice the interval of that ArangoCluster |
| Does somebody change things by hand? | `increase(arangooperator_drift_repaired_total[1d]) > 0` |
| Did something stay on a server that should be gone? | `increase(arangooperator_left_behind_total[1d]) > 0` |
| Does a coordinator fail? | `rate(arangooperator_arangodb_requests_total{status=~\"5xx|error\"}[5m]) > 0` |
| Is the operator too slow? | `arangooperator_queue_depth` that doesn't go back to 0 |
";
