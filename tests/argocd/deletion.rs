//! What is taken out of git, and what goes with its Application.

use serde_json::json;

use super::{argo::argo, shop::Shop, support::eventually};

#[tokio::test(flavor = "multi_thread")]
async fn pruning_keeps_the_data_with_retain_and_drops_it_with_delete() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    shop.server.make_collection("shop", "orders").await;
    shop.server.make_collection("shop-preview", "orders").await;
    for file in ["20-database.yaml", "30-users.yaml"] {
        shop.repository.remove(file);
    }
    let commit = shop.repository.commit("the tenant is gone").await;
    shop.application.follow(&commit).await;
    for kind in ["arangodatabase", "arangouser", "arangopermission"] {
        eventually(&format!("every {kind} is gone"), async || {
            let left = shop.world.kubectl(&["get", kind, "-o", "name"]).await.unwrap();
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    }
    assert_eq!(shop.server.databases().await, ["shop"]);
    let collection =
        shop.server.get(("root", super::support::ROOT_PASSWORD), "/_db/shop/_api/collection/orders").await;
    assert_eq!(collection.status, 200);
    assert_eq!(shop.server.users().await, Vec::<String>::new());
    // With the user goes his Secret: nobody needs it any more.
    eventually("the Secret is gone", async || {
        let left = shop.world.secret_value("checkout-arangodb", "password").await;
        if left.is_none() { Ok(()) } else { Err("it is there") }
    })
    .await;

    // What is put back into git finds its data.
    for file in ["20-database.yaml", "30-users.yaml"] {
        let path = super::repository::root("examples/argocd/shop").join(file);
        shop.repository.write(file, &std::fs::read_to_string(path).unwrap());
    }
    let commit = shop.repository.commit("and is back").await;
    shop.application.follow(&commit).await;
    assert_eq!(shop.server.databases().await, ["shop", "shop-preview"]);
    let collection =
        shop.server.get(("root", super::support::ROOT_PASSWORD), "/_db/shop/_api/collection/orders").await;
    assert_eq!(collection.status, 200);
}

/// Users of other operators report finalizers that never go, with Argo CD and with foreground deletion.
async fn ends(finalizer: &str) {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({"metadata": {"finalizers": [finalizer]}})).await;
    shop.server.make_collection("shop", "orders").await;
    shop.application.delete().await;
    shop.application.gone().await;
    eventually("nothing of the Application is left", async || {
        let kinds = "arangodata,configmap/checkout,secret/checkout-arangodb";
        let left = async |what: &str| {
            shop.world.kubectl(&["get", what, "-o", "name", "--ignore-not-found"]).await.unwrap()
        };
        let mut all = String::new();
        for kind in kinds.split(',') {
            all += &left(kind).await;
        }
        if all.is_empty() { Ok(()) } else { Err(all) }
    })
    .await;
    assert_eq!(shop.server.databases().await, ["shop"], "the data that is to stay stays");
    assert_eq!(shop.server.users().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_application_ends_with_foreground_deletion() {
    ends("resources-finalizer.argocd.argoproj.io").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_application_ends_with_background_deletion() {
    ends("resources-finalizer.argocd.argoproj.io/background").await;
}
