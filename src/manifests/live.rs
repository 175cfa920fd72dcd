//! What a cluster has: our resources, and what they name.
//!
//! Resources are listed; ArangoClusters, Secrets, Namespaces and `ArangoDeployment`s are read one by one, those alone that
//! something names. What is among the manifests already is not asked for: a file counts before what is live.

use std::{collections::BTreeSet, fmt::Debug};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    ByteString, NamespaceResourceScope,
    api::core::v1::{Namespace, Secret},
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use serde::de::DeserializeOwned;

use super::{Manifests, complaint::Location, declared::Declared, secrets, whole};
use crate::{
    core::{Hold, Id, kube_arangodb::Deployment},
    kinds::{
        Kind, Need,
        cluster::{crd::ArangoCluster, reach::Reach},
    },
    operator::kube_arangodb::ArangoDeployment,
};

/// Objects a page.
const PAGE: u32 = 500;
/// Questions at the same time.
const AT_ONCE: usize = 8;

impl Manifests {
    /// All resources of ours in a namespace, or in all of them.
    ///
    /// # Errors
    ///
    /// The API server can't be asked, or doesn't let us.
    pub async fn list(client: &Client, namespace: Option<&str>) -> anyhow::Result<Self> {
        let mut manifests = Self::live();
        crate::for_each_kind!(K => {
            for resource in all::<<K as Kind>::Resource>(client, namespace).await? {
                manifests.shelf.push::<K>(declared(resource));
            }
        });
        manifests.sort();
        // Two that declare one object are settled by the operator: one of them holds it.
        whole::check(&mut manifests, &mut |_, _| {});
        Ok(manifests)
    }

    /// Nothing yet of a cluster.
    pub fn live() -> Self {
        Self { is_live: true, ..Self::default() }
    }

    /// Adds the ArangoClusters of a namespace, or of all of them; of the one that is meant by `[NAMESPACE/]NAME`, as far as
    /// that says which one it is, no other.
    ///
    /// # Errors
    ///
    /// The API server can't be asked, or doesn't let us.
    pub async fn add_clusters(
        &mut self,
        client: &Client,
        namespace: Option<&str>,
        wanted: Option<&str>,
    ) -> anyhow::Result<()> {
        let exactly = wanted.and_then(|wanted| match wanted.split_once('/') {
            Some((namespace, name)) => Some(Id::new(namespace, name)),
            None => Some(Id::new(namespace?, wanted)),
        });
        let found = match exactly {
            Some(id) => each::<ArangoCluster>(client, vec![id]).await?,
            None => all::<ArangoCluster>(client, namespace).await?,
        };
        self.clusters.extend(found.into_iter().map(declared));
        self.sort();
        Ok(())
    }

