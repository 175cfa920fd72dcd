//! The drift policy Observe: nothing is written to the server, and what would be done is said.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Server, World, database, eventually, grant, passwords, permission, resource, user, user_with_password,
};

const OBSERVE: &str = "drift: {policy: Observe}";

/// One condition of an object.
async fn said(world: &World, object: &str, condition: &str) -> Value {
    let status = world.object(object).await["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|found| found["type"] == condition).unwrap_or_default()
}

/// What would be done.
async fn pending(world: &World, object: &str) -> Vec<String> {
    let status = world.object(object).await["status"].clone();
    status["pending"].as_array().into_iter().flatten().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Waits until these, and only these, are listed.
async fn lists(world: &World, object: &str, expected: &[&str]) {
    eventually(&format!("{object} lists {expected:?}"), async || {
        let found = pending(world, object).await;
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await;
}

/// A deployment whose ArangoCluster says Observe.
async fn observed(interval: &str) -> (World, Server) {
    let (world, server) = tokio::join!(World::new(), Server::start());
    world.apply(&under(&server, interval, "Observe")).await;
    world.ready(&["arangocluster/prod"]).await;
    (world, server)
}

fn under(server: &Server, interval: &str, policy: &str) -> String {
    let root = ("root", crate::support::ROOT_PASSWORD);
    server.manifest_for(root, &format!("drift: {{interval: {interval}, policy: {policy}}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_observe_nothing_is_made_or_owned_and_what_would_be_done_is_listed_until_correct_does_it() {
    let (world, server) = observed("1h").await;
    server.stand_in.clear_requests();
    let manifests = [
        passwords(&[("alice", "the secret of alice")]),
        database("shop", "deletionPolicy: Delete"),
        user_with_password("alice", ""),
        user("bob", "password: {generate: {}}"),
        grant("alice", "shop", "access: rw"),
    ];
    world.apply(&manifests.concat()).await;
    let objects = ["arangodatabase/shop", "arangouser/alice", "arangouser/bob"];
    for object in objects {
        let message = world.condition(object, "False", "ActionsPending").await;
        assert!(message.contains("Observe") && message.contains("Correct"), "{message}");
        let in_sync = said(&world, object, "InSync").await;
        assert_eq!((&in_sync["status"], &in_sync["reason"]), (&json!("False"), &json!("ActionsPending")));
        assert_eq!(said(&world, object, "Stalled").await["status"], "True", "for kstatus: a person must act");
        world.event(object, "ActionsPending").await;
        let object = world.object(object).await;
        assert!(object["status"]["origin"].is_null(), "{object}");
        assert!(object["metadata"]["finalizers"].is_null(), "{object}");
        assert!(object["metadata"]["annotations"]["arango-operator.dev/claim"].is_null(), "{object}");
    }
    lists(&world, "arangodatabase/shop", &["create the database shop"]).await;
    lists(&world, "arangouser/alice", &["create the user alice"]).await;
    let generate = "generate a password for bob into the Secret bob-password";
    lists(&world, "arangouser/bob", &[generate, "create the user bob"]).await;
    // Nobody makes him, so he is waited for.
    world.condition("arangopermission/alice-shop", "Unknown", "UserMissing").await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(world.secret_value("bob-password", "password").await, None);
    let all = world.kubectl(&["get", "arangodata,events", "-o", "yaml"]).await.unwrap();
    assert!(!all.contains("the secret of alice"));

    world.apply(&under(&server, "1h", "Correct")).await;
    world.ready(&[&objects[..], &["arangopermission/alice-shop"]].concat()).await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    for object in objects {
        assert!(pending(&world, object).await.is_empty());
        assert_eq!(said(&world, object, "InSync").await["status"], "True");
        assert_eq!(world.object(object).await["status"]["origin"], "Created");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_said_under_observe_and_repaired_at_once_when_the_object_says_correct() {
    let (world, server) = World::connected("1s").await;
    server.make_database("shop").await;
    server.make_collection("shop", "orders").await;
    let row = |policy: &str| {
        let drift = format!("drift: {{policy: {policy}}}");
        let levels = "access: rw, collections: {orders: ro, \"*\": rw}";
        permission("row", &format!("user: alice, database: shop, {levels}, {drift}"))
    };
    let alice = |more: &str| [passwords(&[("alice", "x")]), user_with_password("alice", more)].concat();
    world.apply(&[alice(""), row("Correct")].concat()).await;
    let object = "arangopermission/row";
    world.ready(&[object, "arangouser/alice"]).await;
    world.apply(&[alice(OBSERVE), row("Observe")].concat()).await;
    eventually("the new policy was seen", async || {
        let object = world.object(object).await;
        let (seen, wanted) = (&object["status"]["observedGeneration"], &object["metadata"]["generation"]);
        if seen == wanted { Ok(()) } else { Err(object["status"].clone()) }
    })
    .await;
    world.ready(&[object]).await;
    assert_eq!(said(&world, object, "InSync").await["status"], "True");

    server.set_level("alice", "shop", "ro").await;
    server.by_hand(Method::PATCH, "/_api/user/alice", json!({"active": false})).await;
    world.condition(object, "False", "ActionsPending").await;
    lists(&world, object, &["grant alice rw on shop"]).await;
    lists(&world, "arangouser/alice", &["activate the user alice"]).await;
    let event = world.event(object, "ActionsPending").await;
    assert!(event.contains("grant alice rw on shop"), "{event}");
    server.set_level("alice", "shop/orders", "none").await;
    lists(&world, object, &["grant alice rw on shop", "grant alice ro on shop/orders"]).await;
    assert!(world.operator().count(&["arangooperator_drift_found_total"]).await >= 2);
    // By hand, too, it can be put right.
    server.set_level("alice", "shop/orders", "ro").await;
    lists(&world, object, &["grant alice rw on shop"]).await;
    let levels = [("shop", "ro"), ("shop/orders", "ro"), ("shop/*", "rw")];
    server.has_levels("alice", &levels).await;

    server.stand_in.clear_requests();
    world.apply(&row("Correct")).await;
    world.ready(&[object]).await;
    server.has_levels("alice", &[("shop", "rw"), ("shop/orders", "ro"), ("shop/*", "rw")]).await;
    world.event(object, "DriftRepaired").await;
    assert_eq!(server.writes().len(), 1, "{:?}", server.writes());
    lists(&world, "arangouser/alice", &["activate the user alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_under_observe_lets_go_without_touching_the_server() {
    let (world, server) = World::connected("1h").await;
    let manifests = |drift: &str| {
        let policy = format!("deletionPolicy: Delete, {drift}");
        [
            passwords(&[("alice", "her password")]),
            database("shop", &policy),
            user_with_password("alice", &policy),
            grant("alice", "shop", &format!("access: rw, {policy}")),
        ]
        .concat()
    };
    let objects = ["arangopermission/alice-shop", "arangouser/alice", "arangodatabase/shop"];
    world.apply(&manifests("")).await;
    world.ready(&objects).await;
    world.apply(&manifests(OBSERVE)).await;
    world.ready(&objects).await;
    server.stand_in.clear_requests();
    world.delete(&objects).await;
    for object in objects {
        let event = world.event(object, "LeftBehind").await;
        assert!(event.contains("Observe"), "{event}");
    }
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.databases().await, ["shop"]);
    server.has_levels("alice", &[("shop", "rw")]).await;
    assert_eq!(server.login("alice", "her password").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_observed_goes_without_a_trace_and_two_that_observe_one_object_are_in_conflict() {
    let (world, server) = observed("1s").await;
    server.make_database("shop").await;
    world.apply(&resource("ArangoDatabase", "a", "name: shop, deletionPolicy: Delete")).await;
    world.ready(&["arangodatabase/a"]).await;
    assert!(world.object("arangodatabase/a").await["status"]["origin"].is_null(), "looking is not owning");
    let greedy = "name: shop, deletionPolicy: Delete, drift: {policy: Correct}";
    world.apply(&resource("ArangoDatabase", "b", greedy)).await;
    let message = world.condition("arangodatabase/b", "False", "Conflict").await;
    assert!(message.contains("/a"), "{message}");
    server.stand_in.clear_requests();
    world.delete(&["arangodatabase/b"]).await;
    world.delete(&["arangodatabase/a"]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.databases().await, ["shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_differ_are_said_and_never_repaired() {
    let (world, server) = World::connected("1s").await;
    let made = json!({"name": "depot", "options": {"replicationFactor": 1}});
    server.by_hand(Method::POST, "/_api/database", made).await;
    world.apply(&database("depot", "options: {replicationFactor: 3, sharding: flexible}")).await;
    world.apply(&database("shop", "options: {replicationFactor: 2}")).await;
    world.ready(&["arangodatabase/depot", "arangodatabase/shop"]).await;
    let differs = said(&world, "arangodatabase/depot", "InSync").await;
    assert_eq!((&differs["status"], &differs["reason"]), (&json!("False"), &json!("OptionsDiffer")));
    assert!(differs["message"].as_str().unwrap().contains("replicationFactor 1, not 3"), "{differs}");
    assert_eq!(said(&world, "arangodatabase/shop", "InSync").await["status"], "True");

    // The spec may be wrong, too.
    server.stand_in.clear_requests();
    world.apply(&database("depot", "options: {replicationFactor: 1}")).await;
    eventually("the options are the same", async || {
        let in_sync = said(&world, "arangodatabase/depot", "InSync").await;
        if in_sync["status"] == "True" { Ok(()) } else { Err(in_sync) }
    })
    .await;
    world.ready(&["arangodatabase/depot"]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_see_the_options_is_told_so_and_the_rest_goes_on() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    server.make_database("shop").await;
    server.make_user("operator", "its password").await;
    server.set_level("operator", "_system", "rw").await;
    server.set_level("operator", "shop", "none").await;
    world.apply(&server.manifest_for(("operator", "its password"), "drift: {interval: 1s}")).await;
    world.apply(&database("shop", "options: {replicationFactor: 1}")).await;
    world.ready(&["arangodatabase/shop"]).await;
    let in_sync = said(&world, "arangodatabase/shop", "InSync").await;
    assert_eq!((&in_sync["status"], &in_sync["reason"]), (&json!("Unknown"), &json!("OptionsHidden")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_none_is_refused_by_the_api_server() {
    let world = World::without_operator().await;
    let complaint = world.try_apply(&database("shop", "drift: {policy: Ignore}")).await.unwrap_err();
    assert!(complaint.contains("Correct") && complaint.contains("Observe"), "{complaint}");
}
