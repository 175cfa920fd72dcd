//! The operator: what starts, in which order, and how it ends.
//!
//! Resources are watched into caches; nothing is decided before all caches have seen all there is. Each kind has
//! one controller ([`controller`]), all of them share one [`context`]. A pass ([`pass`]) is the flow of
//! [`crate::reconcile`] with Kubernetes around it.

pub mod access;
pub mod asks;
pub mod binding;
pub mod claims;
pub mod clusters;
pub mod context;
pub mod controller;
pub mod drift;
pub mod events;
pub mod health;
pub mod installation;
mod instance;
pub mod kube_arangodb;
pub mod lease;
pub mod maintenance;
pub mod metrics;
pub mod pass;
pub mod rbac;
pub mod removal;
pub mod secrets;
pub mod store;
pub mod tell;
pub mod turns;
pub mod undeclared;
pub mod watching;

use std::{
    any::Any,
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kube::{
    Resource, ResourceExt,
    core::object::HasStatus,
    runtime::reflector::{ObjectRef, Store},
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{
    asks::Asks,
    clusters::place,
    context::{Context, Find, Found},
    installation::Installation,
    lease::{Election, Elector, gate::Lead},
    watching::index::Id,
};
use crate::{
    arango::Route,
    core::{lease::Lost, selector::Selector},
    for_each_kind,
    kinds::{Kind, Place, cluster::crd::ArangoCluster, permission::crd::ArangoPermission},
};

/// How long passes that are under way may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(20);

/// How long passes go on at shutdown as if nothing was, where another replica may be waiting to take over: from then on
/// they begin no request, and what they have not finished is the next one's.
const HURRY: Duration = Duration::from_millis(500);

/// How the operator runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespaces to watch; all if there are none.
    pub namespaces: Vec<String>,
    /// Who this operator is in the marks that users carry; by default the UID of the namespace kube-system, or of the
    /// first namespace that is watched.
    pub instance: Option<String>,
    /// Which process this is, in the Lease and to ArangoDB: visible ASCII without parentheses, and nobody else's.
    pub identity: String,
    /// Which Lease decides who of several acts; none for one that is alone.
    pub election: Option<Election>,
    /// The namespaces where ArangoClusters count; all if there are none.
    pub cluster_namespaces: Vec<String>,
    /// Which ArangoClusters are this installation's; all if there is none.
    pub selector: Option<Selector>,
    /// Namespace and name of the installation's Lease, by which it is called whether or not it uses it; the client's own
    /// namespace if none is given.
    pub lease: (Option<String>, String),
    /// Where connections to ArangoDB go instead.
    pub routes: Vec<Route>,
    /// Where `/livez` and `/readyz` are served.
    pub health: SocketAddr,
    /// Where `/metrics` is served.
    pub metrics: SocketAddr,
    /// How long maintenance `on` is asked of a server at a time; it is renewed at half of it.
    pub maintenance_period: Duration,
}

/// Where a running operator answers.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// `/livez` and `/readyz`.
    pub health: SocketAddr,
    /// `/metrics`.
    pub metrics: SocketAddr,
}

/// Why an operator has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    AsTold,
    /// It led and lost the lease: another one may be at work.
    Deposed(Lost),
}

/// Starts a controller.
type Start = Box<dyn FnOnce() -> turns::Pass + Send>;
/// Enters what a cache holds into the index.
type Fill = Box<dyn FnOnce(&Context) + Send>;

