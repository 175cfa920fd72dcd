//! The controller of `ArangoCluster`s: the connection is made or kept, the deployment asked, the status written.
//!
//! An ArangoCluster that is being deleted still serves, so that what goes with it can be removed through it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, future};
use kube::{
    ResourceExt,
    runtime::{
        PredicateConfig, WatchStreamExt,
        controller::{self, Action, Controller},
        events::EventType,
        reflector::{self, Store, store::Writer},
        watcher::Event,
    },
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, debug_span, info, warn};

use super::{
    access,
    connections::{Connected, KIND, ask, disconnect, establish, key},
    context::Context,
    controller::asked,
    deployments, elsewhere,
    index::{Entry, Key, Ref, id_of},
    reach::needs,
    store::{StoreError, Stored},
    watch::{known_in, watch},
};
use crate::{
    arango::{self, CoordinatorState},
    core::{
        Reason, Verdict, backoff,
        condition::{READY, STALLED, conditions, cut},
    },
    kinds::{
        Place,
        cluster::crd::{ArangoCluster, ClusterStatus, Coordinator},
    },
};

/// Longest time of one pass.
const DEADLINE: Duration = Duration::from_secs(90);
/// The first repetition after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait between repetitions.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Passes at the same time: each has a few requests to one deployment.
const CONCURRENCY: u16 = 16;

/// An ArangoCluster that is being deleted stays at least this long if others use it: `kubectl delete -f` and a
/// namespace's end delete the cluster first and its users a moment later.
const LINGER: Duration = Duration::from_secs(5);
/// An ArangoCluster that is being deleted stays at most this long; what can't be removed by then is left behind.
const LINGER_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether an ArangoCluster that is being deleted is still needed.
const LINGER_LOOK: Duration = Duration::from_millis(300);

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
    Place { cluster: id_of(cluster), name: cluster.name_any() }
}

