//! What kstatus says of our objects: how Flux, and others who wait by it, see them.

use std::{fs, fs::File, path::Path, process::Stdio};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    LIMIT,
    argo::argo,
    install,
    support::{World, database, permission, user},
};

/// What kstatus makes of objects, each with what it is for.
async fn statuses(program: &Path, objects: &[(&'static str, Value)]) -> Vec<(&'static str, String)> {
    let lines: Vec<_> = objects.iter().map(|(_, object)| object.to_string()).collect();
    let input = tempfile::NamedTempFile::new().unwrap();
    fs::write(&input, lines.join("\n")).unwrap();
    let mut command = Command::new(program);
    command.stdin(Stdio::from(File::open(&input).unwrap())).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = String::from_utf8(output.stdout).unwrap();
    let said = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let status = |said: Value| said["status"].as_str().unwrap().to_owned();
    objects.iter().map(|(what, _)| *what).zip(said.map(status)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kstatus_sees_every_state_as_it_is() {
    let Some(program) = install::kstatus().await else { return };
    // By which the definitions of our kinds come.
    if argo().await.is_none() {
        return;
    }
    let (mut world, server) = World::connected("1s").await;
    let mut seen = Vec::new();
    let manifests = database("shop", "deletionPolicy: Delete")
        + &database("twice", "name: shop")
        + &user("app", "password: {generate: {}}")
        + &permission("waits", "user: nobody, databaseRef: {name: shop}, access: rw")
        + &database("paused", "deletionPolicy: Retain");
    world.apply(&manifests).await;
    world.kubectl(&["annotate", "arangodatabase/paused", "arango-operator.dev/paused=true"]).await.unwrap();
    world.ready(&["arangodatabase/shop", "arangouser/app", "arangocluster/prod"]).await;
    world.condition("arangodatabase/twice", "False", "Conflict").await;
    world.condition("arangopermission/waits", "Unknown", "UserMissing").await;
    world.condition("arangodatabase/paused", "Unknown", "Paused").await;
    for (what, object) in [
        ("a connection that works: Current", "arangocluster/prod"),
        ("a database that is there: Current", "arangodatabase/shop"),
        ("a user who is there: Current", "arangouser/app"),
        ("a person must act: Failed", "arangodatabase/twice"),
        ("it waits for something that can come: InProgress", "arangopermission/waits"),
        ("paused: InProgress", "arangodatabase/paused"),
    ] {
        seen.push((what, world.object(object).await));
    }
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    world.condition("arangocluster/prod", "Unknown", "ServerUnavailable").await;
    seen.push(("the servers are away: InProgress", world.object("arangocluster/prod").await));
    world.kubectl(&["delete", "arangodatabase/shop", "--wait=false"]).await.unwrap();
    world.condition("arangodatabase/shop", "False", "DeletionBlocked").await;
    seen.push(("a deletion that waits: Terminating", world.object("arangodatabase/shop").await));

    // Nobody looks any more.
    world.take_operator().kill().await;
    let patch = json!({"spec": {"active": false}}).to_string();
    world.kubectl(&["patch", "arangouser/app", "--type=merge", "-p", &patch]).await.unwrap();
    seen.push(("a spec that nobody has looked at yet: InProgress", world.object("arangouser/app").await));
    world.apply(&database("fresh", "deletionPolicy: Retain")).await;
    seen.push((
        "a resource that nobody has looked at yet: InProgress",
        world.object("arangodatabase/fresh").await,
    ));

    for (what, status) in statuses(&program, &seen).await {
        assert!(what.ends_with(&format!(": {status}")), "{what}, and kstatus says {status}");
    }
}
