//! Which deployment each ArangoCluster leads to: learned from its status at a start, and from the deployment itself.
//! Two that lead to one deployment share its claims.

use std::sync::Arc;

use kube::{ResourceExt, runtime::events::EventType};
use tracing::{info, warn};

use super::connections::{Connected, key};
use crate::operator::{
    context::Context,
    store::Stored,
    watching::index::{Id, id_of},
};
use crate::{
    arango,
    core::{
        Hold, Reason, Verdict,
        condition::{ConditionStatus, Said},
        deployment::{ACCEPT, Standing},
    },
    kinds::{
        Kind,
        cluster::crd::{ArangoCluster, ClusterStatus, Deployment},
    },
    reconcile::Mode,
};

/// The condition that says that another deployment answers than before.
pub const CHANGED: &str = "DeploymentChanged";

/// What a deployment told of itself.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its identity.
    pub id: String,
    /// What it is.
    pub mode: Mode,
    /// What the status says of it, but for the identity.
    pub deployment: Deployment,
}

/// Learns from the status where an ArangoCluster led before this process started.
pub fn remember(context: &Context, id: &Id, cluster: &ArangoCluster) {
    let is_asked = context.connection(id).is_some_and(|connected| connected.server.standing().is_some());
    let deployment = cluster.status.as_ref().and_then(|status| status.deployment.as_ref());
    if !is_asked && let Some(known) = deployment.and_then(|known| known.found.as_ref().or(known.id.as_ref()))
    {
        lead(context, id, Some(known.as_str().into()));
    }
}

/// An ArangoCluster is gone. Its resources stay where their own status says that they are.
pub fn forget(context: &Context, cluster: &Id) {
    lead(context, cluster, None);
}

/// Enters where an ArangoCluster leads. Whoever has other rivals since is looked at.
fn lead(context: &Context, cluster: &Id, deployment: Option<Arc<str>>) {
    let mut index = context.index.lock();
    let users = index.needing(&key(cluster));
    let woken = index.lead(cluster, deployment, &users);
    context.wakes.wake(woken);
}

/// Learns what came of asking the deployment. Nobody who uses the ArangoCluster decides anything before that, and
/// everybody is indexed by what was learned when it is made known.
pub fn learn(
    context: &Context,
    id: &Id,
    cluster: &ArangoCluster,
    connected: &Connected,
    told: &Result<Option<Told>, arango::Error>,
) {
    let before = connected.server.standing();
    let (found, mode) = match (told, &before) {
        (Ok(Some(told)), _) => (Arc::from(told.id.as_str()), Some(told.mode)),
        (_, Some(before)) => (Arc::clone(&before.found), None),
        (told, None) => {
            let hold = told.as_ref().err().map(|error| connected.login.explain(error));
            if connected.failed(hold) {
                context.wake(&key(id));
            }
            return;
        }
    };
    let known = cluster.status.as_ref().and_then(|status| status.deployment.as_ref()?.id.clone());
    let accept = cluster.annotations().get(ACCEPT).map(String::as_str);
    let standing = Standing::new(known.as_deref(), &found, accept);
    lead(context, id, Some(found));
    connected.server.stand(&context.deployments, id, standing.clone(), mode);
    if before.as_ref() != Some(&standing) {
        // Whatever waited for the connection, or for a person's word.
        context.wake(&key(id));
    }
}

/// Writes the identity into the status.
pub fn write(deployment: Option<Deployment>, standing: Option<&Standing>) -> Option<Deployment> {
    let Some(Standing { accepted, found }) = standing else { return deployment };
    let found = (accepted != found).then(|| found.to_string());
    deployment.map(|deployment| Deployment { id: Some(accepted.to_string()), found, ..deployment })
}

/// What the status is to say of the deployment that answered.
pub fn of(cluster: &ArangoCluster, told: &Told) -> Option<Deployment> {
    let known = cluster.status.as_ref().and_then(|status| status.deployment.as_ref()?.id.clone());
    let accept = cluster.annotations().get(ACCEPT).map(String::as_str);
    write(Some(told.deployment.clone()), Some(&Standing::new(known.as_deref(), &told.id, accept)))
}

/// Ready as it is told: the connection works, whichever deployment is behind it, and new things are made there.
pub fn remark(verdict: Verdict, standing: Option<&Standing>) -> Verdict {
    if !verdict.is_ready() || standing.is_none_or(Standing::is_accepted) {
        return verdict;
    }
    let message = format!(
        "{}, but not those of the deployment before: nothing is taken away until the one that answers is accepted, see \
         the condition {CHANGED}",
        verdict.message
    );
    Verdict { message, ..verdict }
}

/// What is said of a deployment that another one was taken for.
pub fn said(cluster: &Id, standing: Option<&Standing>) -> Option<Said> {
    let standing = standing.filter(|standing| !standing.is_accepted())?;
    Some(Said {
        type_: CHANGED,
        status: ConditionStatus::True,
        reason: Reason::DeploymentChanged,
        message: standing.explain(cluster),
    })
}

/// What the status says of a deployment that took the place of another.
pub fn told_before(status: &ClusterStatus) -> Option<Standing> {
    let deployment = status.deployment.as_ref()?;
    let (accepted, found) = (deployment.id.as_deref()?, deployment.found.as_deref()?);
    Some(Standing::new(Some(accepted), found, None))
}

/// Makes a pass one over the deployment that answers. What is remembered of another says nothing there; but a plan that was
/// cut off on the other is not forgotten before a person says that this one is meant.
pub fn carry_over<K: Kind>(stored: &mut Stored<'_, K::Resource>, connected: &Connected) -> Result<(), Hold> {
    let Some(standing) = connected.server.standing() else { return Ok(()) };
    let (_, memory) = stored.remembered();
    stored.is_on(Some(Arc::clone(&standing.found)));
    let lost = K::is_unfinished(&memory) && !K::is_unfinished(&stored.remembered().1);
    if lost && !standing.is_accepted() {
        stored.is_on(None);
        return Err(Hold::new(Reason::DeploymentChanged, standing.explain(connected.cluster())));
    }
    Ok(())
}

/// An Event when another deployment answers than before, and when a person has accepted it.
pub async fn tell(context: &Context, cluster: &ArangoCluster, standing: Option<&Standing>) {
    let Some(standing) = standing else { return };
    let before = cluster.status.as_ref().and_then(|status| status.deployment.as_ref());
    let (id, found) =
        (before.and_then(|before| before.id.as_ref()), before.and_then(|before| before.found.as_ref()));
    if !standing.is_accepted() && found.map(String::as_str) != Some(&standing.found) {
        let note = standing.explain(&id_of(cluster));
        warn!(cluster = %id_of(cluster), "{note}");
        context.event(cluster, EventType::Warning, Reason::DeploymentChanged.as_str(), note).await;
    } else if let Some(id) = id
        && **id != *standing.accepted
    {
        let note = format!("the deployment {} is accepted in the place of {id}", standing.accepted);
        info!(cluster = %id_of(cluster), "{note}");
        context.event(cluster, EventType::Normal, "DeploymentAccepted", note).await;
    }
}
