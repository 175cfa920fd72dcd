//! Drivers that others wrote, against the stand-in: as a single server and as three coordinators.
//!
//! The drivers come from their package registries, pinned by version and hash, into the user's cache folder. What they
//! do is in `python/`, `node/` and `go/`: the pages of their documentation line by line, or their own tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

#[path = "../installed/mod.rs"]
mod installed;
mod tools;

use std::{path::Path, time::Duration};

use arango_operator::stand_in::{Options, StandIn};
use tokio::process::Command;

use installed::run;

const ROOT_PASSWORD: &str = "the password of root";
/// As long as the drivers' libraries want it.
const JWT_SECRET: &str = "the secret that signs the tokens of all";
/// How long a flow may take; it takes about a second.
const LIMIT: Duration = Duration::from_secs(120);

/// What a driver is let loose on: a fresh deployment, with `root` and nothing else in it.
struct Deployment {
    mode: &'static str,
    stand_in: StandIn,
}

impl Deployment {
    async fn single() -> Self {
        Self::start("single", Options::single(ROOT_PASSWORD)).await
    }

    async fn cluster() -> Self {
        Self::start("cluster", Options::cluster(3, ROOT_PASSWORD)).await
    }

    async fn start(mode: &'static str, mut options: Options) -> Self {
        options.config.jwt_secret = JWT_SECRET.into();
        // One of the two, so that both answers are seen.
        options.config.admin_execute = mode == "single";
        Self { mode, stand_in: StandIn::start(options).await.unwrap() }
    }

    /// A command that knows this deployment, and nothing of whoever runs the tests but where programs are.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ARANGO_MODE", self.mode)
            .env("ARANGO_ADMIN_EXECUTE", (self.mode == "single").to_string())
            .env("ARANGO_ENDPOINTS", self.stand_in.endpoints().join(","))
            .env("ARANGO_ROOT_PASSWORD", ROOT_PASSWORD)
            .env("ARANGO_JWT_SECRET", JWT_SECRET);
        command
    }

    /// A flow in Python.
    fn script(&self, python: &Path, name: &str) -> Command {
        let mut command = self.command(python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        command.arg(tools::folder("python").join(name));
        command
    }
}

/// Runs a flow in Python against both forms of a deployment.
async fn python(name: &str) {
    let Some(python) = tools::python().await else { return };
    for deployment in [Deployment::single().await, Deployment::cluster().await] {
        run(&format!("{name} ({})", deployment.mode), &mut deployment.script(python, name), LIMIT).await;
    }
}

#[tokio::test]
async fn python_arango_async_does_what_its_page_on_databases_shows() {
    python("python_arango_async_databases.py").await;
}

#[tokio::test]
async fn python_arango_async_does_what_its_pages_on_users_and_clusters_show() {
    python("python_arango_async_users.py").await;
}

#[tokio::test]
async fn aioarangodb_does_what_its_page_on_clusters_shows() {
    python("aioarangodb_cluster.py").await;
}

#[tokio::test]
async fn python_arango_is_allowed_and_refused_what_a_server_would() {
    python("python_arango.py").await;
}

#[tokio::test]
async fn a_flow_that_does_not_get_in_fails() {
    let Some(python) = tools::python().await else { return };
    let deployment = Deployment::single().await;
    let mut command = deployment.script(python, "python_arango.py");
    command.env("ARANGO_ROOT_PASSWORD", "another");
    let (success, output) = installed::output("python_arango.py", &mut command, LIMIT).await;
    assert!(!success && output.contains("[HTTP 401][ERR 11]"), "{output}");
}

#[tokio::test]
async fn arangojs_is_allowed_and_refused_what_a_server_would() {
    let Some(modules) = tools::node().await else { return };
    for deployment in [Deployment::single().await, Deployment::cluster().await] {
        let mut command = deployment.command("node");
        command.arg(tools::folder("node").join("arangojs.cjs")).env("NODE_PATH", modules);
        run(&format!("arangojs ({})", deployment.mode), &mut command, LIMIT).await;
    }
}

/// The tests of go-driver that use nothing but databases, users, rights, logins and what a server says of itself.
/// Each goes over HTTP/1.1 and over HTTP/2.
const GO: &[&str] = &[
    "TestDatabaseNameUnicode",
    "TestGetDatabase",
    "Test_CallStream",
    "Test_CallWithChecks",
    "Test_GetServerStatus",
    "Test_GetSystemTime",
    "Test_HandleAdminVersion",
    "Test_Pool",
    "Test_ServerID",
    "Test_ServerMode",
    "Test_ServerRole",
    "Test_UserCreation",
    "Test_UserPermission",
    "Test_Users",
    "Test_Version",
];
/// Those for clusters only.
const GO_CLUSTER: &[&str] = &[
    "TestDatabaseSharding_Defaults",
    "Test_ClusterEndpoints",
    "Test_ClusterHealth",
    "Test_ClusterStatistics",
    "Test_DBServerMaintenance",
];

#[tokio::test]
async fn go_drivers_own_tests_pass() {
    let Some(tests) = tools::go().await else { return };
    for (deployment, more) in
        [(Deployment::single().await, &[][..]), (Deployment::cluster().await, GO_CLUSTER)]
    {
        let names: Vec<&str> = GO.iter().chain(more).copied().collect();
        let mut command = deployment.command(tests);
        command
            .env("TEST_MODE", deployment.mode)
            .env("TEST_ENDPOINTS", deployment.stand_in.endpoints().join(","))
            .env("TEST_AUTHENTICATION", format!("basic:root:{ROOT_PASSWORD}"))
            .args(["-test.v", "-test.timeout=90s"])
            .arg(format!("-test.run=^({})$", names.join("|")));
        let output = run(&format!("go-driver ({})", deployment.mode), &mut command, LIMIT).await;
        // A test that was renamed or skips itself would pass unseen.
        for name in names {
            assert!(output.contains(&format!("--- PASS: {name} ")), "{name} did not run:\n{output}");
        }
        let skipped: Vec<_> = output.lines().filter(|line| line.contains("--- SKIP")).collect();
        assert!(skipped.is_empty(), "{skipped:?}");
    }
}
