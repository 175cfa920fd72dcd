//! What all controllers share.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use kube::{
    Api, Client, Resource,
    core::NamespaceResourceScope,
    runtime::{events::EventType, reflector::Store},
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{
    access,
    asks::Asks,
    binding::Repairs,
    claims::Claims,
    clusters::connections::Connected,
    events::{Events, kind_of},
    installation::Installation,
    kube_arangodb::ArangoDeployments,
    lease::gate::Lead,
    maintenance::Maintenances,
    metrics::Metrics,
    secrets::SecretVersions,
    undeclared::Suspicions,
    watching::{
        index::{Id, Index, Key, Ref, Thing},
        wake::Wakes,
        written::Written,
    },
};
use crate::{
    arango::Route,
    core::{Hold, Reason},
    kinds::{Lookup, Place, cluster::crd::ArangoCluster, permission::crd::ArangoPermission},
    reconcile::Deployments,
};

/// Finds a resource of one kind.
pub type Find = Box<dyn Fn(&Id) -> Option<Found> + Send + Sync>;

/// A resource that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where its object is.
    pub place: Place,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// Why it is left alone, if it is; also if its annotation says neither yes nor no.
    pub paused: Option<Hold>,
}

/// What all controllers share.
pub struct Context {
    /// Talks to the API server. Writes only while this process may act.
    pub client: Client,
    /// Whether it may.
    pub lead: Arc<Lead>,
    /// Which process this is.
    pub identity: String,
    /// The namespaces that are watched; all if there are none.
    pub namespaces: Vec<String>,
    /// Who this operator is in the marks that it leaves; known once decisions may be made.
    pub instance: OnceLock<String>,
    /// The namespaces where ArangoClusters count; all if there are none.
    pub cluster_namespaces: Vec<String>,
    /// Which of several installations this one is.
    pub installation: Installation,
    /// Reverse look-ups.
    pub index: Mutex<Index>,
    /// The queue of resources to be looked at.
    pub wakes: Wakes,
    /// The connections, by ArangoCluster.
    pub connections: RwLock<HashMap<Id, Arc<Connected>>>,
    /// The ArangoClusters that were looked at since the start, whether or not they could be connected to.
    tried: Mutex<HashSet<Id>>,
    /// What the ArangoClusters say about differences.
    pub policies: super::drift::Policies,
    /// Versions of Secrets, without their bodies.
    pub secrets: SecretVersions,
    /// When Secrets for applications were last put right.
    pub repairs: Repairs,
    /// Rights that nobody declares, seen once.
    pub suspicions: Suspicions,
    /// The cache of `ArangoPermission`s. Set once, before anything is watched.
    pub permissions: OnceLock<Store<ArangoPermission>>,
    /// What ArangoClusters lend to other namespaces.
    pub lending: access::Lending,
    /// kube-arangodb's `ArangoDeployment`s, as far as anybody uses them.
    pub arango_deployments: ArangoDeployments,
    /// Where connections go instead.
    pub routes: Arc<[Route]>,
    /// Publishes Events.
    pub events: Events,
    /// The metrics.
    pub metrics: Metrics,
    /// What we wrote to ArangoClusters.
    pub written: Written<ArangoCluster>,
    /// Maintenance that is being switched.
    pub maintenance: Maintenances,
    /// What the connections to one deployment share.
    pub deployments: Deployments,
    /// Who is at work on what.
    pub claims: Claims,
    /// True once every cache has seen all there is: no decision is made before.
    pub synced: watch::Sender<bool>,
    /// True once passes may begin: the caches are synced and the lease is held; also when the process is stopping.
    pub acting: watch::Sender<bool>,
    /// True from the moment on that shutdown began.
    pub stopping: AtomicBool,
    /// The caches that have not seen all there is.
    unfilled: watch::Sender<BTreeSet<&'static str>>,
    lookups: OnceLock<HashMap<&'static str, Find>>,
    attempts: Mutex<HashMap<Ref, u32>>,
    checked: Mutex<HashMap<Ref, Instant>>,
    /// Since when a resource has been waiting without its status saying so.
    waiting: Mutex<HashMap<Ref, Instant>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}

