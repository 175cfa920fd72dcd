//! What is done about differences: the policies of resources and of the ArangoClusters that they are on.

use std::collections::HashMap;

use parking_lot::RwLock;

use super::{context::Context, watching::index::Id};
use crate::{core::DriftPolicy, kinds::Declaration};

/// The policies of the ArangoClusters, as their cache has them: known also while nobody is connected.
#[derive(Debug, Default)]
pub struct Policies(RwLock<HashMap<Id, DriftPolicy>>);

impl Policies {
    /// An ArangoCluster says so.
    pub fn set(&self, cluster: &Id, policy: DriftPolicy) {
        self.0.write().insert(cluster.clone(), policy);
    }

    /// An ArangoCluster is gone.
    pub fn remove(&self, cluster: &Id) {
        self.0.write().remove(cluster);
    }
}

/// What is done about a difference of that resource: what it says itself, else what its ArangoCluster says.
pub fn policy(context: &Context, resource: &impl Declaration, cluster: &Id) -> DriftPolicy {
    resource.drift_policy().or_else(|| context.policies.0.read().get(cluster).copied()).unwrap_or_default()
}
