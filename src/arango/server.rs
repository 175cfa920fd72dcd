//! What any server tells about itself beyond version and role: mode, licence, time.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Client, Error, Request};

const MODE: &str = "/_db/_system/_admin/server/mode";

/// Whether a deployment takes writes (reference: information, server mode).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Mode {
    /// It does.
    Default,
    /// Only from a superuser; levels of all others are capped to `ro`.
    ReadOnly,
    /// A word that the reference doesn't have.
    Other(String),
}

/// What the server says about its licence (reference: information, licence). Its shape differs from version to
/// version, so everything may be missing. The key itself is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Map<String, Value>")]
pub struct License {
    /// Of a key: `good`, `expiring`, `expired`, `read-only`. Without one, the same about the disk that is used.
    pub status: Option<String>,
    /// When the key ends.
    pub expires: Option<Timestamp>,
    /// Bytes on disk, where they are limited.
    pub disk_used: Option<u64>,
    /// Most bytes on disk.
    pub disk_limit: Option<u64>,
    /// Whether that limit is reached.
    pub limit_reached: Option<bool>,
}

#[derive(Deserialize)]
struct ModeAnswer {
    mode: Mode,
}

impl Client {
    /// Whether the deployment takes writes.
    pub async fn mode(&self) -> Result<Mode, Error> {
        Ok(self.get::<ModeAnswer>(MODE).await?.mode)
    }

    /// Sets whether the deployment takes writes, for all its servers, which follow within seconds. Needs an
    /// administrator, also to leave read-only mode.
    pub async fn set_mode(&self, mode: &Mode) -> Result<(), Error> {
        self.call(Request::new(Method::PUT, MODE).body(json!({"mode": mode.as_str()}))).await.map(drop)
    }

    /// What the server says about its licence.
    pub async fn license(&self) -> Result<License, Error> {
        self.get("/_db/_system/_admin/license").await
    }

    /// The server's clock (reference: information, time).
    pub async fn time(&self) -> Result<Timestamp, Error> {
        #[derive(Deserialize)]
        #[serde(try_from = "f64")]
        struct Seconds(Timestamp);
        impl TryFrom<f64> for Seconds {
            type Error = jiff::Error;
            fn try_from(seconds: f64) -> Result<Self, jiff::Error> {
                jiff::SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration).map(Self)
            }
        }
        #[derive(Deserialize)]
        struct Time {
            time: Seconds,
        }
        Ok(self.get::<Time>("/_db/_system/_admin/time").await?.time.0)
    }
}

impl Mode {
    /// As the server writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => "default",
            Self::ReadOnly => "readonly",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Mode {
    fn from(word: String) -> Self {
        match word.as_str() {
            "default" => Self::Default,
            "readonly" => Self::ReadOnly,
            _ => Self::Other(word),
        }
    }
}

impl From<Map<String, Value>> for License {
    fn from(keys: Map<String, Value>) -> Self {
        let disk = |key| keys.get("diskUsage").and_then(|disk| disk.get(key));
        let expires = keys.get("features").and_then(|features| features.get("expires"));
        Self {
            status: keys
                .get("status")
                .or_else(|| disk("status"))
                .and_then(|status| Some(status.as_str()?.to_owned())),
            expires: expires.and_then(Value::as_i64).and_then(|end| Timestamp::from_second(end).ok()),
            disk_used: disk("bytesUsed").and_then(Value::as_u64),
            disk_limit: disk("bytesLimit").and_then(Value::as_u64),
            limit_reached: disk("limitReached").and_then(Value::as_bool),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_read_with_and_without_a_key_and_the_key_is_not_kept() {
        let read = |text| serde_json::from_str::<License>(text).unwrap();
        let free = read(
            r#"{"upgrading":false,"diskUsage":{"bytesUsed":366555,"bytesLimit":107374182400,"limitReached":false,
            "secondsUntilReadOnly":315569520,"status":"good"}}"#,
        );
        assert_eq!(free.status.as_deref(), Some("good"));
        assert_eq!((free.disk_used, free.disk_limit), (Some(366_555), Some(107_374_182_400)));
        let paid = read(
            r#"{"features":{"expires":1748034885},"license":"canary","version":1,"status":"expiring",
            "diskUsage":null}"#,
        );
        assert_eq!(paid.status.as_deref(), Some("expiring"));
        assert_eq!(paid.expires.unwrap().to_string(), "2025-05-23T21:14:45Z");
        assert!(!format!("{paid:?}").contains("canary"));
        assert_eq!(read("{}"), License::default());
    }
}
