//! What the demo does to Kubernetes and reads from it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::{
    api::core::v1::Secret, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::{DynamicObject, GroupVersionKind},
    discovery::{Scope, oneshot::pinned_kind},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::{
    cli::screen::Screen,
    core::condition::{Condition, ConditionStatus, READY},
    kinds::{
        Declaration, Kind, Lookup, Place,
        cluster::crd::ArangoCluster,
        database::{Database, crd::ArangoDatabase},
        permission::{Permission, crd::ArangoPermission},
        schema,
        user::{
            User,
            crd::{ArangoUser, SecretKeyRef},
        },
    },
};

/// Who wrote, as server-side apply asks.
const MANAGER: &str = "arango-operator-demo";
/// How long the API server may take to serve all definitions.
const ESTABLISHED: Duration = Duration::from_secs(30);
/// How long one object may take to be applied: a definition is served a moment after it is established.
const APPLY: Duration = Duration::from_secs(20);
/// How long all objects together may take to be Ready.
const ALL_READY: Duration = Duration::from_secs(60);
/// How often it is looked.
const POLL: Duration = Duration::from_millis(100);

/// Installs the definitions of all kinds and waits until they are served. Returns how many.
pub(super) async fn install_crds(client: &Client) -> Result<usize> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let crds = schema::crds()?;
    let parameters = PatchParams::apply(MANAGER).force();
    for crd in &crds {
        let name = crd.name_any();
        api.patch(&name, &parameters, &Patch::Apply(crd))
            .await
            .with_context(|| format!("the API server refused the definition {name}"))?;
    }
    let established = async {
        for crd in &crds {
            await_condition(api.clone(), &crd.name_any(), is_crd_established()).await?;
        }
        // Established is not yet served: the API server still fills its caches, and watches are refused meanwhile.
        while Resources::read_with(client, &ListParams::default().match_any()).await.is_err() {
            sleep(POLL).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    timeout(ESTABLISHED, established).await.map_err(|_| {
        anyhow!("the API server does not serve the definitions after {} s; try again", ESTABLISHED.as_secs())
    })??;
    Ok(crds.len())
}

/// Applies the objects one after the other, as `kubectl apply --server-side` would.
pub(super) async fn apply(client: &Client, objects: &[DynamicObject], screen: &Screen) -> Result<()> {
    for object in objects {
        let what = describe(object);
        screen.draw(format_args!("applying {what}"));
        let begin = Instant::now();
        while let Err(error) = apply_one(client, object).await {
            let may_pass = !matches!(&error, kube::Error::Api(status) if (400..404).contains(&status.code)
                || status.code == 422);
            if !may_pass || begin.elapsed() > APPLY {
                return Err(error).with_context(|| format!("{what} can't be applied"));
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

async fn apply_one(client: &Client, object: &DynamicObject) -> Result<(), kube::Error> {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    let kind = GroupVersionKind::gvk(group, version, &types.kind);
    let (resource, capabilities) = pinned_kind(client, &kind).await?;
    let api = match (&capabilities.scope, object.namespace()) {
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), &namespace, &resource),
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (Scope::Cluster, _) => Api::<DynamicObject>::all_with(client.clone(), &resource),
    };
    let (name, parameters) = (object.name_any(), PatchParams::apply(MANAGER).force());
    api.patch(&name, &parameters, &Patch::Apply(object)).await.map(drop)
}

fn describe(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |types| types.kind.as_str());
    format!("{kind} {}", object.name_any())
}

/// Waits until every resource is Ready. Whoever isn't in time is named with its message.
pub(super) async fn wait_until_ready(client: &Client, screen: &Screen) -> Result<Resources> {
    let begin = Instant::now();
    loop {
        let resources = Resources::read(client).await?;
        let rows = resources.rows();
        let waiting: Vec<_> = rows.iter().filter(|row| row.ready != ConditionStatus::True).collect();
        if waiting.is_empty() {
            return Ok(resources);
        }
        if begin.elapsed() > ALL_READY {
            let list = waiting.iter().map(|row| row.complaint()).collect::<Vec<_>>().join("\n  ");
            bail!(
                "{} of {} resources are not Ready after {} s; run again with --log info to see why:\n  {list}",
                waiting.len(),
                rows.len(),
                ALL_READY.as_secs()
            );
        }
        screen.draw(format_args!(
            "waiting for the resources: {} of {} are Ready",
            rows.len() - waiting.len(),
            rows.len()
        ));
        sleep(POLL).await;
    }
}

/// All resources of all kinds, as Kubernetes has them.
pub(super) struct Resources {
    pub(super) clusters: Vec<ArangoCluster>,
    pub(super) databases: Vec<ArangoDatabase>,
    pub(super) users: Vec<ArangoUser>,
    pub(super) permissions: Vec<ArangoPermission>,
}

/// What is said of one resource.
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) ready: ConditionStatus,
    pub(super) message: String,
    /// The name on the server.
    pub(super) object: String,
}

