//! Where a plan is made or carried out: one deployment, the manifests that are about it, and what is remembered.

use std::time::Instant;

use kube::ResourceExt;

use super::Record;
use crate::{
    core::{Access, DriftPolicy, Hold, Id},
    kinds::{Declaration, Kind, Viewpoint},
    manifests::Manifests,
    operator::asks::Asks,
    reconcile::{Look, Server},
};

/// One deployment, and what is to be done there.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The deployment.
    pub server: &'a Server,
    /// All manifests.
    pub manifests: &'a Manifests,
    /// The ArangoClusters that lead there: what the resources of other ones declare is somewhere else.
    pub clusters: &'a [Id],
    /// What is remembered of it.
    pub record: &'a Record,
    /// For whom the plan is made.
    pub viewpoint: Viewpoint,
    /// Whether it is told of each object what it was and what it becomes.
    pub shows: bool,
    /// Whether what the set declares no longer is taken away.
    pub prunes: bool,
    /// The other set whose objects are taken over.
    pub take_over: Option<&'a str>,
    /// What was read before that is not believed.
    pub since: Instant,
}

impl Scene<'_> {
    pub(super) fn look(&self) -> Look {
        Look { since: self.since, removing: false }
    }

    /// Whether a resource declares something on this deployment.
    pub(super) fn is_here<K: Kind>(&self, resource: &K::Resource) -> bool {
        self.clusters.contains(&K::place(resource).cluster)
    }

    /// What a resource may do through its ArangoCluster, where that is among the manifests.
    pub(super) fn access(&self, namespace: &str, cluster: &Id) -> Access {
        self.manifests.access(namespace, cluster)
    }

    /// What is done about differences: what the resource says, else what its ArangoCluster does.
    pub(super) fn policy<K: Kind>(&self, resource: &K::Resource) -> DriftPolicy {
        let cluster = K::place(resource).cluster;
        let of_cluster = || {
            let declared = self.manifests.cluster(&cluster)?;
            Some(declared.resource.spec.drift.policy)
        };
        resource.drift_policy().or_else(of_cluster).unwrap_or_default()
    }

    /// Why a person wants it left alone, if so.
    pub(super) fn pause<K: Kind>(&self, resource: &K::Resource) -> Result<(), Hold> {
        Asks::of(resource.annotations())?.pause()?;
        let cluster = K::place(resource).cluster;
        match self.manifests.cluster(&cluster) {
            Some(declared) => Asks::of(declared.resource.annotations())?.pause(),
            None => Ok(()),
        }
    }
}
