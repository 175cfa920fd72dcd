//! `undeclaredPermissions: Revoke`: what nobody declares is taken away, with patience; what somebody declares, wherever
//! and in whatever state, is never touched.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::support::{
    ROOT_PASSWORD, Server, World, database, eventually, grant, passwords, permission, user_with_password,
};

const ALICE: &str = "arangouser/alice";
const INTERVAL: Duration = Duration::from_secs(2);
const REVOKE: &str = "undeclaredPermissions: Revoke";

/// Databases made by hand, and alice with what she has been declared.
async fn alice(world: &World, server: &Server, rows: &[String]) {
    for name in ["shop", "vault", "depot", "archive"] {
        server.make_database(name).await;
    }
    for name in ["orders", "carts", "stock"] {
        server.make_collection("shop", name).await;
    }
    let manifests = [passwords(&[("alice", "hers")]), user_with_password("alice", REVOKE), rows.concat()];
    world.apply(&manifests.concat()).await;
    world.ready(&[ALICE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_nobody_declares_are_taken_away_after_two_looks_and_what_is_declared_stays() {
    let (world, server) = World::connected("2s").await;
    let rows = [
        permission("row", "user: alice, database: shop, access: ro, collections: {orders: rw}"),
        permission("lock", "user: alice, database: depot, collections: {'*': none}"),
    ];
    alice(&world, &server, &rows).await;
    world.ready(&["arangopermission/row", "arangopermission/lock"]).await;
    let begin = Instant::now();
    let by_hand = [
        ("*", "ro"),
        ("*/*", "rw"),
        ("vault", "rw"),
        ("vault/*", "rw"),
        ("shop/carts", "ro"),
        ("depot", "rw"),
        ("_system", "ro"),
    ];
    for (place, level) in by_hand {
        server.set_level("alice", place, level).await;
    }
    // What gives nothing is no right, and without it one could rise.
    let held_back = [("shop/stock", "none"), ("archive", "none")];
    for (place, level) in held_back {
        server.set_level("alice", place, level).await;
    }
    let declared = [("shop", "ro"), ("shop/orders", "rw"), ("depot/*", "none")];
    server.has_levels("alice", &[&declared[..], &held_back].concat()).await;
    let took = begin.elapsed();
    assert!(took >= INTERVAL, "two looks a whole interval apart: {took:?}");
    let wildcard = server.get(("root", ROOT_PASSWORD), "/_api/user/alice/database/*/*").await.ok();
    assert_eq!(wildcard["result"], "none", "the listing never shows this one");

    let event = world.event(ALICE, "UndeclaredRevoked").await;
    assert!(event.contains("alice") && event.contains("no ArangoPermission declares"), "{event}");
    // Seen by other looks, some may go later than others, and Kubernetes keeps the first of several Events.
    let log = world.log();
    // With the level of a database go the undeclared ones under it.
    for place in ["*", "vault", "depot", "_system", "shop/carts"] {
        assert!(log.contains(&format!("the level of alice on {place}")), "{place}");
    }
    assert!(world.operator().count(&["arangooperator_drift_repaired_total", "ArangoUser"]).await >= 1);
    world.ready(&[ALICE]).await;
    // The record goes with the write that follows the last of them.
    eventually("nothing is under way", async || {
        let status = world.object(ALICE).await["status"].clone();
        if status["revoking"].is_null() { Ok(()) } else { Err(status) }
    })
    .await;

    // Whoever had something to say of the wider right has said it: nothing is left to do, and nothing is done.
    looked_at_twice(&server).await;
    let versions = world.versions().await;
    looked_at_twice(&server).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(world.versions().await, versions);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_any_resource_names_is_declared_whatever_state_it_is_in() {
    let (world, server) = World::connected("2s").await;
    // The same deployment by another name, and a row that is paused before anybody looked at it.
    let other = server.manifest("2s").replace("\"prod\"", "\"again\"");
    let paused = permission("paused", "user: alice, database: vault, access: rw")
        .replace("metadata: {", "metadata: {annotations: {arango-operator.dev/paused: 'true'}, ");
    let through_another = permission("elsewhere", "user: alice, database: depot, access: ro")
        .replace("{name: prod}", "{name: again}");
    let waits = grant("alice", "archive", "access: rw");
    let rows = [other, paused, through_another, waits];
    alice(&world, &server, &rows).await;
    world.condition("arangopermission/paused", "Unknown", "Paused").await;
    // Its ArangoDatabase isn't there, so that it can't be told which database it means: nothing is taken away at all.
    world.condition("arangopermission/alice-archive", "Unknown", "ReferenceMissing").await;
    world.ready(&["arangocluster/again", "arangopermission/elsewhere"]).await;
    let stays = [("vault", "rw"), ("depot", "ro"), ("archive", "ro")];
    for (place, level) in stays {
        server.set_level("alice", place, level).await;
    }
    server.set_level("alice", "shop", "rw").await;
    // Three comparisons: one more than it takes.
    three_comparisons(&server).await;
    server.has_levels("alice", &[&stays[..], &[("shop", "rw")]].concat()).await;

    world.apply(&database("archive", "")).await;
    world.ready(&["arangopermission/alice-archive"]).await;
    let stays = [("vault", "rw"), ("depot", "ro"), ("archive", "rw")];
    server.has_levels("alice", &stays).await;
    // By another ArangoCluster to the same deployment she is the same; once nobody declares a row it goes.
    world.delete(&["arangopermission/paused"]).await;
    server.has_levels("alice", &stays[1..]).await;
    world.apply(&user_with_password("alice", "undeclaredPermissions: Keep")).await;
    world.ready(&[ALICE]).await;
    server.set_level("alice", "vault", "ro").await;
    three_comparisons(&server).await;
    server.has_levels("alice", &[&stays[1..], &[("vault", "ro")]].concat()).await;
}

/// Waits until alice's rights were listed twice more.
async fn looked_at_twice(server: &Server) {
    server.stand_in.clear_requests();
    eventually("alice is looked at again and again", async || {
        let log = server.stand_in.request_log();
        let looks = log.iter().filter(|entry| entry.path.contains("/_api/user/alice/database?full=true"));
        let looks = looks.count();
        if looks >= 2 { Ok(()) } else { Err(looks) }
    })
    .await;
}

/// Waits until the users were listed three times more.
async fn three_comparisons(server: &Server) {
    server.stand_in.clear_requests();
    eventually("three comparisons", async || {
        let log = server.stand_in.request_log();
        let listings =
            log.iter().filter(|entry| entry.method == Method::GET && entry.path.ends_with("/_api/user"));
        let listings = listings.count();
        if listings >= 4 { Ok(()) } else { Err(listings) }
    })
    .await;
}

/// The operator is killed once alice's undeclared level is gone and before what went along is back.
async fn killed_in_between(policy: &str) -> (World, Server) {
    let (mut world, server) = tokio::join!(World::new(), Server::slow(Duration::from_millis(150)));
    server.make_database("shop").await;
    for name in ["a", "b", "c", "d"] {
        server.make_collection("shop", name).await;
    }
    let alice = user_with_password("alice", &format!("{REVOKE}, deletionPolicy: {policy}"));
    let row = permission("row", "user: alice, database: shop, collections: {a: ro}");
    world.apply(&[server.manifest("1s"), passwords(&[("alice", "hers")]), alice, row].concat()).await;
    world.ready(&[ALICE, "arangopermission/row"]).await;
    for (place, level) in STAYS {
        server.set_level("alice", place, level).await;
    }
    server.set_level("alice", "shop", "rw").await;
    server.stand_in.clear_requests();
    eventually("the level is revoked", async || {
        let writes = server.writes();
        if writes.iter().any(|entry| entry.method == Method::DELETE) { Ok(()) } else { Err(writes) }
    })
    .await;
    world.take_operator().kill().await;
    let left = server.stand_in.with_model(|model| {
        model.grants("alice").unwrap().get("shop").map_or(0, |row| row.collections.len())
    });
    assert!(left < STAYS.len(), "too late to be in between: {left}");
    (world, server)
}

/// One is declared; the others hold something back, and nobody but the record knows of them.
const STAYS: [(&str, &str); 4] =
    [("shop/a", "ro"), ("shop/b", "none"), ("shop/c", "none"), ("shop/d", "none")];

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_takes_a_level_away_what_stays_under_it_is_put_back() {
    let (mut world, server) = killed_in_between("Delete").await;
    world.start_operator().await;
    server.has_levels("alice", &STAYS).await;
    world.ready(&[ALICE]).await;
    eventually("the record is cleared", async || {
        let revoking = world.object(ALICE).await["status"]["revoking"].clone();
        if revoking.is_null() { Ok(()) } else { Err(revoking) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_kept_goes_only_after_what_was_cut_off_is_put_back() {
    let (mut world, server) = killed_in_between("Retain").await;
    world.kubectl(&["delete", ALICE, "arangopermission/row", "--wait=false"]).await.unwrap();
    world.start_operator().await;
    world.gone(ALICE).await;
    world.gone("arangopermission/row").await;
    eventually("what held something back is there again", async || {
        let levels = server.levels("alice").await;
        if STAYS[1..].iter().all(|(place, level)| levels.get(*place).is_some_and(|found| found == level)) {
            Ok(())
        } else {
            Err(levels)
        }
    })
    .await;
}
