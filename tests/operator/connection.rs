//! Coordinators that die, passwords of the connection that are wrong, and how it is told.

use std::time::{Duration, Instant};

use crate::support::{ROOT_PASSWORD, Server, World, database, grant, passwords, secret, user_with_password};

/// How long a connection may take to be back once a coordinator answers.
const BACK: Duration = Duration::from_secs(5);

/// Passes that something went wrong in.
const FAILED: [&str; 6] =
    ["ServerUnavailable", "Retry", "AccessDenied", "Refused", "KubernetesError", "Deadline"];

async fn triple(world: &World, name: &str) {
    let manifests = [
        secret("passwords", &[(name, "a password")]),
        database(name, ""),
        user_with_password(name, ""),
        grant(name, name, "access: rw"),
    ];
    world.apply(&manifests.concat()).await;
}

fn objects(name: &str) -> [String; 3] {
    [
        format!("arangodatabase/{name}"),
        format!("arangouser/{name}"),
        format!("arangopermission/{name}-{name}"),
    ]
}

async fn ready(world: &World, name: &str) {
    let objects = objects(name);
    world.ready(&objects.each_ref().map(String::as_str)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_three_coordinators_dead_no_pass_fails_and_everything_is_ready() {
    let (world, server) = World::connected("1s").await;
    triple(&world, "before").await;
    ready(&world, "before").await;
    server.stand_in.stop_coordinator(1).await.unwrap();
    for name in ["first", "second", "third"] {
        triple(&world, name).await;
        ready(&world, name).await;
        // Found and repaired while one is dead: the comparisons go on.
        server.set_level(name, name, "none").await;
        server.has_levels(name, &[(name, "rw")]).await;
    }
    let message = world.condition("arangocluster/prod", "True", "Ready").await;
    let coordinators = world.object("arangocluster/prod").await["status"]["coordinators"].clone();
    assert_eq!(coordinators[1]["reachable"], false, "{message} {coordinators}");
    assert!(message.contains("2 of 3"), "{message}");
    for reason in FAILED {
        let failed =
            world.operator().count(&["arangooperator_reconciles_total", &format!("\"{reason}\"")]).await;
        assert_eq!(failed, 0, "passes with {reason}");
    }
    server.stand_in.start_coordinator(1).await.unwrap();
    crate::support::eventually("the coordinator is taken back", async || {
        let status = world.object("arangocluster/prod").await["status"].clone();
        if status["coordinators"][1]["reachable"] == true { Ok(()) } else { Err(status) }
    })
    .await;
    ready(&world, "before").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_coordinators_dead_it_says_so_and_is_back_soon_after_the_first_one() {
    let (world, server) = World::connected("1s").await;
    triple(&world, "shop").await;
    ready(&world, "shop").await;
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    let message = world.condition("arangocluster/prod", "Unknown", "ServerUnavailable").await;
    assert!(message.contains("trying again"), "{message}");
    for object in objects("shop") {
        world.condition(&object, "Unknown", "ServerUnavailable").await;
    }
    server.stand_in.start_coordinator(2).await.unwrap();
    let begin = Instant::now();
    world.condition_within(BACK, "arangocluster/prod", "True", "Ready").await;
    eprintln!("FIGURE Ready again {:?} after the first coordinator came back", begin.elapsed());
    ready(&world, "shop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_of_the_connection_is_told_and_a_right_one_is_taken_up() {
    let world = World::new().await;
    let server = Server::start().await;
    world.apply(&server.manifest_for(("root", "a wrong one"), "drift: {interval: 1s}")).await;
    world.apply(&database("shop", "")).await;
    let message = world.condition("arangocluster/prod", "False", "AccessDenied").await;
    assert!(message.contains("password"), "{message}");
    assert!(!message.contains("a wrong one"), "{message}");
    world.event("arangocluster/prod", "AccessDenied").await;
    world.apply(&secret("prod-root", &[("username", "root"), ("password", ROOT_PASSWORD)])).await;
    world.ready(&["arangocluster/prod", "arangodatabase/shop"]).await;

    // An account without rights on _system is refused as well, and told of.
    server.make_user("weak", "weak").await;
    world.apply(&secret("prod-root", &[("username", "weak"), ("password", "weak")])).await;
    world.apply(&database("depot", "")).await;
    let message = world.condition("arangodatabase/depot", "False", "AccessDenied").await;
    assert!(message.contains("_system"), "{message}");
    world.apply(&secret("prod-root", &[("username", "root"), ("password", ROOT_PASSWORD)])).await;
    world.ready(&["arangocluster/prod", "arangodatabase/depot", "arangodatabase/shop"]).await;
    assert_eq!(server.databases().await, ["depot", "shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_in_one_namespace_are_apart() {
    let (world, first) = World::connected("5m").await;
    let second = Server::start().await;
    let other = second.manifest("5m").replace("name: \"prod\"", "name: \"spare\"");
    world.apply(&[other, passwords(&[("alice", "her password")])].concat()).await;
    let on_spare = |manifest: String| manifest.replace("{name: prod}", "{name: spare}");
    let manifests = [database("shop", ""), on_spare(database("depot", ""))];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangodatabase/shop", "arangodatabase/depot"]).await;
    assert_eq!(first.databases().await, ["shop"]);
    assert_eq!(second.databases().await, ["depot"]);

    // A row whose user and database are elsewhere is no row.
    world
        .apply(&[on_spare(user_with_password("alice", "")), grant("alice", "shop", "access: rw")].concat())
        .await;
    let message = world.condition("arangopermission/alice-shop", "False", "Invalid").await;
    assert!(message.contains("spare") && message.contains("prod"), "{message}");
}
