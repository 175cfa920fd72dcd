//! What the status of an ArangoCluster shows, and what annotations on it ask for.

use arango_operator::stand_in::Options;
use serde_json::{Value, json};

use crate::support::{
    ROOT_PASSWORD, Server, World, database, eventually, grant, passwords, secret, user_with_password,
};

const CLUSTER: &str = "arangocluster/prod";

async fn status(world: &World) -> Value {
    world.object(CLUSTER).await["status"].clone()
}

/// Waits until a part of the status is so.
async fn shows(world: &World, key: &str, expected: Value) {
    eventually(&format!("{key} is {expected}"), async || {
        let shown = status(world).await[key].clone();
        if shown == expected { Ok(()) } else { Err(shown) }
    })
    .await;
}

async fn annotate(world: &World, object: &str, annotation: &str) {
    let annotation = format!("arango-operator.dev/{annotation}");
    world.kubectl(&["annotate", "--overwrite", object, &annotation]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_what_was_found() {
    let (world, server) = World::connected("1s").await;
    let (config, endpoints) =
        (server.stand_in.with_model(|model| model.config().clone()), server.stand_in.endpoints());
    let shown = status(&world).await;
    let deployment = json!({
        "mode": "Cluster", "version": "3.12.10", "license": shown["deployment"]["license"], "engine": "rocksdb",
        "role": "Coordinator",
    });
    let known = |key: &str| shown["deployment"][key] == deployment[key];
    assert!(["mode", "version", "engine", "role"].into_iter().all(known), "{shown}");
    assert!(shown["deployment"]["license"].is_string(), "{shown}");
    let coordinators = shown["coordinators"].as_array().unwrap();
    for (n, coordinator) in coordinators.iter().enumerate() {
        assert_eq!(coordinator["endpoint"].as_str().unwrap().trim_end_matches('/'), endpoints[n]);
        assert_eq!(coordinator["serverId"], json!(config.coordinator_ids[n]));
        assert!(coordinator["reachable"] == true && coordinator["since"].is_string(), "{coordinator}");
    }
    let servers = shown["servers"].as_array().unwrap();
    let ids: Vec<_> = servers.iter().map(|server| server["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted() && ids.len() == 9, "{ids:?}");
    let db_server = servers.iter().find(|server| server["id"] == config.db_server_ids[0].as_str()).unwrap();
    assert_eq!(
        *db_server,
        json!({"id": config.db_server_ids[0], "shortName": "DBServer0001", "role": "DBServer", "status": "GOOD"})
    );

    server.stand_in.stop_coordinator(1).await.unwrap();
    eventually("the lost coordinator is shown", async || {
        let shown = status(&world).await;
        let lost = &shown["coordinators"][1];
        let id = config.coordinator_ids[1].as_str();
        let server = shown["servers"].as_array().unwrap().iter().find(|server| server["id"] == id).cloned();
        let is_bad = server.is_some_and(|server| server["status"] != "GOOD");
        let told = lost["reachable"] == false && lost["serverId"] == id && lost["message"].is_string();
        if told && is_bad { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_and_what_nobody_declares_is_counted_and_not_named() {
    let (world, server) = World::connected("1s").await;
    shows(&world, "unmanaged", json!({"databases": 0, "users": 0})).await;
    for name in ["old", "older"] {
        server.make_database(name).await;
    }
    server.make_user("stranger", "a password").await;
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("shop", ""),
        user_with_password("alice", ""),
        grant("alice", "shop", "access: rw"),
    ];
    world.apply(&manifests.concat()).await;
    shows(&world, "managed", json!({"databases": 1, "users": 1, "permissions": 1})).await;
    shows(&world, "unmanaged", json!({"databases": 2, "users": 1})).await;
    assert_eq!(
        world.operator().count(&["arangooperator_unmanaged{", "ArangoDatabase"]).await,
        2,
        "in the metrics as well"
    );
    let text = status(&world).await.to_string();
    assert!(!text.contains("older") && !text.contains("stranger"), "{text}");

    // Claimed, it is managed.
    world.apply(&database("older", "")).await;
    world.ready(&["arangodatabase/older"]).await;
    shows(&world, "managed", json!({"databases": 2, "users": 1, "permissions": 1})).await;
    shows(&world, "unmanaged", json!({"databases": 1, "users": 1})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_is_shown_as_one() {
    let (world, server) = tokio::join!(World::new(), Server::with_options(Options::single(ROOT_PASSWORD)));
    world.apply(&server.manifest("1s")).await;
    world.ready(&[CLUSTER]).await;
    let shown = status(&world).await;
    assert_eq!([&shown["deployment"]["mode"], &shown["deployment"]["role"]], ["Single", "Single"]);
    assert!(shown["servers"].is_null() && shown["coordinators"][0]["serverId"].is_null(), "{shown}");
    shows(&world, "unmanaged", json!({"databases": 0, "users": 0})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_no_longer_see_the_health_goes_on_without_it_and_the_message_says_so() {
    let (world, server) = World::connected("1s").await;
    let denied = "html path=/_db/_system/_admin/cluster/health status=403";
    server.stand_in.add_fault(denied.parse().unwrap()).await.unwrap();
    eventually("the message says so", async || {
        let message = world.condition(CLUSTER, "True", "Ready").await;
        if message.contains("may not see the servers' health") { Ok(()) } else { Err(message) }
    })
    .await;
    eventually("the list is left out", async || {
        let shown = status(&world).await["servers"].clone();
        if shown.is_null() { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_endpoints_are_taken_up_without_a_restart() {
    let (world, first) = World::connected("1s").await;
    world.apply(&database("shop", "")).await;
    world.ready(&["arangodatabase/shop"]).await;
    let second = Server::with_root_password("another password").await;
    world.apply(&second.manifest_for(("root", "another password"), "drift: {interval: 1s}")).await;
    world.apply(&database("depot", "")).await;
    world.ready(&[CLUSTER, "arangodatabase/depot"]).await;
    assert!(second.databases_inside().contains(&"depot".to_owned()));
    assert_eq!(first.databases_inside(), ["shop"], "the one before is left alone");
    let endpoint = status(&world).await["coordinators"][0]["endpoint"].as_str().unwrap().to_owned();
    assert_eq!(endpoint.trim_end_matches('/'), second.stand_in.endpoints()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_paused_connection_nothing_is_written_and_a_deletion_leaves_what_is_there() {
    let (world, server) = World::connected("1s").await;
    world.apply(&database("shop", "deletionPolicy: Delete")).await;
    world.ready(&["arangodatabase/shop"]).await;
    annotate(&world, CLUSTER, "paused=true").await;
    let message = world.condition(CLUSTER, "Unknown", "Paused").await;
    assert!(message.contains("arango-operator.dev/paused"), "{message}");
    let message = world.condition("arangodatabase/shop", "Unknown", "Paused").await;
    assert!(message.contains("ArangoCluster prod"), "{message}");
    world.apply(&database("depot", "")).await;
    world.condition("arangodatabase/depot", "Unknown", "Paused").await;
    annotate(&world, CLUSTER, "maintenance=on").await;
    world.delete(&["arangodatabase/shop"]).await;
    world.event("arangodatabase/shop", "LeftBehind").await;
    assert_eq!(server.databases_inside(), ["shop"]);

    annotate(&world, CLUSTER, "maintenance-").await;
    annotate(&world, CLUSTER, "paused-").await;
    world.ready(&[CLUSTER, "arangodatabase/depot"]).await;
    assert!(server.writes().iter().all(|entry| !entry.path.contains("maintenance")), "{:?}", server.writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcile_at_on_the_connection_compares_everything_now() {
    let (world, server) = World::connected("1h").await;
    let manifests = [
        secret("passwords", &[("alice", "her password")]),
        database("shop", ""),
        user_with_password("alice", ""),
    ];
    world.apply(&[manifests.concat(), grant("alice", "shop", "access: rw")].concat()).await;
    world.ready(&["arangopermission/alice-shop"]).await;
    server.set_level("alice", "shop", "none").await;
    annotate(&world, CLUSTER, "reconcile-at=now").await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    shows(&world, "reconcileAt", json!("now")).await;
}
