//! One login for all: at first, before it ends, and after it was refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::join_all;
use serde_json::json;
use tokio::time::{Instant, interval};

use super::{
    CANARY, DATABASES, jwt, pool,
    server::{Reply, Seen, Server, error, ok},
};
use crate::arango::*;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn token_until(end: f64, number: usize) -> String {
    let payload = URL_SAFE_NO_PAD.encode(json!({"exp": end, "n": number}).to_string());
    format!("e30.{payload}.{number}")
}

fn token(number: usize) -> String {
    token_until(now().trunc() + 3600.0, number)
}

#[tokio::test]
async fn fifty_waiters_share_one_login_and_one_refusal() {
    let logins = Arc::new(AtomicUsize::new(0));
    for status in [200, 401] {
        let jwt_of_one = token(1);
        let count = Arc::clone(&logins);
        count.store(0, Ordering::SeqCst);
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/_open/auth" => {
                assert_eq!(seen.authorization, None);
                count.fetch_add(1, Ordering::SeqCst);
                if status == 200 { Reply::Json(200, json!({"jwt": jwt_of_one})) } else { error(401, 401) }
            }
            _ if seen.authorization == Some(format!("bearer {jwt_of_one}")) => ok(vec!["_system"]),
            _ => error(401, 11),
        })
        .await;
        let client = Client::new(pool(vec![server.endpoint()], jwt()));
        let answers = join_all((0..50).map(|_| client.databases())).await;
        assert_eq!(logins.load(Ordering::SeqCst), 1);
        for answer in answers {
            match answer {
                Ok(_) => assert_eq!(status, 200),
                Err(error) => {
                    assert_eq!((error.class(), status), (Class::LoginRefused, 401));
                    assert!(!format!("{error} {error:?}").contains(CANARY));
                }
            }
        }
    }
}

/// A server whose tokens are good for as long as it says.
async fn forgetful(good: Arc<AtomicUsize>) -> Server {
    let minted = AtomicUsize::new(0);
    Server::start(move |seen| {
        if seen.path == "/_open/auth" {
            let number = minted.fetch_add(1, Ordering::SeqCst) + 1;
            return Reply::Json(200, json!({"jwt": token(number)}));
        }
        let number = seen.authorization.as_ref().and_then(|text| text.rsplit('.').next()?.parse().ok());
        let is_good = number.is_some_and(|number: usize| number >= good.load(Ordering::SeqCst));
        if is_good { ok(vec!["_system"]) } else { error(401, 11) }
    })
    .await
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_for_all() {
    let good = Arc::new(AtomicUsize::new(1));
    let server = forgetful(Arc::clone(&good)).await;
    let client = Client::new(pool(vec![server.endpoint()], jwt()));
    client.databases().await.unwrap();
    good.store(2, Ordering::SeqCst);
    for answer in join_all((0..20).map(|_| client.databases())).await {
        answer.unwrap();
    }
    assert_eq!(server.count("/_open/auth"), 2);
}

#[tokio::test]
async fn a_second_401_is_the_answer() {
    let server = forgetful(Arc::new(AtomicUsize::new(usize::MAX))).await;
    let old = pool(vec![server.endpoint()], jwt()).with_moment(Duration::ZERO);
    let error = Client::new(old).databases().await.unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    assert_eq!((server.count("/_open/auth"), server.count(DATABASES)), (2, 2));
    // A token that was renewed just now can't be the reason, so nothing is renewed or repeated.
    let client = Client::new(pool(vec![server.endpoint()], jwt()));
    client.databases().await.unwrap_err();
    assert_eq!((server.count("/_open/auth"), server.count(DATABASES)), (4, 4));
    client.databases().await.unwrap_err();
    assert_eq!((server.count("/_open/auth"), server.count(DATABASES)), (4, 5));
}

#[tokio::test]
async fn a_server_without_authentication_is_asked_without_a_token() {
    let server =
        Server::start(|seen| if seen.path == "/_open/auth" { error(404, 404) } else { ok(vec!["_system"]) })
            .await;
    let client = Client::new(pool(vec![server.endpoint()], jwt()));
    client.databases().await.unwrap();
    client.databases().await.unwrap();
    assert_eq!(server.count("/_open/auth"), 1);
    assert!(server.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_nobody_is_refused() {
    const LIFETIME: f64 = 2.0;
    let minted = AtomicUsize::new(0);
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let server = Server::start(move |seen| {
        if seen.path == "/_open/auth" {
            let number = minted.fetch_add(1, Ordering::SeqCst);
            return Reply::Json(200, json!({"jwt": token_until(now() + LIFETIME, number)}));
        }
        let payload = seen.authorization.as_ref().unwrap().split('.').nth(1).unwrap();
        let payload: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        if payload["exp"].as_f64().unwrap() > now() {
            return ok(vec!["_system"]);
        }
        count.fetch_add(1, Ordering::SeqCst);
        error(401, 11)
    })
    .await;
    let client = Client::new(pool(vec![server.endpoint()], jwt()));
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(50));
    while began.elapsed().as_secs_f64() < LIFETIME * 1.5 {
        ticks.tick().await;
        client.databases().await.unwrap();
    }
    assert_eq!((server.count("/_open/auth"), refused.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn with_the_secret_no_login_is_sent_and_one_token_serves_all() {
    let server = Server::start(|_| ok(vec!["_system"])).await;
    let secret = || CANARY.as_bytes().to_vec().into();
    for auth in
        [Auth::Superuser { secret: secret() }, Auth::SignedAs { secret: secret(), user: "alice".to_owned() }]
    {
        assert!(!format!("{auth:?}").contains(CANARY));
        let before = server.seen().len();
        let client = Client::new(pool(vec![server.endpoint()], auth));
        for answer in join_all((0..20).map(|_| client.databases())).await {
            answer.unwrap();
        }
        let seen = server.seen().split_off(before);
        let alike = |each: &Seen| each.path == DATABASES && each.authorization == seen[0].authorization;
        assert!(seen.len() == 20 && seen[0].authorization.is_some() && seen.iter().all(alike), "{seen:?}");
    }
}
