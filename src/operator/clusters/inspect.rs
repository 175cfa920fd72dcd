//! What the status of an ArangoCluster shows beside the connection: the coordinators' ids, the servers, and how much of
//! what is there is declared. Read with the comparison that is made anyway, and one request for the health.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};
use tracing::debug;

use super::connections::Connected;
use crate::operator::{context::Context, watching::index::Id};
use crate::{
    arango::{self, Class, Client, Cluster, CoordinatorState, Deployment, Health},
    core::condition::cut,
    kinds::{
        Kind,
        cluster::{
            crd::ClusterStatus,
            status::{Coordinator, Managed, SERVERS_MAX, Server, Unmanaged},
        },
        database::{self, Database, Databases},
        permission::Permission,
        user::{self, User, Users},
    },
    reconcile::{Look, Mode},
};

/// Counts and the list of servers are written at most this often.
const WRITTEN: Duration = Duration::from_secs(10);
/// How long coordinators may take to tell their ids.
const IDS: Duration = Duration::from_secs(5);

/// The servers' health, or why it can't be seen.
pub type Healthy = Result<Arc<Health>, arango::Error>;

/// What is known of a deployment beside what the kinds read.
#[derive(Debug, Default)]
pub struct Inspection {
    /// What only a cluster answers; nothing for a single server, and before the role was asked.
    pub cluster: Mutex<Option<Cluster>>,
    /// Told whenever a resource has changed what is there.
    pub changed: Arc<Notify>,
    /// The comparison that a person last asked for, and when that was first seen.
    pub asked: Mutex<Option<(String, Instant)>>,
    /// The ids of the coordinators that were asked, and when.
    ids: Mutex<HashMap<usize, (Instant, Option<String>)>>,
    /// The last health, and when it was asked for.
    health: Mutex<Option<(Instant, Healthy)>>,
    /// When counts and the list of servers were last written.
    written: Mutex<Option<Instant>>,
}

/// What is to be shown.
#[derive(Debug, Default)]
pub struct Inspected {
    /// The servers.
    pub servers: Vec<Server>,
    /// What is declared and there.
    pub managed: Option<Managed>,
    /// What is there and not declared.
    pub unmanaged: Option<Unmanaged>,
    /// What could not be seen, as the end of a sentence.
    pub hidden: &'static str,
    /// When the pass must come again to write what is too new now.
    pub again: Option<Duration>,
}

impl Inspection {
    /// Asks which deployment answers. A single server has no identity of its own (reference: what a single server
    /// answers): then it is the one that is given.
    pub async fn identify(&self, client: &Client, otherwise: &str) -> Result<(Mode, String), arango::Error> {
        let Deployment::Cluster(cluster) = client.deployment().await? else {
            *self.cluster.lock() = None;
            return Ok((Mode::Single, otherwise.to_owned()));
        };
        let asked = Instant::now();
        let health = cluster.health().await?;
        let id = match &health.cluster_id {
            Some(id) => id.clone(),
            None => cluster.id().await?,
        };
        *self.health.lock() = Some((asked, Ok(Arc::new(health))));
        *self.cluster.lock() = Some(cluster);
        Ok((Mode::Cluster, id))
    }

    /// The health since the last comparison began, asked for at most once in it.
    pub async fn health(&self, since: Instant) -> Option<Healthy> {
        let cluster = self.cluster.lock().clone()?;
        if let Some((asked, health)) = &*self.health.lock()
            && *asked >= since
        {
            return Some(health.clone());
        }
        let asked = Instant::now();
        let health = cluster.health().await.map(Arc::new);
        *self.health.lock() = Some((asked, health.clone()));
        Some(health)
    }
}

/// Looks at the deployment.
pub async fn inspect(context: &Context, id: &Id, connected: &Connected, before: &ClusterStatus) -> Inspected {
    let since = connected.last_tick();
    let inspection = &connected.inspection;
    let mut found = Inspected {
        servers: before.servers.clone(),
        managed: before.managed,
        unmanaged: before.unmanaged,
        ..Inspected::default()
    };
    match inspection.health(since).await {
        None => found.servers.clear(),
        Some(Ok(health)) => found.servers = servers(&health),
        Some(Err(error)) if error.class() == Class::Denied => {
            found.servers.clear();
            found.hidden = "; the account may not see the servers' health";
        }
        Some(Err(error)) => debug!(cluster = %id, %error, "health"),
    }
    match count(context, id, connected, Look { since, removing: false }).await {
        Ok((managed, unmanaged)) => {
            (found.managed, found.unmanaged) = (Some(managed), Some(unmanaged));
            connected.was_compared(since);
        }
        Err(error) => debug!(cluster = %id, %error, "count"),
    }
    let is_news = found.servers != before.servers
        || found.managed != before.managed
        || found.unmanaged != before.unmanaged;
    if is_news {
        let mut written = inspection.written.lock();
        match written.map(|at| at.elapsed()).filter(|age| *age < WRITTEN) {
            Some(age) => {
                found.servers.clone_from(&before.servers);
                (found.managed, found.unmanaged) = (before.managed, before.unmanaged);
                found.again = Some(WRITTEN.saturating_sub(age));
            }
            None => *written = Some(Instant::now()),
        }
    }
    context.metrics.gauges.unmanaged(id, found.unmanaged.unwrap_or_default());
    found
}

