use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CLUSTER: &str = "databases/prod";

fn rule(databases: &[&str], users: &[&str], max_access: Level) -> Rule {
    Rule {
        databases: databases.iter().map(|glob| Glob::normalised(glob)).collect(),
        users: users.iter().map(|glob| Glob::new(glob)).collect(),
        max_access,
        adopt: false,
        wildcard: Level::None,
        system: Level::None,
    }
}

fn shop(max_access: Level) -> Rule {
    rule(&["shop-*"], &["shop-*"], max_access)
}

fn lent(rules: impl IntoIterator<Item = Rule>) -> Access {
    Access::Lent(Loan {
        cluster: Id::new("databases", "prod"),
        namespace: "shop".into(),
        rules: rules.into_iter().map(Arc::new).collect(),
    })
}

fn database(name: &str) -> DatabaseName {
    DatabaseName::from_server(name)
}

fn scope(name: &str) -> Scope<DatabaseName> {
    if name == "*" { Scope::Any } else { Scope::Named(database(name)) }
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

/// `DATABASE` or `DATABASE/COLLECTION`, and a level.
fn rights(levels: &[(&str, Level)]) -> Rights {
    let mut rights = Rights::default();
    for (place, level) in levels {
        let (database, collection) = place.split_once('/').map_or((*place, None), |(d, c)| (d, Some(c)));
        let entry = rights.0.entry(scope(database)).or_default();
        match collection {
            None => entry.level = Some(*level),
            Some(name) => {
                entry.collections.insert(Scope::<CollectionName>::parse(name).unwrap(), *level);
            }
        }
    }
    rights
}

struct Row<'a> {
    place: &'a str,
    before: &'a [(&'a str, Level)],
    after: &'a [(&'a str, Level)],
}

impl Row<'_> {
    fn judged(&self, access: &Access, deleting: bool) -> Result<(), Hold> {
        let (user, place) = (user("shop-app"), scope(self.place));
        let (before, after) = (rights(self.before), rights(self.after));
        let subject = Subject::Row(&user, &place);
        access.judge(&Case { subject, adopts: false, deleting, before: &before, after: &after })
    }

    fn declared(&self, access: &Access) -> Result<(), Hold> {
        self.judged(access, false)
    }

    fn removed(&self, access: &Access) -> Result<(), Hold> {
        self.judged(access, true)
    }
}

#[test]
fn a_namespace_that_no_rule_selects_may_do_nothing_and_is_told_so() {
    let hold = lent([]).admits(Subject::Database(&database("shop-a"))).unwrap_err();
    assert_eq!(hold.reason, Reason::AccessDenied);
    assert!(hold.message.contains("namespace shop") && hold.message.contains(CLUSTER), "{hold}");
    assert!(Access::All.admits(Subject::Database(&database("anything"))).is_ok());
}

#[test]
fn names_are_lent_by_globs_and_an_absent_list_matches_nothing() {
    let access = lent([shop(Level::Rw)]);
    assert!(access.admits(Subject::Database(&database("shop-a"))).is_ok());
    assert!(access.admits(Subject::User(&user("shop-app"))).is_ok());
    let hold = access.admits(Subject::Database(&database("billing"))).unwrap_err();
    for part in ["billing", "shop-*", CLUSTER] {
        assert!(hold.message.contains(part), "{hold}");
    }
    assert!(access.admits(Subject::User(&user("root"))).is_err());
    let users_alone = lent([rule(&[], &["*"], Level::Rw)]);
    assert!(users_alone.admits(Subject::Database(&database("shop-a"))).is_err());
    assert!(users_alone.admits(Subject::User(&user("anybody"))).is_ok());
    let (user, place) = (user("anybody"), scope("shop-a"));
    assert!(users_alone.admits(Subject::Row(&user, &place)).is_err());
}

#[test]
fn user_and_database_of_a_row_must_be_of_one_rule() {
    let access = lent([rule(&["shop-*"], &["shop-*"], Level::Rw), rule(&["shared"], &["reader"], Level::Ro)]);
    let admits = |name: &str, place: &str| access.admits(Subject::Row(&user(name), &scope(place))).is_ok();
    assert!(admits("shop-app", "shop-a") && admits("reader", "shared"));
    assert!(!admits("shop-app", "shared") && !admits("reader", "shop-a"));
    assert_eq!(access.limit(&user("reader"), &scope("shared")), Some(Level::Ro));
    assert_eq!(access.limit(&user("reader"), &scope("shop-a")), None);
}

