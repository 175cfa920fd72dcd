//! Who heals what: Argo CD what is changed in Kubernetes, the operator what is changed in ArangoDB.

use serde_json::json;

use super::{argo::argo, shop::Shop, support::eventually};

const RIGHTS: [(&str, &str); 2] = [("shop", "rw"), ("shop-preview", "rw")];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_kubernetes_argo_cd_puts_back_and_the_server_follows() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    let right = "arangopermission/checkout-shop";
    let patch = r#"{"spec": {"access": "none"}}"#;
    shop.world.kubectl(&["patch", right, "--type=merge", "-p", patch]).await.unwrap();
    eventually("the right is declared as it was", async || {
        let access = shop.world.object(right).await["spec"]["access"].clone();
        if access == "rw" { Ok(()) } else { Err(access) }
    })
    .await;
    shop.server.has_levels("checkout", &RIGHTS).await;

    // Deleted, it is made anew, and so is the right.
    let uid = async |object: &str| {
        let uid = "jsonpath={.metadata.uid}";
        shop.world.kubectl(&["get", object, "--ignore-not-found", "-o", uid]).await.unwrap()
    };
    for object in [right, "arangodatabase/shop", "arangouser/checkout"] {
        let before = uid(object).await;
        shop.world.kubectl(&["delete", object, "--wait=false"]).await.unwrap();
        eventually(&format!("another {object} is there"), async || {
            let now = uid(object).await;
            if !now.is_empty() && now != before { Ok(()) } else { Err(now) }
        })
        .await;
        shop.world.ready(&[object]).await;
    }
    shop.application.is("Synced", "Healthy").await;
    shop.server.has_levels("checkout", &RIGHTS).await;
    assert_eq!(shop.server.databases().await, ["shop", "shop-preview"]);
    eventually("the application can log in with what is in its Secret", async || {
        let password = shop.world.secret_value("checkout-arangodb", "password").await.ok_or("no password")?;
        let status = shop.server.login("checkout", &password).await;
        if status == 200 { Ok(()) } else { Err("refused") }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_in_arangodb_the_operator_puts_back_and_argo_cd_has_nothing_to_do() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    let operations = async || {
        let status = shop.application.object().await.unwrap()["status"].clone();
        (status["history"].as_array().map(Vec::len), status["operationState"]["startedAt"].clone())
    };
    let before = operations().await;
    shop.server.set_level("checkout", "shop", "ro").await;
    shop.server.has_levels("checkout", &RIGHTS).await;
    shop.world.event("arangopermission/checkout-shop", "DriftRepaired").await;
    shop.server.by_hand(reqwest::Method::DELETE, "/_api/user/checkout", json!(null)).await;
    eventually("the user is there again", async || {
        let users = shop.server.users().await;
        if users == ["checkout"] { Ok(()) } else { Err(users) }
    })
    .await;
    shop.server.has_levels("checkout", &RIGHTS).await;
    shop.application.refresh("hard").await;
    shop.application.is("Synced", "Healthy").await;
    assert_eq!(operations().await, before, "Argo CD synced for something that is no business of its own");
}