/// The servers of a cluster, by id.
fn servers(health: &Health) -> Vec<Server> {
    let short = |text: &str, max| cut(text, max).to_owned();
    let servers = health.servers.iter().take(SERVERS_MAX).map(|(id, member)| Server {
        id: short(id, 128),
        short_name: member.short_name.as_deref().map(|name| short(name, 128)),
        role: member.role.as_ref().map(|role| short(&role.to_string(), 64)),
        status: member.status.as_ref().map(|status| short(&status.to_string(), 64)),
    });
    servers.collect()
}

/// Counts what is there, by whether a resource of any namespace declares it.
async fn count(
    context: &Context,
    id: &Id,
    connected: &Connected,
    look: Look,
) -> Result<(Managed, Unmanaged), arango::Error> {
    let declared = context.index.lock().declared_on(id);
    let none = BTreeSet::new();
    let by = |kind| declared.get(kind).unwrap_or(&none);
    let split = |all: &mut dyn Iterator<Item = String>, declared: &BTreeSet<String>| {
        let (mut managed, mut unmanaged) = (0_u64, 0_u64);
        for object in all {
            *if declared.contains(&object) { &mut managed } else { &mut unmanaged } += 1;
        }
        (managed, unmanaged)
    };
    let server = &connected.server;
    let databases = server.read::<Databases, _>(&(), look, |all| {
        let mut all = all.iter().filter(|name| name.as_str() != "_system").map(database::object);
        split(&mut all, by(Database::NAME))
    });
    let (managed_databases, databases) = databases.await?;
    let users = server.read::<Users, _>(&(), look, |all| {
        let mut all = all.keys().filter(|name| name.as_str() != "root").map(user::object);
        split(&mut all, by(User::NAME))
    });
    let (managed_users, users) = users.await?;
    let permissions = by(Permission::NAME).len() as u64;
    let managed = Managed { databases: managed_databases, users: managed_users, permissions };
    Ok((managed, Unmanaged { databases, users }))
}

/// The coordinators as the status shows them. Each that works is asked for its id once, and again when it comes back.
pub async fn coordinators(connected: &Connected, before: &[Coordinator]) -> Vec<Coordinator> {
    let states = connected.coordinators();
    let (inspection, since) = (&connected.inspection, connected.last_tick());
    let missing: Vec<usize> = {
        let mut ids = inspection.ids.lock();
        ids.retain(|place, _| states.get(*place).is_some_and(|state| state.reachable));
        let is_known =
            |place: &usize| ids.get(place).is_some_and(|(asked, id)| id.is_some() || *asked >= since);
        let reachable = states.iter().enumerate().filter(|(_, state)| state.reachable);
        reachable.map(|(place, _)| place).filter(|place| !is_known(place)).collect()
    };
    if inspection.cluster.lock().is_some() && !missing.is_empty() {
        let asked = Instant::now();
        let ask = missing.iter().map(async |place| {
            let client = connected.server.client.at(*place);
            let id = timeout(IDS, client.server_id()).await.ok().and_then(Result::ok);
            (*place, (asked, id))
        });
        let told = join_all(ask).await;
        inspection.ids.lock().extend(told);
    }
    let ids = inspection.ids.lock();
    let shown = states
        .iter()
        .enumerate()
        .map(|(place, state)| shown(state, ids.get(&place).and_then(|(_, id)| id.as_deref()), before));
    shown.collect()
}

fn shown(state: &CoordinatorState, id: Option<&str>, before: &[Coordinator]) -> Coordinator {
    let CoordinatorState { endpoint, reachable, message } = state;
    let endpoint = endpoint.to_string();
    let before = before.iter().find(|before| before.endpoint == endpoint);
    let since = before.filter(|before| before.reachable == *reachable).and_then(|before| before.since);
    Coordinator {
        // One that is away is still known by the id that it had.
        server_id: id
            .map(|id| cut(id, 128).to_owned())
            .or(before.and_then(|before| before.server_id.clone())),
        since: since.or_else(|| Timestamp::from_second(Timestamp::now().as_second()).ok()),
        endpoint,
        reachable: *reachable,
        message: message.as_deref().map(|message| cut(message, 512).to_owned()),
    }
}
