//! One controller for every kind that declares something on a server: watch, pass, status. The queue is one for all kinds
//! (`watching::wake`, `turns`).

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, future};
use kube::{
    Resource, ResourceExt,
    core::object::HasStatus,
    runtime::{
        PredicateConfig, WatchStreamExt,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::Event,
    },
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, debug_span, field, warn};

use super::{
    context::Context,
    installation::{Turn, hands::is_missing},
    metrics,
    pass::{self, Next},
    store::StoreError,
    turns::Pass,
    watching::{
        index::{Entry, Id, Key, Ref, id_of},
        streams::{known_in, watch},
        wake::Again,
        written::Written,
    },
};
use crate::{
    core::{
        backoff,
        queue::{Lane, Urgency},
    },
    kinds::{Kind, Need},
    reconcile::snapshot::SETTLING,
};

/// Longest time of one pass: two requests of the longest usual timeout, and as much again. The Kubernetes client
/// alone would repeat for minutes.
const DEADLINE: Duration = Duration::from_secs(120);

/// What waits for something that wakes it is looked at this often all the same.
const SLOW: Duration = Duration::from_secs(600);
/// The first repetition after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait between repetitions after a failure.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// So much later, more or less, than the time when there is something to say.
const MOMENT: Duration = Duration::from_millis(100);
/// The first repetition after the resource changed under our hands; it doubles.
const AGAIN: Duration = Duration::from_millis(50);

/// One kind's cache and the stream that fills it.
pub struct Watched<K: Kind> {
    /// The cache.
    pub store: Store<K::Resource>,
    writer: Writer<K::Resource>,
}

impl<K: Kind> std::fmt::Debug for Watched<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("kind", &K::NAME).finish_non_exhaustive()
    }
}

impl<K: Kind> Default for Watched<K> {
    fn default() -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer }
    }
}

/// What one kind's passes share.
pub struct KindContext<K: Kind> {
    /// What all kinds share.
    pub context: Arc<Context>,
    /// The cache.
    pub store: Store<K::Resource>,
    written: Arc<Written<K::Resource>>,
}

impl<K: Kind> KindContext<K> {
    /// The newest state of a resource that is known: the cache's, or what we wrote last.
    pub fn latest(&self, id: &Id) -> Option<Arc<K::Resource>> {
        Some(self.written.latest(self.cached(id)?))
    }

    /// Keeps what we wrote until the cache has seen it.
    pub fn wrote(&self, id: &Id, resource: K::Resource) {
        self.written.wrote(resource, || self.cached(id));
    }

    fn cached(&self, id: &Id) -> Option<Arc<K::Resource>> {
        self.store.get(&ObjectRef::new(&id.name).within(&id.namespace))
    }
}

/// Says what a resource needs and declares.
pub fn index<K: Kind>(context: &Context, resource: &K::Resource, desired: Option<&K::Desired>) {
    let id = id_of(resource);
    let cluster = K::place(resource).cluster;
    let namespace = &id.namespace;
    let mut needs: Vec<Key> = K::needs(resource, desired)
        .into_iter()
        .map(|need| match need {
            Need::Secret(name) => Key::Secret(Id::new(namespace, &name)),
            Need::Resource(kind, name) => Key::Resource(Ref { kind, id: Id::new(namespace, &name) }),
            Need::Object(object) => Key::Object(cluster.clone(), object),
        })
        .chain([super::clusters::connections::key(&cluster)])
        .collect();
    if cluster.namespace != *namespace {
        needs.push(Key::Namespace(namespace.clone()));
    }
    needs.shrink_to_fit();
    let lane = Lane { cluster: cluster.clone(), namespace: Some(Arc::clone(namespace)) };
    let declares = desired.map(|desired| Key::Object(cluster, K::object(desired)));
    let remembers = resource.status().and_then(|status| status.deployment.as_deref().map(Into::into));
    let resource = Ref { kind: K::NAME, id };
    context.wakes.place(&resource, lane);
    let left = context.index.lock().set(&resource, Entry { needs, declares, remembers });
    // Whoever still declares what this one no longer does is next in line.
    context.wakes.wake(left);
}

