//! The page of the resources' fields, from their definitions.

use std::fmt::Write as _;

use anyhow::Context;
use serde_json::Value;

use super::table;
use crate::kinds::schema;

const HEAD: &str = "\
# Fields of the resources

All of `arango-operator.dev/v1alpha1`, read from the definitions that the API server has; `kubectl explain arangouser.spec` shows
the same. A field that is required is so if what it is in is given. *Rules* are checked by the API server too, when something is
applied: what breaks one is refused with the sentence in the table. Examples of all of it: [examples/](../examples/README.md).

What the conditions in `status.conditions` say: [conditions](conditions.md).
";

/// The page.
pub(super) fn page() -> anyhow::Result<String> {
    let mut text = HEAD.to_owned();
    for definition in schema::crds()? {
        let mut definition = serde_json::to_value(definition)?;
        schema::whole_numbers(&mut definition);
        // Writing into a String can't fail.
        let _ = write!(text, "\n{}", resource(&definition["spec"]).context("a definition lacks something")?);
    }
    Ok(text)
}

fn resource(definition: &Value) -> Option<String> {
    let names = &definition["names"];
    let kind = names["kind"].as_str()?;
    let short: Vec<_> = names["shortNames"].as_array()?.iter().filter_map(Value::as_str).collect();
    let schema = &definition["versions"][0]["schema"]["openAPIV3Schema"];
    let rules = schema["x-kubernetes-validations"].as_array()?;
    let described = schema["description"].as_str()?;
    let fields = |part: &str| {
        let mut rows = Vec::new();
        rows_of(&schema["properties"][part], "", &mut rows);
        let head: &[&str] = if part == "spec" {
            &["field", "type", "bounds", "default", "what it says"]
        } else {
            &["field", "type", "what it says"]
        };
        let rows = rows.into_iter().map(|Row { field, type_, bounds, default, says }| match part {
            "spec" => vec![field, type_, bounds, default, says],
            _ => vec![field, type_, says],
        });
        table(head, rows)
    };
    let rules = rules.iter().filter_map(|rule| {
        let field = rule["fieldPath"].as_str()?.trim_start_matches('.');
        Some(vec![format!("`{field}`"), rule["message"].as_str()?.to_owned()])
    });
    Some(format!(
        "## {kind}\n\n{described}\nShort name: `{}`.\n\n### {kind}: spec\n\n{}\n### {kind}: rules\n\n{}\n### {kind}: status\n\n{}",
        short.join("`, `"),
        fields("spec"),
        table(&["about", "the API server says"], rules),
        fields("status"),
    ))
}

struct Row {
    field: String,
    type_: String,
    bounds: String,
    default: String,
    says: String,
}

/// A row for each field below this one, in the order of their names, with what is required first.
fn rows_of(schema: &Value, path: &str, rows: &mut Vec<Row>) {
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    fields.sort_by_key(|(name, _)| !required.contains(&name.as_str()));
    for (name, field) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let default = match (&field["default"], required.contains(&name.as_str())) {
            (Value::Null, true) => "required".to_owned(),
            (Value::Null, false) => String::new(),
            (default, _) => format!("`{default}`").replace('"', ""),
        };
        let says = field["description"].as_str().unwrap_or_default().to_owned();
        rows.push(Row {
            field: format!("`{path}`"),
            type_: type_of(field),
            bounds: bounds(field),
            default,
            says,
        });
        rows_of(field, &path, rows);
        rows_of(&field["items"], &format!("{path}[]"), rows);
        rows_of(&field["additionalProperties"], &format!("{path}.KEY"), rows);
    }
}

fn type_of(field: &Value) -> String {
    if let Some(choices) = field["enum"].as_array() {
        let choices: Vec<_> =
            choices.iter().filter_map(Value::as_str).map(|choice| format!("`{choice}`")).collect();
        return choices.join(", ");
    }
    let own = field["type"].as_str().unwrap_or("any value");
    match own {
        "array" => format!("list of {}s", type_of(&field["items"])),
        "object" if field.get("additionalProperties").is_some() => {
            format!("map to {}s", type_of(&field["additionalProperties"]))
        }
        "string" if field["format"] == "date-time" => "time".to_owned(),
        own => own.to_owned(),
    }
}

/// What the schema bounds, in words.
fn bounds(field: &Value) -> String {
    const BOUNDS: [(&str, &str, &str); 4] = [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " keys"),
    ];
    let mut said = Vec::new();
    for (least, most, unit) in BOUNDS {
        match (&field[least], &field[most]) {
            (Value::Null, Value::Null) => {}
            (Value::Null, most) => said.push(format!("up to {most}{unit}")),
            (least, Value::Null) => said.push(format!("from {least}{unit}")),
            (least, most) => said.push(format!("{least} to {most}{unit}")),
        }
    }
    if let Some(pattern) = field["pattern"].as_str() {
        said.push(format!("`{pattern}`"));
    }
    said.join(", ")
}
