//! Where a plan is made or carried out: one deployment, the manifests that are about it, and what is remembered.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kube::ResourceExt;

use super::Record;
use crate::{
    core::{Access, DriftPolicy, Hold, Id, access::Loan},
    kinds::{Declaration, Kind, Viewpoint, cluster::access::AccessRule},
    manifests::Manifests,
    operator::asks::Asks,
    reconcile::{Look, Server},
};

/// The label that every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

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
        let declared = self.manifests.clusters().iter().find(|declared| declared.id() == *cluster);
        let Some(declared) = declared.filter(|_| *cluster.namespace != *namespace) else {
            return Access::All;
        };
        let named = BTreeMap::from([(NAME_LABEL.to_owned(), namespace.to_owned())]);
        let mut labels = self.manifests.labels(namespace).cloned().unwrap_or_default();
        labels.extend(named);
        let rules = declared.resource.spec.access.iter().filter_map(AccessRule::compile);
        let rules = rules.filter(|rule| rule.selects(&labels)).map(|rule| Arc::clone(&rule.rule)).collect();
        Access::Lent(Loan { cluster: cluster.clone(), namespace: namespace.into(), rules })
    }

    /// What is done about differences: what the resource says, else what its ArangoCluster does.
    pub(super) fn policy<K: Kind>(&self, resource: &K::Resource) -> DriftPolicy {
        let cluster = K::place(resource).cluster;
        let of_cluster = || {
            let declared = self.manifests.clusters().iter().find(|declared| declared.id() == cluster)?;
            Some(declared.resource.spec.drift.policy)
        };
        resource.drift_policy().or_else(of_cluster).unwrap_or_default()
    }

    /// Why a person wants it left alone, if so.
    pub(super) fn pause<K: Kind>(&self, resource: &K::Resource) -> Result<(), Hold> {
        Asks::of(resource.annotations())?.pause()?;
        let cluster = K::place(resource).cluster;
        match self.manifests.clusters().iter().find(|declared| declared.id() == cluster) {
            Some(declared) => Asks::of(declared.resource.annotations())?.pause(),
            None => Ok(()),
        }
    }
}
