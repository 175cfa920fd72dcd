//! Who waits for whom: nobody for a deployment that is not his own, and nobody for a burst elsewhere.

use std::time::Duration;

use arango_operator::stand_in::{Fault, FaultRule};
use http::Method;

use crate::support::{Server, World, database, eventually};

/// More than there are passes at the same time through one ArangoCluster, and in all.
const MANY: usize = 100;

/// Databases, all of one deployment.
fn databases(prefix: &str, count: usize) -> (String, Vec<String>) {
    let names: Vec<_> = (0..count).map(|number| format!("{prefix}-{number}")).collect();
    let manifests = names.iter().map(|name| database(name, "")).collect();
    (manifests, names)
}

/// Two namespaces with a deployment each, where nobody acts yet. The first one takes its time and is given it.
async fn two() -> (World, [Server; 2]) {
    let world = World::among(1).await;
    let servers = [Server::start().await, Server::start().await];
    let patient = servers[0].manifest("5m").replace("drift:", "requests: {timeout: 5m}, drift:");
    world.apply(&patient).await;
    world.neighbours[0].apply(&servers[1].manifest("5m")).await;
    (world, servers)
}

/// Starts one operator for both.
async fn start(world: &mut World) {
    world.start_operator().await;
    world.ready(&["arangocluster/prod"]).await;
    world.neighbours[0].ready(&["arangocluster/prod"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_does_not_answer_costs_the_others_nothing() {
    let (mut world, [silent, other]) = two().await;
    start(&mut world).await;
    let hang = FaultRule::new(Fault::Hang).path("/_api/database");
    let hang = silent.stand_in.add_fault(hang).await.unwrap();
    let (manifests, names) = databases("silent", MANY);
    world.apply(&manifests).await;
    silent.met(hang).await;

    let neighbour = &world.neighbours[0];
    let (manifests, others) = databases("other", MANY);
    neighbour.apply(&manifests).await;
    let objects: Vec<_> = others.iter().map(|name| format!("arangodatabase/{name}")).collect();
    let took = neighbour.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    eprintln!("FIGURE {MANY} objects beside a deployment that does not answer: {took:?}");
    assert_eq!(other.databases().await.len(), MANY);
    for name in &names {
        let status = world.object(&format!("arangodatabase/{name}")).await["status"].clone();
        let reason = &status["conditions"][0]["reason"];
        assert!(reason == "Pending", "it was still waited for, else this test says nothing: {status}");
    }

    silent.stand_in.remove_fault(hang).await.unwrap();
    let objects: Vec<_> = names.iter().map(|name| format!("arangodatabase/{name}")).collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_delays_no_change_elsewhere() {
    let (mut world, [busy, other]) = two().await;
    // At most 32 at the same time, so that the burst takes six rounds.
    let slow = Fault::Delay { time: Duration::from_secs(2), jitter: Duration::ZERO };
    busy.stand_in.add_fault(FaultRule::new(slow).method(Method::POST).path("/_api/database")).await.unwrap();
    let (manifests, names) = databases("burst", 192);
    world.apply(&manifests).await;
    start(&mut world).await;
    eventually("the burst is under way", async || match busy.databases_inside().len() {
        0 => Err(0),
        made => Ok(made),
    })
    .await;

    let (manifests, singles) = databases("single", 4);
    world.neighbours[0].apply(&manifests).await;
    let objects: Vec<_> = singles.iter().map(|name| format!("arangodatabase/{name}")).collect();
    let took = world.neighbours[0].ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let made = busy.databases_inside().len();
    eprintln!(
        "FIGURE changes beside a burst of {}: {took:?} after kubectl, {made} made by then",
        names.len()
    );
    assert_eq!(other.databases().await, singles);
    assert!(made <= names.len() * 2 / 3, "{made} of the burst were made before");
}