#[test]
fn globs_never_match_the_system_database_nor_the_wildcard() {
    let access = lent([rule(&["*", "_system", "_*", "?system"], &["*"], Level::Rw)]);
    assert!(access.admits(Subject::Database(&DatabaseName::system())).is_err());
    for place in ["_system", "*"] {
        assert_eq!(access.limit(&user("shop-app"), &scope(place)), Some(Level::None), "{place}");
        let row = Row { place, before: &[], after: &[(place, Level::Ro)] };
        let hold = row.declared(&access).unwrap_err();
        assert!(hold.message.contains(if place == "*" { "wildcard" } else { "system" }), "{hold}");
        let row = Row { place, before: &[], after: &[(place, Level::None)] };
        assert!(row.declared(&access).is_ok(), "an explicit none is not above none");
    }
}

#[test]
fn a_row_ends_with_no_more_than_is_lent_whatever_it_comes_from() {
    use Level::{None, Ro, Rw};
    let access = lent([shop(Ro)]);
    let refused: &[(&[(&str, Level)], &str)] = &[
        (&[("shop-a", Rw)], "rw on shop-a"),
        (&[("shop-a", Ro), ("shop-a/orders", Rw)], "rw on shop-a/orders"),
        (&[("shop-a", Ro), ("shop-a/*", Rw)], "rw on the collections of shop-a"),
        // Set out of reach, which the next right brings into reach.
        (&[("shop-a", None), ("shop-a/orders", Rw)], "rw on shop-a/orders"),
        (&[("shop-a/orders", Rw)], "rw on shop-a/orders"),
    ];
    for (after, part) in refused {
        let hold = Row { place: "shop-a", before: &[], after }.declared(&access).unwrap_err();
        assert!(hold.message.contains(part) && hold.message.contains("at most ro"), "{after:?}: {hold}");
        assert!(Row { place: "shop-a", before: &[], after }.declared(&lent([shop(Rw)])).is_ok());
    }
    // What somebody else gave counts as well, as soon as it can be reached.
    let others: &[&[(&str, Level)]] =
        &[&[("*", Rw)], &[("*/*", Rw)], &[("_system", Rw)], &[("shop-a/orders", Rw)]];
    for others in others {
        let with = |level| [*others, &[("shop-a", level)]].concat();
        let hold = Row { place: "shop-a", before: others, after: &with(Ro) }.declared(&access).unwrap_err();
        assert!(hold.message.contains("end with rw"), "{others:?}: {hold}");
        assert!(Row { place: "shop-a", before: others, after: &with(None) }.declared(&access).is_ok());
    }
}

#[test]
fn a_wildcard_right_must_not_make_an_administrator() {
    let wildcard = lent([Rule { wildcard: Level::Rw, ..shop(Level::Rw) }]);
    let row = Row { place: "*", before: &[], after: &[("*", Level::Rw)] };
    let hold = row.declared(&wildcard).unwrap_err();
    assert!(hold.message.contains("on _system (system of spec.access)"), "{hold}");
    let shut = [("_system", Level::None)];
    let row = Row { place: "*", before: &shut, after: &[("_system", Level::None), ("*", Level::Rw)] };
    assert!(row.declared(&wildcard).is_ok());
    // Taking the shutter away again would open what it shut.
    let both = [("_system", Level::None), ("*", Level::Rw)];
    let row = Row { place: "_system", before: &both, after: &[("*", Level::Rw)] };
    assert!(row.declared(&wildcard).is_err());
    let hold = row.removed(&wildcard).unwrap_err();
    assert!(hold.message.contains("so it stays"), "{hold}");
}

#[test]
fn a_removal_that_would_raise_a_level_too_far_leaves_the_entry_and_any_other_goes() {
    use Level::{None, Ro, Rw};
    let access = lent([shop(Ro)]);
    let wide = ("*", Rw);
    let row = Row { place: "shop-a", before: &[wide, ("shop-a", None)], after: &[wide] };
    assert!(row.removed(&access).unwrap_err().message.contains("rw on shop-a"));
    let row = Row {
        place: "shop-a",
        before: &[("shop-a", Ro), ("shop-a/*", Rw), ("shop-a/orders", None)],
        after: &[("shop-a", Ro), ("shop-a/*", Rw)],
    };
    assert!(row.removed(&access).unwrap_err().message.contains("shop-a/orders"));
    // Too high already, and no higher afterwards.
    let row = Row { place: "shop-a", before: &[wide, ("shop-a", Rw)], after: &[wide] };
    assert!(row.removed(&access).is_ok());
    let row = Row { place: "shop-a", before: &[("shop-a", Rw)], after: &[] };
    assert!(row.removed(&access).is_ok());
}

