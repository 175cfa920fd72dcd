//! `ArangoCluster`s: connections that are made, watched, told of in the status, and shared by all other kinds.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, future};
use kube::{
    ResourceExt,
    runtime::{
        PredicateConfig, WatchStreamExt,
        controller::{self, Action, Controller},
        events::EventType,
        predicates,
        reflector::{self, Store, store::Writer},
        watcher::{self, Event},
    },
};
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::{
    context::Context,
    index::{Id, Key, Ref},
    secrets::NamespaceSecrets,
    store::{StoreError, Stored},
};
use crate::{
    arango::{self, Auth, Client, Connection, CoordinatorState, Endpoint, Pool, Role},
    core::{
        Hold, Reason, Verdict, backoff,
        balance::LoadBalancing,
        condition::{READY, STALLED, conditions, cut},
    },
    kinds::{
        Place,
        cluster::crd::{self, ArangoCluster, AuthMethod, ClusterStatus, Coordinator, Deployment, duration},
    },
    reconcile::{Secrets, Server, outcome::of_error},
};

/// The kind's name.
pub const KIND: &str = "ArangoCluster";

/// Longest time of one pass.
const DEADLINE: Duration = Duration::from_secs(90);
/// The first repetition after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait between repetitions.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A deployment that works is asked about itself this often: an upgrade changes its version.
const PROBE: Duration = Duration::from_secs(600);
/// Passes at the same time: each has a few requests to one deployment.
const CONCURRENCY: u16 = 16;

/// The key by which everybody who uses an ArangoCluster is woken.
pub fn key(cluster: &Id) -> Key {
    Key::Resource(Ref { kind: KIND, id: cluster.clone() })
}

/// A connection that was made.
pub struct Connected {
    /// The deployment.
    pub server: Server,
    cluster: Ref,
    pool: Pool,
    /// What it was made of; another fingerprint is another connection.
    fingerprint: u64,
    /// When the last comparison of everything began.
    tick: Mutex<Instant>,
    /// When the deployment last told about itself; nothing while somebody has reason to doubt it.
    probed: Mutex<Option<Instant>>,
    doubted: AtomicBool,
    /// Ends the tasks of this connection.
    _tasks: DropGuard,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Connected {
    /// When the last comparison of everything with the server began.
    pub fn last_tick(&self) -> Instant {
        *self.tick.lock()
    }

    /// Somebody was refused, or got no answer: the ArangoCluster is looked at. Once for many.
    pub fn suspect(&self, context: &Context) {
        if !self.doubted.swap(true, Ordering::Relaxed) {
            context.wakes.wake([self.cluster.clone()]);
        }
    }

    /// Begins the next comparison of everything whenever the interval is over, and has the ArangoCluster looked at
    /// whenever a coordinator is lost or found. Ends with the connection.
    fn watch_over(self: &Arc<Self>, context: &Arc<Context>, interval: Duration, end: CancellationToken) {
        let (this, context) = (Arc::downgrade(self), Arc::clone(context));
        let (cluster, mut states) = (self.cluster.clone(), self.pool.watch());
        tokio::spawn(async move {
            let mut next = tokio::time::Instant::now() + backoff::jitter(interval, rand::random());
            loop {
                tokio::select! {
                    () = end.cancelled() => return,
                    () = tokio::time::sleep_until(next) => {
                        next = tokio::time::Instant::now() + backoff::jitter(interval, rand::random());
                        let Some(this) = this.upgrade() else { return };
                        *this.tick.lock() = Instant::now();
                        context.wake(&key(&cluster.id));
                        context.wakes.wake([cluster.clone()]);
                    }
                    changed = states.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        context.wakes.wake([cluster.clone()]);
                    }
                }
            }
        });
    }
}

/// The cache of `ArangoCluster`s and the stream that fills it.
pub struct Watched {
    /// The cache.
    pub store: Store<ArangoCluster>,
    writer: Writer<ArangoCluster>,
}

impl Default for Watched {
    fn default() -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer }
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

/// Where an ArangoCluster is: nowhere but in its own name.
pub fn place(cluster: &ArangoCluster) -> Place {
    Place { cluster: cluster.name_any(), name: cluster.name_any() }
}

