//! The drivers, installed once per set of pinned versions, in the user's cache folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::{process::Command, sync::OnceCell};

use crate::installed::{answer, go_build, installed, missing, step};

/// A folder with the flows of one language.
pub(crate) fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drivers").join(language)
}

/// Python with the drivers. `None` if there is no Python that could have them.
pub(crate) async fn python() -> Option<&'static Path> {
    static PYTHON: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let made = PYTHON.get_or_init(|| async {
        // The interpreter too: an environment works with the one that made it only.
        let about = "import sys, venv, ensurepip; assert sys.version_info >= (3, 10); print(sys.executable, sys.version)";
        let Some(interpreter) = answer("python3", &["-c", about]).await else {
            return missing("python3 from 3.10 on, with its venv module (Debian: apt-get install python3-venv)");
        };
        let source = folder("python");
        let pinned = ["requirements-build.txt", "requirements.txt"].map(|name| source.join(name));
        let environment = installed("python-drivers", &interpreter, &pinned, async |environment: &Path| {
            step(Command::new("python3").args(["-m", "venv"]).arg(environment)).await;
            for requirements in &pinned {
                let mut pip = Command::new(environment.join("bin/python"));
                pip.args(["-m", "pip", "install", "--no-input", "--progress-bar", "off"]);
                pip.args(["--disable-pip-version-check", "--require-hashes", "--no-build-isolation"]);
                // Nothing is compiled: what has no wheel for this machine is told, not tried.
                pip.args(["--only-binary", ":all:", "--no-binary", "aioarangodb", "--requirement"]);
                step(pip.arg(requirements)).await;
            }
        });
        Some(environment.await.join("bin/python"))
    });
    made.await.as_deref()
}

/// The folder where Node finds the drivers.
pub(crate) async fn node() -> Option<&'static Path> {
    static NODE: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let made = NODE.get_or_init(|| async {
        let version = match (answer("node", &["--version"]).await, answer("npm", &["--version"]).await) {
            (Some(version), Some(_)) if major(&version) >= 20 => version,
            _ => return missing("node from 20 on, with npm"),
        };
        let source = folder("node");
        let pinned = ["package.json", "package-lock.json"].map(|name| source.join(name));
        let made = installed("node-drivers", &version, &pinned, async |made: &Path| {
            for file in &pinned {
                fs::copy(file, made.join(file.file_name().unwrap())).unwrap();
            }
            let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
            step(Command::new("npm").args(arguments).current_dir(made)).await;
        });
        Some(made.await.join("node_modules"))
    });
    made.await.as_deref()
}

/// go-driver's own tests as a program.
pub(crate) async fn go() -> Option<&'static Path> {
    static GO: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let package = "github.com/arangodb/go-driver/v2/tests";
    let made =
        GO.get_or_init(async || go_build(&folder("go"), "go-driver-tests", &["test", "-c"], package).await);
    made.await.as_deref()
}

/// The first number of `v20.20.2`.
fn major(version: &str) -> u32 {
    version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}
