//! Cut off at any request, the next apply finds the rest.

use std::sync::{Arc, LazyLock};

use arango_operator::manifests::Manifests;
use http::Method;
use serde_json::json;

use super::stage::{How, Kill, Stage, actions, read};

/// Two tenants, each with a database, a user, and two rows with levels on collections.
static BEFORE: LazyLock<Manifests> = LazyLock::new(|| read(include_str!("before.yaml")));
/// The same later: a database, a user and a row are gone, a row has lost its level and keeps one of a collection, another
/// has lost a collection, and a user a key.
static AFTER: LazyLock<Manifests> = LazyLock::new(|| read(include_str!("after.yaml")));

/// A deployment on which somebody has set levels that nobody declares.
async fn settled() -> Arc<Stage> {
    let stage = Stage::new();
    let (before, how) = (&*BEFORE, How::set("shop"));
    stage.apply(before, how).await;
    for name in ["orders", "carts"] {
        stage.ask(Method::POST, "/_db/shop/_api/collection", &json!({"name": name}));
    }
    stage.apply(before, how).await;
    let by_hand = "/_db/_system/_api/user/alice/database/shop/carts";
    stage.ask(Method::PUT, by_hand, &json!({"grant": "ro"}));
    assert_eq!(actions(&stage.plan(before, how).await), [""; 0], "all is there");
    stage
}

#[tokio::test]
async fn a_first_apply_that_is_killed_at_any_request_is_brought_to_its_end_by_the_next() {
    let manifests = &*BEFORE;
    let expected = Stage::new();
    expected.apply(manifests, How::set("shop")).await;
    let mut kills = 0;
    for carried_out in [false, true] {
        for at in 0.. {
            let stage = Stage::new();
            if !stage.apply_killed(manifests, How::set("shop"), Kill { at, carried_out }).await {
                break;
            }
            kills += 1;
            stage.apply(manifests, How::set("shop")).await;
            assert_eq!(stage.looks(), expected.looks(), "killed at {at}, {carried_out}");
        }
    }
    assert!(kills > 35, "{kills}");
}

#[tokio::test]
async fn what_is_taken_away_and_killed_at_any_request_loses_nobodys_rights_and_is_finished_by_the_next() {
    let manifests = &*AFTER;
    let how = How::set("shop").pruning();
    let expected = settled().await;
    expected.apply(manifests, how).await;
    let looks = expected.looks().to_string();
    assert!(looks.contains("carts") && !looks.contains("depot"), "{looks}");
    let mut kills = 0;
    for carried_out in [false, true] {
        for at in 0.. {
            let stage = settled().await;
            if !stage.apply_killed(manifests, how, Kill { at, carried_out }).await {
                break;
            }
            kills += 1;
            stage.apply(manifests, how).await;
            assert_eq!(stage.looks(), expected.looks(), "killed at {at}, {carried_out}");
        }
    }
    assert!(kills > 35, "{kills}");
}

#[tokio::test]
async fn a_right_that_was_taken_along_comes_back_even_if_the_manifest_goes_and_nothing_is_pruned() {
    let after = &*AFTER;
    let nothing = read(include_str!("one.yaml"));
    for at in 0.. {
        let stage = settled().await;
        let kill = Kill { at, carried_out: true };
        if !stage.apply_killed(after, How::set("shop"), kill).await {
            break;
        }
        stage.apply(&nothing, How::set("shop")).await;
        let looks = stage.looks()["users"].to_string();
        assert!(looks.contains("carts"), "killed at {at}: {looks}");
    }
}

#[tokio::test]
async fn the_second_apply_is_empty_and_sends_no_write_at_all() {
    for how in [How::default(), How::set("shop")] {
        let (stage, manifests) = (Stage::new(), &*BEFORE);
        let first = stage.apply(manifests, how).await;
        assert!(first.summary.actions > 5);
        stage.take_writes();
        let looks = stage.looks();
        let second = stage.apply(manifests, how).await;
        assert_eq!(actions(&second), [""; 0]);
        assert_eq!(stage.take_writes(), [""; 0]);
        assert_eq!(stage.looks(), looks);
    }
}

/// The request that an action comes to.
fn request(action: &str) -> String {
    let user = "/_db/_system/_api/user";
    let words: Vec<_> = action.split(' ').collect();
    match words[..] {
        ["create", "the", "database", _] => "POST /_db/_system/_api/database".to_owned(),
        ["drop", "the", "database", name] => format!("DELETE /_db/_system/_api/database/{name}"),
        ["create", "the", "user", _] => format!("POST {user}"),
        ["delete", "the", "user", name] => format!("DELETE {user}/{name}"),
        ["set", .., "user", name] | ["set", "the", "password", "of", name, ..] => {
            format!("PATCH {user}/{name}")
        }
        ["activate" | "deactivate", "the", "user", name] => format!("PATCH {user}/{name}"),
        ["grant", name, _, "on", place] | ["put", _, "on", place, "back", "for", name] => {
            format!("PUT {user}/{name}/database/{place}")
        }
        ["revoke", "the", "level", "of", name, "on", place] => {
            format!("DELETE {user}/{name}/database/{place}")
        }
        _ => panic!("{action}"),
    }
}

#[tokio::test]
async fn the_actions_of_a_plan_are_the_requests_that_apply_then_sends() {
    let stage = Stage::new();
    for (manifests, how) in
        [(&*BEFORE, How::set("shop")), (&*AFTER, How::set("shop").pruning()), (&*BEFORE, How::default())]
    {
        let plan = stage.plan(manifests, how).await;
        assert_eq!(stage.take_writes(), [""; 0], "a plan writes nothing");
        let mut expected: Vec<_> = actions(&plan).iter().map(|action| request(action)).collect();
        expected.sort();
        let done = stage.apply(manifests, how).await;
        assert_eq!(stage.take_writes(), expected);
        assert_eq!(actions(&done), actions(&plan));
    }
}
