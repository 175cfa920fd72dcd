//! An ArangoCluster that is being deleted: it still serves, so that what goes with it can be removed through it.

use std::{sync::Arc, time::Duration};

use tracing::debug;

use super::{
    connections::{ask, establish, key},
    deployments,
};
use crate::{
    kinds::cluster::crd::ArangoCluster,
    operator::{
        context::Context,
        installation::{Stand, hands::may_stand},
        maintenance::end_maintenance,
        store::{StoreError, Stored},
        watching::index::Ref,
    },
};

/// An ArangoCluster that is being deleted stays at least this long if others use it: `kubectl delete -f` and a
/// namespace's end delete the cluster first and its users a moment later.
const LINGER: Duration = Duration::from_secs(5);
/// An ArangoCluster that is being deleted stays at most this long; what can't be removed by then is left behind.
const LINGER_MAX: Duration = Duration::from_secs(60);
/// An ArangoCluster that is being deleted: lets go once nothing waits to be deleted through it. Tells whether it did.
pub(super) async fn leave(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
) -> Result<bool, StoreError> {
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
        if !matches!(may_stand(context, &resource.id, &connected, &told), Stand::Held(_)) {
            deployments::learn(context, &resource.id, cluster, &connected, &told);
        }
    }
    let switches = end_maintenance(context, resource, cluster, &mut stored).await?;
    let users = context.index.lock().needing(&key(&resource.id));
    let waits = users.iter().any(|user| context.find(user.kind, &user.id).is_some_and(|found| found.leaving));
    let gone = cluster.metadata.deletion_timestamp.as_ref().map_or(LINGER_MAX, |at| {
        let seconds = jiff::Timestamp::now().as_second() - at.0.as_second();
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    });
    let stays = gone < LINGER_MAX && (switches || waits || (!users.is_empty() && gone < LINGER));
    if stays {
        return Ok(false);
    }
    stored.release().await?;
    Ok(true)
}
