//! What is remembered, taken away, and left to others.

use arango_operator::{kinds::Viewpoint, offline::State};
use http::Method;
use serde_json::json;

use super::stage::{How, Stage, actions, read, reasons};

const BEFORE: &str = include_str!("before.yaml");
const AFTER: &str = include_str!("after.yaml");

#[tokio::test]
async fn without_a_set_nothing_is_remembered_and_nothing_is_ever_taken_away() {
    let stage = Stage::new();
    stage.apply(&read(BEFORE), How::default()).await;
    stage.take_writes();
    assert_eq!(actions(&stage.apply(&read(AFTER), How::default()).await), [""; 0]);
    assert_eq!((stage.take_writes().len(), stage.remembered().len()), (0, 0));
}

#[tokio::test]
async fn what_is_taken_out_of_a_manifest_goes_with_a_set_and_what_has_no_manifest_any_more_only_when_it_is_pruned()
 {
    let stage = Stage::new();
    stage.apply(&read(BEFORE), How::set("shop")).await;
    assert_eq!(stage.remembered().len(), 7);
    let done = stage.apply(&read(AFTER), How::set("shop")).await;
    assert!(actions(&done).contains(&"revoke the level of alice on shop".to_owned()), "{:?}", actions(&done));
    assert_eq!(done.summary.undeclared, 4);
    let plan = stage.plan(&read(AFTER), How::set("shop").pruning()).await;
    let expected = [
        "revoke the level of alice on depot",
        "revoke the level of bob on *",
        "delete the user bob",
        "drop the database depot",
    ];
    assert_eq!(actions(&plan), expected, "rows first, and databases last");
    stage.apply(&read(AFTER), How::set("shop").pruning()).await;
    assert_eq!(stage.remembered().len(), 3);
    let model = stage.model.lock();
    assert!(model.user("bob").is_none() && !model.databases().any(|name| name == "depot"));
}

#[tokio::test]
async fn a_database_without_a_deletion_policy_and_a_user_who_was_there_before_stay_and_are_let_go() {
    let stage = Stage::new();
    stage.ask(Method::POST, "/_api/user", &json!({"user": "bob", "passwd": "bobs-password"}));
    let retained = BEFORE.replace(", deletionPolicy: Delete", "");
    stage.apply(&read(&retained), How::set("shop")).await;
    let done = stage.apply(&read(AFTER), How::set("shop").pruning()).await;
    let all = actions(&done);
    assert!(all.contains(&"let go of the database depot, which stays on the server".to_owned()), "{all:?}");
    let model = stage.model.lock();
    assert!(model.user("bob").is_some() && model.databases().any(|name| name == "depot"));
    drop(model);
    assert_eq!(stage.remembered().len(), 3);
}

#[tokio::test]
async fn what_another_set_declares_is_neither_changed_nor_removed_and_its_set_is_named() {
    let stage = Stage::new();
    stage.apply(&read(BEFORE), How::set("github.com/shop")).await;
    stage.take_writes();
    let changed = BEFORE.replace("access: ro}", "access: rw}").replace("shift: night", "shift: day");
    for how in [How::set("depot"), How::set("depot").pruning(), How::default()] {
        let report = stage.apply(&read(&changed), how).await;
        assert_eq!((report.summary.held, stage.take_writes().len()), (7, 0), "{how:?}");
        let message = report.objects[0].message.clone().unwrap();
        assert!(message.contains("\"github.com/shop\"") && message.contains("--take-over"), "{message}");
    }
    // Nor does the emptied one take away what is not its own.
    let done = stage.apply(&read(AFTER), How::set("depot").pruning()).await;
    assert_eq!((done.summary.actions, stage.take_writes().len()), (0, 0));

    let taking = How { take_over: Some("github.com/shop"), ..How::set("depot") };
    let report = stage.apply(&read(&changed), taking).await;
    assert_eq!((report.summary.held, report.summary.actions), (0, 3), "{:?}", actions(&report));
    assert!(stage.remembered().iter().all(|one| one["set"] == "depot"));
    let before = stage.plan(&read(BEFORE), How::set("github.com/shop").pruning()).await;
    assert_eq!((before.summary.held, before.summary.actions), (7, 0), "nothing is left of it");
}

#[tokio::test]
async fn a_manifest_that_leads_nowhere_does_not_make_its_object_undeclared() {
    let stage = Stage::new();
    stage.apply(&read(BEFORE), How::set("shop")).await;
    // The rows name a user whose manifest was forgotten.
    let broken = BEFORE.replace("userRef: {name: bob}", "userRef: {name: bobby}");
    let plan = stage.plan(&read(&broken), How::set("shop").pruning()).await;
    assert_eq!(actions(&plan), [""; 0]);
    assert!(reasons(&plan).contains(&"ReferenceMissing".to_owned()), "{plan:?}");
}

