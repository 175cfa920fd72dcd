//! ArangoClusters in namespaces where they don't count (`run --cluster-namespace`): nothing connects, and they say so.

use super::connections::{disconnect, key};
use crate::operator::{
    context::Context,
    store::{StoreError, Stored, now},
    watching::index::Ref,
};
use crate::{
    core::{Hold, Reason, Verdict, condition::conditions},
    kinds::cluster::crd::{ArangoCluster, ClusterStatus},
};

/// Whether `ArangoCluster`s of a namespace count.
pub fn counts(context: &Context, namespace: &str) -> bool {
    let ours = &context.cluster_namespaces;
    ours.is_empty() || ours.iter().any(|ours| ours == namespace)
}

/// Says that this one doesn't. It may have counted before: its connection ends, and nothing holds it any more.
pub async fn refuse(context: &Context, resource: &Ref, cluster: &ArangoCluster) -> Result<(), StoreError> {
    disconnect(context, &resource.id);
    let mut stored = Stored::new(context, cluster.clone());
    stored.release().await?;
    if context.tried(&resource.id) {
        // Whoever waited for a look has something to say now.
        context.wake(&key(&resource.id));
    }
    if cluster.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let hold = Hold::new(
        Reason::AccessDenied,
        format!(
            "nothing connects: ArangoClusters count in the namespaces {} alone (run --cluster-namespace), and this one \
             is in {}; declare it there",
            context.cluster_namespaces.join(", "),
            resource.id.namespace
        ),
    );
    let generation = cluster.metadata.generation.unwrap_or_default();
    let before = cluster.status.clone().unwrap_or_default();
    let now = now();
    let conditions = conditions(&before.conditions, Verdict::from(hold).said(), generation, &now);
    stored.write_status(ClusterStatus { observed_generation: generation, conditions, ..before }).await
}
