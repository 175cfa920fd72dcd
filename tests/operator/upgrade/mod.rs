//! Upgrades. `tests/upgrades` has a folder for each version that people came from: what it left in Kubernetes, statuses
//! among it, and what was on the server then. This version comes up on each as on its own, and writes nothing. How a version
//! leaves things is written down by `cargo test --test operator upgrade -- --ignored`, when it is released; a folder is never changed.

mod kept;

use std::{collections::BTreeMap, path::PathBuf};

use arango_operator::stand_in::Options;
use serde_json::{Value, json};

use crate::support::{
    ROOT_PASSWORD, Server, World, database, document, eventually, grant, passwords, permission, resource,
    secret, user, user_with_password,
};
use kept::Kept;

/// The passwords that are given.
const PASSWORDS: [(&str, &str); 2] = [("alice", "the password of alice"), ("carol", "the password of carol")];

/// What the `ArangoCluster` says, whatever the ports of the day are.
const HOSTS: [&str; 3] = ["one.arango.example", "two.arango.example", "three.arango.example"];

fn folder() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upgrades").into()
}

/// The deployment has the same identity each time, and the operator the same name.
async fn deployment() -> Server {
    let server = Server::with_options(Options::cluster(3, ROOT_PASSWORD)).await;
    server.stand_in.with_model(|model| model.set_cluster_id("the-deployment-of-upgrades"));
    server
}

async fn start_operator(world: &mut World, server: &Server) {
    let routes = HOSTS.iter().zip(server.stand_in.endpoints()).map(|(host, endpoint)| {
        let (_, address) = endpoint.split_once("://").unwrap();
        format!("--connect-to={host}:8529:{address}")
    });
    world.start_operator_with(routes.chain(["--instance=upgrades".to_owned()])).await;
}

/// Some of everything, and no two alike.
fn manifests() -> String {
    let endpoints = HOSTS.map(|host| format!("http://{host}:8529"));
    let spec = format!(
        "{{endpoints: {endpoints:?}, auth: {{secretRef: {{name: prod-root}}}}, drift: {{interval: 1s}}, \
         access: [{{namespaces: {{matchLabels: {{tenant: 'true'}}}}, databases: ['*'], maxAccess: ro}}]}}"
    );
    [
        secret("prod-root", &[("username", "root"), ("password", ROOT_PASSWORD)]),
        passwords(&PASSWORDS),
        document("ArangoCluster", "prod", &spec),
        database("shop", "deletionPolicy: Delete"),
        database("depot", "deletionPolicy: DeleteIfEmpty, options: {replicationFactor: 2}"),
        database("archive", ""),
        user_with_password("alice", "extra: {team: shop}"),
        // A password that somebody gives would be known in the Secret's mark by a version that can't be put back.
        user(
            "bob",
            "password: {generate: {}}, active: false, connectionSecret: {name: bob-arangodb, database: shop}",
        ),
        user_with_password("carol", "undeclaredPermissions: Revoke"),
        user("legacy", "deletionPolicy: Retain"),
        grant("alice", "shop", "access: rw"),
        grant("alice", "depot", "access: ro, collections: {'*': ro, orders: none}"),
        permission("alice-all", "userRef: {name: alice}, database: '*', access: ro"),
        grant("carol", "archive", "access: rw, collections: {orders: ro}"),
        // Those that are not in order are quiet as well.
        resource("ArangoDatabase", "twin", "name: shop"),
        grant("bob", "nowhere", "access: ro"),
        grant("bob", "shop", "access: rw, drift: {policy: Observe}"),
        database("left-alone", "")
            .replace("metadata: {", "metadata: {annotations: {arango-operator.dev/paused: 'true'}, "),
    ]
    .concat()
}

/// What `manifests` comes to.
const EXPECTED: &[(&str, &str, &str)] = &[
    ("arangocluster/prod", "True", "Ready"),
    ("arangodatabase/shop", "True", "Ready"),
    ("arangodatabase/depot", "True", "Ready"),
    ("arangodatabase/archive", "True", "Ready"),
    ("arangouser/alice", "True", "Ready"),
    ("arangouser/bob", "True", "Ready"),
    ("arangouser/carol", "True", "Ready"),
    ("arangouser/legacy", "True", "Ready"),
    ("arangopermission/alice-shop", "True", "Ready"),
    ("arangopermission/alice-depot", "True", "Ready"),
    ("arangopermission/alice-all", "True", "Ready"),
    ("arangopermission/carol-archive", "True", "Ready"),
    ("arangodatabase/twin", "False", "Conflict"),
    ("arangopermission/bob-nowhere", "Unknown", "ReferenceMissing"),
    ("arangopermission/bob-shop", "False", "ActionsPending"),
    ("arangodatabase/left-alone", "Unknown", "Paused"),
];

