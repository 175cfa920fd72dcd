//! An ArangoCluster that changes hands: what is done, and what is said.

use std::time::Duration;

use kube::{Api, runtime::events::EventType};
use tracing::warn;

use crate::{
    arango,
    core::Hold,
    kinds::cluster::crd::{ArangoCluster, ClusterStatus, Deployment},
    operator::{
        clusters::{
            connections::{Connected, KIND, disconnect, key},
            deployments::{self, Told},
        },
        context::Context,
        installation::{Change, Stand},
        store::{StoreError, Stored},
        watching::index::{Id, Ref, id_of},
    },
};

/// How long an ArangoCluster is to be left alone; forever if it is another's. Nothing if it is ours. Says so once if
/// another installation selects it as well.
pub async fn left_alone(context: &Context, id: &Id, cluster: &ArangoCluster) -> Option<Option<Duration>> {
    let installation = &context.installation;
    if let Some((left, said, by)) = installation.yields(id) {
        if !said {
            let note = format!(
                "the installations {by} and {} of the operator both select this ArangoCluster: {by} took it last and \
                 looks after it; correct the label selectors (run --selector), so that one of them selects it",
                installation.name
            );
            context.event(cluster, EventType::Warning, "SelectedTwice", note).await;
        }
        return Some(Some(left));
    }
    if installation.is_elsewhere(id) {
        return Some(None);
    }
    installation.settles(id).map(Some)
}

/// Takes up the deployment that was asked, unless another installation has it: then why nothing is done there. Nothing if it has to
/// be claimed first: the watch wakes the ArangoCluster when it shows the claim.
pub async fn take_up(
    context: &Context,
    stored: &mut Stored<'_, ArangoCluster>,
    cluster: &ArangoCluster,
    connected: &Connected,
    told: &Result<Option<Told>, arango::Error>,
) -> Result<Option<Option<Hold>>, StoreError> {
    let id = id_of(cluster);
    match may_stand(context, &id, connected, told) {
        Stand::Go => {
            deployments::learn(context, &id, cluster, connected, told);
            Ok(Some(None))
        }
        Stand::Held(hold) => Ok(Some(Some(hold))),
        Stand::Claim => {
            connected.doubt();
            let told = told.as_ref().ok().and_then(Option::as_ref);
            claim(context, stored, told.and_then(|told| deployments::of(cluster, told))).await?;
            Ok(None)
        }
    }
}

/// Writes into the status who looks after which deployment. Nobody acts before the watch has shown it.
async fn claim(
    context: &Context,
    stored: &mut Stored<'_, ArangoCluster>,
    deployment: Option<Deployment>,
) -> Result<(), StoreError> {
    stored.is_final = true;
    let before = stored.resource.status.clone().unwrap_or_default();
    let installation = Some(context.installation.name.clone());
    stored.write_status(ClusterStatus { installation, deployment, ..before }).await?;
    if stored.resource.status.as_ref().is_none_or(|status| status.installation.is_none()) {
        warn!(
            cluster = %id_of(&stored.resource),
            "the resource definitions in Kubernetes are older than this program and have no status.installation: upgrade \
             them, nothing connects before"
        );
    }
    Ok(())
}

/// Whether the ArangoCluster of a resource is really missing, so that anybody may say so. Asked of the API server itself: it may
/// just have been made, and be another's.
pub async fn is_missing(context: &Context, cluster: &Id) -> Result<bool, kube::Error> {
    let api: Api<ArangoCluster> = context.api(&cluster.namespace);
    Ok(api.get_metadata_opt(&cluster.name).await?.is_none())
}

/// Whether the deployment that was asked may be acted on. Where another installation has it, nobody is connected to it any
/// more, and who waits for that is told.
pub fn may_stand(
    context: &Context,
    cluster: &Id,
    connected: &Connected,
    told: &Result<Option<Told>, arango::Error>,
) -> Stand {
    let Ok(Some(told)) = told else { return Stand::Go };
    let acts = connected.server.standing().is_some();
    let stand = context.installation.stand(cluster, &told.id, acts);
    if let Stand::Held(hold) = &stand {
        if acts {
            disconnect(context, cluster);
        }
        if connected.failed(Some(hold.clone())) {
            context.wake(&key(cluster));
        }
    }
    stand
}

impl Context {
    /// An ArangoCluster is gone.
    pub fn is_gone(&self, cluster: &Id) {
        self.installation.gone(cluster, |id| !self.index.lock().needing(&key(id)).is_empty());
    }

    /// What becomes of an ArangoCluster that is ours no longer, or is by now.
    pub fn changed_hands(&self, cluster: &ArangoCluster) {
        let id = id_of(cluster);
        match self.installation.learn(cluster) {
            Change::None => return,
            Change::Came => {}
            Change::Left => {
                disconnect(self, &id);
                self.disconnected(&id);
                // Each of them forgets what it knows.
                self.wake(&key(&id));
            }
        }
        self.wakes.wake([Ref { kind: KIND, id }]);
    }
}
