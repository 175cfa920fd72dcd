//! Effective levels: what a user may do, from what is configured (reference: permissions, resolution).

use super::state::{ANY, Level, SYSTEM, State, User};

/// The effective level of a user on a database: its own entry, else the higher of `*` and `_system`, else none.
///
/// `*` itself has only its own entry.
pub fn database_level(user: &User, database: &str) -> Level {
    let explicit = |name: &str| user.grants.get(name).and_then(|entry| entry.level);
    let own = explicit(database);
    let level = match database {
        ANY => own,
        SYSTEM => own.or_else(|| explicit(ANY)),
        _ => own.or_else(|| explicit(ANY).max(explicit(SYSTEM))),
    };
    level.unwrap_or(Level::None)
}

/// The effective level of a user on a collection, whether or not the database can be reached at all.
pub fn collection_level(user: &User, database: &str, collection: &str) -> Level {
    match (database, collection) {
        (SYSTEM, "_users") => return Level::None,
        (_, "_queues") => return Level::Ro,
        (_, "_frontend") => return Level::Rw,
        (_, name) if name.starts_with('_') => return database_level(user, database),
        _ => {}
    }
    let entry = user.grants.get(database);
    let explicit = entry.and_then(|entry| entry.collections.get(collection).copied());
    if let Some(level) = explicit {
        return level;
    }
    let any = user.grants.get(ANY);
    if collection == ANY {
        // ASSUMED: a database with an entry answers `*` from that entry alone; one without answers with the level
        // of the database wildcard.
        let level = if entry.is_some() { None } else { any.and_then(|any| any.level) };
        return level.unwrap_or(Level::None);
    }
    let system = user.grants.get(SYSTEM).filter(|_| database != SYSTEM);
    let candidates = [
        entry.and_then(|entry| entry.level),
        entry.and_then(|entry| entry.collections.get(ANY).copied()),
        system.and_then(|system| system.level),
        any.and_then(|any| any.level),
        any.and_then(|any| any.collections.get(ANY).copied()),
    ];
    candidates.into_iter().flatten().max().unwrap_or(Level::None)
}

impl State {
    /// The effective level on a database before the cap of read-only mode; none for a user who doesn't exist.
    pub fn database_level(&self, user: &str, database: &str) -> Level {
        self.users.get(user).map_or(Level::None, |user| database_level(user, database))
    }

    /// The effective level on a collection before the cap of read-only mode; none for a user who doesn't exist.
    pub fn collection_level(&self, user: &str, database: &str, collection: &str) -> Level {
        self.users.get(user).map_or(Level::None, |user| collection_level(user, database, collection))
    }

    /// Read-only mode shows and enforces `rw` as `ro`.
    pub fn capped(&self, level: Level) -> Level {
        if self.read_only { level.min(Level::Ro) } else { level }
    }
}
