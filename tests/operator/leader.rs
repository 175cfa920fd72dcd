//! Several replicas, of which one acts: the one that holds the Lease. Which of them sent a request, ArangoDB is told in its
//! `User-Agent`.

use std::{path::PathBuf, time::Duration};

use arango_operator::stand_in::{LogEntry, Model};
use futures::future::{join, join_all};
use k8s_openapi::api::coordination::v1::Lease;
use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::support::{
    Operator, PATIENCE, ROOT_PASSWORD, Server, World, database, eventually, grant, passwords,
    user_with_password, within,
};

/// Within this time another one follows one that was killed.
const TAKE_OVER: Duration = Duration::from_secs(15);
/// And one that was told to end.
const HAND_OVER: Duration = Duration::from_secs(2);
/// The exit code of one that lost the Lease.
const DEPOSED: Option<i32> = Some(3);

/// Waits until a replica leads; how long that took.
async fn leads(limit: Duration, replica: &Operator) -> Duration {
    let question = async || if replica.leads().await { Ok(()) } else { Err("it waits") };
    within(limit, "the replica leads", question).await.1
}

/// Waits until one of them leads; which, and how long that took.
async fn one_leads(limit: Duration, replicas: &[(&str, Operator)]) -> (usize, Duration) {
    within(limit, "one of the replicas leads", async || {
        let leading = join_all(replicas.iter().map(|(_, replica)| replica.leads())).await;
        leading.iter().position(|leads| *leads).ok_or(leading)
    })
    .await
}

async fn holder(world: &World) -> Option<String> {
    world.lease().await.spec.unwrap().holder_identity
}

fn first(requests: &[LogEntry]) -> f64 {
    requests.iter().map(|entry| entry.came.0).fold(f64::MAX, f64::min)
}

fn last(requests: &[LogEntry]) -> f64 {
    requests.iter().map(|entry| entry.came.0).fold(f64::MIN, f64::max)
}

