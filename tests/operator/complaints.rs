//! What people complain of in comparable operators, each as a test of this one; `docs/peers.md` says who and where.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use reqwest::Method;
use serde_json::json;

use crate::support::{PATIENCE, World, alice_on_shop, database, eventually, passwords, permission, user};

const OBJECTS: [&str; 3] = ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"];

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_ends_also_when_the_connection_and_its_secret_went_first_and_the_operator_was_away() {
    let (mut world, _server) = alice_on_shop("5m").await;
    world.take_operator().terminate(PATIENCE).await;
    world.kubectl(&["delete", "secret", "prod-root"]).await.unwrap();
    world.kubectl(&["delete", "namespace", &world.namespace, "--wait=false"]).await.unwrap();
    world.start_operator().await;
    // At the latest when the ArangoCluster, which can't serve without its Secret, has lingered its minute.
    world.namespace_is_gone(PATIENCE * 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_full_of_what_is_retained_ends_while_the_server_is_away() {
    let (world, server) = World::connected("5m").await;
    let databases: Vec<_> = (0..10).map(|n| format!("kept-{n}")).collect();
    world.apply(&databases.iter().map(|name| database(name, "")).collect::<String>()).await;
    let objects: Vec<_> = databases.iter().map(|name| format!("arangodatabase/{name}")).collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    world.kubectl(&["delete", "namespace", &world.namespace, "--wait=false"]).await.unwrap();
    world.namespace_is_gone(PATIENCE * 2).await;
    let mut kept = server.databases_inside();
    kept.sort();
    assert_eq!(kept, databases);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_wait_for_a_server_neither_storm_it_nor_hold_up_those_that_need_none() {
    const WAITING: usize = 30;
    const WATCHED: Duration = Duration::from_secs(10);
    let (world, server) = World::connected("5m").await;
    let names: Vec<_> = (0..WAITING).map(|n| format!("goes-{n}")).collect();
    let goes: String = names.iter().map(|name| database(name, "deletionPolicy: Delete")).collect();
    world.apply(&[goes, database("stays", "")].concat()).await;
    let objects: Vec<_> = names.iter().map(|name| format!("arangodatabase/{name}")).collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world.ready(&["arangodatabase/stays"]).await;

    server.stand_in.add_fault("stopping".parse().unwrap()).await.unwrap();
    let mut delete = vec!["delete", "--wait=false"];
    delete.extend(objects.iter().map(String::as_str));
    world.kubectl(&delete).await.unwrap();
    for object in &objects {
        world.condition(object, "False", "DeletionBlocked").await;
    }
    world.delete(&["arangodatabase/stays"]).await;
    server.stand_in.clear_requests();
    tokio::time::sleep(WATCHED).await; // what happens while nothing is asked for is what is counted
    let requests = server.stand_in.requests();
    // Repeats double from a second on, so in these ten each has at most four; probes of three coordinators come on top.
    assert!(requests < 6 * WAITING as u64, "{requests} requests in {WATCHED:?} for {WAITING} deletions");

    server.stand_in.clear_faults().await.unwrap();
    for object in &objects {
        world.gone(object).await;
    }
    assert_eq!(server.databases().await, ["stays"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreground_deletion_ends_like_any_other() {
    let (world, server) = alice_on_shop("5m").await;
    let mut delete = vec!["delete", "--cascade=foreground", "--wait=false"];
    delete.extend(OBJECTS);
    world.kubectl(&delete).await.unwrap();
    // The garbage collector, which takes the foreground finalizer off, learns of new kinds every half minute only.
    for object in OBJECTS {
        world.gone_within(3 * PATIENCE, object).await;
    }
    assert!(server.databases().await.is_empty() && server.users().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_goes_when_its_user_or_its_database_went_before_it_by_hand() {
    let (world, server) = alice_on_shop("5m").await;
    world.apply(&permission("more", "user: alice, database: \"*\", access: ro")).await;
    world.ready(&["arangopermission/more"]).await;
    server.by_hand(Method::DELETE, "/_api/database/shop", json!({})).await;
    world.delete(&["arangopermission/alice-shop"]).await;
    server.by_hand(Method::DELETE, "/_api/user/alice", json!({})).await;
    world.delete(&["arangopermission/more", "arangouser/alice", "arangodatabase/shop"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_was_granted_already_is_ready_without_being_granted_again() {
    let (world, server) = World::connected("5m").await;
    server.make_database("shop").await;
    server.make_user("bob", "his own").await;
    server.set_level("bob", "shop", "ro").await;
    server.stand_in.clear_requests();
    world.apply(&permission("bob-shop", "user: bob, database: shop, access: ro")).await;
    world.ready(&["arangopermission/bob-shop"]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_locked_out_when_the_secret_of_a_password_goes() {
    let (world, server) = alice_on_shop("5m").await;
    world.kubectl(&["delete", "secret", "passwords"]).await.unwrap();
    let message = world.condition("arangouser/alice", "Unknown", "SecretMissing").await;
    assert!(message.contains("passwords"), "{message}");
    assert_eq!(server.login("alice", "her password").await, 200);
    world.apply(&passwords(&[("alice", "her password")])).await;
    world.ready(&["arangouser/alice"]).await;
    assert_eq!(server.login("alice", "her password").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn adoption_makes_no_secret_and_changes_no_password() {
    let (world, server) = World::connected("5m").await;
    server.make_user("bob", "his own").await;
    world.apply(&user("bob", "")).await;
    world.ready(&["arangouser/bob"]).await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let names: Vec<_> = secrets.list(&kube::api::ListParams::default()).await.unwrap().items;
    let names: Vec<_> = names.into_iter().filter_map(|secret| secret.metadata.name).collect();
    assert_eq!(names, ["prod-root"]);
    assert_eq!(server.login("bob", "his own").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_user_who_stays_can_still_be_read_when_his_resource_is_gone() {
    let (world, server) = World::connected("5m").await;
    world.apply(&user("bob", "password: {generate: {}}, deletionPolicy: Retain")).await;
    world.ready(&["arangouser/bob"]).await;
    world.delete(&["arangouser/bob"]).await;
    let password = eventually("the Secret is there", async || {
        world.secret_value("bob-password", "password").await.ok_or("no Secret")
    })
    .await;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
    let secret = secrets.get("bob-password").await.unwrap();
    assert_eq!(secret.metadata.owner_references, None, "nothing collects it later");
    assert_eq!(server.login("bob", &password).await, 200);
}
