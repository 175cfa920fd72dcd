//! Connections to deployments: made as an ArangoCluster says, watched, shared by all other kinds.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    deployments::Told,
    inspect::Inspection,
    reach::{self, Login, Reach, needs},
};
use crate::operator::{
    context::Context,
    instance::identified,
    secrets::{NamespaceSecrets, verify},
    watching::index::{Entry, Id, Key, Ref},
};
use crate::{
    arango::{self, Client, Connection, CoordinatorState, Pool, quoted},
    core::{Hold, backoff, condition::cut, deployment::of_endpoints},
    kinds::{
        cluster::crd::{self, ArangoCluster, Deployment, duration},
        user::binding::Whereabouts,
    },
    reconcile::{Mode, Secrets, Server, snapshot::SETTLING},
};

/// The kind's name.
pub const KIND: &str = "ArangoCluster";

/// A deployment that works is asked about itself this often: an upgrade changes its version.
const PROBE: Duration = Duration::from_secs(600);
/// What is there is counted again so soon after a change.
const COUNT_SOON: Duration = Duration::from_secs(1);
/// And at most so often.
const COUNT: Duration = Duration::from_secs(10);
/// What nobody asks for is given up so often.
const TIDY: Duration = Duration::from_secs(30);

/// The key by which everybody who uses an ArangoCluster is woken.
pub fn key(cluster: &Id) -> Key {
    Key::Resource(Ref { kind: KIND, id: cluster.clone() })
}

