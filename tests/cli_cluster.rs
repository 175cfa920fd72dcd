//! `cluster status|health|statistics|maintenance`, as a process.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cli_support;

use std::time::Duration;

use arango_operator::stand_in::{Config, Fault, FaultRule, Options};
use cli_support::{Deployment, ROOT_PASSWORD, run};
use http::Method;
use serde_json::{Value, json};

/// The id of a server by its short name.
async fn id(deployment: &Deployment, short: &str) -> String {
    let health = deployment.run(&["cluster", "health", "-o", "json"]).await.json();
    let servers = health["servers"].as_array().unwrap();
    let server = servers.iter().find(|server| server["shortName"] == short).unwrap();
    server["id"].as_str().unwrap().to_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The words of the table row that begins with this one.
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.into_iter().find(|words| words.first() == Some(&first)).unwrap_or_else(|| panic!("{first}: {table}"))
}

#[tokio::test]
async fn status_tells_the_kind_the_identity_and_how_each_endpoint_answers() {
    let deployment = Deployment::cluster().await;
    let status = deployment.run(&["cluster", "status", "-o", "json"]).await.json();
    let cluster_id = deployment.stand_in.with_model(|model| model.config().cluster_id.clone());
    assert_eq!(status["mode"], "cluster");
    assert_eq!(status["deploymentId"], cluster_id);
    assert_eq!((&status["version"], &status["edition"]), (&json!("3.12.10"), &json!("enterprise")));
    assert_eq!((&status["engine"], &status["role"]), (&json!("rocksdb"), &json!("COORDINATOR")));
    assert_eq!((&status["readOnly"], &status["supervision"]), (&json!(false), &json!("Normal")));
    assert_eq!(status["license"]["status"], "good");
    let endpoints = status["endpoints"].as_array().unwrap();
    for (n, endpoint) in endpoints.iter().enumerate() {
        assert_eq!(endpoint["endpoint"], deployment.stand_in.endpoints()[n]);
        assert_eq!((&endpoint["reachable"], &endpoint["availability"]), (&json!(true), &json!("default")));
        assert_eq!(endpoint["serverId"], id(&deployment, &format!("Coordinator000{}", n + 1)).await);
        assert_eq!(endpoint["message"], Value::Null);
    }
    assert_eq!(endpoints.len(), 3);

    let table = deployment.run(&["cluster", "status"]).await.ok();
    assert_eq!(row(&table, "mode"), ["mode", "cluster"]);
    assert_eq!(row(&table, "id"), ["id", &cluster_id]);
    assert_eq!(row(&table, "supervision"), ["supervision", "maintenance", "off"]);
    for endpoint in deployment.stand_in.endpoints() {
        assert_eq!(row(&table, &endpoint)[1], "yes");
    }
}

#[tokio::test]
async fn with_a_dead_coordinator_every_command_works_and_health_fails() {
    let deployment = Deployment::cluster().await;
    deployment.stand_in.stop_coordinator(0).await.unwrap();
    let dead = &deployment.stand_in.endpoints()[0];

    let status = deployment.run(&["cluster", "status", "-o", "json"]).await.json();
    assert_eq!((&status["mode"], &status["endpoints"][0]["reachable"]), (&json!("cluster"), &json!(false)));
    assert!(status["endpoints"][0]["message"].as_str().unwrap().contains("refused"), "{status}");
    assert_eq!(status["endpoints"][1]["reachable"], true);
    let table = deployment.run(&["cluster", "status"]).await.ok();
    assert_eq!(row(&table, dead)[1], "no");
    assert!(table.lines().any(|line| line.starts_with(&format!("{dead}: "))), "it says why: {table}");

    let health = deployment.run(&["cluster", "health"]).await;
    assert_eq!((health.code, health.stderr.as_str()), (Some(1), ""));
    let coordinators = health.stdout.lines().filter(|line| line.contains("Coordinator000"));
    let statuses: Vec<_> = coordinators.map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    assert_eq!(statuses, ["BAD", "GOOD", "GOOD"]);
    let health = deployment.run(&["cluster", "health", "-o", "json"]).await;
    assert_eq!(health.code, Some(1), "the code is the same for programs");
    assert_eq!(serde_json::from_str::<Value>(&health.stdout).unwrap()["healthy"], false);

    deployment.run(&["cluster", "statistics", "DBServer0001"]).await.ok();
    deployment.run(&["cluster", "maintenance"]).await.ok();
}

