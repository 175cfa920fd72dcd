//! Manifests without a cluster: read from files, checked as the API server and the operator would, and looked up in.
//!
//! A text is taken apart by [`yaml`] into trees that know where everything stands. What is of our group is checked by the
//! very definitions that are installed in a cluster, and typed; Secrets and Namespaces are taken as far as they are
//! needed, and what else there is, is counted. All that is wrong is said at once ([`Complaint`]).

mod check;
mod complaint;
mod declared;
mod node;
mod read;
mod secrets;
mod source;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;

use crate::{
    core::Id,
    kinds::{Kind, Lookup, cluster::crd::ArangoCluster},
    reconcile::Secrets,
};

pub use self::{
    complaint::{Complaint, Location, nearest},
    declared::Declared,
    secrets::Given,
    source::Source,
};
use self::{
    declared::{Among, Objects, Shelf},
    secrets::{GivenSecrets, SecretStore},
};

/// How manifests are read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The namespace of resources that name none.
    pub namespace: String,
    /// Secrets beside those among the manifests.
    pub secrets: Vec<Given>,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespace: "default".to_owned(), secrets: Vec::new() }
    }
}

/// Everything that was read and found valid.
#[derive(Debug, Default)]
pub struct Manifests {
    shelf: Shelf,
    objects: Objects,
    clusters: Vec<Declared<ArangoCluster>>,
    secrets: SecretStore,
    /// The labels of the Namespaces among them.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// How many there are of kinds that are not ours, by API version and kind.
    foreign: BTreeMap<(String, String), usize>,
    remarks: Vec<String>,
}

impl Manifests {
    /// The resources of a kind, sorted by namespace and name.
    pub fn of<K: Kind>(&self) -> &[Declared<K::Resource>] {
        self.shelf.of::<K>()
    }

    /// The ArangoClusters, sorted by namespace and name.
    pub fn clusters(&self) -> &[Declared<ArangoCluster>] {
        &self.clusters
    }

    /// Finds other resources of a namespace.
    pub fn lookup<'m>(&'m self, namespace: &'m str) -> impl Lookup + 'm {
        Among { shelf: &self.shelf, objects: &self.objects, namespace }
    }

    /// The Secrets of a namespace: those among the manifests, and those that were given beside them. None is ever
    /// written.
    pub fn secrets<'m>(&'m self, namespace: &'m str) -> impl Secrets + 'm {
        GivenSecrets { store: &self.secrets, namespace }
    }

    /// The labels of a namespace, if its manifest is among them.
    pub fn labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get(namespace)
    }

    /// How many resources were left out because they are not ours, by API version and kind.
    pub fn foreign(&self) -> &BTreeMap<(String, String), usize> {
        &self.foreign
    }

    /// What a person should know of how they were read: files that were left out.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// How many resources of ours there are, the ArangoClusters apart.
    pub fn len(&self) -> usize {
        let mut count = 0;
        crate::for_each_kind!(K => count += self.of::<K>().len());
        count
    }

    /// Whether nothing of ours was there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.clusters.is_empty()
    }

    /// The ArangoClusters that the resources name, sorted, be they among the manifests or not.
    pub fn cluster_refs(&self) -> Vec<Id> {
        let mut ids = std::collections::BTreeSet::new();
        crate::for_each_kind!(K => ids.extend(self.of::<K>().iter().map(|one| K::place(&one.resource).cluster)));
        ids.into_iter().collect()
    }
}

/// Reads and checks manifests.
///
/// # Errors
///
/// All that is wrong with them.
pub fn read(sources: &[Source], options: &Options) -> Result<Manifests, Vec<Complaint>> {
    read::read(sources, options)
}
