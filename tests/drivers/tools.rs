//! The drivers, installed once per set of pinned versions, in the user's cache folder.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use tokio::{
    process::Command,
    sync::OnceCell,
    time::{interval, sleep, timeout},
};

/// How long an installation may take, and how long another process waits for it.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);
/// How often it is said that an installation still goes on.
const REMINDER: Duration = Duration::from_secs(15);
const LOCK_POLL: Duration = Duration::from_millis(200);
/// In a folder whose installation went to the end.
const COMPLETE: &str = "complete";

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
        let environment = installed("python", &interpreter, &pinned, async |environment: &Path| {
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
        let made = installed("node", &version, &pinned, async |made: &Path| {
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
    let made = GO.get_or_init(|| async {
        let Some(version) = answer("go", &["version"]).await else {
            return missing("Go from 1.25 on (https://go.dev/dl)");
        };
        let source = folder("go");
        let pinned = ["go.mod", "go.sum"].map(|name| source.join(name));
        let made = installed("go", &version, &pinned, async |made: &Path| {
            let mut build = Command::new("go");
            build.args(["test", "-c", "-mod=readonly", "-o"]).arg(made.join("tests"));
            step(build.arg("github.com/arangodb/go-driver/v2/tests").current_dir(&source)).await;
        });
        Some(made.await.join("tests"))
    });
    made.await.as_deref()
}

/// A folder that `install` filled, now or earlier, from these files on such a machine.
async fn installed(
    name: &str,
    machine: &str,
    files: &[PathBuf],
    install: impl AsyncFnOnce(&Path),
) -> PathBuf {
    let mut hash = Sha256::new();
    for part in [env::consts::OS, env::consts::ARCH, machine] {
        hash.update(part);
        hash.update([0]);
    }
    for file in files {
        hash.update(fs::read(file).unwrap());
    }
    let hash = hex::encode(&hash.finalize()[..8]);
    let folder = cache().join(format!("{name}-{hash}"));
    fs::create_dir_all(cache()).unwrap();
    let _lock = lock(&folder.with_extension("lock")).await;
    if !folder.join(COMPLETE).exists() {
        // Left over from an installation that was cut off.
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir(&folder).unwrap();
        say(&format!("installing the drivers for {name} in {}, once", folder.display()));
        let begin = Instant::now();
        let mut reminder = interval(REMINDER);
        let install = timeout(INSTALL_LIMIT, install(&folder));
        tokio::pin!(install);
        reminder.tick().await;
        loop {
            tokio::select! {
                done = &mut install => break done.expect("the installation takes too long"),
                _ = reminder.tick() => say(&format!("drivers for {name}: {} s", begin.elapsed().as_secs())),
            }
        }
        File::create(folder.join(COMPLETE)).unwrap();
    }
    folder
}

fn cache() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.expect("HOME or XDG_CACHE_HOME is set").join("arango-operator/drivers")
}

/// Locks the file; another process that installs the same is waited for.
async fn lock(path: &Path) -> File {
    let file = File::create(path).unwrap();
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return file,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
        }
        assert!(begin.elapsed() < INSTALL_LIMIT, "{} stays locked", path.display());
        sleep(LOCK_POLL).await;
    }
}

/// What a program says if it is there and succeeds.
async fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(INSTALL_LIMIT, output).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first number of `v20.20.2`.
fn major(version: &str) -> u32 {
    version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}

/// Where everything has to be checked, that fails; elsewhere it is said that something wasn't.
fn missing<T>(what: &str) -> Option<T> {
    assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "install {what}");
    say(&format!("SKIPPED, a driver was NOT tried: it needs {what}"));
    None
}

/// Tells whoever runs the tests; what is printed with the macros is shown for failures only.
fn say(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap();
}

/// A command of an installation, as configured by whoever runs the tests.
async fn step(command: &mut Command) {
    run("the installation", command, INSTALL_LIMIT).await;
}

/// Runs a command that must succeed; what it said is shown otherwise.
pub(crate) async fn run(what: &str, command: &mut Command, limit: Duration) -> String {
    let (success, output) = output(what, command, limit).await;
    assert!(success, "{what} failed:\n{output}");
    output
}

/// Runs a command: whether it succeeded, and what it said on both outputs in that order.
pub(crate) async fn output(what: &str, command: &mut Command, limit: Duration) -> (bool, String) {
    let mut said = tempfile::tempfile().unwrap();
    command.stdin(Stdio::null()).kill_on_drop(true);
    command.stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{what}: {error}"));
    let status = timeout(limit, child.wait()).await;
    let mut output = String::new();
    said.rewind().unwrap();
    said.read_to_string(&mut output).unwrap();
    let status = status.unwrap_or_else(|_| panic!("{what} takes longer than {limit:?}:\n{output}")).unwrap();
    (ExitStatus::success(&status), output)
}
