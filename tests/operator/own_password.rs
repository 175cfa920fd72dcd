//! The password of the operator's own account, changed where the server still has the one before.

use std::time::Duration;

use arango_operator::stand_in::{Fault, FaultRule};
use reqwest::Method;
use serde_json::json;

use crate::support::{Server, World, database, eventually, secret};

/// An account of its own for the operator, since the tests are root.
pub(super) async fn with_account(password: &str) -> (World, Server) {
    let (world, server) = tokio::join!(World::new(), Server::start());
    server.make_user("keeper", password).await;
    server.set_level("keeper", "_system", "rw").await;
    (world, server)
}

pub(super) fn account(password: &str, previous: Option<&str>) -> String {
    let mut values = vec![("username", "keeper"), ("password", password)];
    values.extend(previous.map(|previous| ("previous-password", previous)));
    secret("prod-root", &values)
}

/// The ArangoCluster, without the Secret that the manifest comes with.
pub(super) fn cluster(server: &Server, method: &str) -> String {
    let manifest = server.manifest_for(("keeper", "unused"), "drift: {interval: 1s}");
    let (_, cluster) = manifest.rsplit_once("---\n").unwrap();
    format!("---\n{}", cluster.replace("auth: {", &format!("auth: {{method: {method}, ")))
}

fn changes(server: &Server) -> usize {
    let log = server.stand_in.request_log();
    log.iter()
        .filter(|entry| entry.method == Method::PATCH && entry.user.as_deref() == Some("keeper"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_server_has_the_password_before_it_is_changed_to_the_one_that_is_declared() {
    for method in ["JWT", "Basic"] {
        let (world, server) = with_account("first").await;
        // Coordinators learn of a change late.
        server
            .stand_in
            .add_fault(FaultRule::new(Fault::Stale { time: Duration::from_secs(1) }))
            .await
            .unwrap();
        eventually("every coordinator knows the account", async || {
            let log_in = async || server.login("keeper", "first").await;
            if log_in().await == 200 { Ok(()) } else { Err(()) }
        })
        .await;
        world.apply(&[account("second", Some("first")), cluster(&server, method)].concat()).await;
        world.apply(&database("shop", "")).await;
        world.ready(&["arangocluster/prod", "arangodatabase/shop"]).await;
        let event = world.event("arangocluster/prod", "OwnPasswordChanged").await;
        assert!(event.contains("keeper") && event.contains("prod-root"), "{event}");
        assert!(!event.contains("first") && !event.contains("second"), "{event}");
        eventually("the new password is the only one", async || {
            let (old, new) = (server.login("keeper", "first").await, server.login("keeper", "second").await);
            if old == 401 && new == 200 { Ok(()) } else { Err((old, new)) }
        })
        .await;

        // And while it is connected: the Secret is changed first, the server follows.
        world.apply(&account("third", Some("second"))).await;
        eventually("the next password works", async || {
            match server.login("keeper", "third").await.as_u16() {
                200 => Ok(()),
                other => Err(other),
            }
        })
        .await;
        world.apply(&database("depot", "")).await;
        world.ready(&["arangodatabase/depot"]).await;
        server.has_levels("keeper", &[("_system", "rw")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_changed_for_no_other_reason() {
    let (world, server) = with_account("right").await;
    // The password works: what was before doesn't matter, not even if it is wrong.
    world.apply(&[account("right", Some("wrong")), cluster(&server, "JWT")].concat()).await;
    world.ready(&["arangocluster/prod"]).await;
    // Somebody changed it on the server first.
    server.by_hand(Method::PATCH, "/_api/user/keeper", json!({"passwd": "by hand"})).await;
    world.apply(&account("by hand", Some("right"))).await;
    world.apply(&database("shop", "")).await;
    world.ready(&["arangocluster/prod", "arangodatabase/shop"]).await;
    // Neither works.
    world.apply(&account("wrong", Some("wrong as well"))).await;
    world.condition("arangocluster/prod", "False", "AccessDenied").await;
    assert_eq!(changes(&server), 0);
    assert_eq!(server.login("keeper", "by hand").await, 200);
    // The account may not do what is asked of it: that is another refusal.
    server.set_level("keeper", "_system", "none").await;
    world.apply(&account("by hand", Some("right"))).await;
    world.condition("arangocluster/prod", "False", "AccessDenied").await;
    assert_eq!(changes(&server), 0);
    let events = world.events_of("arangocluster/prod").await;
    assert!(events.iter().all(|event| !event.starts_with("OwnPassword")), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_password_is_refused_with_a_sentence() {
    let (world, server) = with_account("first").await;
    world.apply(&[account("", None), cluster(&server, "JWT")].concat()).await;
    let message = world.condition("arangocluster/prod", "False", "Invalid").await;
    assert!(message.contains("prod-root") && message.contains("empty password"), "{message}");
    world.apply(&account("second", Some(""))).await;
    eventually("the other key is named", async || {
        let message = world.condition("arangocluster/prod", "False", "Invalid").await;
        if message.contains("prod-root has an empty previous-password") { Ok(()) } else { Err(message) }
    })
    .await;
    world.apply(&account("second", Some("first"))).await;
    world.ready(&["arangocluster/prod"]).await;
    assert_eq!(server.login("keeper", "second").await, 200);
}
