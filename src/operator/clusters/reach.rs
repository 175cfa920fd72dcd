//! How an ArangoCluster's deployment is reached ([`Reach`]), with what the watches know.

use secrecy::{SecretSlice, SecretString};

pub use crate::kinds::cluster::reach::{Login, Reach, refuse_empty};
use crate::{
    core::Hold,
    kinds::cluster::{crd::ArangoClusterSpec, reach::Keys},
    operator::{
        context::Context,
        kube_arangodb,
        secrets::NamespaceSecrets,
        watching::index::{Id, Key},
    },
    reconcile::Secrets as _,
};

/// What the spec says, and the deployment that it names.
///
/// # Errors
///
/// What is missing, or can't be.
pub async fn reach(context: &Context, cluster: &Id, spec: &ArangoClusterSpec) -> Result<Reach, Hold> {
    let Some(reference) = &spec.deployment_ref else { return Reach::of_spec(spec) };
    let deployment = context.arango_deployments.find(&Id::new(&cluster.namespace, &reference.name)).await?;
    Reach::of_deployment(spec, &reference.name, deployment)
}

/// What everybody who looks after that ArangoCluster is woken by: its Secrets, and the deployment that it names.
pub fn needs(cluster: &Id, spec: &ArangoClusterSpec, reach: Option<&Reach>) -> Vec<Key> {
    let secret = |name: &str| Key::Secret(Id::new(&cluster.namespace, name));
    let deployment = spec.deployment_ref.as_ref();
    let deployment =
        deployment.map(|reference| kube_arangodb::key(&Id::new(&cluster.namespace, &reference.name)));
    let secrets = reach.into_iter().flat_map(Reach::secrets).map(secret);
    secrets.chain(deployment).collect()
}

impl Keys for NamespaceSecrets<'_> {
    async fn text(&self, name: &str, key: &str) -> Result<SecretString, Hold> {
        Ok(self.read(name, key).await?.0)
    }

    async fn bytes(&self, name: &str, key: &str) -> Result<SecretSlice<u8>, Hold> {
        self.read_bytes(name, key).await
    }

    async fn all(&self, name: &str) -> Result<Vec<u8>, Hold> {
        self.read_all(name).await
    }
}
