//! The rights of one user as the server keeps them, and what they come to.

use std::collections::BTreeMap;

use super::{CollectionName, DatabaseName, Level, Scope};

/// One user's configured entries, by database or the wildcard (reference: permissions, stored per user).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(pub BTreeMap<Scope<DatabaseName>, Entry>);

/// One row of the access matrix: what one user has on one database or on the wildcard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The database level; `None` where there is no explicit one (the server says `undefined`).
    pub level: Option<Level>,
    /// Explicit collection levels, the wildcard among them.
    pub collections: BTreeMap<Scope<CollectionName>, Level>,
}

/// The levels of one user's wider rows, which reach a row of his from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wider {
    /// On the wildcard database `*`.
    pub any: Level,
    /// On `_system`, which reaches every database without a level of its own, and every collection.
    pub system: Level,
    /// On every collection of every database, `*/*`. Not in a listing: somebody has to ask for it.
    pub all: Level,
}

/// The right that gives a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The database's own level.
    Database,
    /// The level on `*/*`.
    All,
    /// The level on the wildcard database.
    Any,
    /// The level on `_system`.
    System,
}

/// A level, and the right that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// The level.
    pub level: Level,
    /// The right; nothing if there is none that gives any.
    pub rule: Option<Rule>,
}

impl Wider {
    /// No wider row has a level.
    pub const NOTHING: Self = Self { any: Level::None, system: Level::None, all: Level::None };

    /// What a database gives whose own level that is (reference: permissions, resolution): its own, also `none`; else
    /// the higher of the wildcard's and `_system`'s.
    pub fn on_database(self, own: Option<Level>) -> Given {
        match own {
            Some(level) => Given { level, rule: Some(Rule::Database) },
            None => highest([(self.any, Rule::Any), (self.system, Rule::System)]),
        }
    }

    /// What a collection without a level of its own gets from outside the levels on collections of its database
    /// (reference: permissions, resolution): the highest of the database's own and all wider ones. Wildcards can raise
    /// a level and never lower it. Whether the database can be reached at all is not in it.
    pub fn on_collections(self, own: Option<Level>) -> Given {
        highest([
            (own.unwrap_or(Level::None), Rule::Database),
            (self.all, Rule::All),
            (self.any, Rule::Any),
            (self.system, Rule::System),
        ])
    }
}

/// The highest level; of equal ones the first.
fn highest<const N: usize>(levels: [(Level, Rule); N]) -> Given {
    let nothing = Given { level: Level::None, rule: None };
    levels.into_iter().fold(nothing, |best, (level, rule)| {
        if level > best.level { Given { level, rule: Some(rule) } } else { best }
    })
}

impl Rights {
    /// The levels that reach the row of a database from wider ones; `all` is left to whoever asked for it.
    pub fn wider(&self, database: &Scope<DatabaseName>) -> Wider {
        let of = |scope: &Scope<DatabaseName>| {
            let level = (scope != database).then(|| self.level(scope)).flatten();
            level.unwrap_or(Level::None)
        };
        Wider { any: of(&Scope::Any), system: of(&Scope::Named(DatabaseName::system())), ..Wider::NOTHING }
    }

    /// The row of one database, empty where there is none.
    pub fn entry(&self, database: &Scope<DatabaseName>) -> Entry {
        self.0.get(database).cloned().unwrap_or_default()
    }

    /// The level that holds on a database once wildcards are counted (reference: permissions, resolution): its own
    /// entry, also `none`; else the higher of the wildcard's and `_system`'s; else none.
    pub fn effective(&self, database: &Scope<DatabaseName>) -> Level {
        self.level(database).unwrap_or_else(|| self.fallback(database))
    }

    /// The level that would hold on a database without an entry of its own.
    pub fn fallback(&self, database: &Scope<DatabaseName>) -> Level {
        if *database == Scope::Any {
            return Level::None;
        }
        let any = self.level(&Scope::Any).unwrap_or(Level::None);
        let system = Scope::Named(DatabaseName::system());
        if *database == system { any } else { any.max(self.level(&system).unwrap_or(Level::None)) }
    }

