//! What the program prints, asks and refuses.

use std::{process::Stdio, time::Duration};

use arango_operator::{
    crash,
    stand_in::{Config, Options},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::cli_support::{Deployment, ROOT_PASSWORD, Ran, run};

const BEFORE: &str = include_str!("before.yaml");
const AFTER: &str = include_str!("after.yaml");

/// The requests that changed something beside the record.
fn writes(deployment: &Deployment) -> usize {
    let log = deployment.stand_in.take_requests();
    let is_write = |path: &str| !path.contains("/_api/cursor") && !path.contains("arango_operator_sets");
    log.iter().filter(|one| one.method != "GET" && one.path != "/_open/auth" && is_write(&one.path)).count()
}

async fn apply(deployment: &Deployment, file: &str, more: &[&str]) -> Ran {
    deployment.run(&[&["apply", "-f", file, "--yes"], more].concat()).await
}

#[tokio::test]
async fn a_plan_exits_with_2_for_changes_and_0_for_none_and_1_for_what_a_person_has_to_do_something_about() {
    let deployment = Deployment::cluster().await;
    let file = deployment.file("m.yaml", BEFORE);
    let ran = deployment.run(&["plan", "-f", &file]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for part in
        ["create the database shop", "grant bob ro on *", "wide right", "waits: ", "CollectionMissing"]
    {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert_eq!(writes(&deployment), 0);
    let ran = deployment.run(&["plan", "-f", &file, "-o", "diff"]).await;
    assert!(ran.stdout.contains("  + access: rw") && ran.stdout.contains("  + active: true"), "{ran:?}");
    apply(&deployment, &file, &[]).await.ok();
    deployment.run(&["plan", "-f", &file]).await.ok();
    let without: Vec<_> = BEFORE.split("---").filter(|one| !one.contains("kind: Secret")).collect();
    let without = deployment.file("without.yaml", &without.join("---"));
    let held = deployment.run(&["plan", "-f", &without, "--set", "shop"]).await;
    assert!(
        held.stdout.contains("held: ") && held.stdout.contains("--secret shop/passwords/alice=env:"),
        "{held:?}"
    );
    held.failed(1);
    let secret = deployment.file("alice.txt", "alices-password\n");
    let given = format!("shop/passwords/alice=file:{secret}");
    let bob = "shop/passwords/bob=env:BOB";
    let arguments = ["plan", "-f", &without, "--set", "shop", "--secret", &given, "--secret", bob];
    let endpoints = deployment.endpoints();
    let environment =
        [("ARANGO_ENDPOINT", &*endpoints), ("ARANGO_PASSWORD", ROOT_PASSWORD), ("BOB", "bobs-password")];
    run(&arguments, &environment).await.ok();
}

#[tokio::test]
async fn wrong_usage_of_a_plan_is_not_taken_for_changes() {
    for wrong in [&["plan", "--nonsense"][..], &["plan", "-o", "yaml"], &["plan", "--prune"], &["plan"]] {
        let ran = run(wrong, &[]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{wrong:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{wrong:?}: {}", ran.stderr);
    }
    assert!(run(&["plan", "--help"], &[]).await.ok().contains("Exit codes: 0 nothing to do, 2 changes"));
    for wrong in [&["apply", "--nonsense"][..], &["matrix", "--nonsense"], &["--nonsense"], &[]] {
        run(wrong, &[]).await.failed(2);
    }
}

#[tokio::test]
async fn an_arangocluster_among_the_manifests_is_a_connection_for_every_command() {
    let deployment = Deployment::single().await;
    let example = include_str!("../../examples/without-kubernetes/cluster.yaml");
    assert!(example.contains("- http://127.0.0.1:8529\n"));
    let cluster = example.replace("http://127.0.0.1:8529", &deployment.endpoints());
    let cluster = deployment.file("cluster.yaml", &cluster);
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/without-kubernetes/shop.yaml");
    let here = [
        "-f",
        &cluster,
        "-f",
        shop,
        "--secret=shop/prod-root/username=env:ARANGO_USER",
        "--secret=shop/prod-root/password=env:ARANGO_PASSWORD",
    ];
    let with = async |command: &[&str]| {
        let environment = [("ARANGO_USER", "root"), ("ARANGO_PASSWORD", ROOT_PASSWORD), ("ALICE", "x1")];
        run(&[command, &here].concat(), &environment).await
    };
    let alice = "--secret=shop/alice/password=env:ALICE";
    with(&["plan", alice]).await.failed(2);
    with(&["apply", alice, "--yes"]).await.ok();
    assert_eq!(with(&["plan", alice]).await.ok(), "nothing to do, 3 in order\n");
    let explained = with(&["explain", "alice", "shop", "-o", "json"]).await.json();
    assert_eq!(explained["declared"][0]["source"], format!("{shop}:14:1"));
    let matrix = with(&["matrix", "-o", "json"]).await.json();
    assert!(matrix["users"].as_array().unwrap().iter().any(|row| row["user"] == "alice"), "{matrix}");
    let exported = with(&["export", "--namespace", "other"]).await.ok();
    assert!(exported.contains("  clusterRef:\n    name: prod\n    namespace: shop\n"), "{exported}");
    let status = with(&["cluster", "status", "-o", "json"]).await.json();
    assert_eq!(status["endpoints"][0]["endpoint"], deployment.endpoints());
    assert!(with(&["request", "GET", "/_api/version"]).await.ok().contains("arango"));

    let two = deployment.run(&[&["matrix"][..], &here].concat()).await.failed(1);
    assert!(two.starts_with("error: two deployments are named"), "{two}");
    let there = with(&["export", "--with-cluster"]).await.failed(1);
    assert!(there.contains("the ArangoCluster shop/prod is there already"), "{there}");
    let typo = with(&["matrix", "--cluster", "prd"]).await.failed(1);
    assert!(typo.contains("there is no ArangoCluster prd") && typo.contains("shop/prod"), "{typo}");
}

#[tokio::test]
async fn where_nobody_hears_what_is_said_beside_it_plans_and_applies_all_the_same() {
    let deployment = Deployment::single().await;
    let file = deployment.file("m.yaml", BEFORE);
    for (arguments, code, result) in [
        (&["plan"][..], 2, "create the database shop"),
        (&["apply"], 1, ""),
        (&["apply", "--yes"], 0, "done: "),
        (&["apply", "--yes"], 0, "done: nothing to do"),
        (&["plan", "--nonsense"], 1, ""),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
        command.args(arguments).args(["-f", &file]).env("ARANGO_ENDPOINT", deployment.endpoints());
        command.env("ARANGO_PASSWORD", ROOT_PASSWORD).stdin(Stdio::null()).stdout(Stdio::piped());
        let output =
            command.stderr(writer).kill_on_drop(true).spawn().unwrap().wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(result), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn apply_does_nothing_where_nobody_can_be_asked_and_nothing_a_second_time() {
    let deployment = Deployment::single().await;
    let file = deployment.file("m.yaml", BEFORE);
    let ran = deployment.run(&["apply", "-f", &file]).await;
    assert_eq!(writes(&deployment), 0);
    assert!(ran.failed(1).contains("say --yes"));
    let ran = apply(&deployment, &file, &[]).await;
    assert!(ran.stderr.contains("✓ create the database shop"), "a line for each action: {ran:?}");
    assert!(ran.ok().starts_with("done: "));
    assert!(writes(&deployment) > 5);
    assert!(apply(&deployment, &file, &[]).await.ok().contains("nothing to do"));
    assert_eq!(writes(&deployment), 0);
}

#[tokio::test]
async fn a_database_with_something_in_it_is_dropped_only_by_its_name() {
    let deployment = Deployment::single().await;
    let (before, after) = (deployment.file("m.yaml", BEFORE), deployment.file("n.yaml", AFTER));
    apply(&deployment, &before, &["--set", "shop"]).await.ok();
    let orders = r#"{"name":"orders"}"#;
    deployment.run(&["request", "POST", "/_api/collection", "--database", "depot", "-d", orders]).await.ok();
    writes(&deployment);
    let prune = ["--set", "shop", "--prune"];
    let error = apply(&deployment, &after, &prune).await.failed(1);
    assert!(error.contains("--allow-data-loss depot") && error.contains("1 collection"), "{error}");
    let other = apply(&deployment, &after, &[&prune[..], &["--allow-data-loss", "shop"]].concat()).await;
    other.failed(1);
    assert_eq!(writes(&deployment), 0, "not even what destroys nothing");
    apply(&deployment, &after, &[&prune[..], &["--allow-data-loss", "depot"]].concat()).await.ok();
    assert!(!deployment.stand_in.with_model(|model| model.databases().any(|name| name == "depot")));
    let usage = apply(&deployment, &after, &["--prune"]).await.failed(2);
    assert!(usage.contains("--set"), "{usage}");
}

#[tokio::test]
async fn no_password_is_in_any_output_and_none_in_the_record() {
    let deployment = Deployment::single().await;
    let file = deployment.file("m.yaml", BEFORE);
    for output in ["table", "diff", "json"] {
        let plan = deployment.run(&["plan", "-f", &file, "-o", output]).await;
        let applied = apply(&deployment, &file, &["-o", output, "--set", "shop"]).await;
        for text in [plan.stdout, plan.stderr, applied.stdout, applied.stderr] {
            assert!(!text.contains("s-password"), "{text}");
        }
        let state = deployment.stand_in.with_model(|model| format!("{:?}", model.state()));
        assert!(!state.contains("s-password"));
    }
}

/// Applies in a process that kills itself at that place; whether it came to that.
async fn killed_at(deployment: &Deployment, file: &str, point: crash::Point) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    command.args(["apply", "-f", file, "--yes", "--set", "shop", "--prune", "--allow-data-loss", "depot"]);
    command.env("ARANGO_ENDPOINT", deployment.endpoints()).env("ARANGO_PASSWORD", ROOT_PASSWORD);
    command.env(crash::VARIABLE, point.name()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.unwrap().code().is_none()
}

#[tokio::test]
async fn a_process_that_is_killed_behind_any_effect_is_run_again_and_finishes() {
    let deployment = Deployment::single().await;
    let (before, after) = (deployment.file("m.yaml", BEFORE), deployment.file("n.yaml", AFTER));
    let mut kills = 0;
    for point in crash::Point::ALL {
        for file in [&before, &after] {
            kills += usize::from(killed_at(&deployment, file, *point).await);
            let done = apply(&deployment, file, &["--set", "shop", "--prune"]).await;
            done.ok();
            assert!(
                apply(&deployment, file, &["--set", "shop", "--prune"]).await.ok().contains("nothing to do")
            );
        }
    }
    assert!(kills >= 8, "{kills}");
}

#[tokio::test]
async fn the_json_of_a_plan_is_as_its_schema_says() {
    let deployment = Deployment::single().await;
    let schema: Value = serde_json::from_str(include_str!("../../docs/reference/plan.schema.json")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("plan.json", schema).unwrap();
    let index = compiler.compile("plan.json", &mut schemas).unwrap();
    let check = |json: &Value| schemas.validate(json, index).map_err(|error| error.to_string());
    let (before, after) = (deployment.file("m.yaml", BEFORE), deployment.file("n.yaml", AFTER));
    let set = ["--set", "shop", "--prune", "-o", "json"];
    for file in [&before, &after] {
        let plan = deployment.run(&[&["plan", "-f", file], &set[..]].concat()).await;
        let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
        check(&plan).unwrap();
        let done = apply(&deployment, file, &set).await.json();
        check(&done).unwrap();
        assert_eq!(plan["summary"]["actions"], done["summary"]["actions"]);
    }
    assert!(check(&serde_json::json!({"objects": 1})).is_err(), "the check can fail");
}

#[tokio::test]
async fn on_ctrl_c_what_is_under_way_comes_to_its_end_and_the_rest_is_counted() {
    let mut options = Options::new(Config::single(1));
    options.delay = Duration::from_millis(20);
    let deployment = Deployment::start(options).await;
    let database = |n| {
        format!(
            "---\napiVersion: arango-operator.dev/v1alpha1\nkind: ArangoDatabase\nmetadata: {{name: db-{n}, namespace: \
             shop}}\nspec: {{clusterRef: {{name: prod}}}}\n"
        )
    };
    let file = deployment.file("m.yaml", &(0..300).map(database).collect::<String>());
    let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    command
        .args(["apply", "-f", &file, "--yes", "--set", "shop"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.env("ARANGO_ENDPOINT", deployment.endpoints()).env("ARANGO_PASSWORD", ROOT_PASSWORD);
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = said.next_line().await.unwrap() {
        if line.starts_with('✓') {
            break;
        }
    }
    let process = Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    // Nobody is to wait for a pipe that is full.
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
    let output = child.wait_with_output().await.unwrap();
    rest.await.unwrap();
    let result = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{result}");
    assert!(result.contains("not come to"), "{result}");
    let log = deployment.stand_in.take_requests();
    assert!(log.iter().all(|one| one.status.is_some()), "nothing was cut off");
    apply(&deployment, &file, &["--set", "shop"]).await.ok();
    assert_eq!(deployment.stand_in.with_model(|model| model.databases().count()), 301);
}
