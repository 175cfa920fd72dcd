//! The stand-in's faults, as a client that isn't ours meets them.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use arango_operator::stand_in::{FaultRule, LogEntry, Options, StandIn};
use reqwest::{Client, Error, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const PASSWORD: &str = "root's";
/// Longer than anything here takes, shorter than anybody waits.
const LONG: Duration = Duration::from_secs(20);

struct World {
    stand_in: StandIn,
    client: Client,
}

impl World {
    async fn new() -> Self {
        let stand_in = StandIn::start(Options::cluster(3, PASSWORD)).await.unwrap();
        Self { stand_in, client: Client::builder().no_proxy().timeout(LONG).build().unwrap() }
    }

    async fn with(rules: &[&str]) -> Self {
        let world = Self::new().await;
        for rule in rules {
            world.fault(rule).await;
        }
        world
    }

    async fn fault(&self, rule: &str) -> u64 {
        self.stand_in.add_fault(rule.parse().unwrap()).await.unwrap()
    }

    fn request(&self, coordinator: usize, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.stand_in.endpoints()[coordinator]);
        self.client.request(method, url).basic_auth("root", Some(PASSWORD))
    }

    async fn get(&self, coordinator: usize, path: &str) -> Result<Response, Error> {
        self.request(coordinator, Method::GET, path).send().await
    }

    async fn version(&self, coordinator: usize) -> StatusCode {
        self.get(coordinator, "/_api/version").await.unwrap().status()
    }

    async fn create_user(&self, coordinator: usize, name: &str) -> Result<Response, Error> {
        let body = json!({"user": name, "passwd": name});
        self.request(coordinator, Method::POST, "/_api/user").json(&body).send().await
    }

    fn knows(&self, user: &str) -> bool {
        self.stand_in.with_model(|model| model.user(user).is_some())
    }

    /// The last line of the log: who was asked, the status, the fault.
    fn last(&self) -> (usize, Option<u16>, Option<&'static str>) {
        let LogEntry { coordinator, status, fault, .. } = self.stand_in.request_log().pop().unwrap();
        (coordinator, status.map(|status| status.as_u16()), fault)
    }
}

async fn codes(response: Response) -> (u16, u64) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["error"], &body["code"]), (&json!(true), &json!(status)));
    (status, body["errorNum"].as_u64().unwrap())
}

/// Waits for the log to hold so many requests.
async fn logged(world: &World, count: u64) {
    tokio::time::timeout(LONG, world.stand_in.wait_for_requests(count)).await.unwrap();
}

