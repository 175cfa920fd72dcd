//! What people ask by annotations: leave it alone, look now, let it go.

use crate::support::{World, alice_on_shop, eventually, permission, user};

async fn annotate(world: &World, object: &str, annotation: &str) {
    let annotation = format!("arango-operator.dev/{annotation}");
    world.kubectl(&["annotate", "--overwrite", object, &annotation]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_is_found_at_once_when_asked_for_and_the_status_says_so() {
    let (world, server) = alice_on_shop("1h").await;
    let row = "arangopermission/alice-shop";
    server.set_level("alice", "shop", "none").await;
    annotate(&world, row, "reconcile-at=now, please").await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    world.event(row, "DriftRepaired").await;
    eventually("the status repeats what was asked", async || {
        let status = world.object(row).await["status"].clone();
        if status["reconcileAt"] == "now, please" { Ok(()) } else { Err(status) }
    })
    .await;
    world.ready(&[row]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_resource_is_left_alone_and_put_right_when_it_goes_on() {
    let (world, server) = alice_on_shop("1h").await;
    let row = "arangopermission/alice-shop";
    annotate(&world, row, "paused=true").await;
    let message = world.condition(row, "Unknown", "Paused").await;
    assert!(message.contains("arango-operator.dev/paused"), "{message}");

    server.set_level("alice", "shop", "ro").await;
    server.stand_in.clear_requests();
    annotate(&world, row, "reconcile-at=1").await;
    world.kubectl(&["patch", row, "--type=merge", "-p", r#"{"spec": {"access": "none"}}"#]).await.unwrap();
    eventually("the change was looked at", async || {
        let object = world.object(row).await;
        let (seen, wanted) = (&object["status"]["observedGeneration"], &object["metadata"]["generation"]);
        if seen == wanted { Ok(()) } else { Err(object["status"].clone()) }
    })
    .await;
    world.condition(row, "Unknown", "Paused").await;
    server.has_levels("alice", &[("shop", "ro")]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());

    annotate(&world, row, "paused-").await;
    world.ready(&[row]).await;
    server.has_levels("alice", &[("shop", "none")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_resource_that_is_deleted_goes_and_what_it_declared_stays() {
    let (world, server) = alice_on_shop("1h").await;
    let objects = ["arangopermission/alice-shop", "arangouser/alice", "arangodatabase/shop"];
    for object in objects {
        annotate(&world, object, "paused=true").await;
        world.condition(object, "Unknown", "Paused").await;
    }
    server.stand_in.clear_requests();
    world.delete(&objects).await;
    for object in objects {
        let event = world.event(object, "LeftBehind").await;
        assert!(event.contains("paused"), "{event}");
    }
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.databases().await, ["shop"]);
    server.has_levels("alice", &[("shop", "rw")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_waits_for_a_dead_server_ends_when_the_resource_is_let_go() {
    let (world, server) = alice_on_shop("1h").await;
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    let object = "arangodatabase/shop";
    world.kubectl(&["delete", object, "--wait=false"]).await.unwrap();
    world.condition(object, "False", "DeletionBlocked").await;
    annotate(&world, object, "release=true").await;
    world.gone(object).await;
    let event = world.event(object, "LeftBehind").await;
    assert!(event.contains("shop") && event.contains("annotation"), "{event}");
    for coordinator in 0..3 {
        server.stand_in.start_coordinator(coordinator).await.unwrap();
    }
    assert_eq!(server.databases().await, ["shop"], "let go without touching the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_that_says_neither_yes_nor_no_stops_everything_and_deletes_nothing() {
    let (world, server) = alice_on_shop("1h").await;
    let object = "arangodatabase/shop";
    annotate(&world, object, "release=yes").await;
    let message = world.condition(object, "False", "Invalid").await;
    assert!(message.contains("arango-operator.dev/release") && message.contains("\"true\""), "{message}");
    world.kubectl(&["delete", object, "--wait=false"]).await.unwrap();
    world.condition(object, "False", "DeletionBlocked").await;
    assert_eq!(server.databases().await, ["shop"]);
    annotate(&world, object, "release-").await;
    world.gone(object).await;
    assert!(server.databases().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_resource_keeps_what_it_holds() {
    let (world, server) = alice_on_shop("1h").await;
    annotate(&world, "arangouser/alice", "paused=true").await;
    world.condition("arangouser/alice", "Unknown", "Paused").await;
    let other = user("other", "name: alice, active: false, deletionPolicy: Delete");
    world
        .apply(&[other, permission("more", "user: alice, database: shop, collections: {\"*\": ro}")].concat())
        .await;
    let message = world.condition("arangouser/other", "False", "Conflict").await;
    assert!(message.contains("alice"), "{message}");
    world.delete(&["arangouser/other"]).await;
    assert_eq!(server.login("alice", "her password").await, 200);
}
