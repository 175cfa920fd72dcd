//! Maintenance by annotation on an ArangoCluster. What is to be switched is decided in [`crate::core::maintenance`]; here
//! the server is looked at, and what was decided is carried out in a task of its own, one per ArangoCluster, so that
//! nothing else waits for it. What is about to be switched is in the status before it is.

mod look;
mod switch;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use kube::ResourceExt;
use parking_lot::Mutex;
use tracing::info;

pub use self::look::{Looked, look_after};
use self::switch::{Done, Failure, Step, Subject, Switch};
use super::{
    asks::Asks,
    clusters::connections::ask,
    context::Context,
    metrics::gauges::State,
    store::{StoreError, Stored},
    watching::index::{Id, Ref},
};
use crate::{
    core::{Hold, Reason, backoff, condition::Said, maintenance::HOUR},
    crash::{self, Point},
    kinds::cluster::{crd::ArangoCluster, status::Maintenance},
};

/// Maintenance of the supervision: `on`, `off`, a duration, or an end time.
pub const MAINTENANCE: &str = "arango-operator.dev/maintenance";
/// Maintenance of single DB-Servers: `PRMR-…=30m, PRMR-…=on`.
pub const SERVERS: &str = "arango-operator.dev/maintenance-servers";

/// The condition type `Maintenance`: True while something is in maintenance.
pub const CONDITION: &str = "Maintenance";

/// The first repetition of a switch that failed; it doubles.
const RETRY: Duration = Duration::from_secs(2);
/// The longest wait between repetitions.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is under way, by ArangoCluster.
#[derive(Debug)]
pub struct Maintenances {
    /// How long `on` is asked for at a time.
    pub period: Duration,
    entries: Mutex<HashMap<Id, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Whether switches are under way.
    running: bool,
    /// What came of those that ended, and is not in the status yet.
    done: Vec<Done>,
    /// What failed last, until it succeeds.
    failed: BTreeMap<Subject, Hold>,
    /// How often in a row something failed.
    failures: u32,
    /// When it is tried again.
    retry: Option<Instant>,
    /// What was said last.
    said: Option<Said>,
}

impl Default for Maintenances {
    fn default() -> Self {
        Self { period: HOUR, entries: Mutex::default() }
    }
}

impl Maintenances {
    /// An ArangoCluster is gone.
    pub fn forget(&self, cluster: &Id) {
        self.entries.lock().remove(cluster);
    }

    fn with<T>(&self, cluster: &Id, f: impl FnOnce(&mut Entry) -> T) -> T {
        f(self.entries.lock().entry(cluster.clone()).or_default())
    }

    /// Switches have ended.
    fn ended(&self, cluster: &Id, done: Vec<Done>) {
        self.with(cluster, |entry| {
            entry.running = false;
            let failed = done.iter().filter(|done| done.result.is_err()).count();
            if failed == 0 && !done.is_empty() {
                (entry.failures, entry.retry) = (0, None);
            } else {
                let delay = backoff::delay(entry.failures, RETRY, RETRY_MAX, rand::random());
                entry.retry = Some(Instant::now() + delay);
                entry.failures += 1;
            }
            for Done { step, result } in &done {
                match result {
                    Ok(()) => drop(entry.failed.remove(&step.subject)),
                    Err(Failure { hold, .. }) => {
                        entry.failed.insert(step.subject.clone(), hold.clone());
                    }
                }
            }
            entry.done.extend(done);
        });
    }
}

impl Context {
    /// The status says what was looked at and decided: now it may be carried out.
    pub fn carry_out_maintenance(self: &Arc<Self>, resource: &Ref, looked: Looked) {
        let Looked { said, steps, switch, taken, .. } = looked;
        let reason = said.as_ref().map(|said| said.reason);
        let state = match (reason, said.as_ref().map(Said::is_true)) {
            (Some(Reason::LongRunning), _) => Some(State::LongRunning),
            (Some(Reason::MaintenanceUndone), _) => Some(State::Undone),
            (_, Some(true)) => Some(State::On),
            _ => None,
        };
        self.metrics.gauges.maintenance(&resource.id, state);
        let steps = self.maintenance.with(&resource.id, |entry| {
            entry.done.drain(..taken.min(entry.done.len()));
            entry.said = said;
            let begins = !steps.is_empty() && !entry.running;
            entry.running |= begins;
            begins.then_some(steps)
        });
        let (Some(steps), Some(switch)) = (steps, switch) else { return };
        crash::at(Point::MaintenanceDecided);
        let (context, resource) = (Arc::clone(self), resource.clone());
        tokio::spawn(async move {
            for step in &steps {
                info!(cluster = %resource.id, subject = ?step.subject, action = ?step.action, "maintenance");
            }
            let here = Arc::clone(&context);
            let all =
                async move { join_all(steps.into_iter().map(|step| switch.carry_out(&here, step))).await };
            // A task of its own, so that whatever happens to it, the ArangoCluster gets to know that it ended.
            let done = tokio::spawn(all).await.unwrap_or_default();
            context.maintenance.ended(&resource.id, done);
            context.wakes.wake([resource]);
        });
    }
}

/// What the operator switched on goes with the ArangoCluster: tells whether that is under way. What can't be switched off
/// in time ends by itself.
pub async fn end_maintenance(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
    stored: &mut Stored<'_, ArangoCluster>,
) -> Result<bool, StoreError> {
    let mut status = cluster.status.clone().unwrap_or_default();
    let held = status.maintenance.as_ref().is_some_and(Maintenance::is_held);
    let Some(connected) = context.connection(&resource.id).filter(|_| held) else { return Ok(false) };
    if Asks::of(cluster.annotations()).and_then(Asks::pause).is_err() {
        return Ok(false);
    }
    drop(ask(&connected, true).await);
    let looked = look_after(context, &resource.id, cluster, &status, Ok(&connected), false).await;
    let running = looked.running;
    status.maintenance.clone_from(&looked.status);
    status.conditions.retain(|condition| condition.type_ != CONDITION);
    stored.write_status(status).await?;
    context.written.wrote(stored.resource.clone(), || Some(cluster));
    context.carry_out_maintenance(resource, looked);
    Ok(running)
}
