//! Reads the full listing of one user's rights as a stream: explicit entries are kept, the rest is skipped
//! without being built. The listing names every collection of every database, so it can be large.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{self, Deserializer, Error, IgnoredAny, MapAccess, Visitor},
};

use crate::core::{CollectionName, DatabaseName, Entry, Level, Rights, Scope};

/// `{"result": {…}}` around a listing.
#[derive(Deserialize)]
pub(super) struct Listing {
    #[serde(deserialize_with = "rights")]
    pub(super) result: Rights,
}

/// A level as the listing shows it: one of the three, or nothing where it says `undefined`.
struct Shown(Option<Level>);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(word) = Text::deserialize(deserializer)?;
        match &*word {
            b"undefined" => Ok(Self(None)),
            b"none" => Ok(Self(Some(Level::None))),
            b"ro" => Ok(Self(Some(Level::Ro))),
            b"rw" => Ok(Self(Some(Level::Rw))),
            other => Err(D::Error::unknown_variant(
                &String::from_utf8_lossy(other),
                &["undefined", "none", "ro", "rw"],
            )),
        }
    }
}

/// A text that is copied, and looked at whether it is one, only if it is kept: a comparison of everything reads one for each
/// user and database, and keeps the few that somebody declared.
struct Text<'a>(Cow<'a, [u8]>);

impl Text<'_> {
    fn kept<E: de::Error>(self) -> Result<String, E> {
        String::from_utf8(self.0.into_owned()).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(bytes)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(bytes.to_owned())))
    }
}

fn rights<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rights, D::Error> {
    deserializer.deserialize_map(Databases)
}

struct Databases;

impl<'de> Visitor<'de> for Databases {
    type Value = Rights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rights by database")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rights, A::Error> {
        let mut rights = BTreeMap::new();
        while let Some(Text(name)) = map.next_key()? {
            let Row(mut entry) = map.next_value()?;
            // The wildcard's level is never `undefined`: `none` stands for "no entry" as well as for an explicit
            // `none`, and the two mean the same (reference: permissions, full listing). It counts as no entry.
            if *name == *b"*" && entry.level == Some(Level::None) {
                entry.level = None;
            }
            if entry.level.is_some() || !entry.collections.is_empty() {
                let scope = if *name == *b"*" {
                    Scope::Any
                } else {
                    Scope::Named(DatabaseName::from_server(Text(name).kept()?))
                };
                rights.insert(scope, entry);
            }
        }
        Ok(Rights(rights))
    }
}

struct Row(Entry);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RowVisitor)
    }
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a database's rights")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        let mut entry = Entry::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                b"permission" => entry.level = map.next_value::<Shown>()?.0,
                b"collections" => entry.collections = map.next_value::<Collections>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Row(entry))
    }
}

struct Collections(BTreeMap<Scope<CollectionName>, Level>);

impl<'de> Deserialize<'de> for Collections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CollectionsVisitor)
    }
}

struct CollectionsVisitor;

impl<'de> Visitor<'de> for CollectionsVisitor {
    type Value = Collections;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("levels by collection")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Collections, A::Error> {
        let mut levels = BTreeMap::new();
        while let Some((Text(name), shown)) = map.next_entry::<Text<'_>, Shown>()? {
            let Some(level) = shown.0 else { continue };
            let scope = if *name == *b"*" {
                Scope::Any
            } else {
                Scope::Named(CollectionName::from_server(Text(name).kept()?))
            };
            levels.insert(scope, level);
        }
        Ok(Collections(levels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Rights {
        serde_json::from_str::<Listing>(json).unwrap().result
    }

    #[test]
    fn a_recorded_listing_of_3_12_10_has_one_explicit_entry() {
        let rights = read(
            r#"{"error":false,"code":200,"result":{"_system":{"permission":"rw","collections":{
            "animals":"undefined","_statisticsRaw":"undefined","_appbundles":"undefined","_graphs":"undefined",
            "_jobs":"undefined","_statistics15":"undefined","mycollection":"undefined","demo":"undefined",
            "_apps":"undefined","_aqlfunctions":"undefined","_users":"undefined","_statistics":"undefined",
            "_queues":"undefined","_analyzers":"undefined","_frontend":"undefined","ignore":"undefined",
            "*":"undefined"}},"*":{"permission":"none"}}}"#,
        );
        let system = Entry { level: Some(Level::Rw), collections: BTreeMap::new() };
        assert_eq!(rights.0, BTreeMap::from([(Scope::Named(DatabaseName::system()), system)]));
    }

    #[test]
    fn explicit_entries_are_kept_and_undefined_ones_are_not() {
        let rights = read(
            r#"{"result":{
            "a":{"collections":{"x":"none","y":"undefined","*":"ro"},"permission":"undefined"},
            "b":{"permission":"none","collections":{}},
            "c\u0064":{"permission":"undefined","collections":{"z":"undefined"}},
            "*":{"permission":"ro"}}}"#,
        );
        let named = |name: &str| Scope::Named(DatabaseName::from_server(name));
        let collection = |name: &str| Scope::Named(CollectionName::from_server(name));
        let a = rights.entry(&named("a"));
        assert_eq!(a.level, None);
        assert_eq!(a.collections, BTreeMap::from([(Scope::Any, Level::Ro), (collection("x"), Level::None)]));
        assert_eq!(rights.entry(&named("b")).level, Some(Level::None));
        assert_eq!(rights.entry(&Scope::Any).level, Some(Level::Ro));
        assert_eq!(rights.0.len(), 3);
    }

    #[test]
    fn another_level_is_refused_instead_of_dropped() {
        for wrong in [
            &br#"{"result":{"a":{"permission":"admin"}}}"#[..],
            br#"{"result":{"a":{"permission":7}}}"#,
            b"{\"result\":{\"\xff\":{\"permission\":\"rw\"}}}",
        ] {
            assert!(serde_json::from_slice::<Listing>(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
