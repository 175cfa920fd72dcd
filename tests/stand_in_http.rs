//! The stand-in on real sockets, asked by a client that isn't ours.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use arango_operator::stand_in::{Config, Now, Options, StandIn};
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode, Version};
use serde_json::{Value, json};

const PASSWORD: &str = "p:ä ss";

async fn cluster(coordinators: usize) -> StandIn {
    StandIn::start(Options::cluster(coordinators, PASSWORD)).await.unwrap()
}

fn client() -> ClientBuilder {
    Client::builder().no_proxy()
}

async fn json(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn both_versions_of_http_are_answered_on_one_port() {
    let stand_in = cluster(1).await;
    let url = format!("{}/_api/version", stand_in.endpoints()[0]);
    for (client, version) in
        [(client().http1_only(), Version::HTTP_11), (client().http2_prior_knowledge(), Version::HTTP_2)]
    {
        let client = client.build().unwrap();
        let response = client.get(&url).basic_auth("root", Some(PASSWORD)).send().await.unwrap();
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
        let keep_alive = response.headers().contains_key("connection");
        assert_eq!(keep_alive, version == Version::HTTP_11, "HTTP/2 has no connection header");
        assert_eq!(response.headers()["server"], "ArangoDB");
        assert!(!response.headers().contains_key("date"));
        let head = client.head(&url).basic_auth("root", Some(PASSWORD)).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK);
        assert_eq!(head.text().await.unwrap(), "");
    }
    stand_in.stop().await.unwrap();
}

#[tokio::test]
async fn a_login_gives_a_token_that_every_coordinator_takes() {
    let stand_in = cluster(2).await;
    let endpoints = stand_in.endpoints();
    let client = client().build().unwrap();
    for path in ["/_open/auth", "/_db/_system/_open/auth"] {
        let body = json!({"username": "root", "password": PASSWORD});
        let (status, answer) = json(client.post(format!("{}{path}", endpoints[0])).json(&body)).await;
        assert_eq!(status, StatusCode::OK);
        let token = answer["jwt"].as_str().unwrap();
        for endpoint in &endpoints {
            let (status, answer) =
                json(client.get(format!("{endpoint}/_api/database")).bearer_auth(token)).await;
            assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!(["_system"])));
        }
    }
    let log = stand_in.request_log();
    assert_eq!(stand_in.requests(), log.len() as u64);
    assert_eq!(log.len(), 6);
    assert_eq!((log[2].coordinator, log[2].user.as_deref()), (1, Some("root")));
    stand_in.clear_requests();
    assert_eq!(stand_in.requests(), 0);
}

#[tokio::test]
async fn paths_may_name_a_database() {
    let stand_in = cluster(1).await;
    let endpoint = &stand_in.endpoints()[0];
    let client = client().build().unwrap();
    let get = |path: &str| json(client.get(format!("{endpoint}{path}")).basic_auth("root", Some(PASSWORD)));
    let body = json!({"name": "mötör 1/2".replace('/', "-")});
    let create = client.post(format!("{endpoint}/_api/database")).json(&body);
    let (status, _) = json(create.basic_auth("root", Some(PASSWORD))).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, answer) = get("/_db/m%C3%B6t%C3%B6r%201-2/_api/database/current").await;
    assert_eq!((status, &answer["result"]["name"]), (StatusCode::OK, &json!("mötör 1-2")));
    let (status, answer) = get("/_api/database/current").await;
    assert_eq!((status, &answer["result"]["name"]), (StatusCode::OK, &json!("_system")));
    let (status, answer) = get("/_db/missing/_api/database/current").await;
    assert_eq!((status, &answer["errorNum"]), (StatusCode::NOT_FOUND, &json!(1228)));
}

