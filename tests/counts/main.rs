//! What a fleet costs, as counts and not by the clock, so that it is the same on every machine: writes for each object made
//! and none at a restart or a comparison, allocations for each pass that finds nothing to do, bytes for each object at rest.
//!
//! The operator runs in this process, with an allocator that counts, against an API server in memory; the stand-in is a
//! process of its own. A bound that is exceeded is a regression; one that is far from reached should be lowered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod api_server;

use std::{
    alloc::System,
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use arango_operator::operator::{self, Settings};
use base64::Engine;
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::oneshot,
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use api_server::{ApiServer, NAMESPACE};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// So many of each kind: enough that what is there once weighs little.
const EACH: usize = 150;

/// Bytes at rest of one object, by plural: its spec and status in the cache, who needs it, what is known of its server. In those of
/// a right is its share of the connections on which the rights are read.
const BYTES: [(&str, usize); 3] =
    [("arangodatabases", 1800), ("arangousers", 4900), ("arangopermissions", 16500)];

/// Allocations of one pass that finds nothing to do, with its share of what is read for all.
const ALLOCATIONS: usize = 270;

/// Allocations of one object that is made; those of the API server are among them.
const ALLOCATIONS_TO_MAKE: usize = 1050;

/// Writes to Kubernetes of one object that is made: a claim with its finalizer, and a status. What is kept when its resource goes
/// needs no finalizer.
const WRITES: [(&str, &str, usize); 5] = [
    ("arangodatabases", "status", 1),
    ("arangousers", "metadata", 1),
    ("arangousers", "status", 1),
    ("arangopermissions", "metadata", 1),
    ("arangopermissions", "status", 1),
];

const PATIENCE: Duration = Duration::from_secs(120);

const PLURALS: [&str; 3] = ["arangodatabases", "arangousers", "arangopermissions"];

async fn eventually<T>(what: &str, mut is: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match is().await {
            Ok(found) => return found,
            Err(found) => assert!(begin.elapsed() < PATIENCE, "{what}: {found}"),
        }
        // Asking costs allocations as well: seldom enough that they don't count.
        sleep(Duration::from_millis(250)).await;
    }
}

/// Starts a stand-in; tells where it listens.
async fn stand_in() -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
        .args(["stand-in", "--single", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
        .env("ARANGO_ROOT_PASSWORD", "secret")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("it says where it listens");
        if let Some(at) = line.find("http://") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (child, line[at..].trim().to_owned());
        }
    }
}

/// Databases, users and their rights, and what is needed for them.
fn declare(api: &ApiServer, endpoint: &str) {
    let key = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    api.create(
        "secrets",
        "root",
        "Secret",
        &json!({"data": {"username": key("root"), "password": key("secret")}}),
    );
    api.create("secrets", "users", "Secret", &json!({"data": {"password": key("a user's")}}));
    let spec = json!({
        "endpoints": [endpoint], "auth": {"secretRef": {"name": "root"}}, "drift": {"interval": "10m"},
        "requests": {"timeout": "30s"},
    });
    api.create("arangoclusters", "prod", "ArangoCluster", &json!({"spec": spec}));
    let cluster = json!({"name": "prod"});
    for number in 0..EACH {
        let name = format!("tenant-{number}");
        api.create("arangodatabases", &name, "ArangoDatabase", &json!({"spec": {"clusterRef": cluster}}));
        let password = json!({"secretRef": {"name": "users", "key": "password"}});
        let spec = json!({"clusterRef": cluster, "password": password});
        api.create("arangousers", &name, "ArangoUser", &json!({"spec": spec}));
        let reference = json!({"name": name});
        let spec = json!({
            "clusterRef": cluster, "userRef": reference, "databaseRef": reference, "access": "rw",
            "collections": {"*": "ro"},
        });
        api.create("arangopermissions", &name, "ArangoPermission", &json!({"spec": spec}));
    }
}

/// A running operator.
struct Running {
    task: JoinHandle<()>,
    stop: CancellationToken,
    metrics: String,
    http: reqwest::Client,
}

