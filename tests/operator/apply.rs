//! What is declared comes to be, and what changes in the manifest changes on the server.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::support::{Server, World, database, grant, passwords, user_with_password, within};

/// How long everything may take on a machine that is busy with other tests; on an idle one the limit is 2 s.
const READY: Duration = Duration::from_secs(10);

/// How long a new password may take to be the only one.
const PASSWORD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn resources_applied_in_the_wrong_order_become_ready_and_the_user_sees_his_database_and_no_other() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    server.make_database("other").await;
    let manifests = [
        grant("alice", "shop", "access: rw"),
        user_with_password("alice", ""),
        database("shop", "options: {replicationFactor: 2}"),
        server.manifest("5m"),
        passwords(&[("alice", "her own password")]),
    ];
    let begin = Instant::now();
    world.apply(&manifests.concat()).await;
    let applied = Instant::now();
    world
        .ready(&[
            "arangopermission/alice-shop",
            "arangouser/alice",
            "arangodatabase/shop",
            "arangocluster/prod",
        ])
        .await;
    let (all, after) = (begin.elapsed(), applied.elapsed());
    eprintln!("FIGURE time to Ready: {after:?} after kubectl apply had ended, {all:?} with it");
    assert!(after < READY, "{after:?}");

    let alice = ("alice", "her own password");
    assert_eq!(server.get(alice, "/_db/shop/_api/database/current").await.ok()["result"]["name"], "shop");
    assert_eq!(server.get(alice, "/_api/database/user").await.ok()["result"], serde_json::json!(["shop"]));
    assert_eq!(server.get(alice, "/_db/other/_api/database/current").await.codes(), (401, 11));
    assert_eq!(server.get(("alice", "a guess"), "/_db/shop/_api/version").await.codes().0, 401);
    assert_eq!(server.login("alice", "her own password").await, 200);
    assert_eq!(server.login("alice", "a guess").await, 401);
    let made = server.get(("root", crate::support::ROOT_PASSWORD), "/_db/shop/_api/database/current").await;
    assert_eq!(made.ok()["result"]["replicationFactor"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_in_the_manifest_changes_on_the_server() {
    let (world, server) = World::connected("5m").await;
    server.make_database("shop").await;
    for collection in ["orders", "carts", "stock"] {
        server.make_collection("shop", collection).await;
    }
    let row = |spec: &str| grant("alice", "shop", spec);
    let objects = ["arangouser/alice", "arangodatabase/shop", "arangopermission/alice-shop"];
    world.apply(&passwords(&[("alice", "old password"), ("other", "third password")])).await;
    world.apply(&[database("shop", ""), user_with_password("alice", ""), row("access: rw")].concat()).await;
    world.ready(&objects).await;
    server.has_levels("alice", &[("shop", "rw")]).await;

    world.apply(&row("access: ro, collections: {orders: rw, carts: none}")).await;
    server.has_levels("alice", &[("shop", "ro"), ("shop/orders", "rw"), ("shop/carts", "none")]).await;
    world.apply(&row("access: ro, collections: {orders: ro, '*': rw}")).await;
    server.has_levels("alice", &[("shop", "ro"), ("shop/orders", "ro"), ("shop/*", "rw")]).await;
    world.apply(&row("collections: {stock: ro}")).await;
    server.has_levels("alice", &[("shop/stock", "ro")]).await;
    world.apply(&row("access: none")).await;
    server.has_levels("alice", &[("shop", "none")]).await;
    world.apply(&row("access: rw")).await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    world.ready(&objects).await;

    password_changes(&world, &server).await;
    he_is_locked_out_and_let_in_again(&world, &server).await;
    world.ready(&objects).await;
    server.has_levels("alice", &[("shop", "rw")]).await;
}

/// What a client finds with two passwords.
async fn tries(server: &Server, good: &str, bad: &str) -> Result<(), (u16, u16)> {
    let path = "/_db/shop/_api/database/current";
    let (good, bad) = tokio::join!(server.get(("alice", good), path), server.get(("alice", bad), path));
    match (good.codes().0, bad.codes().0) {
        (200, 401) => Ok(()),
        other => Err(other),
    }
}

async fn password_changes(world: &World, server: &Server) {
    tries(server, "old password", "new password").await.unwrap();
    let both = |alice| passwords(&[("alice", alice), ("other", "third password")]);
    world.apply(&both("new password")).await;
    let what = "the new password works and the old one does not";
    let ((), took) =
        within(PASSWORD, what, async || tries(server, "new password", "old password").await).await;
    eprintln!("FIGURE password change by a changed Secret: {took:?} after kubectl apply had ended");

    let other = crate::support::user("alice", "password: {secretRef: {name: passwords, key: other}}");
    world.apply(&other).await;
    let what = "the password of another key works";
    let ((), took) =
        within(PASSWORD, what, async || tries(server, "third password", "new password").await).await;
    eprintln!("FIGURE password change by a changed reference: {took:?} after kubectl apply had ended");

    // A Secret that is taken away and comes back with another password.
    world.kubectl(&["delete", "secret", "passwords"]).await.unwrap();
    world.apply(&passwords(&[("other", "fourth password")])).await;
    let what = "the password of the Secret's successor works";
    within(PASSWORD, what, async || tries(server, "fourth password", "third password").await).await;
}

async fn he_is_locked_out_and_let_in_again(world: &World, server: &Server) {
    let active = |active: bool| {
        let spec = format!("active: {active}, password: {{secretRef: {{name: passwords, key: other}}}}");
        crate::support::user("alice", &spec)
    };
    for (is_active, status) in [(false, 401), (true, 200)] {
        world.apply(&active(is_active)).await;
        world.ready(&["arangouser/alice"]).await;
        let path = "/_db/shop/_api/database/current";
        let answer = server.send(("alice", "fourth password"), Method::GET, path, None).await;
        assert_eq!(answer.codes().0, status, "active: {is_active}");
    }
}