/// Runs the controller of `ArangoCluster`s until it is told to stop and its passes have ended.
pub async fn run(context: Arc<Context>, watched: Watched, stop: CancellationToken) {
    let Watched { store, writer } = watched;
    let inspected = Arc::clone(&context);
    let trigger = watcher::watcher(context.watched(), watcher::Config::default())
        .default_backoff()
        .modify(|cluster: &mut ArangoCluster| cluster.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(Event::Apply(cluster) | Event::InitApply(cluster)) => {
                let id = Id::of(cluster);
                let secret = Key::Secret(Id::new(&id.namespace, &cluster.spec.auth.secret_ref.name));
                inspected.index.lock().set(&Ref { kind: KIND, id }, vec![secret], None);
            }
            Ok(Event::Delete(cluster)) => {
                let id = Id::of(cluster);
                disconnect(&inspected, &id);
                inspected.disconnected(&id);
                inspected.forget(&Ref { kind: KIND, id });
            }
            Ok(Event::InitDone) => inspected.cache_is_filled(KIND),
            Ok(Event::Init) => {}
            Err(error) => warn!(kind = KIND, %error, "the watch failed; trying again"),
        })
        .applied_objects()
        .predicate_filter(predicates::generation, PredicateConfig::default());
    let wakes = context.wakes.stream(KIND);
    Controller::for_stream(trigger, store)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_on(wakes)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(reconcile, |_, error: &StoreError, _| controller_error(error), context)
        .for_each(|_| future::ready(()))
        .await;
    info!(kind = KIND, "controller stopped");
}

fn controller_error(error: &StoreError) -> Action {
    warn!(kind = KIND, %error, "controller");
    Action::requeue(RETRY)
}

fn disconnect(context: &Context, id: &Id) {
    let mut connections = context.connections.write();
    connections.remove(id);
    context.metrics.connected.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
}

async fn reconcile(cluster: Arc<ArangoCluster>, context: Arc<Context>) -> Result<Action, StoreError> {
    context.wait_for_caches().await;
    if context.is_stopping() {
        return Ok(Action::await_change());
    }
    let resource = Ref { kind: KIND, id: Id::of(&*cluster) };
    let started = Instant::now();
    let ready = match timeout(DEADLINE, pass(&context, &resource, &cluster)).await {
        Ok(Ok(ready)) => ready,
        Ok(Err(error)) => {
            warn!(kind = KIND, resource = %resource.id, %error, "pass failed; trying again");
            false
        }
        Err(_) => {
            warn!(kind = KIND, resource = %resource.id, "pass took too long; trying again");
            false
        }
    };
    if context.tried(&resource.id) && context.connection(&resource.id).is_none() {
        // Whoever waited for this look has something to say now.
        context.wake(&key(&resource.id));
    }
    context.metrics.pass(KIND, if ready { "Ready" } else { "NotReady" }, started.elapsed().as_secs_f64());
    if ready {
        context.succeeded(&resource);
        return Ok(Action::await_change());
    }
    let failures = context.failed(&resource);
    Ok(Action::requeue(backoff::delay(failures, RETRY, RETRY_MAX, rand::random())))
}

/// One pass: the connection is made or kept, the deployment asked, the status written. Tells whether it is Ready.
async fn pass(context: &Arc<Context>, resource: &Ref, cluster: &ArangoCluster) -> Result<bool, StoreError> {
    let mut stored = Stored::new(&**context, cluster.clone());
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation.unwrap_or_default();
    let was_ready = before.observed_generation == generation
        && before.conditions.iter().any(|c| c.type_ == READY && c.reason == Reason::Ready.as_str());

    let (verdict, deployment, coordinators) = match establish(context, resource, cluster).await {
        Err(hold) => {
            if hold.reason == Reason::Invalid {
                disconnect(context, &resource.id);
            }
            (Verdict::from(hold), before.deployment.clone(), before.coordinators.clone())
        }
        Ok(connected) => {
            let told = ask(&connected, was_ready).await;
            let states = connected.pool.coordinators();
            let deployment = match &told {
                Ok(Some(deployment)) => Some(deployment.clone()),
                _ => before.deployment.clone(),
            };
            (judge(told.map(|_| ()), &states), deployment, states.iter().map(coordinator).collect())
        }
    };

    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let ready = verdict.is_ready();
    if verdict.reason.needs_a_person()
        && !before.conditions.iter().any(|c| c.type_ == STALLED && c.reason == verdict.reason.as_str())
    {
        let (reason, note) = (verdict.reason.as_str(), verdict.message.clone());
        context.event(cluster, EventType::Warning, reason, note).await;
    }
    let status = ClusterStatus {
        observed_generation: generation,
        conditions: conditions(&before.conditions, &verdict, generation, &now),
        deployment,
        coordinators,
    };
    stored.write_status(status).await?;
    if ready && !was_ready {
        info!(cluster = %resource.id, "connected");
        context.wake(&key(&resource.id));
    }
    Ok(ready)
}

