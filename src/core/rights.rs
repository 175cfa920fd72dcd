//! The rights of one user as the server keeps them: configured entries only, nothing effective.

use std::collections::BTreeMap;

use super::{CollectionName, DatabaseName, Level, Scope};

/// One user's entries, by database or the wildcard (reference: permissions, stored per user).
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
}
