use serde_json::{Map, Value, json};

use super::{
    crd::{SecretVersion, UserMemory},
    mark::{KEY, Mark},
    plan::{Action, Desired, Observed, desired, marked, plan, protected, removal},
};
use crate::{
    core::{Because, Id, Reason, Risk, UserName},
    kinds::Marked,
};

fn user(password: &Value) -> Desired {
    let mut spec = json!({"clusterRef": {"name": "c"}});
    if !password.is_null() {
        spec["password"] = password.clone();
    }
    desired(&serde_json::from_value(spec).unwrap(), Id::new("shop", "alice"), None).unwrap()
}

/// Nobody there, in a world without marks.
fn nobody() -> Observed {
    Observed {
        active: None,
        extra: Map::new(),
        mark: None,
        sibling_is_there: false,
        secret: None,
        refused: false,
    }
}

fn short(action: &Action) -> &'static str {
    match action {
        Action::Generate { .. } => "generate",
        Action::Remember { .. } => "remember",
        Action::Create { .. } => "create",
        Action::SetPassword { .. } => "password",
        Action::SetActive { .. } => "active",
        Action::SetExtra { .. } => "extra",
        Action::BeginRotation { .. } => "begin",
        Action::Rotate { .. } => "rotate",
        Action::NoRotation { .. } => "no rotation",
        Action::Delete(_) => "delete",
    }
}

fn steps(desired: &Desired, observed: &Observed, memory: &UserMemory) -> Vec<(&'static str, Because)> {
    let plan = plan(desired, observed, memory);
    plan.steps.iter().map(|step| (short(&step.action), step.because)).collect()
}

fn version(number: u32) -> SecretVersion {
    let resource_version = number.to_string();
    SecretVersion { uid: "u".into(), resource_version, source: "s/password".into() }
}

/// Checks the steps of a plan in short and the reason that holds the rest.
#[track_caller]
fn check(
    password: &Value,
    (active, secret): (Option<bool>, Option<u32>),
    remembered: Option<u32>,
    steps: &[(&str, Because)],
    hold: Option<Reason>,
) {
    let observed = Observed { active, secret: secret.map(version), ..nobody() };
    let memory = UserMemory { password_secret: remembered.map(version), ..UserMemory::default() };
    let desired = user(password);
    assert_eq!(self::steps(&desired, &observed, &memory), steps);
    assert_eq!(plan(&desired, &observed, &memory).hold.map(|hold| hold.reason), hold);
}

use Because::{Differs, Missing, SecretChanged};

#[test]
fn nobody_is_created_without_a_password() {
    check(&Value::Null, (None, None), None, &[], Some(Reason::PasswordMissing));
    check(&Value::Null, (Some(true), None), None, &[], None);
}

#[test]
fn a_missing_secret_is_waited_for_and_nothing_else_waits_with_it() {
    let from = json!({"secretRef": {"name": "s"}});
    check(&from, (None, None), None, &[], Some(Reason::SecretMissing));
    check(&from, (Some(false), None), Some(1), &[("active", Differs)], Some(Reason::SecretMissing));
}

#[test]
fn a_new_version_of_the_secret_sets_the_password_and_an_old_one_does_not() {
    let from = json!({"secretRef": {"name": "s"}});
    check(&from, (None, Some(1)), None, &[("create", Missing)], None);
    check(&from, (Some(true), Some(1)), Some(1), &[], None);
    check(&from, (Some(true), Some(2)), Some(1), &[("password", SecretChanged)], None);
    check(&from, (Some(true), Some(1)), None, &[("password", SecretChanged)], None);
}

#[test]
fn a_password_is_generated_before_it_is_set() {
    let generate = json!({"generate": {}});
    check(&generate, (None, None), None, &[("generate", Missing), ("create", Missing)], None);
    check(&generate, (Some(true), None), None, &[("generate", Missing), ("password", SecretChanged)], None);
    // A Secret that is there already is asked whose it is first.
    let kept = [("generate", Because::Bookkeeping), ("create", Missing)];
    check(&generate, (None, Some(1)), None, &kept, None);
}

#[test]
fn only_who_is_there_is_deleted() {
    let memory = UserMemory::default();
    assert!(removal(&user(&Value::Null), &nobody(), &memory).is_empty());
    let there = Observed { active: Some(false), ..nobody() };
    let plan = removal(&user(&Value::Null), &there, &memory);
    assert_eq!((plan.steps[0].because, plan.steps[0].risk), (Because::Deleted, Risk::Removes));
}

