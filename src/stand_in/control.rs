//! The control port: faults, the request log and tokens, for `curl` and for tests in other languages.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    deployment::Deployment,
    fault::{Active, FaultRule, help},
    log::LogEntry,
    model::Now,
    shared::now,
};

/// How many requests are shown unless more are asked for.
const LAST: usize = 100;

const INTRODUCTION: &str = "\
The control port of an ArangoDB stand-in. Coordinators are counted from 1, as they are printed.

GET    /coordinators    where they are and whether they take connections
GET    /faults          the faults in force, and how many requests each has hit
POST   /faults          add one:      curl -d 'hang coordinator=2 next=3' URL/faults
                        or in JSON:   curl -d '{\"fault\": \"hang\", \"coordinator\": 2, \"next\": 3}' URL/faults
PUT    /faults          these instead of all others: lines as above, or a JSON list
DELETE /faults          none any more
DELETE /faults/N        this one no more
GET    /requests        how many came, and the last 100; ?last=N for more, and these narrow it down:
                        coordinator=N user=NAME method=GET path=/PREFIX status=503 fault=NAME
                        (status=none: no answer was sent; fault=any: some fault)
DELETE /requests        forget them
POST   /tokens/expire   end all tokens that were issued until now

";

/// Where everything is.
const PATHS: &str = "/, /coordinators, /faults, /faults/N, /requests, /tokens/expire";

/// Opens the port.
pub(super) async fn start(deployment: Arc<Deployment>, address: SocketAddr) -> Result<SocketAddr> {
    if !address.ip().is_loopback() {
        bail!("the control port has no password and so takes loopback addresses only, not {address}");
    }
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("can't listen on {address}"))?;
    let address = listener.local_addr()?;
    let dropped = deployment.dropped.clone();
    let router = Router::new().fallback(answer).with_state(deployment);
    tokio::spawn(async move {
        tokio::select! {
            () = dropped.cancelled() => {}
            // It ends with the listener, which goes nowhere.
            _ = axum::serve(listener, router).into_future() => {}
        }
    });
    Ok(address)
}

/// What was asked wrongly: a status and a sentence.
struct Mistake(StatusCode, String);

impl Mistake {
    fn bad(sentence: impl std::fmt::Display) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.to_string())
    }
}

impl From<anyhow::Error> for Mistake {
    fn from(error: anyhow::Error) -> Self {
        Self::bad(format_args!("{error:#}"))
    }
}

fn sent(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// JSON with a line break at its end.
fn json_of(status: StatusCode, value: &impl Serialize) -> Response {
    // Plain values with text keys can't fail to serialise; an empty body would be seen at once.
    sent(status, "application/json", serde_json::to_string(value).unwrap_or_default() + "\n")
}

/// A JSON list with a line for each element.
fn list(values: impl IntoIterator<Item = impl Serialize>) -> String {
    let line = |value| format!("  {}", serde_json::to_string(&value).unwrap_or_default());
    let lines: Vec<String> = values.into_iter().map(line).collect();
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", lines.join(",\n")) }
}

/// An answer that is a list.
fn listed(values: impl IntoIterator<Item = impl Serialize>) -> Response {
    sent(StatusCode::OK, "application/json", list(values) + "\n")
}

async fn answer(
    State(deployment): State<Arc<Deployment>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let answered = route(&deployment, &method, &uri, &body).await;
    answered.unwrap_or_else(|Mistake(status, sentence)| json_of(status, &json!({"error": sentence})))
}

async fn route(
    deployment: &Arc<Deployment>,
    method: &Method,
    uri: &Uri,
    body: &[u8],
) -> Result<Response, Mistake> {
    let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let ok = |value: Value| Ok(json_of(StatusCode::OK, &value));
    match (method.as_str(), &segments[..]) {
        ("GET", []) => {
            Ok(sent(StatusCode::OK, "text/plain; charset=utf-8", INTRODUCTION.to_owned() + &help()))
        }
        ("GET", ["coordinators"]) => Ok(listed(coordinators(deployment).await?)),
        ("GET", ["faults"]) => Ok(listed(deployment.shared.faults.lock().rules().iter().map(fault))),
        ("POST", ["faults"]) => {
            let rules = rules(body)?;
            let [rule] = &rules[..] else {
                return Err(Mistake::bad("POST adds one fault; use PUT for a list"));
            };
            let id = deployment.add_fault(rule.clone()).await?;
            let added =
                deployment.shared.faults.lock().rules().iter().find(|active| active.id == id).map(fault);
            // None where it was for so short that it is over.
            Ok(json_of(StatusCode::CREATED, &added.unwrap_or_else(|| json!({"id": id}))))
        }
        ("PUT", ["faults"]) => {
            let rules = rules(body)?;
            // All or nothing.
            rules.iter().try_for_each(|rule| deployment.check(rule))?;
            deployment.remove_faults(|_| true).await?;
            for rule in rules {
                deployment.add_fault(rule).await?;
            }
            Ok(listed(deployment.shared.faults.lock().rules().iter().map(fault)))
        }
        ("DELETE", ["faults"]) => ok(json!({"removed": deployment.remove_faults(|_| true).await?})),
        ("DELETE", ["faults", id]) => {
            let number: u64 = id.parse().map_err(|_| Mistake::bad(format_args!("{id:?} is no number")))?;
            let removed = deployment.remove_faults(|active| active.id == number).await?;
            if removed.is_empty() {
                return Err(Mistake(StatusCode::NOT_FOUND, format!("there is no fault {number}")));
            }
            ok(json!({"removed": removed}))
        }
        ("GET", ["requests"]) => requests(deployment, uri.query().unwrap_or_default()),
        ("DELETE", ["requests"]) => {
            let mut log = deployment.shared.log();
            let count = log.count();
            log.clear();
            ok(json!({"forgotten": count}))
        }
        ("POST", ["tokens", "expire"]) => {
            let now = now();
            deployment.shared.replicas.lock().model.expire_tokens(now);
            ok(json!({"expired": "all tokens that were issued until now", "now": time(now)}))
        }
        (_, [] | ["coordinators" | "faults" | "requests"] | ["faults", _] | ["tokens", "expire"]) => {
            let sentence = format!("{method} is not for {}; GET / says what is", uri.path());
            Err(Mistake(StatusCode::METHOD_NOT_ALLOWED, sentence))
        }
        _ => Err(Mistake(StatusCode::NOT_FOUND, format!("there is no {}, there are {PATHS}", uri.path()))),
    }
}

async fn coordinators(deployment: &Deployment) -> Result<Vec<Value>, Mistake> {
    let mut list = Vec::new();
    for (index, url) in deployment.endpoints().into_iter().enumerate() {
        let running = deployment.is_running(index).await?;
        list.push(json!({"coordinator": index + 1, "url": url, "running": running}));
    }
    Ok(list)
}

fn fault(active: &Active) -> Value {
    let mut shown = active.rule.to_json();
    shown.insert("id".to_owned(), active.id.into());
    shown.insert("hits".to_owned(), active.hits.into());
    shown.into()
}

/// The rules of a body: lines of text, a JSON object, or a JSON list of either.
fn rules(body: &[u8]) -> Result<Vec<FaultRule>, Mistake> {
    let text = std::str::from_utf8(body).map_err(|_| Mistake::bad("the body is no UTF-8"))?.trim();
    if !text.starts_with(['{', '[', '"']) {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        return lines.map(|line| line.parse().map_err(Mistake::bad)).collect();
    }
    let value: Value =
        serde_json::from_str(text).map_err(|error| Mistake::bad(format_args!("that is no JSON: {error}")))?;
    let list = if let Value::Array(list) = value { list } else { vec![value] };
    list.iter().map(|value| FaultRule::from_json(&without_counts(value)).map_err(Mistake::bad)).collect()
}

/// A fault as it is listed can be sent back; what was counted for it isn't part of it.
fn without_counts(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove("id");
        object.remove("hits");
    }
    value
}

