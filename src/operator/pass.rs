//! One pass over one resource: who owns, what is there, what was done about it, what is said of it.

use std::time::{Duration, Instant};

use kube::{Resource, ResourceExt, core::object::HasStatus};
use tracing::debug;

use super::{
    access::{access, is_foreign},
    asks, binding, claims,
    clusters::{
        connections,
        connections::Connected,
        deployments,
        reached::{Reached, reached},
    },
    context::Context,
    controller::{KindContext, index},
    drift, removal,
    secrets::NamespaceSecrets,
    store::{StoreError, Stored, now},
    tell::{call_for_a_person, tell},
    undeclared,
    watching::index::{Id, Key, Ref, id_of},
};
use crate::{
    core::{Because, Consent, DriftPolicy, Hold, Origin, Reason, Status, Verdict, condition::conditions},
    kinds::Kind,
    reconcile::{Look, Target, drive, snapshot::SETTLING},
};

/// How old what is known of a server may be where no new spec asks for a look.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// A resource that has just been applied and waits for another one that was applied with it says so only after this
/// time: most such waits are over by then, and two writes are saved.
const PATIENCE: Duration = Duration::from_millis(400);

/// The same while what it waits for has its turn, or is still to have it: of a thousand that were applied at once.
const PATIENCE_LONG: Duration = Duration::from_secs(10);

/// What happens to the resource next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is released, or was never ours: nothing.
    Gone,
    /// It is as declared.
    InOrder,
    /// It changed while it was worked on.
    Again,
    /// It waits, and it is too early to say so before that time is over.
    Soon(Duration),
    /// It was looked at because a person asked, and our own last write is too young for that look to be the last.
    Settling,
    /// The ArangoCluster doesn't lend what it needs: woken when that changes.
    Denied,
    /// It waits, or failed.
    Retry(Reason),
}

/// One pass. `asked`: when it was asked for.
pub async fn pass<K: Kind>(
    shared: &KindContext<K>,
    resource_ref: &Ref,
    resource: &K::Resource,
    asked: Option<Instant>,
) -> Result<Next, StoreError> {
    let mut stored = Stored::<K::Resource>::new(&shared.context, resource.clone());
    stored.by_status_alone = is_foreign::<K>(resource);
    stored.is_final = shared.context.installation.misses(&K::place(resource).cluster);
    let next = look_after(shared, (resource_ref, asked), resource, &mut stored).await;
    // The write that releases a deleted resource leaves the version as it was.
    if stored.resource.meta().resource_version != resource.meta().resource_version
        || stored.resource.finalizers() != resource.finalizers()
    {
        shared.wrote(&resource_ref.id, stored.resource);
    }
    if matches!(next, Ok(Next::Gone)) {
        claims::released(&shared.context, resource_ref);
    }
    next
}