#[test]
fn root_and_the_connections_own_account_are_protected() {
    for (name, whose) in
        [("root", Some("every deployment's own")), ("me", Some("connects with")), ("you", None)]
    {
        let hold = protected(&UserName::parse(name).unwrap(), Some("me"));
        assert_eq!(hold.as_ref().map(|hold| hold.reason), whose.map(|_| Reason::Protected));
        assert!(hold.is_none_or(|hold| hold.message.contains(whose.unwrap())));
    }
}

#[test]
fn a_password_from_two_places_or_none_is_refused() {
    for password in [json!({}), json!({"generate": {}, "secretRef": {"name": "s"}})] {
        let spec = json!({"clusterRef": {"name": "c"}, "password": password});
        let id = Id::new("shop", "alice");
        let hold = desired(&serde_json::from_value(spec).unwrap(), id, None).unwrap_err();
        assert_eq!(hold.reason, Reason::Invalid);
        assert!(hold.message.contains("exactly one"));
    }
}

/// Alice, Ready with version 1 of her generated password, and the wish for another one.
fn settled(rotate: Option<&str>) -> (Desired, Observed, UserMemory) {
    let desired = Desired { rotate: rotate.map(str::to_owned), ..user(&json!({"generate": {}})) };
    let observed = Observed { active: Some(true), secret: Some(version(1)), ..nobody() };
    let memory = UserMemory { password_secret: Some(version(1)), ..UserMemory::default() };
    (desired, observed, memory)
}

#[test]
fn a_password_that_is_refused_is_set_again_and_that_is_drift() {
    let (desired, observed, memory) = settled(None);
    let refused = Observed { refused: true, ..observed };
    assert_eq!(steps(&desired, &refused, &memory), [("password", Differs)]);
    assert!(Differs.is_drift());
    // Who is not active is refused with any password.
    let inactive = Observed { active: Some(false), ..refused };
    assert_eq!(steps(&desired, &inactive, &memory), [("active", Differs)]);
}

#[test]
fn another_password_is_made_once_for_each_wish() {
    let rotation = [("begin", Because::Bookkeeping), ("rotate", Because::Asked)];
    let (desired, observed, mut memory) = settled(Some("monday"));
    assert_eq!(steps(&desired, &observed, &memory), rotation);
    memory.rotated = Some("monday".to_owned());
    assert_eq!(steps(&desired, &observed, &memory), []);
    let tuesday = Desired { rotate: Some("tuesday".to_owned()), ..desired.clone() };
    assert_eq!(steps(&tuesday, &observed, &memory), rotation);
    let nothing = Desired { rotate: None, ..desired };
    assert_eq!(steps(&nothing, &observed, &memory), []);
}

#[test]
fn what_was_begun_is_brought_to_its_end_before_anything_else_is_done_to_the_password() {
    let (desired, observed, memory) = settled(None);
    let memory = UserMemory { rotating: Some("monday".to_owned()), ..memory };
    // The Secret has changed by our own hand: what it says as password may not be the server's any more.
    let changed = Observed { secret: Some(version(2)), refused: true, ..observed };
    assert_eq!(steps(&desired, &changed, &memory), [("rotate", Because::Interrupted)]);
    let gone = removal(&desired, &changed, &memory);
    let gone: Vec<_> = gone.steps.iter().map(|step| (short(&step.action), step.because)).collect();
    assert_eq!(gone, [("delete", Because::Deleted), ("rotate", Because::Interrupted)]);
}

#[test]
fn a_new_secret_is_another_password_already() {
    let (desired, observed, memory) = settled(Some("monday"));
    let gone = Observed { secret: None, ..observed };
    let memory = UserMemory { rotating: Some("monday".to_owned()), ..memory };
    assert_eq!(steps(&desired, &gone, &memory), [("generate", Missing), ("password", SecretChanged)]);
}