impl Running {
    async fn start(client: &kube::Client) -> Self {
        let stop = CancellationToken::new();
        let settings = Settings {
            namespaces: vec![NAMESPACE.to_owned()],
            instance: Some("counts".to_owned()),
            identity: "counts".to_owned(),
            election: None,
            cluster_namespaces: Vec::new(),
            selector: None,
            lease: (None, "counts".to_owned()),
            routes: Vec::new(),
            health: "127.0.0.1:0".parse().unwrap(),
            metrics: "127.0.0.1:0".parse().unwrap(),
            maintenance_period: Duration::from_secs(3600),
        };
        let (listening, listens) = oneshot::channel();
        let run = operator::run(client.clone(), settings, stop.clone(), |addresses| {
            listening.send(addresses.metrics).ok();
        });
        let task = tokio::spawn(async move { drop(run.await.unwrap()) });
        let metrics = format!("http://{}/metrics", listens.await.unwrap());
        Self { task, stop, metrics, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// How many passes there were that found everything in order.
    async fn passes(&self) -> usize {
        let answer = self.http.get(&self.metrics).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let ready = text.lines().filter(|line| {
            line.starts_with("arangooperator_reconciles_total")
                && line.contains("\"Ready\"")
                && !line.contains("ArangoCluster")
        });
        ready.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok()).sum()
    }

    /// Waits until nothing moves any more.
    async fn rests(&self) {
        let mut before = 0;
        eventually("nothing moves any more", async || {
            sleep(Duration::from_millis(500)).await;
            let now = ALLOCATOR.stats().allocations;
            // Asking for the time, or how many passes there were, is something as well.
            if now - std::mem::replace(&mut before, now) < 200 { Ok(()) } else { Err(now.to_string()) }
        })
        .await;
    }

    async fn passed(&self, count: usize) -> usize {
        eventually("everything was looked at", async || match self.passes().await {
            passes if passes >= count => Ok(passes),
            passes => Err(format!("{passes} of {count}")),
        })
        .await
    }
}

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_costs_no_more_than_it_did() {
    let (_child, endpoint) = stand_in().await;
    let api = ApiServer::default();
    let client = api.serve().await;
    declare(&api, &endpoint);
    let everything = [&["secrets", "arangoclusters"][..], &PLURALS].concat();
    api.show(&everything);

    // What is made. The API server's share is in it, but for what it does at a start.
    let before = ALLOCATOR.stats();
    let running = Running::start(&client).await;
    for plural in PLURALS {
        eventually("all is Ready", async || match api.ready(plural) {
            EACH => Ok(()),
            ready => Err(format!("{ready} {plural}, {:?}", api.complaint(plural))),
        })
        .await;
    }
    let made = ALLOCATOR.stats() - before;
    running.stop().await;
    let written = api.take_writes();
    let expected: BTreeMap<_, _> =
        WRITES.iter().map(|(plural, what, each)| (((*plural).to_owned(), *what), each * EACH)).collect();
    let mut of_objects = written.clone();
    of_objects.retain(|(plural, _), _| plural != "arangoclusters");
    eprintln!("FIGURE writes to Kubernetes for {EACH} databases, users and rights each: {written:?}");
    for (what, count) in &of_objects {
        // On a machine that is busy a row may have something to say while its user is being made.
        assert!(
            expected.get(what).is_some_and(|most| *count <= most + most / 50),
            "{what:?}: {count} writes"
        );
    }
    let allocations = made.allocations / (PLURALS.len() * EACH);
    eprintln!("FIGURE allocations of an object that is made: {allocations}");
    assert!(allocations <= ALLOCATIONS_TO_MAKE, "{allocations} allocations for an object that is made");

    // What is there. Rights need users and databases, which are taken off again.
    let mut known: Vec<usize> = Vec::new();
    for (plural, most) in BYTES {
        api.show(&["secrets", "arangoclusters"]);
        let running = Running::start(&client).await;
        running.rests().await;
        let empty = live();
        running.stop().await;
        let shown: &[&'static str] = match plural {
            "arangopermissions" => &PLURALS,
            _ => &[plural],
        };
        let more = shown.len() - 1;
        api.show(&[&["secrets", "arangoclusters"], shown].concat());
        let running = Running::start(&client).await;
        running.passed(EACH * shown.len()).await;
        running.rests().await;
        let others = if more == 0 { 0 } else { known.iter().sum::<usize>() };
        let bytes = (live().saturating_sub(empty) / EACH).saturating_sub(others);
        running.stop().await;
        eprintln!("FIGURE bytes at rest of one of {plural}: {bytes}");
        assert!(bytes <= most, "{bytes} bytes for each of {plural}");
        known.push(bytes);
    }

    wrote_nothing(&api);

    // What a comparison costs.
    api.set("arangoclusters", "drift", &json!({"interval": "3s"}));
    let running = Running::start(&client).await;
    let before = running.passed(2 * PLURALS.len() * EACH).await;
    let (begin, stats) = (Instant::now(), ALLOCATOR.stats());
    let after = running.passed(before + 3 * PLURALS.len() * EACH).await;
    let allocations = (ALLOCATOR.stats().allocations - stats.allocations) / (after - before);
    eprintln!(
        "FIGURE allocations of a pass that finds nothing to do: {allocations} ({} in {:?})",
        after - before,
        begin.elapsed()
    );
    running.stop().await;
    assert!(allocations <= ALLOCATIONS, "{allocations} allocations for a pass that finds nothing to do");
    wrote_nothing(&api);
}

/// Of an ArangoCluster the counts change, which are written.
fn wrote_nothing(api: &ApiServer) {
    let written = api.take_writes();
    let of_objects = written.keys().any(|(plural, _)| plural != "arangoclusters");
    assert!(!of_objects, "nothing changed: {written:?}, at last {:#?}", api.last_change());
}
