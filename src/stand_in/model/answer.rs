//! Answers before they have headers: envelopes, errors with their two numbering systems, the standard texts.

// Handlers end with these functions and return an `Answer`; a `Reply` there would mean `Ok(…)` around every last line.
#![allow(clippy::unnecessary_wraps)]

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What a handler returns.
pub(super) type Answer = Result<Reply, Failure>;

/// A successful answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Plain text instead of JSON.
    pub(super) text: bool,
    /// How long the server is busy with it.
    pub(super) takes: Duration,
}

/// An error: the HTTP status, ArangoDB's number, and a text.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) number: u16,
    pub(super) message: Cow<'static, str>,
}

impl Failure {
    /// An error with the standard text of its number.
    pub(super) fn new(status: StatusCode, number: u16) -> Self {
        Self { status, number, message: Cow::Borrowed(text(number)) }
    }

    /// An error with a text of its own.
    pub(super) fn with(status: StatusCode, number: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, number, message: message.into() }
    }

    /// The handlers' refusal of a write: 403 with errorNum 11.
    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, 11)
    }

    /// 405 with errorNum 405.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, 405)
    }

    /// 400 with this number.
    pub(super) fn bad(number: u16) -> Self {
        Self::new(StatusCode::BAD_REQUEST, number)
    }

    /// A refused write to data that the caller may read: 403 with errorNum 1004.
    pub(super) fn read_only() -> Self {
        Self::new(StatusCode::FORBIDDEN, 1004)
    }

    /// A refused read of the server's state: 403 with errorNum 403.
    pub(super) fn hidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, 403)
    }

    /// 404 with this number.
    pub(super) fn missing(number: u16) -> Self {
        Self::new(StatusCode::NOT_FOUND, number)
    }

    /// The body that goes with it.
    pub(super) fn body(&self) -> Bytes {
        let body = json!({
            "code": self.status.as_u16(), "error": true,
            "errorMessage": self.message, "errorNum": self.number,
        });
        bytes(&body)
    }
}

/// The standard text of an error number.
fn text(number: u16) -> &'static str {
    match number {
        9 => "not implemented",
        10 | 400 => "bad parameter",
        11 | 403 => "forbidden",
        30 => "shutdown in progress",
        404 => "not found",
        405 => "method not supported",
        500 => "internal server error",
        503 => "service unavailable",
        600 => "invalid JSON object",
        601 => "superfluous URL suffices",
        1004 => "read only",
        1200 => "conflict",
        1202 => "document not found",
        1203 => "collection or view not found",
        1207 => "duplicate name",
        1208 => "illegal name",
        1210 => "unique constraint violated",
        1221 => "illegal document key",
        1227 => "invalid document type",
        1228 => "database not found",
        1230 => "operation only allowed in system database",
        1551 => "no value specified for declared bind parameter",
        1700 => "invalid user name",
        1702 => "duplicate user",
        1703 => "user not found",
        1852 => "task not found",
        21004 => "queue time violated",
        _ => "internal error",
    }
}

/// A value as a body.
pub(super) fn bytes(value: &impl Serialize) -> Bytes {
    // Plain values with text keys can't fail to serialise; an empty body would be seen at once.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// 200 with this value and nothing else: version, engine, status, licence, login, lists without an envelope.
pub(super) fn bare(value: &impl Serialize) -> Answer {
    Ok(Reply { body: bytes(value), ..Reply::default() })
}

/// 200 with plain text.
pub(super) fn text_body(body: impl Into<Bytes>) -> Answer {
    Ok(Reply { body: body.into(), text: true, ..Reply::default() })
}

/// `error`, `code` and these keys.
pub(super) fn envelope(status: StatusCode, mut keys: Map<String, Value>) -> Answer {
    // Last wins: a database called `error` or `code` loses its key (reference: permissions, set a database level).
    keys.insert("error".to_owned(), false.into());
    keys.insert("code".to_owned(), status.as_u16().into());
    Ok(Reply { status, body: bytes(&keys), ..Reply::default() })
}

/// `error`, `code` and the keys of a JSON object; another value counts as none.
pub(super) fn object(status: StatusCode, value: Value) -> Answer {
    let keys = if let Value::Object(keys) = value { keys } else { Map::new() };
    envelope(status, keys)
}

/// `error` and `code` alone.
pub(super) fn done(status: StatusCode) -> Answer {
    envelope(status, Map::new())
}

/// `error`, `code` and `result`. The result is written as a stream: some are large.
pub(super) fn result(status: StatusCode, result: &impl Serialize) -> Answer {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        error: bool,
        code: u16,
        result: &'a T,
    }
    let envelope = Envelope { error: false, code: status.as_u16(), result };
    Ok(Reply { status, body: bytes(&envelope), ..Reply::default() })
}
