//! No call fails while two of three coordinators work, and the third costs next to nothing.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use arango_operator::{
    arango::{Client, DatabaseOptions, NewUser, Pool, UserChange},
    core::{Level, Scope, balance::LoadBalancing},
    stand_in::{Fault, FaultRule, Options, StandIn},
};
use futures::future::join_all;
use serde_json::Map;
use tokio::time::timeout;

use crate::{
    ROOT, SOON, TROUBLED, client, cluster, connection, database, pool, requests, root, user, wasted,
};

/// Every kind of call, reads and writes, on objects of its own.
async fn work(client: &Client, name: &str) {
    let (user, database) = (user(name), database(name));
    client.databases().await.unwrap();
    client.create_database(&database, &DatabaseOptions::default()).await.unwrap();
    let (password, again) = ("a password".into(), "another".into());
    let (hers, its) = (client.for_user(&user), Scope::Named(database.clone()));
    let new = NewUser { password: &password, active: true, extra: Map::new() };
    hers.create_user(&user, &new).await.unwrap();
    hers.grant_database(&user, &its, Level::Rw).await.unwrap();
    let rights = hers.rights(&user).await.unwrap();
    assert!(!rights.0.is_empty());
    let change = UserChange { password: Some(password), ..UserChange::default() };
    hers.update_user(&user, &change).await.unwrap();
    assert!(!hers.verify_password(&user, &again).await.unwrap());
    hers.revoke_database(&user, &its).await.unwrap();
    client.collections(&database).await.unwrap();
    hers.delete_user(&user).await.unwrap();
    client.for_database(&database).drop_database(&database).await.unwrap();
}

/// A fault on the troubled coordinator, and what it is there.
async fn trouble(stand_in: &StandIn, fault: Fault) {
    stand_in.add_fault(FaultRule::new(fault).on(TROUBLED)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_three_dead_hanging_or_answering_503_no_call_fails_and_one_attempt_is_wasted() {
    let html = Fault::Html { status: http::StatusCode::SERVICE_UNAVAILABLE };
    let faults = [Fault::Refuse, Fault::Hang, Fault::Starting, Fault::Maintenance, Fault::Stopping, html];
    join_all(faults.map(|fault| async move {
        let stand_in = cluster().await;
        let client = client(&stand_in);
        client.databases().await.unwrap();
        trouble(&stand_in, fault).await;
        stand_in.clear_requests();
        for round in 0..6 {
            work(&client, &format!("round-{round}")).await;
        }
        let (wasted, probes) = wasted(&stand_in);
        // Whatever answers no probe costs one attempt in all. A refused connection is not even logged.
        let attempts = usize::from(fault != Fault::Refuse);
        assert_eq!(wasted, attempts, "{fault:?}, with {probes} probes");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_answers_probes_and_fails_requests_wastes_at_most_one_attempt_a_probe() {
    for fault in [Fault::Starting, Fault::Drop] {
        let stand_in = cluster().await;
        let client = client(&stand_in);
        // Not the path of probes.
        let rule = FaultRule::new(fault).on(TROUBLED).path("/_api/");
        stand_in.add_fault(rule).await.unwrap();
        let began = Instant::now();
        let mut round = 0;
        while began.elapsed() < Duration::from_secs(1) {
            round += 1;
            client.databases().await.unwrap();
            client.for_user(&user(&format!("u{round}"))).users().await.unwrap();
        }
        let (wasted, probes) = wasted(&stand_in);
        assert!(wasted > 0 && wasted <= probes + 1, "{fault:?}: {wasted} attempts, {probes} probes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_full_is_passed_over_and_stays_in_its_place() {
    let stand_in = cluster().await;
    let pool = pool(&stand_in, root());
    let client = Client::new(pool.clone());
    let rule = FaultRule { retry_after: Some(60), ..FaultRule::new(Fault::QueueFull).on(TROUBLED) };
    stand_in.add_fault(rule).await.unwrap();
    for round in 0..5 {
        work(&client, &format!("round-{round}")).await;
    }
    assert_eq!(wasted(&stand_in).0, 1, "it said: not before a minute is over");
    assert!(pool.coordinators()[TROUBLED].reachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_a_time_all_leave_the_one_that_hangs() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    client.databases().await.unwrap();
    trouble(&stand_in, Fault::Hang).await;
    let began = Instant::now();
    join_all((0..50).map(|each| {
        let client = client.clone();
        async move { work(&client, &format!("many-{each}")).await }
    }))
    .await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let (wasted, _) = wasted(&stand_in);
    assert!(wasted <= 32, "{wasted}: those that were under way, and no other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_back_gets_its_share_again() {
    let stand_in = cluster().await;
    let pool = pool(&stand_in, root());
    let (client, mut watch) = (Client::new(pool.clone()), pool.watch());
    client.databases().await.unwrap();
    stand_in.stop_coordinator(TROUBLED).await.unwrap();
    for _ in 0..4 {
        client.databases().await.unwrap();
    }
    assert!(!watch.borrow_and_update()[TROUBLED].reachable);
    stand_in.start_coordinator(TROUBLED).await.unwrap();
    timeout(SOON, watch.wait_for(|states| states[TROUBLED].reachable)).await.unwrap().unwrap();
    stand_in.clear_requests();
    for _ in 0..30 {
        client.databases().await.unwrap();
    }
    let shares: Vec<usize> =
        (0..3).map(|i| requests(&stand_in).iter().filter(|entry| entry.coordinator == i).count()).collect();
    assert_eq!(shares, [10, 10, 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chance_reaches_every_coordinator_too() {
    let stand_in = cluster().await;
    let mut connection = connection(&stand_in, root());
    connection.load_balancing = LoadBalancing::Random;
    let client = Client::new(Pool::new(connection).unwrap());
    for _ in 0..100 {
        client.databases().await.unwrap();
    }
    for coordinator in 0..3 {
        let share = requests(&stand_in).iter().filter(|entry| entry.coordinator == coordinator).count();
        assert!(share > 5, "coordinator {coordinator} had {share} of a hundred");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_allowed_are_under_way() {
    let delay = Duration::from_millis(50);
    let stand_in = StandIn::start(Options { delay, ..Options::cluster(3, ROOT) }).await.unwrap();
    let mut connection = connection(&stand_in, root());
    connection.max_concurrent = 4;
    let client = Client::new(Pool::new(connection).unwrap());
    client.databases().await.unwrap();
    let began = Instant::now();
    for answer in join_all((0..20).map(|_| client.databases())).await {
        answer.unwrap();
    }
    assert!(began.elapsed() >= delay * 5, "twenty at four a time: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_not_asked_more_at_once_than_it_gains_from() {
    let (at_once, delay) = (NonZeroU32::new(6), Duration::from_millis(2));
    let stand_in = StandIn::start(Options { at_once, delay, ..Options::cluster(3, ROOT) }).await.unwrap();
    let mut connection = connection(&stand_in, root());
    connection.max_concurrent = 64;
    let pool = Pool::new(connection).unwrap();
    assert_eq!(pool.limit(), 64);
    let client = Client::new(pool.clone());
    let asks = (0..64).map(async |_| {
        for _ in 0..120 {
            client.databases().await.unwrap();
        }
    });
    join_all(asks).await;
    assert!((4..=20).contains(&pool.limit()), "{}", pool.limit());
}
