//! Paths: the database prefix, segments decoded after splitting, the query.

use std::borrow::Cow;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use unicode_normalization::is_nfc;

use super::{answer::Failure, state::SYSTEM};

/// What a path asks for.
#[derive(Debug)]
pub(super) struct Target {
    /// The database of the prefix, `_system` without one.
    pub(super) database: String,
    /// The path without the prefix, still encoded.
    pub(super) path: String,
    /// The segments of that path, decoded; empty ones are left out, so that a trailing slash changes nothing.
    pub(super) segments: Vec<String>,
    /// The query's pairs, decoded.
    query: Vec<(String, String)>,
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

impl Target {
    /// Reads a path. A database name that isn't NFC is refused before any look-up (reference: names in URLs).
    pub(super) fn parse(path_and_query: &str) -> Result<Self, Failure> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        // Late 3.12 takes its API version in front of the path.
        let path = path.strip_prefix("/_arango/v0").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let (database, path) = match path.strip_prefix("/_db/") {
            None => (SYSTEM.to_owned(), path),
            Some(rest) => {
                let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                // ASSUMED: the HTTP status; only the number 1208 is known.
                let illegal = || Failure::with(StatusCode::BAD_REQUEST, 1208, NOT_NFC);
                let name = percent_decode_str(name).decode_utf8().map_err(|_| illegal())?;
                if !is_nfc(&name) {
                    return Err(illegal());
                }
                (name.into_owned(), if path.is_empty() { "/" } else { path })
            }
        };
        let segments = path.split('/').filter(|s| !s.is_empty()).map(|s| decoded(s).into_owned()).collect();
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key).into_owned(), decoded(value).into_owned())
        });
        Ok(Self { database, path: path.to_owned(), segments, query: pairs.collect() })
    }

    /// The value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter that is true or false; absent is false.
    pub(super) fn flag(&self, name: &str) -> bool {
        let value = self.parameter(name).map(str::to_ascii_lowercase);
        matches!(value.as_deref(), Some("true" | "yes" | "on" | "y" | "1"))
    }
}

/// The text that goes with a name that isn't NFC.
pub(super) const NOT_NFC: &str = "database name is not properly UTF-8 NFC-normalized";
