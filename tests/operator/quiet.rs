//! A pass that finds nothing to do writes nothing, anywhere, and one reading serves all. Counted while a change made
//! by hand is found and repaired: writing nothing because nothing is checked doesn't count.

use std::collections::BTreeMap;

use arango_operator::stand_in::LogEntry;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    Server, World, database, eventually, grant, passwords, permission, resource, user, user_with_password,
    within,
};

/// How many users have declared rights.
const USERS: usize = 6;

/// How many comparisons are watched before the change by hand, and after it.
const COMPARISONS: usize = 3;

/// Requests that are further apart, in seconds, belong to different comparisons: those are 0.9 s apart at least.
const GAP: f64 = 0.3;

/// Users with rights on several databases, one with a generated password, one without rights, and an object in
/// conflict and one that waits: whoever is not Ready must be quiet as well.
async fn declare(world: &World) -> Vec<String> {
    let names: Vec<String> = (0..USERS).map(|n| format!("user-{n}")).collect();
    let secrets: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let mut manifests = passwords(&secrets);
    let mut objects = Vec::new();
    for name in ["shop", "depot", "archive"] {
        manifests += &database(name, "");
        objects.push(format!("arangodatabase/{name}"));
    }
    for name in &names {
        manifests += &user_with_password(name, "");
        objects.push(format!("arangouser/{name}"));
        for place in ["shop", "depot", "archive"] {
            manifests += &grant(name, place, "access: ro, collections: {'*': rw}");
            objects.push(format!("arangopermission/{name}-{place}"));
        }
    }
    manifests += &user("loner", "password: {generate: {}}");
    objects.push("arangouser/loner".to_owned());
    world.apply(&manifests).await;
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.apply(&resource("ArangoDatabase", "twin", "name: shop")).await;
    world.condition("arangodatabase/twin", "False", "Conflict").await;
    world.apply(&grant("user-0", "nowhere", "access: ro")).await;
    world.condition("arangopermission/user-0-nowhere", "Unknown", "ReferenceMissing").await;
    // Until then there is something to write.
    world.counted(&json!({"databases": 3, "users": USERS + 1, "permissions": USERS * 3})).await;
    objects
}

/// Whether it is a login: those that verify passwords come when they are due, and not with a comparison.
fn is_login(entry: &LogEntry) -> bool {
    entry.path.ends_with("/_open/auth")
}

/// The requests since the log was cleared, by comparison, but for logins.
fn comparisons(server: &Server) -> Vec<Vec<LogEntry>> {
    let mut groups: Vec<Vec<LogEntry>> = Vec::new();
    let mut last = f64::MIN;
    for entry in server.stand_in.request_log().into_iter().filter(|entry| !is_login(entry)) {
        if entry.time.0 - last > GAP {
            groups.push(Vec::new());
        }
        last = entry.time.0;
        groups.last_mut().unwrap().push(entry);
    }
    groups
}

/// Waits for so many comparisons after the log was cleared, and for the end of the last.
async fn compared(server: &Server, count: usize) -> Vec<Vec<LogEntry>> {
    eventually("the comparisons go on", async || {
        let groups = comparisons(server);
        // One more has begun: the ones before it are complete.
        if groups.len() > count { Ok(groups[..count].to_vec()) } else { Err(groups.len()) }
    })
    .await
}

/// How many reads a comparison takes: the listings of users and of databases, one listing for each user with declared
/// rights; and the health of the servers, for the status of the ArangoCluster.
const READS: usize = USERS + 2 + 1;

