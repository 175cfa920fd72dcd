//! What somebody changes by hand is put right if it was declared, and left alone if it was not.

use reqwest::Method;
use serde_json::json;

use crate::support::{World, database, grant, passwords, permission, user_with_password};

async fn alice_on_shop(world: &World, row: &str) {
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("shop", ""),
        user_with_password("alice", ""),
        grant("alice", "shop", row),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangodatabase/shop", "arangouser/alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_back_after_one_interval_and_an_event_says_so() {
    let (world, server) = World::connected("2s").await;
    alice_on_shop(&world, "access: rw").await;
    let row = "arangopermission/alice-shop";
    world.ready(&[row]).await;

    server.set_level("alice", "shop", "none").await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    let event = world.event(row, "DriftRepaired").await;
    assert!(event.contains("alice") && event.contains("shop") && event.contains("rw"), "{event}");
    let described = world.kubectl(&["describe", "arangopermission", "alice-shop"]).await.unwrap();
    assert!(described.contains("DriftRepaired"), "{described}");
    world.ready(&[row]).await;

    server.by_hand(Method::PATCH, "/_api/user/alice", json!({"active": false})).await;
    world.event("arangouser/alice", "DriftRepaired").await;
    assert_eq!(server.login("alice", "her password").await, 200);

    server.by_hand(Method::DELETE, "/_api/user/alice/database/shop", json!({})).await;
    server.has_levels("alice", &[("shop", "rw")]).await;

    server.by_hand(Method::DELETE, "/_api/user/alice", json!({})).await;
    world.event("arangouser/alice", "Recreated").await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    assert_eq!(server.login("alice", "her password").await, 200, "made again with his password");

    // With the database go all rights on it.
    server.by_hand(Method::DELETE, "/_api/database/shop", json!({})).await;
    let event = world.event("arangodatabase/shop", "Recreated").await;
    assert!(event.contains("shop") && event.contains("empty"), "{event}");
    let log = world.log();
    let loud =
        log.lines().find(|line| line.contains("WARN") && line.contains("shop") && line.contains("empty"));
    assert!(loud.is_some_and(|line| line.contains("backup")), "{log}");
    assert_eq!(server.databases().await, ["shop"]);
    server.has_levels("alice", &[("shop", "rw")]).await;
    world.ready(&["arangodatabase/shop", "arangouser/alice", row]).await;
    assert!(world.operator().count(&["arangooperator_drift_repaired_total"]).await >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_nobody_declares_are_untouched_whatever_happens_to_the_row() {
    let (world, server) = World::connected("1s").await;
    server.make_database("other").await;
    server.make_database("shop").await;
    for collection in ["orders", "carts", "stock"] {
        server.make_collection("shop", collection).await;
    }
    alice_on_shop(&world, "access: rw, collections: {orders: ro}").await;
    world.ready(&["arangopermission/alice-shop"]).await;
    let by_hand = [("*", "ro"), ("other", "rw"), ("shop/carts", "rw"), ("shop/stock", "none")];
    for (place, level) in by_hand {
        server.set_level("alice", place, level).await;
    }
    let with = |declared: &[(&'static str, &'static str)]| [&by_hand[..], declared].concat();

    // A repair next to them.
    server.set_level("alice", "shop", "ro").await;
    world.event("arangopermission/alice-shop", "DriftRepaired").await;
    server.has_levels("alice", &with(&[("shop", "rw"), ("shop/orders", "ro")])).await;

    // The level goes out of the spec: ArangoDB would take every collection's along.
    world.apply(&grant("alice", "shop", "collections: {orders: ro}")).await;
    server.has_levels("alice", &with(&[("shop/orders", "ro")])).await;
    world.ready(&["arangopermission/alice-shop"]).await;
    world.apply(&grant("alice", "shop", "access: rw, collections: {orders: ro}")).await;
    server.has_levels("alice", &with(&[("shop", "rw"), ("shop/orders", "ro")])).await;
    world.ready(&["arangopermission/alice-shop"]).await;

    world.delete(&["arangopermission/alice-shop"]).await;
    server.has_levels("alice", &by_hand).await;
    let status = world.kubectl(&["get", "arangodata", "-o", "yaml"]).await.unwrap();
    assert!(!status.contains("restore:"), "{status}");

    // A row on the wildcard next to one of his own.
    world.apply(&permission("other-row", "user: alice, database: other, access: none")).await;
    world.ready(&["arangopermission/other-row"]).await;
    world.delete(&["arangopermission/other-row"]).await;
    let adopted = [("*", "ro"), ("other", "none"), ("shop/carts", "rw"), ("shop/stock", "none")];
    server.has_levels("alice", &adopted).await;
}
