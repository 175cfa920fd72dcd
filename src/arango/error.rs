//! What can go wrong on the way to ArangoDB and back, and the one table that says what it means.

use std::{fmt, time::Duration};

use http::{Method, StatusCode};
use serde::Deserialize;

/// Longest part of a server's message that is quoted, in characters.
const MESSAGE_MAX: usize = 200;

/// Why a request did not do what it should. Cheap enough to clone: many waiters share one failed login.
///
/// Nothing of a body is in it but `errorNum` and the cut `errorMessage` of an ArangoDB error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A coordinator answered, but not with a success.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// No coordinator could be reached; the request was never carried out, or is safe to send again.
    #[error("no coordinator can be reached: {}", Reasons(.0))]
    Unreachable(Vec<Reason>),
    /// The request was sent, the answer was lost, and sending it again could do it twice.
    #[error("{method} {path}: the answer of {coordinator} was lost ({why}); it may have been carried out")]
    Lost {
        /// The request's method.
        method: Method,
        /// The request's path and query.
        path: String,
        /// The coordinator that it was sent to.
        coordinator: String,
        /// What the connection said.
        why: String,
    },
    /// There was no answer within the request's time.
    #[error("{method} {path}: no answer within {after:?}{}", if *.sent { "; it may have been carried out" } else { "" })]
    TimedOut {
        /// The request's method.
        method: Method,
        /// The request's path and query.
        path: String,
        /// The time that it had.
        after: Duration,
        /// Whether it may have reached a coordinator.
        sent: bool,
    },
    /// All coordinators that work are full and want to be left alone for longer than this request may wait. It was
    /// not sent.
    #[error("all coordinators are full; they may be asked again in {}", Rounded(*.retry_in))]
    Full {
        /// When the first of them may be asked again.
        retry_in: Duration,
    },
    /// The login was refused: wrong user or password, or an inactive user.
    #[error("the login of {user:?} was refused ({status}{}): check its user name and password", Tail(*.error_num, message))]
    LoginRefused {
        /// Who should have been logged in.
        user: String,
        /// The HTTP status.
        status: StatusCode,
        /// The server's number, if it sent one.
        error_num: Option<u32>,
        /// The server's message, cut.
        message: String,
    },
    /// A success whose body is not what the reference says.
    #[error("{method} {path}: the answer is not understood: {problem}")]
    NotUnderstood {
        /// The request's method.
        method: Method,
        /// The request's path and query.
        path: String,
        /// What is wrong and where, without a word of the body.
        problem: String,
    },
    /// The answer was longer than is read.
    #[error("{method} {path}: the answer is longer than {limit} bytes")]
    TooLarge {
        /// The request's method.
        method: Method,
        /// The request's path and query.
        path: String,
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The connection's [`super::Gate`] is closed: another process may be at work on this deployment. Nothing was sent.
    #[error("this process may not begin requests any more")]
    NotAllowed,
    /// The request or the connection's own settings can't be used; nothing was sent.
    #[error("{0}")]
    Unusable(String),
}

/// An answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request's method.
    pub method: Method,
    /// The request's path and query.
    pub path: String,
    /// The HTTP status.
    pub status: StatusCode,
    /// The server's number, if the body was an ArangoDB error.
    pub error_num: Option<u32>,
    /// The server's message, cut to 200 characters; empty if the body was no ArangoDB error.
    pub message: String,
}

/// Why one coordinator could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The coordinator's endpoint.
    pub coordinator: String,
    /// What the connection said.
    pub why: String,
}

/// What an error means for the caller. Decided in [`Error::class`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// What the request is about does not exist.
    Missing(What),
    /// What should be created exists already.
    Exists,
    /// Somebody else wrote the same thing at the same moment; read again and repeat.
    Conflict,
    /// The connection's user may not do this, or may not know about it.
    Denied,
    /// The server can't do it now: starting, stopping, full, or short of servers. Repeat later.
    Busy,
    /// The server takes no writes.
    ReadOnly,
    /// No coordinator could be reached.
    Unreachable,
    /// No answer, in time or at all: it may have been carried out, so look before repeating.
    Timeout,
    /// The server refuses the request as it is; repeating it can't help.
    Invalid,
    /// The connection's own login was refused.
    LoginRefused,
    /// Anything that the reference does not foresee.
    Unexpected,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// The database.
    Database,
    /// The user.
    User,
    /// The collection.
    Collection,
    /// Something else: an unknown path, most of the time.
    Other,
}

