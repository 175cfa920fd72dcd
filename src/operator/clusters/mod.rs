//! The controller of `ArangoCluster`s: the connection is made or kept, the deployment asked, the status written.
//!
//! An ArangoCluster that is being deleted still serves, so that what goes with it can be removed through it.

pub mod connections;
pub mod deployments;
pub mod elsewhere;
pub mod inspect;
mod leave;
mod own_password;
pub mod reach;
pub mod reached;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future};
use kube::{
    ResourceExt,
    runtime::{
        PredicateConfig, WatchStreamExt,
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::Event,
    },
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, debug_span, field, info, warn};

use self::{
    connections::{Connected, KIND, disconnect, establish, key},
    inspect::{Inspected, coordinators, inspect},
    leave::leave,
    own_password::ask_or_catch_up,
    reach::needs,
};
use super::{
    access,
    asks::{self, Asks},
    context::Context,
    controller::asked,
    installation::{
        Turn,
        hands::{left_alone, take_up},
    },
    maintenance::look_after,
    metrics,
    store::{StoreError, Stored, now},
    tell::call_for_a_person_about,
    turns::Pass,
    watching::{
        index::{Entry, Id, Key, Ref, id_of},
        streams::{known_in, watch},
        wake::Again,
    },
};
use crate::{
    arango::{self, CoordinatorState},
    core::{
        Hold, Reason, Verdict, backoff,
        condition::{READY, conditions},
        queue::{Lane, Urgency},
    },
    kinds::{
        Place,
        cluster::crd::{ArangoCluster, ClusterStatus},
    },
    reconcile::snapshot::SETTLING,
};

/// Longest time of one pass.
const DEADLINE: Duration = Duration::from_secs(90);
/// The first repetition after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait between repetitions.
const RETRY_MAX: Duration = Duration::from_secs(30);

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

/// Starts the watch of `ArangoCluster`s, which fills the cache, keeps what is known of them, and asks for passes until it is
/// told to stop; and tells how a pass is made.
pub fn start(context: &Arc<Context>, watched: Watched, stop: CancellationToken) -> Pass {
    let Watched { store, writer } = watched;
    let follow = follow(Arc::clone(context), store.clone(), writer);
    tokio::spawn(stop.run_until_cancelled_owned(follow));
    let context = Arc::clone(context);
    Box::new(move |resource, _| {
        let (cached, context) = (store.clone(), Arc::clone(&context));
        async move {
            reconcile(&cached, &resource, &context).await.unwrap_or_else(|error| {
                warn!(kind = KIND, resource = %resource.id, %error, "pass failed; trying again");
                soon(RETRY)
            })
        }
        .boxed()
    })
}

async fn follow(context: Arc<Context>, store: Store<ArangoCluster>, writer: Writer<ArangoCluster>) {
    let forget = |gone: &Id| {
        context.is_gone(gone);
        disconnect(&context, gone);
        context.disconnected(gone);
        access::forget(&context, gone);
        context.policies.remove(gone);
        deployments::forget(&context, gone);
    };
    let seen = |event: &Result<Event<ArangoCluster>, _>| match event {
        Ok(Event::Apply(cluster) | Event::InitApply(cluster)) => {
            context.written.seen(cluster);
            access::learn(&context, cluster);
            // Its Secrets are entered when it is looked at.
            let id = id_of(cluster);
            let resource = Ref { kind: KIND, id: id.clone() };
            context.wakes.place(&resource, Lane { cluster: id.clone(), namespace: None });
            let mut index = context.index.lock();
            let known = index.needed_by(&resource);
            let mut needed = needs(&id, &cluster.spec, None);
            needed.extend(known.into_iter().filter(|key| matches!(key, Key::Secret(_))));
            index.set(&resource, Entry { needs: needed, ..Entry::default() });
            drop(index);
            context.policies.set(&id, cluster.spec.drift.policy);
            deployments::remember(&context, &id, cluster);
            context.changed_hands(cluster);
        }
        Ok(Event::Delete(cluster)) => {
            let id = id_of(cluster);
            forget(&id);
            context.forget(&Ref { kind: KIND, id });
        }
        Ok(Event::InitDone) => {
            for gone in context.forget_absent(KIND) {
                forget(&gone.id);
            }
            context.cache_is_filled(KIND);
        }
        Ok(Event::Init) => {}
        Err(error) => warn!(kind = KIND, %error, "the watch failed; trying again"),
    };
    watch(&context, known_in(store))
        .reflect(writer)
        .inspect(seen)
        .applied_objects()
        .predicate_filter(asked, PredicateConfig::default())
        .for_each(|cluster| {
            if let Ok(cluster) = cluster {
                context.wakes.asked(Ref { kind: KIND, id: id_of(&cluster) }, Urgency::Change);
            }
            future::ready(())
        })
        .await;
}

