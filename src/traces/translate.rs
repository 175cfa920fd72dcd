//! What a collector is told of a span: names and attributes as OpenTelemetry's conventions have them where there are such,
//! and nothing but what is listed here.

use opentelemetry::{
    Key, KeyValue, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::SpanData;
use tracing::Metadata;

/// A field of a span, and the attribute that it becomes.
type Field = (&'static str, &'static str);

/// A pass over a resource.
const PASS: &[Field] = &[
    ("kind", "arangooperator.kind"),
    ("namespace", "k8s.namespace.name"),
    ("object", "arangooperator.object"),
    ("reason", "arangooperator.reason"),
];

/// An exchange with a coordinator.
const EXCHANGE: &[Field] = &[
    ("method", "http.request.method"),
    ("route", "url.template"),
    ("coordinator", "arangooperator.coordinator"),
    ("status", "http.response.status_code"),
];

/// Reasons of a pass that came to no verdict.
const FAILED: [&str; 2] = ["KubernetesError", "Deadline"];

/// Whether spans of that kind are sent.
pub(super) fn is_known(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with(env!("CARGO_CRATE_NAME")) && fields(metadata.name()).is_some()
}

fn fields(name: &str) -> Option<&'static [Field]> {
    match name {
        "pass" => Some(PASS),
        "exchange" => Some(EXCHANGE),
        _ => None,
    }
}

/// A span as it is sent.
pub(super) fn translated(mut span: SpanData) -> SpanData {
    let fields = fields(&span.name).unwrap_or_default();
    let attribute = |KeyValue { key, value, .. }: KeyValue| {
        let (_, name) = fields.iter().find(|(field, _)| *field == key.as_str())?;
        Some(KeyValue::new(*name, value))
    };
    span.attributes = span.attributes.into_iter().filter_map(attribute).collect();
    span.events = <_>::default();
    let text = |name: &'static str| found(&span.attributes, name).map(Value::as_str).unwrap_or_default();
    if span.name == "pass" {
        let reason = text("arangooperator.reason");
        if FAILED.contains(&&*reason) {
            span.status = Status::error("");
            let reason = reason.into_owned();
            span.attributes.push(KeyValue::new("error.type", reason));
        }
        let name = found(&span.attributes, "arangooperator.kind").map(Value::as_str).unwrap_or_default();
        span.name = format!("reconcile {name}").into();
    } else {
        let name = format!("{} {}", text("http.request.method"), text("url.template"));
        let why = match found(&span.attributes, "http.response.status_code") {
            Some(Value::I64(status)) if *status < 500 => None,
            Some(status) => Some(status.to_string()),
            None => Some("no answer".to_owned()),
        };
        if let Some(why) = why {
            span.status = Status::error("");
            span.attributes.push(KeyValue::new("error.type", why));
        }
        span.name = name.into();
        span.span_kind = SpanKind::Client;
    }
    span
}

fn found<'a>(attributes: &'a [KeyValue], name: &'static str) -> Option<&'a Value> {
    let key = Key::from_static_str(name);
    attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
}
