//! Files that are for other programs, as those programs see them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command as Blocking,
    time::Duration,
};

use serde_json::Value;
use tokio::{process::Command, sync::OnceCell};

use crate::installed::{answer, go_build, installed, missing, run, step};

/// How long one program may take.
const LIMIT: Duration = Duration::from_secs(120);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with the programs that are installed as Python packages. `None` without Python.
async fn programs() -> Option<&'static Path> {
    static PROGRAMS: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let made = PROGRAMS.get_or_init(|| async {
        let about = "import sys, venv, ensurepip; print(sys.executable, sys.version)";
        let Some(interpreter) = answer("python3", &["-c", about]).await else {
            return missing("python3 with its venv module (Debian: apt-get install python3-venv)");
        };
        let pinned = [repository().join("tests/project/python/requirements.txt")];
        let made = installed("linters", &interpreter, &pinned, async |made: &Path| {
            step(Command::new("python3").args(["-m", "venv"]).arg(made)).await;
            let mut pip = Command::new(made.join("bin/python"));
            pip.args([
                "-m",
                "pip",
                "install",
                "--no-input",
                "--progress-bar",
                "off",
                "--disable-pip-version-check",
            ]);
            step(pip.args(["--require-hashes", "--only-binary", ":all:", "--requirement"]).arg(&pinned[0]))
                .await;
        });
        Some(made.await.join("bin"))
    });
    made.await.as_deref()
}

/// Runs one of them, which must have nothing to say against it.
async fn passes(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository());
    run(&program.file_name().unwrap().to_string_lossy(), &mut command, LIMIT).await
}

/// The names of the steps of `.ci/run`, and what each holds.
fn steps() -> BTreeMap<String, String> {
    let output = Blocking::new(repository().join(".ci/run")).arg("--list").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let steps = String::from_utf8(output.stdout).unwrap();
    steps
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, what)| (name.into(), what.into()))
        .collect()
}

#[tokio::test]
async fn the_workflows_mean_something_to_who_runs_them() {
    let folder = repository().join("tests/project/go");
    let actionlint = go_build(
        &folder,
        "actionlint",
        &["build", "-trimpath"],
        "github.com/rhysd/actionlint/cmd/actionlint",
    );
    if let Some(actionlint) = actionlint.await {
        // Without the programs that it would use if they were there: the same is found everywhere.
        passes(&actionlint, &["-no-color", "-shellcheck=", "-pyflakes="]).await;
    }
}

#[tokio::test]
async fn the_workflows_give_nothing_away() {
    if let Some(programs) = programs().await {
        passes(&programs.join("zizmor"), &["--offline", "--no-progress", "--color=never", ".github"]).await;
    }
}

#[tokio::test]
async fn the_dockerfile_is_well_made() {
    if let Some(programs) = programs().await {
        passes(&programs.join("hadolint"), &["--no-color", "Dockerfile"]).await;
    }
}

#[tokio::test]
async fn the_justfile_calls_what_ci_calls() {
    let Some(programs) = programs().await else { return };
    let dump = passes(&programs.join("just"), &["--dump", "--dump-format", "json"]).await;
    let dump: Value = serde_json::from_str(&dump).unwrap();
    let recipes = dump["recipes"].as_object().unwrap();
    assert!(recipes.len() > 5, "{recipes:?}");
    let steps = steps();
    let mut called = 0;
    for (name, recipe) in recipes {
        assert!(recipe["doc"].is_string(), "{name} doesn't say what it does");
        let lines = recipe["body"].as_array().unwrap();
        let lines = lines.iter().map(|line| line[0].as_str().unwrap_or_default());
        for step in lines.filter_map(|line| line.strip_prefix(".ci/run ")).filter(|step| !step.is_empty()) {
            assert_eq!(step, name, "a recipe is named as the step that it calls");
            assert_eq!(
                recipe["doc"].as_str(),
                steps.get(step).map(String::as_str),
                "{name}, and what .ci/run says of it"
            );
            called += 1;
        }
    }
    assert!(called > 4, "{recipes:?}");
}

#[test]
fn a_step_that_is_not_there_is_told() {
    let output = Blocking::new(repository().join(".ci/run")).arg("nothing").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("there is no step nothing"), "{output:?}");
}