#[test]
fn what_exists_is_taken_over_only_where_a_rule_says_so_and_no_user_with_more_than_is_lent() {
    let names = (database("shop-a"), user("shop-app"), scope("shop-a"));
    let judge = |access: &Access, subject, has: &[(&str, Level)]| {
        let has = rights(has);
        access.judge(&Case { subject, adopts: true, deleting: false, before: &has, after: &has })
    };
    let subjects = [Subject::Database(&names.0), Subject::User(&names.1), Subject::Row(&names.1, &names.2)];
    for subject in subjects {
        let hold = judge(&lent([shop(Level::Rw)]), subject, &[]).unwrap_err();
        assert!(hold.message.contains("adopt") && hold.message.contains("there already"), "{hold}");
        assert!(judge(&lent([Rule { adopt: true, ..shop(Level::Rw) }]), subject, &[]).is_ok());
    }
    let adopting =
        lent([Rule { adopt: true, ..shop(Level::Ro) }, rule(&["billing"], &["shop-*"], Level::Rw)]);
    let subject = Subject::User(&names.1);
    assert!(judge(&adopting, subject, &[("shop-a", Level::Ro), ("billing", Level::None)]).is_ok());
    for outside in ["shop-a", "shop-a/orders", "billing", "billing/x", "*", "*/*", "_system", "hr/*"] {
        let hold = judge(&adopting, subject, &[(outside, Level::Rw)]).unwrap_err();
        assert!(hold.message.contains("has rw on"), "{outside}: {hold}");
    }
}

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::None), Just(Level::Ro), Just(Level::Rw)]
}

fn some_rights() -> impl Strategy<Value = Rights> {
    let place = prop::sample::select(vec![
        "shop-a",
        "shop-a/orders",
        "shop-a/*",
        "*",
        "*/*",
        "_system",
        "_system/*",
        "billing",
        "billing/x",
    ]);
    prop::collection::btree_map(place, level(), 0..6)
        .prop_map(|levels: BTreeMap<_, _>| rights(&levels.into_iter().collect::<Vec<_>>()))
}

fn some_rule() -> impl Strategy<Value = Rule> {
    let databases = prop::sample::subsequence(vec!["shop-*", "billing", "*"], 0..3);
    (databases, level(), level(), level(), any::<bool>()).prop_map(
        |(databases, max, wildcard, system, adopt)| Rule {
            adopt,
            wildcard: wildcard.min(max),
            system: system.min(max),
            ..rule(&databases, &["shop-*"], max)
        },
    )
}

fn place() -> impl Strategy<Value = Scope<DatabaseName>> {
    prop::sample::select(vec!["shop-a", "billing", "*", "_system"]).prop_map(scope)
}

proptest! {
    #[test]
    fn who_is_allowed_a_row_ends_with_no_more_on_it_than_is_lent(
        rules in prop::collection::vec(some_rule(), 0..3), before in some_rights(), after in some_rights(), place in place(),
    ) {
        let (access, user) = (lent(rules), user("shop-app"));
        let case = Case { subject: Subject::Row(&user, &place), adopts: false, deleting: false, before: &before, after: &after };
        if access.judge(&case).is_ok() {
            let limit = access.limit(&user, &place).unwrap();
            prop_assert!(after.effective(&place) <= limit);
            if place == Scope::Any || after.effective(&place) != Level::None {
                prop_assert!(after.on_collections(&place) <= limit);
            }
            if place == Scope::Any {
                prop_assert!(after.effective(&scope("_system")) <= access.limit(&user, &scope("_system")).unwrap());
            }
        }
    }

    #[test]
    fn a_wider_rule_or_one_more_never_takes_anything_away(
        rules in prop::collection::vec(some_rule(), 1..3), more in some_rule(),
        before in some_rights(), after in some_rights(), place in place(), deleting in any::<bool>(), adopts in any::<bool>(),
    ) {
        let user = user("shop-app");
        let case = Case { subject: Subject::Row(&user, &place), adopts, deleting, before: &before, after: &after };
        if lent(rules.clone()).judge(&case).is_ok() {
            prop_assert!(lent(rules.clone().into_iter().chain([more])).judge(&case).is_ok());
            let wider = rules.into_iter().map(|rule| Rule { max_access: Level::Rw, ..rule });
            prop_assert!(lent(wider).judge(&case).is_ok());
        }
    }

    #[test]
    fn a_removal_that_raises_nothing_is_never_held_up(rules in prop::collection::vec(some_rule(), 1..3), before in some_rights()) {
        let (access, user, place) = (lent(rules), user("shop-app"), scope("shop-a"));
        let after = Rights::default();
        let case = Case { subject: Subject::Row(&user, &place), adopts: false, deleting: true, before: &before, after: &after };
        prop_assert_eq!(access.judge(&case).is_ok(), access.admits(case.subject).is_ok());
    }

    #[test]
    fn the_owner_s_namespace_is_never_bound(before in some_rights(), after in some_rights(), place in place(), adopts in any::<bool>()) {
        let user = user("anybody");
        let case = Case { subject: Subject::Row(&user, &place), adopts, deleting: false, before: &before, after: &after };
        prop_assert!(Access::All.judge(&case).is_ok());
    }
}
