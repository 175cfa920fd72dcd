use serde_json::{Value, json};

use super::{
    crd::{SecretVersion, UserMemory},
    plan::{Action, Desired, Observed, desired, plan, protected, removal},
};
use crate::core::{Because, Reason, Risk, UserName};

fn user(password: &Value) -> Desired {
    let mut spec = json!({"clusterRef": {"name": "c"}});
    if !password.is_null() {
        spec["password"] = password.clone();
    }
    desired(&serde_json::from_value(spec).unwrap(), "alice").unwrap()
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
    let observed = Observed { active, secret: secret.map(version) };
    let memory = UserMemory { password_secret: remembered.map(version), ..UserMemory::default() };
    let plan = plan(&user(password), &observed, &memory);
    let short = |action: &Action| match action {
        Action::Generate { .. } => "generate",
        Action::Create { .. } => "create",
        Action::SetPassword { .. } => "password",
        Action::SetActive { .. } => "active",
        Action::Delete(_) => "delete",
    };
    let found: Vec<_> = plan.steps.iter().map(|step| (short(&step.action), step.because)).collect();
    assert_eq!(found, steps);
    assert_eq!(plan.hold.map(|hold| hold.reason), hold);
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
    let gone = Observed { active: None, secret: None };
    assert!(removal(&user(&Value::Null), &gone).is_empty());
    let there = Observed { active: Some(false), secret: None };
    let plan = removal(&user(&Value::Null), &there);
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
        let hold = desired(&serde_json::from_value(spec).unwrap(), "alice").unwrap_err();
        assert_eq!(hold.reason, Reason::Invalid);
        assert!(hold.message.contains("exactly one"));
    }
}