/// The reads that are needed.
fn only_the_reads_that_are_needed(groups: &[Vec<LogEntry>]) {
    for group in groups {
        let paths: Vec<_> = group.iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
        assert!(group.iter().all(|entry| entry.method == Method::GET), "{paths:#?}");
        assert!(group.len() <= READS, "{} reads for {USERS} users: {paths:#?}", group.len());
    }
    let counts: Vec<_> = groups.iter().map(Vec::len).collect();
    eprintln!("FIGURE reads per interval with {USERS} users who have declared rights: {counts:?}");
    // A busy machine may split a comparison in two. Each reads each thing once, so over all no path is ahead by more
    // than the comparison that was cut off by the end of the watch.
    let mut by_path = BTreeMap::new();
    for entry in groups.iter().flatten() {
        *by_path.entry(entry.path.as_str()).or_insert(0_usize) += 1;
    }
    let (least, most) = (by_path.values().min(), by_path.values().max());
    assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{by_path:#?}");
    assert!(by_path.len() <= READS, "{by_path:#?}");
}

/// One login for each user with a managed password and interval, all of them taken: one or two intervals after a
/// password was set, or a start, and then in every one. An interval may be a tenth shorter.
fn no_more_logins_than_passwords(server: &Server) {
    let log = server.stand_in.request_log();
    let logins: Vec<_> = log.iter().filter(|entry| is_login(entry)).collect();
    assert!(logins.iter().all(|entry| entry.is_success()), "{logins:?}");
    let time = |entry: Option<&LogEntry>| entry.map_or(0.0, |entry| entry.time.0);
    let seconds = time(log.last()) - time(log.first());
    #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
    let most = (USERS + 1) as f64 * (seconds / 0.9 + 1.0);
    eprintln!("FIGURE logins of {} users in {seconds:.1} intervals: {}", USERS + 1, logins.len());
    #[allow(clippy::cast_precision_loss, reason = "a few dozen")]
    let few = logins.len() as f64 <= most;
    assert!(few, "{} logins in {seconds} s", logins.len());
}

fn without(versions: &BTreeMap<String, String>, parts: &[&str]) -> BTreeMap<String, String> {
    let left = versions.iter().filter(|(name, _)| !parts.iter().any(|part| name.contains(part)));
    left.map(|(name, version)| (name.clone(), version.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_over_unchanged_objects_writes_nothing_while_a_change_by_hand_is_found_and_repaired() {
    let (world, server) = World::connected("1s").await;
    declare(&world).await;
    // What the last changes made others do is over once a comparison is; and passwords are verified from some seconds
    // after they were set on.
    server.stand_in.clear_requests();
    eventually("passwords are verified", async || {
        let logins = server.stand_in.request_log().iter().filter(|entry| is_login(entry)).count();
        if logins > USERS { Ok(()) } else { Err(logins) }
    })
    .await;
    server.stand_in.clear_requests();
    compared(&server, 1).await;

    let writes = ["arangooperator_kubernetes_writes_total"];
    let (versions, written) = (world.versions().await, world.operator().count(&writes).await);
    server.stand_in.clear_requests();
    let groups = compared(&server, COMPARISONS).await;
    only_the_reads_that_are_needed(&groups);
    no_more_logins_than_passwords(&server);
    assert_eq!(world.versions().await, versions);
    assert_eq!(world.operator().count(&writes).await, written);

    server.stand_in.clear_requests();
    server.set_level("user-3", "depot", "rw").await;
    world.event("arangopermission/user-3-depot", "DriftRepaired").await;
    let repairs = server.writes();
    let path = "/_api/user/user-3/database/depot";
    assert_eq!(repairs.len(), 2, "one by hand and one repair: {repairs:?}");
    assert!(repairs.iter().all(|entry| entry.path.ends_with(path)), "{repairs:?}");

    server.stand_in.clear_requests();
    let groups = compared(&server, COMPARISONS).await;
    only_the_reads_that_are_needed(&groups);
    // The Event is all that was written to Kubernetes.
    let after = world.versions().await;
    assert_eq!(without(&after, &["Event/user-3-depot."]), versions);
    assert_eq!(world.operator().count(&writes).await, written + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_writes_nothing_and_reads_no_more_than_a_comparison() {
    let (mut world, server) = World::connected("1s").await;
    let objects = declare(&world).await;
    server.stand_in.clear_requests();
    compared(&server, 1).await;
    let versions = world.versions().await;
    for how in ["killed", "told to end"] {
        let operator = world.take_operator();
        if how == "killed" {
            operator.kill().await;
        } else {
            operator.terminate(crate::support::PATIENCE).await;
        }
        server.stand_in.clear_requests();
        world.start_operator().await;
        let passes = ["arangooperator_reconciles_total", "\"Ready\""];
        eventually("everything was looked at", async || {
            let count = world.operator().count(&passes).await;
            if count > objects.len() as u64 { Ok(()) } else { Err(count) }
        })
        .await;
        // The first comparison may come right after the start, before the last pass of it.
        let groups = compared(&server, COMPARISONS).await;
        let first: Vec<_> =
            groups[0].iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
        eprintln!("FIGURE requests of a restart ({how}): {}", first.len());
        // A login; what the deployment says of itself: role, version, engine, whether it is in maintenance, and the id
        // of each of three coordinators. One look may be made twice.
        assert!(first.len() <= READS + 1 + 4 + 3 + 1, "{first:#?}");
        only_the_reads_that_are_needed(&groups[1..]);
        assert!(server.writes().is_empty(), "{:?}", server.writes());
        assert_eq!(world.versions().await, versions, "{how}");
        assert_eq!(world.operator().count(&["arangooperator_kubernetes_writes_total"]).await, 0, "{how}");
    }
    // It checks: a change by hand is repaired by the last one started.
    server.set_level("user-3", "depot", "rw").await;
    world.event("arangopermission/user-3-depot", "DriftRepaired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_without_a_connection_everybody_says_what_is_missing() {
    let (mut world, server) = World::connected("1s").await;
    world.apply(&database("shop", "")).await;
    world.ready(&["arangodatabase/shop"]).await;
    world.take_operator().kill().await;
    world.kubectl(&["delete", "secret", "prod-root"]).await.unwrap();
    world.start_operator().await;
    world.condition("arangocluster/prod", "Unknown", "SecretMissing").await;
    let message = world.condition("arangodatabase/shop", "Unknown", "ClusterMissing").await;
    assert!(message.contains("prod"), "{message}");
    world.apply(&server.manifest("1s")).await;
    world.ready(&["arangocluster/prod", "arangodatabase/shop"]).await;
}

/// An hour of intervals, shortened: nothing is written to Kubernetes or the server, and every interval costs the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_fleet_with_everything_that_can_be_declared_causes_no_write_in_thirty_intervals() {
    const INTERVALS: usize = 30;
    let (world, server) = World::connected("1s").await;
    server.make_database("made").await;
    let names = ["shop", "depot", "made"];
    let options = |factor: u32| format!("options: {{replicationFactor: {factor}, sharding: flexible}}");
    let mut manifests = passwords(&[("alice", "x"), ("bob", "x")]);
    // One was made with other options, which is said and never repaired.
    for (name, factor) in names.into_iter().zip([2, 1, 3]) {
        manifests += &database(name, &options(factor));
    }
    for name in ["alice", "bob"] {
        manifests += &user_with_password(name, "");
        let everywhere = format!("user: {name}, database: \"*\", access: ro, collections: {{\"*\": rw}}");
        manifests += &permission(&format!("{name}-everywhere"), &everywhere);
        // What is wider wins over the one, and what is explicit over everything.
        manifests += &grant(name, "shop", "access: ro, collections: {orders: ro, \"*\": none}");
        manifests += &grant(name, "depot", "access: none");
    }
    manifests += &user("loner", "password: {generate: {}}, active: false");
    manifests += &database("observed", "drift: {policy: Observe}");
    world.apply(&manifests).await;
    let mut objects: Vec<String> = names.map(|name| format!("arangodatabase/{name}")).into();
    objects.push("arangouser/loner".to_owned());
    for name in ["alice", "bob"] {
        objects.push(format!("arangouser/{name}"));
        objects.extend(["everywhere", "depot"].map(|row| format!("arangopermission/{name}-{row}")));
    }
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for name in ["alice", "bob"] {
        world.condition(&format!("arangopermission/{name}-shop"), "Unknown", "CollectionMissing").await;
    }
    server.make_collection("shop", "orders").await;
    world.ready(&["arangopermission/alice-shop", "arangopermission/bob-shop"]).await;
    world.condition("arangodatabase/observed", "False", "ActionsPending").await;
    world.counted(&json!({"permissions": 6, "users": 3})).await;
    server.stand_in.clear_requests();
    compared(&server, 2).await;

    let writes = ["arangooperator_kubernetes_writes_total"];
    let (versions, written) = (world.versions().await, world.operator().count(&writes).await);
    server.stand_in.clear_requests();
    let counts = || comparisons(&server).iter().map(Vec::len).collect::<Vec<_>>();
    let limit = std::time::Duration::from_secs(5 * INTERVALS as u64);
    let (counts, took) = within(limit, "the comparisons go on", async || {
        let counts = counts();
        if counts.len() > INTERVALS { Ok(counts) } else { Err(counts) }
    })
    .await;
    eprintln!("FIGURE reads in each of {INTERVALS} intervals ({took:?}): {counts:?}");
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(world.versions().await, versions);
    assert_eq!(world.operator().count(&writes).await, written);
    // Users, databases, each user's rights, his `*/*`, the options of each database, and the cluster's health.
    let expected = 2 + 2 + 2 + names.len() + 1;
    let total: usize = counts[..INTERVALS].iter().sum();
    assert!(total <= INTERVALS * expected, "{total} reads in {INTERVALS} intervals: {counts:?}");

    // Writing nothing because nothing is checked doesn't count.
    server.set_level("bob", "*/*", "ro").await;
    world.event("arangopermission/bob-everywhere", "DriftRepaired").await;
}
