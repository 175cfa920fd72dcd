//! What every answer carries, whatever the answer (reference: response headers).

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Request, Response,
    answer::{Answer, Reply},
    gate::Caller,
};

const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");

const CACHE: HeaderValue = HeaderValue::from_static(
    "no-cache, no-store, must-revalidate, pre-check=0, post-check=0, max-age=0, s-maxage=0",
);
const SECURITY: HeaderValue = HeaderValue::from_static("frame-ancestors 'self'; form-action 'self';");

/// In an answer: how long requests waited last, in seconds. In a request: how long it is ready to.
const QUEUE_TIME: HeaderName = HeaderName::from_static("x-arango-queue-time-seconds");

/// Whether a request is ready to wait so many seconds. Without a word about it, and with 0, it waits for ever.
pub(super) fn waits(request: &Request, queue_time: f64) -> bool {
    let ready = request.headers.get(QUEUE_TIME).and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
    ready.is_none_or(|ready| ready <= 0.0 || queue_time <= ready)
}

/// The answer to OPTIONS: empty, without authentication; more of it where a browser asks in advance.
pub(super) fn options(request: &Request) -> Reply {
    let mut headers = vec![(header::ALLOW, METHODS)];
    if request.headers.contains_key(header::ORIGIN) {
        headers.push((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS));
        headers.push((header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("1800")));
        let asked = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        if let Some(asked) = asked.filter(|asked| !asked.as_bytes().trim_ascii().is_empty()) {
            headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone()));
        }
    }
    Reply { headers, text: true, ..Reply::default() }
}

/// The answer to a method that the server has never heard of: nothing but the status.
pub(super) fn unknown_method() -> Reply {
    Reply { status: StatusCode::METHOD_NOT_ALLOWED, text: true, ..Reply::default() }
}

fn says(request: &Request, name: &HeaderName, part: &str) -> bool {
    let values = request.headers.get_all(name).iter();
    values.filter_map(|value| value.to_str().ok()).any(|value| value.to_ascii_lowercase().contains(part))
}

/// Puts the headers on an answer.
pub(super) fn finish(request: &Request, caller: &Caller, answer: Answer, queue_time: f64) -> Response {
    let reply = answer.unwrap_or_else(|failure| Reply {
        status: failure.status,
        body: failure.body(),
        ..Reply::default()
    });
    let mut headers = HeaderMap::with_capacity(16);
    // An answer that nothing was written to is of the type that every answer begins with.
    let text = reply.text || reply.body.is_empty();
    // ASSUMED: the character set is left out exactly where the request asks for JSON.
    let kind = match (text, says(request, &header::ACCEPT, "application/json")) {
        (true, _) => "text/plain; charset=utf-8",
        (false, true) => "application/json",
        (false, false) => "application/json; charset=utf-8",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, CACHE);
    let connection = if says(request, &header::CONNECTION, "close") { "Close" } else { "Keep-Alive" };
    headers.insert(header::CONNECTION, HeaderValue::from_static(connection));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    headers.insert(header::CONTENT_SECURITY_POLICY, SECURITY);
    headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::SERVER, HeaderValue::from_static("ArangoDB"));
    let transport = HeaderValue::from_static("max-age=31536000 ; includeSubDomains");
    headers.insert(header::STRICT_TRANSPORT_SECURITY, transport);
    if let Ok(queue_time) = HeaderValue::from_str(&format!("{queue_time:.6}")) {
        headers.insert(QUEUE_TIME, queue_time);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(origin) = request.headers.get(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("false"));
    }
    let omit = request.headers.get("x-omit-www-authenticate").is_some_and(|value| !value.is_empty());
    if reply.status == StatusCode::UNAUTHORIZED && !omit {
        // The comma after the scheme is the server's.
        for value in [r#"Basic, realm="ArangoDB""#, r#"Bearer, token_type="JWT", realm="ArangoDB""#] {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
    }
    for (name, value) in reply.headers {
        headers.insert(name, value);
    }
    let body = if request.method == Method::HEAD { Bytes::new() } else { reply.body };
    let user = caller.name().map(str::to_owned);
    Response { status: reply.status, headers, body, user, takes: reply.takes }
}
