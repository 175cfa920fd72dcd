//! What somebody changes by hand is put right if it was declared, and left alone if it was not.

use reqwest::Method;
use serde_json::json;

use crate::support::{World, database, eventually, grant, passwords, permission, user_with_password};

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

/// One user with every sort of right, one who is not active, and whatever may be changed of them by hand.
#[tokio::test(flavor = "multi_thread")]
async fn every_sort_of_change_by_hand_is_repaired_said_by_one_event_and_counted_by_kind() {
    let (world, server) = World::connected("1s").await;
    server.make_database("shop").await;
    server.make_collection("shop", "orders").await;
    let manifests = [
        passwords(&[("alice", "a"), ("bob", "b")]),
        user_with_password("alice", ""),
        user_with_password("bob", "active: false"),
        permission("row", "user: alice, database: shop, access: rw, collections: {orders: ro, \"*\": rw}"),
        permission("any", "user: alice, database: \"*\", access: ro, collections: {\"*\": ro}"),
        permission("closed", "user: alice, database: _system, access: none"),
    ];
    world.apply(&manifests.concat()).await;
    let (row, any, closed) = ("arangopermission/row", "arangopermission/any", "arangopermission/closed");
    world.ready(&["arangouser/alice", "arangouser/bob", row, any, closed]).await;

    let user = "/_api/user/alice/database";
    let put = |path: &str, level: &str| (Method::PUT, format!("{user}/{path}"), json!({"grant": level}));
    let take = |path: &str| (Method::DELETE, format!("{user}/{path}"), json!({}));
    let active =
        |name: &str, active: bool| (Method::PATCH, format!("/_api/user/{name}"), json!({"active": active}));
    let changes = [
        (row, put("shop", "none"), "grant alice rw on shop"),
        (row, put("shop/orders", "rw"), "grant alice ro on shop/orders"),
        (row, take("shop/orders"), "grant alice ro on shop/orders"),
        (row, take("shop/*"), "grant alice rw on shop/*"),
        (any, put("*", "rw"), "grant alice ro on *"),
        (any, put("*/*", "none"), "grant alice ro on */*"),
        (closed, take("_system"), "grant alice none on _system"),
        ("arangouser/alice", active("alice", false), "activate the user alice"),
        ("arangouser/bob", active("bob", true), "deactivate the user bob"),
    ];
    let levels = [("shop", "rw"), ("shop/orders", "ro"), ("shop/*", "rw"), ("*", "ro"), ("_system", "none")];
    let repaired = async |kind: &str| {
        world.operator().count(&["arangooperator_drift_repaired_total", &format!("\"{kind}\"")]).await
    };
    let mut expected = std::collections::BTreeMap::from([("ArangoUser", 0), ("ArangoPermission", 0)]);
    for (object, (method, path, body), repair) in changes {
        server.stand_in.clear_requests();
        server.by_hand(method, &path, body).await;
        let kind = if object.starts_with("arangouser") { "ArangoUser" } else { "ArangoPermission" };
        *expected.get_mut(kind).unwrap() += 1;
        eventually(&format!("{repair}, after a change by hand of {path}"), async || {
            let counts = (repaired("ArangoUser").await, repaired("ArangoPermission").await);
            let is = counts == (expected["ArangoUser"], expected["ArangoPermission"]);
            if is { Ok(()) } else { Err(counts) }
        })
        .await;
        eventually(&format!("one Event tells {repair}"), async || {
            let mut told = world.events_of(object).await;
            told.retain(|event| event.contains(repair));
            if told.len() == 1 { Ok(()) } else { Err(told) }
        })
        .await;
        assert_eq!(server.writes().len(), 2, "one by hand and one repair: {:?}", server.writes());
    }
    server.has_levels("alice", &levels).await;
    assert_eq!(server.login("alice", "a").await, 200);
    assert_eq!(server.login("bob", "b").await, 401);
}
