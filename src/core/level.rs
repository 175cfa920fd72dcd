//! Access levels, ArangoDB's own three.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a user may do with a database or a collection. Ordered: `none < ro < rw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum Level {
    /// No access, said explicitly: it blocks the fall-back to a wildcard.
    None,
    /// Read.
    Ro,
    /// Read and write; on `_system` it is the administrator's right.
    Rw,
}

impl Level {
    /// As ArangoDB writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ro => "ro",
            Self::Rw => "rw",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