/// Which requests are asked for. Every part that is given must fit.
struct Filter(Vec<(String, String)>);

impl Filter {
    fn fits(&self, entry: &LogEntry) -> bool {
        self.0.iter().all(|(key, wanted)| match key.as_str() {
            "coordinator" => (entry.coordinator + 1).to_string() == *wanted,
            "user" => entry.user.as_ref() == Some(wanted),
            "method" => entry.method.as_str().eq_ignore_ascii_case(wanted),
            "path" => entry.path.starts_with(wanted.as_str()),
            "status" => entry.status.as_ref().map_or("none", StatusCode::as_str) == wanted,
            _ => entry.fault.is_some_and(|fault| wanted == "any" || wanted == fault),
        })
    }
}

/// Reads a query: what narrows the requests down, and how many are to be shown.
fn filter(query: &str) -> Result<(Filter, usize), Mistake> {
    let (mut parts, mut last) = (Vec::new(), LAST);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        match key {
            "last" => {
                last =
                    value.parse().map_err(|_| Mistake::bad(format_args!("last: {value:?} is no number")))?;
            }
            "coordinator" | "user" | "method" | "path" | "status" | "fault" => {
                parts.push((key.to_owned(), value));
            }
            _ => {
                let known = "last, coordinator, user, method, path, status and fault";
                return Err(Mistake::bad(format_args!("{key:?} narrows nothing down; there are {known}")));
            }
        }
    }
    Ok((Filter(parts), last))
}

fn requests(deployment: &Deployment, query: &str) -> Result<Response, Mistake> {
    let (filter, last) = filter(query)?;
    let log = deployment.shared.log();
    let fitting: Vec<&LogEntry> = log.entries().filter(|entry| filter.fits(entry)).collect();
    let shown = list(fitting[fitting.len().saturating_sub(last)..].iter().copied().map(line));
    let (total, matching) = (log.count(), fitting.len());
    let body = format!("{{\"total\": {total}, \"matching\": {matching}, \"requests\": {shown}}}\n");
    Ok(sent(StatusCode::OK, "application/json", body))
}

fn time(now: Now) -> String {
    let time = Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(now.0)).unwrap_or_default();
    format!("{time:.3}")
}

/// A request as a line: time first, so that lines can be read one under the other.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    coordinator: usize,
    user: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    status: Option<u16>,
    fault: Option<&'static str>,
}

fn line(entry: &LogEntry) -> Line<'_> {
    Line {
        time: time(entry.time),
        coordinator: entry.coordinator + 1,
        user: entry.user.as_deref(),
        method: entry.method.as_str(),
        path: &entry.path,
        status: entry.status.map(|status| status.as_u16()),
        fault: entry.fault,
    }
}
