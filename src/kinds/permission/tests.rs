use super::{
    crd::{Applied, ArangoPermissionSpec, PermissionMemory, RowName},
    plan::{Change, Desired, Observed, desired, plan, removal},
};
use crate::core::{Because, CollectionName, Entry, Level, Plan, Reason, Risk, Scope, Wider};
use serde_json::json;

fn spec(access: Option<Level>, collections: &[(&str, Level)]) -> ArangoPermissionSpec {
    let collections: std::collections::BTreeMap<_, _> = collections.iter().copied().collect();
    let mut spec =
        json!({"clusterRef": {"name": "c"}, "user": "alice", "database": "shop", "collections": collections});
    if let Some(access) = access {
        spec["access"] = json!(access);
    }
    serde_json::from_value(spec).unwrap()
}

fn row(access: Option<Level>, collections: &[(&str, Level)]) -> Desired {
    desired(&spec(access, collections), "alice", "shop").unwrap()
}

fn observed(level: Option<Level>, collections: &[(&str, Level)]) -> Observed {
    let parse = |name: &str| Scope::<CollectionName>::parse(name).unwrap();
    let collections = collections.iter().map(|(name, level)| (parse(name), *level)).collect();
    Observed {
        user: true,
        database: true,
        entry: Entry { level, collections },
        fallback: Level::None,
        wider: Wider::NOTHING,
    }
}

fn memory(access: bool, collections: &[&str], restore: Option<&[(&str, Level)]>) -> PermissionMemory {
    PermissionMemory {
        row: Some(RowName { user: "alice".into(), database: "shop".into() }),
        applied: Applied { access, collections: collections.iter().map(|name| (*name).to_owned()).collect() },
        restore: restore.map(|list| list.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()),
    }
}

/// The plan's changes in short, each with its reason; bookkeeping of what is declared left out.
fn told(plan: &Plan<super::plan::Action>) -> Vec<(String, Because)> {
    let shown = plan.steps.iter().filter(|step| !matches!(step.action.change, Change::Remember(_)));
    let tell = |change: &Change| match change {
        Change::Remember(_) => "remember".to_owned(),
        Change::Record(list) => format!("record {}", list.keys().cloned().collect::<Vec<_>>().join(" ")),
        Change::Forget => "forget".to_owned(),
        Change::Grant(level) => format!("grant {level}"),
        Change::Revoke => "revoke".to_owned(),
        Change::GrantCollection(name, level) => format!("grant {name} {level}"),
        Change::Restore(name, level) => format!("restore {name} {level}"),
        Change::RevokeCollection(name) => format!("revoke {name}"),
    };
    shown.map(|step| (tell(&step.action.change), step.because)).collect()
}

#[track_caller]
fn check(plan: &Plan<super::plan::Action>, expected: &[(&str, Because)]) {
    let expected: Vec<_> =
        expected.iter().map(|(change, because)| ((*change).to_owned(), *because)).collect();
    assert_eq!(told(plan), expected);
}

use Because::{Bookkeeping, Deleted, Differs, Interrupted, Missing, NoLongerDeclared};
use Level::{None as No, Ro, Rw};

#[test]
fn what_is_declared_is_granted_and_the_reason_tells_missing_from_different() {
    let mine = memory(true, &["orders"], None);
    let want = row(Some(Rw), &[("orders", Ro)]);
    check(&plan(&want, &observed(None, &[]), &mine), &[("grant rw", Missing), ("grant orders ro", Missing)]);
    let other = observed(Some(Ro), &[("orders", No)]);
    check(&plan(&want, &other, &mine), &[("grant rw", Differs), ("grant orders ro", Differs)]);
    assert!(plan(&want, &observed(Some(Rw), &[("orders", Ro)]), &mine).is_empty());
}

#[test]
fn taking_the_level_away_records_what_stays_and_puts_it_back() {
    let now = observed(Some(Rw), &[("orders", Ro), ("items", Rw), ("ours", Ro)]);
    let plan = plan(&row(None, &[("orders", Rw)]), &now, &memory(true, &["orders", "ours"], None));
    let expected = [
        ("record items orders", Bookkeeping),
        ("revoke", NoLongerDeclared),
        ("restore items rw", NoLongerDeclared),
        ("grant orders rw", NoLongerDeclared),
        ("forget", Bookkeeping),
    ];
    check(&plan, &expected);
}