/// After that time, more or less.
#[allow(clippy::unnecessary_wraps, reason = "one of the ends of a pass")]
fn soon(delay: Duration) -> Again {
    Some((backoff::jitter(delay, rand::random()), Urgency::Change))
}

async fn reconcile(
    cached: &Store<ArangoCluster>,
    resource: &Ref,
    context: &Arc<Context>,
) -> Result<Again, StoreError> {
    // Gone since the pass was asked for: what it was is no reason to do anything.
    let id = ObjectRef::new(&resource.id.name).within(&resource.id.namespace);
    let Some(cluster) = cached.get(&id) else { return Ok(None) };
    if let Some(again) = left_alone(context, &resource.id, &cluster).await {
        return Ok(again.map(|again| (again, Urgency::Change)));
    }
    let Turn::Ours(ends) = context.installation.turn(&resource.id) else { return Ok(None) };
    let looked = ends.run_until_cancelled(Box::pin(look(context, resource, cluster))).await;
    looked.unwrap_or(Ok(None))
}

/// A look at an ArangoCluster that is ours.
async fn look(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: Arc<ArangoCluster>,
) -> Result<Again, StoreError> {
    if !elsewhere::counts(context, &resource.id.namespace) {
        elsewhere::refuse(context, resource, &cluster).await?;
        return Ok(None);
    }
    let cluster = context.written.latest(cluster);
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(match timeout(DEADLINE, leave(context, resource, &cluster)).await {
            Ok(Ok(true)) => None,
            Ok(Ok(false)) | Err(_) => soon(LINGER_LOOK),
            Ok(Err(error)) => {
                warn!(kind = KIND, resource = %resource.id, %error, "could not let go; trying again");
                soon(RETRY)
            }
        });
    }
    let started = Instant::now();
    let Id { namespace, name } = &resource.id;
    let span = debug_span!("pass", kind = KIND, %namespace, object = %name, reason = field::Empty);
    let pass = pass(context, resource, &cluster).instrument(span);
    let (reason, again) = match timeout(DEADLINE, pass).await {
        Ok(Ok((reason, again))) => (reason.as_str(), again),
        Ok(Err(StoreError::Outdated)) => {
            return Ok(soon(LINGER_LOOK));
        }
        Ok(Err(error)) if context.is_stopping() => {
            debug!(cluster = %resource.id, %error, "left to the next one");
            return Ok(None);
        }
        Ok(Err(error)) => {
            warn!(kind = KIND, resource = %resource.id, %error, "pass failed; trying again");
            (metrics::KUBERNETES_ERROR, None)
        }
        Err(_) => {
            warn!(kind = KIND, resource = %resource.id, "pass took too long; trying again");
            (metrics::DEADLINE, None)
        }
    };
    if context.tried(&resource.id) && context.connection(&resource.id).is_none() {
        // Whoever waited for this look has something to say now.
        context.wake(&key(&resource.id));
    }
    context.metrics.pass(KIND, reason, started.elapsed().as_secs_f64());
    // What is paused is woken when the annotation changes.
    if [Reason::Ready, Reason::Paused].iter().any(|quiet| quiet.as_str() == reason) {
        context.succeeded(resource);
        return Ok(again.map(|again| (again, Urgency::Change)));
    }
    let failures = context.failed(resource);
    Ok(Some((backoff::delay(failures, RETRY, RETRY_MAX, rand::random()), Urgency::Change)))
}

