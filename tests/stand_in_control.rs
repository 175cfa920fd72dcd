//! The stand-in's control port, and packed bodies, as `curl` would ask.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use arango_operator::stand_in::{Options, StandIn};
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const PASSWORD: &str = "x";
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct World {
    stand_in: StandIn,
    control: String,
    client: Client,
}

impl World {
    async fn new() -> Self {
        let stand_in = StandIn::start(Options::cluster(3, PASSWORD)).await.unwrap();
        let control = format!("http://{}", stand_in.start_control(FREE).await.unwrap());
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { stand_in, control, client }
    }

    async fn text(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = self.client.request(method, format!("{}{path}", self.control)).body(body.to_owned());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn json(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.text(method, path, body).await;
        assert!(text.ends_with('\n'), "a prompt follows on a line of its own: {text:?}");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.json(Method::GET, path, "").await;
        assert_eq!(status, 200, "{value}");
        value
    }

    async fn version(&self, coordinator: usize) -> StatusCode {
        let url = format!("{}/_api/version", self.stand_in.endpoints()[coordinator]);
        self.client.get(url).basic_auth("root", Some(PASSWORD)).send().await.unwrap().status()
    }
}

#[tokio::test]
async fn the_first_page_says_what_is_there() {
    let world = World::new().await;
    let (status, text) = world.text(Method::GET, "/", "").await;
    assert_eq!(status, 200);
    for part in ["POST   /faults ", "DELETE /requests", "POST   /tokens/expire", "queue-full", "share="] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let endpoints = world.stand_in.endpoints();
    assert_eq!(
        world.get("/coordinators").await[1],
        json!({"coordinator": 2, "url": endpoints[1], "running": true})
    );
}

#[tokio::test]
async fn faults_come_and_go_as_lines_and_as_json() {
    let world = World::new().await;
    let (status, added) = world.json(Method::POST, "/faults", "queue-full coordinator=2 next=1").await;
    assert_eq!(
        (status, added),
        (201, json!({"id": 1, "fault": "queue-full", "coordinator": 2, "next": 1, "hits": 0}))
    );
    assert_eq!([world.version(1).await, world.version(1).await].map(|s| s.as_u16()), [503, 200]);
    assert_eq!(world.get("/faults").await[0]["hits"], 1);

    let body = r#"{"fault": "error", "method": "GET", "path": "/_api/version", "share": 1.0}"#;
    let (status, added) = world.json(Method::POST, "/faults", body).await;
    assert_eq!((status, &added["id"]), (201, &json!(2)));
    assert_eq!(world.version(0).await.as_u16(), 500);
    assert_eq!(world.json(Method::DELETE, "/faults/2", "").await, (200, json!({"removed": [2]})));
    assert_eq!(world.version(0).await.as_u16(), 200);
    let again = world.json(Method::DELETE, "/faults/2", "").await;
    assert_eq!(again, (404, json!({"error": "there is no fault 2"})));

    let lines = "refuse coordinator=3\n\n  html status=504\n";
    let (status, listed) = world.json(Method::PUT, "/faults", lines).await;
    assert_eq!((status, listed.as_array().unwrap().len()), (200, 2));
    assert_eq!(world.get("/coordinators").await[2]["running"], false);
    assert_eq!(world.version(0).await.as_u16(), 504);
    // What is listed can be sent back.
    let (_, same) = world.json(Method::PUT, "/faults", &listed.to_string()).await;
    assert_eq!([&same[0]["fault"], &same[1]["status"]], [&json!("refuse"), &json!(504)]);
    let (status, removed) = world.json(Method::DELETE, "/faults", "").await;
    assert_eq!((status, removed["removed"].as_array().unwrap().len()), (200, 2));
    assert_eq!(world.get("/faults").await, json!([]));
    assert_eq!(world.version(2).await.as_u16(), 200);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_answered_with_a_sentence_and_changes_nothing() {
    let world = World::new().await;
    world.json(Method::POST, "/faults", "delay time=1ms").await;
    for (method, path, body, status, part) in [
        (Method::POST, "/faults", "", 400, "POST adds one fault; use PUT for a list"),
        (Method::POST, "/faults", "hangs", 400, "\"hangs\" is no fault; there are refuse, hang"),
        (Method::POST, "/faults", "hang coordinator=9", 400, "there is no coordinator 9, there are 3"),
        (Method::POST, "/faults", "{\"fault\": ", 400, "that is no JSON: EOF"),
        (Method::PUT, "/faults", "hang\nhang coordinator=9", 400, "there is no coordinator 9"),
        (Method::PUT, "/faults", "[{\"next\": 1}]", 400, "which fault?"),
        (Method::DELETE, "/faults/x", "", 400, "\"x\" is no number"),
        (Method::PATCH, "/faults", "", 405, "PATCH is not for /faults; GET / says what is"),
        (Method::GET, "/tokens/expire", "", 405, "GET is not for /tokens/expire"),
        (Method::GET, "/fault", "", 404, "there is no /fault, there are /, /coordinators"),
        (Method::GET, "/requests?verb=GET", "", 400, "\"verb\" narrows nothing down; there are last"),
        (Method::GET, "/requests?last=all", "", 400, "last: \"all\" is no number"),
    ] {
        let (got, answer) = world.json(method, path, body).await;
        let sentence = answer["error"].as_str().unwrap();
        assert_eq!(got, status, "{path} {body}: {sentence}");
        assert!(sentence.starts_with(part), "{path} {body}: {sentence}");
    }
    assert_eq!(world.get("/faults").await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn requests_are_counted_narrowed_down_and_forgotten() {
    let world = World::new().await;
    world.version(0).await;
    world.version(1).await;
    world.json(Method::POST, "/faults", "stopping coordinator=2 next=1").await;
    world.version(1).await;
    world.json(Method::PUT, "/faults", "drop next=1").await;
    let url = format!("{}/_db/a%20b/x?y=1", world.stand_in.endpoints()[2]);
    assert!(world.client.delete(url).send().await.is_err());
    let all = world.get("/requests").await;
    assert_eq!([&all["total"], &all["matching"]], [&json!(4), &json!(4)]);
    let mut first = all["requests"][0].clone();
    let time = first.as_object_mut().unwrap().remove("time").unwrap();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    assert_eq!(
        first,
        json!({"coordinator": 1, "user": "root", "method": "GET", "path": "/_api/version", "status": 200, "fault": null})
    );
    let dropped = &all["requests"][3];
    assert_eq!(
        [&dropped["path"], &dropped["status"], &dropped["fault"]],
        [&json!("/_db/a%20b/x?y=1"), &json!(null), &json!("drop")]
    );
    for (query, matching, shown) in [
        ("last=1", 4, 1),
        ("last=0", 4, 0),
        ("coordinator=2", 2, 2),
        ("user=root&status=200", 2, 2),
        ("method=delete", 1, 1),
        ("path=/_api/v", 3, 3),
        ("path=/_db/a%2520b", 1, 1),
        ("status=503", 1, 1),
        ("status=none", 1, 1),
        ("fault=any", 2, 2),
        ("fault=stopping&coordinator=1", 0, 0),
    ] {
        let found = world.get(&format!("/requests?{query}")).await;
        let lines = found["requests"].as_array().unwrap().len();
        assert_eq!((&found["matching"], lines), (&json!(matching), shown), "{query}");
    }
    assert_eq!(world.json(Method::DELETE, "/requests", "").await, (200, json!({"forgotten": 4})));
    assert_eq!(world.get("/requests").await, json!({"total": 0, "matching": 0, "requests": []}));
}

#[tokio::test]
async fn tokens_are_expired() {
    let world = World::new().await;
    let endpoint = &world.stand_in.endpoints()[0];
    let login = world.client.post(format!("{endpoint}/_open/auth"));
    let login = login.json(&json!({"username": "root", "password": PASSWORD})).send().await.unwrap();
    let token = login.json::<Value>().await.unwrap()["jwt"].as_str().unwrap().to_owned();
    let version = || world.client.get(format!("{endpoint}/_api/version")).bearer_auth(&token).send();
    assert_eq!(version().await.unwrap().status(), StatusCode::OK);
    let (status, answer) = world.json(Method::POST, "/tokens/expire", "").await;
    assert_eq!((status, &answer["expired"]), (200, &json!("all tokens that were issued until now")));
    assert_eq!(version().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_port_is_for_this_machine_and_closes_with_the_stand_in() {
    let world = World::new().await;
    let error = world.stand_in.start_control("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("takes loopback addresses only, not 0.0.0.0:0"), "{error}");
    let World { stand_in, control, client } = world;
    let address = control.strip_prefix("http://").unwrap();
    let mut open = tokio::net::TcpStream::connect(address).await.unwrap();
    drop(stand_in);
    // Its task ends with the stand-in; the listener goes with it.
    let closed = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap();
    assert!(client.get(&control).send().await.is_err());
    tokio::io::AsyncWriteExt::shutdown(&mut open).await.unwrap();
}

fn packed(encoding: &str, text: &str) -> Vec<u8> {
    if encoding == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    } else {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }
}

#[tokio::test]
async fn packed_bodies_are_unpacked_for_those_who_are_known() {
    let world = World::new().await;
    let send = async |encoding: &str, body: Vec<u8>, password: &str, path: &str| {
        let request = world.client.post(format!("{}{path}", world.stand_in.endpoints()[0]));
        let request = request.header("content-encoding", encoding).basic_auth("root", Some(password));
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap_or_default()["errorNum"].as_u64())
    };
    let users = "/_api/user";
    for encoding in ["gzip", "deflate"] {
        let body = packed(encoding, &json!({"user": encoding}).to_string());
        assert_eq!(send(encoding, body, PASSWORD, users).await, (201, None));
        assert!(world.stand_in.with_model(|model| model.user(encoding).is_some()));
        assert_eq!(send(encoding, b"{}".to_vec(), PASSWORD, users).await, (400, Some(10)));
        assert_eq!(send(encoding, b"{}".to_vec(), "wrong", users).await, (401, Some(11)));
        let login = packed(encoding, &json!({"username": "root", "password": PASSWORD}).to_string());
        assert_eq!(send(encoding, login, "wrong", "/_open/auth").await, (403, Some(11)));
    }
    assert_eq!(send("br", b"?".to_vec(), PASSWORD, users).await, (400, Some(600)), "passed on as it is");
    let bomb = packed("gzip", &" ".repeat(65 << 20));
    assert!(bomb.len() < 100_000);
    assert_eq!(send("gzip", bomb, PASSWORD, users).await.0, 413);
    let long = format!("/_api/version?{}", "x".repeat(17_000));
    assert_eq!(send("br", Vec::new(), PASSWORD, &long).await.0, 414);
}
