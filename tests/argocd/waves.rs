//! Waves: what comes later waits until what comes before is really there.

use serde_json::json;

use super::{
    application::resources,
    argo::argo,
    shop::{RESOURCES, Shop},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_syncs_in_waves_and_each_waits_until_the_one_before_is_healthy() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::without_login(argo, json!({})).await;

    shop.application.health("ArangoCluster/prod", "Progressing", "prod-root").await;
    // Right after a wave was applied the message may name what comes later; what is waited for, from the next look on.
    shop.application
        .until("the sync waits for the connection", |status| {
            let operation = &status["operationState"];
            let waits = operation["phase"] == "Running";
            let message = operation["message"].as_str().filter(|_| waits)?;
            message.contains("ArangoCluster/prod").then_some(())
        })
        .await;
    for later in ["arangodatabase", "arangouser", "arangopermission", "configmap"] {
        let found = shop.world.kubectl(&["get", later, "-o", "name"]).await.unwrap();
        assert!(!found.contains("checkout") && !found.contains("shop"), "{found}");
    }
    assert_eq!(shop.server.databases().await, Vec::<String>::new());

    shop.let_in().await;
    shop.application.is("Synced", "Healthy").await;
    shop.server.has_levels("checkout", &[("shop", "rw"), ("shop-preview", "rw")]).await;
    assert_eq!(shop.server.databases().await, ["shop", "shop-preview"]);
    let password = shop.world.secret_value("checkout-arangodb", "password").await.unwrap();
    assert_eq!(shop.server.login("checkout", &password).await, 200);

    let status = shop.application.object().await.unwrap()["status"].clone();
    let found = resources(&status);
    assert_eq!(found.keys().collect::<Vec<_>>(), RESOURCES);
    for (name, resource) in found.iter().filter(|(name, _)| name.starts_with("Arango")) {
        assert_eq!(resource["health"]["status"], "Healthy", "{name}");
    }

    // The application came when everything that it needs was there.
    let created = async |object: &str| {
        let path = "jsonpath={.metadata.creationTimestamp}";
        shop.world.kubectl(&["get", object, "-o", path]).await.unwrap()
    };
    let application = created("configmap/checkout").await;
    for object in ["arangouser/checkout", "arangopermission/checkout-shop", "secret/checkout-arangodb"] {
        assert!(created(object).await <= application, "{object}");
    }
    let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].lastTransitionTime}";
    for object in ["arangodatabase/shop", "arangouser/checkout", "arangopermission/checkout-shop"] {
        let ready = shop.world.kubectl(&["get", object, "-o", path]).await.unwrap();
        assert!(
            ready <= application,
            "{object} is Ready since {ready}, the application is there since {application}"
        );
    }
}
