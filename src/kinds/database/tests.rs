use serde_json::json;

use super::{
    crd::ArangoDatabaseSpec,
    plan::{Action, Observed, Seen, consent, desired, plan, remark, removal},
};
use crate::core::{Because, Consent, Reason, Risk, condition::ConditionStatus};

fn absent() -> Observed {
    Observed { exists: false, options: None }
}

fn there(options: Option<Seen>) -> Observed {
    Observed { exists: true, options }
}

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
    let missing = plan(&shop, &absent());
    assert_eq!((missing.steps.len(), missing.steps[0].because), (1, Because::Missing));
    assert!(plan(&shop, &there(None)).is_empty());
}

#[test]
fn dropping_destroys_data_and_needs_something_to_drop() {
    let shop = desired(&spec("shop", None), "x").unwrap();
    let there = removal(&shop, &there(None));
    assert_eq!((there.steps[0].because, there.steps[0].risk), (Because::Deleted, Risk::DestroysData));
    assert!(removal(&shop, &absent()).is_empty());
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
    let steps = removal(&desired, &there(None)).steps;
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

#[test]
fn options_that_differ_are_named_with_what_to_do_and_those_that_nobody_declares_or_tells_are_not() {
    let mut declared = spec("shop", None);
    declared.options =
        serde_json::from_value(json!({"sharding": "flexible", "replicationFactor": 3, "writeConcern": 2}))
            .unwrap();
    let shop = desired(&declared, "x").unwrap();
    let shown = |sharding: Option<&str>, factor, concern| {
        let sharding = sharding.map(str::to_owned);
        there(Some(Seen::Shown { sharding, replication_factor: factor, write_concern: concern }))
    };
    let nothing = [
        shown(Some(""), Some(Some(3)), Some(2)),
        shown(Some("flexible"), Some(Some(3)), Some(2)),
        // A single server.
        shown(None, None, None),
        there(None),
        absent(),
    ];
    for observed in nothing {
        assert_eq!(remark(&shop, &observed), None, "{observed:?}");
    }
    for (observed, part) in [
        (shown(Some("single"), Some(Some(3)), Some(2)), "sharding single, not flexible;"),
        (shown(Some(""), Some(Some(1)), Some(1)), "replicationFactor 1, not 3, writeConcern 1, not 2;"),
        (shown(Some(""), Some(None), Some(2)), "replicationFactor satellite, not 3;"),
    ] {
        let said = remark(&shop, &observed).unwrap();
        assert_eq!((said.status, said.reason), (ConditionStatus::False, Reason::OptionsDiffer));
        assert!(said.message.contains(part) && said.message.contains("shop"), "{}", said.message);
    }
    let hidden = remark(&shop, &there(Some(Seen::Hidden))).unwrap();
    assert_eq!((hidden.status, hidden.reason), (ConditionStatus::Unknown, Reason::OptionsHidden));
}
