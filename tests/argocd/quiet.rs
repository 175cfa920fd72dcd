//! Nothing that the operator writes makes an Application `OutOfSync`, and nothing of it is pruned.

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    application::{Application, resources},
    argo::argo,
    shop::{RESOURCES, Shop},
    support::eventually,
};

/// How often everything is compared after it is done.
const COMPARISONS: usize = 4;

/// Fails as soon as the Application is in another state than Synced.
fn watch(application: &Application) -> JoinHandle<()> {
    let mut states = Box::pin(application.states());
    tokio::spawn(async move {
        while let Some(state) = states.next().await {
            let seen = &state["status"];
            assert_eq!(seen["sync"]["status"], "Synced", "{:#}", seen["resources"]);
        }
    })
}

fn syncs(application: &Value) -> usize {
    application["status"]["history"].as_array().map_or(0, Vec::len)
}

async fn stays_synced(more: Value) {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, more).await;
    let watched = watch(&shop.application);

    // All that makes the operator write: wishes by annotation, a change of the server, another password.
    let world = &shop.world;
    let password = world.secret_value("checkout-arangodb", "password").await.unwrap();
    for wish in ["rotate=one", "reconcile-at=now"] {
        let wish = format!("arango-operator.dev/{wish}");
        world.kubectl(&["annotate", "arangouser/checkout", &wish]).await.unwrap();
    }
    world.kubectl(&["label", "arangodata", "--all", "team=shop"]).await.unwrap();
    world.kubectl(&["annotate", "arangocluster/prod", "arango-operator.dev/maintenance=10m"]).await.unwrap();
    shop.server.set_level("checkout", "shop", "ro").await;
    shop.server.has_levels("checkout", &[("shop", "rw"), ("shop-preview", "rw")]).await;
    eventually("another password is in the Secret and in force", async || {
        let new = world.secret_value("checkout-arangodb", "password").await.ok_or("none")?;
        let status = shop.server.login("checkout", &new).await;
        if new != password && status == 200 { Ok(()) } else { Err("not yet") }
    })
    .await;
    world
        .kubectl(&["wait", "arangocluster/prod", "--for=condition=Maintenance", "--timeout=60s"])
        .await
        .unwrap();

    for comparison in 0..COMPARISONS {
        shop.application.refresh(if comparison % 2 == 0 { "normal" } else { "hard" }).await;
    }
    shop.application.is("Synced", "Healthy").await;
    let object = shop.application.object().await.unwrap();
    assert_eq!(syncs(&object), 1, "{:#}", object["status"]["history"]);
    assert_eq!(resources(&object["status"]).keys().collect::<Vec<_>>(), RESOURCES);
    // What is in the Secret is the operator's, and so is the Secret: nobody's to prune.
    let secret = world.kubectl(&["get", "secret", "checkout-arangodb", "-o", "json"]).await.unwrap();
    let secret: Value = serde_json::from_str(&secret).unwrap();
    let metadata = secret["metadata"].to_string();
    for mark in ["argocd.argoproj.io", "app.kubernetes.io/instance"] {
        assert!(!metadata.contains(mark), "{metadata}");
    }
    if watched.is_finished() {
        watched.await.unwrap();
        panic!("the watch ended");
    }
    watched.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn never_out_of_sync_with_server_side_apply() {
    stays_synced(json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_out_of_sync_with_client_side_apply() {
    stays_synced(json!({"spec": {"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_out_of_sync_with_server_side_diff() {
    let annotations = json!({"argocd.argoproj.io/compare-options": "ServerSideDiff=true"});
    stays_synced(json!({"metadata": {"annotations": annotations}})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_definitions_of_our_kinds_stay_synced() {
    let Some(argo) = argo().await else { return };
    let definitions = Application::named(argo, "definitions").await;
    definitions.is("Synced", "Healthy").await;
    for how in ["normal", "hard"] {
        definitions.refresh(how).await;
    }
    let object = definitions.object().await.unwrap();
    assert_eq!((&object["status"]["sync"]["status"], syncs(&object)), (&json!("Synced"), 1), "{object:#}");
    let names: Vec<_> = resources(&object["status"]).into_keys().collect();
    let expected = ["arangoclusters", "arangodatabases", "arangopermissions", "arangousers"]
        .map(|plural| format!("CustomResourceDefinition/{plural}.arango-operator.dev"));
    assert_eq!(names, expected);
}
