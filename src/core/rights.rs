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

impl Rights {
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
            assert_eq!(rights(levels).effective(&database), *expected, "{levels:?} on {database}");
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