#[test]
fn an_interrupted_revoke_goes_on_from_its_record() {
    let mine = memory(true, &[], Some(&[("items", Rw), ("orders", Ro)]));
    let gone = observed(None, &[("orders", Ro)]);
    let expected = [("restore items rw", Interrupted), ("forget", Interrupted)];
    check(&removal(&row(Some(Rw), &[]), &gone, &mine), &expected);
    // Cut off before the revoke: nothing was taken along yet.
    let there = observed(Some(Rw), &[("items", Rw), ("orders", Ro)]);
    let plan = removal(&row(Some(Rw), &[]), &there, &mine);
    assert_eq!(told(&plan)[0], ("forget".to_owned(), Interrupted));
    assert!(told(&plan).contains(&("revoke".to_owned(), Deleted)));
}

#[test]
fn an_interrupted_revoke_puts_back_what_it_took_even_if_the_level_was_granted_anew() {
    let mine = memory(false, &[], Some(&[("items", Rw)]));
    let expected = [("restore items rw", Interrupted), ("forget", Interrupted)];
    check(&removal(&row(Some(Rw), &[]), &observed(Some(Ro), &[]), &mine), &expected);
}

#[test]
fn what_a_resumed_row_declares_is_granted_as_declared_so_that_it_is_waited_for() {
    let mine = memory(true, &["orders"], Some(&[("orders", Ro)]));
    let plan = plan(&row(None, &[("orders", Rw)]), &observed(None, &[]), &mine);
    check(&plan, &[("grant orders rw", Interrupted), ("forget", Interrupted)]);
}

#[test]
fn the_wildcards_collection_level_is_taken_away_although_no_listing_shows_it() {
    let any =
        |access, collections: &[(&str, Level)]| desired(&spec(access, collections), "alice", "*").unwrap();
    let plan = plan(&any(Some(Ro), &[]), &observed(Some(Ro), &[]), &memory(true, &["*"], None));
    check(&plan, &[("revoke *", NoLongerDeclared)]);
}

#[test]
fn taking_away_what_held_a_wider_right_back_is_told_as_a_risk() {
    let risk = |level, fallback, collections: &[(&str, Level)], mine: &[&str]| {
        let now = Observed { fallback, ..observed(level, collections) };
        let plan =
            removal(&row(Some(Rw), &[]), &now, &memory(level.is_some() && mine.is_empty(), mine, None));
        plan.steps.iter().map(|step| step.risk).max_by_key(|risk| *risk == Risk::RaisesRights).unwrap()
    };
    for (found, expected) in [
        (risk(Some(No), Ro, &[], &[]), Risk::RaisesRights),
        (risk(Some(Ro), Rw, &[], &[]), Risk::RaisesRights),
        (risk(Some(Rw), Ro, &[], &[]), Risk::Removes),
        (risk(None, No, &[("orders", No)], &["orders"]), Risk::RaisesRights),
        (risk(Some(Rw), No, &[("orders", Ro)], &["orders"]), Risk::RaisesRights),
        (risk(Some(Ro), No, &[("orders", Rw)], &["orders"]), Risk::Removes),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_row_waits_for_user_and_database_by_name() {
    for (user, database, reason, name) in
        [(false, true, Reason::UserMissing, "alice"), (true, false, Reason::DatabaseMissing, "shop")]
    {
        let now = Observed { user, database, ..observed(None, &[]) };
        let plan = plan(&row(Some(Rw), &[]), &now, &PermissionMemory::default());
        let hold = plan.hold.unwrap();
        assert_eq!((plan.steps.len(), hold.reason), (0, reason));
        assert!(hold.message.contains(name), "{}", hold.message);
    }
}

#[test]
fn rows_that_cannot_be_are_refused_with_a_sentence() {
    for (access, collections, database, part) in [
        (None, &[][..], "shop", "set spec.access"),
        (None, &[("_users", Ro)], "shop", "system collection"),
        (None, &[("orders", Ro)], "*", "wildcard database"),
        (None, &[("20", Ro)], "shop", "starts with a digit"),
        (Some(Ro), &[], "a/b", "slash"),
    ] {
        let hold = desired(&spec(access, collections), "alice", database).unwrap_err();
        assert_eq!(hold.reason, Reason::Invalid);
        assert!(hold.message.contains(part), "{}", hold.message);
    }
}
