//! Rows: the laws, and what they alone have.

use std::collections::BTreeSet;

use arango_operator::{
    core::{
        Level, Reason, RemovalPolicy,
        condition::{ConditionStatus, EFFECTIVE},
    },
    kinds::{
        permission::{
            Permission,
            crd::{ArangoPermission, ArangoPermissionSpec},
        },
        schema::ClusterRef,
    },
    stand_in::{Model, Now, Request},
};
use proptest::{option, prelude::*, sample::select};
use serde_json::json;

use super::{
    generate::{self, Change, DATABASES, create_collection, grantable, segment, set_level},
    law::{self, Law, Result, Run, Story},
    world::Cut,
};

impl Law for Permission {
    fn declared(mut before: Model, history: &[ArangoPermission]) -> Model {
        let Some((user, database)) = row(&before, &history[0]) else { return before };
        let (access, collections) = ever(history);
        let spec = &history.last().unwrap().spec;
        if access {
            set_level(&mut before, &user, &database, None, spec.access);
        }
        for name in collections {
            if grantable(&before, &database, Some(&name)) {
                set_level(&mut before, &user, &database, Some(&name), spec.collections.get(&name).copied());
            }
        }
        before
    }

    fn removed(mut before: Model, history: &[ArangoPermission]) -> Model {
        let Some((user, database)) = row(&before, &history[0]) else { return before };
        let (access, collections) = ever(history);
        if access {
            set_level(&mut before, &user, &database, None, None);
        }
        for name in collections {
            set_level(&mut before, &user, &database, Some(&name), None);
        }
        before
    }

    fn claims(resource: &ArangoPermission, change: &Change) -> bool {
        let ArangoPermissionSpec { user, database, access, collections, .. } = &resource.spec;
        match change {
            Change::Level { user: whose, database: place, collection, .. } => {
                user.as_deref() == Some(whose)
                    && database.as_deref() == Some(place)
                    && collection.map_or(access.is_some(), |name| collections.contains_key(name))
            }
            _ => false,
        }
    }
}

/// User and database, if both are there: otherwise the row waits.
fn row(model: &Model, resource: &ArangoPermission) -> Option<(String, String)> {
    let (user, database) = (resource.spec.user.clone().unwrap(), resource.spec.database.clone().unwrap());
    (model.user(&user).is_some() && grantable(model, &database, None)).then_some((user, database))
}

/// Whether a database level was ever declared, and which collection levels.
fn ever(history: &[ArangoPermission]) -> (bool, BTreeSet<String>) {
    let access = history.iter().any(|resource| resource.spec.access.is_some());
    (access, history.iter().flat_map(|resource| resource.spec.collections.keys().cloned()).collect())
}

