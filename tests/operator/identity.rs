//! An `ArangoCluster` that leads to another deployment than before: nothing is taken away there until a person says so.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, World, database, eventually, grant, passwords, user_with_password};

/// The answer to who is there is believed for a second, and this is surely later.
const BELIEVED: Duration = Duration::from_millis(1100);

const ACCEPT: &str = "arango-operator.dev/accept-deployment";

fn id(server: &Server) -> String {
    server.stand_in.with_model(|model| model.config().cluster_id.clone())
}

/// The condition `DeploymentChanged` of the `ArangoCluster`.
async fn changed(world: &World) -> Option<Value> {
    let status = world.object("arangocluster/prod").await["status"].clone();
    let conditions = status["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == "DeploymentChanged").cloned()
}

async fn is_changed(world: &World) -> Value {
    eventually("the change is told", async || changed(world).await.ok_or("not told")).await
}

async fn accept(world: &World, id: &str) {
    let annotation = format!("{ACCEPT}={id}");
    world.kubectl(&["annotate", "--overwrite", "arangocluster", "prod", &annotation]).await.unwrap();
    eventually("the deployment is accepted", async || {
        let status = world.object("arangocluster/prod").await["status"]["deployment"].clone();
        if status["id"] == id && status["found"].is_null() { Ok(()) } else { Err(status) }
    })
    .await;
}

async fn about(world: &World, object: &str) -> (Value, Value) {
    let status = world.object(object).await["status"].clone();
    (status["deployment"].clone(), status["origin"].clone())
}

/// Everything that would be removed with its resource.
fn declared() -> String {
    [
        passwords(&[("alice", "hers")]),
        database("shop", "deletionPolicy: Delete"),
        user_with_password("alice", ""),
        grant("alice", "shop", "access: rw"),
    ]
    .concat()
}

const OBJECTS: [&str; 3] = ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"];

async fn delete(world: &World, objects: &[&str]) {
    let arguments = ["delete", "--wait=false"].iter().chain(objects).copied();
    world.kubectl(&arguments.collect::<Vec<_>>()).await.unwrap();
}

/// Waits until their deletions say that they wait, and for what.
async fn are_blocked(world: &World, objects: &[&str], parts: &[&str]) {
    for object in objects {
        eventually("the deletion says what it waits for", async || {
            let message = world.condition(object, "False", "DeletionBlocked").await;
            if parts.iter().all(|part| message.contains(part)) { Ok(()) } else { Err(message) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_is_asked_before_anything_is_taken_away() {
    let (world, server) = World::connected("5m").await;
    world.apply(&database("shop", "deletionPolicy: Delete")).await;
    world.ready(&["arangodatabase/shop"]).await;
    let before = id(&server);
    // For so long the last answer is believed, and nothing tells when that is over.
    tokio::time::sleep(BELIEVED).await;
    // A copy of the data answers at the same addresses, and nobody has told the operator.
    server.stand_in.with_model(|model| model.set_cluster_id("the-copy"));
    server.stand_in.clear_requests();
    delete(&world, &["arangodatabase/shop"]).await;
    are_blocked(&world, &["arangodatabase/shop"], &[&before, "the-copy", ACCEPT]).await;
    let condition = is_changed(&world).await;
    let message = condition["message"].as_str().unwrap();
    assert!([before.as_str(), "the-copy", ACCEPT].iter().all(|part| message.contains(part)), "{message}");
    assert_eq!(condition["status"], "True");
    let message = world.condition("arangocluster/prod", "True", "Ready").await;
    assert!(message.contains("DeploymentChanged"), "{message}");
    let status = world.object("arangocluster/prod").await["status"]["deployment"].clone();
    assert_eq!((&status["id"], &status["found"]), (&json!(before), &json!("the-copy")));
    assert!(server.writes().is_empty(), "{:?}", server.writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_on_a_deployment_that_took_the_place_of_another_waits_for_a_persons_word() {
    let (mut world, server) = World::connected("5m").await;
    world.apply(&declared()).await;
    world.ready(&OBJECTS).await;
    let before = id(&server);
    for object in OBJECTS {
        assert_eq!(about(&world, object).await, (before.as_str().into(), "Created".into()), "{object}");
    }
    world.take_operator().kill().await;
    server.stand_in.with_model(|model| model.set_cluster_id("the-copy"));
    server.stand_in.clear_requests();
    delete(&world, &OBJECTS).await;
    world.start_operator().await;
    are_blocked(&world, &OBJECTS, &[&before, "the-copy", ACCEPT]).await;
    is_changed(&world).await;

    // Neither a restart nor the wrong word lets it happen.
    world.take_operator().kill().await;
    let annotation = format!("{ACCEPT}={before}");
    world.kubectl(&["annotate", "arangocluster", "prod", &annotation]).await.unwrap();
    world.start_operator().await;
    eventually("all were looked at", async || {
        let looked = world.operator().count(&["arangooperator_reconciles_total", "DeletionBlocked"]).await;
        if looked >= 3 { Ok(()) } else { Err(looked) }
    })
    .await;
    are_blocked(&world, &OBJECTS, &[ACCEPT]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    let events = world.events_of("arangocluster/prod").await;
    assert_eq!(events.iter().filter(|event| event.starts_with("DeploymentChanged")).count(), 1, "{events:?}");

    accept(&world, "the-copy").await;
    for object in OBJECTS {
        world.gone(object).await;
        let event = world.event(object, "LeftBehind").await;
        assert!(event.contains(&before), "{event}");
    }
    // What they had made is on the deployment before; nothing on this one was ever theirs.
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.databases().await, ["shop"]);
    server.has_levels("alice", &[("shop", "rw")]).await;
    assert_eq!(changed(&world).await, None);
    world.event("arangocluster/prod", "DeploymentAccepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_deployment_what_is_missing_is_made_and_what_is_there_stays_until_a_person_says_so() {
    let (world, first, second) = {
        let ((world, first), second) = tokio::join!(World::connected("1s"), Server::start());
        (world, first, second)
    };
    world.apply(&declared()).await;
    world.ready(&OBJECTS).await;
    second.make_user("alice", "somebody's").await;
    second.make_database("shop").await;
    second.set_level("alice", "shop", "ro").await;
    second.make_collection("shop", "orders").await;

    world.apply(&second.manifest("1s")).await;
    is_changed(&world).await;
    let (before, there) = (id(&first), id(&second));
    second.stand_in.clear_requests();
    for object in &OBJECTS[1..] {
        let message = world.condition(object, "False", "DeploymentChanged").await;
        assert!(message.contains("there already") && message.contains(ACCEPT), "{message}");
        assert_eq!(about(&world, object).await, (before.as_str().into(), "Created".into()), "{object}");
    }
    // As it is declared: to adopt it changes nothing.
    eventually("the database is adopted", async || {
        let about = about(&world, OBJECTS[0]).await;
        if about == (there.as_str().into(), "Adopted".into()) { Ok(()) } else { Err(about) }
    })
    .await;
    world.apply(&database("depot", "deletionPolicy: Delete")).await;
    world.ready(&["arangodatabase/depot"]).await;
    assert_eq!(about(&world, "arangodatabase/depot").await.1, "Created");
    world.apply(&grant("alice", "depot", "access: rw, collections: {\"*\": ro}")).await;
    world.ready(&["arangopermission/alice-depot"]).await;
    assert_eq!(second.login("alice", "somebody's").await, 200);
    second.has_levels("alice", &[("shop", "ro"), ("depot", "rw"), ("depot/*", "ro")]).await;

    // A change of a spec takes nothing away either, and goes on with what it can.
    second.stand_in.clear_requests();
    world.apply(&grant("alice", "depot", "access: ro")).await;
    let message = world.condition("arangopermission/alice-depot", "False", "DeploymentChanged").await;
    assert!(message.contains(ACCEPT) && message.contains(&there), "{message}");
    let removals = second.writes().into_iter().filter(|entry| entry.method == Method::DELETE).count();
    assert_eq!(removals, 0, "{:?}", second.writes());
    second.has_levels("alice", &[("shop", "ro"), ("depot", "ro"), ("depot/*", "ro")]).await;
    let made_here = ["arangopermission/alice-depot", "arangodatabase/depot"];
    delete(&world, &made_here).await;
    are_blocked(&world, &made_here, &[&there, ACCEPT]).await;

    accept(&world, &there).await;
    for object in made_here {
        world.gone(object).await;
    }
    world.ready(&OBJECTS).await;
    for object in OBJECTS {
        assert_eq!(about(&world, object).await, (there.as_str().into(), "Adopted".into()), "{object}");
        world.event(object, "Adopted").await;
        let events = world.events_of(object).await;
        assert!(!events.iter().any(|event| event.starts_with("Recreated")), "{events:?}");
    }
    second.has_levels("alice", &[("shop", "rw")]).await;
    assert_eq!(second.login("alice", "hers").await, 200);
    world.delete(&["arangouser/alice"]).await;
    assert_eq!(second.users().await, ["alice"], "an adopted user stays");
    assert_eq!(
        (first.databases().await, first.users().await),
        (vec!["shop".to_owned()], vec!["alice".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_were_wrong_for_a_while_cost_nothing_on_either_side() {
    let ((world, right), wrong) = tokio::join!(World::connected("1s"), Server::start());
    world.apply(&declared()).await;
    world.ready(&OBJECTS).await;
    world.apply(&wrong.manifest("1s")).await;
    is_changed(&world).await;
    eventually("what is declared is made there too", async || {
        let databases = wrong.databases().await;
        if databases == ["shop"] { Ok(()) } else { Err(databases) }
    })
    .await;
    right.stand_in.clear_requests();
    world.apply(&right.manifest("1s")).await;
    eventually("the change is over", async || match changed(&world).await {
        None => Ok(()),
        Some(still) => Err(still),
    })
    .await;
    world.ready(&OBJECTS).await;
    let removals = [right.writes(), wrong.writes()].concat();
    let removals: Vec<_> = removals.iter().filter(|entry| entry.method == Method::DELETE).collect();
    assert!(removals.is_empty(), "{removals:?}");
    assert_eq!(
        (right.databases().await, wrong.databases().await),
        (vec!["shop".to_owned()], vec!["shop".to_owned()])
    );
}
