//! The tenant of `examples/argocd`, on servers of a test.

use serde_json::{Value, json};

use super::{
    application::Application,
    argo::{Argo, CLUSTER},
    repository::{Repository, root},
    support::{ROOT_PASSWORD, Server, World, secret},
};

/// The files of the example, in the order of their names.
pub(crate) const FILES: [&str; 4] =
    ["10-connection.yaml", "20-database.yaml", "30-users.yaml", "40-application.yaml"];

/// What every resource of the example is called in an Application's status.
pub(crate) const RESOURCES: [&str; 7] = [
    "ArangoCluster/prod",
    "ArangoDatabase/shop",
    "ArangoDatabase/shop-preview",
    "ArangoPermission/checkout-shop",
    "ArangoPermission/checkout-shop-preview",
    "ArangoUser/checkout",
    "ConfigMap/checkout",
];

/// The example, out of a repository, in the namespace of a test.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) server: Server,
    pub(crate) repository: Repository,
    pub(crate) application: Application,
}

impl Shop {
    /// All of it as the example says, synced and healthy. `more` is merged into the Application.
    pub(crate) async fn healthy(argo: &'static Argo, more: Value) -> Self {
        let shop = Self::without_login(argo, more).await;
        shop.let_in().await;
        shop.application.is("Synced", "Healthy").await;
        shop
    }

    /// The same before somebody made the Secret that the connection needs.
    pub(crate) async fn without_login(argo: &'static Argo, more: Value) -> Self {
        let (world, server) = tokio::join!(World::new(), Server::start());
        let repository = Repository::new(argo, &world.namespace).await;
        for file in FILES {
            repository
                .write(file, &std::fs::read_to_string(root("examples/argocd/shop").join(file)).unwrap());
        }
        for (old, new) in (8529..).zip(server.stand_in.endpoints()) {
            repository.replace(FILES[0], &format!("http://127.0.0.1:{old}"), &new);
        }
        // As often as a test can wait for.
        let spec = "  auth:\n";
        repository.replace(FILES[0], spec, &format!("  drift:\n    interval: 1s\n{spec}"));
        repository.commit("the first").await;

        let application = std::fs::read_to_string(root("examples/argocd/application.yaml")).unwrap();
        let mut application: Value = serde_saphyr::from_str(&application).unwrap();
        application["metadata"]["name"] = json!(world.namespace);
        let spec = &mut application["spec"];
        spec["source"] = json!({"repoURL": repository.url(), "targetRevision": "main", "path": "."});
        spec["destination"] = json!({"name": CLUSTER, "namespace": world.namespace});
        let application = Application::create_as(argo, application, more).await;
        Self { world, server, repository, application }
    }

    /// Makes the Secret that isn't in the repository.
    pub(crate) async fn let_in(&self) {
        self.world.apply(&secret("prod-root", &[("username", "root"), ("password", ROOT_PASSWORD)])).await;
    }
}