/// A connection that was made.
pub struct Connected {
    /// The deployment.
    pub server: Server,
    /// Where it is, for applications.
    pub whereabouts: Whereabouts,
    /// Time between two comparisons, but for the jitter.
    pub interval: Duration,
    cluster: Ref,
    pool: Pool,
    /// How it was made.
    pub(super) settings: Connection,
    /// How it logs in.
    pub login: Login,
    /// What is to be known of whoever runs the deployment.
    note: Mutex<Option<String>>,
    /// What it was made of; another fingerprint is another connection.
    fingerprint: u64,
    /// When the last comparison of everything began.
    tick: Mutex<Instant>,
    /// When the last comparison began for which the databases and users were read.
    compared: Mutex<Instant>,
    /// When the deployment last told about itself; nothing while somebody has reason to doubt it.
    probed: Mutex<Option<Instant>>,
    doubted: AtomicBool,
    /// What its status shows.
    pub inspection: Inspection,
    /// Why the deployment has not told which one it is.
    trouble: Mutex<Option<Hold>>,
    /// Ends the tasks of this connection.
    _tasks: DropGuard,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Connected {
    /// The coordinators as requests and probes have shown them.
    pub fn coordinators(&self) -> Vec<CoordinatorState> {
        self.pool.coordinators()
    }

    /// How many requests may be under way at once just now.
    pub fn limit(&self) -> usize {
        self.pool.limit()
    }

    /// Whether every certificate is believed.
    pub fn is_unverified(&self) -> bool {
        self.pool.is_unverified()
    }

    /// What is to be known of whoever runs the deployment.
    pub fn note(&self) -> Option<String> {
        self.note.lock().clone()
    }

    /// When the last comparison of everything with the server began.
    pub fn last_tick(&self) -> Instant {
        *self.tick.lock()
    }

    /// When the last comparison began for which the databases and users were read; when it was connected, before that.
    pub fn compared_at(&self) -> Instant {
        *self.compared.lock()
    }

    /// The databases and users were read for the comparison that began at that time.
    pub fn was_compared(&self, tick: Instant) {
        *self.compared.lock() = tick;
    }

    /// A person asked for a comparison of everything, by this text: it begins now. Tells whether that was the last word:
    /// a look that comes soon after our own write is no evidence of what others wrote, and is made once more.
    pub fn compare_now(&self, context: &Context, text: &str) -> bool {
        let mut asked = self.inspection.asked.lock();
        let first = asked.as_ref().filter(|(before, _)| before == text).map(|(_, at)| *at);
        let obeyed = self.server.has_settled() || first.is_some_and(|at| at.elapsed() >= SETTLING);
        if first.is_some() && !obeyed {
            return false;
        }
        if first.is_none() {
            *asked = Some((text.to_owned(), Instant::now()));
        }
        *self.tick.lock() = Instant::now();
        *self.probed.lock() = None;
        context.wake(&key(&self.cluster.id));
        obeyed
    }

    /// The ArangoCluster.
    pub fn cluster(&self) -> &Id {
        &self.cluster.id
    }

    /// Why nobody knows which deployment answers; nothing if that was not asked yet, or is known.
    pub fn trouble(&self) -> Option<Hold> {
        self.trouble.lock().clone().filter(|_| self.server.standing().is_none())
    }

    /// The deployment did not tell which one it is; whether that is news.
    pub fn failed(&self, trouble: Option<Hold>) -> bool {
        let is_news = trouble.is_some() && self.trouble() != trouble;
        *self.trouble.lock() = trouble;
        is_news
    }

    /// The identity of a deployment that has none of its own: where it is.
    fn place(&self) -> String {
        let coordinators = self.coordinators();
        of_endpoints(coordinators.iter().map(|state| (state.endpoint.host(), state.endpoint.port())))
    }

    /// The deployment is to be asked about itself again, however lately it has told.
    pub fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
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
        let changed = Arc::clone(&self.inspection.changed);
        tokio::spawn(async move {
            let mut next = tokio::time::Instant::now() + backoff::jitter(interval, rand::random());
            let (mut count, mut counted) = (None, None);
            let mut tidy = tokio::time::interval(TIDY);
            loop {
                tokio::select! {
                    () = end.cancelled() => return,
                    () = changed.notified(), if count.is_none() => {
                        let soon = tokio::time::Instant::now() + COUNT_SOON;
                        count = Some(counted.map_or(soon, |at| soon.max(at + COUNT)));
                    }
                    () = tokio::time::sleep_until(count.unwrap_or(next)), if count.is_some() => {
                        counted = count.take();
                        context.wakes.wake([cluster.clone()]);
                    }
                    () = tokio::time::sleep_until(next) => {
                        next = tokio::time::Instant::now() + backoff::jitter(interval, rand::random());
                        let Some(this) = this.upgrade() else { return };
                        *this.tick.lock() = Instant::now();
                        context.wake(&key(&cluster.id));
                        context.wakes.wake([cluster.clone()]);
                    }
                    _ = tidy.tick() => {
                        let Some(this) = this.upgrade() else { return };
                        this.server.tidy();
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

/// The connection that the spec asks for: the one that is there, or a new one.
pub async fn establish(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
) -> Result<Arc<Connected>, Hold> {
    let spec = &cluster.spec;
    let named = |what: &str, text: &str| {
        duration(text).map_err(|error| Hold::invalid(format!("spec.{what}: {error}")))
    };
    let interval = named("drift.interval", &spec.drift.interval)?;

    let reach = reach::reach(context, &resource.id, spec).await?;
    // Before the versions of the Secrets are looked at: whoever changes one from here on wakes the ArangoCluster.
    let needs = needs(&resource.id, spec, Some(&reach));
    context.index.lock().set(resource, Entry { needs, ..Entry::default() });
    let secrets = NamespaceSecrets::new(context, &resource.id.namespace);
    let fingerprint = {
        let mut hasher = DefaultHasher::new();
        // To whom it is lent changes nothing of the connection.
        let lent_to_nobody = crd::ArangoClusterSpec { access: Vec::new(), ..spec.clone() };
        serde_json::to_string(&lent_to_nobody).unwrap_or_default().hash(&mut hasher);
        reach.identity().hash(&mut hasher);
        for secret in reach.secrets() {
            secrets.version(secret).hash(&mut hasher);
        }
        hasher.finish()
    };
    if let Some(connected) = context.connection(&resource.id)
        && connected.fingerprint == fingerprint
    {
        *connected.note.lock() = reach.note;
        return Ok(connected);
    }

    let (auth, account) = reach.auth(&secrets).await?;
    let tls = reach.tls(&secrets).await?;
    let whereabouts = Whereabouts::new(&reach.endpoints, tls.ca.as_deref());
    let mut connection = reach.ungated(spec, auth, tls)?;
    let Reach { login, note, .. } = reach;
    connection.routes = Arc::clone(&context.routes);
    connection.observer = Some(Arc::new(context.metrics.traffic.clone()));
    connection.gate = Some(context.installation.gate(&resource.id, &context.lead));
    connection.agent = Some(context.identity.clone());
    let unusable =
        |error| Hold::invalid(format!("{error}; correct the Secrets that spec.tls and spec.auth name"));
    let pool = Pool::new(connection.clone()).map_err(unusable)?;

    let end = CancellationToken::new();
    let server = Server::new(Client::new(pool.clone()), account).verifying(interval);
    let connected = Arc::new(Connected {
        server: identified(server, context),
        whereabouts,
        interval,
        login,
        note: Mutex::new(note),
        cluster: resource.clone(),
        pool,
        settings: connection,
        fingerprint,
        tick: Mutex::new(Instant::now()),
        compared: Mutex::new(Instant::now()),
        probed: Mutex::new(None),
        doubted: AtomicBool::new(false),
        inspection: Inspection::default(),
        trouble: Mutex::new(None),
        _tasks: end.clone().drop_guard(),
    });
    verify::passwords(context, &connected, interval, end.clone());
    connected.watch_over(context, interval, end);
    {
        let mut connections = context.connections.write();
        connections.insert(resource.id.clone(), Arc::clone(&connected));
        context.metrics.connected.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
    }
    Ok(connected)
}

/// Asks the deployment about itself, unless it has told lately and nobody doubts it: then nothing.
pub async fn ask(connected: &Connected, was_ready: bool) -> Result<Option<Told>, arango::Error> {
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
        let client = &connected.server.client;
        let (mode, id) = connected.inspection.identify(client, &connected.place()).await?;
        let version = client.version().await?;
        // Not worth a failure: a hardened server doesn't tell it to everybody.
        let engine = client.engine().await.ok().map(|engine| cut(&engine, 64).to_owned());
        let (name, role) = match mode {
            Mode::Single => ("Single", "Single"),
            Mode::Cluster => ("Cluster", "Coordinator"),
        };
        // As long as the status takes them: another server's words must not keep it from being written.
        let word = |word: Option<String>| word.map(|word| quoted(&word, 64));
        let (version, license, role) = (word(version.version), word(version.license), Some(role.to_owned()));
        Ok(Told {
            id,
            mode,
            deployment: Deployment {
                mode: name.to_owned(),
                version,
                license,
                engine,
                role,
                id: None,
                found: None,
            },
        })
    };
    let told = asked.await;
    *connected.probed.lock() = told.is_ok().then(Instant::now);
    told.map(Some)
}

/// Ends the connection of an ArangoCluster.
pub fn disconnect(context: &Context, id: &Id) {
    let mut connections = context.connections.write();
    connections.remove(id);
    context.metrics.connected.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
}
