//! What goes with its resource, what stays, and that a deletion ends.

use crate::support::{
    PATIENCE, Server, World, database, grant, passwords, permission, user, user_with_password,
};

/// Two databases, one of which goes with its resource; a user; his rights on both.
async fn triples(world: &World, server: &Server) {
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("kept", ""),
        database("dropped", "deletionPolicy: Delete"),
        user_with_password("alice", ""),
        grant("alice", "kept", "access: rw"),
        grant("alice", "dropped", "access: ro"),
    ];
    world.apply(&manifests.concat()).await;
    let objects = [
        "arangodatabase/kept",
        "arangodatabase/dropped",
        "arangouser/alice",
        "arangopermission/alice-kept",
        "arangopermission/alice-dropped",
    ];
    world.ready(&objects).await;
    server.has_levels("alice", &[("kept", "rw"), ("dropped", "ro")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_users_go_with_their_resources_and_databases_only_with_consent() {
    let (world, server) = World::connected("5m").await;
    triples(&world, &server).await;
    server.make_user("bystander", "secret").await;

    world.delete(&["arangopermission/alice-kept"]).await;
    server.has_levels("alice", &[("dropped", "ro")]).await;

    world.delete(&["arangodatabase/dropped", "arangodatabase/kept"]).await;
    assert_eq!(server.databases().await, ["kept"], "kept retains, dropped does not");
    assert_eq!(server.users().await, ["alice", "bystander"], "users outlive a database");
    world.condition("arangopermission/alice-dropped", "Unknown", "ReferenceMissing").await;

    world.delete(&["arangopermission/alice-dropped", "arangouser/alice"]).await;
    assert_eq!(server.users().await, ["bystander"]);
    assert_eq!(server.databases().await, ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_spec_tells_to_keep_or_to_remove_is_kept_or_removed_whoever_made_it() {
    let (world, server) = World::connected("5m").await;
    server.make_database("shop").await;
    server.make_user("found", "secret").await;
    server.set_level("found", "shop", "ro").await;
    let manifests = [
        passwords(&[("made", "his password")]),
        user("found", "deletionPolicy: Delete"),
        user_with_password("made", "deletionPolicy: Retain"),
        permission("stays", "user: made, database: shop, access: rw, deletionPolicy: Retain"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangouser/found", "arangouser/made", "arangopermission/stays"]).await;
    world.delete(&["arangopermission/stays", "arangouser/found", "arangouser/made"]).await;
    assert_eq!(server.users().await, ["made"]);
    server.has_levels("made", &[("shop", "rw")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_a_dead_server_and_ends_when_it_answers() {
    let (world, server) = World::connected("5m").await;
    triples(&world, &server).await;
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    let objects = ["arangodatabase/dropped", "arangouser/alice", "arangopermission/alice-kept"];
    let mut delete = vec!["delete", "--wait=false"];
    delete.extend(objects);
    world.kubectl(&delete).await.unwrap();
    for object in objects {
        let message = world.condition(object, "False", "DeletionBlocked").await;
        assert!(message.contains("trying again"), "{message}");
        world.event(object, "DeletionBlocked").await;
    }
    // A database that stays needs no server to be let go.
    world.delete(&["arangodatabase/kept"]).await;
    server.stand_in.start_coordinator(0).await.unwrap();
    for object in objects {
        world.gone(object).await;
    }
    assert_eq!(server.databases().await, ["kept"]);
    assert!(server.users().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_removed_because_the_cluster_is_gone_is_named_and_let_go() {
    let (world, server) = World::connected("5m").await;
    triples(&world, &server).await;
    world.delete(&["arangocluster/prod"]).await;
    server.stand_in.clear_requests();
    let objects = [
        "arangodatabase/dropped",
        "arangodatabase/kept",
        "arangouser/alice",
        "arangopermission/alice-kept",
        "arangopermission/alice-dropped",
    ];
    world.delete(&objects).await;
    for object in ["arangodatabase/dropped", "arangouser/alice"] {
        let event = world.event(object, "LeftBehind").await;
        assert!(event.contains("prod"), "{event}");
    }
    assert!(world.events_of("arangodatabase/kept").await.is_empty(), "that one was to stay");
    assert_eq!(world.operator().count(&["arangooperator_left_behind_total"]).await, 4);
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.login("alice", "her password").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_namespace_ends() {
    let (world, server) = World::connected("5m").await;
    triples(&world, &server).await;
    world.kubectl(&["delete", "namespace", &world.namespace, "--wait=false"]).await.unwrap();
    let took = world.namespace_is_gone(PATIENCE * 2).await;
    eprintln!("FIGURE a namespace with a connection and five resources was gone after {took:?}");
    assert!(server.databases().await.contains(&"kept".to_owned()), "nothing is dropped without consent");
}