fn specs(steps: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<ArangoPermission>> {
    let step = (option::weighted(0.6, generate::level()), generate::collections());
    let user = select(vec!["alice", "alice", "alice", generate::USERS[2]]);
    let steps = prop::collection::vec(step, steps);
    (user, generate::row_database(), generate::policy(), steps).prop_map(|(user, database, policy, steps)| {
        let spec = |(access, collections): (Option<Level>, std::collections::BTreeMap<&str, Level>)| {
            let names = collections.into_iter().filter(|(name, _)| database != "*" || *name == "*");
            let collections: std::collections::BTreeMap<_, _> =
                names.map(|(name, level)| (name.to_owned(), level)).collect();
            ArangoPermissionSpec {
                cluster_ref: ClusterRef { name: "prod".into(), namespace: None },
                user: Some(user.to_owned()),
                user_ref: None,
                database: Some(database.to_owned()),
                database_ref: None,
                // A row without any level is refused.
                access: access.or(collections.is_empty().then_some(Level::Ro)),
                collections,
                deletion_policy: policy,
                drift: None,
            }
        };
        steps.into_iter().map(|step| ArangoPermission::new("row", spec(step))).collect()
    })
}

pub(crate) fn story() -> impl Strategy<Value = Story<Permission>> {
    law::story(specs(1..5))
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn a_row_that_is_only_observed_changes_nothing_and_says_what_would_be_done(story in story()) {
        law::observes(&story)?;
    }

    #[test]
    fn a_row_converges_whatever_was_declared_before(story in story()) {
        law::converges(&story)?;
    }

    #[test]
    fn a_row_survives_being_cut_off_anywhere(story in story(), cuts in generate::cuts()) {
        law::survives(&story, &cuts)?;
    }

    #[test]
    fn deleting_a_row_takes_what_was_set_and_nothing_else_even_if_cut_off(
        story in story(), cuts in generate::cuts(),
    ) {
        law::deletion_survives(&story, &cuts)?;
    }

    #[test]
    fn a_row_that_is_deleted_in_the_middle_of_a_pass_loses_nobodys_rights(
        story in story(), cuts in generate::cuts(),
    ) {
        law::hands_off_when_deleted_in_between(&story, &cuts)?;
    }

    #[test]
    fn what_is_known_of_a_row_is_what_a_fresh_read_says(story in story(), cuts in generate::cuts()) {
        law::remembers_truly(&story, &cuts)?;
    }

    #[test]
    fn a_row_undoes_one_change_of_its_own_with_one_action_and_leaves_others_alone(
        story in story(), change in generate::change(),
    ) {
        law::sees(&story, &change)?;
    }

    #[test]
    fn a_row_says_when_it_cannot_take_effect(story in story()) {
        tells_what_takes_effect(&story)?;
    }

    #[test]
    fn a_row_waits_for_its_collections_and_goes_on_when_they_are_there(story in story()) {
        waits(&story)?;
    }
}

/// The level that the server answers, whoever asks.
fn answered(model: &Model, user: &str, database: &str, collection: Option<&str>) -> Level {
    let segments = std::iter::once(database).chain(collection).map(segment).collect::<Vec<_>>().join("/");
    let path = format!("/_api/user/{}/database/{segments}?configured=true", segment(user));
    let answer = model.clone().handle_as_superuser(&Request::get(path), Now(1.8e9)).json();
    serde_json::from_value(answer["result"].clone()).unwrap()
}

/// Why the row can't take effect, by what the server answers about things that have no level of their own.
fn hindrance(model: &Model, spec: &ArangoPermissionSpec) -> Option<Reason> {
    const NOBODYS: &str = "nobody";
    let (user, database) = (spec.user.as_deref().unwrap(), spec.database.as_deref().unwrap());
    let any = spec.collections.get("*").copied();
    let open = database == "*" || answered(model, user, database, None) > Level::None;
    let overridden = if database == "*" {
        let elsewhere = |collection| answered(model, user, NOBODYS, collection);
        spec.access.is_some_and(|level| elsewhere(None) > level)
            || any.is_some_and(|level| elsewhere(Some(NOBODYS)) > level)
    } else {
        // What reaches the collections without the row's own levels on them.
        let mut without = model.clone();
        set_level(&mut without, user, database, Some("*"), None);
        let leaks = |level: Level| answered(&without, user, database, Some(NOBODYS)) > level;
        spec.access.is_some_and(|level| level > Level::None && leaks(level))
            || any.is_some_and(|level| open && answered(model, user, database, Some(NOBODYS)) > level)
    };
    if overridden {
        return Some(Reason::Overridden);
    }
    let of_use = spec.collections.values().any(|level| *level > Level::None);
    (!open && of_use).then_some(Reason::DatabaseClosed)
}

fn tells_what_takes_effect(story: &Story<Permission>) -> Result {
    let mut run = Run::new(&story.keeping(false));
    run.declare(&story.history);
    let verdict = run.pass(None).unwrap().verdict;
    prop_assume!(verdict.is_ready());
    let said = verdict.also.iter().find(|said| said.type_ == EFFECTIVE);
    let expected = hindrance(&run.world.now(), &story.history.last().unwrap().spec);
    prop_assert_eq!(said.map(|said| said.reason), expected, "{:?}", said);
    prop_assert!(said.is_none_or(|said| said.status == ConditionStatus::False));
    Ok(())
}

/// Every combination of levels on a database, its collections and whatever is wider, and every row that can be
/// declared among them.
#[test]
fn a_row_says_that_it_takes_effect_exactly_where_the_server_says_so() {
    let mut empty = generate::empty();
    generate::create_user(&mut empty, "alice", "x", true);
    generate::create_database(&mut empty, "shop");
    create_collection(&mut empty, "shop", "orders");
    let levels = [None, Some(Level::None), Some(Level::Ro), Some(Level::Rw)];
    let mut counts = std::collections::BTreeMap::new();
    for case in 0..4_usize.pow(5) {
        let level = |digit: u32| levels[case / 4_usize.pow(digit) % 4];
        let mut server = empty.clone();
        set_level(&mut server, "alice", "*", None, level(0));
        set_level(&mut server, "alice", "_system", None, level(1));
        set_level(&mut server, "alice", "*", Some("*"), level(2));
        let declarations = [
            json!({"database": "shop", "access": level(3), "collections": level(4).map(|l| json!({"*": l}))}),
            json!({"database": "shop", "access": level(3), "collections": level(4).map(|l| json!({"orders": l}))}),
            json!({"database": "*", "access": level(3), "collections": level(4).map(|l| json!({"*": l}))}),
            json!({"database": "_system", "access": level(3), "collections": level(4).map(|l| json!({"*": l}))}),
        ];
        for mut spec in declarations {
            spec["clusterRef"] = json!({"name": "c"});
            spec["user"] = json!("alice");
            spec["collections"] = spec["collections"].as_object().map_or(json!({}), |map| json!(map));
            if spec["access"].is_null() && spec["collections"] == json!({}) {
                continue;
            }
            let row = ArangoPermission::new("row", serde_json::from_value(spec.clone()).unwrap());
            let story = Story::<Permission> { server: server.clone(), history: vec![row], keeps: false };
            let mut run = Run::new(&story);
            let verdict = run.pass(None).unwrap().verdict;
            assert!(verdict.is_ready(), "{story:?}");
            let said = verdict.also.iter().find(|said| said.type_ == EFFECTIVE).map(|said| said.reason);
            assert_eq!(
                said,
                hindrance(&run.world.now(), &story.history[0].spec),
                "{story:?} {:?}",
                verdict.also
            );
            *counts.entry(format!("{said:?}")).or_insert(0) += 1;
        }
    }
    assert!(counts.len() == 3 && counts.values().all(|count| *count > 50), "{counts:?}");
}

/// Every place where a pass can be cut off, once or twice in a row.
fn every_cut() -> impl Iterator<Item = Vec<Cut>> {
    let cuts = move || {
        (0..14_usize).flat_map(|after| {
            [(true, true), (true, false), (false, true), (false, false)].map(|(carried_out, dies)| Cut {
                after,
                carried_out,
                dies,
            })
        })
    };
    // Twice in a row: what resumes dies as well, with its request carried out.
    let deadly = move || cuts().filter(|cut| cut.carried_out && cut.dies);
    cuts()
        .map(|cut| vec![cut])
        .chain(deadly().flat_map(move |first| deadly().map(move |second| vec![first, second])))
}

/// Rights that nobody declares, under a database level that is taken away: by the spec, or with the row.
#[test]
fn a_revoke_that_is_cut_off_anywhere_loses_nobodys_rights() {
    let mut server = generate::empty();
    generate::create_user(&mut server, "alice", "x", true);
    generate::create_database(&mut server, "shop");
    for (name, level) in [("orders", Level::Ro), ("items", Level::None)] {
        create_collection(&mut server, "shop", name);
        set_level(&mut server, "alice", "shop", Some(name), Some(level));
    }
    let spec = |access, policy: Option<RemovalPolicy>| {
        let mut spec = json!({"clusterRef": {"name": "c"}, "user": "alice", "database": "shop",
            "access": access, "collections": {"items": "rw"}});
        spec["deletionPolicy"] = json!(policy);
        ArangoPermission::new("row", serde_json::from_value(spec).unwrap())
    };
    for policy in [None, Some(RemovalPolicy::Retain), Some(RemovalPolicy::Delete)] {
        for cuts in every_cut() {
            for keeps in [false, true] {
                let story = |history| Story::<Permission> { server: server.clone(), history, keeps };
                let taken = story(vec![spec(Some("rw"), policy), spec(None, policy)]);
                law::survives(&taken, &cuts)
                    .map_err(|error| format!("{policy:?} {cuts:?}: {error}"))
                    .unwrap();
                law::hands_off_when_deleted_in_between(&taken, &cuts)
                    .map_err(|error| format!("deleted in between, {policy:?} {cuts:?}: {error}"))
                    .unwrap();
                let deleted = story(vec![spec(Some("rw"), policy)]);
                law::deletion_survives(&deleted, &cuts)
                    .map_err(|error| format!("deleted, {policy:?} {cuts:?}: {error}"))
                    .unwrap();
            }
        }
    }
}

fn waits(story: &Story<Permission>) -> Result {
    let mut run = Run::new(&story.keeping(false));
    run.declare(&story.history);
    let spec = &story.history.last().unwrap().spec;
    let Some((_, database)) = row(&story.server, &story.history[0]) else { return Ok(()) };
    let missing: Vec<_> = spec
        .collections
        .keys()
        .filter(|name| !grantable(&story.server, &database, Some(name.as_str())))
        .cloned()
        .collect();
    let verdict = run.pass(None).unwrap().verdict;
    prop_assert_eq!(
        verdict.reason,
        if missing.is_empty() { Reason::Ready } else { Reason::CollectionMissing }
    );
    let mut expected = run.world.now();
    for name in &missing {
        prop_assert!(DATABASES.contains(&&*database) || database == "_system");
        create_collection(&mut run.world.model.lock(), &database, name);
        create_collection(&mut expected, &database, name);
        let level = spec.collections.get(name).copied();
        set_level(&mut expected, spec.user.as_ref().unwrap(), &database, Some(name), level);
    }
    prop_assert!(run.pass(None).unwrap().verdict.is_ready());
    prop_assert_eq!(generate::normal(&run.world.now()), generate::normal(&expected));
    Ok(())
}
