//! What is missing is waited for by name, and what is there already is adopted.

use crate::support::{World, database, grant, passwords, permission, resource, user, user_with_password};

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_waits_for_what_is_missing_by_name_and_goes_on_when_it_appears() {
    let (world, server) = World::connected("5m").await;
    let row = permission("row", "user: alice, database: shop, access: ro, collections: {orders: rw}");
    world.apply(&[row, grant("bob", "depot", "access: ro")].concat()).await;

    let message = world.condition("arangopermission/row", "Unknown", "UserMissing").await;
    assert!(message.contains("alice"), "{message}");
    let message = world.condition("arangopermission/bob-depot", "Unknown", "ReferenceMissing").await;
    assert!(message.contains("ArangoUser bob"), "{message}");

    // One by a resource, where a watch tells; the other by hand, where only looking does.
    world
        .apply(&[passwords(&[("alice", "a"), ("bob", "b")]), user_with_password("alice", "")].concat())
        .await;
    let message = world.condition("arangopermission/row", "Unknown", "DatabaseMissing").await;
    assert!(message.contains("shop"), "{message}");
    server.make_database("shop").await;
    let message = world.condition("arangopermission/row", "Unknown", "CollectionMissing").await;
    assert!(message.contains("orders") && message.contains("shop"), "{message}");
    server.has_levels("alice", &[("shop", "ro")]).await;
    server.make_collection("shop", "orders").await;
    world.ready(&["arangopermission/row"]).await;
    server.has_levels("alice", &[("shop", "ro"), ("shop/orders", "rw")]).await;

    world.apply(&user_with_password("bob", "")).await;
    let message = world.condition("arangopermission/bob-depot", "Unknown", "ReferenceMissing").await;
    assert!(message.contains("ArangoDatabase depot") || message.contains("ArangoUser bob"), "{message}");
    world.apply(&database("depot", "")).await;
    world.ready(&["arangopermission/bob-depot"]).await;
    server.has_levels("bob", &[("depot", "ro")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_waits_for_the_secret_and_everything_waits_for_the_cluster() {
    let world = World::new().await;
    let server = crate::support::Server::start().await;
    world.apply(&[database("shop", ""), user_with_password("alice", "")].concat()).await;
    let message = world.condition("arangodatabase/shop", "Unknown", "ClusterMissing").await;
    assert!(message.contains("prod"), "{message}");
    world.apply(&server.manifest("5m")).await;
    world.ready(&["arangodatabase/shop"]).await;
    let message = world.condition("arangouser/alice", "Unknown", "SecretMissing").await;
    assert!(message.contains("passwords") && message.contains("alice"), "{message}");
    // The Secret without the key is not enough; neither is an empty password.
    world.apply(&passwords(&[("bob", "his password")])).await;
    world.condition("arangouser/alice", "Unknown", "SecretMissing").await;
    world.apply(&passwords(&[("alice", "")])).await;
    world.condition("arangouser/alice", "False", "Invalid").await;
    assert!(server.users().await.is_empty(), "nobody is made without a password");
    world.apply(&passwords(&[("alice", "her password")])).await;
    world.ready(&["arangouser/alice"]).await;
    assert_eq!(server.login("alice", "her password").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_by_hand_is_adopted_and_stays_when_its_resource_goes() {
    let (world, server) = World::connected("5m").await;
    server.make_database("shop").await;
    server.make_user("alice", "by hand").await;
    server.set_level("alice", "shop", "ro").await;
    let manifests = [database("shop", ""), user("alice", ""), grant("alice", "shop", "access: ro")];
    world.apply(&manifests.concat()).await;
    let objects = ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"];
    world.ready(&objects).await;
    for object in objects {
        assert_eq!(world.object(object).await["status"]["origin"], "Adopted", "{object}");
        world.event(object, "Adopted").await;
    }
    assert!(world.kubectl(&["describe", "arangouser", "alice"]).await.unwrap().contains("Adopted"));
    assert_eq!(server.login("alice", "by hand").await, 200, "a password that is not managed stays");

    // What the operator makes is not adopted, and is not said to be.
    world.apply(&resource("ArangoDatabase", "made", "")).await;
    world.ready(&["arangodatabase/made"]).await;
    assert_eq!(world.object("arangodatabase/made").await["status"]["origin"], "Created");
    assert!(world.events_of("arangodatabase/made").await.is_empty());

    server.stand_in.clear_requests();
    world.delete(&objects).await;
    assert_eq!(server.login("alice", "by hand").await, 200);
    server.has_levels("alice", &[("shop", "ro")]).await;
    assert!(server.databases().await.contains(&"shop".to_owned()));
    let writes = server.writes();
    assert!(writes.is_empty(), "{writes:?}");
}