    /// Adds from a cluster what the resources name and is not there yet: ArangoClusters, Secrets, the labels of
    /// namespaces. What there is not is left out.
    ///
    /// # Errors
    ///
    /// The API server can't be asked, or doesn't let us.
    pub async fn complete(&mut self, client: &Client) -> anyhow::Result<()> {
        let mut clusters = self.cluster_refs();
        clusters.extend(self.clusters.iter().map(Declared::id));
        self.complete_connections(client, &clusters).await?;
        let (mut names, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
        crate::for_each_kind!(K => {
            for one in self.of::<K>() {
                let desired = K::desired(&one.resource, &self.lookup(one.namespace())).ok();
                let needs = K::needs(&one.resource, desired.as_ref());
                names.extend(needs.into_iter().filter_map(|need| match need {
                    Need::Secret(name) => Some(Id::new(one.namespace(), &name)),
                    _ => None,
                }));
                if *K::place(&one.resource).cluster.namespace != *one.namespace() {
                    namespaces.insert(one.namespace().to_owned());
                }
            }
        });
        self.take_secrets(client, names).await?;
        for name in namespaces.into_iter().filter(|name| self.labels(name).is_none()).collect::<Vec<_>>() {
            let namespace = Api::<Namespace>::all(client.clone()).get_opt(&name).await;
            if let Some(namespace) = namespace.with_context(|| format!("can't read the Namespace {name}"))? {
                self.namespaces.insert(name, namespace.metadata.labels.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Adds from a cluster how the deployments of these ArangoClusters are reached, as far as it is not there yet: they
    /// themselves, the `ArangoDeployment`s and the Secrets that they name.
    ///
    /// # Errors
    ///
    /// The API server can't be asked, or doesn't let us.
    pub async fn complete_connections(&mut self, client: &Client, ids: &[Id]) -> anyhow::Result<()> {
        let missing = ids.iter().filter(|id| self.cluster(id).is_none()).cloned().collect();
        self.clusters.extend(each::<ArangoCluster>(client, missing).await?.into_iter().map(declared));
        self.sort();
        self.deployments(client, ids).await?;
        let mut names = BTreeSet::new();
        for cluster in ids.iter().filter_map(|id| self.cluster(id)) {
            if let Ok(reach) = self.reach(cluster) {
                names.extend(reach.secrets().map(|name| Id::new(cluster.namespace(), name)));
            }
        }
        self.take_secrets(client, names).await
    }

    /// Reads the Secrets that are not there yet.
    async fn take_secrets(&mut self, client: &Client, mut names: BTreeSet<Id>) -> anyhow::Result<()> {
        names.retain(|id| !self.secrets.is_there(id));
        for secret in each::<Secret>(client, names.into_iter().collect()).await? {
            let id = Id::new(&secret.namespace().unwrap_or_default(), &secret.name_any());
            let data = secret.data.unwrap_or_default();
            let data = data.into_iter().map(|(key, ByteString(value))| (key, value.into())).collect();
            self.secrets.put(id, secrets::Secret { type_: secret.type_, data });
        }
        Ok(())
    }

    /// How that ArangoCluster's deployment is reached.
    ///
    /// # Errors
    ///
    /// What is missing, or can't be, in a sentence.
    pub fn reach(&self, cluster: &Declared<ArangoCluster>) -> Result<Reach, Hold> {
        let spec = &cluster.resource.spec;
        let Some(reference) = &spec.deployment_ref else { return Reach::of_spec(spec) };
        let id = Id::new(cluster.namespace(), &reference.name);
        match self.deployments.get(&id) {
            Some(deployment) => Reach::of_deployment(spec, &reference.name, deployment.clone()),
            None => Err(Hold::invalid(format!(
                "the ArangoDeployment {id} that it names (spec.deploymentRef) is known to its cluster alone; name that \
                 with --kubeconfig or --context, or say how the deployment is reached with --endpoint"
            ))),
        }
    }

    /// The `ArangoDeployment`s that these ArangoClusters name.
    async fn deployments(&mut self, client: &Client, ids: &[Id]) -> anyhow::Result<()> {
        let named = ids.iter().filter_map(|id| self.cluster(id)).filter_map(|cluster| {
            let reference = cluster.resource.spec.deployment_ref.as_ref()?;
            Some(Id::new(cluster.namespace(), &reference.name))
        });
        let named = named.collect::<BTreeSet<_>>().into_iter().collect();
        for object in each::<ArangoDeployment>(client, named).await? {
            let id = Id::new(&object.namespace().unwrap_or_default(), &object.name_any());
            let deployment =
                Deployment::read(&id, &serde_json::to_value(&object)?).map_err(anyhow::Error::msg)?;
            self.deployments.insert(id, deployment);
        }
        Ok(())
    }
}

/// A resource of a cluster is where its name says.
fn declared<R: Resource<DynamicType = ()>>(mut resource: R) -> Declared<R> {
    // Who wrote which field is more than all the rest.
    resource.meta_mut().managed_fields = None;
    let (kind, meta) = (R::kind(&()), resource.meta());
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let source = format!("{kind} {}/{}", part(&meta.namespace), part(&meta.name)).into();
    Declared { resource, at: Location { source, line: 0, column: 0 } }
}

async fn all<R>(client: &Client, namespace: Option<&str>) -> anyhow::Result<Vec<R>>
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<R> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let mut found = Vec::new();
    let mut pages = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&pages).await.with_context(|| format!("can't list {}", R::plural(&())))?;
        let next = page.metadata.continue_.filter(|next| !next.is_empty());
        found.extend(page.items);
        match next {
            Some(next) => pages.continue_token = Some(next),
            None => return Ok(found),
        }
    }
}

async fn each<R>(client: &Client, ids: Vec<Id>) -> anyhow::Result<Vec<R>>
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let get = |id: Id| async move {
        let api: Api<R> = Api::namespaced(client.clone(), &id.namespace);
        api.get_opt(&id.name).await.with_context(|| format!("can't read {} {id}", R::kind(&())))
    };
    let found: Vec<_> = stream::iter(ids).map(get).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
