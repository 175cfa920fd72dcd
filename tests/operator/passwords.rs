//! Whether a password is the declared one can't be read: it is tried, seldom, and set again if it isn't.

use std::time::Duration;

use arango_operator::stand_in::{Fault, FaultRule, LogEntry};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Server, World, eventually, passwords, user_with_password, within};

/// How long a change by hand may take to be found: an interval or two, and the second look.
const FOUND: Duration = Duration::from_secs(60);

const LOGIN: &str = "/_open/auth";

/// The logins since the log was cleared.
fn logins(server: &Server) -> Vec<LogEntry> {
    let mut log = server.stand_in.request_log();
    log.retain(|entry| entry.path.ends_with(LOGIN));
    log
}

fn refused(server: &Server) -> usize {
    logins(server).iter().filter(|entry| entry.status == Some(StatusCode::UNAUTHORIZED)).count()
}

/// Tries a password without a login for a token, which would be counted.
async fn try_password(server: &Server, user: &str, password: &str) -> Result<(), u16> {
    match server.get((user, password), &format!("/_api/user/{user}")).await.codes().0 {
        200 => Ok(()),
        other => Err(other),
    }
}

async fn by_hand(server: &Server, change: serde_json::Value) {
    server.by_hand(Method::PATCH, "/_api/user/alice", change).await;
}

async fn alice(interval: &str, spec: &str) -> (World, Server) {
    let (world, server) = World::connected(interval).await;
    world.apply(&[passwords(&[("alice", "hers")]), user_with_password("alice", spec)].concat()).await;
    world.ready(&["arangouser/alice"]).await;
    (world, server)
}

/// Waits until everything was compared so often.
async fn compared(server: &Server, times: usize) {
    server.stand_in.clear_requests();
    within(FOUND, "the comparisons go on", async || {
        let log = server.stand_in.request_log();
        let listings =
            log.iter().filter(|e| e.method == Method::GET && e.path.ends_with("/_api/user")).count();
        if listings >= times { Ok(()) } else { Err(listings) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_by_hand_is_found_and_set_again_after_two_refused_logins() {
    let (world, server) = alice("1s", "").await;
    server.stand_in.clear_requests();
    by_hand(&server, json!({"passwd": "not hers"})).await;
    within(FOUND, "her own password works again", async || try_password(&server, "alice", "hers").await)
        .await;
    let event = world.event("arangouser/alice", "DriftRepaired").await;
    assert!(event.contains("password of alice") && event.contains("passwords"), "{event}");
    assert_eq!(refused(&server), 2, "refused logins are audited: {:?}", logins(&server));
    assert_eq!(server.writes().len(), 2, "one by hand and one repair: {:?}", server.writes());
    assert_eq!(world.operator().count(&["arangooperator_drift_repaired_total", "ArangoUser"]).await, 1);
    world.ready(&["arangouser/alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_once_changes_nothing() {
    let (world, server) = alice("1s", "").await;
    let page = Fault::Html { status: StatusCode::UNAUTHORIZED };
    let fault = FaultRule::new(page).method(Method::POST).path(LOGIN).next(1);
    server.stand_in.add_fault(fault).await.unwrap();
    server.stand_in.clear_requests();
    within(FOUND, "logins go on", async || {
        let logins = logins(&server);
        let taken = logins.iter().filter(|entry| entry.is_success()).count();
        if refused(&server) == 1 && taken >= 3 { Ok(()) } else { Err(logins.len()) }
    })
    .await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    let events = world.events_of("arangouser/alice").await;
    assert!(events.iter().all(|event| !event.starts_with("Drift")), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_logged_in_after_a_start_or_who_may_not_log_in_anyway() {
    let (mut world, server) = alice("1s", "active: false").await;
    // The operator's own login was before.
    compared(&server, 12).await;
    assert!(logins(&server).is_empty(), "{:?}", logins(&server));

    world.apply(&user_with_password("alice", "")).await;
    world.apply(&server.manifest("1h")).await;
    world.ready(&["arangouser/alice", "arangocluster/prod"]).await;
    world.take_operator().kill().await;
    server.stand_in.clear_requests();
    world.start_operator().await;
    eventually("she was looked at", async || {
        let passes = ["arangooperator_reconciles_total", "ArangoUser", "\"Ready\""];
        if world.operator().count(&passes).await > 0 { Ok(()) } else { Err(()) }
    })
    .await;
    assert_eq!(logins(&server).len(), 1, "the operator's own: {:?}", logins(&server));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_takes_no_change_nothing_is_found_wrong_and_after_that_it_is_put_right() {
    let (world, server) = alice("1s", "").await;
    let mode = async |mode: &str| {
        server.by_hand(Method::PUT, "/_admin/server/mode", json!({ "mode": mode })).await;
    };
    by_hand(&server, json!({"passwd": "not hers"})).await;
    mode("readonly").await;
    server.stand_in.clear_requests();
    within(FOUND, "a login is refused", async || if refused(&server) > 0 { Ok(()) } else { Err(()) }).await;
    compared(&server, 8).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    world.ready(&["arangouser/alice"]).await;
    mode("default").await;
    within(FOUND, "her own password works again", async || try_password(&server, "alice", "hers").await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_users_there_are_at_most_ten_log_in_a_second() {
    const USERS: usize = 24;
    let (world, server) = World::connected("1s").await;
    let names: Vec<_> = (0..USERS).map(|n| format!("user-{n}")).collect();
    let values: Vec<_> = names.iter().map(|name| (name.as_str(), "a password")).collect();
    let users: String = names.iter().map(|name| user_with_password(name, "")).collect();
    world.apply(&(passwords(&values) + &users)).await;
    let objects: Vec<_> = names.iter().map(|name| format!("arangouser/{name}")).collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    server.stand_in.clear_requests();
    let (logins, _) = within(FOUND, "everybody was logged in", async || {
        let logins = logins(&server);
        if logins.len() >= 2 * USERS { Ok(logins) } else { Err(logins.len()) }
    })
    .await;
    assert!(logins.iter().all(LogEntry::is_success), "{logins:?}");
    let times: Vec<_> = logins.iter().map(|entry| entry.time.0).collect();
    let most = times.windows(12).filter(|window| window[11] - window[0] < 1.0).count();
    assert_eq!(most, 0, "twelve within a second: {times:?}");
}
