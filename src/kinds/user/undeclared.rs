//! Rights of a user that no ArangoPermission declares, and when they may be taken away. Pure.
//!
//! An explicit `none` is no right: it gives nothing, and without it a wider right could apply. It stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    core::{CollectionName, DatabaseName, Level, Rights, Scope},
    kinds::permission::crd::Applied,
};

/// A level on a database, or on a collection in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Where.
    pub database: Scope<DatabaseName>,
    /// Which collection; nothing for the database's own level.
    pub collection: Option<Scope<CollectionName>>,
    /// How much.
    pub level: Level,
}

/// Everything that some ArangoPermission names for one user, whatever state it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// What is declared can't be told: all of it.
    everything: bool,
    rows: BTreeMap<Scope<DatabaseName>, Row>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    level: bool,
    /// One of the names may mean any collection.
    all_collections: bool,
    collections: BTreeSet<Scope<CollectionName>>,
}

impl Declared {
    /// What is declared can't be told.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Adds what one resource names. `database`: nothing if it can't be told which one is meant.
    pub fn add<'a>(
        &mut self,
        database: Option<&str>,
        level: bool,
        collections: impl IntoIterator<Item = &'a String>,
    ) {
        let Some(database) = database else {
            self.everything = true;
            return;
        };
        // What can't be declared may be on the server all the same, under a name of older rules.
        let database = Scope::<DatabaseName>::parse(database)
            .unwrap_or_else(|_| Scope::Named(DatabaseName::from_server(database)));
        let row = self.rows.entry(database).or_default();
        row.level |= level;
        for collection in collections {
            match Scope::<CollectionName>::parse(collection) {
                Ok(collection) => drop(row.collections.insert(collection)),
                // A number is an id, and which collection has it isn't known here.
                Err(_) => row.all_collections = true,
            }
        }
    }

    fn covers(&self, right: &Right) -> bool {
        let row = self.rows.get(&right.database);
        self.everything
            || row.is_some_and(|row| match &right.collection {
                None => row.level,
                Some(collection) => row.all_collections || row.collections.contains(collection),
            })
    }
}

/// The rights that nobody declares. `wildcard`: the level on `*/*`, which the listing never shows.
pub fn undeclared(rights: &Rights, wildcard: Level, declared: &Declared) -> BTreeSet<Right> {
    let mut found = BTreeSet::new();
    for (database, entry) in &rights.0 {
        let right = |collection, level| Right { database: database.clone(), collection, level };
        found.extend(entry.level.map(|level| right(None, level)));
        let collections = entry.collections.iter();
        found.extend(collections.map(|(name, level)| right(Some(name.clone()), *level)));
    }
    found.insert(Right { database: Scope::Any, collection: Some(Scope::Any), level: wildcard });
    found.retain(|right| {
        // Levels on system collections can't be changed: ArangoDB derives them from the database.
        let is_system = |scope: &Scope<CollectionName>| scope.named().is_some_and(CollectionName::is_system);
        right.level != Level::None
            && !right.collection.as_ref().is_some_and(is_system)
            && !declared.covers(right)
    });
    found
}

/// The rights by row, as what is to be taken away from it.
pub fn by_row(rights: &BTreeSet<Right>) -> BTreeMap<Scope<DatabaseName>, Applied> {
    let mut rows = BTreeMap::<_, Applied>::new();
    for Right { database, collection, .. } in rights {
        let row = rows.entry(database.clone()).or_default();
        match collection {
            None => row.access = true,
            Some(collection) => row.collections.push(collection.to_string()),
        }
    }
    rows
}

/// Rights that nobody declared when they were last looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    seen: Instant,
    rights: BTreeSet<Right>,
}

impl Suspicion {
    /// Whether a read that begins then is another evidence than the one before: a whole interval later.
    pub fn is_ripe(&self, began: Instant, interval: Duration) -> bool {
        began >= self.seen + interval
    }
}

