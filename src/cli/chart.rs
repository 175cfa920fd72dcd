//! `chart`: what is generated of the Helm chart. For developers: the result is part of `deploy/chart/`.
//!
//! What can be set is written down once, in `values.schema.json`: type, default, meaning. `values.yaml` and the README are
//! made of it, the resource definitions of the types.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::crds;

/// Where the chart is, below the repository's root.
pub const FOLDER: &str = "deploy/chart";

/// What is optional and the same for kustomize, which Helm can't read outside of its folder: from where, and to where.
const COPIES: [(&str, &str); 5] = [
    ("deploy/monitoring/prometheus-rule.yaml", "prometheus-rule.yaml"),
    ("deploy/monitoring/dashboard.json", "dashboard.json"),
    ("deploy/admission/warn/policies.yaml", "admission/policies.yaml"),
    ("deploy/admission/warn/bindings.yaml", "admission/warn.yaml"),
    ("deploy/admission/deny/bindings.yaml", "admission/deny.yaml"),
];

/// How wide comments get.
const WIDTH: usize = 100;

/// Write what is generated of the Helm chart. Run it in the root of the repository.
#[derive(Debug, clap::Args)]
pub struct ChartArgs {
    /// Write the files into this folder.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

/// Runs the command.
pub fn run(args: &ChartArgs) -> anyhow::Result<ExitCode> {
    crds::write(&args.output, &files(Path::new("."))?)?;
    Ok(ExitCode::SUCCESS)
}

/// The generated files of the chart, of the repository at `root`.
pub fn files(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let path = root.join(FOLDER).join("values.schema.json");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
    let schema: Schema =
        serde_json::from_str(&text).with_context(|| format!("{} is no schema of ours", path.display()))?;
    let by =
        "Generated from values.schema.json by `arango-operator chart --output deploy/chart`. Do not edit.";
    let mut values = format!("# {by}\n");
    schema.values(&mut values, 0)?;
    let mut rows = String::new();
    schema.rows(&mut rows, "")?;
    let readme =
        format!("<!-- {by} -->\n\n{README}\n| value | default | meaning |\n| --- | --- | --- |\n{rows}");
    let mut files = vec![("values.yaml".to_owned(), values), ("README.md".to_owned(), readme)];
    for (name, text) in crds::files(&crds::documents()?) {
        if name != "kustomization.yaml" {
            files.push((format!("files/crds/{name}"), text));
        }
    }
    for (source, name) in COPIES {
        let path = root.join(source);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        files.push((format!("files/{name}"), text));
    }
    Ok(files)
}

const README: &str = "\
# The chart arango-operator

Databases, users and permissions inside ArangoDB, declared as Kubernetes resources. How it is installed, upgraded and
taken away: [Installing the operator](../README.md).

## Values

Anything else is refused: `values.schema.json` says exactly what can be set.
";

/// A part of the schema: what can be set, and to what.
#[derive(Debug, Deserialize)]
struct Schema {
    description: Option<String>,
    default: Option<Value>,
    #[serde(rename = "enum")]
    choices: Option<Vec<String>>,
    properties: Option<Properties>,
}

/// In the order in which they are written.
#[derive(Debug)]
struct Properties(Vec<(String, Schema)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Properties;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map of schemas")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Properties, M::Error> {
                let mut properties = Vec::new();
                while let Some(property) = map.next_entry()? {
                    properties.push(property);
                }
                Ok(Properties(properties))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl Schema {
    /// What is below, with the meaning of each.
    fn properties(&self) -> anyhow::Result<Vec<(&str, String, &Schema)>> {
        let properties = self.properties.iter().flat_map(|properties| &properties.0);
        properties
            .map(|(name, schema)| {
                let Some(meaning) = &schema.description else { bail!("{name} has no description") };
                let choices =
                    schema.choices.as_ref().map(|choices| format!(" One of {}.", choices.join(", ")));
                Ok((&**name, format!("{meaning}{}", choices.unwrap_or_default()), schema))
            })
            .collect()
    }

    fn default(&self, name: &str) -> anyhow::Result<&Value> {
        self.default.as_ref().with_context(|| format!("{name} has no default"))
    }

    /// Writes what is below as YAML, each with its meaning before it.
    fn values(&self, text: &mut String, depth: usize) -> anyhow::Result<()> {
        let indent = "  ".repeat(depth);
        for (name, meaning, schema) in self.properties()? {
            if depth == 0 {
                text.push('\n');
            }
            for line in wrapped(&meaning, WIDTH - indent.len()) {
                writeln!(text, "{indent}# {line}")?;
            }
            write!(text, "{indent}{name}:")?;
            if schema.properties.is_some() {
                text.push('\n');
                schema.values(text, depth + 1)?;
                continue;
            }
            match schema.default(name)? {
                Value::Object(map) if !map.is_empty() => {
                    text.push('\n');
                    for line in serde_saphyr::to_string(map)?.lines() {
                        writeln!(text, "{indent}  {line}")?;
                    }
                }
                // JSON is YAML, too.
                default => writeln!(text, " {default}")?,
            }
        }
        Ok(())
    }

    /// Writes what is below as rows of a table, by path.
    fn rows(&self, text: &mut String, above: &str) -> anyhow::Result<()> {
        for (name, meaning, schema) in self.properties()? {
            let path = format!("{above}{name}");
            if schema.properties.is_some() {
                writeln!(text, "| **`{path}`** | | {meaning} |")?;
                schema.rows(text, &format!("{path}."))?;
            } else {
                writeln!(text, "| `{path}` | `{}` | {meaning} |", schema.default(&path)?)?;
            }
        }
        Ok(())
    }
}

/// The text in lines, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let lines_now = lines.len();
        let line = &mut lines[lines_now - 1];
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