/// The envelope of an ArangoDB error (reference: general rules, error body).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorBody {
    #[serde(rename = "errorNum")]
    pub(super) error_num: Option<u32>,
    #[serde(rename = "errorMessage")]
    pub(super) message: Option<String>,
}

impl ErrorBody {
    /// Reads a body; one that is no ArangoDB error has neither number nor message.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The message as far as it is repeated.
    pub(super) fn cut_message(self) -> String {
        quoted(&self.message.unwrap_or_default(), MESSAGE_MAX)
    }
}

/// Somebody else's words as we repeat them: up to `max` characters, without any that a terminal or a log obeys instead of
/// showing it, or that isn't seen at all.
pub fn quoted(text: &str, max: usize) -> String {
    let obeyed = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().filter(|c| !obeyed(c)).take(max).collect()
}

impl Error {
    /// The error that an answer is.
    pub(super) fn answer(method: Method, path: String, status: StatusCode, body: &[u8]) -> Self {
        let body = ErrorBody::read(body);
        let error_num = body.error_num;
        Self::Answer(Box::new(Answer { method, path, status, error_num, message: body.cut_message() }))
    }

    /// A login that was answered with a refusal.
    pub(super) fn login_refused(user: String, status: StatusCode, body: &[u8]) -> Self {
        let body = ErrorBody::read(body);
        Self::LoginRefused { user, status, error_num: body.error_num, message: body.cut_message() }
    }

    /// A success that can't be read. Serde's own message quotes what it met, so only the place is told.
    pub(super) fn not_understood(method: Method, path: String, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Data => "a value is missing or of another type",
            _ => "it is no JSON",
        };
        let problem = format!("{what}, at line {} column {}", error.line(), error.column());
        Self::NotUnderstood { method, path, problem }
    }

    /// What the error means.
    pub fn class(&self) -> Class {
        match self {
            Self::Answer(answer) => class_of(answer.status, answer.error_num),
            Self::Unreachable(_) => Class::Unreachable,
            Self::Lost { .. } | Self::TimedOut { sent: true, .. } => Class::Timeout,
            // It waited in our own queue until its time was up: nothing is known against the server.
            Self::TimedOut { sent: false, .. } | Self::Full { .. } | Self::NotAllowed => Class::Busy,
            Self::LoginRefused { .. } => Class::LoginRefused,
            Self::Unusable(_) => Class::Invalid,
            Self::NotUnderstood { .. } | Self::TooLarge { .. } => Class::Unexpected,
        }
    }

    /// Whether the request may have been carried out although no success was seen.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::NotUnderstood { .. } | Self::TooLarge { .. } => true,
            Self::TimedOut { sent, .. } => *sent,
            // 503/503, 38 and 21003 are sent before anything ran; every other 5xx leaves it open (reference:
            // general rules, temporary errors).
            Self::Answer(answer) => {
                (answer.status.is_server_error() && !matches!(answer.error_num, Some(503 | 38 | 21003)))
                    || answer.status == StatusCode::REQUEST_TIMEOUT
            }
            Self::Unreachable(_)
            | Self::Full { .. }
            | Self::LoginRefused { .. }
            | Self::NotAllowed
            | Self::Unusable(_) => false,
        }
    }

    /// The server's number, if the error is an answer that carries one.
    pub fn error_num(&self) -> Option<u32> {
        match self {
            Self::Answer(answer) => answer.error_num,
            Self::LoginRefused { error_num, .. } => *error_num,
            _ => None,
        }
    }
}

