//! The alerts, as Prometheus' own promtool reads and runs them: on series that were written down for them, and on what a
//! running operator told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{process::Command, sync::OnceCell};

use super::monitoring::{alerts, metrics_of, queries, root, text};
use crate::{
    installed::{go_build, output},
    prometheus_operator::definition,
    support::{Server, World, database, document, eventually, grant, passwords, secret, user_with_password},
};

/// How long promtool may take on a busy machine; it needs seconds.
const LIMIT: Duration = Duration::from_secs(400);
/// Longer than any alert waits.
const LONG: usize = 13 * 60;

/// Not the alerts that a single failed pass or request sets off when it is taken to come again each minute.
const BUSY: &str = "alertname!~\"ArangoOperator(ReconcileErrors|RequestsFailing)\"";

/// How often what is declared is compared.
const EVERY_SECOND: &str = "drift: {interval: 1s}";

/// promtool. `None` if there is no Go to build it with.
async fn promtool() -> Option<&'static Path> {
    static PROMTOOL: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    // Without the discovery of targets in thirty clouds, which is most of it.
    let how = ["build", "-ldflags=-s -w", "-tags=remove_all_sd"];
    let package = "github.com/prometheus/prometheus/cmd/promtool";
    let made = PROMTOOL
        .get_or_init(async || go_build(&root().join("dev/promtool"), "promtool", &how, package).await);
    made.await.as_deref()
}

