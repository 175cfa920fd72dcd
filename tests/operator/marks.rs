//! A user says whose he is: he carries the mark of the operator and the resource that look after him.

use arango_operator::stand_in::{Fault, FaultRule};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ROOT_PASSWORD, Server, World, passwords, user, user_with_password};

async fn mark(server: &Server, name: &str) -> Value {
    let path = format!("/_api/user/{name}");
    server.get(("root", ROOT_PASSWORD), &path).await.ok()["extra"]["arango-operator"].clone()
}

async fn set_mark(server: &Server, mark: Value) {
    let extra = json!({"extra": {"arango-operator": mark}});
    server.by_hand(Method::PATCH, "/_api/user/alice", extra).await;
}

/// The operator of a test is for one namespace, whose UID says who it is.
async fn instance(world: &World) -> String {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    namespaces.get(&world.namespace).await.unwrap().metadata.uid.unwrap()
}

async fn with_passwords() -> (World, Server) {
    let (world, server) = World::connected("1s").await;
    world.apply(&passwords(&[("alice", "hers"), ("second", "the second's")])).await;
    (world, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_made_is_marked_and_who_is_adopted_from_the_first_write_on() {
    let (world, server) = with_passwords().await;
    world.apply(&user_with_password("alice", "")).await;
    world.ready(&["arangouser/alice"]).await;
    let instance = instance(&world).await;
    let ours = |name: &str| json!({"instance": instance, "namespace": world.namespace, "name": name});
    assert_eq!(mark(&server, "alice").await, ours("alice"));

    server.make_user("bob", "his").await;
    server.stand_in.clear_requests();
    world.apply(&user("adopted", "name: bob")).await;
    world.ready(&["arangouser/adopted"]).await;
    assert!(server.writes().is_empty(), "none for the mark alone: {:?}", server.writes());
    assert_eq!(world.object("arangouser/adopted").await["status"]["origin"], "Adopted");
    world.apply(&user("adopted", "name: bob, active: false")).await;
    world.ready(&["arangouser/adopted"]).await;
    assert_eq!(mark(&server, "bob").await, ours("adopted"));
    assert_eq!(server.writes().len(), 1, "{:?}", server.writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_another_operator_looks_after_is_never_written_to_or_deleted() {
    let (world, server) = with_passwords().await;
    server.make_user("alice", "theirs").await;
    set_mark(&server, json!({"instance": "elsewhere", "namespace": "shop", "name": "alice"})).await;
    server.stand_in.clear_requests();
    world.apply(&user_with_password("alice", "active: false, deletionPolicy: Delete")).await;
    let message = world.condition("arangouser/alice", "False", "Conflict").await;
    assert!(message.contains("\"elsewhere\"") && message.contains("shop/alice"), "{message}");
    assert!(message.contains("--instance"), "{message}");
    let object = world.object("arangouser/alice").await;
    assert!(object["status"]["origin"].is_null() && object["metadata"]["finalizers"].is_null(), "{object}");
    world.delete(&["arangouser/alice"]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.login("alice", "theirs").await, 200);

    // Ours, until another operator takes him: nothing is done to him from then on, and his resource can go.
    world.apply(&user_with_password("second", "")).await;
    world.ready(&["arangouser/second"]).await;
    let theirs = json!({"extra": {"arango-operator": {"instance": "elsewhere"}}, "active": false});
    server.by_hand(Method::PATCH, "/_api/user/second", theirs).await;
    world.condition("arangouser/second", "False", "Conflict").await;
    server.stand_in.clear_requests();
    world.delete(&["arangouser/second"]).await;
    let event = world.event("arangouser/second", "LeftBehind").await;
    assert!(event.contains("elsewhere"), "{event}");
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert!(server.users().await.contains(&"second".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mark_of_a_resource_that_is_gone_is_in_nobodys_way() {
    let (world, server) = with_passwords().await;
    world.apply(&user_with_password("alice", "deletionPolicy: Retain")).await;
    world.ready(&["arangouser/alice"]).await;
    // Another resource of ours, which finds him by another ArangoCluster.
    let spare = server.manifest("1s").replace("name: \"prod\"", "name: \"spare\"");
    world.apply(&spare).await;
    world.ready(&["arangocluster/spare"]).await;
    let second = user_with_password("second", "name: alice, deletionPolicy: Delete");
    world.apply(&second.replace("{name: prod}", "{name: spare}")).await;
    let message = world.condition("arangouser/second", "False", "Conflict").await;
    assert!(message.contains(&format!("{}/alice", world.namespace)), "{message}");
    assert_eq!(server.login("alice", "hers").await, 200);

    world.delete(&["arangouser/alice"]).await;
    world.ready(&["arangouser/second"]).await;
    assert_eq!(world.object("arangouser/second").await["status"]["origin"], "Adopted");
    assert_eq!(mark(&server, "alice").await["name"], "second");
    assert_eq!(server.login("alice", "the second's").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_claim_and_create_a_user_made_by_hand_meanwhile_is_not_ours() {
    for deleted_at_once in [false, true] {
        let (mut world, server) = with_passwords().await;
        let hang = FaultRule::new(Fault::Hang).method(Method::POST).path("/_api/user").effect(false);
        world.kill_at(&server, hang, async |world| world.apply(&user_with_password("alice", "")).await).await;
        let claimed = world.object("arangouser/alice").await["metadata"].clone();
        assert!(claimed["annotations"]["arango-operator.dev/claim"].is_string(), "{claimed}");
        server.make_user("alice", "by hand").await;
        server.set_level("alice", "_system", "ro").await;

        if deleted_at_once {
            world.kubectl(&["delete", "arangouser/alice", "--wait=false"]).await.unwrap();
            world.start_operator().await;
        } else {
            world.start_operator().await;
            world.ready(&["arangouser/alice"]).await;
            assert_eq!(world.object("arangouser/alice").await["status"]["origin"], "Adopted");
            world.event("arangouser/alice", "Adopted").await;
            assert_eq!(server.login("alice", "hers").await, 200);
            world.kubectl(&["delete", "arangouser/alice", "--wait=false"]).await.unwrap();
        }
        world.gone("arangouser/alice").await;
        server.has_levels("alice", &[("_system", "ro")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_made_by_a_version_without_marks_stays_ours() {
    let (mut world, server) = with_passwords().await;
    world.apply(&user_with_password("alice", "")).await;
    world.ready(&["arangouser/alice"]).await;
    world.take_operator().kill().await;
    set_mark(&server, Value::Null).await;
    world.start_operator().await;
    world.ready(&["arangouser/alice"]).await;
    assert_eq!(world.object("arangouser/alice").await["status"]["origin"], "Created");
    world.delete(&["arangouser/alice"]).await;
    assert!(server.users().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_whom_it_is_told_to_be() {
    let world = World::with_arguments(&["--instance", "blue"]).await;
    let server = Server::start().await;
    world.apply(&[server.manifest("1s"), passwords(&[("alice", "hers")])].concat()).await;
    world.apply(&user_with_password("alice", "")).await;
    world.ready(&["arangouser/alice"]).await;
    assert_eq!(mark(&server, "alice").await["instance"], "blue");
}
