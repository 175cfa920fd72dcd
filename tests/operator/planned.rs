//! A plan that somebody made beforehand is what the operator then does.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    ROOT_PASSWORD, Server, World, database, grant, passwords, permission, user_with_password,
};

/// The request that an action comes to.
fn request(action: &str) -> String {
    let user = "/_db/_system/_api/user";
    match action.split(' ').collect::<Vec<_>>()[..] {
        ["create", "the", "database", _] => "POST /_db/_system/_api/database".to_owned(),
        ["create", "the", "user", _] => format!("POST {user}"),
        ["set", "the", "password", "of", name, ..] => format!("PATCH {user}/{name}"),
        ["grant", name, _, "on", place] => format!("PUT {user}/{name}/database/{place}"),
        _ => panic!("{action}"),
    }
}

/// The changes that reached the deployment since this was asked last, sorted.
fn writes(server: &Server) -> Vec<String> {
    let log = server.stand_in.take_requests();
    let writes = log.iter().filter(|one| {
        one.is_success() && one.method != "GET" && one.path != "/_open/auth" && !one.path.contains("cursor")
    });
    let mut writes: Vec<_> = writes.map(|one| format!("{} {}", one.method, one.path)).collect();
    writes.sort();
    writes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_says_is_what_the_operator_then_does() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    server.make_database("old").await;
    server.make_user("bob", "another password").await;
    server.set_level("bob", "old", "ro").await;
    let manifests = [
        passwords(&[("alice", "her password"), ("bob", "his password")]),
        database("shop", ""),
        database("old", ""),
        user_with_password("alice", ""),
        user_with_password("bob", ""),
        grant("alice", "shop", "access: rw"),
        grant("alice", "old", "access: ro, collections: {\"*\": rw}"),
        grant("bob", "old", "access: ro"),
        permission("bob-all", "userRef: {name: bob}, database: \"*\", access: ro"),
    ]
    .concat();
    let cluster = server.manifest("1m");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.yaml");
    std::fs::write(&file, &manifests).unwrap();
    server.stand_in.take_requests();

    let mut plan = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    plan.args(["plan", "-o", "json", "-n", &world.namespace, "-f"]).arg(&file);
    plan.env("ARANGO_ENDPOINT", server.stand_in.endpoints().join(",")).env("ARANGO_PASSWORD", ROOT_PASSWORD);
    let plan = plan.stdin(Stdio::null()).output().await.unwrap();
    assert_eq!(plan.status.code(), Some(2), "{plan:?}");
    assert_eq!(writes(&server), [""; 0], "a plan writes nothing");
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let objects = plan["objects"].as_array().unwrap();
    let actions = objects.iter().flat_map(|object| object["actions"].as_array().unwrap());
    let mut planned: Vec<_> = actions.map(|action| request(action["action"].as_str().unwrap())).collect();
    planned.sort();
    assert_eq!(planned.len(), 7, "{planned:?}");

    world.apply(&(cluster + &manifests)).await;
    let names = ["arangodatabase/shop", "arangodatabase/old", "arangouser/alice", "arangouser/bob"];
    world.ready(&names).await;
    let rows =
        ["alice-shop", "alice-old", "bob-old", "bob-all"].map(|name| format!("arangopermission/{name}"));
    world.ready(&rows.each_ref().map(String::as_str)).await;
    assert_eq!(writes(&server), planned);
}