    /// The level on the collections of a database that have none of their own: the highest of whatever could apply, so
    /// that wildcards only raise (reference: permissions, resolution). The database's own level decides besides
    /// whether anything of it can be reached.
    pub fn on_collections(&self, database: &Scope<DatabaseName>) -> Level {
        let any_in = |scope| self.0.get(scope).and_then(|entry| entry.collections.get(&Scope::Any)).copied();
        let own = self.level(database).max(any_in(database)).unwrap_or(Level::None);
        let everywhere = any_in(&Scope::Any).unwrap_or(Level::None);
        own.max(everywhere).max(self.fallback(database))
    }

    fn level(&self, database: &Scope<DatabaseName>) -> Option<Level> {
        self.0.get(database).and_then(|entry| entry.level)
    }
}

impl Entry {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.level.is_none() && self.collections.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(levels: &[(&str, Level)]) -> Rights {
        Rights(
            levels
                .iter()
                .map(|(database, level)| {
                    let entry = Entry { level: Some(*level), ..Entry::default() };
                    (Scope::<DatabaseName>::parse(database).unwrap(), entry)
                })
                .collect(),
        )
    }

    #[test]
    fn levels_resolve_as_in_the_references_worked_cases() {
        type Case<'a> = (&'a [(&'a str, Level)], &'a str, Level);
        let cases: &[Case] = &[
            (&[("_system", Level::None), ("*", Level::Ro), ("shop1", Level::Rw)], "shop1", Level::Rw),
            (&[("_system", Level::None), ("*", Level::Ro), ("shop1", Level::Rw)], "_system", Level::None),
            (&[("_system", Level::None), ("*", Level::Ro), ("shop1", Level::Rw)], "other", Level::Ro),
            (&[("_system", Level::Rw), ("*", Level::None)], "other", Level::Rw),
            (&[("*", Level::Ro)], "_system", Level::Ro),
            (&[], "other", Level::None),
        ];
        for (levels, database, expected) in cases {
            let database = Scope::<DatabaseName>::parse(database).unwrap();
            let rights = rights(levels);
            assert_eq!(rights.effective(&database), *expected, "{levels:?} on {database}");
            let given = rights.wider(&database).on_database(rights.entry(&database).level);
            assert_eq!(given.level, *expected, "{levels:?} on {database}");
        }
    }

    #[test]
    fn collections_get_the_highest_of_what_reaches_them_and_the_right_that_gives_it_is_named() {
        use Level::{None as No, Ro, Rw};
        type Case = (Option<Level>, [Level; 3], Level, Option<Rule>);
        let cases: &[Case] = &[
            // Of the worked cases: `*`: ro, `*/*`: rw; `_system`: ro; `shop2`: rw alone.
            (None, [Ro, No, Rw], Rw, Some(Rule::All)),
            (None, [No, Ro, No], Ro, Some(Rule::System)),
            (Some(Rw), [No, No, No], Rw, Some(Rule::Database)),
            // A database's own `none` doesn't hold a wider level back from its collections.
            (Some(No), [Rw, Ro, No], Rw, Some(Rule::Any)),
            (Some(Ro), [Ro, Ro, Ro], Ro, Some(Rule::Database)),
            (None, [No, No, No], No, None),
        ];
        for (own, [any, system, all], level, rule) in cases {
            let wider = Wider { any: *any, system: *system, all: *all };
            assert_eq!(wider.on_collections(*own), Given { level: *level, rule: *rule }, "{own:?} {wider:?}");
        }
    }

    #[test]
    fn wildcards_raise_collections_and_never_lower_them() {
        // `*`: ro, `*/*`: rw, `shop1/*`: none: customers is rw (reference: permissions, worked cases).
        let mut rights = rights(&[("*", Level::Ro)]);
        let shop = Scope::<DatabaseName>::parse("shop1").unwrap();
        let mut any = |scope: &Scope<DatabaseName>, level| {
            rights.0.entry(scope.clone()).or_default().collections.insert(Scope::Any, level);
        };
        any(&Scope::Any, Level::Rw);
        any(&shop, Level::None);
        assert_eq!(rights.on_collections(&shop), Level::Rw);
        assert_eq!(rights.effective(&shop), Level::Ro);
        rights.0.remove(&Scope::Any);
        assert_eq!(rights.on_collections(&shop), Level::None);
    }
}
