//! The alerts, the dashboard and the runbooks: made of what they say, about metrics and labels that exist, and complete.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use arango_operator::{
    cli::{
        docs::metrics::{all, labels},
        monitoring,
    },
    core::Reason,
};
use serde_json::Value;

/// Labels that Prometheus adds to whatever it scrapes.
const TARGET: [&str; 3] = ["namespace", "job", "instance"];
/// The words of the query language that are in use.
const WORDS: [&str; 19] = [
    "absent",
    "and",
    "by",
    "changes",
    "count",
    "group_left",
    "histogram_quantile",
    "increase",
    // Of what fills a variable of the dashboard.
    "label_values",
    "max",
    "max_over_time",
    "min_over_time",
    "offset",
    "on",
    "or",
    "rate",
    "sum",
    "unless",
    "vector",
];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rules of alerts.yaml.
pub(super) fn alerts() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("deploy/monitoring/alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/monitoring/dashboard.json")).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter()
}

/// The queries of the dashboard, each with where it is.
pub(super) fn queries() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of_panel = |panel: &Value| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let title = text(panel, "title").to_owned();
        targets.into_iter().map(move |target| (title.clone(), text(&target, "expr").to_owned()))
    };
    panels(&dashboard).flat_map(of_panel).collect()
}

/// The samples that the page of metrics tells of, each with its labels.
fn documented() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut documented = BTreeMap::new();
    for metric in all() {
        let labels: BTreeSet<_> = labels(metric.name).iter().copied().collect();
        if metric.type_ == "histogram" {
            let with_le = labels.iter().copied().chain(["le"]).collect();
            documented.insert(format!("{}_bucket", metric.sample()), with_le);
            for end in ["sum", "count"] {
                documented.insert(format!("{}_{end}", metric.sample()), labels.clone());
            }
        } else {
            documented.insert(metric.sample(), labels);
        }
    }
    documented
}

#[derive(Debug, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Sign(char),
}