/// Runs the operator until `stop` is cancelled and what is under way has ended, or until it loses the lease: then at once.
/// `listening` is told where health and metrics are served.
#[allow(clippy::too_many_lines, reason = "what starts and what ends, in its order")]
pub async fn run(
    client: kube::Client,
    settings: Settings,
    stop: CancellationToken,
    listening: impl FnOnce(Addresses),
) -> std::io::Result<End> {
    let mut kinds = vec![clusters::connections::KIND];
    for_each_kind!(K => kinds.push(K::NAME));
    let lead = Arc::new(if settings.election.is_some() { Lead::candidate() } else { Lead::always() });
    // All that knows of the unguarded client from here on is the elector.
    let guarded = lead.guard(&client);
    let mut context = Context::new(guarded, settings.namespaces.clone(), settings.routes, kinds.clone());
    context.metrics.begin(&kinds);
    context.lead = Arc::clone(&lead);
    context.identity.clone_from(&settings.identity);
    context.maintenance.period = settings.maintenance_period;
    context.cluster_namespaces = settings.cluster_namespaces;
    let (namespace, lease) = settings.lease;
    let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
    context.installation = Installation::new(format!("{namespace}/{lease}"), settings.selector);
    let context = Arc::new(context);

    let served = CancellationToken::new();
    let _served = served.clone().drop_guard();
    let (health, metrics) = health::serve(&context, settings.health, settings.metrics, &served).await?;
    listening(Addresses { health, metrics });

    let mut lookups: HashMap<&'static str, Find> = HashMap::new();
    let mut starts: Vec<(&'static str, Start)> = Vec::new();
    let mut index: Vec<Fill> = Vec::new();
    let mut counts: Vec<metrics::Count> = Vec::new();
    {
        let watched = clusters::Watched::default();
        let store = watched.store.clone();
        counts.push(metrics::count(
            store.clone(),
            clusters::connections::KIND,
            |cluster: &ArangoCluster| place(cluster).cluster,
            |cluster| cluster.status.as_ref().map(|status| &*status.conditions),
        ));
        lookups.insert(clusters::connections::KIND, Box::new(move |id| found(&store, id, place)));
        let (context, stop) = (Arc::clone(&context), stop.clone());
        let start = Box::new(move || clusters::start(&context, watched, stop));
        starts.push((clusters::connections::KIND, start));
    }
    for_each_kind!(K => {
        let watched = controller::Watched::<K>::default();
        let store = watched.store.clone();
        counts.push(metrics::count(
            store.clone(),
            K::NAME,
            |resource: &<K as Kind>::Resource| K::place(resource).cluster,
            |resource| resource.status().map(|status| &*status.conditions),
        ));
        lookups.insert(K::NAME, Box::new(move |id| found(&store, id, K::place)));
        if let Some(permissions) = (&watched.store as &dyn Any).downcast_ref::<Store<ArangoPermission>>() {
            drop(context.permissions.set(permissions.clone()));
        }
        let store = watched.store.clone();
        index.push(Box::new(move |context| {
            for resource in store.state() {
                controller::index_now::<K>(context, &resource);
            }
        }));
        let (context, stop) = (Arc::clone(&context), stop.clone());
        starts.push((K::NAME, Box::new(move || controller::start::<K>(&context, watched, stop))));
    });
    context.set_lookups(lookups);
    context.metrics.census.count_by(counts);

    let secrets = tokio::spawn(secrets::watch(Arc::clone(&context)));
    let namespaces = tokio::spawn(access::watch(Arc::clone(&context)));
    let deployments = tokio::spawn(kube_arangodb::watch(Arc::clone(&context)));
    let passes = starts.into_iter().map(|(kind, start)| (kind, start())).collect();
    let mut passes = tokio::spawn(turns::run(Arc::clone(&context), passes, stop.clone()));
    let elector = settings
        .election
        .map(|election| Elector::new(client, election, settings.identity, Arc::clone(&lead)));
    let ended = CancellationToken::new();
    let mut elected = stand(elector, &context, ended.clone());
    tokio::select! {
        () = stop.cancelled() => {}
        lost = deposed(&mut elected) => return Ok(End::Deposed(lost)),
        () = async {
            instance::learn(&context, settings.instance).await;
            context.caches_are_filled().await;
            // References are resolved across kinds, so the index is complete only when all caches are.
            for index in index {
                index(&context);
            }
            info!("caches are synced");
            context.synced.send_replace(true);
            std::future::pending::<()>().await;
        } => {}
    }

    info!("stopping: nothing new is begun, what is under way ends");
    context.stopping.store(true, Ordering::Relaxed);
    let others_wait = async {
        tokio::time::sleep(HURRY).await;
        lead.begin_no_more();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = others_wait => {}
        drained = timeout(DRAIN, &mut passes) => if drained.is_err() {
            warn!(
                "passes took longer than {}s to end and are cut off; the next start goes on from there",
                DRAIN.as_secs()
            );
        },
        lost = deposed(&mut elected) => return Ok(End::Deposed(lost)),
    }
    passes.abort();
    secrets.abort();
    namespaces.abort();
    deployments.abort();
    context.connections.write().clear();
    // Not before: another one takes over at once.
    ended.cancel();
    drop(elected.await);
    Ok(End::AsTold)
}

/// Stands for the lease once the caches are synced, and lets passes begin when it is held; without an election as soon as
/// the caches are synced. The task ends when the lease is lost, or released because of `end`.
fn stand(
    elector: Option<Elector>,
    context: &Arc<Context>,
    end: CancellationToken,
) -> JoinHandle<Option<Lost>> {
    let context = Arc::clone(context);
    tokio::spawn(async move {
        let synced = end.run_until_cancelled(context.wait_for_caches()).await;
        let act = || {
            context.acting.send_replace(true);
        };
        if let Some(elector) = elector.filter(|_| synced.is_some()) {
            return elector.run(act, end).await;
        }
        act();
        end.cancelled().await;
        None
    })
}

/// Waits until the lease is lost.
async fn deposed(elected: &mut JoinHandle<Option<Lost>>) -> Lost {
    // Without a lease that it keeps nobody may act.
    elected.await.ok().flatten().unwrap_or(Lost::Expired)
}

/// Looks into a cache.
fn found<R>(store: &Store<R>, id: &Id, place: impl Fn(&R) -> Place) -> Option<Found>
where
    R: Resource<DynamicType = ()> + Clone + 'static,
{
    let resource = store.get(&ObjectRef::new(&id.name).within(&id.namespace))?;
    let leaving = resource.meta().deletion_timestamp.is_some();
    let paused = Asks::of(resource.annotations()).and_then(Asks::pause).err();
    Some(Found { place: place(&resource), leaving, paused })
}