/// Two looks in a row, a whole interval apart, must show a right before it is taken away. `began`: the read began then
/// or later; `seen`: it had ended then. Tells what is suspected from now on, and what is to be taken away.
pub fn judge(
    before: Option<&Suspicion>,
    found: BTreeSet<Right>,
    (began, seen): (Instant, Instant),
    interval: Duration,
) -> (Option<Suspicion>, BTreeSet<Right>) {
    let Some(before) = before else {
        return ((!found.is_empty()).then_some(Suspicion { seen, rights: found }), BTreeSet::new());
    };
    if !before.is_ripe(began, interval) {
        return (Some(before.clone()), BTreeSet::new());
    }
    let (confirmed, new): (BTreeSet<_>, BTreeSet<_>) =
        found.into_iter().partition(|right| before.rights.contains(right));
    ((!new.is_empty()).then_some(Suspicion { seen, rights: new }), confirmed)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, option, prelude::*, sample::select};

    use super::*;
    use crate::core::Entry;

    const DATABASES: [&str; 3] = ["shop", "vault", "*"];
    const COLLECTIONS: [&str; 4] = ["orders", "items", "_system", "*"];
    const INTERVAL: Duration = Duration::from_secs(60);

    fn database(name: &str) -> Scope<DatabaseName> {
        Scope::<DatabaseName>::parse(name).unwrap()
    }

    fn collection(name: &str) -> Scope<CollectionName> {
        Scope::<CollectionName>::parse(name).unwrap()
    }

    fn level() -> impl Strategy<Value = Level> {
        select(vec![Level::None, Level::Ro, Level::Rw])
    }

    fn rights() -> impl Strategy<Value = Rights> {
        let collections = btree_map(select(&COLLECTIONS[..]), level(), 0..4);
        btree_map(select(&DATABASES[..]), (option::of(level()), collections), 0..4).prop_map(|rows| {
            let entry = |(level, collections): (_, BTreeMap<&str, Level>)| Entry {
                level,
                collections: collections.into_iter().map(|(name, level)| (collection(name), level)).collect(),
            };
            Rights(rows.into_iter().map(|(name, row)| (database(name), entry(row))).collect())
        })
    }

    type Named = (Option<&'static str>, bool, Vec<String>);

    fn declarations() -> impl Strategy<Value = Vec<Named>> {
        let name = prop_oneof![9 => select(&DATABASES[..]).prop_map(Some), 1 => Just(None)];
        let collections = prop::collection::vec(select(&COLLECTIONS[..]).prop_map(str::to_owned), 0..3);
        prop::collection::vec((name, any::<bool>(), collections), 0..4)
    }

    fn declared(all: &[Named]) -> Declared {
        let mut declared = Declared::default();
        for (database, level, collections) in all {
            declared.add(*database, *level, collections);
        }
        declared
    }

    /// The rights without these.
    fn without(rights: &Rights, taken: &BTreeSet<Right>) -> Rights {
        let mut left = rights.clone();
        for Right { database, collection, .. } in taken {
            let Some(entry) = left.0.get_mut(database) else { continue };
            match collection {
                None => entry.level = None,
                Some(collection) => drop(entry.collections.remove(collection)),
            }
        }
        left
    }

    proptest! {
        #[test]
        fn nothing_that_is_declared_is_ever_touched_nor_a_none(
            rights in rights(), wildcard in level(), all in declarations(),
        ) {
            for right in undeclared(&rights, wildcard, &declared(&all)) {
                prop_assert_ne!(right.level, Level::None);
                for (database, level, collections) in &all {
                    let same = database.is_some_and(|name| right.database.as_str() == name);
                    let names_it = match &right.collection {
                        None => *level,
                        Some(collection) => collections.iter().any(|name| name == collection.as_str()),
                    };
                    prop_assert!(database.is_some() && !(same && names_it), "{:?} by {:?}", right, all);
                }
            }
        }

        #[test]
        fn once_they_are_taken_away_nothing_is_left_to_take_and_what_stays_is_as_it_was(
            rights in rights(), wildcard in level(), all in declarations(),
        ) {
            let declared = declared(&all);
            let taken = undeclared(&rights, wildcard, &declared);
            let any = taken.iter().any(|right| right.database == Scope::Any && right.collection == Some(Scope::Any));
            let left = without(&rights, &taken);
            let wildcard = if any { Level::None } else { wildcard };
            prop_assert!(undeclared(&left, wildcard, &declared).is_empty());
            // By rows they are the same.
            let rows = by_row(&taken);
            let count: usize = rows.values().map(|row| usize::from(row.access) + row.collections.len()).sum();
            prop_assert_eq!(count, taken.len());
        }

        /// However the looks follow each other, whatever is taken away was shown by two, an interval apart.
        #[test]
        fn what_is_taken_away_was_seen_by_two_looks_in_a_row_an_interval_apart(
            looks in prop::collection::vec((0..100_u64, rights()), 1..8),
        ) {
            let mut now = Instant::now();
            let mut suspicion = None;
            let mut last: Option<(Instant, BTreeSet<Right>)> = None;
            for (pause, rights) in looks {
                now += Duration::from_secs(pause);
                let found = undeclared(&rights, Level::None, &Declared::default());
                let (next, taken) = judge(suspicion.as_ref(), found.clone(), (now, now), INTERVAL);
                if !taken.is_empty() {
                    let (seen, before) = last.as_ref().unwrap();
                    prop_assert!(now >= *seen + INTERVAL);
                    prop_assert!(taken.is_subset(before) && taken.is_subset(&found));
                }
                if next != suspicion {
                    last = next.as_ref().map(|next| (next.seen, next.rights.clone()));
                }
                suspicion = next;
            }
        }
    }

    #[test]
    fn where_it_can_not_be_told_what_is_declared_nothing_is_taken_away() {
        let entry = Entry { level: Some(Level::Rw), collections: [(collection("orders"), Level::Ro)].into() };
        let rights = Rights([(database("shop"), entry)].into());
        assert_eq!(undeclared(&rights, Level::Ro, &Declared::default()).len(), 3);
        assert!(undeclared(&rights, Level::Ro, &Declared::everything()).is_empty());
        // A number may be the id of any collection.
        let by_id = declared(&[(Some("shop"), false, vec!["123".to_owned()])]);
        let left: Vec<_> = undeclared(&rights, Level::None, &by_id).into_iter().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].collection, None);
    }

    #[test]
    fn a_right_that_is_seen_twice_within_an_interval_stays() {
        let right = Right { database: Scope::Any, collection: None, level: Level::Rw };
        let found: BTreeSet<_> = [right].into();
        let start = Instant::now();
        let (suspicion, taken) = judge(None, found.clone(), (start, start), INTERVAL);
        assert!(taken.is_empty());
        let early = start + INTERVAL / 2;
        let (suspicion, taken) = judge(suspicion.as_ref(), found.clone(), (early, early), INTERVAL);
        assert!(taken.is_empty());
        let later = start + INTERVAL;
        let (suspicion, taken) = judge(suspicion.as_ref(), found.clone(), (later, later), INTERVAL);
        assert_eq!((suspicion, taken), (None, found));
    }
}
