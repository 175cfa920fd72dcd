//! One object, one owner; accounts that are never managed; passwords that are made.

use crate::support::{
    PATIENCE, ROOT_PASSWORD, Server, World, eventually, permission, resource, secret, user,
    user_with_password, within,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_second_resource_for_one_database_never_acts_and_takes_over_when_the_first_goes() {
    let (world, server) = World::connected("1s").await;
    world.apply(&resource("ArangoDatabase", "first", "name: shop")).await;
    world.ready(&["arangodatabase/first"]).await;
    world.apply(&resource("ArangoDatabase", "second", "name: shop, deletionPolicy: Delete")).await;
    let message = world.condition("arangodatabase/second", "False", "Conflict").await;
    assert!(message.contains(&format!("{}/first", world.namespace)), "{message}");
    world.event("arangodatabase/second", "Conflict").await;
    let conditions = world.object("arangodatabase/second").await["status"]["conditions"].clone();
    assert_eq!(conditions[1]["type"], "Stalled", "{conditions}");

    server.stand_in.clear_requests();
    world.delete(&["arangodatabase/second"]).await;
    assert_eq!(server.databases().await, ["shop"]);
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    world.ready(&["arangodatabase/first"]).await;

    world.apply(&resource("ArangoDatabase", "third", "name: shop, deletionPolicy: Delete")).await;
    world.condition("arangodatabase/third", "False", "Conflict").await;
    world.delete(&["arangodatabase/first"]).await;
    world.ready(&["arangodatabase/third"]).await;
    assert_eq!(world.object("arangodatabase/third").await["status"]["origin"], "Adopted");
    world.delete(&["arangodatabase/third"]).await;
    assert!(server.databases().await.is_empty(), "the owner's policy counts, and he is the owner now");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_are_there_before_the_operator_exactly_one_becomes_the_owner_and_stays_it() {
    let (mut world, server) = tokio::join!(World::without_operator(), Server::start());
    let names = ["a", "b", "c", "d", "e"];
    let twins = names.map(|name| resource("ArangoDatabase", name, "name: shop, deletionPolicy: Delete"));
    world.apply(&[server.manifest("1s"), twins.concat()].concat()).await;
    for _ in 0..2 {
        world.start_operator().await;
        // Made within one second, so that the name decides; from then on the claim does.
        world.ready(&["arangodatabase/a"]).await;
        for name in &names[1..] {
            world.condition(&format!("arangodatabase/{name}"), "False", "Conflict").await;
        }
        world.take_operator().kill().await;
    }
    let created = server.writes();
    assert_eq!(created.len(), 1, "{created:?}");
    world.start_operator().await;
    world.delete(&names[1..].iter().map(|name| format!("arangodatabase/{name}")).collect::<Vec<_>>()).await;
    assert_eq!(server.databases().await, ["shop"]);
    world.ready(&["arangodatabase/a"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_and_one_row_have_one_owner_too() {
    let (world, server) = World::connected("1s").await;
    server.make_database("shop").await;
    let row = |name: &str, access: &str| {
        permission(name, &format!("user: alice, database: shop, access: {access}"))
    };
    world.apply(&secret("passwords", &[("alice", "hers"), ("twin", "not hers")])).await;
    world.apply(&[user_with_password("alice", ""), row("row", "ro")].concat()).await;
    world.ready(&["arangouser/alice", "arangopermission/row"]).await;
    world
        .apply(&[user_with_password("twin", "name: alice, active: false"), row("twin", "rw")].concat())
        .await;
    let message = world.condition("arangouser/twin", "False", "Conflict").await;
    assert!(message.contains("/alice"), "{message}");
    let message = world.condition("arangopermission/twin", "False", "Conflict").await;
    assert!(message.contains("/row"), "{message}");
    server.has_levels("alice", &[("shop", "ro")]).await;
    assert_eq!(server.login("alice", "hers").await, 200);
    world.delete(&["arangouser/twin", "arangopermission/twin"]).await;
    server.has_levels("alice", &[("shop", "ro")]).await;
    assert_eq!(server.login("alice", "hers").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_own_account_is_protected() {
    let (world, server) = tokio::join!(World::new(), Server::start());
    server.make_user("keeper", "kept").await;
    server.set_level("keeper", "_system", "rw").await;
    let connection = server.manifest_for(("keeper", "kept"), "drift: {interval: 1s}");
    world.apply(&[connection, secret("passwords", &[("keeper", "changed")])].concat()).await;
    world.ready(&["arangocluster/prod"]).await;
    server.stand_in.clear_requests();
    let row = permission("row", "user: keeper, database: _system, access: none");
    world.apply(&[user_with_password("keeper", "active: false"), row].concat()).await;
    for object in ["arangouser/keeper", "arangopermission/row"] {
        let message = world.condition(object, "False", "Protected").await;
        assert!(message.contains("keeper"), "{message}");
        assert!(world.object(object).await["metadata"]["finalizers"].is_null(), "{object}");
    }
    world.delete(&["arangouser/keeper", "arangopermission/row"]).await;
    assert_eq!(server.login("keeper", "kept").await, 200);
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    server.has_levels("keeper", &[("_system", "rw")]).await;
    // root is refused by the API server already: see `refused`.
    assert_eq!(server.login("root", ROOT_PASSWORD).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_user_without_a_password_is_not_made() {
    let (world, server) = World::connected("1s").await;
    world.apply(&user("alice", "")).await;
    let message = world.condition("arangouser/alice", "False", "PasswordMissing").await;
    assert!(message.contains("alice") && message.contains("spec.password"), "{message}");
    assert!(server.users().await.is_empty());
    // Somebody makes him: found at the next comparison.
    server.make_user("alice", "by hand").await;
    world.ready(&["arangouser/alice"]).await;
    assert_eq!(server.login("alice", "by hand").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_logs_in_and_a_foreign_secret_is_never_overwritten() {
    let (world, server) = World::connected("5m").await;
    world.apply(&user("alice", "password: {generate: {}}")).await;
    world.ready(&["arangouser/alice"]).await;
    let password = world.secret_value("alice-password", "password").await.unwrap();
    assert_eq!(world.secret_value("alice-password", "username").await.as_deref(), Some("alice"));
    assert_eq!(password.len(), 32);
    assert_eq!(server.login("alice", &password).await, 200);

    world.apply(&secret("taken", &[("password", "somebody's")])).await;
    let spec = "password: {generate: {secretName: taken, length: 64}}";
    world.apply(&user("bob", spec)).await;
    let message = world.condition("arangouser/bob", "False", "Conflict").await;
    assert!(message.contains("taken") && message.contains("never overwritten"), "{message}");
    assert_eq!(world.secret_value("taken", "password").await.as_deref(), Some("somebody's"));
    assert_eq!(server.users().await, ["alice"]);
    world.kubectl(&["delete", "secret", "taken"]).await.unwrap();
    world.ready(&["arangouser/bob"]).await;
    let password = world.secret_value("taken", "password").await.unwrap();
    assert_eq!(password.len(), 64);
    assert_eq!(server.login("bob", &password).await, 200);

    // A lost Secret is a new password, and the Secret goes with its user.
    world.kubectl(&["delete", "secret", "taken"]).await.unwrap();
    crate::support::eventually("a new password logs in", async || {
        match world.secret_value("taken", "password").await {
            Some(new) if new != password && server.login("bob", &new).await == 200 => Ok(()),
            other => Err(other.is_some()),
        }
    })
    .await;
    world.delete(&["arangouser/bob"]).await;
    // The garbage collector learns of new kinds every half minute only, and ours are new here.
    within(3 * PATIENCE, "the Secret is collected", async || {
        if world.secret_value("taken", "password").await.is_none() { Ok(()) } else { Err("still there") }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_came_to_nothing_does_not_make_a_later_user_of_that_name_ours() {
    let (mut world, server) = World::connected("1s").await;
    let refusal = "html status=403 method=POST path=/_api/user".parse().unwrap();
    let refusal = server.stand_in.add_fault(refusal).await.unwrap();
    world.apply(&[secret("passwords", &[("alice", "hers")]), user_with_password("alice", "")].concat()).await;
    server.met(refusal).await;
    // What the author reads is true already, and so is what the resource says of itself to a deletion.
    eventually("the claim is taken back", async || {
        let metadata = world.object("arangouser/alice").await["metadata"].clone();
        let claimed = &metadata["annotations"]["arango-operator.dev/claim"];
        if metadata["finalizers"].is_null() && claimed.is_null() { Ok(()) } else { Err(metadata) }
    })
    .await;
    world.take_operator().terminate(PATIENCE).await;
    server.stand_in.clear_faults().await.unwrap();
    server.make_user("alice", "by hand").await;
    world.start_operator().await;
    world.ready(&["arangouser/alice"]).await;
    assert_eq!(world.object("arangouser/alice").await["status"]["origin"], "Adopted");
    world.delete(&["arangouser/alice"]).await;
    assert!(server.users().await.contains(&"alice".to_owned()), "an adopted user stays");
}