/// One pass: the connection is made or kept, the deployment asked, the status written. Tells the reason of Ready, and when to
/// come again although there is nothing to repeat.
async fn pass(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
) -> Result<(Reason, Option<Duration>), StoreError> {
    let mut stored = Stored::new(context, cluster.clone());
    let before = cluster.status.clone().unwrap_or_default();
    let generation = cluster.metadata.generation.unwrap_or_default();
    let said =
        |reason: Reason| before.conditions.iter().any(|c| c.type_ == READY && c.reason == reason.as_str());
    let was_ready = before.observed_generation == generation && said(Reason::Ready);

    stored.hold().await?;
    let reconcile_at = asks::reconcile_at(cluster.annotations());
    let mut status = ClusterStatus { observed_generation: generation, ..before.clone() };
    let mut inspected = Inspected::default();
    let established = match Asks::of(cluster.annotations()).and_then(Asks::pause) {
        Ok(()) => establish(context, resource, cluster).await,
        Err(hold) => Err(hold),
    };
    let mut standing = None;
    let (verdict, looked) = match &established {
        Err(hold) => {
            // What is not what it was said to be any more is not written to.
            if matches!(hold.reason, Reason::Invalid | Reason::ReferenceMissing | Reason::ServerUnavailable) {
                disconnect(context, &resource.id);
            }
            let looked = look_after(context, &resource.id, cluster, &before, Err(hold), false).await;
            (Verdict::from(hold.clone()), looked)
        }
        Ok(connected) => {
            let asked = reconcile_at.as_ref().filter(|text| Some(*text) != before.reconcile_at.as_ref());
            let obeyed = asked.is_none_or(|text| connected.compare_now(context, text));
            let (connected, told, hold) =
                ask_or_catch_up(context, resource, cluster, Arc::clone(connected), was_ready).await;
            let connected = &connected;
            let Some(taken) = take_up(context, &mut stored, cluster, connected, &told).await? else {
                return Ok((Reason::Pending, None));
            };
            let is_taken = taken.is_some();
            let hold = hold.or(taken);
            standing = connected.server.standing();
            let probed = matches!(told, Ok(Some(_)));
            let found = told.as_ref().ok().and_then(Option::as_ref).map(|told| told.deployment.clone());
            if !is_taken {
                status.deployment = deployments::write(found.or(status.deployment), standing.as_ref());
            }
            status.installation =
                context.installation.signs(is_taken, standing.is_some(), status.installation);
            let judged = match hold {
                Some(hold) => hold.into(),
                None => judge(told.map(|_| ()), &connected.coordinators(), connected),
            };
            let judged = deployments::remark(judged, standing.as_ref());
            let (verdict, connection) = if judged.is_ready() {
                inspected = inspect(context, &resource.id, connected, &before).await;
                status.servers = std::mem::take(&mut inspected.servers);
                (status.managed, status.unmanaged) = (inspected.managed, inspected.unmanaged);
                if obeyed {
                    status.reconcile_at.clone_from(&reconcile_at);
                } else {
                    inspected.again = Some(SETTLING);
                }
                (Verdict::ready(judged.message + inspected.hidden), Ok(&**connected))
            } else {
                (judged.clone(), Err(Hold::new(judged.reason, judged.message)))
            };
            status.coordinators = coordinators(connected, &before.coordinators).await;
            let connection = connection.as_ref().map(|connected| *connected);
            let looked = look_after(context, &resource.id, cluster, &status, connection, probed).await;
            (verdict, looked)
        }
    };

    Span::current().record("reason", verdict.reason.as_str());
    let now = now();
    let ready = verdict.is_ready();
    call_for_a_person_about(context, cluster, &before, verdict.said().chain(looked.said.clone())).await;
    status.maintenance.clone_from(&looked.status);
    // Without a connection nobody knows better than the status.
    let standing = standing.or_else(|| deployments::told_before(&before));
    deployments::tell(context, cluster, standing.as_ref()).await;
    let said_now = verdict.said().chain(deployments::said(&resource.id, standing.as_ref()));
    let said_now = said_now.chain(looked.said.clone());
    status.conditions = conditions(&before.conditions, said_now, generation, &now);
    let unsigned = ClusterStatus { installation: None, ..status.clone() };
    if before == unsigned && context.installation.takes_all() {
        // A status from before installations had names: signed with the next change, and not for that alone.
        status = unsigned;
    }
    stored.write_status(status).await?;
    context.written.wrote(stored.resource, || Some(cluster));
    let again = [looked.again, inspected.again].into_iter().flatten().min();
    context.carry_out_maintenance(resource, looked);
    if ready && !was_ready {
        info!(cluster = %resource.id, "connected");
    }
    let is_paused = verdict.reason == Reason::Paused;
    if ready && !was_ready || is_paused != said(Reason::Paused) {
        context.wake(&key(&resource.id));
    }
    Ok((verdict.reason, again))
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