#[tokio::test]
async fn with_no_coordinator_left_each_is_named_with_its_reason() {
    let deployment = Deployment::cluster().await;
    for n in 0..3 {
        deployment.stand_in.stop_coordinator(n).await.unwrap();
    }
    let error = deployment.run(&["cluster", "status"]).await.failed(1);
    assert!(error.starts_with("error: no coordinator can be reached: "), "{error}");
    for endpoint in deployment.stand_in.endpoints() {
        assert!(error.contains(&endpoint), "{error}");
    }
}

#[tokio::test]
async fn health_lists_coordinators_then_db_servers_then_agents() {
    let deployment = Deployment::cluster().await;
    let table = deployment.run(&["cluster", "health"]).await.ok();
    let roles = table.lines().skip(2).map(|line| line.split_whitespace().nth(2).unwrap());
    let expected = [["Coordinator"; 3], ["DBServer"; 3], ["Agent"; 3]].concat();
    assert_eq!(roles.collect::<Vec<_>>(), expected, "{table}");

    let health = deployment.run(&["cluster", "health", "-o", "json"]).await.json();
    assert_eq!((&health["healthy"], health["servers"].as_array().unwrap().len()), (&json!(true), 9));
    assert_eq!(keys(&health), ["clusterId", "healthy", "servers"]);
    let expected = [
        "canBeDeleted",
        "endpoint",
        "engine",
        "id",
        "lastAcked",
        "lastAckedSecondsAgo",
        "leading",
        "role",
        "shortName",
        "status",
        "syncStatus",
        "version",
    ];
    for server in health["servers"].as_array().unwrap() {
        assert_eq!(keys(server), expected, "every key is there, null if it isn't known");
        let agent = server["role"] == "Agent";
        assert_eq!(server["lastAckedSecondsAgo"].is_number(), agent, "{server}");
        assert_eq!(server["lastAcked"].is_string(), !agent, "{server}");
    }
}

