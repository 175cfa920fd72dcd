//! The client against servers that misbehave on purpose.

mod cluster;
mod health;
mod login;
mod server;
mod settle;
mod tls;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use http::Method;
use secrecy::SecretString;
use serde_json::{Map, json};
use server::{Reply, Seen, Server, closed, error, ok};
use tokio::time::timeout;

use super::*;
use crate::core::{DatabaseName, Level, Scope, UserName};

const DATABASES: &str = "/_db/_system/_api/database";
/// What no output may contain.
const CANARY: &str = "canary-3f1c77c1a0d64f4b9a5ce3d2";
/// For whatever has to happen soon; a test that needs it all is broken.
const SOON: Duration = Duration::from_secs(20);

fn jwt() -> Auth {
    Auth::Jwt { user: "root".to_owned(), password: CANARY.into() }
}

fn connection(endpoints: Vec<Endpoint>, auth: Auth) -> Connection {
    Connection::new(endpoints, auth)
}

fn pool(endpoints: Vec<Endpoint>, auth: Auth) -> Pool {
    Pool::new(connection(endpoints, auth)).unwrap()
}

fn databases(_: &Seen) -> Reply {
    ok(vec!["_system"])
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

#[tokio::test]
async fn a_refused_coordinator_is_skipped_and_shown() {
    let server = Server::start(databases).await;
    let pool = pool(vec![closed().await, server.endpoint()], Auth::None);
    let mut watch = pool.watch();
    let client = Client::new(pool.clone());
    for _ in 0..5 {
        client.databases().await.unwrap();
    }
    // A POST too: what was never sent is sent to the next.
    let name = DatabaseName::parse("shop").unwrap();
    client.at(0).create_database(&name, &DatabaseOptions::default()).await.unwrap_err();
    client.create_database(&name, &DatabaseOptions::default()).await.unwrap();
    assert!(watch.has_changed().unwrap());
    let states = watch.borrow_and_update().clone();
    assert_eq!(states.iter().map(|state| state.reachable).collect::<Vec<_>>(), [false, true]);
    assert!(states[0].message.as_ref().unwrap().contains("refused"), "{states:?}");
    assert_eq!(pool.coordinators(), states);
}

#[tokio::test]
async fn a_dead_coordinator_is_taken_back_without_a_request() {
    let first = Server::start(databases).await;
    let address = first.address;
    let pool = pool(vec![first.endpoint()], Auth::None);
    let client = Client::new(pool.clone());
    let mut watch = pool.watch();
    client.databases().await.unwrap();
    first.stop().await;
    let error = client.databases().await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error}");
    timeout(SOON, watch.wait_for(|states| !states[0].reachable)).await.unwrap().unwrap();
    let again = Server::at(address, databases).await;
    timeout(SOON, watch.wait_for(|states| states[0].reachable)).await.unwrap().unwrap();
    assert_eq!(again.seen().len(), 0);
    client.databases().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_repeated_only_where_that_is_safe() {
    let broken = Server::start(|_| Reply::Hangup).await;
    let sound =
        Server::start(|seen| if seen.method == Method::GET { databases(seen) } else { ok(true) }).await;
    let endpoints = || vec![broken.endpoint(), sound.endpoint()];

    let client = Client::new(pool(endpoints(), Auth::None));
    let error = client.call(Request::new(Method::POST, "/_api/x")).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert!(error.may_have_run());
    assert_eq!((broken.seen().len(), sound.seen().len()), (1, 0));

    let client = Client::new(pool(endpoints(), Auth::None));
    client.databases().await.unwrap();
    let client = Client::new(pool(endpoints(), Auth::None));
    client.grant_database(&user("a"), &Scope::Any, Level::Ro).await.unwrap();
    assert_eq!((broken.seen().len(), sound.seen().len()), (3, 2));
}

#[tokio::test]
async fn a_starting_coordinator_passes_every_request_on_and_a_stopping_one_the_safe_ones() {
    for (number, moves) in [(503, true), (30, false)] {
        let away = Server::start(move |_| error(503, number)).await;
        let sound = Server::start(|_| ok(true)).await;
        let client = Client::new(pool(vec![away.endpoint(), sound.endpoint()], Auth::None));
        let outcome = client.call(Request::new(Method::DELETE, "/_api/x")).await;
        assert_eq!(outcome.is_ok(), moves, "{outcome:?}");
        assert_eq!((away.seen().len(), sound.seen().len()), (1, usize::from(moves)));
    }
}

#[tokio::test]
async fn all_coordinators_full_is_busy_and_not_unreachable() {
    let full = Server::start(|_| error(503, 21003)).await;
    let pool = pool(vec![closed().await, full.endpoint()], Auth::None);
    let error = Client::new(pool.clone()).databases().await.unwrap_err();
    assert_eq!((error.class(), error.may_have_run()), (Class::Busy, false));
    assert!(pool.coordinators()[1].reachable);
}

#[tokio::test]
async fn a_silent_coordinator_leaves_time_for_the_next() {
    let silent = Server::start(|_| Reply::Silence).await;
    let sound = Server::start(databases).await;
    let short = |endpoints| {
        let mut connection = connection(endpoints, Auth::None);
        connection.timeout = Duration::from_secs(1);
        Client::new(Pool::new(connection).unwrap())
    };
    short(vec![silent.endpoint(), sound.endpoint()]).databases().await.unwrap();
    let error = short(vec![silent.endpoint()]).databases().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { sent: true, .. }), "{error}");
}

