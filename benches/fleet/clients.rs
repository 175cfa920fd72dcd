//! Clients of the API server that work side by side, and the objects of a fleet.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::ApiResource,
};
use serde_json::{Value, json};

use arango_operator::kinds::{cluster::crd::ArangoCluster, schema::GROUP};

/// The version of all kinds.
const VERSION: &str = "v1alpha1";

/// Where the fleet is.
pub(crate) const NAMESPACE: &str = "fleet";

/// The kinds of a triple, in the order in which they are created, with their plurals.
pub(crate) const KINDS: [(&str, &str); 3] = [
    ("ArangoDatabase", "arangodatabases"),
    ("ArangoUser", "arangousers"),
    ("ArangoPermission", "arangopermissions"),
];

/// One object of the fleet.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Index into [`KINDS`].
    pub(crate) kind: usize,
    pub(crate) name: String,
    pub(crate) spec: Value,
}

/// All objects: a triple after the other. Everything is removed with its resource, so each has a finalizer: the dearer case.
pub(crate) fn fleet(prefix: &str, triples: usize, clusters: usize) -> Vec<Item> {
    let triple = |n: usize| {
        let name = format!("{prefix}-{n}");
        let cluster = json!({"name": cluster_name(n % clusters)});
        let specs = [
            json!({"clusterRef": cluster, "deletionPolicy": "Delete"}),
            json!({"clusterRef": cluster, "password": {"secretRef": {"name": "passwords", "key": "all"}}}),
            json!({"clusterRef": cluster, "userRef": {"name": name}, "databaseRef": {"name": name}, "access": "rw"}),
        ];
        specs.into_iter().enumerate().map(move |(kind, spec)| Item { kind, name: name.clone(), spec })
    };
    (0..triples).flat_map(triple).collect()
}

/// The name of an `ArangoCluster`.
pub(crate) fn cluster_name(n: usize) -> String {
    format!("prod-{n}")
}

/// The kind as kube wants to know it.
pub(crate) fn resource(kind: usize) -> ApiResource {
    let (kind, plural) = KINDS[kind];
    ApiResource {
        group: GROUP.into(),
        version: VERSION.into(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.into(),
        plural: plural.into(),
    }
}

/// So many clients, each with connections of its own.
pub(crate) struct Clients {
    clients: Vec<Client>,
}

impl Clients {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        Self { clients }
    }

    fn api(&self, client: usize, kind: usize) -> Api<DynamicObject> {
        Api::namespaced_with(self.clients[client].clone(), NAMESPACE, &resource(kind))
    }

    /// Does something with each item, as many at once as there are clients.
    async fn each<F: Future<Output = Result<()>>>(
        &self,
        items: &[Item],
        act: impl Fn(Api<DynamicObject>, Item) -> F,
    ) -> Result<()> {
        let act = &act;
        // A client of its own for each lane, so that none waits for another's connection.
        stream::iter(0..self.clients.len())
            .map(|lane| async move {
                for item in items.iter().skip(lane).step_by(self.clients.len()) {
                    act(self.api(lane, item.kind), item.clone()).await.context(item.name.clone())?;
                }
                Ok::<_, anyhow::Error>(())
            })
            .buffer_unordered(self.clients.len())
            .try_collect()
            .await
    }

    /// Creates them.
    pub(crate) async fn create(&self, items: &[Item]) -> Result<()> {
        self.each(items, async |api, item| create(&api, &item).await).await
    }

    /// Creates them and writes what an operator can't avoid: a patch of the metadata, a patch of the status.
    pub(crate) async fn create_and_settle(&self, items: &[Item], status: &Value) -> Result<()> {
        self.each(items, async |api, item| {
            create(&api, &item).await?;
            let claim = json!({"metadata": {"finalizers": [format!("{GROUP}/finalizer")]}});
            api.patch_metadata(&item.name, &PatchParams::default(), &Patch::Merge(&claim)).await?;
            let status = json!({"status": status});
            api.patch_status(&item.name, &PatchParams::default(), &Patch::Merge(&status)).await?;
            Ok(())
        })
        .await
    }

    /// Changes one field of each.
    pub(crate) async fn change(&self, items: &[Item]) -> Result<()> {
        self.each(items, async |api, item| {
            let spec = [
                // Nothing to do on the server: it is our business to see that.
                json!({"drift": {"policy": "Correct"}}),
                json!({"active": false}),
                json!({"access": "ro"}),
            ];
            let change = json!({"spec": spec[item.kind]});
            api.patch(&item.name, &PatchParams::default(), &Patch::Merge(&change)).await?;
            Ok(())
        })
        .await
    }

    /// Sets how often everything is compared.
    pub(crate) async fn compare_every(&self, interval: &str, clusters: usize) -> Result<()> {
        let api = Api::<ArangoCluster>::namespaced(self.clients[0].clone(), NAMESPACE);
        let change = Patch::Merge(json!({"spec": {"drift": {"interval": interval}}}));
        for n in 0..clusters {
            api.patch(&cluster_name(n), &PatchParams::default(), &change).await?;
        }
        Ok(())
    }

    /// Deletes them.
    pub(crate) async fn delete(&self, items: &[Item]) -> Result<()> {
        self.each(items, async |api, item| {
            api.delete(&item.name, &DeleteParams::default()).await?;
            Ok(())
        })
        .await
    }
}

pub(crate) async fn create(api: &Api<DynamicObject>, item: &Item) -> Result<()> {
    let object = DynamicObject::new(&item.name, &resource(item.kind)).data(json!({"spec": item.spec}));
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}