impl Resources {
    pub(super) async fn read(client: &Client) -> Result<Self> {
        Self::read_with(client, &ListParams::default()).await
    }

    async fn read_with(client: &Client, parameters: &ListParams) -> Result<Self> {
        Ok(Self {
            clusters: list(client, parameters).await?,
            databases: list(client, parameters).await?,
            users: list(client, parameters).await?,
            permissions: list(client, parameters).await?,
        })
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let clusters = self.clusters.iter().map(|cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let deployment = status.deployment.map_or_else(String::new, |deployment| {
                let coordinators = status.coordinators.iter().filter(|one| one.reachable).count();
                let version = deployment.version.unwrap_or_default();
                format!("ArangoDB {version}, {coordinators} coordinators")
            });
            row(cluster, status.observed_generation, &status.conditions, deployment)
        });
        clusters
            .chain(self.databases.iter().map(declared))
            .chain(self.users.iter().map(declared))
            .chain(self.permissions.iter().map(declared))
            .collect()
    }
}

impl Lookup for Resources {
    fn find(&self, kind: &str, name: &str) -> Option<Place> {
        match kind {
            Database::NAME => self.databases.iter().find(|one| one.name_any() == name).map(Database::place),
            User::NAME => self.users.iter().find(|one| one.name_any() == name).map(User::place),
            Permission::NAME => {
                self.permissions.iter().find(|one| one.name_any() == name).map(Permission::place)
            }
            _ => None,
        }
    }
}

impl Row {
    fn complaint(&self) -> String {
        format!("{} {}: {}", self.kind, self.name, self.message)
    }
}

async fn list<R>(client: &Client, parameters: &ListParams) -> Result<Vec<R>>
where
    R: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let list = Api::<R>::all(client.clone()).list(parameters).await;
    Ok(list.with_context(|| format!("the {} could not be listed", R::plural(&())))?.items)
}

fn declared<D: Declaration>(resource: &D) -> Row {
    let status = resource.status().cloned().unwrap_or_default();
    row(resource, status.observed_generation, &status.conditions, status.name.unwrap_or_default())
}

/// Ready counts only if it is about the spec of today.
fn row<R: Resource<DynamicType = ()>>(
    resource: &R,
    observed: i64,
    conditions: &[Condition],
    object: String,
) -> Row {
    let ready = conditions.iter().find(|condition| condition.type_ == READY);
    let is_current = resource.meta().generation == Some(observed);
    Row {
        kind: R::kind(&()).into_owned(),
        name: resource.name_any(),
        ready: ready.filter(|_| is_current).map_or(ConditionStatus::Unknown, |ready| ready.status),
        message: ready.map_or_else(|| "no condition yet".to_owned(), |ready| ready.message.clone()),
        object,
    }
}

/// One key of a Secret.
pub(super) async fn secret(client: &Client, namespace: &str, key: &SecretKeyRef) -> Result<SecretString> {
    let SecretKeyRef { name, key } = key;
    let secret = Api::<Secret>::namespaced(client.clone(), namespace)
        .get(name)
        .await
        .with_context(|| format!("the Secret {name} could not be read"))?;
    let value = secret.data.and_then(|mut data| data.remove(key));
    let value = value.with_context(|| format!("the Secret {name} has no key {key}"))?;
    Ok(String::from_utf8(value.0).with_context(|| format!("{key} of the Secret {name} is no text"))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_an_older_spec_is_not_ready() {
        let mut database = ArangoDatabase::new(
            "shop",
            serde_json::from_value(serde_json::json!({"clusterRef": {"name": "prod"}})).unwrap(),
        );
        database.metadata.generation = Some(2);
        let condition = Condition {
            type_: READY.to_owned(),
            status: ConditionStatus::True,
            reason: "Ready".to_owned(),
            message: "there".to_owned(),
            last_transition_time: String::new(),
            observed_generation: 1,
        };
        let conditions = [condition];
        assert_eq!(row(&database, 1, &conditions, String::new()).ready, ConditionStatus::Unknown);
        assert_eq!(row(&database, 2, &conditions, String::new()).ready, ConditionStatus::True);
    }
}