#[allow(clippy::too_many_lines, reason = "the steps of one pass, in their order")]
async fn look_after<K: Kind>(
    shared: &KindContext<K>,
    (resource_ref, called): (&Ref, Option<Instant>),
    resource: &K::Resource,
    stored: &mut Stored<'_, K::Resource>,
) -> Result<Next, StoreError> {
    let context = &*shared.context;
    let namespace = &*resource_ref.id.namespace;
    let cluster = K::place(resource).cluster;
    let desired = K::desired(resource, &context.lookup(namespace));
    index::<K>(context, resource, desired.as_ref().ok());
    if resource.meta().deletion_timestamp.is_some() {
        return removal::remove(shared, resource_ref, stored, &cluster, desired.ok()).await;
    }

    let Some(access) = access(context, namespace, &cluster) else {
        // Its labels come with the watch in a moment, and wake the resource.
        return Ok(Next::Retry(Reason::Pending));
    };
    let lent = desired.as_ref().map_or(Ok(()), |desired| access.admits(K::subject(desired)));
    // Before it is asked who owns: from here on it is known on which deployment.
    let reached = reached(context, &cluster);
    let verdict = may_go_on(shared, resource_ref, stored, &cluster, desired.as_ref(), &lent);
    let ready = match (verdict, reached) {
        (Err(hold), _) | (_, Reached::Not(hold)) => Err(hold),
        (Ok(_), Reached::Unknown) => return Ok(Next::Retry(Reason::Pending)),
        (Ok(turn), Reached::Connected(connection)) => Ok((turn, connection)),
    };
    let (desired, _turn, connection) = match (desired, ready) {
        (Ok(desired), Ok((turn, connection))) => (desired, turn, connection),
        (Err(hold), _) | (_, Err(hold)) => {
            if let Some(soon) = too_early::<K>(context, resource_ref, resource, hold.reason) {
                return Ok(soon);
            }
            let next = hold_back::<K>(context, stored, hold).await?;
            return Ok(if lent.is_err() { Next::Denied } else { next });
        }
    };

    if let Err(hold) = deployments::carry_over::<K>(stored, &connection) {
        return hold_back::<K>(context, stored, hold).await;
    }
    let (origin, memory) = stored.remembered();
    let owned = stored.recorded().is_some();
    let generation = resource.meta().generation.unwrap_or_default();
    let policy = drift::policy(context, resource, &cluster);
    let status = resource.status();
    // What was Ready on another deployment is new on this one. Who only looks owns nothing anywhere.
    let was_ready = (origin.is_some() || policy == DriftPolicy::Observe)
        && status.is_some_and(|status| status.was_ready(generation));
    let was_compared = was_ready
        || status.is_some_and(|status| status.observed_generation == generation && status.is_pending());
    let asked = is_asked_for::<K>(resource);
    let obeyed = !asked || connection.server.has_settled() || context.waits_for(resource_ref) >= SETTLING;
    let look = if asked {
        Look { since: Instant::now(), removing: false }
    } else {
        // Whoever applies a spec has seen what is there: nothing is decided on what was read before that.
        let called = called.filter(|_| status.is_none_or(|status| status.observed_generation != generation));
        let look = look(context, resource_ref, &connection, was_compared);
        Look { since: called.map_or(look.since, |called| look.since.max(called)), ..look }
    };
    let started = Instant::now();
    // The finalizer comes before the first write, also where an adopted object is to be removed only since lately.
    if let Some(origin) = origin
        && policy == DriftPolicy::Correct
        && !stored.has_finalizer()
        && K::holds(resource, Some(origin), &memory)
    {
        stored.claim(origin, &memory, true).await?;
    }
    let begun = origin.is_some();
    let target = Target { desired: &desired, memory, origin, deleting: None, begun, policy, access: &access };
    let removes = K::consent(resource, origin.or(Some(Origin::Created))) == Consent::Remove;
    let secrets = NamespaceSecrets::new(context, namespace)
        .for_owner(resource, removes)
        .with_binding(K::delivery(&desired).map(|delivery| delivery.secret.clone()));
    let mut outcome = drive::<K, _>(&connection.server, &secrets, look, target, stored).await?;
    if outcome.origin.is_none() && outcome.verdict.reason == Reason::DeploymentChanged {
        // Nothing was decided here: what is known of the deployment before stays known.
        stored.is_on(None);
        let hold = Hold::new(outcome.verdict.reason, outcome.verdict.message);
        return hold_back::<K>(context, stored, hold).await;
    }
    if !outcome.verdict.is_ready() && !outcome.existed && !outcome.touched && stored.only_claims() {
        stored.retract().await?;
        outcome.origin = None;
    }
    // Not owned before and nothing to write: the claim is still owed.
    if let Some(origin) = outcome.origin
        && policy == DriftPolicy::Correct
        && !stored.has_finalizer()
        && K::holds(&stored.resource, Some(origin), &outcome.memory)
    {
        stored.claim(origin, &outcome.memory, true).await?;
    }
    if policy == DriftPolicy::Correct {
        binding::deliver::<K>(context, &connection, &secrets, (resource, &desired), &mut outcome).await;
        let own = (&mut *stored, &desired);
        undeclared::revoke::<K>(context, (&connection, &access), &secrets, own, &mut outcome, was_ready)
            .await?;
    } else {
        context.suspicions.forget(&resource_ref.id);
    }
    let name = K::describe(&desired);
    tell::<K>(context, stored, &outcome, &name, (was_ready, owned)).await;
    let became_ready = outcome.verdict.is_ready() && !was_ready;
    let verdict = outcome.verdict.clone();
    let acted = outcome.done.iter().any(|step| step.because != Because::Bookkeeping);
    if !acted
        && !verdict.is_ready()
        && let Some(soon) = too_early::<K>(context, resource_ref, resource, verdict.reason)
    {
        return Ok(soon);
    }
    let releases = outcome.origin.is_some() && !K::holds(&stored.resource, outcome.origin, &outcome.memory);
    write::<K>(stored, Some(K::title(&desired)), outcome.origin, outcome.memory, &verdict, obeyed).await?;
    if releases {
        // Consent was withdrawn, or what was cut off is at its end: nothing is left to do when the resource goes.
        stored.release().await?;
    }
    context.was_checked(resource_ref, started);
    if became_ready || acted {
        connection.inspection.changed.notify_one();
        context.wake(&Key::Object(cluster, K::object(&desired)));
        context.wake(&Key::Resource(resource_ref.clone()));
    }
    if outcome.denied.is_some() {
        return Ok(Next::Denied);
    }
    if matches!(verdict.reason, Reason::AccessDenied | Reason::ServerUnavailable | Reason::DeploymentChanged)
    {
        connection.suspect(context);
    }
    Ok(match verdict.reason {
        Reason::Ready if obeyed => Next::InOrder,
        Reason::Ready => Next::Settling,
        reason => Next::Retry(reason),
    })
}

