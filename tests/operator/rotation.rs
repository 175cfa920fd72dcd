//! A generated password is replaced when a person asks for it, and survives being cut off anywhere.

use arango_operator::stand_in::{Fault, FaultRule};
use reqwest::Method;
use serde_json::Value;

use crate::support::{Server, World, eventually, passwords, user, user_with_password};

const USER: &str = "arangouser/alice";

async fn generated(spec: &str) -> (World, Server, String) {
    let (world, server) = World::connected("1h").await;
    world.apply(&user("alice", &format!("password: {{generate: {{}}}}, {spec}"))).await;
    world.ready(&[USER]).await;
    let password = value(&world, "password").await.unwrap();
    server.stand_in.clear_requests();
    (world, server, password)
}

async fn value(world: &World, key: &str) -> Option<String> {
    world.secret_value("alice-password", key).await
}

async fn wish(world: &World, text: &str) {
    let annotation = format!("arango-operator.dev/rotate={text}");
    world.kubectl(&["annotate", "--overwrite", USER, &annotation]).await.unwrap();
}

async fn secret(world: &World) -> Value {
    serde_json::from_str(&world.kubectl(&["get", "secret", "alice-password", "-o", "json"]).await.unwrap())
        .unwrap()
}

/// Waits until the wish is fulfilled, and checks what is left of it. Tells the new password.
async fn fulfilled(world: &World, server: &Server, wish: &str, old: &str) -> String {
    eventually("the status says that the wish was fulfilled", async || {
        let status = world.object(USER).await["status"].clone();
        let done = status["rotated"] == wish && status["rotating"].is_null();
        if done { Ok(()) } else { Err(status) }
    })
    .await;
    world.ready(&[USER]).await;
    let new = value(world, "password").await.unwrap();
    assert_ne!(new, old);
    assert_eq!(value(world, "password-next").await, None);
    assert_eq!(server.login("alice", &new).await, 200);
    assert_eq!(server.login("alice", old).await, 401);
    new
}

