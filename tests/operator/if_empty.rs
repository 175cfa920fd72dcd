//! A database that goes with its resource only when nothing is in it.

use reqwest::Method;
use serde_json::json;

use crate::support::{ROOT_PASSWORD, Server, World, database};

const SHOP: &str = "arangodatabase/shop";

/// A database that goes only when it is empty.
async fn shop() -> (World, Server) {
    let (world, server) = World::connected("1s").await;
    world.apply(&database("shop", "deletionPolicy: DeleteIfEmpty")).await;
    world.ready(&[SHOP]).await;
    (world, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_goes_with_its_resource() {
    let (world, server) = shop().await;
    world.delete(&[SHOP]).await;
    assert!(server.databases().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_manifest_does_not_destroy_what_is_in_the_database() {
    let (world, server) = shop().await;
    server.make_collection("shop", "orders").await;
    world.kubectl(&["delete", SHOP, "--wait=false"]).await.unwrap();
    let message = world.condition(SHOP, "False", "DeletionBlocked").await;
    for part in ["NotEmpty", "shop", "orders", "DeleteIfEmpty", "Retain"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    world.event(SHOP, "DeletionBlocked").await;
    assert_eq!(server.databases().await, ["shop"]);

    // What a person may do about it: take out what is in it. A graph's definition counts as well.
    server.by_hand(Method::DELETE, "/_db/shop/_api/collection/orders", json!({})).await;
    server.by_hand(Method::POST, "/_db/shop/_api/document/_graphs", json!({"_key": "routes"})).await;
    crate::support::eventually("the graph is what is left", async || {
        let message = world.condition(SHOP, "False", "DeletionBlocked").await;
        if message.contains("_graphs") { Ok(()) } else { Err(message) }
    })
    .await;
    server.by_hand(Method::DELETE, "/_db/shop/_api/document/_graphs/routes", json!({})).await;
    world.gone(SHOP).await;
    assert!(server.databases().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_empty_is_let_go_when_the_policy_is_changed_to_retain() {
    let (world, server) = shop().await;
    server.make_collection("shop", "orders").await;
    world.kubectl(&["delete", SHOP, "--wait=false"]).await.unwrap();
    world.condition(SHOP, "False", "DeletionBlocked").await;
    let retain = r#"{"spec": {"deletionPolicy": "Retain"}}"#;
    world.kubectl(&["patch", SHOP, "--type=merge", "-p", retain]).await.unwrap();
    world.gone(SHOP).await;
    assert_eq!(server.databases().await, ["shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_see_everything_is_not_believed_when_it_sees_nothing() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    server.make_user("operator", "its password").await;
    server.set_level("operator", "_system", "rw").await;
    world.apply(&server.manifest_for(("operator", "its password"), "drift: {interval: 1s}")).await;
    world.apply(&database("shop", "deletionPolicy: DeleteIfEmpty")).await;
    world.ready(&[SHOP]).await;
    // Hidden from the account, and from every listing that it reads.
    server.make_collection("shop", "secrets").await;
    server.set_level("operator", "shop/secrets", "none").await;
    let listed =
        server.get(("operator", "its password"), "/_db/shop/_api/collection?excludeSystem=true").await;
    assert_eq!(listed.ok()["result"], json!([]));

    world.kubectl(&["delete", SHOP, "--wait=false"]).await.unwrap();
    let message = world.condition(SHOP, "False", "DeletionBlocked").await;
    for part in ["CannotLook", "operator", "shop", "Retain"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(server.databases().await, ["shop"]);
    let path = "/_api/user/operator/database/shop";
    server.send(("root", ROOT_PASSWORD), Method::DELETE, path, None).await.ok();
    // Seen now, and not empty.
    crate::support::eventually("the collection is seen", async || {
        let message = world.condition(SHOP, "False", "DeletionBlocked").await;
        if message.contains("NotEmpty") && message.contains("secrets") { Ok(()) } else { Err(message) }
    })
    .await;
    assert_eq!(server.databases().await, ["shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_refused_proves_nothing() {
    let (world, server) = shop().await;
    for status in [401, 403, 404] {
        let fault = format!("html status={status} path=/_api/collection next=1");
        server.stand_in.add_fault(fault.parse().unwrap()).await.unwrap();
    }
    let fault = "html status=404 path=/_api/collection".parse().unwrap();
    let last = server.stand_in.add_fault(fault).await.unwrap();
    world.kubectl(&["delete", SHOP, "--wait=false"]).await.unwrap();
    let message = world.condition(SHOP, "False", "DeletionBlocked").await;
    assert!(message.contains("drop the database shop"), "{message}");
    server.met(last).await;
    assert_eq!(server.databases().await, ["shop"]);
    server.stand_in.clear_faults().await.unwrap();
    world.gone(SHOP).await;
}
