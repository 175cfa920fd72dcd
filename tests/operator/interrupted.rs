//! ArangoDB takes every collection right along with the database level. Whoever takes a level away must put the others
//! back, also if he is killed in between.

use std::time::Duration;

use reqwest::Method;

use crate::support::{Server, World, database, eventually, permission};

/// How long the server takes for a request, so that there is an in-between.
const DELAY: Duration = Duration::from_millis(150);

/// The rights of alice on the database that nobody declares.
const BY_HAND: [(&str, &str); 4] = [("shop/a", "ro"), ("shop/b", "rw"), ("shop/c", "none"), ("shop/d", "rw")];

/// The row, with or without a database level.
fn row(access: &str, policy: &str) -> String {
    permission(
        "row",
        &format!(
            "user: alice, database: shop, {access}collections: {{declared: ro}}, deletionPolicy: {policy}"
        ),
    )
}

/// A row with a declared level among rights by hand.
async fn row_among_others(policy: &str) -> (World, Server) {
    let (world, server) = tokio::join!(World::new(), Server::slow(DELAY));
    server.make_database("shop").await;
    server.make_user("alice", "by hand").await;
    for (place, level) in BY_HAND {
        server.make_collection("shop", place.split_once('/').unwrap().1).await;
        server.set_level("alice", place, level).await;
    }
    server.make_collection("shop", "declared").await;
    let row = row("access: rw, ", policy);
    world.apply(&[server.manifest("1s"), database("shop", ""), row].concat()).await;
    world.ready(&["arangopermission/row"]).await;
    let all = [&BY_HAND[..], &[("shop", "rw"), ("shop/declared", "ro")]].concat();
    server.has_levels("alice", &all).await;
    server.stand_in.clear_requests();
    (world, server)
}

/// Kills the operator once the level is gone and so many of the others are back. Tells what alice has then.
async fn killed_after(world: &mut World, server: &Server, restored: usize) -> usize {
    eventually("the level is revoked", async || {
        let writes = server.writes();
        let revoked = writes.iter().position(|entry| entry.method == Method::DELETE);
        match revoked {
            Some(at) if writes.len() - at > restored => Ok(()),
            _ => Err(writes),
        }
    })
    .await;
    world.take_operator().kill().await;
    server
        .stand_in
        .with_model(|model| model.grants("alice").unwrap().get("shop").map_or(0, |row| row.collections.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_a_revoke_and_what_is_put_back_after_it_no_right_is_lost() {
    for restored in [0, 2] {
        let (mut world, server) = row_among_others("Delete").await;
        world.apply(&row("", "Delete")).await;
        let left = killed_after(&mut world, &server, restored).await;
        eprintln!(
            "FIGURE killed after a revoke when {left} of {} collection rights were there",
            BY_HAND.len() + 1
        );
        assert!(left < BY_HAND.len(), "too late to be in between: {left}");
        world.start_operator().await;
        world.ready(&["arangopermission/row"]).await;
        server.has_levels("alice", &[&BY_HAND[..], &[("shop/declared", "ro")]].concat()).await;
        assert!(world.object("arangopermission/row").await["status"]["restore"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_rows_deletion_no_right_of_others_is_lost() {
    let (mut world, server) = row_among_others("Delete").await;
    world.kubectl(&["delete", "arangopermission/row", "--wait=false"]).await.unwrap();
    let left = killed_after(&mut world, &server, 1).await;
    assert!(left < BY_HAND.len(), "too late to be in between: {left}");
    world.start_operator().await;
    world.gone("arangopermission/row").await;
    server.has_levels("alice", &BY_HAND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_kept_on_the_server_goes_only_after_a_revoke_that_was_cut_off_is_at_its_end() {
    let (mut world, server) = row_among_others("Retain").await;
    let finalizers =
        async |world: &World| world.object("arangopermission/row").await["metadata"]["finalizers"].clone();
    assert!(finalizers(&world).await.is_null(), "nothing is to be removed with it");
    world.apply(&row("", "Retain")).await;
    let left = killed_after(&mut world, &server, 1).await;
    assert!(left < BY_HAND.len(), "too late to be in between: {left}");
    world.kubectl(&["delete", "arangopermission/row", "--wait=false"]).await.unwrap();
    world.start_operator().await;
    world.gone("arangopermission/row").await;
    server.has_levels("alice", &[&BY_HAND[..], &[("shop/declared", "ro")]].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_kept_on_the_server_holds_nothing_up_once_its_revoke_is_done() {
    let (world, server) = row_among_others("Retain").await;
    world.apply(&row("", "Retain")).await;
    server.has_levels("alice", &[&BY_HAND[..], &[("shop/declared", "ro")]].concat()).await;
    eventually("the finalizer is off", async || {
        let finalizers = world.object("arangopermission/row").await["metadata"]["finalizers"].clone();
        if finalizers.is_null() { Ok(()) } else { Err(finalizers) }
    })
    .await;
}
