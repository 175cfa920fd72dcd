//! The operator ends, kindly or not, and another one goes on.

use std::time::{Duration, Instant};

use arango_operator::stand_in::Model;
use futures::future::join_all;
use reqwest::Method;

use crate::support::{
    ROOT_PASSWORD, Server, World, database, eventually, grant, passwords, user_with_password,
};

/// How many databases, users and rows.
const TRIPLES: usize = 50;

/// The operator is killed when about so many databases and users are there, of twice as many as there are triples.
const KILLS: [usize; 3] = [8, 40, 75];

/// How long the server takes for a request, so that there is a middle to be killed in.
const DELAY: Duration = Duration::from_millis(20);

/// How long a shutdown may take: what is under way ends first.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A namespace without an operator, in which much is declared.
async fn much_to_do() -> (World, Server, Vec<String>) {
    let (world, server) = tokio::join!(World::without_operator(), Server::slow(DELAY));
    let names: Vec<String> = (0..TRIPLES).map(|n| format!("tenant-{n:02}")).collect();
    let secrets: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let cluster = server.manifest_for(("root", ROOT_PASSWORD), "requests: {maxConcurrent: 4}");
    let triples: String = names
        .iter()
        .map(|name| {
            [grant(name, name, "access: rw"), user_with_password(name, ""), database(name, "")].concat()
        })
        .collect();
    world.apply(&[cluster, passwords(&secrets), triples].concat()).await;
    (world, server, names)
}

/// How many databases and users were made.
fn made(server: &Server) -> usize {
    server.stand_in.with_model(|model: &mut Model| model.databases().count() + model.users().count() - 2)
}

async fn until_made(server: &Server, count: usize) {
    eventually("a part of it is there", async || {
        let made = made(server);
        if made >= count { Ok(()) } else { Err(made) }
    })
    .await;
}

async fn all_ready(world: &World, names: &[String]) {
    let objects = names.iter().flat_map(|name| {
        [
            format!("arangodatabase/{name}"),
            format!("arangouser/{name}"),
            format!("arangopermission/{name}-{name}"),
        ]
    });
    let objects: Vec<_> = objects.collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// Everybody has his database, and it is no secret to him.
async fn everybody_is_served(server: &Server, names: &[String]) {
    assert_eq!(server.databases().await, names);
    assert_eq!(server.users().await, names);
    join_all(names.iter().map(async |name| {
        let answer = server.get((name, name), &format!("/_db/{name}/_api/database/current")).await;
        assert_eq!(answer.codes(), (200, 0), "{name}");
        server.has_levels(name, &[(name, "rw")]).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_and_started_again_it_loses_nothing_and_makes_nothing_twice() {
    let (mut world, server, names) = much_to_do().await;
    let mut killed_at = Vec::new();
    for threshold in KILLS {
        world.spawn_operator().await;
        until_made(&server, threshold).await;
        world.take_operator().kill().await;
        killed_at.push(made(&server));
    }
    eprintln!("FIGURE killed when {killed_at:?} of {} databases and users were there", 2 * TRIPLES);
    assert!(killed_at.iter().all(|made| *made < 2 * TRIPLES), "too late to be in the middle: {killed_at:?}");
    world.start_operator().await;
    all_ready(&world, &names).await;
    everybody_is_served(&server, &names).await;

    let log = server.stand_in.request_log();
    for path in ["/_api/database", "/_api/user"] {
        let done = log
            .iter()
            .filter(|entry| entry.method == Method::POST && entry.path.ends_with(path) && entry.is_success());
        assert_eq!(done.count(), TRIPLES, "successful POSTs to {path}");
    }
    let origins = world.kubectl(&["get", "arangodata", "-o", "jsonpath={.items[*].status.origin}"]).await;
    let adopted = origins.unwrap().split(' ').filter(|origin| *origin == "Adopted").count();
    eprintln!("FIGURE {adopted} of {} were taken for adopted after the kills", 3 * TRIPLES);
    // A claim is stored before the first write to the server, where a deletion would remove something.
    for kind in ["arangousers", "arangopermissions"] {
        let origins =
            world.kubectl(&["get", kind, "-o", "jsonpath={.items[*].status.origin}"]).await.unwrap();
        assert!(!origins.contains("Adopted"), "{kind}: what was ours is not ours any more: {origins}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_what_is_under_way_and_exits_with_0() {
    let (mut world, server, names) = much_to_do().await;
    world.start_operator().await;
    until_made(&server, TRIPLES / 2).await;
    let begin = Instant::now();
    let status = world.take_operator().terminate(SHUTDOWN).await;
    eprintln!("FIGURE shutdown in the middle of work: {:?}", begin.elapsed());
    assert_eq!(status.code(), Some(0));
    let (before, requests) = (made(&server), server.stand_in.requests());
    assert!(before < 2 * TRIPLES, "too late to be in the middle: {before}");

    world.start_operator().await;
    all_ready(&world, &names).await;
    everybody_is_served(&server, &names).await;
    assert!(server.stand_in.requests() > requests);
    let begin = Instant::now();
    let status = world.take_operator().terminate(SHUTDOWN).await;
    eprintln!("FIGURE shutdown without work: {:?}", begin.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(!world.log().contains("cut off"), "{}", world.log());
}
