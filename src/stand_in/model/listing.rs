//! One user's levels on everything, written as a stream: with many databases this is the largest answer.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    rules,
    state::{ANY, Database, Entry, Level, State, User},
};

/// Effective levels of the databases that exist, without those that are none.
pub(super) struct Effective<'a> {
    pub(super) user: &'a User,
    pub(super) state: &'a State,
}

/// Configured levels of the databases and collections that exist, and the wildcard database.
pub(super) struct Full<'a> {
    pub(super) user: &'a User,
    pub(super) state: &'a State,
}

struct Row<'a> {
    entry: Option<&'a Entry>,
    database: &'a Database,
}

struct Collections<'a>(&'a Row<'a>);

fn or_undefined(level: Option<Level>) -> &'static str {
    level.map_or("undefined", Level::as_str)
}

impl Serialize for Effective<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let levels = self.state.databases.keys().map(|name| (name, rules::database_level(self.user, name)));
        let shown = levels.filter(|(_, level)| *level > Level::None);
        serializer.collect_map(shown.map(|(name, level)| (name, level.as_str())))
    }
}

impl Serialize for Full<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, database) in &self.state.databases {
            map.serialize_entry(name, &Row { entry: self.user.grants.get(name), database })?;
        }
        // Never "undefined", and without collections: the right `*/*` isn't shown anywhere here.
        let any = rules::database_level(self.user, ANY);
        map.serialize_entry(ANY, &serde_json::json!({"permission": any.as_str()}))?;
        map.end()
    }
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("permission", or_undefined(self.entry.and_then(|entry| entry.level)))?;
        map.serialize_entry("collections", &Collections(self))?;
        map.end()
    }
}

impl Serialize for Collections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let level = |name: &str| self.0.entry.and_then(|entry| entry.collections.get(name).copied());
        let names = self.0.database.collections.keys().map(String::as_str).chain([ANY]);
        serializer.collect_map(names.map(|name| (name, or_undefined(level(name)))))
    }
}