impl Context {
    /// A context with empty caches.
    pub fn new(
        client: Client,
        namespaces: Vec<String>,
        routes: Vec<Route>,
        kinds: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        // A namespace that is named twice would be watched twice.
        let namespaces: Vec<_> = namespaces.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut caches: BTreeSet<_> = kinds.into_iter().collect();
        let wakes = Wakes::new(caches.iter().copied());
        caches.insert(super::secrets::KIND);
        caches.extend(access::is_watched(&namespaces).then_some(access::KIND));
        Self {
            events: Events::new(client.clone()),
            client,
            lead: Arc::new(Lead::always()),
            identity: String::new(),
            namespaces,
            instance: OnceLock::new(),
            cluster_namespaces: Vec::new(),
            installation: Installation::default(),
            index: Mutex::default(),
            wakes,
            unfilled: watch::Sender::new(caches),
            connections: RwLock::default(),
            tried: Mutex::default(),
            policies: super::drift::Policies::default(),
            secrets: SecretVersions::default(),
            repairs: Repairs::default(),
            suspicions: Suspicions::default(),
            permissions: OnceLock::new(),
            lending: access::Lending::default(),
            deployments: Deployments::default(),
            arango_deployments: ArangoDeployments::default(),
            routes: routes.into(),
            claims: Claims::default(),
            metrics: Metrics::default(),
            written: Written::default(),
            maintenance: Maintenances::default(),
            synced: watch::Sender::new(false),
            acting: watch::Sender::new(false),
            stopping: AtomicBool::new(false),
            lookups: OnceLock::new(),
            attempts: Mutex::default(),
            checked: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Says how resources are found by kind. Called once, before anything is watched.
    pub fn set_lookups(&self, lookups: HashMap<&'static str, Find>) {
        drop(self.lookups.set(lookups));
    }

    /// The API for the resources of one namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The resource of that kind and name, if there is one.
    pub fn find(&self, kind: &str, id: &Id) -> Option<Found> {
        self.lookups.get()?.get(kind)?(id)
    }

    /// Looks into one namespace.
    pub fn lookup<'a>(&'a self, namespace: &'a str) -> impl Lookup + 'a {
        InNamespace { context: self, namespace }
    }

    /// Whether a resource with these annotations is paused, or its ArangoCluster.
    pub fn goes_on(&self, annotations: &BTreeMap<String, String>, cluster: &Id) -> Result<(), Hold> {
        Asks::of(annotations)?.pause()?;
        self.not_paused(cluster)
    }

    /// Whether an ArangoCluster is paused: then nothing is written through it.
    pub fn not_paused(&self, cluster: &Id) -> Result<(), Hold> {
        let Some(paused) =
            self.find(super::clusters::connections::KIND, cluster).and_then(|found| found.paused)
        else {
            return Ok(());
        };
        let message = format!("the ArangoCluster {} is left alone: {}", cluster.name, paused.message);
        Err(Hold::new(Reason::Paused, message))
    }

    /// The connection of an ArangoCluster.
    pub fn connection(&self, cluster: &Id) -> Option<Arc<Connected>> {
        self.connections.read().get(cluster).cloned()
    }

    /// Whether an ArangoCluster was looked at since the start. Before that nothing is known of it, and nothing is said.
    pub fn was_tried(&self, cluster: &Id) -> bool {
        self.tried.lock().contains(cluster)
    }

    /// An ArangoCluster was looked at; whether it was the first time.
    pub fn tried(&self, cluster: &Id) -> bool {
        self.tried.lock().insert(cluster.clone())
    }

    /// An ArangoCluster is gone.
    pub fn disconnected(&self, cluster: &Id) {
        self.tried.lock().remove(cluster);
        self.maintenance.forget(cluster);
        self.written.forget(cluster);
        self.metrics.gauges.forget(cluster);
    }

    /// Publishes an Event; counts it if it is.
    pub async fn event<K>(&self, object: &K, type_: EventType, reason: &str, note: String)
    where
        K: Resource<DynamicType = ()>,
    {
        if self.events.publish(object, type_, reason, &note).await {
            self.metrics.wrote(kind_of::<K>(), "event");
        }
    }

    /// Asks for a look at everybody who needs this. What concerns all who use an ArangoCluster, or all of a namespace, comes
    /// after what changed.
    pub fn wake(&self, key: &Key) {
        let needing = self.index.lock().needing(key);
        match key {
            Key::Resource(Ref { kind: super::clusters::connections::KIND, .. }) | Key::Namespace(_) => {
                self.wakes.compare(needing);
            }
            _ => self.wakes.wake(needing),
        }
    }

    /// The cache of one kind has seen all there is. (kube's own `wait_until_ready` wakes only one of several waiters.)
    pub fn cache_is_filled(&self, kind: &'static str) {
        self.unfilled.send_if_modified(|unfilled| unfilled.remove(kind));
    }

    /// Waits until every cache has.
    pub async fn caches_are_filled(&self) {
        // The sender lives in this very context, so the wait can't fail.
        drop(self.unfilled.subscribe().wait_for(BTreeSet::is_empty).await);
    }

    /// Waits until every cache has seen all there is, and the index knows of it.
    pub async fn wait_for_caches(&self) {
        // The sender lives in this very context, so the wait can't fail.
        drop(self.synced.subscribe().wait_for(|synced| *synced).await);
    }

    /// Waits until a pass may begin. That can take as long as another replica lives: what the pass is about has to be read
    /// after it.
    pub async fn wait_for_turn(&self) {
        // The sender lives in this very context, so the wait can't fail.
        drop(self.acting.subscribe().wait_for(|acting| *acting).await);
    }

    /// Whether the process is about to end: nothing new is begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Counts a pass that has to be repeated; tells how many there were before it in a row.
    pub fn failed(&self, resource: &Ref) -> u32 {
        let mut attempts = self.attempts.lock();
        let count = attempts.entry(resource.clone()).or_default();
        *count += 1;
        *count - 1
    }

    /// The resource is in order, or gone.
    pub fn succeeded(&self, resource: &Ref) {
        self.attempts.lock().remove(resource);
        self.waiting.lock().remove(resource);
    }

    /// How long the resource has been waiting.
    pub fn waits_for(&self, resource: &Ref) -> Duration {
        self.waiting.lock().entry(resource.clone()).or_insert_with(Instant::now).elapsed()
    }

    /// When the resource was last compared with its server.
    pub fn last_checked(&self, resource: &Ref) -> Option<Instant> {
        self.checked.lock().get(resource).copied()
    }

    /// The resource was compared with its server.
    pub fn was_checked(&self, resource: &Ref, at: Instant) {
        self.checked.lock().insert(resource.clone(), at);
    }

    /// Forgets what was found out about a resource that others look after.
    pub fn leave_alone(&self, resource: &Ref) {
        self.attempts.lock().remove(resource);
        self.suspicions.forget(&resource.id);
        self.checked.lock().remove(resource);
        self.waiting.lock().remove(resource);
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, resource: &Ref) {
        self.leave_alone(resource);
        self.wakes.forget(resource);
        let mut index = self.index.lock();
        if let Some(thing) = index.remove(resource) {
            self.count_again(&thing);
            // The next one in line takes over, and whoever needed the object looks again.
            self.wakes.wake(index.declaring(&thing));
            self.wakes.wake(index.needing_thing(&thing));
        }
        drop(index);
        self.wake(&Key::Resource(resource.clone()));
    }

    /// What is declared has changed: whoever leads there counts again.
    fn count_again(&self, thing: &Thing) {
        for (id, connected) in &*self.connections.read() {
            let leads_there = match thing {
                Thing::On(deployment, _) => connected.server.deployment().as_ref() == Some(deployment),
                Thing::Behind(cluster, _) => cluster == id,
                Thing::Secret(_) | Thing::Resource(_) | Thing::Namespace(_) => false,
            };
            if leads_there {
                connected.inspection.changed.notify_one();
            }
        }
    }

    /// Forgets the resources of one kind that a new listing doesn't have any more; tells which.
    pub fn forget_absent(&self, kind: &'static str) -> Vec<Ref> {
        let known = self.index.lock().of_kind(kind);
        let gone: Vec<_> = known.into_iter().filter(|known| self.find(kind, &known.id).is_none()).collect();
        for resource in &gone {
            self.forget(resource);
        }
        gone
    }
}

struct InNamespace<'a> {
    context: &'a Context,
    namespace: &'a str,
}

impl Lookup for InNamespace<'_> {
    fn find(&self, kind: &str, name: &str) -> Option<Place> {
        self.context.find(kind, &Id::new(self.namespace, name)).map(|found| found.place)
    }

    fn declarer(&self, cluster: &Id, object: &str) -> Option<String> {
        let index = self.context.index.lock();
        let declaring = index.declaring(&index.thing(&Key::Object(cluster.clone(), object.to_owned()), None));
        declaring.first().map(|Ref { kind, id }| format!("{kind} {id}"))
    }
}