/// Runs the controller of `ArangoCluster`s until it is told to stop and its passes have ended.
pub async fn run(context: Arc<Context>, watched: Watched, stop: CancellationToken) {
    let Watched { store, writer } = watched;
    let (inspected, triggered) = (Arc::clone(&context), Arc::clone(&context));
    let trigger = watch(&context, known_in(store.clone()))
        .modify(|cluster: &mut ArangoCluster| cluster.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(move |event| match event {
            Ok(Event::Apply(cluster) | Event::InitApply(cluster)) => {
                access::learn(&inspected, cluster);
                // Its Secrets are entered when it is looked at.
                let id = id_of(cluster);
                let resource = Ref { kind: KIND, id: id.clone() };
                let mut index = inspected.index.lock();
                let known = index.needed_by(&resource);
                let mut needed = needs(&id, &cluster.spec, None);
                needed.extend(known.into_iter().filter(|key| matches!(key, Key::Secret(_))));
                index.set(&resource, Entry { needs: needed, ..Entry::default() });
                drop(index);
                inspected.policies.set(&id, cluster.spec.drift.policy);
                deployments::remember(&inspected, &id, cluster);
            }
            Ok(Event::Delete(cluster)) => {
                let id = id_of(cluster);
                disconnect(&inspected, &id);
                inspected.disconnected(&id);
                access::forget(&inspected, &id);
                inspected.policies.remove(&id);
                deployments::forget(&inspected, &id);
                inspected.forget(&Ref { kind: KIND, id });
            }
            Ok(Event::InitDone) => {
                for gone in inspected.forget_absent(KIND) {
                    disconnect(&inspected, &gone.id);
                    inspected.disconnected(&gone.id);
                    access::forget(&inspected, &gone.id);
                    inspected.policies.remove(&gone.id);
                    deployments::forget(&inspected, &gone.id);
                }
                inspected.cache_is_filled(KIND);
            }
            Ok(Event::Init) => {}
            Err(error) => warn!(kind = KIND, %error, "the watch failed; trying again"),
        })
        .applied_objects()
        .predicate_filter(asked, PredicateConfig::default())
        .inspect_ok(move |cluster| triggered.wakes.asked(KIND, id_of(cluster)));
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

async fn reconcile(cluster: Arc<ArangoCluster>, context: Arc<Context>) -> Result<Action, StoreError> {
    context.wait_for_caches().await;
    if context.is_stopping() {
        return Ok(Action::await_change());
    }
    let resource = Ref { kind: KIND, id: id_of(&*cluster) };
    context.wakes.begun(&resource);
    if !elsewhere::counts(&context, &resource.id.namespace) {
        elsewhere::refuse(&context, &resource, &cluster).await?;
        return Ok(Action::await_change());
    }
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(match timeout(DEADLINE, leave(&context, &resource, &cluster)).await {
            Ok(Ok(true)) => Action::await_change(),
            Ok(Ok(false)) | Err(_) => Action::requeue(backoff::jitter(LINGER_LOOK, rand::random())),
            Ok(Err(error)) => {
                warn!(kind = KIND, resource = %resource.id, %error, "could not let go; trying again");
                Action::requeue(backoff::jitter(RETRY, rand::random()))
            }
        });
    }
    let started = Instant::now();
    let span =
        debug_span!("pass", kind = KIND, namespace = %resource.id.namespace, object = %resource.id.name);
    let ready = match timeout(DEADLINE, pass(&context, &resource, &cluster).instrument(span)).await {
        Ok(Ok(ready)) => ready,
        Ok(Err(StoreError::Outdated)) => {
            return Ok(Action::requeue(backoff::jitter(LINGER_LOOK, rand::random())));
        }
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
    let mut stored = Stored::new(context, cluster.clone());
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation.unwrap_or_default();
    let was_ready = before.observed_generation == generation
        && before.conditions.iter().any(|c| c.type_ == READY && c.reason == Reason::Ready.as_str());

    stored.hold().await?;
    let mut standing = None;
    let (verdict, deployment, coordinators) = match establish(context, resource, cluster).await {
        Err(hold) => {
            // What is not what it was said to be any more is not written to.
            if matches!(hold.reason, Reason::Invalid | Reason::ReferenceMissing | Reason::ServerUnavailable) {
                disconnect(context, &resource.id);
            }
            (Verdict::from(hold), before.deployment.clone(), before.coordinators.clone())
        }
        Ok(connected) => {
            let told = ask(&connected, was_ready).await;
            deployments::learn(context, &resource.id, cluster, &connected, &told);
            standing = connected.server.standing();
            let states = connected.coordinators();
            let deployment = match &told {
                Ok(Some(told)) => Some(told.deployment.clone()),
                _ => before.deployment.clone(),
            };
            let verdict = judge(told.map(|_| ()), &states, &connected);
            let verdict = deployments::remark(verdict, standing.as_ref());
            let deployment = deployments::write(deployment, standing.as_ref());
            (verdict, deployment, states.iter().map(coordinator).collect())
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
    // Without a connection nobody knows better than the status.
    let standing = standing.or_else(|| deployments::told_before(&before));
    deployments::tell(context, cluster, standing.as_ref()).await;
    let said = verdict.said().chain(deployments::said(&resource.id, standing.as_ref()));
    let status = ClusterStatus {
        observed_generation: generation,
        conditions: conditions(&before.conditions, said, generation, &now),
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

/// An ArangoCluster that is being deleted: lets go once nothing waits to be deleted through it. Tells whether it did.
async fn leave(context: &Arc<Context>, resource: &Ref, cluster: &ArangoCluster) -> Result<bool, StoreError> {
    let mut stored = Stored::new(context, cluster.clone());
    if !stored.has_finalizer() {
        return Ok(true);
    }
    if context.connection(&resource.id).is_none() {
        // Started while it was on its way out: its own state says whether it can still serve.
        let established = establish(context, resource, cluster).await;
        if context.tried(&resource.id) {
            // Whoever waited for this look has something to say now.
            context.wake(&key(&resource.id));
        }
        if let Err(hold) = established {
            debug!(cluster = %resource.id, %hold, "can't serve while being deleted");
        }
    }
    if let Some(connected) = context.connection(&resource.id)
        && connected.server.standing().is_none()
    {
        let told = ask(&connected, false).await;
        deployments::learn(context, &resource.id, cluster, &connected, &told);
    }
    let users = context.index.lock().needing(&key(&resource.id));
    let waits = users.iter().any(|user| context.find(user.kind, &user.id).is_some_and(|found| found.leaving));
    let gone = cluster.metadata.deletion_timestamp.as_ref().map_or(LINGER_MAX, |at| {
        let seconds = jiff::Timestamp::now().as_second() - at.0.as_second();
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    });
    let stays = gone < LINGER_MAX && (waits || (!users.is_empty() && gone < LINGER));
    if stays {
        return Ok(false);
    }
    stored.release().await?;
    Ok(true)
}

/// What is said of the connection.
fn judge(told: Result<(), arango::Error>, states: &[CoordinatorState], connected: &Connected) -> Verdict {
    if let Err(error) = told {
        return connected.login.explain(&error).into();
    }
    let (all, reachable) = (states.len(), states.iter().filter(|state| state.reachable).count());
    let answers = match all {
        1 => "the server answers".to_owned(),
        _ => format!("{reachable} of {all} coordinators answer"),
    };
    let trust = if connected.is_unverified() {
        "; NO certificate is verified (spec.tls.insecureSkipVerify)"
    } else {
        ""
    };
    let note = connected.note().map(|note| format!("; {note}")).unwrap_or_default();
    Verdict::ready(answers + trust + &note)
}

fn coordinator(state: &CoordinatorState) -> Coordinator {
    let CoordinatorState { endpoint, reachable, message } = state;
    let message = message.as_deref().map(|message| cut(message, 512).to_owned());
    Coordinator { endpoint: endpoint.to_string(), reachable: *reachable, message }
}