#[tokio::test]
async fn statistics_are_a_few_figures_in_the_table_and_all_of_them_as_json() {
    let deployment = Deployment::cluster().await;
    let table = deployment.run(&["cluster", "statistics"]).await.ok();
    for n in 1..=3 {
        assert_eq!(row(&table, &format!("Coordinator000{n}"))[1], "Coordinator");
        assert_eq!(row(&table, &format!("DBServer000{n}"))[1], "DBServer");
    }
    assert!(!table.contains("Agent"), "agents count nothing: {table}");
    let db_server = id(&deployment, "DBServer0002").await;
    let two = ["cluster", "statistics", &db_server, "Coordinator0003", "-o", "json"];
    let statistics = deployment.run(&two).await.json();
    let servers = statistics["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2);
    assert_eq!((&servers[0]["id"], &servers[1]["shortName"]), (&json!(db_server), &json!("Coordinator0003")));
    for server in servers {
        assert_eq!(keys(server), ["error", "id", "role", "shortName", "statistics"]);
        let groups = keys(&server["statistics"]);
        for group in ["client", "http", "server", "system"] {
            assert!(groups.contains(&group), "{groups:?}");
        }
    }
    for (server, part) in [("nobody", "no server \"nobody\""), (&agent(&deployment), "is an agent")] {
        let error = deployment.run(&["cluster", "statistics", server]).await.failed(1);
        assert!(error.contains(part), "{error}");
    }
}

fn agent(deployment: &Deployment) -> String {
    deployment.stand_in.with_model(|model| model.config().agent_ids[0].clone())
}

#[tokio::test]
async fn maintenance_says_until_when_and_that_there_is_no_failover() {
    let deployment = Deployment::cluster().await;
    let shown = deployment.run(&["cluster", "maintenance"]).await.ok();
    assert!(shown.starts_with("The supervision works"), "{shown}");
    for (arguments, seconds) in [
        (&["on"][..], 3600),
        (&["7200"], 7200),
        (&["30m"], 1800),
        (&["--for", "90s"], 90),
        (&["on", "--for", "2h"], 7200),
    ] {
        let before = jiff::Timestamp::now().as_second();
        let json = [&["cluster", "maintenance", "-o", "json"], arguments].concat();
        let shown = deployment.run(&json).await.json();
        assert_eq!(shown["supervision"], "Maintenance");
        let until: jiff::Timestamp = shown["until"].as_str().unwrap().parse().unwrap();
        let lasts = until.as_second() - before;
        assert!((seconds..seconds + 30).contains(&lasts), "{arguments:?} lasts {lasts} s");
    }
    let text = deployment.run(&["cluster", "maintenance", "on"]).await.ok();
    assert!(text.contains("NO automatic failover") && text.contains("Z. Until then"), "{text}");
    let text = deployment.run(&["cluster", "maintenance"]).await.ok();
    assert!(text.contains("NO automatic failover"), "{text}");
    let status = deployment.run(&["cluster", "status"]).await.ok();
    assert!(status.contains("no automatic failover"), "{status}");

    let off = deployment.run(&["cluster", "maintenance", "off", "-o", "json"]).await.json();
    assert_eq!(off, json!({"supervision": "Normal", "until": null}));
    let shown = deployment.run(&["cluster", "maintenance", "-o", "json"]).await.json();
    assert_eq!((&shown["supervision"], shown["dbServers"].as_array().unwrap().len()), (&json!("Normal"), 3));
}

#[tokio::test]
async fn one_db_server_has_a_maintenance_of_its_own() {
    let deployment = Deployment::cluster().await;
    let id = id(&deployment, "DBServer0001").await;
    let text = deployment.run(&["cluster", "maintenance", "--server", &id, "--for", "10m"]).await.ok();
    assert!(text.starts_with(&format!("DBServer0001 ({id}) is in maintenance until ")), "{text}");
    let shown = ["cluster", "maintenance", "--server", "DBServer0001", "-o", "json"];
    let first = deployment.run(&shown).await.json();
    assert_eq!((&first["id"], &first["mode"]), (&json!(id), &json!("maintenance")));
    assert_eq!(keys(&first), ["id", "mode", "shortName", "until"]);
    let longer = ["cluster", "maintenance", "2h", "--server", "DBServer0001", "-o", "json"];
    let second = deployment.run(&longer).await.json();
    assert!(second["until"].as_str() > first["until"].as_str(), "extended: {first} {second}");
    let all = deployment.run(&["cluster", "maintenance", "-o", "json"]).await.json();
    assert_eq!(all["supervision"], "Normal", "the cluster's supervision is another thing");
    let modes = all["dbServers"].as_array().unwrap().iter().map(|server| server["mode"].as_str().unwrap());
    assert_eq!(modes.collect::<Vec<_>>(), ["maintenance", "normal", "normal"]);
    let text = deployment.run(&["cluster", "maintenance", "off", "--server", &id]).await.ok();
    assert!(text.contains("is not in maintenance"), "{text}");

    for (name, part) in
        [("Coordinator0001", "is no DB-Server"), ("nobody", "the DB-Servers are DBServer0001")]
    {
        deployment.stand_in.clear_requests();
        let error = deployment.run(&["cluster", "maintenance", "on", "--server", name]).await.failed(1);
        assert!(error.contains(part), "{error}");
        let log = deployment.stand_in.request_log();
        assert!(log.iter().all(|entry| entry.method != "PUT"), "nothing was asked for: {log:?}");
    }
}

#[tokio::test]
async fn a_slow_change_of_the_supervision_is_waited_for_beyond_the_timeout_and_said_so() {
    let deployment = Deployment::cluster().await;
    let slow = Fault::Delay { time: Duration::from_millis(2500), jitter: Duration::ZERO };
    let slow = FaultRule::new(slow).path("/_admin/cluster/maintenance");
    deployment.stand_in.add_fault(slow).await.unwrap();
    let ran = deployment.run(&["cluster", "maintenance", "on", "--timeout", "2s"]).await;
    assert_eq!(ran.stderr, "waiting until the supervision has stopped, 120 s at most …\n");
    ran.ok();
    let error = deployment.run(&["cluster", "maintenance", "--timeout", "2s"]).await.failed(1);
    assert!(error.contains("no answer within 2s"), "looking has no more time than anything else: {error}");
}

#[tokio::test]
async fn a_lost_answer_to_a_change_of_the_supervision_is_asked_for_elsewhere() {
    let deployment = Deployment::cluster().await;
    let lost = FaultRule::new(Fault::Drop).method(Method::PUT).path("/_admin/cluster/maintenance").next(2);
    deployment.stand_in.add_fault(lost).await.unwrap();
    let shown = deployment.run(&["cluster", "maintenance", "on", "-o", "json"]).await.json();
    assert_eq!(shown["supervision"], "Maintenance");
}

#[tokio::test]
async fn a_coordinator_that_hangs_or_starts_is_shown_as_that() {
    let deployment = Deployment::cluster().await;
    for fault in [FaultRule::new(Fault::Hang).on(0), FaultRule::new(Fault::Maintenance).on(1)] {
        deployment.stand_in.add_fault(fault).await.unwrap();
    }
    let status = deployment.run(&["cluster", "status", "-o", "json"]).await.json();
    let [hangs, starts, serves] = &status["endpoints"].as_array().unwrap()[..] else { panic!("{status}") };
    assert_eq!(hangs["reachable"], false, "{status}");
    assert!(hangs["message"].as_str().unwrap().contains("no answer within 5s"), "{status}");
    assert_eq!(starts["reachable"], true, "{status}");
    assert!(starts["message"].as_str().unwrap().starts_with("503"), "{status}");
    assert_eq!((&serves["availability"], &serves["message"]), (&json!("default"), &Value::Null));
}

#[tokio::test]
async fn endpoints_of_two_deployments_are_noticed() {
    let (one, other) =
        (Deployment::cluster().await, Deployment::start(Options::new(Config::cluster(1, 2))).await);
    let both = format!("{},{}", one.endpoints(), other.endpoints());
    let environment =
        [("ARANGO_ENDPOINT", both.as_str()), ("ARANGO_PASSWORD", ROOT_PASSWORD), ("ARANGO_AUTH", "basic")];
    let status = run(&["cluster", "status", "-o", "json"], &environment).await.json();
    let strangers =
        status["endpoints"].as_array().unwrap().iter().filter(|endpoint| !endpoint["message"].is_null());
    let strangers: Vec<_> = strangers.collect();
    assert!([1, 3].contains(&strangers.len()), "whichever cluster was asked, the other is strange: {status}");
    assert!(strangers[0]["message"].as_str().unwrap().contains("one deployment"), "{status}");
}

#[tokio::test]
async fn a_server_that_tells_no_figures_is_named_and_the_others_are_shown() {
    let deployment = Deployment::cluster().await;
    let silent = id(&deployment, "DBServer0001").await;
    let path = format!("/_admin/cluster/nodeStatistics?ServerID={silent}");
    let fault = FaultRule::new(Fault::Error).path(path);
    deployment.stand_in.add_fault(fault).await.unwrap();
    let ran = deployment.run(&["cluster", "statistics"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with(&format!("error: DBServer0001 ({silent}): ")), "{ran:?}");
    assert_eq!(row(&ran.stdout, "DBServer0001")[2..], ["-"; 6]);
    assert_ne!(row(&ran.stdout, "DBServer0002")[2], "-");
    let ran = deployment.run(&["cluster", "statistics", &silent, "-o", "json"]).await;
    assert_eq!(ran.code, Some(1));
    let server = &serde_json::from_str::<Value>(&ran.stdout).unwrap()["servers"][0];
    assert_eq!((server["statistics"].is_null(), server["error"].is_string()), (true, true), "{server}");
}

#[tokio::test]
async fn a_single_server_has_a_status_and_says_that_it_has_no_cluster() {
    let deployment = Deployment::single().await;
    let status = deployment.run(&["cluster", "status", "-o", "json"]).await.json();
    assert_eq!((&status["mode"], &status["role"]), (&json!("single"), &json!("SINGLE")));
    assert_eq!((&status["deploymentId"], &status["supervision"]), (&Value::Null, &Value::Null));
    assert_eq!(status["endpoints"][0]["reachable"], true);
    assert_eq!(status["endpoints"][0]["message"], Value::Null, "that it has no server id is no problem");
    let table = deployment.run(&["cluster", "status"]).await.ok();
    assert_eq!(row(&table, "mode"), ["mode", "single"]);
    for (arguments, what) in [
        (&["health"][..], "cluster health"),
        (&["statistics"], "cluster statistics"),
        (&["maintenance"], "supervision"),
        (&["maintenance", "on"], "supervision"),
    ] {
        let error = deployment.run(&[&["cluster"], arguments].concat()).await.failed(1);
        assert!(error.starts_with(&format!("error: this is a single server; it has no {what}")), "{error}");
    }
}

#[tokio::test]
async fn read_only_mode_is_shown() {
    let deployment = Deployment::single().await;
    deployment.run(&["request", "PUT", "/_admin/server/mode", "-d", r#"{"mode":"readonly"}"#]).await.ok();
    let status = deployment.run(&["cluster", "status", "-o", "json"]).await.json();
    assert_eq!((&status["readOnly"], &status["serverMode"]), (&json!(true), &json!("readonly")));
    let table = deployment.run(&["cluster", "status"]).await.ok();
    assert!(table.contains("refused: read-only mode"), "{table}");
}

#[tokio::test]
async fn who_is_no_administrator_sees_the_status_and_changes_nothing() {
    let deployment = Deployment::cluster().await;
    let body = r#"{"user":"reader","passwd":"reads"}"#;
    deployment.run(&["request", "POST", "/_api/user", "-d", body]).await.ok();
    let path = "/_api/user/reader/database/_system";
    deployment.run(&["request", "PUT", path, "-d", r#"{"grant":"ro"}"#]).await.ok();
    let endpoints = deployment.endpoints();
    let as_reader =
        [("ARANGO_ENDPOINT", endpoints.as_str()), ("ARANGO_USER", "reader"), ("ARANGO_PASSWORD", "reads")];
    let status = run(&["cluster", "status", "-o", "json"], &as_reader).await.json();
    assert_eq!((&status["mode"], &status["supervision"]), (&json!("cluster"), &Value::Null));
    let table = run(&["cluster", "status"], &as_reader).await.ok();
    assert!(table.contains("not told to this account"), "{table}");
    for state in [&["cluster", "maintenance"][..], &["cluster", "maintenance", "on"]] {
        let error = run(state, &as_reader).await.failed(1);
        assert!(error.contains("403"), "{error}");
    }
}

#[tokio::test]
async fn wrong_usage_is_code_2() {
    let deployment = Deployment::cluster().await;
    for arguments in [
        &["maintenance", "sometimes"][..],
        &["maintenance", "0"],
        &["maintenance", "off", "--for", "1h"],
        &["maintenance", "1h", "--for", "1h"],
        &["health", "-o", "yaml"],
        &["health", "--timeout", "5"],
        &["health", "--auth", "magic"],
        &["health", "--client-key-file", "x"],
        &[],
    ] {
        deployment.run(&[&["cluster"], arguments].concat()).await.failed(2);
    }
    for command in ["status", "health", "statistics", "maintenance"] {
        let help = run(&["cluster", command, "--help"], &[]).await.ok();
        assert!(help.contains("Exit codes: 0 "), "{help}");
        assert!(help.contains("ARANGO_ENDPOINT") && help.contains("ARANGO_PASSWORD"), "{help}");
    }
    let error = run(&["cluster", "health"], &[("ARANGO_PASSWORD", ROOT_PASSWORD)]).await.failed(1);
    assert!(error.contains("--endpoint or ARANGO_ENDPOINT"), "{error}");
}

/// The words of a text, in any order; what has a digit (ids, times, ports, counts) is one word like another.
fn words(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('─'));
    let words = lines.flat_map(str::split_whitespace);
    let words = words.map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
    let mut words: Vec<_> = words.collect();
    words.sort_unstable();
    words
}

/// The blocks of a page, each with its language.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

/// Enough of a shell for the examples: words, and single quotes around one.
fn arguments(typed: &str) -> Vec<&str> {
    let parts = typed.split('\'').enumerate();
    parts
        .flat_map(|(n, part)| if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .collect()
}

#[tokio::test]
async fn the_examples_in_the_documentation_are_what_the_program_prints() {
    let deployment = Deployment::cluster().await;
    let page = include_str!("../docs/commands.md");
    let secret = deployment.file("jwt-secret", cli_support::JWT_SECRET);
    let (_, manifest) = blocks(page).find(|(language, _)| *language == "yaml").unwrap();
    let rights = deployment.file("rights.yaml", manifest);
    let mut examples = 0;
    for (language, block) in blocks(page) {
        let lines = match language {
            "console" => block.strip_prefix("$ ").unwrap().split_once('\n').into_iter().collect::<Vec<_>>(),
            // What examples need that are shown below.
            "sh" => block.lines().map(|line| (line, "")).collect(),
            _ => Vec::new(),
        };
        for (typed, expected) in lines {
            let arguments = arguments(typed);
            let Some((&"arango-operator", arguments)) = arguments.split_first() else { continue };
            let place = |word: &&'static str| {
                if *word == "rights.yaml" { rights.clone() } else { (*word).to_owned() }
            };
            let arguments: Vec<_> = arguments.iter().map(place).collect();
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let is_shown = language == "console";
            if !is_shown && arguments[0] != "request" {
                continue;
            }
            let endpoints = deployment.endpoints();
            let environment = [
                ("ARANGO_ENDPOINT", endpoints.as_str()),
                ("ARANGO_PASSWORD", ROOT_PASSWORD),
                ("ARANGO_JWT_SECRET_FILE", &secret),
            ];
            let ran = run(&arguments, &environment).await;
            assert_eq!(ran.code, Some(0), "{typed}: {ran:?}");
            let printed = format!("{}{}", ran.stderr, ran.stdout);
            if is_shown {
                assert_eq!(words(&printed), words(expected), "{typed}\n{printed}");
                examples += 1;
            }
        }
    }
    assert!(examples >= 12, "the examples are found");
}

/// Whether a documented document has the keys of a real one, all of them and no others. A text may stand for anything.
fn same_keys(documented: &Value, real: &Value) -> bool {
    match (documented, real) {
        (Value::Object(one), Value::Object(other)) => {
            keys(documented) == keys(real) && one.iter().all(|(key, value)| same_keys(value, &other[key]))
        }
        (Value::Array(one), Value::Array(other)) => same_keys(&one[0], &other[0]),
        _ => true,
    }
}

#[tokio::test]
async fn the_keys_in_the_documentation_are_those_that_the_program_prints() {
    let deployment = Deployment::cluster().await;
    let page = include_str!("../docs/commands.md");
    let documented = blocks(page).filter(|(language, _)| *language == "json");
    let documented: Vec<Value> = documented.map(|(_, json)| serde_json::from_str(json).unwrap()).collect();
    for (method, path, body) in [
        ("POST", "/_api/database", r#"{"name":"shop"}"#),
        ("POST", "/_api/user", r#"{"user":"reader","passwd":"reads"}"#),
        ("PUT", "/_api/user/reader/database/*", r#"{"grant":"ro"}"#),
        ("PUT", "/_api/user/reader/database/shop/*", r#"{"grant":"rw"}"#),
    ] {
        deployment.run(&["request", method, path, "--data", body]).await.ok();
    }
    let commands = [
        &["cluster", "status"][..],
        &["cluster", "health"],
        &["cluster", "statistics"],
        &["cluster", "maintenance"],
        &["explain", "reader", "gone"],
        &["matrix", "--databases", "shop"],
    ];
    assert_eq!(documented.len(), commands.len());
    for (documented, command) in documented.iter().zip(commands) {
        let real = deployment.run(&[command, &["-o", "json"]].concat()).await.json();
        assert!(same_keys(documented, &real), "{command:?}: {documented:#} {real:#}");
    }
    assert!(!same_keys(&documented[0], &documented[1]), "the check can fail");
}
