//! Events and log lines about one pass.

use kube::{core::object::HasStatus, runtime::events::EventType};
use tracing::{info, warn};

use super::{context::Context, store::Stored, watching::index::id_of};
use crate::{
    core::{
        Because, Origin, Reason, Status, Verdict,
        condition::{READY, STALLED, Said},
        plan::verb,
    },
    kinds::{
        Kind,
        cluster::crd::{ArangoCluster, ClusterStatus},
    },
    reconcile::Outcome,
};

/// Events, for what the manifest's author would not expect. `was_ready` and `owned`: before this pass.
pub async fn tell<K: Kind>(
    context: &Context,
    stored: &Stored<'_, K::Resource>,
    outcome: &Outcome<K>,
    name: &str,
    (was_ready, owned): (bool, bool),
) {
    let resource = &stored.resource;
    let actions = outcome.done.iter().filter(|step| step.because != Because::Bookkeeping);
    let cluster = K::place(resource).cluster;
    for step in actions.clone() {
        let action = step.action.to_string();
        context.metrics.acted(K::NAME, verb(&action));
        info!(kind = K::NAME, resource = %id_of(resource), %cluster, because = %step.because, "{action}");
    }
    let list = |steps: &mut dyn Iterator<Item = String>| steps.collect::<Vec<_>>().join("; ");

    for step in actions.clone().filter(|step| step.because == Because::AskedInVain) {
        context.event(resource, EventType::Warning, "AskedInVain", step.action.to_string()).await;
    }
    note_pending::<K>(context, stored, &outcome.verdict, was_ready).await;
    if !owned && outcome.origin == Some(Origin::Adopted) {
        let note = format!("the {name} was there already and is managed from now on");
        context.event(resource, EventType::Normal, "Adopted", note).await;
    }
    let repaired = list(&mut actions.clone().filter(|s| s.because.is_drift()).map(|s| s.action.to_string()));
    // Also what Observe has only said until now.
    let was_settled = was_ready || (owned && resource.status().is_some_and(Status::is_pending));
    if was_settled && !repaired.is_empty() {
        context.metrics.repaired(K::NAME);
        let (reason, what) = match (outcome.existed, K::HOLDS_DATA) {
            (true, _) => ("DriftRepaired", "was changed by hand and has been put right"),
            (false, false) => ("Recreated", "was gone from the server and has been made again"),
            (false, true) => ("Recreated", "was gone from the server and has been made again, empty"),
        };
        let note = format!("the {name} {what}: {repaired}");
        if !outcome.existed && K::HOLDS_DATA {
            warn!(kind = K::NAME, resource = %id_of(resource), "{note}; what was in it is lost, unless there is a backup");
        }
        context.event(resource, EventType::Warning, reason, note).await;
    }
    if outcome.raised_rights {
        let raised = list(
            &mut actions.filter(|s| s.risk == crate::core::Risk::RaisesRights).map(|s| s.action.to_string()),
        );
        let note = format!("a wider right applies again, so that a level may have risen: {raised}");
        context.event(resource, EventType::Warning, "RightsRaised", note).await;
    }
    call_for_a_person::<K>(context, stored, outcome.verdict.reason, &outcome.verdict.message).await;
}

/// An Event for each list of actions that the drift policy keeps from being done.
async fn note_pending<K: Kind>(
    context: &Context,
    stored: &Stored<'_, K::Resource>,
    verdict: &Verdict,
    was_ready: bool,
) {
    let resource = &stored.resource;
    let said = resource.status().is_some_and(|status| status.pending == verdict.pending);
    if verdict.pending.is_empty() || said {
        return;
    }
    if was_ready {
        context.metrics.found(K::NAME);
    }
    if verdict.reason == Reason::ActionsPending {
        context.event(resource, EventType::Warning, verdict.reason.as_str(), verdict.message.clone()).await;
    }
}

/// An Event for what only a person can put right, unless the status says it already.
pub async fn call_for_a_person<K: Kind>(
    context: &Context,
    stored: &Stored<'_, K::Resource>,
    reason: Reason,
    message: &str,
) {
    let resource = &stored.resource;
    let said = resource.status().is_some_and(|status| {
        status.conditions.iter().any(|c| c.type_ == READY && c.reason == reason.as_str())
    });
    // Of pending actions each list is told, by itself.
    if reason.needs_a_person() && reason != Reason::ActionsPending && !said {
        context.event(resource, EventType::Warning, reason.as_str(), message.to_owned()).await;
    }
}

/// Events for what only a person can put right, unless the status says it already.
pub async fn call_for_a_person_about(
    context: &Context,
    cluster: &ArangoCluster,
    before: &ClusterStatus,
    said: impl Iterator<Item = Said>,
) {
    let news = |said: &Said| {
        said.type_ != STALLED
            && said.reason.needs_a_person()
            && !before.conditions.iter().any(|c| c.type_ == said.type_ && c.reason == said.reason.as_str())
    };
    for Said { reason, message, .. } in said.filter(news) {
        context.event(cluster, EventType::Warning, reason.as_str(), message).await;
    }
}