#[tokio::test]
async fn waiting_for_a_turn_counts_against_the_time() {
    let silent = Server::start(|_| Reply::Silence).await;
    let mut connection = connection(vec![silent.endpoint()], Auth::None);
    connection.max_concurrent = 1;
    connection.timeout = Duration::from_millis(300);
    let client = Client::new(Pool::new(connection).unwrap());
    let answers = join_all((0..3).map(|_| client.databases())).await;
    let sent = |answer: &Result<_, Error>| matches!(answer, Err(Error::TimedOut { sent: true, .. }));
    assert_eq!(answers.iter().filter(|answer| sent(answer)).count(), 1, "{answers:?}");
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(silent.seen().len(), 1, "no more than one at the same time");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Server::start(databases).await;
    let server = Server::start(|_| Reply::Raw(307, "location: http://127.0.0.1:1/", Vec::new())).await;
    let error = Client::new(pool(vec![server.endpoint()], Auth::None)).databases().await.unwrap_err();
    assert!(matches!(&error, Error::Answer(answer) if answer.status.as_u16() == 307), "{error}");
    assert_eq!((server.seen().len(), target.seen().len()), (1, 0));
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    // Announced, and found out while reading.
    for header in ["content-type: application/json", "transfer-encoding: chunked"] {
        let body = if header.starts_with("transfer") {
            [b"800\r\n".as_slice(), &[b' '; 0x800], b"\r\n0\r\n\r\n"].concat()
        } else {
            vec![b' '; 0x800]
        };
        let server = Server::start(move |_| Reply::Raw(200, header, body.clone())).await;
        let mut connection = connection(vec![server.endpoint()], Auth::None);
        connection.max_answer = 1024;
        let error = Client::new(Pool::new(connection).unwrap()).databases().await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 1024, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_write_write_conflict_is_repeated_three_times() {
    for (conflicts, ok_at_last) in [(3, true), (4, false)] {
        let left = AtomicUsize::new(conflicts);
        let server = Server::start(move |_| {
            let conflict = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if conflict.is_ok() { error(409, 1200) } else { ok(true) }
        })
        .await;
        let client = Client::new(pool(vec![server.endpoint()], Auth::None)).for_user(&user("a"));
        let outcome = client.grant_database(&user("a"), &Scope::Any, Level::Rw).await;
        assert_eq!(outcome.is_ok(), ok_at_last, "{outcome:?}");
        assert_eq!(server.seen().len(), 4);
    }
}

#[tokio::test]
async fn everything_about_one_user_goes_through_one_coordinator() {
    let servers = join_all((0..3).map(|_| Server::start(|_| ok(true)))).await;
    let client = Client::new(pool(servers.iter().map(Server::endpoint).collect(), Auth::None));
    let name = user("alice");
    let alice = client.for_user(&name);
    for _ in 0..4 {
        alice.update_user(&name, &UserChange::default()).await.unwrap();
        alice.revoke_database(&name, &Scope::Any).await.unwrap();
    }
    let mut counts: Vec<usize> = servers.iter().map(|server| server.seen().len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 8]);
}

#[tokio::test]
async fn requests_are_what_the_reference_says() {
    let server = Server::start(|seen| match seen.path.rsplit('?').next() {
        Some("configured=true") => ok("ro"),
        _ => Reply::Json(201, json!({"error": false, "code": 201, "result": true})),
    })
    .await;
    let basic = Auth::Basic { user: "root".to_owned(), password: "pw:1".into() };
    let client = Client::new(pool(vec![server.endpoint()], basic));
    let (name, password) = (user("a/b ü"), SecretString::from("secret"));
    let new = NewUser { password: &password, active: true, extra: Map::new() };
    client.create_user(&name, &new).await.unwrap();
    assert_eq!(client.wildcard_of_wildcard(&name).await.unwrap(), Level::Ro);
    let seen = server.seen();
    assert_eq!(seen[0].body, json!({"user": "a/b ü", "passwd": "secret", "active": true}));
    assert_eq!(seen[0].authorization.as_deref(), Some("Basic cm9vdDpwdzox"));
    assert_eq!(seen[1].path, "/_db/_system/_api/user/a%2Fb%20%C3%BC/database/*/*?configured=true");
    // A name that URLs have no room for is refused before anything is sent.
    let error = client.delete_user(&user("..")).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_password_is_verified_by_a_login_without_our_own() {
    let server = Server::start(|seen| match seen.body["password"].as_str() {
        Some("right") => Reply::Json(200, json!({"jwt": "a.b.c"})),
        _ => error(401, 401),
    })
    .await;
    let basic = Auth::Basic { user: "root".to_owned(), password: CANARY.into() };
    let client = Client::new(pool(vec![server.endpoint()], basic));
    assert!(client.verify_password(&user("a"), &"right".into()).await.unwrap());
    assert!(!client.verify_password(&user("a"), &"wrong".into()).await.unwrap());
    assert!(server.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let server = Server::start(|_| Reply::Raw(500, "x: y", CANARY.into())).await;
    let identity = Some(CANARY.as_bytes().to_vec().into());
    let mut connection = connection(vec![server.endpoint()], jwt());
    connection.tls = Tls { identity, ..Tls::default() };
    let basic = Auth::Basic { user: "root".to_owned(), password: CANARY.into() };
    let change = UserChange { password: Some(CANARY.into()), ..UserChange::default() };
    let new = NewUser { password: &CANARY.into(), active: true, extra: Map::new() };
    let request = Request::new(Method::POST, "/x").body(json!({"passwd": CANARY}));
    let shown = format!("{connection:?} {:?} {basic:?} {change:?} {new:?} {request:?}", jwt());
    let pool = Pool::new(connection).unwrap();
    let client = Client::new(pool.clone());
    let error = client.databases().await.unwrap_err();
    let shown = format!("{shown} {pool:?} {client:?} {error} {error:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains(&format!("{:?}", CANARY.as_bytes())), "{shown}");
}

/// Says no, after so many times yes.
#[derive(Debug)]
struct Closing(AtomicUsize);

impl Gate for Closing {
    fn is_open(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[tokio::test]
async fn a_closed_gate_lets_nothing_through_not_even_a_login_or_a_repetition() {
    for open in 0..3 {
        let server = Server::start(databases).await;
        let gate = std::sync::Arc::new(Closing(AtomicUsize::new(open)));
        let connection = Connection { gate: Some(gate), ..connection(vec![server.endpoint()], Auth::None) };
        let client = Client::new(Pool::new(connection).unwrap());
        for _ in 0..open {
            client.databases().await.unwrap();
        }
        let error = client.databases().await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed) && !error.may_have_run(), "{error}");
        assert_eq!(server.seen().len(), open);
    }
    let server = Server::start(databases).await;
    let gate = std::sync::Arc::new(Closing(AtomicUsize::new(0)));
    let connection = Connection { gate: Some(gate), ..connection(vec![server.endpoint()], jwt()) };
    let error = Client::new(Pool::new(connection).unwrap()).databases().await.unwrap_err();
    assert!(matches!(error, Error::NotAllowed), "{error}");
    assert!(server.seen().is_empty(), "no login");
}
