//! Rights that are there and don't hold, because a wider one wins: who wins is said.

use serde_json::{Value, json};

use crate::support::{World, database, eventually, grant, passwords, permission, user_with_password};

/// The condition `Effective` of an object, null if there is none.
async fn effective(world: &World, object: &str) -> Value {
    let status = world.object(object).await["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|found| found["type"] == "Effective").unwrap_or_default()
}

/// Waits until it is False for that reason. Returns the message.
async fn hindered(world: &World, object: &str, reason: &str) -> String {
    eventually(&format!("{object} is Effective=False {reason}"), async || {
        let found = effective(world, object).await;
        let is = found["status"] == "False" && found["reason"] == reason;
        if is { Ok(found["message"].as_str().unwrap().to_owned()) } else { Err(found) }
    })
    .await
}

/// Waits until there is nothing to say.
async fn holds(world: &World, object: &str) {
    eventually(&format!("{object} takes effect"), async || {
        let found = effective(world, object).await;
        if found.is_null() { Ok(()) } else { Err(found) }
    })
    .await;
}

async fn alice(interval: &str) -> (World, crate::support::Server) {
    let (world, server) = World::connected(interval).await;
    let manifests =
        [passwords(&[("alice", "x")]), database("shop", ""), user_with_password("alice", "")].concat();
    world.apply(&manifests).await;
    world.ready(&["arangouser/alice", "arangodatabase/shop"]).await;
    (world, server)
}

/// What people complain of most: arangodb/arangodb#17047.
#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_of_none_on_collections_does_not_lower_the_database_level_and_the_row_says_so() {
    let (world, server) = alice("1s").await;
    server.make_collection("shop", "orders").await;
    let row = "arangopermission/alice-shop";
    world.apply(&grant("alice", "shop", "access: rw, collections: {orders: none, \"*\": none}")).await;
    world.ready(&[row]).await;
    let message = hindered(&world, row, "Overridden").await;
    assert!(
        message.contains("none on shop/*")
            && message.contains("rw")
            && message.contains("level on shop itself"),
        "{message}"
    );
    let orders = server.get(("alice", "x"), "/_api/user/alice/database/shop/orders").await.ok();
    let others = server.get(("alice", "x"), "/_api/user/alice/database/shop/others").await.ok();
    assert_eq!((&orders["result"], &others["result"]), (&json!("none"), &json!("rw")), "as the server says");

    world.apply(&grant("alice", "shop", "access: ro, collections: {orders: none, \"*\": rw}")).await;
    world.ready(&[row]).await;
    holds(&world, row).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_row_that_wins_is_named_with_who_declares_it() {
    let (world, server) = alice("1s").await;
    world.apply(&grant("alice", "shop", "access: ro")).await;
    let row = "arangopermission/alice-shop";
    world.ready(&[row]).await;
    holds(&world, row).await;

    // By hand: rights on _system reach every database.
    server.set_level("alice", "_system", "rw").await;
    let message = hindered(&world, row, "Overridden").await;
    assert!(message.contains("_system") && message.contains("no ArangoPermission declares"), "{message}");
    world.ready(&[row]).await;
    assert_eq!(world.events_of(row).await, Vec::<String>::new(), "nobody changed the row");

    // The same declared, and then a higher one on */* instead of it.
    world.apply(&permission("admin", "user: alice, database: _system, access: rw")).await;
    world.ready(&["arangopermission/admin"]).await;
    eventually("the declarer is named", async || {
        let message = hindered(&world, row, "Overridden").await;
        let name = format!("ArangoPermission {}/admin", world.namespace);
        if message.contains(&name) { Ok(()) } else { Err(message) }
    })
    .await;
    let any = permission("everywhere", "user: alice, database: \"*\", collections: {\"*\": rw}");
    world.apply(&any).await;
    world.apply(&permission("admin", "user: alice, database: _system, access: none")).await;
    world.ready(&["arangopermission/admin", "arangopermission/everywhere"]).await;
    eventually("the level on */* wins", async || {
        let message = hindered(&world, row, "Overridden").await;
        let is = message.contains("*/*") && message.contains("/everywhere");
        if is { Ok(()) } else { Err(message) }
    })
    .await;
    world.delete(&["arangopermission/everywhere"]).await;
    holds(&world, row).await;
    world.ready(&[row]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_on_collections_of_a_database_that_he_can_not_reach_are_of_no_use() {
    let (world, server) = alice("1s").await;
    server.make_collection("shop", "orders").await;
    let row = "arangopermission/alice-shop";
    world.apply(&grant("alice", "shop", "collections: {orders: rw}")).await;
    world.ready(&[row]).await;
    let message = hindered(&world, row, "DatabaseClosed").await;
    assert!(message.contains("shop/orders") && message.contains("give him ro"), "{message}");
    assert_eq!(server.get(("alice", "x"), "/_db/shop/_api/collection/orders").await.codes(), (401, 11));

    // Any right that opens the database will do.
    world.apply(&permission("everywhere", "user: alice, database: \"*\", access: ro")).await;
    world.ready(&["arangopermission/everywhere"]).await;
    holds(&world, row).await;
    server.get(("alice", "x"), "/_db/shop/_api/collection/orders").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wildcard_row_can_not_hold_back_what_system_gives() {
    let (world, server) = alice("1s").await;
    let any = "arangopermission/everywhere";
    world.apply(&permission("everywhere", "user: alice, database: \"*\", access: none")).await;
    world.ready(&[any]).await;
    holds(&world, any).await;
    server.set_level("alice", "_system", "ro").await;
    let message = hindered(&world, any, "Overridden").await;
    assert!(message.contains("none on *") && message.contains("_system"), "{message}");
    server.make_database("other").await;
    server.get(("alice", "x"), "/_db/other/_api/version").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_end_raises_a_level_says_so() {
    let (world, server) = alice("1h").await;
    let rows = [
        permission("everywhere", "user: alice, database: \"*\", access: rw"),
        grant("alice", "shop", "access: none"),
    ];
    world.apply(&rows.concat()).await;
    let row = "arangopermission/alice-shop";
    world.ready(&["arangopermission/everywhere", row]).await;
    assert_eq!(server.get(("alice", "x"), "/_db/shop/_api/version").await.codes(), (401, 11));
    world.delete(&[row]).await;
    let event = world.event(row, "RightsRaised").await;
    assert!(event.contains("alice") && event.contains("shop") && event.contains("wider"), "{event}");
    server.get(("alice", "x"), "/_db/shop/_api/version").await.ok();
}