#[tokio::test]
async fn a_permission_on_a_database_that_the_same_plan_makes_is_planned_and_a_collection_that_nobody_makes_is_waited_for()
 {
    let stage = Stage::new();
    let plan = stage.plan(&read(BEFORE), How::default()).await;
    let all = actions(&plan);
    assert!(all.contains(&"grant alice ro on depot".to_owned()), "{all:?}");
    assert!(!all.contains(&"grant alice ro on shop/orders".to_owned()), "{all:?}");
    assert_eq!((plan.summary.waiting, plan.summary.held), (1, 0));
    assert_eq!(reasons(&plan), ["CollectionMissing"]);
}

#[tokio::test]
async fn a_password_is_compared_by_a_login_and_set_only_if_it_is_another() {
    let (stage, manifests) = (Stage::new(), read(BEFORE));
    stage.apply(&manifests, How::set("shop")).await;
    let told = serde_json::to_string(&stage.remembered()).unwrap();
    assert!(!told.contains("alices-password") && !told.contains("passwordSecret"), "{told}");
    stage.ask(Method::PATCH, "/_api/user/alice", &json!({"passwd": "another"}));
    let plan = stage.plan(&manifests, How::set("shop")).await;
    assert_eq!(actions(&plan), ["set the password of alice from the Secret passwords"]);
    assert_eq!(plan.summary.risky, 1, "whoever uses the other one is shut out");
    stage.apply(&manifests, How::set("shop")).await;
    assert!(stage.model.lock().password_matches("alice", "alices-password"));
    assert_eq!(actions(&stage.plan(&manifests, How::set("shop")).await), [""; 0]);
}

#[tokio::test]
async fn whom_an_operator_looks_after_is_left_alone_by_apply_and_planned_for_his_operator() {
    let stage = Stage::new();
    let mark = json!({"arango-operator": {"instance": "prod-1", "namespace": "shop", "name": "alice"}});
    let alice = json!({"user": "alice", "passwd": "alices-password", "extra": mark});
    stage.ask(Method::POST, "/_api/user", &alice);
    let done = stage.apply(&read(BEFORE), How::set("shop")).await;
    let held = done.objects.iter().find(|entry| entry.state == State::Held).unwrap();
    let message = held.message.clone().unwrap();
    assert!(message.contains("\"prod-1\"") && message.contains("shop/alice"), "{message}");
    assert!(!stage.model.lock().user("alice").unwrap().extra.contains_key("team"));
    let plan = stage.plan_as(&read(BEFORE), How::default(), Viewpoint::Operator).await;
    assert!(actions(&plan).iter().any(|action| action.contains("extra of the user alice")), "{plan:?}");
}

#[tokio::test]
async fn for_an_operator_secrets_that_are_not_here_are_there_and_for_the_command_line_they_are_asked_for() {
    let stage = Stage::new();
    let without =
        BEFORE.split("---").filter(|one| !one.contains("kind: Secret")).collect::<Vec<_>>().join("---");
    let manifests = read(&without);
    let plan = stage.plan_as(&manifests, How::default(), Viewpoint::Operator).await;
    assert!(actions(&plan).contains(&"create the user alice".to_owned()), "{plan:?}");
    assert_eq!(plan.summary.held, 0);
    let plan = stage.plan_as(&manifests, How::default(), Viewpoint::CommandLine).await;
    let held = plan.objects.iter().find(|entry| entry.state == State::Held).unwrap();
    let message = held.message.clone().unwrap();
    assert!(message.contains("--secret shop/passwords/alice=env:"), "{message}");
}

#[tokio::test]
async fn what_somebody_makes_between_the_claim_and_the_creation_is_not_taken_for_ours() {
    let manifests = read(BEFORE);
    // The creation of the database comes too late: somebody else's is there by then.
    let stage = Stage::new();
    stage.interfere(Method::POST, "/_db/_system/_api/database");
    let done = stage.apply(&manifests, How::set("shop")).await;
    assert!(done.summary.held > 0, "{:?}", reasons(&done));
    let ours = |stage: &Stage, object: &str| {
        let remembered = stage.remembered();
        remembered.iter().find(|one| one["object"] == object).map(|one| one["origin"].clone())
    };
    assert_eq!(ours(&stage, "database/shop"), None, "the claim is taken back");
    stage.apply(&manifests, How::set("shop")).await;
    assert_eq!(ours(&stage, "database/shop"), Some(json!("Adopted")));
}
