//! Effective levels by a second rule, written down without a look at the first: every right that could apply is listed
//! with the number of the step at which it does, and the first step that says anything decides.

use std::collections::BTreeMap;

use proptest::{collection::btree_map, prelude::*, sample::select};

use super::*;
use crate::stand_in::model::Entry;

/// What is granted, by `database` or `database/collection`.
type Grants = BTreeMap<&'static str, Level>;

const DATABASES: [&str; 4] = ["_system", "shop", "vault", "missing"];
const COLLECTIONS: [&str; 6] = ["orders", "bills", "_users", "_queues", "_frontend", "_graphs"];

fn best<const N: usize>(grants: &Grants, names: [&str; N]) -> Option<Level> {
    names.iter().filter_map(|name| grants.get(name).copied()).max()
}

fn database(grants: &Grants, name: &'static str) -> Level {
    let steps =
        [best(grants, [name]), best(grants, if name == "_system" { ["*", "*"] } else { ["*", "_system"] })];
    steps.into_iter().flatten().next().unwrap_or(Level::None)
}

fn collection(grants: &Grants, base: &'static str, name: &'static str) -> Level {
    let fixed = match name {
        "_users" if base == "_system" => Some(Level::None),
        "_queues" => Some(Level::Ro),
        "_frontend" => Some(Level::Rw),
        name if name.starts_with('_') => Some(database(grants, base)),
        _ => None,
    };
    let (own, any) = (format!("{base}/{name}"), format!("{base}/*"));
    let steps = [fixed, best(grants, [&own]), best(grants, [base, &any, "_system", "*", "*/*"])];
    steps.into_iter().flatten().next().unwrap_or(Level::None)
}

fn entries(grants: &Grants) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::<String, Entry>::new();
    for (what, level) in grants {
        match what.split_once('/') {
            None => entries.entry((*what).to_owned()).or_default().level = Some(*level),
            Some((database, collection)) => {
                let entry = entries.entry(database.to_owned()).or_default();
                entry.collections.insert(collection.to_owned(), *level);
            }
        }
    }
    entries
}

fn grants() -> impl Strategy<Value = Grants> {
    let what = [
        "*",
        "_system",
        "shop",
        "vault",
        "missing",
        "*/*",
        "_system/*",
        "shop/*",
        "shop/orders",
        "shop/bills",
        "vault/orders",
        "_system/orders",
    ];
    btree_map(select(what.to_vec()), select(vec![Level::None, Level::Ro, Level::Rw]), 0..8)
}

proptest! {
    #[test]
    fn effective_levels_agree_with_the_naive_rule(grants in grants()) {
        let mut model = model();
        model.add_user("alice");
        prop_assert!(model.set_grants("alice", entries(&grants)));
        for name in DATABASES {
            prop_assert_eq!(model.effective_database_level("alice", name), database(&grants, name));
            for inside in COLLECTIONS {
                let wanted = collection(&grants, name, inside);
                prop_assert_eq!(model.effective_collection_level("alice", name, inside), wanted, "{}/{}", name, inside);
            }
        }
    }

    #[test]
    fn what_is_dropped_takes_its_own_grants_along_and_no_others(
        grants in grants(),
        dropped in select(vec!["shop", "shop/orders"]),
    ) {
        let mut model = model();
        model.add_user("alice");
        model.add_database("shop");
        model.add_collection("shop", "orders");
        model.set_grants("alice", entries(&grants));
        let path = match dropped.split_once('/') {
            None => format!("/_api/database/{dropped}"),
            Some((database, collection)) => format!("/_db/{database}/_api/collection/{collection}"),
        };
        is(&model.root(Request::delete(path)), 200, 0);
        let under = format!("{dropped}/");
        let kept = grants.into_iter().filter(|(what, _)| *what != dropped && !what.starts_with(&under)).collect();
        prop_assert_eq!(model.grants("alice"), Some(&entries(&kept)));
    }
}
