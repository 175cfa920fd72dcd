//! Answers to writes that get lost: no second user, no error, no second removal.

use std::time::Duration;

use arango_operator::{
    arango::{Client, DatabaseOptions, Error, NewUser},
    stand_in::{Fault, FaultRule, StandIn},
};
use http::Method;
use serde_json::{Map, json};

use crate::{client, cluster, database, requests, user};

async fn create_alice(client: &Client) -> Result<(), Error> {
    let extra = Map::from_iter([("team".to_owned(), json!("shop"))]);
    let new = NewUser { password: &"hers".into(), active: true, extra };
    client.for_user(&user("alice")).create_user(&user("alice"), &new).await
}

/// How often a method came to a path, and how often it was carried out.
fn sent(stand_in: &StandIn, method: &Method, path: &str) -> usize {
    let log = requests(stand_in);
    log.iter().filter(|entry| entry.method == method && entry.path.starts_with(path)).count()
}

const USERS: &str = "/_db/_system/_api/user";
const DATABASES: &str = "/_db/_system/_api/database";

#[tokio::test(flavor = "multi_thread")]
async fn with_a_dropped_answer_to_a_create_there_is_no_second_user_and_no_error() {
    for fault in [Fault::Drop, Fault::Cut] {
        let stand_in = cluster().await;
        let client = client(&stand_in);
        let rule = FaultRule::new(fault).method(Method::POST);
        stand_in.add_fault(rule.clone().path("/_api/user").next(1)).await.unwrap();
        stand_in.add_fault(rule.path("/_api/database").next(1)).await.unwrap();
        create_alice(&client).await.unwrap();
        client.create_database(&database("shop"), &DatabaseOptions::default()).await.unwrap();
        assert_eq!(sent(&stand_in, &Method::POST, USERS), 1);
        assert_eq!(sent(&stand_in, &Method::POST, DATABASES), 1);
        assert!(client.users().await.unwrap().contains_key(&user("alice")));
        assert!(client.verify_password(&user("alice"), &"hers".into()).await.unwrap());
        assert!(client.databases().await.unwrap().contains(&database("shop")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_was_lost_on_its_way_is_made_by_the_second_sending() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    let rule = FaultRule::new(Fault::Drop).method(Method::POST).path("/_api/user").effect(false);
    stand_in.add_fault(rule.next(1)).await.unwrap();
    create_alice(&client).await.unwrap();
    assert_eq!(sent(&stand_in, &Method::POST, USERS), 2);
    assert!(client.verify_password(&user("alice"), &"hers".into()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_through_a_coordinator_that_learns_late_is_repeated() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    let rule = FaultRule::new(Fault::Drop).method(Method::POST).path("/_api/user");
    stand_in.add_fault(rule.next(1)).await.unwrap();
    for coordinator in 0..3 {
        let rule = FaultRule::new(Fault::Stale { time: Duration::from_millis(500) });
        stand_in.add_fault(rule.on(coordinator)).await.unwrap();
    }
    create_alice(&client).await.unwrap();
    assert_eq!(sent(&stand_in, &Method::POST, USERS), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_answer_is_lost_is_sent_once_and_is_a_success_if_it_is_gone() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    create_alice(&client).await.unwrap();
    client.create_database(&database("shop"), &DatabaseOptions::default()).await.unwrap();
    let rule = FaultRule::new(Fault::Drop).method(Method::DELETE);
    stand_in.add_fault(rule.clone().next(2)).await.unwrap();
    client.delete_user(&user("alice")).await.unwrap();
    client.drop_database(&database("shop")).await.unwrap();
    assert_eq!(sent(&stand_in, &Method::DELETE, "/"), 2);
    // Not carried out, it is not sent again: what is there now may be another one.
    create_alice(&client).await.unwrap();
    stand_in.add_fault(rule.effect(false).next(1)).await.unwrap();
    let error = client.delete_user(&user("alice")).await.unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert_eq!(sent(&stand_in, &Method::DELETE, "/"), 3);
    assert!(client.users().await.unwrap().contains_key(&user("alice")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_of_two_writers_is_repeated() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    stand_in.add_fault(FaultRule::new(Fault::Conflict).next(3)).await.unwrap();
    create_alice(&client).await.unwrap();
}
