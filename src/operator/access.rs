//! What ArangoClusters lend to other namespaces: their rules, taken apart once, and the labels of the namespaces that
//! they select, from a watch of Namespaces by metadata.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use parking_lot::Mutex;
use tracing::warn;

use super::{
    clusters::connections::key,
    context::Context,
    watching::index::{Id, Key, id_of},
};
use crate::{
    core::{Access, Hold, Reason, access::Loan},
    kinds::{
        Kind,
        cluster::{
            access::{AccessRule, Compiled},
            crd::ArangoCluster,
        },
    },
};

/// The kind's name.
pub const KIND: &str = "Namespace";

type Labels = BTreeMap<String, String>;

/// The rules of all ArangoClusters, and the labels of all namespaces.
#[derive(Debug, Default)]
pub struct Lending {
    rules: Mutex<HashMap<Id, Arc<[Compiled]>>>,
    namespaces: Mutex<Namespaces>,
}

#[derive(Debug, Default)]
struct Namespaces {
    labels: HashMap<String, Labels>,
    /// Whether the API server said that they may not be watched.
    forbidden: bool,
}

/// Whether resources of one namespace can refer to another one at all, so that there is something to watch.
pub fn is_watched(namespaces: &[String]) -> bool {
    namespaces.len() != 1
}

/// What a resource of a namespace may do through an ArangoCluster; nothing if the namespace was not seen yet.
pub fn access(context: &Context, namespace: &str, cluster: &Id) -> Option<Access> {
    if *cluster.namespace == *namespace {
        return Some(Access::All);
    }
    let nothing = |reason, message: String| Some(Access::Nothing(Hold::new(reason, message)));
    let is_ours = |namespace: &str| context.namespaces.iter().any(|ours| ours == namespace);
    if !context.namespaces.is_empty() && !is_ours(&cluster.namespace) {
        return nothing(
            Reason::AccessDenied,
            format!(
                "the ArangoCluster {cluster} can't be used from the namespace {namespace}: this operator is for the \
                 namespaces {} alone (run --namespace); leave clusterRef.namespace out, or have the operator run for \
                 both",
                context.namespaces.join(", ")
            ),
        );
    }
    let Some(rules) = context.lending.rules.lock().get(cluster).cloned() else {
        let message = format!(
            "the ArangoCluster {} does not exist in the namespace {} yet; going on when it does",
            cluster.name, cluster.namespace
        );
        return nothing(Reason::ClusterMissing, message);
    };
    let namespaces = context.lending.namespaces.lock();
    let labels = match namespaces.labels.get(namespace) {
        Some(labels) => labels,
        None if namespaces.forbidden => {
            let message = format!(
                "the ArangoCluster {cluster} can't be used from the namespace {namespace}, whose labels the operator \
                 may not read: grant it list and watch on Namespaces"
            );
            return nothing(Reason::AccessDenied, message);
        }
        None => return None,
    };
    let rules = rules.iter().filter(|rule| rule.selects(labels)).map(|rule| Arc::clone(&rule.rule)).collect();
    Some(Access::Lent(Loan { cluster: cluster.clone(), namespace: namespace.into(), rules }))
}

/// Whether a resource uses the ArangoCluster of another namespace.
pub fn is_foreign<K: Kind>(resource: &K::Resource) -> bool {
    Some(&*K::place(resource).cluster.namespace) != resource.meta().namespace.as_deref()
}

/// Whether a resource may be about its object at all; whoever may not is no claimant either.
pub fn is_lent<K: Kind>(context: &Context, id: &Id, resource: &K::Resource) -> bool {
    if !is_foreign::<K>(resource) {
        return true;
    }
    let Ok(desired) = K::desired(resource, &context.lookup(&id.namespace)) else { return true };
    let access = access(context, &id.namespace, &K::place(resource).cluster);
    access.is_none_or(|access| access.admits(K::subject(&desired)).is_ok())
}

/// Learns the rules of an ArangoCluster. If they are others than before, all who use it are looked at.
pub fn learn(context: &Context, cluster: &ArangoCluster) {
    let rules: Arc<[Compiled]> = cluster.spec.access.iter().filter_map(AccessRule::compile).collect();
    let id = id_of(cluster);
    let before = context.lending.rules.lock().insert(id.clone(), Arc::clone(&rules));
    if before.is_some_and(|before| before != rules) {
        context.wake(&key(&id));
    }
}

/// Forgets an ArangoCluster that is gone.
pub fn forget(context: &Context, cluster: &Id) {
    context.lending.rules.lock().remove(cluster);
}

/// Watches the labels of Namespaces for as long as the process lives.
pub async fn watch(context: Arc<Context>) {
    if !is_watched(&context.namespaces) {
        return;
    }
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.client.clone());
    let mut events = watcher::watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut listing = HashMap::new();
    let labels =
        |namespace: &PartialObjectMeta<Namespace>| (namespace.name_any(), namespace.labels().clone());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listing = HashMap::new(),
            Ok(Event::InitApply(namespace)) => listing.extend([labels(&namespace)]),
            Ok(Event::InitDone) => {
                listed(&context, &listing);
                listing = HashMap::new();
                context.cache_is_filled(KIND);
            }
            Ok(Event::Apply(namespace)) => {
                let (name, labels) = labels(&namespace);
                let before = context.lending.namespaces.lock().labels.insert(name.clone(), labels.clone());
                relabelled(&context, &name, before.as_ref(), &labels);
            }
            Ok(Event::Delete(namespace)) => {
                context.lending.namespaces.lock().labels.remove(&namespace.name_any());
            }
            Err(error) => {
                warn!(%error, "the watch on Namespaces failed; trying again");
                if is_forbidden(&error) {
                    // Nothing but references across namespaces depends on it: the rest goes on.
                    context.lending.namespaces.lock().forbidden = true;
                    context.cache_is_filled(KIND);
                }
            }
        }
    }
}

/// Takes a whole listing for what there is.
fn listed(context: &Context, listing: &HashMap<String, Labels>) {
    let known = Namespaces { labels: listing.clone(), forbidden: false };
    let before = std::mem::replace(&mut *context.lending.namespaces.lock(), known);
    for (name, labels) in listing {
        relabelled(context, name, before.labels.get(name), labels);
    }
}

/// Has those looked at whom new labels concern: everybody on an ArangoCluster with a rule that selects the namespace
/// now and didn't before, or the other way about. Not only the namespace's own: what one has to let go, another one
/// may be waiting for.
fn relabelled(context: &Context, namespace: &str, before: Option<&Labels>, labels: &Labels) {
    let Some(before) = before else {
        context.wake(&Key::Namespace(namespace.into()));
        return;
    };
    let concerned = |rules: &Arc<[Compiled]>| rules.iter().any(|r| r.selects(before) != r.selects(labels));
    let clusters: Vec<_> = {
        let rules = context.lending.rules.lock();
        rules.iter().filter(|(_, rules)| concerned(rules)).map(|(cluster, _)| cluster.clone()).collect()
    };
    for cluster in clusters {
        context.wake(&key(&cluster));
    }
}

fn is_forbidden(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let forbidden = |error: &kube::Error| super::store::is(error, 403);
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => forbidden(error),
        _ => false,
    }
}