#[tokio::test]
async fn a_stopped_coordinator_refuses_connections_until_it_starts_on_the_same_port() {
    let stand_in = cluster(2).await;
    let endpoints = stand_in.endpoints();
    let client = client().timeout(Duration::from_secs(20)).build().unwrap();
    let get = |endpoint: &str, path: &str| {
        client.get(format!("{endpoint}{path}")).basic_auth("root", Some(PASSWORD)).send()
    };
    // The connection that this opens is kept by the client, and must be closed as well.
    assert_eq!(get(&endpoints[0], "/_api/version").await.unwrap().status(), StatusCode::OK);
    for _ in 0..2 {
        stand_in.stop_coordinator(0).await.unwrap();
        let refused = get(&endpoints[0], "/_api/version").await.unwrap_err();
        assert!(refused.is_connect(), "{refused:?}");
        let health: Value = get(&endpoints[1], "/_admin/cluster/health").await.unwrap().json().await.unwrap();
        let status = |number: &str| {
            let mut members = health["Health"].as_object().unwrap().values();
            members.find(|member| member["ShortName"] == number).unwrap()["Status"].clone()
        };
        assert_eq!(status("Coordinator0001"), "BAD");
        assert_eq!(status("Coordinator0002"), "GOOD");
        stand_in.start_coordinator(0).await.unwrap();
        assert_eq!(get(&endpoints[0], "/_api/version").await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(stand_in.endpoints(), endpoints);
    assert!(stand_in.stop_coordinator(2).await.is_err());
}

#[tokio::test]
async fn dropping_it_closes_everything() {
    let stand_in = cluster(1).await;
    let endpoint = stand_in.endpoints()[0].clone();
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut open = tokio::net::TcpStream::connect(address).await.unwrap();
    drop(stand_in);
    // The end of the open connection says that the tasks are gone.
    let mut byte = [0];
    let read = tokio::io::AsyncReadExt::read(&mut open, &mut byte);
    let ended = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the connection ends");
    assert!(matches!(ended, Ok(0) | Err(_)));
    let response = client().build().unwrap().get(endpoint).send().await;
    assert!(response.is_err());
}

#[tokio::test]
async fn a_single_server_without_authentication_asks_for_no_credentials() {
    let config = Config { authentication: false, ..Config::single(7) };
    let stand_in = StandIn::start(Options::new(config)).await.unwrap();
    let client = client().build().unwrap();
    let endpoint = &stand_in.endpoints()[0];
    let (status, answer) = json(client.get(format!("{endpoint}/_admin/server/role"))).await;
    assert_eq!((status, &answer["role"]), (StatusCode::OK, &json!("SINGLE")));
    let (status, _) = json(client.get(format!("{endpoint}/_admin/cluster/health"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_model_can_be_looked_at_while_it_serves() {
    let stand_in = cluster(1).await;
    let endpoint = &stand_in.endpoints()[0];
    let token = stand_in.with_model(|model| model.superuser_token(Some(Now(4e9)))).unwrap();
    let client = client().build().unwrap();
    let create = client.post(format!("{endpoint}/_api/user")).json(&json!({"user": "alice", "passwd": "a"}));
    let (status, _) = json(create.bearer_auth(token)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert!(stand_in.with_model(|model| model.password_matches("alice", "a")));
}

#[tokio::test]
async fn a_change_of_maintenance_is_seen_before_it_is_answered() {
    let takes = Duration::from_secs(20);
    let config = Config { authentication: false, maintenance_takes: takes, ..Config::cluster(2, 7) };
    let stand_in = StandIn::start(Options::new(config)).await.unwrap();
    let urls =
        stand_in.endpoints().into_iter().map(|endpoint| format!("{endpoint}/_admin/cluster/maintenance"));
    let urls: Vec<String> = urls.collect();
    let client = client().build().unwrap();
    let mut change = Box::pin(json(client.put(&urls[0]).body("\"on\"")));
    loop {
        let seen = tokio::select! {
            early = &mut change => panic!("it was answered at once: {early:?}"),
            seen = json(client.get(&urls[1])) => seen,
        };
        if seen.1["result"] == "Maintenance" {
            break;
        }
    }
}
