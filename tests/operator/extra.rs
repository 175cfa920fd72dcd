//! The declared keys of a user's `extra` are kept; others are nobody's business here.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, ROOT_PASSWORD, Server, World, eventually, passwords, user_with_password, within,
};

const USER: &str = "arangouser/alice";

/// What root sees, without the operator's own mark.
async fn extra(server: &Server) -> Value {
    let mut user = server.get(("root", ROOT_PASSWORD), "/_api/user/alice").await.ok();
    user["extra"].as_object_mut().unwrap().remove("arango-operator");
    user["extra"].clone()
}

async fn has(server: &Server, expected: &Value) {
    within(PATIENCE, &format!("extra is {expected}"), async || {
        let extra = extra(server).await;
        if extra == *expected { Ok(()) } else { Err(extra) }
    })
    .await;
}

async fn declare(world: &World, extra: &Value) {
    world.apply(&user_with_password("alice", &format!("extra: {extra}"))).await;
    world.ready(&[USER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_keys_are_kept_and_others_are_left_alone() {
    let (world, server) = World::connected("1s").await;
    world.apply(&passwords(&[("alice", "hers")])).await;
    declare(&world, &json!({"team": "shop", "cost": {"centre": 7}})).await;
    has(&server, &json!({"team": "shop", "cost": {"centre": 7}})).await;

    let by_hand = json!({"extra": {"team": "theirs", "cost": {"more": 1}, "stage": "test"}});
    server.by_hand(Method::PATCH, "/_api/user/alice", by_hand).await;
    has(&server, &json!({"team": "shop", "cost": {"centre": 7, "more": null}, "stage": "test"})).await;
    let event = world.event(USER, "DriftRepaired").await;
    assert!(event.contains("\"team\"") && event.contains("\"cost\"") && !event.contains("stage"), "{event}");

    // What was set from here goes; what somebody else had set stays, though it was declared for a while.
    declare(&world, &json!({"team": "shop", "stage": "test"})).await;
    has(&server, &json!({"team": "shop", "cost": null, "stage": "test"})).await;
    declare(&world, &json!({})).await;
    has(&server, &json!({"team": null, "cost": null, "stage": "test"})).await;
    eventually("nothing is kept in mind of what is gone", async || {
        let status = world.object(USER).await["status"].clone();
        if status["extraKeys"].is_null() { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(server.login("alice", "hers").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_kept_is_said_and_touches_nothing() {
    let (world, server) = World::connected("1s").await;
    world.apply(&passwords(&[("alice", "hers")])).await;
    for (extra, sentence) in [
        (json!({"arango-operator": {"instance": "mine"}}), "own mark"),
        (json!({"team": [[[[[[[[[1]]]]]]]]]}), "nested deeper than 8 levels under \"team\""),
        (json!({"long": "x".repeat(9000)}), "at most 8192"),
    ] {
        world.apply(&user_with_password("alice", &format!("extra: {extra}"))).await;
        let message = world.condition(USER, "False", "Invalid").await;
        assert!(message.contains("spec.extra") && message.contains(sentence), "{message}");
    }
    let many: Value = (0..33).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let refused = world.try_apply(&user_with_password("alice", &format!("extra: {many}"))).await.unwrap_err();
    assert!(refused.contains("32"), "{refused}");
    assert!(server.users().await.is_empty());
}
