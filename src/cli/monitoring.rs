//! `monitoring`: what of `deploy/monitoring` is made of other files there. For developers: the result is in the
//! repository.
//!
//! The `PrometheusRule` is the file of alerts in an envelope. The dashboard is made of a table, since Grafana's own form
//! says everything ten times and nobody can review it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::crds;

/// Where the files are, below the repository's root.
pub const FOLDER: &str = "deploy/monitoring";
/// Alerts, as Prometheus reads them.
pub const ALERTS: &str = "alerts.yaml";
/// The table of panels.
pub const PANELS: &str = "dashboard.yaml";

/// The version of Grafana's classic form, which is its last.
const SCHEMA: u32 = 42;
/// Columns of a row.
const COLUMNS: u32 = 24;
/// Heights, in Grafana's units.
const STAT_HEIGHT: u32 = 4;
const HEIGHT: u32 = 8;

/// Write the `PrometheusRule` and the Grafana dashboard. Run it in the root of the repository.
#[derive(Debug, clap::Args)]
pub struct MonitoringArgs {
    /// Write the files into this folder.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

/// Runs the command.
pub fn run(args: &MonitoringArgs) -> anyhow::Result<ExitCode> {
    crds::write(&args.output, &files(Path::new("."))?)?;
    Ok(ExitCode::SUCCESS)
}

/// The generated files of the folder, of the repository at `root`.
pub fn files(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let read = |name: &str| {
        let path = root.join(FOLDER).join(name);
        std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
    };
    let board: Board = serde_saphyr::from_str(&read(PANELS)?).with_context(|| PANELS)?;
    let dashboard = serde_json::to_string_pretty(&board.json())? + "\n";
    Ok(vec![
        ("prometheus-rule.yaml".to_owned(), prometheus_rule(&read(ALERTS)?)),
        ("dashboard.json".to_owned(), dashboard),
    ])
}

/// The alerts for the Prometheus operator, with every word and every comment as it is.
fn prometheus_rule(alerts: &str) -> String {
    let head = "\
# Generated from alerts.yaml by `arango-operator monitoring --output deploy/monitoring`. Do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: arango-operator
  namespace: arango-operator
  labels:
    app.kubernetes.io/name: arango-operator
spec:
";
    let lines = alerts.lines().skip_while(|line| line.starts_with('#'));
    let indented = lines.map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    head.to_owned() + &indented.collect::<String>()
}

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Board {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    title: String,
    panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "type")]
    type_: Type,
    /// In columns.
    width: u32,
    /// One of Grafana's.
    unit: String,
    /// Whether the series are laid on each other.
    #[serde(default)]
    stacked: bool,
    /// The colour from a value on.
    #[serde(default)]
    steps: BTreeMap<u32, String>,
    /// What is shown in the place of a value.
    #[serde(default)]
    words: BTreeMap<u32, String>,
    queries: Vec<Query>,
}

/// The sorts of panels that are in use, with Grafana's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Type {
    Stat,
    Table,
    Timeseries,
    StateTimeline,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    expr: String,
    legend: String,
}

/// The data source that the person in front of it has chosen.
fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// A variable whose values are those of a label.
fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": source(),
        "definition": query, "query": {"query": query, "qryType": 1, "refId": name},
        "includeAll": true, "multi": true, "allValue": ".*", "refresh": 2, "sort": 1, "regex": "", "hide": 0,
        "current": {"text": ["All"], "value": ["$__all"]}, "options": [],
    })
}