#[test]
fn the_wish_for_another_password_is_in_vain_where_somebody_else_makes_it_and_the_rest_goes_on() {
    let (wishing, observed, memory) = settled(Some("monday"));
    for password in [Value::Null, json!({"secretRef": {"name": "s"}})] {
        let desired = Desired { rotate: wishing.rotate.clone(), ..user(&password) };
        assert_eq!(steps(&desired, &observed, &memory), [("no rotation", Because::AskedInVain)]);
        let told = UserMemory { rotated: desired.rotate.clone(), ..memory.clone() };
        assert_eq!(steps(&desired, &observed, &told), [], "said once");
        let begun = UserMemory { rotating: Some("sunday".to_owned()), ..told };
        assert_eq!(steps(&desired, &observed, &begun), [("no rotation", Because::Bookkeeping)]);
    }
    let changed = Observed { secret: Some(version(2)), ..observed };
    let desired = Desired { rotate: wishing.rotate, ..user(&json!({"secretRef": {"name": "s"}})) };
    let expected = [("password", SecretChanged), ("no rotation", Because::AskedInVain)];
    assert_eq!(steps(&desired, &changed, &memory), expected);
}

#[test]
fn keys_are_kept_in_mind_before_they_are_set_and_taken_out_only_if_they_are_ours() {
    let extra = |value: Value| value.as_object().unwrap().clone();
    let (desired, observed, memory) = settled(None);
    let mut desired = Desired { extra: extra(json!({"team": "shop", "stage": "test"})), ..desired };
    let observed = Observed { extra: extra(json!({"stage": "test", "by hand": 1})), ..observed };
    assert_eq!(steps(&desired, &observed, &memory), [("remember", Because::Bookkeeping), ("extra", Differs)]);
    let plan = plan(&desired, &observed, &memory);
    assert!(matches!(&plan.steps[0].action, Action::Remember { keys, .. } if *keys == ["team"]));

    let memory = UserMemory { extra_keys: vec!["team".to_owned()], ..memory };
    let there = Observed { extra: extra(json!({"stage": "test", "team": "shop", "by hand": 1})), ..observed };
    assert_eq!(steps(&desired, &there, &memory), []);
    desired.extra.clear();
    assert_eq!(steps(&desired, &there, &memory), [("extra", Because::NoLongerDeclared)]);
    let gone = Observed { extra: extra(json!({"stage": "test", "team": null})), ..there };
    assert_eq!(steps(&desired, &gone, &memory), [("remember", Because::Bookkeeping)], "and out of mind");
}

/// Alice as a resource finds her who may be marked.
fn with_mark(mark: Option<&Mark>) -> Observed {
    let extra = mark.map(|mark| (KEY.to_owned(), mark.value())).into_iter().collect();
    Observed { active: Some(true), extra, mark: Some(us()), ..nobody() }
}

fn us() -> Mark {
    Mark { instance: "here".to_owned(), resource: Id::new("shop", "alice") }
}

#[test]
fn the_first_write_to_whom_we_did_not_make_says_whose_he_is_and_there_is_none_for_that_alone() {
    let (desired, _, memory) = settled(None);
    let adopted = Observed { secret: Some(version(1)), ..with_mark(None) };
    assert_eq!(steps(&desired, &adopted, &memory), []);
    let desired =
        Desired { active: false, extra: [("a".to_owned(), json!(1))].into_iter().collect(), ..desired };
    let plan = plan(&desired, &adopted, &memory);
    let marks: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::SetActive { mark, .. } | Action::SetExtra { mark, .. } => Some(mark.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(marks, [true, false]);
}

#[test]
fn whose_a_user_is_by_his_mark() {
    let desired = user(&Value::Null);
    let (_, _, had_his_password) = settled(None);
    let fresh = UserMemory::default();
    assert_eq!(marked(&desired, &nobody(), &fresh), Marked::Silent);
    assert_eq!(marked(&desired, &with_mark(Some(&us())), &fresh), Marked::Silent);
    assert_eq!(marked(&desired, &with_mark(None), &fresh), Marked::Unmade);
    // Made by a version that left no marks.
    assert_eq!(marked(&desired, &with_mark(None), &had_his_password), Marked::Silent);
    let sibling = with_mark(Some(&Mark { resource: Id::new("depot", "alice"), ..us() }));
    assert_eq!(marked(&desired, &sibling, &fresh), Marked::Unmade, "the other one is gone");
    let there = Observed { sibling_is_there: true, ..sibling };
    let Marked::Siblings(hold) = marked(&desired, &there, &fresh) else { panic!("the other one's") };
    assert!(hold.message.contains("depot/alice"), "{hold}");
    let other = with_mark(Some(&Mark { instance: "there".to_owned(), ..us() }));
    let Marked::Others(hold) = marked(&desired, &other, &had_his_password) else { panic!("another's") };
    assert!(hold.message.contains("\"there\"") && hold.message.contains("--instance"), "{hold}");
}