/// The connection that the spec asks for: the one that is there, or a new one.
async fn establish(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
) -> Result<Arc<Connected>, Hold> {
    let spec = &cluster.spec;
    let endpoints =
        spec.endpoints.iter().map(|endpoint| Endpoint::parse(endpoint)).collect::<Result<Vec<_>, _>>();
    let endpoints = endpoints.map_err(|error| Hold::invalid(format!("spec.endpoints: {error}")))?;
    let named = |what: &str, text: &str| {
        duration(text).map_err(|error| Hold::invalid(format!("spec.{what}: {error}")))
    };
    let interval = named("drift.interval", &spec.drift.interval)?;
    let timeout = named("requests.timeout", &spec.requests.timeout)?;

    let secrets = NamespaceSecrets::new(context, &resource.id.namespace);
    let secret = &spec.auth.secret_ref.name;
    let fingerprint = {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(spec).unwrap_or_default().hash(&mut hasher);
        secrets.version(secret).hash(&mut hasher);
        hasher.finish()
    };
    if let Some(connected) = context.connection(&resource.id)
        && connected.fingerprint == fingerprint
    {
        return Ok(connected);
    }

    let (user, _) = secrets.read(secret, "username").await?;
    let (password, _) = secrets.read(secret, "password").await?;
    let user = user.expose_secret().to_owned();
    let auth = match spec.auth.method {
        None | Some(AuthMethod::Jwt) => Auth::Jwt { user: user.clone(), password },
        Some(AuthMethod::Basic) => Auth::Basic { user: user.clone(), password },
    };
    let mut connection = Connection::new(endpoints, auth);
    connection.timeout = timeout;
    connection.max_concurrent = spec.requests.max_concurrent as usize;
    connection.load_balancing = match spec.load_balancing {
        None | Some(crd::LoadBalancing::RoundRobin) => LoadBalancing::RoundRobin,
        Some(crd::LoadBalancing::Random) => LoadBalancing::Random,
    };
    let pool = Pool::new(connection).map_err(|error| Hold::invalid(error.to_string()))?;

    let end = CancellationToken::new();
    let connected = Arc::new(Connected {
        server: Server::new(Client::new(pool.clone()), Some(user)),
        cluster: resource.clone(),
        pool,
        fingerprint,
        tick: Mutex::new(Instant::now()),
        probed: Mutex::new(None),
        doubted: AtomicBool::new(false),
        _tasks: end.clone().drop_guard(),
    });
    connected.watch_over(context, interval, end);
    {
        let mut connections = context.connections.write();
        connections.insert(resource.id.clone(), Arc::clone(&connected));
        context.metrics.connected.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
    }
    // Whatever waited for the connection, or was refused by the one before.
    context.wake(&key(&resource.id));
    Ok(connected)
}

/// Asks the deployment about itself, unless it has told lately and nobody doubts it: then nothing.
async fn ask(connected: &Connected, was_ready: bool) -> Result<Option<Deployment>, arango::Error> {
    let doubted = connected.doubted.swap(false, Ordering::Relaxed);
    let told_lately = connected.probed.lock().is_some_and(|at| at.elapsed() < PROBE);
    if was_ready
        && told_lately
        && !doubted
        && connected.pool.coordinators().iter().any(|state| state.reachable)
    {
        return Ok(None);
    }
    let asked = async {
        let role = connected.server.client.role().await?;
        let version = connected.server.client.version().await?;
        let mode = match role {
            Role::Single => "Single",
            Role::Coordinator => "Cluster",
            Role::DbServer => "DB-Server",
            Role::Agent => "Agent",
            Role::Undefined => "Unknown",
        };
        Ok(Deployment { mode: mode.to_owned(), version: version.version, license: version.license })
    };
    let told = asked.await;
    *connected.probed.lock() = told.is_ok().then(Instant::now);
    told.map(Some)
}

/// What is said of the connection.
fn judge(told: Result<(), arango::Error>, states: &[CoordinatorState]) -> Verdict {
    match told {
        Err(error) => of_error(&error, "ask the deployment about itself").into(),
        Ok(()) => {
            let (all, reachable) = (states.len(), states.iter().filter(|state| state.reachable).count());
            let message = match all {
                1 => "the server answers".to_owned(),
                _ => format!("{reachable} of {all} coordinators answer"),
            };
            Verdict::ready(message)
        }
    }
}

fn coordinator(state: &CoordinatorState) -> Coordinator {
    let CoordinatorState { endpoint, reachable, message } = state;
    let message = message.as_deref().map(|message| cut(message, 512).to_owned());
    Coordinator { endpoint: endpoint.to_string(), reachable: *reachable, message }
}