/// Waits until three comparisons have begun after this moment.
async fn compared(server: &Server) {
    server.stand_in.clear_requests();
    eventually("everything is compared", async || {
        let log = server.stand_in.request_log();
        let listings = log.iter().filter(|entry| entry.path.ends_with("/_api/database")).count();
        if listings > 2 { Ok(()) } else { Err(listings) }
    })
    .await;
}

/// What is in the namespace, Events among it, by kind and name.
async fn everything(world: &World) -> BTreeMap<String, Value> {
    let kinds = "arangodata,secrets,events.events.k8s.io";
    let list = eventually("the list", async || world.kubectl(&["get", kinds, "-o", "json"]).await).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let named =
        |object: &Value| (format!("{} {}", object["kind"], object["metadata"]["name"]), object.clone());
    list["items"].as_array().unwrap().iter().map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn this_version_comes_up_on_what_each_older_one_left_and_writes_nothing() {
    let versions: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!versions.is_empty());
    for version in versions {
        let kept = Kept::read(&version);
        let (mut world, server) = tokio::join!(World::without_operator(), deployment());
        kept.server.put_back(&world, &server).await;
        kept.put_back(&world).await;
        let before = everything(&world).await;
        server.stand_in.clear_requests();

        start_operator(&mut world, &server).await;
        let passes = ["arangooperator_reconciles_total"];
        eventually("everything was looked at", async || {
            let count = world.operator().count(&passes).await;
            if count >= EXPECTED.len() as u64 { Ok(()) } else { Err(count) }
        })
        .await;
        assert_eq!(server.writes().len(), 0, "{}: {:?}\n{}", version.display(), server.writes(), world.log());
        compared(&server).await;
        assert_eq!(server.writes().len(), 0, "{}: {:?}\n{}", version.display(), server.writes(), world.log());
        let after = everything(&world).await;
        for (name, object) in &after {
            assert_eq!(before.get(name), Some(object), "{}: {name}", version.display());
        }
        assert_eq!(after.len(), before.len(), "{}", version.display());
        assert_eq!(world.operator().count(&["arangooperator_kubernetes_writes_total"]).await, 0);

        // It looks, and it acts.
        server.set_level("carol", "archive", "none").await;
        world.event("arangopermission/carol-archive", "DriftRepaired").await;
        world.delete(&["arangouser/bob"]).await;
        assert_eq!(server.get(("root", ROOT_PASSWORD), "/_api/user/bob").await.codes().0, 404);
    }
}

/// Writes down how this version leaves things. A folder that is there already is not written again: somebody came from it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "when a version is released: docs/dev/releasing.md"]
async fn how_this_version_leaves_things_is_written_down() {
    let (mut world, server) = tokio::join!(World::without_operator(), deployment());
    let root = ("root", ROOT_PASSWORD);
    for (path, body) in [
        ("/_api/database", json!({"name": "archive"})),
        ("/_db/archive/_api/collection", json!({"name": "orders"})),
        ("/_api/user", json!({"user": "legacy", "passwd": "of his own", "extra": {"since": 2011}})),
    ] {
        server.send(root, reqwest::Method::POST, path, Some(body)).await.ok();
    }
    start_operator(&mut world, &server).await;
    world.apply(&manifests()).await;
    eventually("the database is there", async || {
        let path = "/_db/depot/_api/collection";
        let made = server.send(root, reqwest::Method::POST, path, Some(json!({"name": "orders"}))).await;
        if made.status.is_success() { Ok(()) } else { Err(made) }
    })
    .await;
    for (object, status, reason) in EXPECTED {
        world.condition(object, status, reason).await;
    }
    world.counted(&json!({"databases": 3, "users": 4})).await;
    compared(&server).await;
    world.take_operator().terminate(crate::support::PATIENCE).await;
    let version = folder().join(env!("CARGO_PKG_VERSION"));
    Kept::of(&world, &server).await.write(&version);
}