/// How often her password was set on the server.
fn changes(server: &Server) -> usize {
    server
        .writes()
        .iter()
        .filter(|entry| entry.method == Method::PATCH && entry.path.ends_with("/alice"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_replaced_once_for_each_wish_and_what_others_wrote_into_the_secret_stays() {
    let (world, server, first) = generated("").await;
    world.kubectl(&["label", "secret", "alice-password", "team=shop"]).await.unwrap();
    let patch = r#"{"stringData": {"theirs": "kept"}, "metadata": {"annotations": {"theirs": "kept"}}}"#;
    world.kubectl(&["patch", "secret", "alice-password", "-p", patch]).await.unwrap();

    wish(&world, "monday").await;
    let second = fulfilled(&world, &server, "monday", &first).await;
    assert_eq!(second.len(), 32);
    let kept = secret(&world).await;
    assert_eq!(kept["metadata"]["labels"]["team"], "shop");
    assert_eq!(kept["metadata"]["annotations"]["theirs"], "kept");
    assert_eq!(value(&world, "theirs").await.as_deref(), Some("kept"));
    assert_eq!(value(&world, "username").await.as_deref(), Some("alice"));

    // The same wish again is none.
    let count = changes(&server);
    world.kubectl(&["annotate", USER, "arango-operator.dev/reconcile-at=1"]).await.unwrap();
    eventually("she was looked at", async || {
        let status = world.object(USER).await["status"].clone();
        if status["reconcileAt"] == "1" { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!((value(&world, "password").await.unwrap(), changes(&server)), (second.clone(), count));
    wish(&world, "tuesday").await;
    fulfilled(&world, &server, "tuesday", &second).await;
}

/// Kills the operator while it waits for an answer, and has the next one go on.
async fn cut_off(fault: FaultRule, changes_in_all: usize) {
    let (mut world, server, first) = generated("").await;
    world.kill_at(&server, fault, async |world| wish(world, "now").await).await;

    let next = value(&world, "password-next").await.unwrap();
    assert_eq!(value(&world, "password").await.as_deref(), Some(&*first), "what it said before");
    let logins = [server.login("alice", &first).await, server.login("alice", &next).await];
    assert_eq!(logins.iter().filter(|status| **status == 200).count(), 1, "one of the two works: {logins:?}");
    assert_eq!(world.object(USER).await["status"]["rotating"], "now");
    world.start_operator().await;
    let second = fulfilled(&world, &server, "now", &first).await;
    assert_eq!(second, next, "no third password");
    assert_eq!(changes(&server), changes_in_all, "{:?}", server.writes());
}

fn hang(method: Method, path: &str) -> FaultRule {
    FaultRule::new(Fault::Hang).method(method).path(path).next(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_server_learns_of_the_new_password_the_next_start_tells_it() {
    cut_off(hang(Method::PATCH, "/_api/user/alice").effect(false), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_servers_answer_the_next_start_finds_out_by_a_login() {
    cut_off(hang(Method::PATCH, "/_api/user/alice").effect(true), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_login_is_answered_the_next_start_logs_in_again() {
    cut_off(hang(Method::POST, "/_open/auth"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_servers_answer_a_user_who_may_not_log_in_is_told_again() {
    let (mut world, server, first) = generated("active: false").await;
    let answer = hang(Method::PATCH, "/_api/user/alice").effect(true);
    world.kill_at(&server, answer, async |world| wish(world, "now").await).await;
    let next = value(&world, "password-next").await.unwrap();
    world.start_operator().await;
    eventually("the next one is the password", async || {
        let password = value(&world, "password").await.unwrap();
        if password == next { Ok(()) } else { Err(password == first) }
    })
    .await;
    world.apply(&user("alice", "password: {generate: {}}")).await;
    world.ready(&[USER]).await;
    assert_eq!(server.login("alice", &next).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_or_refused_is_no_lost_password() {
    for fault in [Fault::Drop, Fault::Error, Fault::Conflict] {
        let (world, server, first) = generated("").await;
        let fault = FaultRule::new(fault).method(Method::PATCH).path("/_api/user/alice").next(2);
        server.stand_in.add_fault(fault).await.unwrap();
        wish(&world, "now").await;
        fulfilled(&world, &server, "now", &first).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_stays_is_let_go_only_when_his_password_is_whole_again() {
    let (mut world, server, first) = generated("deletionPolicy: Retain").await;
    let answer = hang(Method::PATCH, "/_api/user/alice").effect(true);
    world.kill_at(&server, answer, async |world| wish(world, "now").await).await;
    world.kubectl(&["delete", USER, "--wait=false"]).await.unwrap();
    world.start_operator().await;
    world.gone(USER).await;
    let second = value(&world, "password").await.unwrap();
    assert_ne!(second, first);
    assert_eq!(
        (value(&world, "password-next").await, server.login("alice", &second).await.as_u16()),
        (None, 200)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_a_password_that_somebody_else_makes_is_answered_once_and_disturbs_nothing() {
    let (world, server) = World::connected("1h").await;
    world.apply(&[passwords(&[("alice", "hers")]), user_with_password("alice", "")].concat()).await;
    world.ready(&[USER]).await;
    server.stand_in.clear_requests();
    wish(&world, "now").await;
    let event = world.event(USER, "AskedInVain").await;
    assert!(
        event.contains("arango-operator.dev/rotate") && event.contains("spec.password.generate"),
        "{event}"
    );
    eventually("the status says that it was seen", async || {
        let status = world.object(USER).await["status"].clone();
        if status["rotated"] == "now" { Ok(()) } else { Err(status) }
    })
    .await;
    world.ready(&[USER]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.login("alice", "hers").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_ours_any_more_is_not_written_to() {
    let (world, server, first) = generated("").await;
    let theirs =
        ["annotate", "secret", "alice-password", "arango-operator.dev/owner=somebody/else", "--overwrite"];
    world.kubectl(&theirs).await.unwrap();
    let before = secret(&world).await;
    wish(&world, "now").await;
    let message = world.condition(USER, "False", "Conflict").await;
    assert!(message.contains("alice-password"), "{message}");
    assert_eq!(secret(&world).await, before);
    assert_eq!(server.login("alice", &first).await, 200);
    let ours = format!("arango-operator.dev/owner={}/alice", world.namespace);
    world.kubectl(&["annotate", "secret", "alice-password", &ours, "--overwrite"]).await.unwrap();
    fulfilled(&world, &server, "now", &first).await;
}
