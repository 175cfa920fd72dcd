//! Checking a resource as the API server does when it is applied: by the schema and the rules of the very definitions
//! that are installed there. Pure.
//!
//! Rules that compare with what was there before (`oldSelf`) don't apply: nothing was.

mod cel;
mod metadata;
mod parse;
mod schema;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::LazyLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value as Json, json};

use self::{
    cel::{NoAnswer, Program},
    schema::Schema,
};
use super::node::{At, Node};

/// Something that is wrong in a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) at: At,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
    /// Whether the rules can't be asked any more, because something is missing or of another type.
    blocks: bool,
}

impl Finding {
    fn new(at: At, message: String, remedy: Option<String>) -> Self {
        Self { at, message, remedy: remedy.filter(|remedy| !remedy.is_empty()), blocks: false }
    }
}

/// What a kind's resources are compared with.
#[derive(Debug)]
struct Definition {
    schema: Schema,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    program: Program,
    message: String,
    /// The field that it is about: `spec.name`.
    field: String,
}

/// The definitions by kind, taken apart once.
static DEFINITIONS: LazyLock<Result<BTreeMap<String, Definition>, String>> = LazyLock::new(|| {
    let crds = crate::kinds::schema::crds().map_err(|error| error.to_string())?;
    crds.into_iter().map(|crd| Ok((crd.spec.names.kind.clone(), Definition::read(&crd)?))).collect()
});

impl Definition {
    fn read(crd: &CustomResourceDefinition) -> Result<Self, String> {
        let version = crd.spec.versions.first().ok_or("a definition without a version")?;
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let mut schema = serde_json::to_value(schema).map_err(|error| error.to_string())?;
        let rules = schema["x-kubernetes-validations"].take();
        let properties = &mut schema["properties"];
        if let Json::Object(properties) = properties {
            // The operator writes it, so nobody declares it.
            properties.remove("status");
            properties.insert("apiVersion".to_owned(), json!({"type": "string"}));
            properties.insert("kind".to_owned(), json!({"type": "string"}));
            properties.insert("metadata".to_owned(), json!({"x-kubernetes-preserve-unknown-fields": true}));
        }
        let mut schema_fields = schema.as_object().cloned().unwrap_or_default();
        schema_fields.retain(|_, value| !value.is_null());
        let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
        let rules = rules.iter().filter_map(|rule| Rule::read(rule).transpose()).collect::<Result<_, _>>()?;
        Ok(Self { schema: Schema::read(schema_fields.into())?, rules })
    }
}

impl Rule {
    /// Compiles a rule; nothing if it is about a change.
    fn read(rule: &Json) -> Result<Option<Self>, String> {
        let text = |field: &str| rule[field].as_str().unwrap_or_default();
        if text("rule").contains("oldSelf") {
            return Ok(None);
        }
        let field = text("fieldPath").trim_start_matches('.').to_owned();
        Ok(Some(Self {
            program: Program::compile(text("rule"))?,
            message: text("message").to_owned(),
            field,
        }))
    }
}

/// Checks a resource of one of our kinds, and puts in the defaults.
pub(super) fn resource(kind: &str, node: &mut Node<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let whole = node.at;
    let definition = match &*DEFINITIONS {
        Ok(definitions) => definitions.get(kind),
        // A test reads them, so this is never seen.
        Err(problem) => {
            findings.push(Finding::new(whole, format!("the definitions can't be read: {problem}"), None));
            None
        }
    };
    let Some(definition) = definition else { return findings };
    if let Some(metadata) = node.get_mut("metadata") {
        metadata::check(metadata, &mut findings);
    } else {
        let message = "metadata: Required value".to_owned();
        findings.push(Finding {
            blocks: true,
            ..Finding::new(whole, message, Some("name the resource".to_owned()))
        });
    }
    definition.schema.check(node, &mut String::new(), &mut findings);
    if !findings.iter().any(|finding| finding.blocks) {
        for Rule { program, message, field } in &definition.rules {
            match program.holds(node) {
                Ok(true) => {}
                // What the schema refuses already may leave a rule without an answer.
                Err(NoAnswer) if !findings.is_empty() => {}
                Ok(false) | Err(NoAnswer) => {
                    findings.push(Finding::new(node.find(field), format!("{field}: {message}"), None));
                }
            }
        }
    }
    findings
}
