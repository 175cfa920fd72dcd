//! The table of bad inputs: how it is read, and the page that is made of it. A test runs the same rows.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::table;

/// Rows about one thing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The heading.
    pub topic: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One bad input, and what becomes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is wrong.
    pub wrong: String,
    /// What is applied before, and must be taken.
    #[serde(default)]
    pub given: Map<String, Value>,
    /// What is applied, `KIND/NAME` to its spec (of a Secret: its texts); a `clusterRef` is added where none is.
    #[serde(default)]
    pub apply: Map<String, Value>,
    /// Annotations of what is applied.
    #[serde(default)]
    pub annotations: Map<String, Value>,
    /// A whole manifest, instead of `apply`.
    #[serde(default)]
    pub manifest: Option<String>,
    /// Whether nothing is added to a spec.
    #[serde(default)]
    pub bare: bool,
    /// Parts of what kubectl says, if the API server refuses it.
    #[serde(default)]
    pub refused: Vec<String>,
    /// The condition that shows it, if the API server takes it.
    #[serde(default)]
    pub shown: Option<Shown>,
    /// What to do instead.
    pub instead: String,
}

/// A condition `Ready`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// `kind/name`, as kubectl writes it.
    pub on: String,
    /// True, False or Unknown.
    pub ready: String,
    /// Its reason.
    pub reason: String,
    /// Parts of its message.
    pub says: Vec<String>,
}

/// Reads the table.
///
/// # Errors
///
/// It is no such table, or a row says not exactly one of what is refused and what is shown.
pub fn read(text: &str) -> anyhow::Result<Vec<Topic>> {
    let topics: Vec<Topic> = serde_saphyr::from_str(text)?;
    for row in topics.iter().flat_map(|topic| &topic.rows) {
        anyhow::ensure!(
            row.refused.is_empty() == row.shown.is_some(),
            "{:?}: say either what is refused or what is shown",
            row.wrong
        );
        anyhow::ensure!(
            row.apply.is_empty() == row.manifest.is_some(),
            "{:?}: give either apply or manifest",
            row.wrong
        );
    }
    Ok(topics)
}

impl Row {
    /// What is applied before.
    pub fn before(&self) -> String {
        self.documents(&self.given, &Map::new())
    }

    /// What is applied.
    pub fn manifests(&self) -> String {
        self.manifest.clone().unwrap_or_else(|| self.documents(&self.apply, &self.annotations))
    }

    fn documents(&self, objects: &Map<String, Value>, annotations: &Map<String, Value>) -> String {
        let documents = objects.iter().map(|(object, content)| {
            let (kind, name) = object.split_once('/').unwrap_or((object, ""));
            let metadata = json!({"name": name, "annotations": annotations});
            let document = if kind == "Secret" {
                json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "stringData": content})
            } else {
                let mut spec = content.clone();
                if let (false, "ArangoDatabase" | "ArangoUser" | "ArangoPermission", Some(fields)) =
                    (self.bare, kind, spec.as_object_mut())
                {
                    fields.entry("clusterRef").or_insert_with(|| json!({"name": "prod"}));
                }
                let version = "arango-operator.dev/v1alpha1";
                json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
            };
            format!("---\n{document}\n")
        });
        documents.collect()
    }

    /// What is wrong, as a person would write it.
    fn example(&self) -> String {
        if let Some(manifest) = &self.manifest {
            let text = manifest.split_whitespace().collect::<Vec<_>>().join(" ");
            return code(&text);
        }
        let object = |(object, content): (&String, &Value)| {
            let (kind, name) = object.split_once('/').unwrap_or((object, ""));
            code(&format!("{kind} {name}: {}", flow(content)))
        };
        let mut parts: Vec<_> = self.given.iter().map(|given| format!("given {}:", object(given))).collect();
        parts.extend(self.apply.iter().map(object));
        parts.extend(self.annotations.iter().map(|(name, value)| code(&format!("{name}: {value}"))));
        parts.join("<br>")
    }
}

/// Text as code in a cell.
fn code(text: &str) -> String {
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{text}{fence}")
}

/// A text in quotes; what can't be seen is written as a number.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        // Control characters, and marks that join the letter before them.
        c if c.is_control() || ('\u{300}'..='\u{36f}').contains(&c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// A value in one line of YAML.
fn flow(value: &Value) -> String {
    let plain = |text: &str| {
        let mut letters = text.chars();
        letters.next().is_some_and(char::is_alphabetic)
            && letters.all(|c| c.is_alphanumeric() || "-._/".contains(c))
            && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off")
    };
    let text = |text: &str| if plain(text) { text.to_owned() } else { quoted(text) };
    match value {
        Value::String(value) => text(value),
        Value::Array(values) => format!("[{}]", values.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{}: {}", text(name), flow(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

const HEAD: &str = "\
# Bad inputs, and what is said about each

What can't be right is refused by the API server when it is applied, or shown in the condition `Ready` of the resource.
Each line of these tables is tested on a real API server: it is a row of `tests/operator/bad_inputs.yaml`.

Where `kubectl apply` is said to refuse an unknown field: kubectl asks for strict validation unless it is told otherwise
(`--validate=strict`). Who applies without it, Argo CD and other controllers among them, gets a warning, and the API
server drops the field. To see what was kept, read the resource back.

In the examples of resources on a deployment `clusterRef: {name: prod}` is left out. `$server` is the address of a server,
`$xN` stands for N letters, `$list:N` and `$map:N` for as many entries. What is said is shown in parts; `…` stands between
them.

";

/// The page.
pub(super) fn page(topics: &[Topic]) -> String {
    let count: usize = topics.iter().map(|topic| topic.rows.len()).sum();
    let mut text = format!("{HEAD}{count} rows.\n");
    for Topic { topic, rows } in topics {
        let rows = rows.iter().map(|row| {
            let (place, parts) = match &row.shown {
                None => ("refused".to_owned(), &row.refused),
                Some(Shown { ready, reason, says, .. }) => (format!("`Ready={ready}` `{reason}`"), says),
            };
            vec![row.wrong.clone(), row.example(), place, parts.join(" … "), row.instead.clone()]
        });
        let head = ["what is wrong", "for example", "where it is seen", "what is said", "what to do"];
        text.extend([&format!("\n## {topic}\n\n"), &table(&head, rows)].map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_an_outcome_or_with_two_is_refused() {
        let row = |more: &str| {
            format!("[{{topic: t, rows: [{{wrong: w, apply: {{A/a: {{}}}}, instead: i{more}}}]}}]")
        };
        let shown = ", shown: {on: a/a, ready: 'False', reason: Invalid, says: [x]}";
        assert!(read(&row(", refused: [x]")).is_ok());
        assert!(read(&row(shown)).is_ok());
        assert!(read(&row("")).is_err());
        assert!(read(&row(&format!("{shown}, refused: [x]"))).is_err());
    }

    #[test]
    fn an_example_is_one_line_of_yaml() {
        let value =
            json!({"name": "_x", "options": {"replicationFactor": 2}, "list": ["a", "true", "\u{7}"]});
        assert_eq!(
            flow(&value),
            r#"{list: [a, "true", "\u0007"], name: "_x", options: {replicationFactor: 2}}"#
        );
    }
}