/// Names, texts and signs. Numbers and times are left out: whether it is a query at all, promtool says.
fn tokens(query: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let length = match first {
            '"' => {
                let end = rest[1..].find('"').expect("a text has an end") + 1;
                tokens.push(Token::Text(rest[1..end].to_owned()));
                end + 1
            }
            // A range.
            '[' => rest.find(']').expect("a range has an end") + 1,
            _ if is_part(first) => {
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                if !first.is_ascii_digit() {
                    tokens.push(Token::Name(rest[..end].to_owned()));
                }
                end
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push(Token::Sign(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    tokens
}

/// The metrics that a query is about.
pub(super) fn metrics_of(query: &str) -> BTreeSet<String> {
    let known = documented();
    let names = tokens(query).into_iter().filter_map(|token| match token {
        Token::Name(name) if known.contains_key(&name) => Some(name),
        _ => None,
    });
    names.collect()
}

/// What a query names and isn't there.
fn unknown_in(query: &str) -> Vec<String> {
    let known = documented();
    let mut unknown = Vec::new();
    // Grouping is by labels of the metrics that are asked for.
    let mut grouping: BTreeSet<&str> = TARGET.into();
    grouping.extend(metrics_of(query).iter().flat_map(|metric| known[metric].iter().copied()));
    let (mut metric, mut matching): (Option<String>, bool) = (None, false);
    let mut label: Option<String> = None;
    for token in tokens(query) {
        match token {
            Token::Sign('{') => matching = true,
            Token::Sign('}') => (matching, metric) = (false, None),
            Token::Sign(_) => {}
            Token::Name(name) if matching => {
                let labels = metric.as_ref().map(|metric| &known[metric]);
                let exists = TARGET.contains(&&*name) || labels.is_some_and(|labels| labels.contains(&*name));
                if !exists {
                    unknown.push(format!("the label {name} of {metric:?}"));
                }
                label = exists.then_some(name);
            }
            Token::Text(value) => {
                let Some(label) = &label else { continue };
                let values = value.split('|').filter(|value| !value.starts_with('$'));
                let wrong = values.filter(|value| !is_value(label, value));
                unknown.extend(wrong.map(|value| format!("the value {value} of the label {label}")));
            }
            Token::Name(name) if known.contains_key(&name) => metric = Some(name),
            Token::Name(name) if WORDS.contains(&&*name) || grouping.contains(&*name) => {}
            Token::Name(name) => unknown.push(name),
        }
    }
    unknown
}

/// Whether a label may have that value.
fn is_value(label: &str, value: &str) -> bool {
    let is_reason = || Reason::ALL.iter().any(|reason| reason.as_str() == value);
    match label {
        "kind" => ["ArangoCluster", "ArangoDatabase", "ArangoUser", "ArangoPermission"].contains(&value),
        "ready" => ["True", "False", "Unknown"].contains(&value),
        "reason" => is_reason() || ["KubernetesError", "Deadline"].contains(&value),
        "state" => ["on", "long_running", "undone"].contains(&value),
        "status" => ["2xx", "3xx", "4xx", "5xx", "error"].contains(&value),
        _ => false,
    }
}

#[test]
fn the_rule_object_and_the_dashboard_are_what_their_sources_say() {
    for (name, expected) in monitoring::files(&root()).unwrap() {
        let stored = fs::read_to_string(root().join(monitoring::FOLDER).join(&name)).unwrap_or_default();
        assert!(
            stored == expected,
            "{name} is not what its source says; run `cargo run -- monitoring --output deploy/monitoring`"
        );
    }
    let parse = |name: &str| -> Value {
        serde_saphyr::from_str(&read(&format!("deploy/monitoring/{name}"))).unwrap()
    };
    let (rule, alerts) = (parse("prometheus-rule.yaml"), parse("alerts.yaml"));
    assert_eq!(rule["kind"], "PrometheusRule");
    assert_eq!(rule["spec"], alerts, "the envelope changes no word");
}

#[test]
fn a_query_with_a_name_that_nobody_knows_is_found() {
    let wrong = [
        ("sum(arangooperator_object)", "arangooperator_object"),
        ("arangooperator_objects{kin=\"ArangoUser\"}", "the label kin of"),
        ("arangooperator_objects{reason=~\"Conflict|Conflicts\"}", "the value Conflicts of"),
        ("sum by (verb) (arangooperator_objects)", "verb"),
        ("rates(arangooperator_reconciles_total[5m])", "rates"),
    ];
    for (query, named) in wrong {
        let unknown = unknown_in(query);
        assert!(unknown.len() == 1 && unknown[0].starts_with(named), "{query}: {unknown:?}");
    }
    assert!(unknown_in("sum by (kind) (arangooperator_objects{ready!=\"True\"}) > 0.5").is_empty());
}

#[test]
fn every_metric_label_and_value_in_an_alert_or_a_panel_exists() {
    let alerts = alerts();
    assert!(alerts.len() >= 20, "{}", alerts.len());
    let alerts = alerts.iter().map(|alert| (text(alert, "alert").to_owned(), text(alert, "expr").to_owned()));
    for (place, query) in alerts.chain(queries()) {
        assert!(!metrics_of(&query).is_empty(), "{place} asks for nothing: {query}");
        assert_eq!(unknown_in(&query), Vec::<String>::new(), "{place}: {query}");
    }
    for variable in dashboard()["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            assert_eq!(unknown_in(query), Vec::<String>::new(), "{query}");
        }
    }
}

#[test]
fn every_alert_says_who_is_called_what_is_wrong_and_where_to_read_on() {
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = text(&alert, "alert");
        assert!(name.starts_with("ArangoOperator") && names.insert(name.to_owned()), "{name}");
        let severity = text(&alert["labels"], "severity");
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        let annotations = &alert["annotations"];
        for field in ["summary", "description"] {
            let sentence = text(annotations, field);
            assert!(sentence.ends_with('.') && sentence.len() > 30, "{name}: {field}: {sentence}");
        }
        let page = format!("docs/runbooks/{name}.md");
        assert!(text(annotations, "runbook_url").ends_with(&format!("/{page}")), "{name}");
        let runbook = read(&page);
        let heads: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(heads, ["Meaning", "Impact", "Diagnosis", "Mitigation"], "{page}");
        assert!(runbook.starts_with(&format!("# {name}\n")) && runbook.contains("\nkubectl "), "{page}");
    }
    let pages = fs::read_dir(root().join("docs/runbooks")).unwrap();
    let pages: BTreeSet<_> =
        pages.map(|page| page.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(pages, names, "each alert has a runbook, and each runbook an alert");
    let index = read("docs/monitoring.md");
    for name in names {
        assert!(index.contains(&format!("](runbooks/{name}.md)")), "docs/monitoring.md leads to {name}");
    }
}

#[test]
fn the_dashboard_keeps_to_grafanas_conventions() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], 42, "the last of the classic form");
    assert!(dashboard["id"].is_null(), "Grafana gives it");
    assert_eq!(dashboard["uid"], "arango-operator", "links stay good");
    let variables: Vec<_> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| text(one, "name")).collect();
    assert_eq!(variables, ["datasource", "namespace", "job", "arangocluster"]);
    let (mut ids, mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let units = ["none", "s", "reqps", "ops", "wps", "bytes", "percentunit", "dateTimeAsIso"];
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()) && titles.insert(title), "{title}");
        let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{title}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} is laid over another panel");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(units.contains(&text(&panel["fieldConfig"]["defaults"], "unit")), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().unwrap();
        let letters: BTreeSet<_> = targets.iter().map(|target| text(target, "refId")).collect();
        assert!(!targets.is_empty() && letters.len() == targets.len(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let query = text(target, "expr");
            // Of an installation that is not chosen nothing is shown.
            assert!(query.contains("namespace=~\"$namespace\",job=~\"$job\""), "{title}: {query}");
            assert!(
                query.contains("by (") || !text(target, "legendFormat").contains("{{arangocluster}}"),
                "{title}"
            );
        }
    }
}
