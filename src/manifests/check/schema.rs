//! The schema of a definition, as the API server goes by it: what is null is left out, defaults are put in, and the
//! rest is compared, all of it.

use std::{borrow::Cow, collections::BTreeMap};

use regex::bytes::Regex;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    super::{
        complaint::nearest,
        node::{At, Entry, Node, Value},
    },
    Finding, parse,
};

/// One level of a schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "type", default)]
    type_: Type,
    #[serde(default)]
    properties: BTreeMap<String, Schema>,
    #[serde(default)]
    additional_properties: Option<Box<Schema>>,
    #[serde(default)]
    items: Option<Box<Schema>>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(rename = "enum", default)]
    words: Vec<String>,
    #[serde(default)]
    min_length: Option<usize>,
    #[serde(default)]
    max_length: Option<usize>,
    #[serde(default)]
    min_items: Option<usize>,
    #[serde(default)]
    max_items: Option<usize>,
    #[serde(default)]
    min_properties: Option<usize>,
    #[serde(default)]
    max_properties: Option<usize>,
    #[serde(default)]
    minimum: Option<f64>,
    #[serde(default)]
    maximum: Option<f64>,
    #[serde(default)]
    pattern: Option<Pattern>,
    #[serde(default)]
    default: Option<Json>,
    #[serde(default)]
    description: String,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields", default)]
    open: bool,
    // Which are nothing that is compared: notes for the API server, and formats, which the bounds say more exactly.
    #[serde(rename = "title", default)]
    _title: Option<String>,
    #[serde(rename = "format", default)]
    _format: Option<String>,
    #[serde(rename = "x-kubernetes-list-type", default)]
    _list_type: Option<String>,
    #[serde(rename = "x-kubernetes-list-map-keys", default)]
    _list_map_keys: Option<Vec<String>>,
    #[serde(rename = "x-kubernetes-validations", default)]
    _rules: Option<Json>,
    /// What this reader doesn't know, it must not overlook.
    #[serde(flatten)]
    unknown: BTreeMap<String, Json>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    #[default]
    #[serde(skip)]
    Any,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pattern {
    text: String,
    regex: Regex,
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(Self { regex: parse::pattern(&text)?, text })
    }
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// It has something that is not known here.
    pub(super) fn read(schema: Json) -> Result<Self, String> {
        let schema: Self = serde_json::from_value(schema).map_err(|error| error.to_string())?;
        schema.known()?;
        Ok(schema)
    }

    fn known(&self) -> Result<(), String> {
        if let Some(name) = self.unknown.keys().next() {
            return Err(format!("the schema has {name}, which is not checked"));
        }
        let below = self.properties.values().chain(self.additional_properties.as_deref());
        below.chain(self.items.as_deref()).try_for_each(Self::known)
    }

    /// Compares a value, after what is null has gone and defaults have come.
    pub(super) fn check(&'static self, node: &mut Node<'_>, path: &mut String, findings: &mut Vec<Finding>) {
        let at = node.at;
        if let Some(said) = self.mistyped(&node.value) {
            let must = format!("{path} must be of type {}, and this is {}", self.type_.name(), said.is);
            findings.push(Finding { blocks: true, ..Finding::new(at, must, said.remedy) });
            return;
        }
        match &mut node.value {
            Value::Map(entries) => self.check_map(at, entries, path, findings),
            Value::List(items) => {
                let count = items.len();
                self.bound(at, path, count, [self.min_items, self.max_items], "items", findings);
                for (index, item) in items.iter_mut().enumerate() {
                    if let Some(schema) = &self.items {
                        within(path, &format!("[{index}]"), |path| schema.check(item, path, findings));
                    }
                }
            }
            Value::Text(text) => self.check_text(at, text, path, findings),
            Value::Integer(number) => {
                #[allow(clippy::cast_precision_loss, reason = "bounds are small whole numbers")]
                self.check_number(at, *number as f64, path, findings);
            }
            Value::Float(number) => {
                let number = *number;
                if self.type_ == Type::Integer {
                    // Whole, or it would have been refused: `8.0` is 8, also to the API server.
                    #[allow(clippy::cast_possible_truncation, reason = "a bound is compared beside it")]
                    (node.value = Value::Integer(number as i64));
                }
                self.check_number(at, number, path, findings);
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn check_map(
        &'static self,
        at: At,
        entries: &mut Vec<Entry<'_>>,
        path: &mut String,
        findings: &mut Vec<Finding>,
    ) {
        // Whoever writes a null means that there is nothing.
        if !self.open {
            entries.retain(|entry| entry.node.value != Value::Null);
        }
        for (name, schema) in &self.properties {
            if let Some(default) = &schema.default
                && !entries.iter().any(|entry| entry.key == *name)
            {
                entries.push(Entry { key: Cow::Borrowed(name), at, node: node(default, at) });
            }
        }
        let count = entries.len();
        self.bound(at, path, count, [self.min_properties, self.max_properties], "entries", findings);
        for name in &self.required {
            if !entries.iter().any(|entry| entry.key == *name) {
                let message = format!("{}: Required value", joined(path, name));
                let what = self.properties.get(name).map(Self::sentence);
                let remedy = what.map(|what| format!("write {name}: {what}"));
                findings.push(Finding { blocks: true, ..Finding::new(at, message, remedy) });
            }
        }
        for entry in entries {
            let schema = self.properties.get(&*entry.key).or(self.additional_properties.as_deref());
            match schema {
                Some(schema) => {
                    let name = std::mem::take(&mut entry.key);
                    within(path, &name, |path| schema.check(&mut entry.node, path, findings));
                    entry.key = name;
                }
                None if self.open || self.type_ == Type::Any => {}
                None => findings.push(self.unknown_field(entry, path)),
            }
        }
    }

    fn unknown_field(&self, entry: &Entry<'_>, path: &str) -> Finding {
        let names = || self.properties.keys().map(String::as_str);
        let remedy = match nearest(&entry.key, names()) {
            Some(name) => format!("did you mean {name}?"),
            None if self.properties.is_empty() => "leave it out; nothing can be said here".to_owned(),
            None => format!("the fields here are {}", names().collect::<Vec<_>>().join(", ")),
        };
        Finding::new(entry.at, format!("unknown field {}", joined(path, &entry.key)), Some(remedy))
    }

    fn check_text(&self, at: At, text: &str, path: &str, findings: &mut Vec<Finding>) {
        if !self.words.is_empty() && !self.words.iter().any(|word| word == text) {
            let words = self.words.join(", ");
            let remedy = nearest(text, self.words.iter().map(String::as_str));
            let remedy =
                remedy.map_or_else(|| self.sentence().to_owned(), |word| format!("did you mean {word}?"));
            let message = format!("{path}: Unsupported value; it is one of {words}");
            findings.push(Finding::new(at, message, Some(remedy)));
        }
        let count =
            if self.max_length.is_some_and(|max| text.len() <= max) && self.min_length.unwrap_or(0) <= 1 {
                // As many bytes are enough letters, and no letter has none.
                text.len()
            } else {
                text.chars().count()
            };
        self.bound(at, path, count, [self.min_length, self.max_length], "characters", findings);
        if let Some(Pattern { text: pattern, regex }) = &self.pattern
            && !regex.is_match(text.as_bytes())
        {
            let message = format!("{path} must match {pattern}");
            findings.push(Finding::new(at, message, Some(self.sentence().to_owned())));
        }
    }

    fn check_number(&self, at: At, number: f64, path: &str, findings: &mut Vec<Finding>) {
        let sides = [
            (self.minimum, number < self.minimum.unwrap_or(number), "greater"),
            (self.maximum, number > self.maximum.unwrap_or(number), "less"),
        ];
        for (bound, is_beyond, side) in sides {
            if let (Some(bound), true) = (bound, is_beyond) {
                let message = format!("{path} must be {side} than or equal to {bound}");
                findings.push(Finding::new(at, message, Some(self.sentence().to_owned())));
            }
        }
    }

    fn bound(
        &self,
        at: At,
        path: &str,
        count: usize,
        [min, max]: [Option<usize>; 2],
        what: &str,
        findings: &mut Vec<Finding>,
    ) {
        let complaint = match (min, max) {
            (Some(min), _) if count < min => format!("at least {min}"),
            (_, Some(max)) if count > max => format!("at most {max}"),
            _ => return,
        };
        let message = format!("{path} must have {complaint} {what}, and this has {count}");
        findings.push(Finding::new(at, message, Some(self.sentence().to_owned())));
    }

    /// Why a value is of another type, if it is.
    fn mistyped(&self, value: &Value<'_>) -> Option<Mistyped> {
        let is = match (self.type_, value) {
            (Type::Any, _)
            | (Type::Object, Value::Map(_))
            | (Type::Array, Value::List(_))
            | (Type::String, Value::Text(_))
            | (Type::Integer | Type::Number, Value::Integer(_))
            | (Type::Number, Value::Float(_))
            | (Type::Boolean, Value::Bool(_)) => return None,
            (Type::Integer, Value::Float(number)) if number.fract() == 0.0 => return None,
            (_, Value::Null) => "nothing",
            (_, Value::Bool(_)) => "yes or no (bool)",
            (_, Value::Integer(_) | Value::Float(_)) => "a number",
            (_, Value::Text(_)) => "a text",
            (_, Value::List(_)) => "a list (array)",
            (_, Value::Map(_)) => "a map (object)",
        };
        let remedy = match (self.type_, value) {
            (Type::String, Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => {
                "put it into quotes".to_owned()
            }
            (Type::Integer | Type::Number, Value::Text(text)) if text.parse::<f64>().is_ok() => {
                "leave the quotes out".to_owned()
            }
            (Type::Boolean, Value::Text(_)) => "write true or false, without quotes".to_owned(),
            (Type::Array, _) => format!("write a list: each item on a line with a dash. {}", self.sentence()),
            (Type::Object, _) if !self.properties.is_empty() => {
                format!("write a map of {}", self.properties.keys().cloned().collect::<Vec<_>>().join(", "))
            }
            _ => self.sentence().to_owned(),
        };
        Some(Mistyped { is, remedy: Some(remedy).filter(|remedy| !remedy.is_empty()) })
    }

    /// What the field is, in a sentence.
    fn sentence(&self) -> &str {
        let end = self.description.find(". ").map_or(self.description.len(), |end| end + 1);
        &self.description[..end]
    }
}

struct Mistyped {
    is: &'static str,
    remedy: Option<String>,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Any => "any",
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Goes one name deeper for as long as something is done.
fn within(path: &mut String, name: &str, body: impl FnOnce(&mut String)) {
    let length = path.len();
    if !path.is_empty() && !name.starts_with('[') {
        path.push('.');
    }
    path.push_str(name);
    body(path);
    path.truncate(length);
}

/// A default, as if it had been written there.
fn node(value: &'static Json, at: At) -> Node<'static> {
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::Text(Cow::Borrowed(text)),
        Json::Array(items) => Value::List(items.iter().map(|item| node(item, at)).collect()),
        Json::Object(fields) => Value::Map(
            fields
                .iter()
                .map(|(name, value)| Entry { key: Cow::Borrowed(name), at, node: node(value, at) })
                .collect(),
        ),
    };
    Node { at, value }
}
