//! One object on a deployment has one owner, through whichever ArangoCluster it is declared.

use reqwest::Method;
use serde_json::json;

use crate::support::{
    Place, Server, World, database, eventually, grant, passwords, permission, user_with_password,
};

/// Two namespaces, each with an `ArangoCluster` `prod` that leads to the same deployment.
async fn two_namespaces(interval: &str) -> (World, Server) {
    let (mut world, server) = tokio::join!(World::among(1), Server::start());
    world.start_operator().await;
    for namespace in [&*world, &world.neighbours[0]] {
        namespace.apply(&server.manifest(interval)).await;
        namespace.ready(&["arangocluster/prod"]).await;
    }
    (world, server)
}

async fn origin(place: &Place, object: &str) -> String {
    place.object(object).await["status"]["origin"].as_str().unwrap_or("none").to_owned()
}

/// That manifest on the `ArangoCluster` `spare`.
fn on_spare(manifest: &str) -> String {
    manifest.replace("{name: prod}", "{name: spare}").replace("name: \"prod\"", "name: \"spare\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_declared_in_two_namespaces_has_one_owner() {
    let (world, server) = two_namespaces("1s").await;
    let other = &world.neighbours[0];
    world.apply(&database("shop", "deletionPolicy: Delete")).await;
    world.ready(&["arangodatabase/shop"]).await;
    server.stand_in.clear_requests();
    other.apply(&database("shop", "deletionPolicy: Delete")).await;
    let message = other.condition("arangodatabase/shop", "False", "Conflict").await;
    let owner = format!("ArangoDatabase {0}/shop through the ArangoCluster {0}/prod", world.namespace);
    assert!(message.contains(&owner), "{message}");
    let id = server.stand_in.with_model(|model| model.config().cluster_id.clone());
    for namespace in [&*world, other] {
        let status = namespace.object("arangocluster/prod").await["status"].clone();
        assert_eq!(status["deployment"]["id"], id, "{status}");
        assert!(status["deployment"]["found"].is_null(), "{status}");
    }
    other.delete(&["arangodatabase/shop"]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.databases().await, ["shop"]);
    world.ready(&["arangodatabase/shop"]).await;
    world.delete(&["arangodatabase/shop"]).await;
    assert!(server.databases().await.is_empty(), "the owner's policy counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_of_one_namespace_that_lead_to_one_deployment_share_its_claims() {
    let (world, server) = World::connected("1s").await;
    world
        .apply(&[on_spare(&server.manifest("1s")), passwords(&[("alice", "hers"), ("twin", "no")])].concat())
        .await;
    world
        .apply(
            &[database("shop", ""), user_with_password("alice", ""), grant("alice", "shop", "access: ro")]
                .concat(),
        )
        .await;
    world.ready(&["arangocluster/spare", "arangopermission/alice-shop", "arangouser/alice"]).await;
    let twins = [
        database("again", "name: shop"),
        user_with_password("twin", "name: alice, active: false"),
        permission("twin", "user: alice, database: shop, access: rw"),
    ];
    world.apply(&on_spare(&twins.concat())).await;
    for (object, owner) in [
        ("arangodatabase/again", "ArangoDatabase"),
        ("arangouser/twin", "ArangoUser"),
        ("arangopermission/twin", "ArangoPermission"),
    ] {
        let message = world.condition(object, "False", "Conflict").await;
        assert!(
            message.contains(owner) && message.contains(&format!("{}/prod", world.namespace)),
            "{message}"
        );
    }
    world.delete(&["arangodatabase/again", "arangouser/twin", "arangopermission/twin"]).await;
    server.has_levels("alice", &[("shop", "ro")]).await;
    assert_eq!(server.login("alice", "hers").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_wakes_when_its_user_and_database_are_made_through_another_cluster() {
    let (world, server) = two_namespaces("5m").await;
    let other = &world.neighbours[0];
    // The other coordinators tell of what is written much later than a test may wait.
    server.stand_in.add_fault("stale time=3s".parse().unwrap()).await.unwrap();
    other.apply(&permission("row", "user: alice, database: shop, access: rw")).await;
    other.condition("arangopermission/row", "Unknown", "UserMissing").await;
    world
        .apply(
            &[passwords(&[("alice", "hers")]), user_with_password("alice", ""), database("shop", "")]
                .concat(),
        )
        .await;
    world.ready(&["arangouser/alice", "arangodatabase/shop"]).await;
    other.ready(&["arangopermission/row"]).await;
    server.stand_in.clear_faults().await.unwrap();
    eventually("the coordinator that the test asks has heard of her", async || {
        let answer = server.get(("root", crate::support::ROOT_PASSWORD), "/_api/user/alice").await;
        if answer.status.is_success() { Ok(()) } else { Err(answer) }
    })
    .await;
    server.has_levels("alice", &[("shop", "rw")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_connection_writes_is_no_drift_to_the_other_whatever_a_stale_coordinator_says() {
    let (world, server) = two_namespaces("1s").await;
    let other = &world.neighbours[0];
    server.stand_in.add_fault("stale time=3s".parse().unwrap()).await.unwrap();
    world
        .apply(
            &[passwords(&[("alice", "hers")]), user_with_password("alice", ""), database("shop", "")]
                .concat(),
        )
        .await;
    other.apply(&permission("row", "user: alice, database: shop, access: rw")).await;
    other.ready(&["arangopermission/row"]).await;
    for round in 0..3 {
        let name = format!("more-{round}");
        let row = permission(&name, &format!("user: alice, database: {name}, access: ro"));
        world.apply(&row).await;
        other.apply(&database(&name, "deletionPolicy: Delete")).await;
        world.ready(&[&format!("arangopermission/{name}")]).await;
    }
    world.delete(&["arangouser/alice"]).await;
    other.condition("arangopermission/row", "Unknown", "UserMissing").await;
    let events = [world.events().await, other.events().await].concat();
    let reasons: Vec<_> = events.iter().filter_map(|event| event.reason.as_deref()).collect();
    assert!(reasons.iter().all(|reason| !["DriftRepaired", "Recreated"].contains(reason)), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_names_on_different_deployments_are_independent() {
    let (mut world, first, second) = tokio::join!(World::among(1), Server::start(), Server::start());
    world.start_operator().await;
    let other = &world.neighbours[0];
    world.apply(&[first.manifest("1s"), database("shop", "")].concat()).await;
    other.apply(&[second.manifest("1s"), database("shop", "deletionPolicy: Delete")].concat()).await;
    world.ready(&["arangodatabase/shop"]).await;
    other.ready(&["arangodatabase/shop"]).await;
    other.delete(&["arangodatabase/shop"]).await;
    assert_eq!(first.databases().await, ["shop"]);
    assert!(second.databases().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_in_line_takes_over_what_the_holder_leaves_or_makes_it_again() {
    let (world, server) = two_namespaces("5m").await;
    let other = &world.neighbours[0];
    world.apply(&[database("kept", ""), database("dropped", "deletionPolicy: Delete")].concat()).await;
    world.ready(&["arangodatabase/kept", "arangodatabase/dropped"]).await;
    other.apply(&[database("kept", ""), database("dropped", "")].concat()).await;
    for object in ["arangodatabase/kept", "arangodatabase/dropped"] {
        other.condition(object, "False", "Conflict").await;
    }
    server.stand_in.clear_requests();
    world.delete(&["arangodatabase/kept", "arangodatabase/dropped"]).await;
    // Nothing but an event can be so fast: a waiting resource is looked at every ten minutes.
    other.ready(&["arangodatabase/kept", "arangodatabase/dropped"]).await;
    assert_eq!(origin(other, "arangodatabase/kept").await, "Adopted");
    assert_eq!(origin(other, "arangodatabase/dropped").await, "Created");
    let writes: Vec<_> = server.writes().into_iter().map(|entry| entry.method).collect();
    assert_eq!(writes, [Method::DELETE, Method::POST]);
    assert_eq!(server.databases().await, ["dropped", "kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_in_line_takes_over_when_the_holders_namespace_goes() {
    let (world, server) = two_namespaces("5m").await;
    let other = &world.neighbours[0];
    other
        .apply(
            &[passwords(&[("alice", "hers")]), database("shop", ""), user_with_password("alice", "")]
                .concat(),
        )
        .await;
    other.ready(&["arangodatabase/shop", "arangouser/alice"]).await;
    world
        .apply(
            &[passwords(&[("alice", "his")]), database("shop", ""), user_with_password("alice", "")].concat(),
        )
        .await;
    for object in ["arangodatabase/shop", "arangouser/alice"] {
        world.condition(object, "False", "Conflict").await;
    }
    other.kubectl(&["delete", "namespace", &other.namespace, "--wait=false"]).await.unwrap();
    world.ready(&["arangodatabase/shop", "arangouser/alice"]).await;
    assert_eq!(origin(&world, "arangodatabase/shop").await, "Adopted");
    assert_eq!(origin(&world, "arangouser/alice").await, "Created");
    assert_eq!(server.login("alice", "his").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_gitops_makes_anew_while_another_waits_ends_with_one_owner_and_nothing_lost() {
    let (world, server) = two_namespaces("1s").await;
    let other = &world.neighbours[0];
    let manifest = database("shop", "");
    world.apply(&manifest).await;
    world.ready(&["arangodatabase/shop"]).await;
    server.make_collection("shop", "orders").await;
    other.apply(&manifest).await;
    other.condition("arangodatabase/shop", "False", "Conflict").await;
    server.stand_in.clear_requests();
    for _ in 0..3 {
        world.kubectl(&["delete", "arangodatabase", "shop"]).await.unwrap();
        world.apply(&manifest).await;
    }
    other.ready(&["arangodatabase/shop"]).await;
    let message = world.condition("arangodatabase/shop", "False", "Conflict").await;
    assert!(message.contains(&other.namespace), "{message}");
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    let path = "/_db/shop/_api/collection/orders";
    assert_eq!(server.get(("root", crate::support::ROOT_PASSWORD), path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_between_keeps_the_holder() {
    let (mut world, server) = two_namespaces("1s").await;
    // The one that holds is neither the older nor the first by name.
    world.neighbours[0].apply(&database("shop", "")).await;
    world.neighbours[0].ready(&["arangodatabase/shop"]).await;
    world.apply(&database("another", "name: shop, deletionPolicy: Delete")).await;
    world.condition("arangodatabase/another", "False", "Conflict").await;
    for _ in 0..2 {
        world.take_operator().kill().await;
        server.stand_in.clear_requests();
        world.start_operator().await;
        eventually("both were looked at", async || {
            let looked = world.operator().count(&["arangooperator_reconciles_total", "ArangoDatabase"]).await;
            if looked >= 2 { Ok(()) } else { Err(looked) }
        })
        .await;
        world.neighbours[0].ready(&["arangodatabase/shop"]).await;
        world.condition("arangodatabase/another", "False", "Conflict").await;
        assert!(server.writes().is_empty(), "{:?}", server.writes());
        let writes = ["arangooperator_kubernetes_writes_total", "ArangoDatabase"];
        assert_eq!(world.operator().count(&writes).await, 0);
    }
    // Gone while nobody watches: what is there at the next start decides.
    world.take_operator().kill().await;
    world.neighbours[0].delete(&["arangodatabase/shop"]).await;
    world.start_operator().await;
    world.ready(&["arangodatabase/another"]).await;
    assert_eq!(origin(&world, "arangodatabase/another").await, "Adopted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_is_known_by_where_it_is() {
    let (mut world, server) = tokio::join!(World::among(1), Server::single());
    world.start_operator().await;
    let other = &world.neighbours[0];
    world.apply(&[server.manifest("1s"), database("shop", "deletionPolicy: Delete")].concat()).await;
    world.ready(&["arangodatabase/shop"]).await;
    other.apply(&[server.manifest("1s"), database("shop", "deletionPolicy: Delete")].concat()).await;
    let message = other.condition("arangodatabase/shop", "False", "Conflict").await;
    assert!(message.contains(&world.namespace), "{message}");
    let status = other.object("arangocluster/prod").await["status"]["deployment"].clone();
    assert_eq!(status["mode"], "Single");
    assert!(status["id"].as_str().unwrap().starts_with("endpoints-"), "{status}");
    world.delete(&["arangodatabase/shop"]).await;
    other.ready(&["arangodatabase/shop"]).await;
    assert_eq!(server.databases().await, ["shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_broken_or_weaker_is_no_trouble_to_the_other() {
    let (mut world, server) = tokio::join!(World::among(1), Server::start());
    world.start_operator().await;
    let other = &world.neighbours[0];
    server.make_user("weak", "weak").await;
    server.set_level("weak", "_system", "ro").await;
    world.apply(&[server.manifest("1s"), passwords(&[("alice", "hers")])].concat()).await;
    world
        .apply(
            &[database("shop", ""), user_with_password("alice", ""), grant("alice", "shop", "access: rw")]
                .concat(),
        )
        .await;
    let ours = ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"];
    world.ready(&ours).await;
    other.apply(&server.manifest_for(("weak", "weak"), "drift: {interval: 1s}")).await;
    other.apply(&permission("row", "user: alice, database: shop, collections: {'*': ro}")).await;
    other.apply(&database("depot", "")).await;
    other.condition("arangodatabase/depot", "False", "AccessDenied").await;
    server.set_level("alice", "shop", "none").await;
    world.event("arangopermission/alice-shop", "DriftRepaired").await;
    world.ready(&ours).await;
    let failed = world.operator().count(&["arangooperator_reconciles_total", "ServerUnavailable"]).await;
    assert_eq!(failed, 0);
    let events = world.events_of("arangouser/alice").await;
    assert!(events.is_empty(), "{events:?}");
    server.by_hand(Method::DELETE, "/_api/user/weak", json!({})).await;
}
