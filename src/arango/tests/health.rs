//! Coordinators that are dead, hang, are full or talk nonsense: what a request costs, and what it is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use http::Method;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{
    SOON, connection, databases, pool,
    server::{AVAILABILITY, Reply, Seen, Server, error, ok},
    user,
};
use crate::{arango::*, core::DatabaseName};

/// A pool that loses its patience soon.
fn impatient(endpoints: Vec<Endpoint>) -> Pool {
    let mut connection = connection(endpoints, Auth::None);
    connection.patience = Duration::from_millis(100);
    Pool::new(connection).unwrap()
}

fn shop() -> DatabaseName {
    DatabaseName::parse("shop").unwrap()
}

/// A coordinator that keeps what others create, too.
fn keeping(created: &Arc<AtomicBool>) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let created = Arc::clone(created);
    move |seen| match seen.method {
        Method::POST if created.swap(true, Ordering::SeqCst) => error(409, 1207),
        Method::POST => Reply::Json(201, json!({"result": true})),
        _ if created.load(Ordering::SeqCst) => ok(vec!["_system", "shop"]),
        _ => ok(vec!["_system"]),
    }
}

#[tokio::test]
async fn a_hanging_coordinator_costs_one_request_some_patience_and_no_call_fails() {
    let hanging = Server::start(|_| Reply::Silence).await;
    let sound = [Server::start(databases).await, Server::start(databases).await];
    let endpoints = vec![hanging.endpoint(), sound[0].endpoint(), sound[1].endpoint()];
    let pool = impatient(endpoints);
    let client = Client::new(pool.clone());
    let began = Instant::now();
    for _ in 0..30 {
        client.databases().await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?} of the thirty seconds", began.elapsed());
    assert_eq!(hanging.seen().len(), 1);
    assert!(!pool.coordinators()[0].reachable);
}

#[tokio::test]
async fn all_requests_that_wait_for_a_hanging_coordinator_leave_it_together() {
    let hanging = Server::start(|_| Reply::Silence).await;
    let sound = Server::start(databases).await;
    let client = Client::new(impatient(vec![hanging.endpoint(), sound.endpoint()]));
    let answers = timeout(SOON / 2, join_all((0..20).map(|_| client.databases()))).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!((hanging.seen().len(), sound.seen().len()), (10, 20));
}

#[tokio::test]
async fn a_creation_that_hangs_is_looked_for_and_made_by_another_coordinator() {
    let created = Arc::default();
    let hanging = Server::start(|_| Reply::Silence).await;
    let sound = Server::start(keeping(&created)).await;
    let client = Client::new(impatient(vec![hanging.endpoint(), sound.endpoint()]));
    let create = async { client.create_database(&shop(), &DatabaseOptions::default()).await };
    timeout(SOON / 2, create).await.unwrap().unwrap();
    let sent = |server: &Server| server.seen().iter().filter(|seen| seen.method == Method::POST).count();
    assert_eq!((sent(&hanging), sent(&sound)), (1, 1));
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_as_long_as_probes_are_answered() {
    let slow = Server::start(|seen| {
        if seen.path == AVAILABILITY {
            return ok(true);
        }
        Reply::Late(Duration::from_millis(700), json!(["_system"]))
    })
    .await;
    let other = Server::start(databases).await;
    let pool = impatient(vec![slow.endpoint(), other.endpoint()]);
    Client::new(pool.clone()).databases().await.unwrap();
    Client::new(pool.clone()).at(0).call(Request::new(Method::POST, "/_api/x")).await.unwrap();
    assert_eq!((slow.seen().len(), other.seen().len()), (2, 0));
    assert!(slow.probes() > 0 && pool.coordinators()[0].reachable);
}

#[tokio::test]
async fn one_that_answers_probes_and_503_to_requests_costs_an_attempt_a_probe() {
    let half = Server::start(|seen| if seen.path == AVAILABILITY { ok(true) } else { error(503, 503) }).await;
    let sound = Server::start(databases).await;
    let client = Client::new(pool(vec![half.endpoint(), sound.endpoint()], Auth::None));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        client.databases().await.unwrap();
        client.call(Request::new(Method::POST, "/_api/x")).await.unwrap();
    }
    // Delays double from 50 to 100 ms on, so that a second has room for four.
    let (wasted, probes) = (half.seen().len(), half.probes());
    assert!(wasted <= probes + 1 && wasted <= 6, "{wasted} attempts, {probes} probes");
    assert!(sound.seen().len() > 10);
}

#[tokio::test]
async fn with_none_that_works_nothing_is_sent_and_the_error_says_what_was_seen() {
    let away = Server::start(|_| error(503, 503)).await;
    let client = Client::new(pool(vec![away.endpoint()], Auth::None));
    let error = client.databases().await.unwrap_err();
    assert_eq!(error.class(), Class::Busy, "{error}");
    for _ in 0..20 {
        let error = client.databases().await.unwrap_err();
        assert_eq!((error.class(), error.may_have_run()), (Class::Unreachable, false));
        let endpoint = away.endpoint().to_string();
        assert!(error.to_string().contains("503") && error.to_string().contains(&endpoint), "{error}");
    }
    assert_eq!(away.seen().len(), 1);
    // Unless it is asked for by name.
    client.at(0).databases().await.unwrap_err();
    assert_eq!(away.seen().len(), 2);
}

