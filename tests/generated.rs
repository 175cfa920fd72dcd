//! What is generated into the repository is fresh, and the resource definitions keep to the rules for schemas.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod generated {
    mod argocd;

    use super::folder;
}

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use arango_operator::{
    cli::{chart, crds, docs, rbac},
    kinds::schema,
};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Compares generated files with those in the repository.
fn is_fresh(folder_name: &str, files: &[(String, String)], command: &str) {
    for (name, text) in files {
        let path = folder(folder_name).join(name);
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == *text,
            "{folder_name}/{name} is not what the code says; run `cargo run -- {command}`"
        );
    }
}

#[test]
fn resource_definitions_are_fresh_and_nothing_else_is_with_them() {
    let files = crds::files(&crds::documents().unwrap());
    is_fresh("crds", &files, "crds --output crds");
    let expected: BTreeSet<_> = files.into_iter().map(|(name, _)| name).collect();
    let stored: BTreeSet<_> = std::fs::read_dir(folder("crds"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(stored, expected, "the folder crds/ has files that nobody generates, or lacks one");
}

#[test]
fn rights_are_fresh() {
    is_fresh("deploy", &rbac::files().unwrap(), "rbac --output deploy");
}

#[test]
fn the_chart_is_fresh_and_has_no_other_definitions() {
    let files = chart::files(&folder("")).unwrap();
    is_fresh(chart::FOLDER, &files, "chart --output deploy/chart");
    let stored = std::fs::read_dir(folder(chart::FOLDER).join("files/crds")).unwrap().count();
    assert_eq!(stored, files.iter().filter(|(name, _)| name.starts_with("files/crds/")).count());
}

#[test]
fn what_is_installed_has_the_version_of_the_operator() {
    let is_said = |path: &str, line: String| {
        let text = std::fs::read_to_string(folder(path)).unwrap();
        assert!(text.lines().any(|it| it.trim().split(" #").next() == Some(&line)), "{path}: no {line:?}");
    };
    let version = env!("CARGO_PKG_VERSION");
    is_said("deploy/chart/Chart.yaml", format!("version: {version}"));
    is_said("deploy/chart/Chart.yaml", format!("appVersion: {version}"));
    let image = format!("image: ghcr.io/arango-operator/arango-operator:{version}");
    is_said("deploy/base/deployment.yaml", image);
}

#[test]
fn the_generated_pages_are_fresh() {
    is_fresh("docs", &docs::files(&folder("")).unwrap(), "docs --output docs");
}

/// What is wrong in a schema, each with the path to it.
#[derive(Default)]
struct Lint {
    holes: Vec<String>,
}

impl Lint {
    fn hole(&mut self, path: &str, what: &str) {
        self.holes.push(format!("{path}: {what}"));
    }

    fn schema(&mut self, path: &str, schema: &Value) {
        let has = |field: &str| schema.get(field).is_some();
        if !has("description") && path.starts_with(".spec") && !path.ends_with("[]") {
            self.hole(path, "no description");
        }
        // Also shows where the description of a field was lost to that of its type.
        let says = |word: &str| schema["description"].as_str().is_some_and(|text| text.contains(word));
        let is_choice = path.starts_with(".spec") && !path.ends_with("[]") && has("enum");
        if is_choice && !has("default") && !says("left out") && !says("default") {
            self.hole(path, "doesn't say what holds if it is left out");
        }
        if let Some(format) = schema["format"].as_str()
            && format.starts_with("uint")
        {
            // Unknown to Kubernetes, which warns about it whenever the definition is applied.
            self.hole(path, "a format that Kubernetes doesn't know");
        }
        match schema["type"].as_str() {
            Some("string") if !(has("enum") || has("format") || has("maxLength")) => {
                self.hole(path, "no maxLength");
            }
            Some("array") if !has("maxItems") => self.hole(path, "no maxItems"),
            Some("object") if has("additionalProperties") && !has("maxProperties") => {
                self.hole(path, "no maxProperties");
            }
            None if !has("x-kubernetes-int-or-string") => self.hole(path, "no type"),
            _ => {}
        }
        for keyword in ["propertyNames", "$ref", "oneOf", "x-kubernetes-preserve-unknown-fields", "nullable"]
        {
            // What is in a user's `extra` is his application's business; the operator bounds its size.
            let anything = path == ".spec.extra" && has("maxProperties") && keyword.contains("preserve");
            if has(keyword) && !anything {
                self.hole(path, &format!("{keyword} has no place in a schema of ours"));
            }
        }
        self.rules(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            // The API server's own.
            if path != ".metadata" {
                self.schema(&path, property);
            }
        }
        if let Some(items) = schema.get("items") {
            self.schema(&format!("{path}[]"), items);
        }
        if let Some(values) = schema.get("additionalProperties") {
            self.schema(&format!("{path}[]"), values);
        }
    }

    fn rules(&mut self, path: &str, schema: &Value) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            if rule["message"].as_str().is_none_or(str::is_empty) {
                self.hole(path, &format!("a rule without a message: {}", rule["rule"]));
            }
        }
    }

    /// Maps that people write: the length of their keys can only be bounded by a rule.
    fn keys(&mut self, spec: &Value, rules: &Value) {
        for (name, property) in spec["properties"].as_object().into_iter().flatten() {
            let bounded = || {
                let all = format!("self.spec.{name}.all(");
                rules.as_array().into_iter().flatten().any(|rule| {
                    rule["rule"]
                        .as_str()
                        .is_some_and(|rule| rule.contains(&all) && rule.contains(".size() <="))
                })
            };
            if property.get("additionalProperties").is_some() && !bounded() {
                self.hole(&format!(".spec.{name}"), "no rule bounds the length of the keys");
            }
        }
    }
}

#[test]
fn schemas_have_bounds_descriptions_and_columns() {
    let mut short_names = BTreeMap::new();
    for crd in schema::crds().unwrap() {
        let crd = serde_json::to_value(crd).unwrap();
        let name = crd["metadata"]["name"].as_str().unwrap();
        let mut lint = Lint::default();
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let schema = &version["schema"]["openAPIV3Schema"];
            lint.schema("", schema);
            lint.keys(&schema["properties"]["spec"], &schema["x-kubernetes-validations"]);
            if schema["description"].as_str().is_none_or(str::is_empty) {
                lint.hole("", "no description");
            }
            let columns: Vec<_> = version["additionalPrinterColumns"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|column| column["name"].as_str().unwrap())
                .collect();
            for column in ["Ready", "Reason", "Message", "Age"] {
                if !columns.contains(&column) {
                    lint.hole("additionalPrinterColumns", &format!("no column {column}"));
                }
            }
            if version["subresources"]["status"].is_null() {
                lint.hole("subresources", "no status");
            }
        }
        let names = &crd["spec"]["names"];
        if names["categories"] != serde_json::json!(["arangodata"]) {
            lint.hole("names", "not in the category arangodata");
        }
        for short in names["shortNames"].as_array().into_iter().flatten() {
            if let Some(other) = short_names.insert(short.to_string(), name.to_owned()) {
                lint.hole("names", &format!("the short name {short} is {other}'s"));
            }
        }
        if names["shortNames"].as_array().is_none_or(Vec::is_empty) {
            lint.hole("names", "no short name");
        }
        assert!(lint.holes.is_empty(), "{name}:\n{}", lint.holes.join("\n"));
    }
}
