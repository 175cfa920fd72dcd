//! One request and one answer, and the seam between the typed client and whatever carries them.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::Value;

use super::{Error, error::ErrorBody};

/// Carries requests: the pool in production, a model in property tests.
pub trait Transport: Send + Sync {
    /// Sends one request. An answer of any status is `Ok`; an error means that there is none to be had.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>>;

    /// Waits between two requests that belong together. A model without a clock of its own waits for nothing.
    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// One request. Its body may hold a password, so `Debug` leaves it out.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, every segment percent-encoded already.
    pub path: String,
    /// The JSON body.
    pub body: Option<Value>,
    /// Requests with the same value go through the same coordinator while that works.
    pub affinity: Option<u64>,
    /// The one coordinator to ask, by its place in the list of endpoints.
    pub coordinator: Option<usize>,
    /// Whether it may be sent again when an answer was lost.
    pub repeat: Repeat,
    /// Whether it carries the connection's login.
    pub authenticated: bool,
    /// Its whole time, where that is not the transport's own.
    pub timeout: Option<Duration>,
    /// Whether it takes no place among the requests that may be under way at once: for the one that waits for minutes,
    /// so that nothing else waits for it.
    pub aside: bool,
}

/// What may be done when a request was sent and no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Sending it twice is the same as sending it once.
    Safe,
    /// A second sending would answer something else; only a request that was never sent is sent again.
    Unsafe,
}

/// One answer, of any status.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
    /// Which coordinator answered, by its place in the list of endpoints.
    pub coordinator: usize,
}

impl Request {
    /// A request with a login and without a body; whether it is safe to repeat follows from method and path.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let path = path.into();
        let repeat = Repeat::of(&method, &path);
        Self {
            method,
            path,
            body: None,
            affinity: None,
            coordinator: None,
            repeat,
            authenticated: true,
            timeout: None,
            aside: false,
        }
    }

    /// With a JSON body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With another classification than method and path give.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// With a time of its own, for the few that the server takes longer for than for all others.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Without taking a place among the requests that may be under way at once.
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// Without a login, for the few paths that are open.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.authenticated = false;
        self
    }
}

impl Repeat {
    /// The classification of the reference (general rules, safe retries). Creating and dropping answer
    /// something else the second time, and what is not known is taken to be like them.
    pub fn of(method: &Method, path: &str) -> Self {
        let path = path.split('?').next().unwrap_or(path);
        let route = match path.strip_prefix("/_db/").and_then(|rest| rest.find('/').map(|at| &rest[at..])) {
            Some(route) => route,
            None => path,
        };
        let user = route.starts_with("/_api/user/");
        let safe = match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => true,
            Method::PUT => {
                user || route.starts_with("/_admin/server/mode")
                    || route.starts_with("/_admin/cluster/maintenance")
            }
            Method::PATCH => user,
            // Taking a right away; deleting the user himself has no further segment.
            Method::DELETE => user && route.matches('/').count() > 4 && route.contains("/database/"),
            Method::POST => route == "/_open/auth",
            _ => false,
        };
        if safe { Self::Safe } else { Self::Unsafe }
    }
}

impl Response {
    /// The `errorNum` of an answer that is no success.
    pub fn error_num(&self) -> Option<u32> {
        if self.status.is_success() { None } else { ErrorBody::read(&self.body).error_num }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("affinity", &self.affinity)
            .field("coordinator", &self.coordinator)
            .field("repeat", &self.repeat)
            .field("authenticated", &self.authenticated)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_interpretation_is_not_repeated() {
        for (method, path, repeat) in [
            (Method::GET, "/_api/version", Repeat::Safe),
            (Method::PUT, "/_db/_system/_api/user/a/database/b", Repeat::Safe),
            (Method::PATCH, "/_db/_system/_api/user/a", Repeat::Safe),
            (Method::DELETE, "/_db/_system/_api/user/a/database/b", Repeat::Safe),
            (Method::DELETE, "/_db/_system/_api/user/a/database/b/c", Repeat::Safe),
            (Method::DELETE, "/_db/_system/_api/user/a", Repeat::Unsafe),
            (Method::DELETE, "/_db/_system/_api/user/database", Repeat::Unsafe),
            (Method::DELETE, "/_db/_system/_api/database/b", Repeat::Unsafe),
            (Method::POST, "/_db/_system/_api/user", Repeat::Unsafe),
            (Method::POST, "/_db/_system/_api/database", Repeat::Unsafe),
            (Method::POST, "/_open/auth", Repeat::Safe),
            (Method::PUT, "/_admin/cluster/maintenance", Repeat::Safe),
            (Method::PATCH, "/_db/x/_api/document/c/1", Repeat::Unsafe),
        ] {
            assert_eq!(Repeat::of(&method, path), repeat, "{method} {path}");
        }
    }
}
