//! Maintenance by annotation: what is switched, what is left alone, and what is said of it. The deployment's own word
//! is read over HTTP; the stand-in's log shows who switched.

use std::time::Duration;

use arango_operator::stand_in::{Config, Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PATIENCE, ROOT_PASSWORD, Server, World, database, eventually};

const CLUSTER: &str = "arangocluster/prod";
const MAINTENANCE: &str = "arango-operator.dev/maintenance";
const SERVERS: &str = "arango-operator.dev/maintenance-servers";
/// As a person asks; the operator names the database, too.
const PATH: &str = "/_admin/cluster/maintenance";

/// A deployment of three coordinators with something about it changed.
fn options(change: impl FnOnce(&mut Config)) -> Options {
    let mut options = Options::cluster(3, ROOT_PASSWORD);
    change(&mut options.config);
    options
}

async fn connected(arguments: &[&'static str], options: Options, interval: &str) -> (World, Server) {
    let (world, server) = tokio::join!(World::with_arguments(arguments), Server::with_options(options));
    world.apply(&server.manifest(interval)).await;
    world.ready(&[CLUSTER]).await;
    (world, server)
}

async fn annotate(world: &World, annotation: &str, value: &str) {
    world.kubectl(&["annotate", "--overwrite", CLUSTER, &format!("{annotation}={value}")]).await.unwrap();
}

async fn remove(world: &World, annotation: &str) {
    world.kubectl(&["annotate", CLUSTER, &format!("{annotation}-")]).await.unwrap();
}

/// Whether the supervision is in maintenance, as an administrator reads it.
async fn is_on(server: &Server) -> bool {
    server.get(("root", ROOT_PASSWORD), PATH).await.ok()["result"] == "Maintenance"
}

async fn becomes(server: &Server, on: bool) {
    eventually(
        &format!("maintenance is on: {on}"),
        async || {
            if is_on(server).await == on { Ok(()) } else { Err(()) }
        },
    )
    .await;
}

async fn by_hand(server: &Server, value: &str) {
    server.by_hand(Method::PUT, PATH, json!(value)).await;
}

/// How often the operator switched. It names the database in the path, and by hand nobody does.
fn switches(server: &Server) -> usize {
    let path = format!("/_db/_system{PATH}");
    server.writes().iter().filter(|entry| entry.path.starts_with(&path)).count()
}

async fn condition(world: &World) -> Value {
    let conditions = world.object(CLUSTER).await["status"]["conditions"].clone();
    let found = conditions.as_array().unwrap().iter().find(|condition| condition["type"] == "Maintenance");
    found.cloned().unwrap_or_default()
}

/// Waits for the condition `Maintenance`. Returns its message.
async fn says(world: &World, status: &str, reason: &str) -> String {
    eventually(&format!("Maintenance={status} {reason}"), async || {
        let condition = condition(world).await;
        let is = condition["status"] == status && condition["reason"] == reason;
        if is { Ok(condition["message"].as_str().unwrap().to_owned()) } else { Err(condition) }
    })
    .await
}

/// Waits until nothing is said of maintenance any more.
async fn says_nothing(world: &World) {
    eventually("nothing is said of maintenance", async || {
        let condition = condition(world).await;
        if condition.is_null() { Ok(()) } else { Err(condition) }
    })
    .await;
}

async fn status(world: &World) -> Value {
    world.object(CLUSTER).await["status"]["maintenance"].clone()
}

/// Waits until so many comparisons more have been made.
async fn compared(server: &Server, count: usize) {
    server.stand_in.clear_requests();
    eventually("comparisons are made", async || {
        let log = server.stand_in.request_log();
        let looks = log.iter().filter(|entry| entry.path.ends_with("/_admin/cluster/health")).count();
        if looks >= count { Ok(()) } else { Err(looks) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_is_renewed_before_the_servers_time_is_over_and_removal_switches_off() {
    let (world, server) = connected(&["--maintenance-period", "6s"], options(|_| ()), "1h").await;
    annotate(&world, MAINTENANCE, "on").await;
    becomes(&server, true).await;
    let message = says(&world, "True", "MaintenanceOn").await;
    assert!(message.contains("NO automatic failover"), "{message}");
    let shown = status(&world).await;
    let words = ["mode", "by", "value", "phase"].map(|key| shown[key].as_str().unwrap_or_default());
    assert_eq!(words, ["on", "Annotation", "on", "Held"], "{shown}");
    assert!(shown["since"].is_string() && shown["until"].is_string(), "{shown}");
    assert_eq!(world.operator().count(&["arangooperator_maintenance{", "\"on\""]).await, 1);

    // Each lasts 6 s, so whoever sees the fourth has seen maintenance that nobody let run out.
    world.apply(&database("shop", "")).await;
    world.ready(&["arangodatabase/shop"]).await;
    eventually("it is renewed", async || {
        assert!(is_on(&server).await, "it never ends in between");
        if switches(&server) >= 4 { Ok(()) } else { Err(switches(&server)) }
    })
    .await;
    assert_eq!(status(&world).await["since"], shown["since"], "the value began once");

    remove(&world, MAINTENANCE).await;
    becomes(&server, false).await;
    says_nothing(&world).await;
    eventually("the status is as before", async || {
        let shown = status(&world).await;
        if shown.is_null() { Ok(()) } else { Err(shown) }
    })
    .await;
    assert_eq!(world.operator().count(&["arangooperator_maintenance{", "\"on\""]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duration_and_an_end_time_are_one_switch_and_end_by_themselves() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    annotate(&world, MAINTENANCE, "4s").await;
    becomes(&server, true).await;
    becomes(&server, false).await;
    says_nothing(&world).await;
    compared(&server, 2).await;
    assert_eq!(switches(&server), 0, "ended by itself, and doesn't begin again");
    assert_eq!(status(&world).await["phase"], "Over");

    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5);
    let end = jiff::Timestamp::from_second(end.as_second()).unwrap();
    server.stand_in.clear_requests();
    annotate(&world, MAINTENANCE, &end.to_string()).await;
    becomes(&server, true).await;
    let message = says(&world, "True", "MaintenanceOn").await;
    assert!(message.contains(&end.to_string()), "{message}");
    becomes(&server, false).await;
    assert!(jiff::Timestamp::now() >= end, "not before its time");
    assert_eq!(switches(&server), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_time_in_the_past_and_nonsense_switch_nothing_and_say_so() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    annotate(&world, MAINTENANCE, "2026-01-01T00:00:00Z").await;
    let message = says(&world, "False", "EndTimePast").await;
    assert!(
        message.contains("2026-01-01T00:00:00Z") && message.contains("nothing was switched"),
        "{message}"
    );
    world.event(CLUSTER, "EndTimePast").await;
    for (value, part) in [("yes", "\"yes\""), ("45", "\"45m\""), ("40d", "31d")] {
        annotate(&world, MAINTENANCE, value).await;
        eventually(&format!("{value} is not understood"), async || {
            let condition = condition(&world).await;
            let message = condition["message"].as_str().unwrap_or_default();
            if condition["reason"] == "Invalid" && message.contains(part) { Ok(()) } else { Err(condition) }
        })
        .await;
    }
    remove(&world, MAINTENANCE).await;
    annotate(&world, SERVERS, "PRMR-1").await;
    let message = says(&world, "False", "Invalid").await;
    assert!(message.contains(SERVERS) && message.contains("PRMR-1234=30m"), "{message}");
    assert_eq!(switches(&server), 0);
    assert!(!is_on(&server).await);
    world.ready(&[CLUSTER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_switched_on_is_left_alone_unless_off_is_asked_for() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    by_hand(&server, "on").await;
    annotate(&world, MAINTENANCE, "on").await;
    let message = says(&world, "True", "MaintenanceByHand").await;
    assert!(message.contains("somebody else"), "{message}");
    assert_eq!(status(&world).await["by"], "SomebodyElse");
    remove(&world, MAINTENANCE).await;
    compared(&server, 2).await;
    assert!(is_on(&server).await, "not ours to switch off");
    assert_eq!(switches(&server), 0);

    annotate(&world, MAINTENANCE, "off").await;
    becomes(&server, false).await;
    says_nothing(&world).await;

    // Switched off by hand, it is the annotation's turn.
    by_hand(&server, "on").await;
    annotate(&world, MAINTENANCE, "on").await;
    says(&world, "True", "MaintenanceByHand").await;
    by_hand(&server, "off").await;
    says(&world, "True", "MaintenanceOn").await;
    assert!(is_on(&server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_by_somebody_twice_within_minutes_it_gives_up_and_says_so() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    annotate(&world, MAINTENANCE, "on").await;
    says(&world, "True", "MaintenanceOn").await;
    by_hand(&server, "off").await;
    becomes(&server, true).await;
    says(&world, "True", "MaintenanceOn").await;
    by_hand(&server, "off").await;
    let message = says(&world, "False", "MaintenanceUndone").await;
    assert!(message.contains("twice"), "{message}");
    world.event(CLUSTER, "MaintenanceUndone").await;
    assert_eq!(world.operator().count(&["arangooperator_maintenance{", "\"undone\""]).await, 1);
    compared(&server, 3).await;
    assert!(!is_on(&server).await);
    assert_eq!(switches(&server), 0, "nothing more is switched");
    annotate(&world, MAINTENANCE, "30m").await;
    becomes(&server, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_operator_knows_what_it_switched_on_and_since_when() {
    let (mut world, server) = connected(&[], options(|_| ()), "1s").await;
    annotate(&world, MAINTENANCE, "on").await;
    says(&world, "True", "MaintenanceOn").await;
    world.take_operator().kill().await;
    let since = r#"{"status": {"maintenance": {"since": "2026-11-01T00:00:00Z"}}}"#;
    world.kubectl(&["patch", CLUSTER, "--subresource=status", "--type=merge", "-p", since]).await.unwrap();
    server.stand_in.clear_requests();
    world.start_operator().await;
    let message = says(&world, "True", "LongRunning").await;
    assert!(message.contains("2026-11-01") && message.contains("remove the annotation"), "{message}");
    assert_eq!(world.operator().count(&["arangooperator_maintenance{", "\"long_running\""]).await, 1);
    assert_eq!(switches(&server), 0, "it is on already, and by the operator");

    world.take_operator().kill().await;
    remove(&world, MAINTENANCE).await;
    world.start_operator().await;
    becomes(&server, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_switches_the_operator_knows_afterwards_what_is_its_own() {
    let slow = options(|config| config.maintenance_takes = Duration::from_secs(3));
    let (mut world, server) = connected(&[], slow, "1s").await;
    annotate(&world, MAINTENANCE, "on").await;
    becomes(&server, true).await;
    assert_eq!(status(&world).await["phase"], "Switching", "said before it is done");
    world.take_operator().kill().await;
    remove(&world, MAINTENANCE).await;
    world.start_operator().await;
    becomes(&server, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_waits_for_a_slow_switch() {
    let slow = options(|config| config.maintenance_takes = PATIENCE * 2);
    let (world, server) = tokio::join!(World::new(), Server::with_options(slow));
    // Also where one request may be under way at a time.
    let more = "drift: {interval: 1s}, requests: {maxConcurrent: 1}";
    world.apply(&server.manifest_for(("root", ROOT_PASSWORD), more)).await;
    world.ready(&[CLUSTER]).await;
    annotate(&world, MAINTENANCE, "on").await;
    let message = says(&world, "Unknown", "MaintenanceSwitching").await;
    assert!(message.contains("two minutes"), "{message}");
    becomes(&server, true).await;
    world.apply(&database("shop", "")).await;
    world.ready(&["arangodatabase/shop", CLUSTER]).await;
    assert_eq!(server.databases().await, ["shop"]);
    assert_eq!(condition(&world).await["reason"], "MaintenanceSwitching", "still under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_has_no_maintenance_and_that_is_said() {
    let (world, server) = connected(&[], Options::single(ROOT_PASSWORD), "1s").await;
    annotate(&world, MAINTENANCE, "on").await;
    let message = says(&world, "False", "MaintenanceUnsupported").await;
    assert!(message.contains("single server"), "{message}");
    world.ready(&[CLUSTER]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    remove(&world, MAINTENANCE).await;
    says_nothing(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_know_an_hour_only_are_switched_off_at_the_end() {
    let (world, server) = connected(&[], options(|config| config.version = "3.11.14".to_owned()), "1h").await;
    annotate(&world, MAINTENANCE, "3s").await;
    becomes(&server, true).await;
    becomes(&server, false).await;
    assert_eq!(switches(&server), 2, "on and off");
    says_nothing(&world).await;
}

/// The mode of one DB-Server, as an administrator reads it.
async fn mode_of(server: &Server, id: &str) -> String {
    let answer = server.get(("root", ROOT_PASSWORD), &format!("{PATH}/{id}")).await.ok();
    answer["result"]["Mode"].as_str().unwrap_or("normal").to_owned()
}

async fn modes_become(server: &Server, ids: &[String], modes: &[&str]) {
    eventually(&format!("the DB-Servers are {modes:?}"), async || {
        let mut now = Vec::new();
        for id in ids {
            now.push(mode_of(server, id).await);
        }
        if now == modes { Ok(()) } else { Err(now) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_db_servers_are_switched_one_by_one_and_the_rest_is_left_alone() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    let ids = server.stand_in.with_model(|model| model.config().db_server_ids.clone());
    // One by its id, one by its short name.
    annotate(&world, SERVERS, &format!("{}=30m, DBServer0002=on", ids[0])).await;
    modes_become(&server, &ids, &["maintenance", "maintenance", "normal"]).await;
    let message = says(&world, "True", "MaintenanceOn").await;
    assert!(message.contains(&ids[0]) && message.contains("takes over nothing"), "{message}");
    assert!(!is_on(&server).await, "the supervision works");
    let shown = status(&world).await;
    assert_eq!(shown["mode"], "off");
    let servers = shown["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2, "{shown}");
    assert!(
        servers.iter().all(|server| server["by"] == "Annotation" && server["until"].is_string()),
        "{shown}"
    );
    assert_eq!(switches(&server), 2);

    server.by_hand(Method::PUT, &format!("{PATH}/{}", ids[2]), json!({"mode": "maintenance"})).await;
    annotate(&world, SERVERS, &format!("{}=30m, {}=on", ids[0], ids[2])).await;
    modes_become(&server, &ids, &["maintenance", "normal", "maintenance"]).await;
    remove(&world, SERVERS).await;
    modes_become(&server, &ids, &["normal", "normal", "maintenance"]).await;
    assert_eq!(switches(&server), 4, "what was switched on by hand is not ours");

    annotate(&world, SERVERS, "PRMR-nobody=on").await;
    eventually("a server that isn't there is told", async || {
        let condition = condition(&world).await;
        let message = condition["message"].as_str().unwrap_or_default();
        let told =
            condition["reason"] == "Invalid" && message.contains("PRMR-nobody") && message.contains(&ids[0]);
        if told { Ok(()) } else { Err(condition) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_goes_with_the_resource_that_asked_for_it() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    annotate(&world, MAINTENANCE, "on").await;
    says(&world, "True", "MaintenanceOn").await;
    world.delete(&[CLUSTER]).await;
    assert!(!is_on(&server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_deployment_is_switched_when_it_is_back() {
    let (world, server) = connected(&[], options(|_| ()), "1s").await;
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
    annotate(&world, MAINTENANCE, "on").await;
    says(&world, "Unknown", "ServerUnavailable").await;
    for coordinator in 0..3 {
        server.stand_in.start_coordinator(coordinator).await.unwrap();
    }
    becomes(&server, true).await;
    says(&world, "True", "MaintenanceOn").await;
}
