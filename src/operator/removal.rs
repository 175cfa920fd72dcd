//! A resource that is being deleted.

use std::time::Instant;

use kube::{ResourceExt, runtime::events::EventType};

use super::{
    access::access,
    asks::{self, Asks},
    claims,
    clusters::{
        connections,
        reached::{Reached, reached},
    },
    context::Context,
    controller::KindContext,
    drift,
    pass::{FRESH, Next, hold_back, write},
    secrets::NamespaceSecrets,
    store::{StoreError, Stored},
    tell::{call_for_a_person, tell},
    undeclared,
    watching::index::{Id, Key, Ref},
};
use crate::{
    core::{DriftPolicy, Hold, Reason, Verdict},
    kinds::Kind,
    reconcile::{Look, Target, drive},
};

/// A resource that is being deleted: takes away what it declared, if it consents, and releases it.
#[allow(clippy::too_many_lines, reason = "the steps of one pass, in their order")]
pub async fn remove<K: Kind>(
    shared: &KindContext<K>,
    resource_ref: &Ref,
    stored: &mut Stored<'_, K::Resource>,
    cluster: &Id,
    desired: Option<K::Desired>,
) -> Result<Next, StoreError> {
    let context = &*shared.context;
    if !stored.has_finalizer() {
        return Ok(Next::Gone);
    }
    let (origin, memory) = stored.remembered();
    let policy = drift::policy(context, &stored.resource, cluster);
    let consent = K::consent(&stored.resource, origin);
    // A broken spec never blocks: what was never read was never managed.
    let desired = K::remembered(&stored.resource, &memory).or(desired);
    let (Some(desired), Some(_)) = (desired, origin) else {
        stored.release().await?;
        return Ok(Next::Gone);
    };
    if !K::holds(&stored.resource, origin, &memory) {
        stored.release().await?;
        return Ok(Next::Gone);
    }
    if context.find(connections::KIND, cluster).is_none() {
        let why = format!("the ArangoCluster {} is gone, so there is no way to it", cluster.name);
        return leave_behind::<K>(context, stored, &desired, &why).await;
    }
    let namespace = &*resource_ref.id.namespace;
    let Some(access) = access(context, namespace, cluster) else {
        return Ok(Next::Retry(Reason::Pending));
    };
    if let Err(hold) = access.admits(K::subject(&desired))
        && !K::is_unfinished(&memory)
    {
        return leave_behind::<K>(context, stored, &desired, &hold.message).await;
    }
    let asks = Asks::of(stored.resource.annotations());
    match asks.map(|asks| Asks { paused: asks.paused || context.not_paused(cluster).is_err(), ..asks }) {
        // Whoever wrote it may have meant that nothing is to be removed.
        Err(hold) => return block::<K>(context, stored, hold.message).await,
        Ok(Asks { release: true, .. }) => {
            let why = "it was let go by annotation";
            return leave_behind::<K>(context, stored, &desired, why).await;
        }
        Ok(Asks { paused, .. }) if paused || policy == DriftPolicy::Observe => {
            let (why, way_out) = if paused {
                (
                    "the resource or its ArangoCluster is paused",
                    format!("remove the annotation {}", asks::PAUSED),
                )
            } else {
                ("the drift policy is Observe", "set drift.policy to Correct".to_owned())
            };
            if !K::is_unfinished(&memory) {
                return leave_behind::<K>(context, stored, &desired, why).await;
            }
            let message = format!(
                "the {} must be put back first where a change of it was cut off, and {why}; {way_out}, or set {} to \
                 \"true\" to lose them",
                K::describe(&desired),
                asks::RELEASE,
            );
            return block::<K>(context, stored, message).await;
        }
        Ok(_) => {}
    }
    let connection = match reached(context, cluster) {
        Reached::Unknown => return Ok(Next::Retry(Reason::Pending)),
        Reached::Not(hold) => return block::<K>(context, stored, hold.message).await,
        Reached::Connected(connection) => connection,
    };
    if let Err(hold) = connection.server.may_take_away().await {
        connection.suspect(context);
        return block::<K>(context, stored, hold.message).await;
    }
    let declared_on = stored.deployment();
    stored.is_on(connection.server.deployment());
    let (Some(origin), mut memory) = stored.remembered() else {
        let there = declared_on.unwrap_or_default();
        let why = format!(
            "it was looked after on the deployment {there}, and the ArangoCluster {} leads to another one by now",
            cluster.name
        );
        return leave_behind::<K>(context, stored, &desired, &why).await;
    };
    let Ok(_turn) = claims::claim(shared, resource_ref, cluster, &desired) else {
        // Another resource declares the same and owns it: nothing of it is this one's to remove.
        stored.release().await?;
        return Ok(Next::Gone);
    };

    let namespace = &*resource_ref.id.namespace;
    let secrets = NamespaceSecrets::new(context, namespace);
    if let Some(why) =
        undeclared::resume::<K>((&connection, &access), &secrets, stored, &desired, &mut memory).await?
    {
        return block::<K>(context, stored, why).await;
    }
    let since = Instant::now().checked_sub(FRESH).unwrap_or_else(Instant::now);
    let look = Look { since, removing: true };
    let origin = Some(origin);
    let secrets = secrets.for_owner(&stored.resource.clone(), false);
    let deleting = Some(consent);
    let target = Target { desired: &desired, memory, origin, deleting, begun: true, policy, access: &access };
    let outcome = drive::<K, _>(&connection.server, &secrets, look, target, stored).await?;
    let name = K::describe(&desired);
    tell::<K>(context, stored, &outcome, &name, (false, true)).await;
    if let Some(hold) = outcome.denied {
        return leave_behind::<K>(context, stored, &desired, &hold.message).await;
    }
    if outcome.verdict.is_ready() {
        stored.release().await?;
        context.wake(&Key::Object(cluster.clone(), K::object(&desired)));
        return Ok(Next::Gone);
    }
    if outcome.verdict.reason == Reason::Conflict {
        return leave_behind::<K>(context, stored, &desired, &outcome.verdict.message).await;
    }
    let told = outcome.verdict.reason == Reason::DeletionBlocked;
    let verdict = Verdict::from(Hold::new(Reason::DeletionBlocked, outcome.verdict.message));
    if !told {
        call_for_a_person::<K>(context, stored, verdict.reason, &verdict.message).await;
    }
    write::<K>(stored, None, origin, outcome.memory, &verdict, true).await?;
    Ok(Next::Retry(verdict.reason))
}

/// The deletion waits, and says for what.
async fn block<K: Kind>(
    context: &Context,
    stored: &mut Stored<'_, K::Resource>,
    message: String,
) -> Result<Next, StoreError> {
    hold_back::<K>(context, stored, Hold::new(Reason::DeletionBlocked, message)).await
}

/// Lets the resource go, leaves what it declared as it is, and says so: it was to be looked after.
async fn leave_behind<K: Kind>(
    context: &Context,
    stored: &mut Stored<'_, K::Resource>,
    desired: &K::Desired,
    why: &str,
) -> Result<Next, StoreError> {
    let note = format!("the {} stays on the server: {why}", K::describe(desired));
    context.metrics.left_behind(K::NAME);
    context.event(&stored.resource, EventType::Warning, "LeftBehind", note).await;
    stored.release().await?;
    Ok(Next::Gone)
}