/// Runs promtool, which must find nothing wrong. What it said.
async fn finds_nothing(promtool: &Path, arguments: &[&str], files: &[&Path]) -> String {
    let mut command = Command::new(promtool);
    let (good, said) = output("promtool", command.args(arguments).args(files), LIMIT).await;
    assert!(good, "promtool {arguments:?}:\n{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_takes_every_query_and_each_alert_fires_when_it_should_and_not_otherwise() {
    let Some(promtool) = promtool().await else { return };
    let folder = root().join("deploy/monitoring");
    let lint = ["check", "rules", "--lint=all", "--lint-fatal"];
    finds_nothing(promtool, &lint, &[&folder.join("alerts.yaml")]).await;
    let tests = folder.join("alerts_test.yaml");
    finds_nothing(promtool, &["test", "rules"], &[&tests]).await;
    let tests = std::fs::read_to_string(tests).unwrap();
    for alert in alerts() {
        let name = text(&alert, "alert");
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "alerts_test.yaml shows when {name} fires");
    }

    // The dashboard's queries as rules, which promtool parses as Prometheus does.
    let rules: Vec<_> = queries()
        .into_iter()
        .enumerate()
        .map(|(number, (_, query))| {
            let query = query.replace("$__rate_interval", "5m");
            json!({"record": format!("panel:{number}"), "expr": query})
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panels.yaml");
    let groups = json!({"groups": [{"name": "panels", "rules": rules}]});
    std::fs::write(&file, groups.to_string()).unwrap();
    finds_nothing(promtool, &["check", "rules"], &[&file]).await;
}

/// What an operator told at two times, between which a minute is taken to have passed.
struct Told {
    before: BTreeMap<String, f64>,
    after: BTreeMap<String, f64>,
    counters: BTreeSet<String>,
}

/// The samples of a scrape.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect()
}

fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

impl Told {
    fn new(before: &str, after: &str) -> Self {
        let types = after.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let counters = types.filter_map(|line| line.strip_suffix(" counter"));
        Self {
            before: samples(before),
            after: samples(after),
            counters: counters.map(|name| format!("{name}_total")).collect(),
        }
    }

    /// The series that alerts are about, for so many minutes in promtool's notation: a gauge stays as it is, and a counter
    /// goes on as it went.
    fn series(&self, minutes: usize) -> Vec<Value> {
        let asked: BTreeSet<_> = alerts().iter().flat_map(|alert| metrics_of(text(alert, "expr"))).collect();
        let told: BTreeSet<_> = self.after.keys().map(|series| name_of(series).to_owned()).collect();
        assert!(asked.is_subset(&told), "alerts are about what nobody tells: {:?}", asked.difference(&told));
        let series = self.after.iter().filter(|(series, _)| asked.contains(name_of(series)));
        let notated = series.map(|(series, after)| {
            let step = match self.before.get(series) {
                Some(before) if self.counters.contains(name_of(series)) => after - before,
                _ => 0.0,
            };
            let target = "namespace=\"operators\",job=\"arango-operator\",instance=\"10.0.0.7:8080\"";
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let comma = if labels == "}" { "" } else { "," };
            json!({
                "series": format!("{name}{{{target}{comma}{labels}"),
                "values": format!("{after:.3}+{step:.3}x{minutes}"),
            })
        });
        notated.collect()
    }

    /// Whether exactly these alerts fire after so many minutes, of those whose names match. What one refused request of a
    /// busy minute sets off is left out: a minute is repeated for hours here.
    async fn fires(&self, promtool: &Path, minutes: usize, matching: &str, expected: &[&str]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|name| json!({"labels": format!("{{alertname=\"ArangoOperator{name}\"}}"), "value": 1}))
            .collect();
        let firing = format!(
            "group by (alertname) (ALERTS{{alertstate=\"firing\",alertname=~\"{matching}\",{BUSY}}})"
        );
        let tests = json!({
            "rule_files": [root().join("deploy/monitoring/alerts.yaml")],
            "evaluation_interval": "1m",
            "tests": [{
                "interval": "1m",
                "input_series": self.series(minutes),
                "promql_expr_test":
                    [{"expr": firing, "eval_time": format!("{minutes}m"), "exp_samples": expected}],
            }],
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("told.yaml");
        std::fs::write(&file, tests.to_string()).unwrap();
        finds_nothing(promtool, &["test", "rules"], &[&file]).await;
    }
}

/// What the operator tells when no resource waits for its turn just then.
async fn scrape(world: &World) -> String {
    eventually("a moment in which nothing waits", async || {
        let text = world.operator().metrics_text().await;
        let waiting: f64 = samples(&text)
            .iter()
            .filter(|(series, _)| name_of(series) == "arangooperator_queue_depth")
            .map(|(_, depth)| depth)
            .sum();
        if waiting == 0.0 { Ok(text) } else { Err(waiting) }
    })
    .await
}

/// Waits until that sample has that value.
async fn tells(world: &World, parts: &[&str], value: f64) {
    eventually(&format!("{parts:?} is {value}"), async || {
        let samples = world.operator().samples(parts).await;
        if samples.iter().any(|(_, found)| (found - value).abs() < 0.5) { Ok(()) } else { Err(samples) }
    })
    .await;
}

/// An `ArangoCluster` that leads there, with that much more in its spec.
fn cluster(name: &str, server: &Server, secret: &str, more: &str) -> String {
    let endpoints = server.stand_in.endpoints();
    let spec = format!("{{endpoints: {endpoints:?}, auth: {{secretRef: {{name: {secret}}}}}, {more}}}");
    document("ArangoCluster", name, &spec)
}

#[allow(clippy::too_many_lines, reason = "one day in the life of an operator")]
#[tokio::test(flavor = "multi_thread")]
async fn the_alerts_fire_on_what_a_running_operator_really_told() {
    let Some(promtool) = promtool().await else { return };
    let (world, server) = World::connected("1s").await;
    let (old, new) = tokio::join!(Server::start(), Server::start());
    let manifests = [
        passwords(&[("alice", "her password"), ("bob", "his password")]),
        database("shop", ""),
        database("full", "deletionPolicy: DeleteIfEmpty"),
        user_with_password("alice", ""),
        user_with_password("bob", ""),
        grant("alice", "shop", "access: rw"),
        cluster("moved", &old, "prod-root", EVERY_SECOND),
    ];
    world.apply(&manifests.concat()).await;
    let objects =
        ["arangodatabase/full", "arangouser/bob", "arangopermission/alice-shop", "arangocluster/moved"];
    world.ready(&objects).await;
    let healthy = Told::new(&scrape(&world).await, &scrape(&world).await);

    // Whatever goes wrong in a day.
    server.make_collection("full", "orders").await;
    old.by_hand(Method::PUT, "/_admin/server/mode", json!({"mode": "readonly"})).await;
    let frozen = document("ArangoDatabase", "frozen", "{clusterRef: {name: frozen}}");
    let manifests = [
        database("again", "name: shop"),
        database("watched", "drift: {policy: Observe}"),
        database("paused", "")
            .replace("metadata: {", "metadata: {annotations: {arango-operator.dev/paused: 'true'}, "),
        grant("alice", "nothing", "access: ro"),
        secret("wrong", &[("username", "root"), ("password", "a wrong one")]),
        cluster("refused", &new, "wrong", ""),
        cluster("moved", &new, "prod-root", EVERY_SECOND),
        cluster("frozen", &old, "prod-root", EVERY_SECOND),
        frozen,
    ];
    world.apply(&manifests.concat()).await;
    world.kubectl(&["delete", "arangodatabase/full", "--wait=false"]).await.unwrap();
    server.stand_in.stop_coordinator(1).await.unwrap();
    let dead = server.stand_in.endpoints()[1].clone();
    let of_the_dead = ["arangooperator_coordinator_reachable{", "/prod\"", &dead];
    let of_moved = ["arangooperator_deployment_changed{", "/moved\""];
    tokio::join!(
        world.condition("arangodatabase/again", "False", "Conflict"),
        world.condition("arangodatabase/watched", "False", "ActionsPending"),
        world.condition("arangodatabase/paused", "Unknown", "Paused"),
        world.condition("arangopermission/alice-nothing", "Unknown", "ReferenceMissing"),
        world.condition("arangocluster/refused", "False", "AccessDenied"),
        world.condition("arangodatabase/frozen", "Unknown", "ServerReadOnly"),
        world.condition("arangodatabase/full", "False", "DeletionBlocked"),
        tells(&world, &of_the_dead, 0.0),
        tells(&world, &of_moved, 1.0),
    );
    let before = scrape(&world).await;
    server.set_level("alice", "shop", "none").await;
    world.event("arangopermission/alice-shop", "DriftRepaired").await;
    world.kubectl(&["annotate", "arangouser/bob", "arango-operator.dev/release=true"]).await.unwrap();
    world.delete(&["arangouser/bob"]).await;
    tells(&world, &["arangooperator_left_behind_total{", "\"ArangoUser\""], 1.0).await;
    tells(&world, &["arangooperator_drift_repaired_total{", "\"ArangoPermission\""], 1.0).await;
    let troubled = Told::new(&before, &scrape(&world).await);

    // Nobody answers any more.
    for place in [0, 2] {
        server.stand_in.stop_coordinator(place).await.unwrap();
    }
    let of_prod = ["arangooperator_coordinator_reachable{", "/prod\""];
    eventually("all coordinators are away", async || {
        let count = world.operator().count(&of_prod).await;
        if count == 0 { Ok(()) } else { Err(count) }
    })
    .await;
    eventually("what is not read for several intervals is told to be old", async || {
        let ages = world.operator().samples(&["arangooperator_snapshot_age_seconds{", "/prod\""]).await;
        if ages.iter().any(|(_, age)| *age > 4.0) { Ok(()) } else { Err(ages) }
    })
    .await;
    let last = scrape(&world).await;
    let silent = Told::new(&last, &scrape(&world).await);

    let all = [
        "CoordinatorUnreachable",
        "DeploymentChanged",
        "LoginRefused",
        "ServerReadOnly",
        "ObjectsStalled",
        "ObjectsWaiting",
        "ObjectsPaused",
        "ActionsPending",
        "DeletionBlocked",
        "LeftBehind",
        "DriftKeepsComing",
    ];
    let found = id_of(&world, "moved").await;
    let unreachable = ".*Unreachable|.*TooOld";
    tokio::join!(
        healthy.fires(promtool, 7 * 60, ".*", &[]),
        troubled.fires(promtool, LONG, ".*", &all),
        silent.fires(promtool, 60, unreachable, &["DeploymentUnreachable"]),
        is_well_formed(promtool, &last),
        the_runbooks_commands_work(&world, &found),
        everything_is_taken_by_the_api_server(&world),
    );
    tells(&world, &of_moved, 0.0).await;
    world.gone("arangodatabase/full").await;
}

/// `kubectl apply -k`, in this test's namespace, with the Prometheus operator's own definition of a rule.
async fn everything_is_taken_by_the_api_server(world: &World) {
    let Some(definition) = definition("prometheusrules").await else { return };
    let definition = definition.to_string_lossy();
    world.kubectl(&["apply", "--server-side", "-f", &definition]).await.unwrap();
    let established = ["wait", "--for=condition=Established", "--timeout=60s", "-f", &definition];
    world.kubectl(&established).await.unwrap();
    let folder = root().join("deploy/monitoring");
    let made = world.kubectl(&["kustomize", &folder.to_string_lossy()]).await.unwrap();
    let here = format!("namespace: {}", world.namespace);
    let made = made.replace("namespace: arango-operator", &here);
    // A kind is established a moment before it is discovered.
    eventually("the rule is taken", async || world.try_apply(&made).await).await;
    let rule = world.kubectl(&["get", "prometheusrule/arango-operator", "-o", "json"]).await.unwrap();
    let rule: Value = serde_json::from_str(&rule).unwrap();
    assert_eq!(rule["spec"]["groups"][0]["rules"], Value::Array(alerts()), "nothing is lost on the way");
    let label = ["get", "configmaps", "-l", "grafana_dashboard=1", "-o", "name"];
    assert_eq!(world.kubectl(&label).await.unwrap(), "configmap/arango-operator-dashboard\n");
}

/// The identity of the deployment that answers.
async fn id_of(world: &World, cluster: &str) -> String {
    let cluster = world.object(&format!("arangocluster/{cluster}")).await;
    cluster["status"]["deployment"]["found"].as_str().unwrap().to_owned()
}

/// promtool's own look at what is served. It reads the older text form, in which a counter's type is told of by the name
/// of its samples.
async fn is_well_formed(promtool: &Path, served: &str) {
    let heads = ["# HELP ", "# TYPE "];
    let types = served.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let suffixes: BTreeMap<_, _> = types
        .filter_map(|(name, type_)| {
            Some((
                name,
                match type_ {
                    "counter" => "_total",
                    "info" => "_info",
                    _ => return None,
                },
            ))
        })
        .collect();
    let older = |line: &str| {
        let head = heads.iter().find_map(|head| Some((head, line.strip_prefix(head)?.split_once(' ')?)));
        let Some((head, (name, rest))) = head else { return format!("{line}\n") };
        let suffix = suffixes.get(name).unwrap_or(&"");
        let rest = if rest == "info" { "gauge" } else { rest };
        format!("{head}{name}{suffix} {rest}\n")
    };
    let text: String = served.lines().filter(|line| *line != "# EOF").map(older).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.txt");
    std::fs::write(&file, text).unwrap();
    let check = format!("exec '{}' check metrics < '{}'", promtool.display(), file.display());
    let (good, said) = output("promtool", Command::new("sh").args(["-c", &check]), LIMIT).await;
    assert!(good && said.is_empty(), "promtool check metrics: {said}");
}

/// The commands of all runbooks, but those about the operator's own Deployment, which isn't there.
async fn the_runbooks_commands_work(world: &World, found: &str) {
    let kubectl = world.plane.kubectl().unwrap();
    let mut script = String::new();
    for page in std::fs::read_dir(root().join("docs/runbooks")).unwrap() {
        let page = std::fs::read_to_string(page.unwrap().path()).unwrap();
        let commands = page.lines().filter(|line| line.starts_with("kubectl "));
        for command in commands.filter(|command| !command.contains("-n arango-operator ")) {
            let name = if command.contains("KIND") { "full" } else { "moved" };
            let command = command.replace("KIND", "arangodatabase").replace("NAMESPACE", &world.namespace);
            script += &command.replace("NAME", name).replace("FOUND", found).replace("kubectl ", "k ");
            script += "\n";
        }
    }
    assert!(script.lines().count() > 20, "{script}");
    // A right of an account that isn't there is told by an exit code.
    let shim = format!(
        "set -eu\nk() {{ '{}' --kubeconfig '{}' \"$@\" || [ \"$1\" = auth ]; }}\n",
        kubectl.display(),
        world.plane.kubeconfig_path().display()
    );
    let (good, said) = output("a runbook", Command::new("sh").args(["-c", &(shim + &script)]), LIMIT).await;
    assert!(good, "{script}\n{said}");
}