impl Board {
    fn json(&self) -> Value {
        let mut panels = Vec::new();
        let mut y = 0;
        for row in &self.rows {
            let id = panels.len() + 1;
            let place = json!({"h": 1, "w": COLUMNS, "x": 0, "y": y});
            panels.push(json!({
                "id": id, "type": "row", "title": row.title, "gridPos": place, "collapsed": false, "panels": [],
            }));
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in &row.panels {
                if x + panel.width > COLUMNS {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                let height = if panel.type_ == Type::Stat { STAT_HEIGHT } else { HEIGHT };
                let place = json!({"h": height, "w": panel.width, "x": x, "y": y});
                panels.push(panel.json(panels.len() + 1, &place));
                (x, tallest) = (x + panel.width, tallest.max(height));
            }
            y += tallest;
        }
        let of = "{namespace=~\"$namespace\",job=~\"$job\"}";
        json!({
            "id": null,
            "uid": "arango-operator",
            "title": "ArangoDB operator",
            "description": "Databases, users and permissions inside ArangoDB, as arango-operator keeps them. Generated from \
                            dashboard.yaml by `arango-operator monitoring`.",
            "tags": ["arangodb", "kubernetes"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": true,
            "graphTooltip": 1,
            "fiscalYearStartMonth": 0,
            "preload": false,
            "refresh": "1m",
            "time": {"from": "now-6h", "to": "now"},
            "timepicker": {},
            "timezone": "browser",
            "weekStart": "",
            "links": [],
            "annotations": {"list": [{
                "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": true,
                "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
            }]},
            "templating": {"list": [
                {
                    "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
                    "current": {}, "hide": 0, "includeAll": false, "multi": false, "options": [], "refresh": 1, "regex": "",
                },
                variable("namespace", "Namespace", "label_values(arangooperator_build_info, namespace)"),
                variable("job", "Job", "label_values(arangooperator_build_info{namespace=~\"$namespace\"}, job)"),
                variable(
                    "arangocluster",
                    "ArangoCluster",
                    &format!("label_values(arangooperator_comparison_interval_seconds{of}, arangocluster)"),
                ),
            ]},
            "panels": panels,
        })
    }
}

impl Panel {
    fn json(&self, id: usize, place: &Value) -> Value {
        let is_table = self.type_ == Type::Table;
        // What is one number now, or a row each, needs no past.
        let instant = is_table || self.type_ == Type::Stat;
        let targets = self.queries.iter().zip('A'..='Z').map(|(query, letter)| {
            json!({
                "refId": letter.to_string(), "datasource": source(), "editorMode": "code", "expr": query.expr,
                "legendFormat": query.legend, "instant": instant, "range": !instant,
                "format": if is_table { "table" } else { "time_series" },
            })
        });
        let mut panel = json!({
            "id": id, "type": self.type_, "title": self.title, "description": self.description, "gridPos": place,
            "datasource": source(), "targets": targets.collect::<Vec<_>>(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": self.options(),
        });
        if is_table {
            // The time of the answer is now, in every row.
            panel["transformations"] =
                json!([{"id": "organize", "options": {"excludeByName": {"Time": true}}}]);
        }
        panel
    }

    fn defaults(&self) -> Value {
        let colour = |(value, colour): (&u32, &String)| {
            // The first step begins below everything.
            json!({"color": colour, "value": (*value > 0).then_some(value)})
        };
        let mut steps: Vec<_> = self.steps.iter().map(colour).collect();
        if steps.is_empty() {
            steps.push(json!({"color": "text", "value": null}));
        }
        let mode = if self.steps.is_empty() { "palette-classic" } else { "thresholds" };
        let words = self.words.iter().map(|(value, word)| (value.to_string(), json!({"text": word})));
        let mut defaults = json!({
            "unit": self.unit, "color": {"mode": mode}, "thresholds": {"mode": "absolute", "steps": steps}, "mappings": [],
        });
        if !self.words.is_empty() {
            let words: serde_json::Map<_, _> = words.collect();
            defaults["mappings"] = json!([{"type": "value", "options": words}]);
        }
        if self.type_ == Type::Timeseries {
            let (mode, fill) = if self.stacked { ("normal", 30) } else { ("none", 5) };
            defaults["min"] = json!(0);
            defaults["custom"] = json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never", "spanNulls": false,
                "stacking": {"mode": mode, "group": "A"},
            });
        }
        defaults
    }

    fn options(&self) -> Value {
        let legend = json!({
            "showLegend": true, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"],
        });
        let tooltip = json!({"mode": "multi", "sort": "desc"});
        match self.type_ {
            Type::Stat => json!({
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "value",
            }),
            Type::Table => json!({"showHeader": true, "cellHeight": "sm"}),
            Type::Timeseries => json!({"legend": legend, "tooltip": tooltip}),
            Type::StateTimeline => json!({
                "legend": {"showLegend": true, "displayMode": "list", "placement": "bottom"}, "tooltip": tooltip,
                "showValue": "never", "mergeValues": true, "rowHeight": 0.8,
            }),
        }
    }
}