/// The table: `errorNum` first, the status second, the text never (reference: general rules, error body;
/// errorNum table). The same meaning has several numbers: forbidden is 11 or 403.
pub fn class_of(status: StatusCode, error_num: Option<u32>) -> Class {
    match error_num {
        Some(1228) => Class::Missing(What::Database),
        Some(1703) => Class::Missing(What::User),
        Some(1203) => Class::Missing(What::Collection),
        // 1210: two coordinators created the same user at once, the unique index decided.
        Some(1207 | 1702 | 1210) => Class::Exists,
        Some(1200) => Class::Conflict,
        // A user who may not is told 401/11 by the gate, 403/11 or 403/403 by a handler.
        Some(11 | 401 | 403) => Class::Denied,
        Some(1004) => Class::ReadOnly,
        // 146x: the agency didn't take the database into or out of the plan; sent with status 400.
        Some(30 | 38 | 503 | 1429 | 1460..=1463 | 1465 | 1478 | 1495 | 1496 | 21003 | 21004) => Class::Busy,
        // 504 comes with status 408.
        Some(504 | 1457) => Class::Timeout,
        Some(10 | 32 | 400 | 405 | 600 | 601 | 1208 | 1221 | 1229 | 1230 | 1700 | 1705) => Class::Invalid,
        Some(404) => Class::Missing(What::Other),
        _ => match status.as_u16() {
            401 | 403 => Class::Denied,
            404 => Class::Missing(What::Other),
            408 | 504 => Class::Timeout,
            409 => Class::Conflict,
            429 | 502 | 503 => Class::Busy,
            400 | 405 | 413 | 414 | 431 => Class::Invalid,
            _ => Class::Unexpected,
        },
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}{}", self.method, self.path, self.status, Tail(self.error_num, &self.message))
    }
}

/// `, errorNum 1703: user not found`, as much of it as there is.
struct Tail<'a>(Option<u32>, &'a str);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.0 {
            write!(f, ", errorNum {number}")?;
        }
        if !self.1.is_empty() {
            write!(f, ": {}", self.1)?;
        }
        Ok(())
    }
}

/// Whole seconds, `2s`; shorter times in milliseconds.
struct Rounded(Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{}ms", self.0.as_millis()),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

/// One reason per coordinator, on one line.
struct Reasons<'a>(&'a [Reason]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", reason.coordinator, reason.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_decides_before_the_status() {
        for (status, number, class) in [
            (404, Some(1228), Class::Missing(What::Database)),
            (404, Some(1703), Class::Missing(What::User)),
            (404, Some(1203), Class::Missing(What::Collection)),
            (404, Some(404), Class::Missing(What::Other)),
            (409, Some(1702), Class::Exists),
            (409, Some(1207), Class::Exists),
            (412, Some(1200), Class::Conflict),
            (401, Some(11), Class::Denied),
            (403, Some(403), Class::Denied),
            (403, Some(1004), Class::ReadOnly),
            (403, Some(1429), Class::Busy),
            (412, Some(21004), Class::Busy),
            (400, Some(1461), Class::Busy),
            (408, Some(504), Class::Timeout),
            (400, Some(1208), Class::Invalid),
            (503, None, Class::Busy),
            (307, None, Class::Unexpected),
            (500, Some(4), Class::Unexpected),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(class_of(status, number), class, "{status} {number:?}");
        }
    }

    #[test]
    fn a_message_is_cut_on_a_character() {
        let body = serde_json::json!({"error": true, "errorNum": 10, "errorMessage": "ä".repeat(500)});
        let error =
            Error::answer(Method::GET, "/x".into(), StatusCode::BAD_REQUEST, body.to_string().as_bytes());
        let Error::Answer(answer) = error else { panic!("not an answer") };
        assert_eq!(answer.message.chars().count(), MESSAGE_MAX);
    }

    #[test]
    fn nothing_of_a_body_is_quoted() {
        let error = serde_json::from_str::<Vec<u32>>(r#"["canary"]"#).unwrap_err();
        assert!(error.to_string().contains("canary"), "serde quotes it: {error}");
        let error = Error::not_understood(Method::GET, "/x".into(), &error);
        assert!(!format!("{error} {error:?}").contains("canary"));
        let error = Error::answer(Method::GET, "/x".into(), StatusCode::BAD_GATEWAY, b"<html>canary</html>");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
