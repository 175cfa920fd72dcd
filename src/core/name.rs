//! Names of things inside ArangoDB: parsed once at the edge, normalised and percent-encoded in one place.
//!
//! Database names are Unicode NFC (reference: databases, name rules); user and collection names are taken
//! byte for byte.

use std::{borrow::Borrow, fmt};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Longest database name that ArangoDB takes, in bytes (extended names, the default since 3.12).
pub const DATABASE_NAME_MAX: usize = 128;

/// Everything but the unreserved characters of RFC 3986 is escaped, as `encodeURIComponent` would.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'*');

/// Percent-encodes one path segment. A `/` inside a name stays inside its segment.
pub fn encode_segment(segment: &str) -> String {
    // A segment of dots alone would be taken for a relative path by URL parsers.
    if segment.chars().all(|c| c == '.') {
        return segment.replace('.', "%2E");
    }
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// Why a name can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no character.
    #[error("the {what} name is empty; give it at least one character")]
    Empty {
        /// What was to be named: "database", "user" or "collection".
        what: &'static str,
    },
    /// The name is longer than ArangoDB takes.
    #[error(
        "the {what} name {name:?} has {length} bytes; ArangoDB takes at most {max}, so choose a shorter one"
    )]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// The name as given.
        name: String,
        /// Its length in bytes.
        length: usize,
        /// The most that is taken, in bytes.
        max: usize,
    },
    /// The name has a character that ArangoDB refuses at that place.
    #[error("the {what} name {name:?} {problem}; choose a name without it")]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The name as given.
        name: String,
        /// What is wrong with it, as the end of a sentence.
        problem: &'static str,
    },
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as the server keeps it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name as one percent-encoded path segment.
            pub fn encoded(&self) -> String {
                encode_segment(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::parse(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::parse(name)
            }
        }
    };
}

name_type! {
    /// The name of a database, NFC-normalised. `_system` is one; the wildcard `*` is not (see [`Scope`]).
    DatabaseName
}
name_type! {
    /// The name of a user. Case and normalisation form matter.
    UserName
}
name_type! {
    /// The name of a collection.
    CollectionName
}

impl DatabaseName {
    /// The name of the database that holds users and rights.
    pub const SYSTEM: &'static str = "_system";

    /// Reads a database name and brings it to NFC (reference: databases, name rules for extended names).
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let what = "database";
        let name: String = if is_nfc(name) { name.to_owned() } else { name.nfc().collect() };
        let refuse = |problem| Err(NameError::Character { what, name: name.clone(), problem });
        if name.is_empty() {
            return Err(NameError::Empty { what });
        }
        if name.len() > DATABASE_NAME_MAX {
            return Err(NameError::TooLong { what, length: name.len(), name, max: DATABASE_NAME_MAX });
        }
        if name == Self::SYSTEM {
            return Ok(Self(name));
        }
        if name.starts_with(['_', '.', ' ']) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return refuse("starts with a digit, an underscore, a dot or a space");
        }
        if name.ends_with(' ') {
            return refuse("ends with a space");
        }
        if name.contains(['/', ':']) || name.bytes().any(|b| b < 0x20) {
            return refuse("contains a slash, a colon or a control character");
        }
        if name == "*" {
            return refuse("is the wildcard");
        }
        Ok(Self(name))
    }

    /// A name as a server's answer gave it: whatever the server keeps is a name, also one made under older rules.
    pub fn from_server(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The database `_system`.
    pub fn system() -> Self {
        Self(Self::SYSTEM.to_owned())
    }

    /// Whether ArangoDB keeps the name for itself (a leading underscore).
    pub fn is_system(&self) -> bool {
        self.0.starts_with('_')
    }
}

impl UserName {
    /// The account that every deployment has.
    pub const ROOT: &'static str = "root";

    /// Reads a user name. Only emptiness is refused, as by the server (reference: users, create).
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty { what: "user" });
        }
        Ok(Self(name.to_owned()))
    }

    /// A name as a server's answer gave it.
    pub fn from_server(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl CollectionName {
    /// Reads a collection name (reference: permissions, collection levels).
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let what = "collection";
        if name.is_empty() {
            return Err(NameError::Empty { what });
        }
        if name == "*" {
            return Err(NameError::Character { what, name: name.to_owned(), problem: "is the wildcard" });
        }
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            // The server would take it for an id, and show the right under the name of the collection with that id.
            return Err(NameError::Character { what, name: name.to_owned(), problem: "starts with a digit" });
        }
        Ok(Self(name.to_owned()))
    }

    /// A name as a server's answer gave it.
    pub fn from_server(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Whether rights on it can't be set: a leading underscore marks a system collection.
    pub fn is_system(&self) -> bool {
        self.0.starts_with('_')
    }
}

/// What a right is about: one thing by name, or the wildcard `*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope<N> {
    /// The wildcard `*`: whatever has no entry of its own.
    Any,
    /// One thing.
    Named(N),
}

impl<N: Borrow<str>> Scope<N> {
    /// The name as the server writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::Named(name) => name.borrow(),
        }
    }

    /// The name as one percent-encoded path segment.
    pub fn encoded(&self) -> String {
        encode_segment(self.as_str())
    }

    /// The thing's name, if it is one thing.
    pub fn named(&self) -> Option<&N> {
        match self {
            Self::Any => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl<N: Borrow<str>> fmt::Display for Scope<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<N: Borrow<str>> fmt::Debug for Scope<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Scope<DatabaseName> {
    /// Reads `*` or a database name.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if name == "*" { Ok(Self::Any) } else { DatabaseName::parse(name).map(Self::Named) }
    }
}

impl Scope<CollectionName> {
    /// Reads `*` or a collection name.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if name == "*" { Ok(Self::Any) } else { CollectionName::parse(name).map(Self::Named) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_name_is_brought_to_nfc() {
        let name = DatabaseName::parse("cafe\u{301}").unwrap();
        assert_eq!(name.as_str(), "caf\u{e9}");
    }

    #[test]
    fn names_that_arangodb_refuses_are_refused_with_a_sentence() {
        for (name, part) in [
            ("", "is empty"),
            ("1shop", "starts with a digit"),
            ("_shop", "starts with"),
            ("a/b", "slash"),
            ("a:b", "colon"),
            ("shop ", "ends with a space"),
            ("*", "wildcard"),
        ] {
            let error = DatabaseName::parse(name).unwrap_err().to_string();
            assert!(error.contains(part), "{name:?}: {error}");
        }
        assert!(DatabaseName::parse(&"x".repeat(129)).is_err());
        assert!(DatabaseName::parse(&"x".repeat(128)).is_ok());
    }

    #[test]
    fn a_segment_is_encoded_as_the_servers_own_tests_do() {
        assert_eq!(encode_segment("a + b = c"), "a%20%2B%20b%20%3D%20c");
        assert_eq!(encode_segment("a/b"), "a%2Fb");
        assert_eq!(encode_segment("*"), "*");
        assert_eq!(encode_segment(".."), "%2E%2E");
        assert_eq!(encode_segment("mötör"), "m%C3%B6t%C3%B6r");
    }
}
