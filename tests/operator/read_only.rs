//! A server that takes no writes, and coordinators that learn late, are no drift.

use std::time::Duration;

use arango_operator::stand_in::{Fault, FaultRule};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Server, World, database, grant, passwords, permission, user_with_password, within};

async fn set_mode(server: &Server, mode: &str) {
    server.by_hand(Method::PUT, "/_admin/server/mode", json!({"mode": mode})).await;
}

/// Waits for so many comparisons from now on.
async fn compared(server: &Server, count: usize) {
    let lists = || {
        let log = server.stand_in.request_log();
        log.iter().filter(|entry| entry.method == Method::GET && entry.path.ends_with("/_api/user")).count()
    };
    let before = lists();
    within(Duration::from_secs(120), "the comparisons go on", async || {
        let now = lists() - before;
        if now > count { Ok(()) } else { Err(now) }
    })
    .await;
}

const OBJECTS: [&str; 4] =
    ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop", "arangopermission/everywhere"];

async fn alice_on_shop(world: &World) {
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("shop", ""),
        user_with_password("alice", ""),
        grant("alice", "shop", "access: rw, collections: {'*': rw}"),
        permission("everywhere", "user: alice, database: \"*\", access: ro, collections: {\"*\": rw}"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&OBJECTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_mode_is_no_drift_and_what_is_to_be_done_waits_for_its_end() {
    let (mut world, server) = World::connected("1s").await;
    alice_on_shop(&world).await;
    server.stand_in.clear_requests();
    compared(&server, 1).await;
    world.counted(&json!({"databases": 1, "users": 1, "permissions": 2})).await;
    let versions = world.versions().await;
    set_mode(&server, "readonly").await;
    server.stand_in.clear_requests();
    compared(&server, 3).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(world.versions().await, versions, "what is as declared stays Ready");

    // Something is to be done: it was changed by hand just before, or is declared now.
    world.take_operator().kill().await;
    set_mode(&server, "default").await;
    server.set_level("alice", "shop", "none").await;
    set_mode(&server, "readonly").await;
    server.stand_in.clear_requests();
    world.start_operator().await;
    world.apply(&database("depot", "deletionPolicy: Delete")).await;
    for (object, action) in [
        ("arangopermission/alice-shop", "grant alice rw on shop"),
        ("arangodatabase/depot", "create the database depot"),
    ] {
        let message = world.condition(object, "Unknown", "ServerReadOnly").await;
        assert!(message.contains("read-only") && message.contains(action), "{message}");
        let status = world.object(object).await["status"].clone();
        assert_eq!(status["pending"], json!([action]));
        let in_sync = |status: &Value| {
            let conditions = status["conditions"].as_array().unwrap().iter();
            conditions.clone().find(|found| found["type"] == "InSync").map(|found| found["reason"].clone())
        };
        assert_eq!(in_sync(&status), Some(json!("ServerReadOnly")));
    }
    world.ready(&["arangouser/alice", "arangopermission/everywhere", "arangodatabase/shop"]).await;
    // Nobody tries over and over: nothing is sent that would be refused.
    compared(&server, 3).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert!(server.stand_in.request_log().iter().all(|entry| entry.status != Some(StatusCode::FORBIDDEN)));

    set_mode(&server, "default").await;
    world.ready(&OBJECTS).await;
    world.ready(&["arangodatabase/depot"]).await;
    server.has_levels("alice", &[("*", "ro"), ("shop", "rw"), ("shop/*", "rw")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_in_read_only_mode_waits_and_says_for_what() {
    let (world, server) = World::connected("1s").await;
    world.apply(&database("shop", "deletionPolicy: Delete")).await;
    world.ready(&["arangodatabase/shop"]).await;
    set_mode(&server, "readonly").await;
    world.kubectl(&["delete", "arangodatabase/shop", "--wait=false"]).await.unwrap();
    let message = world.condition("arangodatabase/shop", "False", "DeletionBlocked").await;
    assert!(message.contains("read-only"), "{message}");
    set_mode(&server, "default").await;
    world.gone("arangodatabase/shop").await;
    assert!(server.databases().await.is_empty());
}

/// Whatever one coordinator wrote, the two others show three seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn coordinators_that_learn_late_are_no_drift() {
    let (world, server) = World::connected("1s").await;
    for coordinator in 0..3 {
        let fault = Fault::Stale { time: Duration::from_secs(3) };
        server.stand_in.add_fault(FaultRule::new(fault).on(coordinator)).await.unwrap();
    }
    server.stand_in.clear_requests();
    alice_on_shop(&world).await;
    let paths = || {
        let mut paths: Vec<_> =
            server.writes().iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
        paths.sort();
        paths
    };
    let written = paths();
    // A database, a user, two levels of either row: each written once.
    assert_eq!(written.len(), 6, "{written:#?}");
    compared(&server, 6).await;
    assert_eq!(paths(), written);
    for object in OBJECTS {
        assert!(world.events_of(object).await.is_empty(), "{:?}", world.events_of(object).await);
    }
    world.ready(&OBJECTS).await;
}
