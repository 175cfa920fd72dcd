//! Health as Argo CD shows it.

use serde_json::json;

use super::{argo::argo, shop::Shop};

const DATABASE: &str = "ArangoDatabase/shop";
const PAUSED: &str = "arango-operator.dev/paused";

#[tokio::test(flavor = "multi_thread")]
async fn health_is_suspended_while_somebody_paused_it() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    shop.world.kubectl(&["annotate", "arangodatabase/shop", &format!("{PAUSED}=true")]).await.unwrap();
    shop.application.health(DATABASE, "Suspended", PAUSED).await;
    // What isn't in git and isn't in the way stays.
    shop.application.is("Synced", "Suspended").await;
    shop.world.kubectl(&["annotate", "arangodatabase/shop", &format!("{PAUSED}-")]).await.unwrap();
    shop.application.is("Synced", "Healthy").await;

    // A paused ArangoCluster is, and everything on it.
    shop.world.kubectl(&["annotate", "arangocluster/prod", &format!("{PAUSED}=true")]).await.unwrap();
    for resource in ["ArangoCluster/prod", DATABASE, "ArangoUser/checkout", "ArangoPermission/checkout-shop"]
    {
        shop.application.health(resource, "Suspended", "paused").await;
    }
    shop.world.kubectl(&["annotate", "arangocluster/prod", &format!("{PAUSED}-")]).await.unwrap();
    shop.application.is("Synced", "Healthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_progressing_while_the_servers_are_away_or_something_is_being_deleted() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    for coordinator in 0..3 {
        shop.server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    for resource in ["ArangoCluster/prod", DATABASE] {
        shop.application.health(resource, "Progressing", "coordinator").await;
    }

    // Nothing can be dropped now: the deletion waits, and its resource is told to be on its way.
    let preview = "arangodatabase/shop-preview";
    shop.world.kubectl(&["delete", preview, "--wait=false"]).await.unwrap();
    shop.world.condition(preview, "False", "DeletionBlocked").await;
    shop.application.health("ArangoDatabase/shop-preview", "Progressing", "Pending deletion").await;

    for coordinator in 0..3 {
        shop.server.stand_in.start_coordinator(coordinator).await.unwrap();
    }
    // The deletion ends, Argo CD makes the resource anew, and it becomes healthy.
    shop.application.is("Synced", "Healthy").await;
    assert_eq!(shop.server.databases().await, ["shop", "shop-preview"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_degraded_when_a_person_must_act_and_the_sync_says_why() {
    let Some(argo) = argo().await else { return };
    // Otherwise the sync is repeated, ever more seldom, before it is said to have failed.
    let once = json!({"spec": {"syncPolicy": {"retry": {"limit": 0}}}});
    let shop = Shop::healthy(argo, once).await;
    let second = "apiVersion: arango-operator.dev/v1alpha1\nkind: ArangoDatabase\nmetadata:\n  name: second\nspec:\n  \
                  clusterRef:\n    name: prod\n  name: shop\n";
    shop.repository.write("60-second.yaml", second);
    shop.repository.commit("the same database a second time").await;
    shop.application.refresh("normal").await;
    // The owner is named.
    let message = shop.application.health("ArangoDatabase/second", "Degraded", "shop").await;
    shop.application
        .until("the sync failed, and says why", |status| {
            let operation = &status["operationState"];
            let results = operation["syncResult"]["resources"].as_array()?;
            let told =
                results.iter().any(|result| result["name"] == "second" && result["message"] == *message);
            (operation["phase"] == "Failed" && told).then_some(())
        })
        .await;
    shop.application.health(DATABASE, "Healthy", "").await;

    shop.repository.remove("60-second.yaml");
    let commit = shop.repository.commit("once is enough").await;
    shop.application.follow(&commit).await;
    assert_eq!(shop.server.databases().await, ["shop", "shop-preview"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn healthy_comes_with_what_a_person_should_know() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    let file = "20-database.yaml";
    shop.repository.replace(
        file,
        "  # Taken out",
        "  options:\n    writeConcern: 2\n    replicationFactor: 3\n  # Taken out",
    );
    let commit = shop.repository.commit("other options, which ArangoDB can't change").await;
    shop.application.follow(&commit).await;
    shop.application.health(DATABASE, "Healthy", "replicationFactor").await;
}
