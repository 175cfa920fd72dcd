//! Metadata, which are the same for all kinds, and are no part of a definition.

use std::sync::LazyLock;

use serde_json::json;

use super::{super::node::Node, Finding, schema::Schema};

/// Most bytes of all annotations of an object.
const ANNOTATIONS_MAX: usize = 256 * 1024;
/// Longest label, and longest name of one behind its prefix.
const LABEL_MAX: usize = 63;
/// Longest prefix of a label's name.
const PREFIX_MAX: usize = 253;

/// The metadata that a person writes; the rest is the API server's.
pub(super) static METADATA: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let any = json!({"x-kubernetes-preserve-unknown-fields": true});
    Schema::read(json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 253, "minLength": 1, "description": "The name of the resource."},
            "namespace": {"type": "string", "maxLength": 63, "description": "The namespace of the resource."},
            "labels": texts, "annotations": texts,
            "finalizers": {"type": "array", "items": {"type": "string"}},
            "uid": {"type": "string"}, "resourceVersion": {"type": "string"}, "selfLink": {"type": "string"},
            "generation": {"type": "integer"}, "generateName": {"type": "string"},
            "creationTimestamp": {"type": "string"}, "deletionTimestamp": {"type": "string"},
            "deletionGracePeriodSeconds": {"type": "integer"},
            "ownerReferences": any, "managedFields": any,
        },
    }))
});

/// Checks metadata.
pub(super) fn check(node: &mut Node<'_>, findings: &mut Vec<Finding>) {
    let Ok(schema) = &*METADATA else { return };
    schema.check(node, &mut "metadata".to_owned(), findings);
    let mut find = |node: &Node<'_>, message: String, remedy: &str| {
        findings.push(Finding::new(node.at, message, Some(remedy.to_owned())));
    };
    for (field, is_valid, is) in [
        ("name", is_subdomain as fn(&str) -> bool, "a lowercase RFC 1123 subdomain"),
        ("namespace", is_label, "a lowercase RFC 1123 label"),
    ] {
        if let Some(value) = node.get(field)
            && value.text().is_some_and(|text| !text.is_empty() && !is_valid(text))
        {
            let remedy = "take small letters, digits and dashes; the name on the server is said in spec.name";
            find(value, format!("metadata.{field} must be {is}"), remedy);
        }
    }
    for field in ["labels", "annotations"] {
        for entry in node.get(field).map(Node::entries).unwrap_or_default() {
            // Of annotations the API server looks at the small letters alone.
            let name = if field == "labels" { entry.key.to_string() } else { entry.key.to_ascii_lowercase() };
            if !is_qualified(&name) {
                let message = format!("the name {} in metadata.{field} can't be", entry.key);
                let remedy =
                    "write NAME or PREFIX/NAME: letters, digits, dashes, underscores and dots, at most 63";
                find(&Node { at: entry.at, value: entry.node.value.clone() }, message, remedy);
            }
            if field == "labels" && entry.node.text().is_some_and(|text| !is_value(text)) {
                let message = format!("metadata.labels.{} can't have this value", entry.key);
                find(&entry.node, message, "take letters, digits, dashes, underscores and dots, at most 63");
            }
        }
    }
    if let Some(annotations) = node.get("annotations") {
        let text = |node: &Node<'_>| node.text().map_or(0, str::len);
        let size: usize = annotations.entries().iter().map(|one| one.key.len() + text(&one.node)).sum();
        if size > ANNOTATIONS_MAX {
            let message = format!("metadata.annotations: Too long: at most {ANNOTATIONS_MAX} bytes");
            find(annotations, message, "leave out what nobody reads");
        }
    }
}

/// Small letters and digits, with dashes in between.
fn is_label(text: &str) -> bool {
    let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|c| letter(*c) || *c == b'-')
        && bytes.first().is_some_and(|c| letter(*c))
        && bytes.last().is_some_and(|c| letter(*c))
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// The name of a label.
fn is_qualified(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let fits = |prefix: &str| prefix.len() <= PREFIX_MAX && is_subdomain(prefix);
    prefix.is_none_or(fits) && !name.is_empty() && is_value(name)
}

/// The value of a label.
fn is_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let end = |c: Option<&u8>| c.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= LABEL_MAX
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
        && end(bytes.first())
        && end(bytes.last())
}
