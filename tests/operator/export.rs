//! What `export` writes, applied: everything that is there is adopted, and nothing has to be written to the server.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{ROOT_PASSWORD, Server, World, secret};

/// Runs `export` against the deployment; what it prints.
async fn export(server: &Server, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    command.arg("export").args(arguments).env("ARANGO_ENDPOINT", server.stand_in.endpoints().join(","));
    let output = command.env("ARANGO_PASSWORD", ROOT_PASSWORD).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A deployment that people have made by hand for years.
async fn grown() -> Server {
    let server = Server::start().await;
    for name in ["shop", "Shop", "möbel & more", "archive"] {
        server.by_hand(Method::POST, "/_api/database", json!({"name": name})).await;
    }
    let options =
        json!({"name": "safe", "options": {"replicationFactor": 2, "writeConcern": 2, "sharding": "single"}});
    server.by_hand(Method::POST, "/_api/database", options).await;
    server.make_collection("shop", "orders").await;
    server.make_collection("shop", "customers").await;
    for (name, active) in [
        ("alice", true),
        ("Alice", true),
        ("bob", false),
        ("max.muster@example.com", true),
        ("yes", true),
        ("a: b # c", true),
    ] {
        let extra = json!({"team": "shop", "since": 2019, "nested": {"list": [1, null, "x"]}});
        let body = json!({"user": name, "passwd": "the old password", "active": active, "extra": extra});
        server.by_hand(Method::POST, "/_api/user", body).await;
    }
    for (user, place, level) in [
        ("alice", "shop", "rw"),
        ("alice", "shop/customers", "none"),
        ("alice", "shop/*", "ro"),
        ("alice", "archive", "none"),
        ("Alice", "Shop", "ro"),
        ("bob", "*", "ro"),
        ("bob", "*/*", "rw"),
        ("bob", "_system", "none"),
        ("max.muster@example.com", "_system", "ro"),
        ("yes", "m%C3%B6bel%20%26%20more", "rw"),
        ("yes", "shop/orders", "rw"),
        ("a%3A%20b%20%23%20c", "safe", "ro"),
    ] {
        server.set_level(user, place, level).await;
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_to_a_cluster_an_export_is_adopted_without_one_write_to_the_server() {
    let (world, server) = tokio::join!(World::without_operator(), grown());
    let mut world = world;
    let text = export(&server, &["--cluster", "prod", "--with-cluster"]).await;
    let folder = TempDir::new().unwrap();
    let split = folder.path().to_str().unwrap();
    export(&server, &["--cluster", "prod", "--with-cluster", "--split", split]).await;

    server.stand_in.clear_requests();
    world.apply(&secret("prod-login", &[("username", "root"), ("password", ROOT_PASSWORD)])).await;
    world.kubectl(&["apply", "--recursive", "-f", split]).await.unwrap();
    world.apply(&text).await;
    let there = world.kubectl(&["get", "arangodata", "-o", "name"]).await.unwrap();
    assert_eq!(
        there.lines().count(),
        text.matches("\nkind: Arango").count(),
        "both ways are the same: {there}"
    );

    world.start_operator().await;
    let objects: Vec<_> = there.lines().map(|name| name.replace(".arango-operator.dev", "")).collect();
    world.ready(&objects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for object in objects.iter().filter(|name| !name.starts_with("arangocluster/")) {
        assert_eq!(world.object(object).await["status"]["origin"], "Adopted", "{object}");
    }
    let written = server.writes();
    assert!(written.is_empty(), "{written:#?}");

    // And what is there is exported as before, whoever looks after it now: nobody was marked.
    assert_eq!(export(&server, &["--cluster", "prod", "--with-cluster"]).await, text);
}
