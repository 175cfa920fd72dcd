//! Manifests without a cluster: read from files, checked as the API server and the operator would, and looked up in.
//!
//! A text is taken apart by [`yaml`] into trees that know where everything stands. What is of our group is checked by the
//! very definitions that are installed in a cluster, and typed; Secrets and Namespaces are taken as far as they are
//! needed, and what else there is, is counted. All that is wrong is said at once ([`Complaint`]).

mod check;
mod complaint;
mod declared;
#[cfg(test)]
mod laws;
mod live;
mod node;
mod read;
mod secrets;
mod select;
mod source;
#[cfg(test)]
mod tests;
mod whole;
mod yaml;

use std::collections::BTreeMap;

use crate::{
    core::{Access, Hold, Id, Reason, access::Loan, kube_arangodb::Deployment},
    kinds::{
        Kind, Lookup,
        cluster::{access::AccessRule, crd::ArangoCluster, reach::Keys},
    },
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
    /// What is known of `ArangoDeployment`s, from a cluster.
    deployments: BTreeMap<Id, Deployment>,
    remarks: Vec<String>,
    /// Whether they are from a cluster, where an operator looks after passwords.
    is_live: bool,
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

    /// The Secrets of a namespace, for a connection.
    pub fn keys<'m>(&'m self, namespace: &'m str) -> impl Keys + 'm {
        GivenSecrets { store: &self.secrets, namespace }
    }

    /// Takes the Secrets that were given beside the manifests. They count before those that are among them.
    ///
    /// # Errors
    ///
    /// Those that can't be read.
    pub fn give(&mut self, options: &Options) -> Result<(), Vec<Complaint>> {
        let mut complaints = Vec::new();
        for given in &options.secrets {
            let namespace = given.namespace.as_deref().unwrap_or(&options.namespace);
            match given.value() {
                Ok(value) => self.secrets.give(Id::new(namespace, &given.name), &given.key, value),
                Err(complaint) => complaints.push(complaint),
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }

    /// The labels of a namespace, if its manifest is among them.
    pub fn labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get(namespace)
    }

    /// How many resources were left out because they are not ours, by API version and kind.
    pub fn foreign(&self) -> &BTreeMap<(String, String), usize> {
        &self.foreign
    }

    /// What a resource of a namespace may do through an ArangoCluster: as the operator decides it, where the ArangoCluster
    /// is among the manifests; else whatever the connection may, which is the word of the person who names it.
    pub fn access(&self, namespace: &str, cluster: &Id) -> Access {
        if *cluster.namespace == *namespace {
            return Access::All;
        }
        let Some(declared) = self.cluster(cluster) else { return Access::All };
        let Some(labels) = self.labels(namespace) else {
            return Access::Nothing(Hold::new(
                Reason::AccessDenied,
                format!(
                    "the ArangoCluster {cluster} lends its connection by the labels of namespaces (spec.access), and the \
                     Namespace {namespace} is not among the manifests; add its manifest"
                ),
            ));
        };
        let rules = declared.resource.spec.access.iter().filter_map(AccessRule::compile);
        let rules = rules.filter(|rule| rule.selects(labels)).map(|rule| rule.rule).collect();
        Access::Lent(Loan { cluster: cluster.clone(), namespace: namespace.into(), rules })
    }

    /// The ArangoCluster of that name, if it is among the manifests.
    pub fn cluster(&self, id: &Id) -> Option<&Declared<ArangoCluster>> {
        let find =
            |one: &Declared<ArangoCluster>| (one.namespace(), one.name()).cmp(&(&*id.namespace, &*id.name));
        self.clusters.binary_search_by(find).ok().map(|index| &self.clusters[index])
    }

    fn sort(&mut self) {
        self.clusters.sort_by(|a, b| (a.namespace(), a.name()).cmp(&(b.namespace(), b.name())));
        crate::for_each_kind!(K => self.shelf.sort::<K>());
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