/// Takes the object for the resource, or says why nothing is done for it whatever its server says.
fn may_go_on<'a, K: Kind>(
    shared: &'a KindContext<K>,
    resource_ref: &Ref,
    stored: &Stored<'_, K::Resource>,
    cluster: &Id,
    desired: Result<&K::Desired, &Hold>,
    lent: &Result<(), Hold>,
) -> Result<claims::Turn<'a>, Hold> {
    shared.context.goes_on(stored.resource.annotations(), cluster)?;
    let desired = desired.map_err(Clone::clone)?;
    match lent {
        // What was cut off is brought to its end even then: `drive` does that and no more.
        Err(hold) if !K::is_unfinished(&stored.remembered().1) => Err(hold.clone()),
        _ => claims::claim(shared, resource_ref, cluster, desired),
    }
}

/// Whether a person asked for a look that nobody had yet.
fn is_asked_for<K: Kind>(resource: &K::Resource) -> bool {
    let asked = asks::reconcile_at(resource.annotations());
    asked.is_some() && asked != resource.status().and_then(|status| status.reconcile_at.clone())
}

/// How old what is known may be. A resource that was compared to the end and is compared with its server because the
/// deployment's interval is over takes what was read since then, so that one reading serves all; whatever else takes
/// what is fresh.
fn look(context: &Context, resource: &Ref, connection: &Connected, was_compared: bool) -> Look {
    let tick = connection.last_tick();
    let fresh = Instant::now().checked_sub(FRESH).unwrap_or(tick);
    let is_comparison = was_compared && context.last_checked(resource).is_none_or(|checked| checked < tick);
    Look { since: if is_comparison { tick } else { fresh }, removing: false }
}

/// Whether a wait is so young that it is not worth a write yet: then when it is to be looked at again.
fn too_early<K: Kind>(
    context: &Context,
    resource_ref: &Ref,
    resource: &K::Resource,
    reason: Reason,
) -> Option<Next> {
    let observed = resource.status().map(|status| status.observed_generation);
    let is_news = observed != resource.meta().generation;
    if !is_news || reason.needs_a_person() {
        return None;
    }
    let waited = context.waits_for(resource_ref);
    if let Some(rest) = PATIENCE.checked_sub(waited) {
        return Some(Next::Soon(rest));
    }
    let mut others = context.index.lock().waits_for(resource_ref);
    // How it is about the ArangoCluster is worth saying, and may take long.
    others.retain(|other| other.kind != connections::KIND);
    (waited < PATIENCE_LONG && context.wakes.are_under_way(&others)).then_some(Next::Soon(PATIENCE))
}

/// Says why the resource can't go on. Nothing was touched.
pub(super) async fn hold_back<K: Kind>(
    context: &Context,
    stored: &mut Stored<'_, K::Resource>,
    hold: Hold,
) -> Result<Next, StoreError> {
    let (origin, memory) = stored.remembered();
    let reason = hold.reason;
    call_for_a_person::<K>(context, stored, reason, &hold.message).await;
    let obeyed = reason != Reason::Paused;
    write::<K>(stored, None, origin, memory, &hold.into(), obeyed).await?;
    Ok(Next::Retry(reason))
}

/// Writes the status, if it changed. `obeyed`: what was asked for by annotation is done.
pub(super) async fn write<K: Kind>(
    stored: &mut Stored<'_, K::Resource>,
    name: Option<String>,
    origin: Option<Origin>,
    memory: K::Memory,
    verdict: &Verdict,
    obeyed: bool,
) -> Result<(), StoreError> {
    let generation = stored.resource.meta().generation.unwrap_or_default();
    let old = stored.resource.status().cloned().unwrap_or_default();
    let now = now();
    let status = Status {
        observed_generation: generation,
        conditions: conditions(&old.conditions, verdict.said(), generation, &now),
        name: name.or(old.name),
        origin,
        deployment: stored.deployment(),
        reconcile_at: if obeyed {
            asks::reconcile_at(stored.resource.annotations())
        } else {
            old.reconcile_at
        },
        pending: verdict.pending.clone(),
        memory,
    };
    if !verdict.is_ready() {
        debug!(kind = K::NAME, resource = %id_of(&stored.resource), %verdict.reason, verdict.message, "not ready");
    }
    stored.write_status(status).await
}