/// Reads a resource's spec and enters it into the index.
pub fn index_now<K: Kind>(context: &Context, resource: &K::Resource) {
    let namespace = resource.meta().namespace.clone().unwrap_or_default();
    let desired = K::desired(resource, &context.lookup(&namespace)).ok();
    index::<K>(context, resource, desired.as_ref());
}

/// Changes that ask for a pass. Not our own writes: neither the status nor the claim changes this.
#[allow(clippy::unnecessary_wraps)] // the signature of a predicate
pub(super) fn asked<K: kube::Resource>(resource: &K) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    resource.meta().generation.hash(&mut hasher);
    for (name, value) in resource.annotations() {
        if name.starts_with("arango-operator.dev/") && name != super::store::CLAIM {
            (name, value).hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

/// How urgent a look is that a watch asks for. What is there at a start and was in order before is only compared.
fn urgency<K: Kind>(context: &Context, resource: &K::Resource) -> Urgency {
    let generation = resource.meta().generation.unwrap_or_default();
    let was_ready = resource.status().is_some_and(|status| status.was_ready(generation));
    let leaves = resource.meta().deletion_timestamp.is_some();
    if *context.synced.borrow() || !was_ready || leaves { Urgency::Change } else { Urgency::Comparison }
}

/// Starts the watch of one kind, which fills the cache, keeps the index, and asks for passes until it is told to stop; and
/// tells how a pass is made.
pub fn start<K: Kind>(context: &Arc<Context>, watched: Watched<K>, stop: CancellationToken) -> Pass {
    let Watched { store, writer } = watched;
    let written = Arc::<Written<K::Resource>>::default();
    let follow = follow::<K>(Arc::clone(context), writer, Arc::clone(&written));
    tokio::spawn(stop.run_until_cancelled_owned(follow));
    let shared = Arc::new(KindContext::<K> { context: Arc::clone(context), store, written });
    Box::new(move |resource, asked| reconcile::<K>(Arc::clone(&shared), resource, asked).boxed())
}

async fn follow<K: Kind>(
    context: Arc<Context>,
    writer: Writer<K::Resource>,
    written: Arc<Written<K::Resource>>,
) {
    let seen = |event: &Result<Event<K::Resource>, _>| match event {
        Ok(Event::Apply(resource) | Event::InitApply(resource)) => {
            let resource_ref = Ref { kind: K::NAME, id: id_of(resource) };
            written.seen(resource);
            let is_new = context.last_checked(&resource_ref).is_none();
            index_now::<K>(&context, resource);
            if is_new {
                context.wake(&Key::Resource(resource_ref));
            }
        }
        Ok(Event::Delete(resource)) => {
            let id = id_of(resource);
            written.forget(&id);
            context.forget(&Ref { kind: K::NAME, id });
        }
        Ok(Event::InitDone) => {
            for gone in context.forget_absent(K::NAME) {
                written.forget(&gone.id);
            }
            context.cache_is_filled(K::NAME);
        }
        Ok(Event::Init) => {}
        Err(error) => warn!(kind = K::NAME, %error, "the watch failed; trying again"),
    };
    watch(&context, known_in(writer.as_reader()))
        .reflect(writer)
        .inspect(seen)
        .applied_objects()
        .predicate_filter(asked, PredicateConfig::default())
        .for_each(|resource| {
            if let Ok(resource) = resource {
                let urgency = urgency::<K>(&context, &resource);
                context.wakes.asked(Ref { kind: K::NAME, id: id_of(&resource) }, urgency);
            }
            future::ready(())
        })
        .await;
}

/// One pass, with a limit.
async fn reconcile<K: Kind>(
    shared: Arc<KindContext<K>>,
    resource_ref: Ref,
    asked: Option<std::time::Instant>,
) -> Again {
    let context = &shared.context;
    let started = Instant::now();
    let Some(resource) = shared.latest(&resource_ref.id) else {
        // Gone since the pass was asked for: what it was is no reason to do anything.
        context.succeeded(&resource_ref);
        return None;
    };
    let ends = match may_act::<K>(context, &resource).await {
        Ok(Some(ends)) => ends,
        Ok(None) => {
            context.leave_alone(&resource_ref);
            return None;
        }
        Err(error) => {
            debug!(kind = K::NAME, resource = %resource_ref.id, %error, "could not look for the ArangoCluster");
            return Next::Retry(crate::core::Reason::Retry).again(context, &resource_ref);
        }
    };
    let Id { namespace, name } = &resource_ref.id;
    let span = debug_span!("pass", kind = K::NAME, %namespace, object = %name, reason = field::Empty);
    let pass = pass::pass::<K>(&shared, &resource_ref, &resource, asked).instrument(span.clone());
    let Some(result) = ends.run_until_cancelled(timeout(DEADLINE, pass)).await else {
        context.leave_alone(&resource_ref);
        return None;
    };
    let passed = |reason| {
        span.record("reason", reason);
        context.metrics.pass(K::NAME, reason, started.elapsed().as_secs_f64());
    };
    let next = match result {
        Ok(Ok(next)) => {
            passed(next.reason());
            next
        }
        Ok(Err(StoreError::Outdated)) => {
            passed(Next::Again.reason());
            Next::Again
        }
        Ok(Err(error)) if context.is_stopping() => {
            debug!(kind = K::NAME, resource = %resource_ref.id, %error, "left to the next one");
            Next::Again
        }
        Ok(Err(error)) => {
            warn!(kind = K::NAME, resource = %resource_ref.id, %error, "pass failed; trying again");
            passed(metrics::KUBERNETES_ERROR);
            Next::Retry(crate::core::Reason::Retry)
        }
        Err(_) => {
            warn!(kind = K::NAME, resource = %resource_ref.id, "pass took too long; trying again");
            passed(metrics::DEADLINE);
            Next::Retry(crate::core::Reason::Retry)
        }
    };
    next.again(context, &resource_ref)
}

/// Whether the ArangoCluster of a resource is this installation's, or nobody's: then until when.
async fn may_act<K: Kind>(
    context: &Context,
    resource: &K::Resource,
) -> Result<Option<CancellationToken>, kube::Error> {
    let cluster = K::place(resource).cluster;
    Ok(match context.installation.turn(&cluster) {
        Turn::Ours(ends) => Some(ends),
        Turn::Elsewhere => None,
        // The watch shows in a moment what is there by now, and wakes the resource.
        Turn::Missing if context.installation.misses(&cluster) && !is_missing(context, &cluster).await? => {
            None
        }
        Turn::Missing => Some(CancellationToken::new()),
    })
}

impl Next {
    fn again(self, context: &Context, resource: &Ref) -> Again {
        let random = rand::random::<f64>();
        Some(match self {
            // The deployment's own tick asks for the next comparison.
            Self::Gone | Self::InOrder => {
                context.succeeded(resource);
                return None;
            }
            // A little later than that, and so after it also where the jitter takes some of it away.
            Self::Soon(rest) => (rest + backoff::jitter(MOMENT, random), Urgency::Comparison),
            Self::Settling => (SETTLING + backoff::jitter(MOMENT, random), Urgency::Change),
            Self::Again => {
                (backoff::delay(context.failed(resource), AGAIN, RETRY_MAX, random), Urgency::Change)
            }
            Self::Denied => (backoff::jitter(SLOW, random), Urgency::Comparison),
            Self::Retry(reason) if reason.is_woken() => (backoff::jitter(SLOW, random), Urgency::Comparison),
            Self::Retry(_) => {
                (backoff::delay(context.failed(resource), RETRY, RETRY_MAX, random), Urgency::Comparison)
            }
        })
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Gone => "Gone",
            Self::InOrder => crate::core::Reason::Ready.as_str(),
            Self::Soon(_) => "Waiting",
            Self::Settling => "Settling",
            Self::Denied => crate::core::Reason::AccessDenied.as_str(),
            Self::Again => "Outdated",
            Self::Retry(reason) => reason.as_str(),
        }
    }
}
