//! What goes into the model and what comes out of it: plain data.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

/// A moment: seconds since 1970. The model has no clock of its own.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Now(pub f64);

impl Now {
    /// The moment in whole seconds, as tokens carry it.
    #[allow(clippy::cast_possible_truncation)] // far beyond any date that a test or a demo uses
    pub fn seconds(self) -> i64 {
        self.0 as i64
    }
}

/// One HTTP request.
#[derive(Clone)]
pub struct Request {
    /// Which coordinator is asked, counted from 0.
    pub coordinator: usize,
    /// The method.
    pub method: Method,
    /// The path with its query, still percent-encoded.
    pub path_and_query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, empty where there is none.
    pub body: Bytes,
}

impl Request {
    /// A request to the first coordinator, without credentials and body.
    pub fn new(method: Method, path_and_query: impl Into<String>) -> Self {
        Self {
            coordinator: 0,
            method,
            path_and_query: path_and_query.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// GET.
    pub fn get(path_and_query: impl Into<String>) -> Self {
        Self::new(Method::GET, path_and_query)
    }

    /// POST with a JSON body.
    pub fn post(path_and_query: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, path_and_query).json(body)
    }

    /// PUT with a JSON body.
    pub fn put(path_and_query: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PUT, path_and_query).json(body)
    }

    /// PATCH with a JSON body.
    pub fn patch(path_and_query: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PATCH, path_and_query).json(body)
    }

    /// DELETE.
    pub fn delete(path_and_query: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path_and_query)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// With a body of any bytes.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// To this coordinator, counted from 0.
    #[must_use]
    pub fn coordinator(mut self, coordinator: usize) -> Self {
        self.coordinator = coordinator;
        self
    }

    /// With a header. A value that HTTP doesn't allow is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    /// With HTTP Basic credentials.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        let text = STANDARD.encode(format!("{user}:{password}"));
        self.header(header::AUTHORIZATION, &format!("Basic {text}"))
    }

    /// With a JSON Web Token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header(header::AUTHORIZATION, &format!("bearer {token}"))
    }
}

impl std::fmt::Debug for Request {
    /// Without headers and body: both may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} (coordinator {})", self.method, self.path_and_query, self.coordinator)
    }
}

/// One HTTP answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// All headers, `content-length` among them.
    pub headers: HeaderMap,
    /// The body; empty after HEAD.
    pub body: Bytes,
    /// Who asked, as far as the credentials said it truthfully. For logs.
    pub user: Option<String>,
    /// How long a real server is busy before it answers this. The model has no clock: whoever sends the answer may
    /// wait.
    pub takes: Duration,
}

impl Response {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// ArangoDB's own error number, 0 where the answer carries none.
    pub fn error_num(&self) -> u64 {
        self.json()["errorNum"].as_u64().unwrap_or_default()
    }
}
