//! A collector that keeps what it gets.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
};
use parking_lot::Mutex;
use prost::Message;
use tokio::net::TcpListener;

use super::support::eventually;

/// The kind of a span that is a request to somebody else.
pub(crate) const CLIENT: i32 = 3;
/// The status of a span that failed.
const ERROR: i32 = 2;

/// A span, with what is said of who sent it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: i32,
    pub(crate) trace: Vec<u8>,
    pub(crate) id: Vec<u8>,
    pub(crate) parent: Vec<u8>,
    pub(crate) failed: bool,
    pub(crate) events: usize,
    attributes: BTreeMap<String, String>,
    resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute.
    pub(crate) fn text(&self, name: &str) -> String {
        self.attributes.get(name).cloned().unwrap_or_default()
    }

    /// An attribute of who sent it.
    pub(crate) fn resource(&self, name: &str) -> String {
        self.resource.get(name).cloned().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Span>,
    headers: Vec<String>,
    bytes: Vec<u8>,
}

/// A running collector; it ends with the test's runtime.
pub(crate) struct Collector {
    kept: Arc<Mutex<Kept>>,
    address: String,
}

impl Collector {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { kept, address }
    }

    /// What is before `/v1/traces`.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// What arrived so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.kept.lock().spans.clone()
    }

    /// The same, and it is forgotten.
    pub(crate) fn take(&self) -> Vec<Span> {
        std::mem::take(&mut self.kept.lock().spans)
    }

    /// The headers of each request.
    pub(crate) fn headers(&self) -> Vec<String> {
        self.kept.lock().headers.clone()
    }

    /// All bodies.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.kept.lock().bytes.clone()
    }

    /// Waits for a span.
    pub(crate) async fn span(&self, what: &str, is: impl Fn(&Span) -> bool) -> Span {
        eventually(what, async || {
            let spans = self.spans();
            let names = || spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
            spans.iter().find(|span| is(span)).cloned().ok_or_else(names)
        })
        .await
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get("content-type").is_none_or(|kind| kind != "application/x-protobuf") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else { return StatusCode::BAD_REQUEST };
    let mut kept = kept.lock();
    kept.headers.push(format!("{headers:?}"));
    kept.bytes.extend_from_slice(&body);
    for of_one in request.resource_spans {
        let resource = texts(of_one.resource.unwrap_or_default().attributes);
        for span in of_one.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            kept.spans.push(Span {
                name: span.name,
                kind: span.kind,
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                failed: span.status.is_some_and(|status| status.code == ERROR),
                events: span.events.len(),
                attributes: texts(span.attributes),
                resource: resource.clone(),
            });
        }
    }
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |attribute: KeyValue| {
        let value = attribute.value.and_then(|value| value.value);
        (attribute.key, value.map(text).unwrap_or_default())
    };
    attributes.into_iter().map(value).collect()
}
