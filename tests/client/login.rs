//! One login for all, one renewal after a refusal, and tokens that are signed with the deployment's secret.

use arango_operator::{
    arango::{Auth, Class, Client, NewUser},
    stand_in::{Config, Fault, FaultRule, Options, StandIn},
};
use futures::future::join_all;
use http::Method;
use secrecy::SecretString;
use serde_json::Map;

use crate::{ROOT, client, cluster, connection, pool, requests, root, user};

const SECRET: &str = "the deployment's secret";

async fn with_secret() -> StandIn {
    let config = Config {
        root_password: ROOT.to_owned(),
        jwt_secret: SECRET.as_bytes().to_vec(),
        ..Config::cluster(3, 1)
    };
    StandIn::start(Options::new(config)).await.unwrap()
}

fn superuser(secret: &str) -> Auth {
    Auth::Superuser { secret: secret.as_bytes().to_vec().into() }
}

fn logins(stand_in: &StandIn) -> usize {
    requests(stand_in).iter().filter(|entry| entry.path == "/_open/auth").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_waiters_on_three_coordinators_share_one_login() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    for answer in join_all((0..100).map(|_| client.databases())).await {
        answer.unwrap();
    }
    assert_eq!((logins(&stand_in), requests(&stand_in).len()), (1, 101));
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_tokens_cost_one_login_for_all_and_no_call_fails() {
    let stand_in = cluster().await;
    let client = client(&stand_in);
    for times in 1..=2 {
        client.databases().await.unwrap();
        stand_in.expire_tokens();
        for answer in join_all((0..20).map(|_| client.databases())).await {
            answer.unwrap();
        }
        assert_eq!(logins(&stand_in), times + 1);
        // A token that was just renewed is believed for a second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_goes_round_a_coordinator_that_hangs() {
    let stand_in = cluster().await;
    stand_in.add_fault(FaultRule::new(Fault::Hang).on(0)).await.unwrap();
    for answer in join_all({
        let client = client(&stand_in);
        (0..10).map(move |_| {
            let client = client.clone();
            async move { client.databases().await }
        })
    })
    .await
    {
        answer.unwrap();
    }
    assert_eq!(logins(&stand_in), 2, "one hangs, one is answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_s_token_is_signed_here_and_taken_by_the_server() {
    let stand_in = with_secret().await;
    // A file's line break is no part of the secret.
    let client = Client::new(pool(&stand_in, superuser(&format!("{SECRET}\n"))));
    client.users().await.unwrap();
    let request = arango_operator::arango::Request::new(Method::GET, "/_db/_system/_admin/server/jwt");
    client.call(request).await.unwrap();
    let log = requests(&stand_in);
    assert!(log.iter().all(|entry| entry.user.is_none() && entry.is_success()), "{log:?}");
    assert_eq!(logins(&stand_in), 0);
    // Another secret signs for nobody.
    let error = Client::new(pool(&stand_in, superuser("another"))).users().await.unwrap_err();
    assert_eq!(error.class(), Class::Denied, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_user_is_signed_here_and_has_his_rights() {
    let stand_in = with_secret().await;
    let superuser = Client::new(pool(&stand_in, superuser(SECRET)));
    let password = SecretString::from("hers");
    let new = NewUser { password: &password, active: true, extra: Map::new() };
    superuser.create_user(&user("alice"), &new).await.unwrap();
    stand_in.clear_requests();
    let secret = SECRET.as_bytes().to_vec().into();
    let alice = Client::new(pool(&stand_in, Auth::SignedAs { secret, user: "alice".to_owned() }));
    alice.rights(&user("alice")).await.unwrap();
    assert_eq!(alice.rights(&user("root")).await.unwrap_err().class(), Class::Denied);
    let log = requests(&stand_in);
    assert!(log.iter().all(|entry| entry.user.as_deref() == Some("alice")), "{log:?}");
    assert_eq!(logins(&stand_in), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_not_tried_for_every_request() {
    let stand_in = cluster().await;
    let mut connection = connection(&stand_in, root());
    connection.auth = Auth::Jwt { user: "root".to_owned(), password: "wrong".into() };
    let client = Client::new(arango_operator::arango::Pool::new(connection).unwrap());
    for answer in join_all((0..20).map(|_| client.databases())).await {
        assert_eq!(answer.unwrap_err().class(), Class::LoginRefused);
    }
    assert_eq!(requests(&stand_in).len(), 1);
}