/// Full for so many requests, each told to wait for a second; then not.
async fn full(times: usize) -> Server {
    let left = AtomicUsize::new(times);
    Server::start(move |seen| {
        let full = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if full { Reply::Error(503, "retry-after: 1", 21003) } else { databases(seen) }
    })
    .await
}

#[tokio::test]
async fn one_that_is_full_is_left_alone_for_as_long_as_it_says() {
    let (first, second) = (full(1).await, Server::start(databases).await);
    let pool = pool(vec![first.endpoint(), second.endpoint()], Auth::None);
    let client = Client::new(pool.clone());
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < Duration::from_millis(800) {
        client.databases().await.unwrap();
        calls += 1;
    }
    assert_eq!((first.seen().len(), second.seen().len()), (1, calls));
    assert!(pool.coordinators()[0].reachable && first.probes() == 0);
    // Alone, it is waited for; what it refused was not run, so that holds for any request.
    client.at(0).call(Request::new(Method::POST, "/_api/x")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(first.seen().len(), 2);
}

#[tokio::test]
async fn where_all_are_full_a_request_waits_its_turn_and_is_answered() {
    let full = full(1).await;
    let client = Client::new(pool(vec![full.endpoint()], Auth::None));
    let began = Instant::now();
    for answer in join_all((0..5).map(|_| client.databases())).await {
        answer.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_request_has_is_not_begun() {
    let full = Server::start(|_| Reply::Error(503, "retry-after: 30", 21003)).await;
    let mut connection = connection(vec![full.endpoint()], Auth::None);
    connection.timeout = Duration::from_secs(5);
    let client = Client::new(Pool::new(connection).unwrap());
    let began = Instant::now();
    let error = client.databases().await.unwrap_err();
    assert_eq!(error.error_num(), Some(21003), "{error}");
    let error = client.create_database(&shop(), &DatabaseOptions::default()).await.unwrap_err();
    assert_eq!((error.class(), error.may_have_run()), (Class::Busy, false));
    assert!(error.to_string().contains("may be asked again in"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(full.seen().len(), 1);
}

#[tokio::test]
async fn nonsense_and_broken_answers_send_a_read_on_and_leave_a_write_alone() {
    for nonsense in [
        || Reply::Raw(502, "content-type: text/html", b"<html>".to_vec()),
        || Reply::Raw(500, "content-type: text/html", b"<html>".to_vec()),
        || Reply::Half,
        || Reply::Hangup,
        || error(503, 1478),
    ] {
        let odd = Server::start(move |_| nonsense()).await;
        let sound = Server::start(databases).await;
        let endpoints = vec![odd.endpoint(), sound.endpoint()];
        Client::new(pool(endpoints.clone(), Auth::None)).databases().await.unwrap();
        assert_eq!((odd.seen().len(), sound.seen().len()), (1, 1));
        let request = Request::new(Method::POST, "/_api/x");
        let error = Client::new(pool(endpoints, Auth::None)).call(request).await.unwrap_err();
        assert!(error.may_have_run(), "{error}");
        assert_eq!((odd.seen().len(), sound.seen().len()), (2, 1));
    }
    // What ArangoDB itself says of a failure is the answer.
    let failing = Server::start(|_| error(500, 4)).await;
    let sound = Server::start(databases).await;
    let client = Client::new(pool(vec![failing.endpoint(), sound.endpoint()], Auth::None));
    assert_eq!(client.databases().await.unwrap_err().error_num(), Some(4));
    assert_eq!(sound.seen().len(), 0);
}

#[tokio::test]
async fn what_belongs_together_comes_back_to_its_coordinator() {
    let servers = [Server::start(databases).await, Server::start(databases).await];
    let endpoints = servers.iter().map(Server::endpoint).collect();
    let pool = pool(endpoints, Auth::None);
    let client = Client::new(pool.clone()).for_user(&user("alice"));
    client.databases().await.unwrap();
    let mine = servers.iter().position(|server| server.seen().len() == 1).unwrap();
    let [first, second] = servers;
    let (mine, other) = if mine == 0 { (first, second) } else { (second, first) };
    let address = mine.address;
    mine.stop().await;
    client.databases().await.unwrap();
    assert_eq!(other.seen().len(), 1);
    let mine = Server::at(address, databases).await;
    timeout(SOON, pool.watch().wait_for(|states| states.iter().all(|state| state.reachable)))
        .await
        .unwrap()
        .unwrap();
    client.databases().await.unwrap();
    assert_eq!((mine.seen().len(), other.seen().len()), (1, 1));
}
