//! What is there, counted when somebody asks for it and not before.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, runtime::reflector::Store};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, info::Info},
};
use std::sync::OnceLock;

use super::{Book, KindLabels, Links, Process};
use crate::{
    core::{
        Reason,
        condition::{Condition, ConditionStatus, READY},
    },
    operator::{clusters::connections::KIND, context::Context, watching::index::Id},
};

/// How an object stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct ObjectLabels {
    kind: &'static str,
    ready: &'static str,
    reason: &'static str,
}

/// Counts the objects of one kind by how they stand, those that another installation looks after left out.
pub type Count = Box<dyn Fn(&Context, &mut BTreeMap<ObjectLabels, i64>) + Send + Sync>;

/// Gauges that are taken at each scrape.
pub struct Census {
    objects: Family<ObjectLabels, Gauge>,
    queued: Family<KindLabels, Gauge>,
    links: Links,
    process: Process,
    counts: OnceLock<Vec<Count>>,
    /// One scrape at a time, for it begins with nothing.
    taking: Mutex<()>,
}

impl std::fmt::Debug for Census {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Census").finish_non_exhaustive()
    }
}

impl Census {
    /// Registers the metrics.
    pub fn new(registry: &mut Book) -> Self {
        let objects = Family::default();
        registry.register(
            "objects",
            "Resources by the status and the reason of their condition Ready; the reasons are listed in conditions.md",
            objects.clone(),
        );
        let queued = Family::default();
        registry.register(
            "queue_depth",
            "Resources that are to be looked at now and wait for their turn; not those whose next look is later",
            queued.clone(),
        );
        let links = Links::new(registry);
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let process = Process::new(registry);
        Self { objects, queued, links, process, counts: OnceLock::new(), taking: Mutex::default() }
    }

    /// Says how the objects of each kind are counted. Once, before anybody asks.
    pub fn count_by(&self, counts: Vec<Count>) {
        drop(self.counts.set(counts));
    }

    /// Takes it, and gives what `read` makes of it before the next one is taken.
    pub fn take<T>(&self, context: &Context, read: impl FnOnce() -> T) -> T {
        let _taking = self.taking.lock();
        let mut objects = BTreeMap::new();
        for count in self.counts.get().into_iter().flatten() {
            count(context, &mut objects);
        }
        self.objects.clear();
        for (labels, count) in objects {
            self.objects.get_or_create(&labels).set(count);
        }
        for (kind, depth) in context.wakes.depths() {
            self.queued.get_or_create(&KindLabels { kind }).set(i64::try_from(depth).unwrap_or(i64::MAX));
        }
        let connections: Vec<_> = context
            .connections
            .read()
            .iter()
            .map(|(id, connected)| (id.clone(), connected.clone()))
            .collect();
        self.links.clear();
        let mut in_use = BTreeSet::new();
        for (id, connected) in connections {
            let paused = context.find(KIND, &id).is_some_and(|found| found.paused.is_some());
            self.links.take(&id, &connected, paused);
            in_use.extend(connected.coordinators().iter().map(|state| state.endpoint.to_string()));
        }
        context.metrics.traffic.keep(&in_use);
        self.process.take();
        read()
    }
}

/// Counts what is in a cache. `cluster`: the ArangoCluster that it refers to.
pub fn count<R>(
    store: Store<R>,
    kind: &'static str,
    cluster: fn(&R) -> Id,
    conditions: fn(&R) -> Option<&[Condition]>,
) -> Count
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Send + Sync + 'static,
{
    Box::new(move |context, counts| {
        let shares = context.installation.shares();
        for resource in store.state() {
            if shares && context.installation.is_elsewhere(&cluster(&resource)) {
                continue;
            }
            let (ready, reason) = standing(conditions(&resource).unwrap_or_default());
            *counts.entry(ObjectLabels { kind, ready, reason }).or_default() += 1;
        }
    })
}

/// Status and reason of `Ready`, out of the closed list: anybody may write a status.
fn standing(conditions: &[Condition]) -> (&'static str, &'static str) {
    let Some(ready) = conditions.iter().find(|condition| condition.type_ == READY) else {
        return ("Unknown", Reason::Pending.as_str());
    };
    let status = match ready.status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    // Most are: the whole list is looked through for the others.
    let likely = [Reason::Ready];
    let reason = likely.iter().chain(Reason::ALL).find(|reason| reason.as_str() == ready.reason);
    (status, reason.map_or("other", |reason| reason.as_str()))
}