#[tokio::test]
async fn answers_that_a_fault_gives_are_the_servers_own() {
    let world = World::new().await;
    for (rule, wanted) in [
        ("starting", (503, 503)),
        ("maintenance", (503, 503)),
        ("stopping", (503, 30)),
        ("queue-full", (503, 21003)),
        ("error", (500, 4)),
    ] {
        let id = world.fault(&format!("{rule} coordinator=2 retry-after=7")).await;
        let response = world.get(1, "/_api/version").await.unwrap();
        assert_eq!(
            (&response.headers()["retry-after"], &response.headers()["server"]),
            (&"7".parse().unwrap(), &"ArangoDB".parse().unwrap())
        );
        assert_eq!(codes(response).await, wanted, "{rule}");
        assert_eq!(world.last(), (1, Some(wanted.0), Some(rule)));
        assert_eq!(world.version(0).await, StatusCode::OK, "{rule} is for the second alone");
        assert_eq!(world.last(), (0, Some(200), None));
        assert_eq!(world.stand_in.fault_hits(id), Some(1));
        assert_eq!(codes(world.create_user(1, "alice").await.unwrap()).await, wanted);
        assert!(!world.knows("alice"), "{rule} does no work");
        world.stand_in.remove_fault(id).await.unwrap();
        assert_eq!(world.version(1).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_is_decided_before_a_handler_is_decided_under_a_fault_as_well() {
    let world = World::with(&["queue-full"]).await;
    let url = format!("{}/_api/version", world.stand_in.endpoints()[0]);
    let refused = world.client.get(url).basic_auth("root", Some("wrong")).send().await.unwrap();
    assert_eq!(codes(refused).await, (401, 11));
    let missing = world.get(0, "/_db/missing/_api/version").await.unwrap();
    assert_eq!(codes(missing).await, (404, 1228));
}

#[tokio::test]
async fn a_fault_can_come_after_the_work() {
    let world = World::with(&["error effect=yes next=2"]).await;
    assert_eq!(codes(world.create_user(0, "alice").await.unwrap()).await, (500, 4));
    assert!(world.knows("alice"));
    assert_eq!(
        codes(world.create_user(0, "alice").await.unwrap()).await,
        (409, 1702),
        "the work's own refusal"
    );
}

#[tokio::test]
async fn a_proxys_page_is_no_json() {
    let world = World::with(&["html next=1", "html status=503 retry-after=1"]).await;
    for (status, text) in [(502, "<h1>502 Bad Gateway</h1>"), (503, "<h1>503 Service Unavailable</h1>")] {
        let response = world.get(0, "/_api/version").await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["content-type"], "text/html");
        assert_eq!(response.headers()["server"], "nginx");
        assert!(response.text().await.unwrap().contains(text));
        assert_eq!(world.last(), (0, Some(status), Some("html")));
    }
}

#[tokio::test]
async fn a_refusing_coordinator_comes_back_by_itself() {
    let world = World::new().await;
    // The connection that this opens is closed as well.
    assert_eq!(world.version(1).await, StatusCode::OK);
    let id = world.fault("refuse coordinator=2").await;
    for _ in 0..2 {
        assert!(world.get(1, "/_api/version").await.unwrap_err().is_connect());
    }
    assert_eq!(world.version(0).await, StatusCode::OK);
    let health: Value = world.get(0, "/_admin/cluster/health").await.unwrap().json().await.unwrap();
    assert!(health.to_string().contains("\"BAD\""), "{health}");
    world.stand_in.remove_fault(id).await.unwrap();
    assert_eq!(world.version(1).await, StatusCode::OK);

    let begin = Instant::now();
    world.fault("refuse for=100ms").await;
    while let Err(error) = world.get(2, "/_api/version").await {
        assert!(error.is_connect() && begin.elapsed() < LONG, "{error:?}");
    }
    assert!(begin.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_stopped_coordinator_stays_stopped_when_a_fault_ends() {
    let world = World::new().await;
    world.stand_in.stop_coordinator(0).await.unwrap();
    world.fault("refuse").await;
    world.stand_in.start_coordinator(1).await.unwrap();
    assert!(world.get(1, "/_api/version").await.is_err(), "the fault keeps it closed");
    world.stand_in.clear_faults().await.unwrap();
    assert_eq!(world.version(1).await, StatusCode::OK);
    assert!(world.get(0, "/_api/version").await.is_err(), "it was stopped by hand");
    world.stand_in.start_coordinator(0).await.unwrap();
    assert_eq!(world.version(0).await, StatusCode::OK);
}

#[tokio::test]
async fn a_hanging_request_is_in_the_log_and_ends_with_the_fault() {
    let world = World::with(&["hang coordinator=1 method=POST"]).await;
    let hanging = world.create_user(0, "alice");
    let watch = async {
        logged(&world, 1).await;
        assert_eq!(world.last(), (0, None, Some("hang")));
        assert_eq!(world.version(0).await, StatusCode::OK, "others are answered");
        world.stand_in.clear_faults().await.unwrap();
    };
    let (answer, ()) = tokio::join!(hanging, watch);
    assert!(!answer.unwrap_err().is_timeout(), "the connection was closed");
    assert!(!world.knows("alice"));
    assert_eq!(world.stand_in.requests(), 2, "it is in the log once");
}

#[tokio::test]
async fn a_client_that_has_enough_of_waiting_gets_away() {
    let world = World::with(&["hang next=1 effect=yes", "delay time=1m next=1 method=GET"]).await;
    let enough = Duration::from_millis(50);
    let body = json!({"user": "alice"});
    let post = world.request(0, Method::POST, "/_api/user").json(&body).timeout(enough);
    assert!(post.send().await.unwrap_err().is_timeout());
    assert_eq!(world.last(), (0, None, Some("hang")));
    assert!(world.knows("alice"), "effect=yes: it hangs after the work");
    assert!(
        world.request(0, Method::GET, "/_api/version").timeout(enough).send().await.unwrap_err().is_timeout()
    );
    logged(&world, 2).await;
    assert_eq!(world.last(), (0, None, Some("delay")), "who goes away while he is delayed was there");
}

#[tokio::test]
async fn a_dropped_answer_is_lost_after_the_work() {
    let world = World::with(&["drop path=/_api/user next=1", "drop effect=no path=/_api/user next=1"]).await;
    let lost = world.create_user(2, "alice").await.unwrap_err();
    assert!(!lost.is_connect() && !lost.is_timeout(), "{lost:?}");
    assert!(world.knows("alice"));
    assert_eq!(world.last(), (2, None, Some("drop")));
    assert!(world.create_user(2, "bob").await.is_err());
    assert!(!world.knows("bob"));
    assert_eq!(world.create_user(2, "bob").await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_cut_answer_ends_half_way() {
    let world = World::with(&["cut next=2"]).await;
    let whole = world.stand_in.endpoints();
    for _ in 0..2 {
        let response = world.get(0, "/_api/version").await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let mut response = response;
        let first = response.chunk().await.unwrap().unwrap();
        assert_eq!(first.len(), length.div_ceil(2));
        assert!(response.chunk().await.is_err());
        assert_eq!(world.last(), (0, Some(200), Some("cut")));
    }
    assert_eq!((world.version(0).await, whole.len()), (StatusCode::OK, 3));
}

#[tokio::test]
async fn with_http_2_only_the_one_stream_is_lost() {
    let world = World::new().await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().timeout(LONG).build().unwrap();
    let url = format!("{}/_api/version", world.stand_in.endpoints()[0]);
    let get = || client.get(&url).basic_auth("root", Some(PASSWORD)).send();
    for rule in ["drop next=1", "cut next=1"] {
        assert_eq!(get().await.unwrap().status(), StatusCode::OK);
        world.fault(rule).await;
        let lost = async { get().await?.bytes().await }.await;
        assert!(lost.is_err(), "{rule}");
        assert_eq!(get().await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_delay_is_at_least_as_long_as_it_says() {
    let world = World::with(&["delay time=60ms jitter=20ms next=1"]).await;
    let begin = Instant::now();
    assert_eq!(world.version(0).await, StatusCode::OK);
    assert!(begin.elapsed() >= Duration::from_millis(40), "{:?}", begin.elapsed());
    assert_eq!(world.last(), (0, Some(200), Some("delay")));
}

#[tokio::test]
async fn a_conflict_is_for_changes_of_users() {
    let world = World::with(&["conflict next=2"]).await;
    assert_eq!(world.create_user(0, "alice").await.unwrap().status(), StatusCode::CREATED);
    let grant = |level: &str| {
        let path = "/_db/_system/_api/user/alice/database/shop";
        world.request(1, Method::PUT, path).json(&json!({"grant": level})).send()
    };
    assert_eq!(codes(grant("rw").await.unwrap()).await, (409, 1200));
    assert_eq!(world.version(1).await, StatusCode::OK);
    assert_eq!(codes(grant("rw").await.unwrap()).await, (409, 1200));
    assert!(world.stand_in.with_model(|model| model.grants("alice").unwrap().is_empty()));
    assert_eq!(grant("rw").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn other_coordinators_learn_of_a_write_late() {
    let world = World::new().await;
    let id = world.fault("stale time=1m coordinator=2").await;
    assert_eq!(world.create_user(0, "alice").await.unwrap().status(), StatusCode::CREATED);
    let seen = async |coordinator| world.get(coordinator, "/_api/user/alice").await.unwrap().status();
    let login = async |coordinator: usize| {
        let url = format!("{}/_open/auth", world.stand_in.endpoints()[coordinator]);
        let body = json!({"username": "alice", "password": "alice"});
        world.client.post(url).json(&body).send().await.unwrap().status()
    };
    assert_eq!([seen(0).await, seen(1).await, seen(2).await].map(|s| s.as_u16()), [200, 404, 200]);
    assert_eq!([login(0).await, login(1).await, login(2).await].map(|s| s.as_u16()), [200, 401, 200]);
    assert_eq!(world.last().2, None, "the third isn't late");
    world.stand_in.remove_fault(id).await.unwrap();
    assert_eq!((seen(1).await, login(1).await), (StatusCode::OK, StatusCode::OK));

    let begin = Instant::now();
    world.fault("stale time=100ms").await;
    world.create_user(0, "bob").await.unwrap();
    while world.get(1, "/_api/user/bob").await.unwrap().status() == StatusCode::NOT_FOUND {
        assert!(begin.elapsed() < LONG);
    }
    assert!(begin.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn expired_tokens_are_refused_and_new_ones_taken() {
    let world = World::new().await;
    let endpoints = world.stand_in.endpoints();
    let login = async || {
        let body = json!({"username": "root", "password": PASSWORD});
        let response = world.client.post(format!("{}/_open/auth", endpoints[0])).json(&body).send().await;
        response.unwrap().json::<Value>().await.unwrap()["jwt"].as_str().unwrap().to_owned()
    };
    let version = async |coordinator: usize, token: &str| {
        let request = world.client.get(format!("{}/_api/version", endpoints[coordinator])).bearer_auth(token);
        let response = request.send().await.unwrap();
        if response.status().is_success() { (200, 0) } else { codes(response).await }
    };
    let (used, unused) = (login().await, login().await);
    assert_eq!(version(0, &used).await, (200, 0));
    world.stand_in.expire_tokens();
    for token in [&used, &unused] {
        assert_eq!([version(0, token).await, version(1, token).await], [(401, 11); 2]);
    }
    // In the same second, and a second time.
    for _ in 0..3 {
        let token = login().await;
        assert_eq!([version(0, &token).await, version(1, &token).await], [(200, 0); 2]);
        world.stand_in.expire_tokens();
        assert_eq!(version(0, &token).await, (401, 11));
    }
    assert_eq!(world.version(0).await, StatusCode::OK, "a password goes on");
}

#[tokio::test]
async fn a_fault_is_for_a_coordinator_that_exists() {
    let world = World::new().await;
    let error = world.stand_in.add_fault("hang coordinator=4".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no coordinator 4, there are 3");
    let options = Options { faults: vec!["hang coordinator=2".parse().unwrap()], ..Options::single("") };
    let error = StandIn::start(options).await.unwrap_err();
    assert!(format!("{error:#}").starts_with("the fault \"hang coordinator=2\" can't be set"));
}

#[tokio::test]
async fn stopping_does_not_wait_for_those_who_hang() {
    let world = World::with(&["hang"]).await;
    let request = world.request(0, Method::GET, "/_api/version");
    let hanging = tokio::spawn(async move { request.send().await });
    logged(&world, 1).await;
    let begin = Instant::now();
    world.stand_in.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn a_rule_made_in_code_is_the_rule_of_the_text() {
    use arango_operator::stand_in::Fault;
    let rule = FaultRule::new(Fault::Hang)
        .on(1)
        .method(Method::PUT)
        .path("/_api/user")
        .next(3)
        .share(0.5)
        .lasting(Duration::from_secs(10))
        .effect(true);
    let text = "hang effect=yes coordinator=2 method=PUT path=/_api/user next=3 share=0.5 for=10s";
    assert_eq!((rule.to_string().as_str(), Ok(rule)), (text, text.parse()));
}