/// Nobody waits for it, and nothing is left undone by it: a change by hand is repaired by this replica.
async fn repairs(server: &Server, identity: &str) {
    server.set_level("alice", "shop", "none").await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    assert!(server.requests_of(identity).iter().any(|entry| entry.method == "PUT"), "{identity} repaired it");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_replicas_one_acts_and_the_others_follow_when_it_is_killed_and_when_it_is_told_to_end() {
    let (world, server) = tokio::join!(World::without_operator(), Server::start());
    let start = async |identity: &'static str| (identity, world.replica(identity, None).await);
    let mut replicas = join_all(["one", "two", "three"].map(start)).await;
    let (leader, _) = one_leads(PATIENCE, &replicas).await;
    let objects =
        ["arangocluster/prod", "arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"];
    let declared =
        [passwords(&[("alice", "x")]), database("shop", ""), user_with_password("alice", "")].concat();
    world.apply(&(server.manifest("1s") + &declared + &grant("alice", "shop", "access: rw"))).await;
    world.ready(&objects).await;
    repairs(&server, replicas[leader].0).await;

    // Whoever waits asks nothing of ArangoDB and writes nothing, and is ready all the same.
    for (n, (identity, replica)) in replicas.iter().enumerate().filter(|(n, _)| *n != leader) {
        assert!(!replica.leads().await, "{identity}, the replica {n}, leads as well");
        assert!(server.requests_of(identity).is_empty(), "{identity}");
        assert_eq!(replica.count(&["arangooperator_kubernetes_writes_total"]).await, 0, "{identity}");
        assert_eq!(replica.count(&["arangooperator_reconciles_total"]).await, 0, "{identity}");
        assert!(replica.health_text().await.contains("ok"), "{identity}");
        // It knows what is there.
        assert_eq!(replica.count(&["arangooperator_objects", "\"True\""]).await, objects.len() as u64);
    }

    let (identity, killed) = replicas.swap_remove(leader);
    killed.kill().await;
    server.set_level("alice", "shop", "ro").await;
    let (leader, took) = one_leads(TAKE_OVER, &replicas).await;
    eprintln!("FIGURE take-over after {identity} was killed: {took:?}");
    server.has_levels("alice", &[("shop", "rw")]).await;
    repairs(&server, replicas[leader].0).await;

    let (identity, leader) = replicas.swap_remove(leader);
    let (next, follower) = &replicas[0];
    let ((), took) =
        join(async { assert!(leader.terminate(PATIENCE).await.success()) }, leads(HAND_OVER, follower)).await;
    eprintln!("FIGURE hand-over after {identity} was told to end: {took:?}");
    repairs(&server, next).await;
    let lease = world.lease().await.spec.unwrap();
    assert_eq!((lease.holder_identity.as_deref(), lease.lease_transitions), (Some(*next), Some(2)));

    // The last one leaves it to whoever comes.
    assert!(replicas.remove(0).1.terminate(PATIENCE).await.success());
    assert_eq!(holder(&world).await, None);
}

/// How many databases and users.
const TRIPLES: usize = 80;
/// Most requests at the same time.
const CONCURRENT: usize = 4;
/// How long the server takes for a request, so that some are under way at any moment.
const DELAY: Duration = Duration::from_millis(150);

/// Declares more than is done in a moment. Returns when a part of it is there, with the names.
async fn much_to_do(world: &World, server: &Server) -> Vec<String> {
    let names: Vec<String> = (0..TRIPLES).map(|n| format!("tenant-{n:02}")).collect();
    let secrets: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let triple = |name: &String| {
        [database(name, ""), user_with_password(name, ""), grant(name, name, "access: rw")].concat()
    };
    let connection = format!("drift: {{interval: 1s}}, requests: {{maxConcurrent: {CONCURRENT}}}");
    world.apply(&(server.manifest_for(("root", ROOT_PASSWORD), &connection) + &passwords(&secrets))).await;
    world.ready(&["arangocluster/prod"]).await;
    world.apply(&names.iter().map(triple).collect::<String>()).await;
    let is_there = || if made(server) > TRIPLES / 2 { Ok(()) } else { Err(made(server)) };
    eventually("the replica is busy", async || is_there()).await;
    names
}

/// How many databases and users there are.
fn made(server: &Server) -> usize {
    server.stand_in.with_model(|model: &mut Model| model.databases().count() + model.users().count() - 2)
}

/// Waits until everything is there, and nobody is told about leases who only wants a database.
async fn all_is_done(world: &World, server: &Server, names: &[String]) {
    let objects: Vec<String> = names
        .iter()
        .flat_map(|name| {
            let row = format!("arangopermission/{name}-{name}");
            [format!("arangodatabase/{name}"), format!("arangouser/{name}"), row]
        })
        .collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(server.databases().await, names);
    assert_eq!(server.users().await, names);
    for object in objects {
        let status = world.object(&object).await["status"].to_string();
        assert!(!status.contains("lease") && !status.contains("this process"), "{status}");
    }
}

/// Waits for the first request of a replica. When it came.
async fn begins(server: &Server, identity: &str) -> f64 {
    eventually("the replica is at work", async || {
        let requests = server.requests_of(identity);
        if requests.is_empty() { Err("no request") } else { Ok(first(&requests)) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_past_its_lease_and_continued_a_replica_begins_nothing() {
    let (world, server) = tokio::join!(World::without_operator(), Server::slow(DELAY));
    let stopped = world.replica("stopped", None).await;
    leads(PATIENCE, &stopped).await;
    let follower = world.replica("follower", None).await;
    let names = much_to_do(&world, &server).await;
    stopped.signal(Signal::STOP);
    assert!(made(&server) < 2 * TRIPLES, "too late to be in the middle of it");
    let took = leads(TAKE_OVER, &follower).await;
    eprintln!("FIGURE take-over after the leader was stopped: {took:?}");
    let taken = begins(&server, "follower").await;
    stopped.signal(Signal::CONT);
    assert_eq!(stopped.ended(PATIENCE).await.code(), DEPOSED, "it sees that it was deposed");
    all_is_done(&world, &server, &names).await;
    let all = server.requests_of("stopped");
    let late: Vec<_> = all.iter().filter(|entry| entry.came.0 >= taken).collect();
    eprintln!(
        "FIGURE requests of the stopped one that came after the take-over: {} of {}",
        late.len(),
        all.len()
    );
    assert!(all.len() > CONCURRENT && late.len() <= CONCURRENT, "{late:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_in_the_middle_of_work_a_replica_has_ended_it_before_the_next_one_begins() {
    let (world, server) = tokio::join!(World::without_operator(), Server::slow(DELAY));
    let ending = world.replica("ending", None).await;
    leads(PATIENCE, &ending).await;
    let follower = world.replica("follower", None).await;
    let names = much_to_do(&world, &server).await;
    let (status, took) = join(ending.terminate(PATIENCE), leads(PATIENCE, &follower)).await;
    assert!(status.success(), "{status}");
    eprintln!("FIGURE hand-over in the middle of work: {took:?}");
    let taken = begins(&server, "follower").await;
    all_is_done(&world, &server, &names).await;
    let all = server.requests_of("ending");
    let made_by_it =
        all.iter().filter(|entry| entry.method == "POST" && !entry.path.ends_with("/auth")).count();
    assert!(made_by_it < 2 * TRIPLES, "too late to be in the middle of it: it has made {made_by_it}");
    // Answered, not only begun.
    let last = all.iter().map(|entry| entry.time.0).fold(f64::MIN, f64::max);
    assert!(last < taken, "{:.3} s too late", last - taken);
    assert!(!world.log().contains("cut off"), "what was under way ended in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_from_the_api_server_a_replica_stops_before_another_one_starts() {
    let (world, server) = tokio::join!(World::without_operator(), Server::start());
    let way = Way::to_the_api_server_of(&world).await;
    let cut_off = world.replica("cut-off", Some(&way.kubeconfig)).await;
    leads(PATIENCE, &cut_off).await;
    let declared =
        [passwords(&[("alice", "x")]), database("shop", ""), user_with_password("alice", "")].concat();
    world.apply(&(server.manifest("1s") + &declared + &grant("alice", "shop", "access: rw"))).await;
    world.ready(&["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"]).await;
    let follower = world.replica("follower", None).await;

    way.open.send_replace(false);
    server.stand_in.clear_requests();
    // As long as the Lease is its own it goes on.
    repairs(&server, "cut-off").await;
    assert_eq!(cut_off.ended(TAKE_OVER).await.code(), DEPOSED, "its lease is over");
    let took = leads(TAKE_OVER, &follower).await;
    repairs(&server, "follower").await;
    let (last, first) = (last(&server.requests_of("cut-off")), first(&server.requests_of("follower")));
    eprintln!(
        "FIGURE from the last request of one that is cut off to the first of the next: {:.2} s",
        first - last
    );
    assert!(first > last, "{took:?}");
    assert!(world.log().contains("could not be renewed in time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_the_only_write_of_a_replica_at_rest_and_comes_every_two_seconds() {
    let world = World::without_operator().await;
    let replica = world.replica("alone", None).await;
    leads(PATIENCE, &replica).await;
    let began = world.lease().await;
    let renewed = |lease: &Lease| lease.spec.clone().unwrap().renew_time.unwrap().0;
    let (mut seen, mut times) = (vec![renewed(&began)], 0);
    while times < 3 {
        let now = eventually("it is renewed", async || {
            let now = world.lease().await;
            if renewed(&now) == *seen.last().unwrap() { Err(now.spec) } else { Ok(now) }
        })
        .await;
        assert_eq!(now.spec.clone().unwrap().acquire_time, began.spec.clone().unwrap().acquire_time);
        seen.push(renewed(&now));
        times += 1;
    }
    let seconds = (seen[times].as_millisecond() - seen[0].as_millisecond()) / 1000;
    assert!(seconds >= 4, "{times} renewals in {seconds} s");
    assert_eq!(replica.count(&["arangooperator_kubernetes_writes_total"]).await, 0);
    let written = world.versions().await;
    assert!(!written.keys().any(|name| name.starts_with("Event/")), "{written:?}");
}

/// A way to the API server that can be cut: what is on it waits.
struct Way {
    kubeconfig: PathBuf,
    open: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Way {
    async fn to_the_api_server_of(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = world.plane.server_url();
        let target = url.strip_prefix("https://").unwrap().trim_end_matches('/').to_owned();
        let mut config = serde_json::to_value(world.plane.kubeconfig()).unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        config["clusters"][0]["cluster"]["server"] = Value::String(server);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let open = watch::Sender::new(true);
        let gate = open.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, gate.clone()));
                tokio::spawn(carry(from_server, to_client, gate.clone()));
            }
        });
        Self { kubeconfig, open, _folder: folder }
    }
}

/// Carries bytes as long as the way is open.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut gate: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if gate.wait_for(|open| *open).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
