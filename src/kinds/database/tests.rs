use serde_json::json;

use super::{
    crd::ArangoDatabaseSpec,
    plan::{Action, Observed, consent, desired, plan, removal},
};
use crate::core::{Because, Consent, Reason, Risk};

fn spec(name: &str, policy: Option<&str>) -> ArangoDatabaseSpec {
    let mut spec = json!({"clusterRef": {"name": "c"}, "name": name});
    if let Some(policy) = policy {
        spec["deletionPolicy"] = policy.into();
    }
    serde_json::from_value(spec).unwrap()
}

#[test]
fn what_is_missing_is_created_and_what_is_there_is_left_alone() {
    let shop = desired(&spec("shop", None), "x").unwrap();
    let missing = plan(&shop, Observed { exists: false });
    assert_eq!((missing.steps.len(), missing.steps[0].because), (1, Because::Missing));
    assert!(plan(&shop, Observed { exists: true }).is_empty());
}

#[test]
fn dropping_destroys_data_and_needs_something_to_drop() {
    let shop = desired(&spec("shop", None), "x").unwrap();
    let there = removal(&shop, Observed { exists: true });
    assert_eq!((there.steps[0].because, there.steps[0].risk), (Because::Deleted, Risk::DestroysData));
    assert!(removal(&shop, Observed { exists: false }).is_empty());
}

#[test]
fn only_an_explicit_delete_consents() {
    for (policy, expected) in
        [(None, Consent::Keep), (Some("Retain"), Consent::Keep), (Some("Delete"), Consent::Remove)]
    {
        assert_eq!(consent(&spec("shop", policy)), expected, "{policy:?}");
    }
}

#[test]
fn a_database_that_goes_only_when_it_is_empty_is_never_just_dropped() {
    let shop = spec("shop", Some("DeleteIfEmpty"));
    assert_eq!(consent(&shop), Consent::Remove);
    let desired = desired(&shop, "x").unwrap();
    let steps = removal(&desired, Observed { exists: true }).steps;
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].action, Action::DropIfEmpty(desired.name));
    assert_eq!(steps[0].risk, Risk::DestroysData);
}

#[test]
fn names_that_cannot_be_are_refused_with_a_sentence() {
    for (name, part) in [
        ("_system", "ArangoDB's own"),
        ("_other", "underscore"),
        ("1", "digit"),
        ("a/b", "slash"),
        ("", "empty"),
        ("*", "wildcard"),
    ] {
        let hold = desired(&spec(name, None), "x").unwrap_err();
        assert_eq!(hold.reason, Reason::Invalid);
        assert!(hold.message.contains(part), "{name}: {}", hold.message);
    }
    let nfc = desired(&spec("cafe\u{301}", None), "x").unwrap();
    assert_eq!(nfc.name.as_str(), "caf\u{e9}");
}
