//! What tests take from others and install or build once, per set of pinned versions, in the user's cache folder.

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
    time::{interval, sleep, timeout},
};

/// How long an installation may take, and how long another process waits for it. Two cores build the largest in a
/// third of that.
const INSTALL_LIMIT: Duration = Duration::from_secs(900);
/// How often it is said that an installation still goes on.
const REMINDER: Duration = Duration::from_secs(15);
const LOCK_POLL: Duration = Duration::from_millis(200);
/// In a folder whose installation went to the end.
const COMPLETE: &str = "complete";

/// What the Go compiler makes of a package, with the versions of the module in `folder` (its `go.mod` and `go.sum`). The
/// package may be the one in the folder itself.
/// `how` is the subcommand with its flags, as in `["build", "-trimpath"]`. `None` if there is no Go.
pub(crate) async fn go_build(folder: &Path, name: &str, how: &[&str], package: &str) -> Option<PathBuf> {
    let Some(version) = answer("go", &["version"]).await else {
        return missing("Go (https://go.dev/dl)");
    };
    let sources = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut pinned: Vec<_> = sources.filter(|path| path.extension().is_some_and(|is| is == "go")).collect();
    pinned.sort();
    pinned.splice(..0, ["go.mod", "go.sum"].map(|file| folder.join(file)));
    let machine = format!("{version} {how:?} {package}");
    let made = installed(name, &machine, &pinned, async |made: &Path| {
        let mut build = Command::new("go");
        build.args(how).args(["-mod=readonly", "-o"]).arg(made.join(name)).arg(package);
        step(build.current_dir(folder).env("CGO_ENABLED", "0").env("GOWORK", "off")).await;
    });
    Some(made.await.join(name))
}

/// A folder that `install` filled, now or earlier, from these files on such a machine.
pub(crate) async fn installed(
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
        say(&format!("installing {name} in {}, once", folder.display()));
        let begin = Instant::now();
        let mut reminder = interval(REMINDER);
        let install = timeout(INSTALL_LIMIT, install(&folder));
        tokio::pin!(install);
        reminder.tick().await;
        loop {
            tokio::select! {
                done = &mut install => break done.expect("the installation takes too long"),
                _ = reminder.tick() => say(&format!("installing {name}: {} s", begin.elapsed().as_secs())),
            }
        }
        File::create(folder.join(COMPLETE)).unwrap();
    }
    folder
}

fn cache() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    cache.expect("HOME or XDG_CACHE_HOME is set").join("arango-operator/installed")
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
pub(crate) async fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(INSTALL_LIMIT, output).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where everything has to be checked, that fails; elsewhere it is said that something wasn't.
pub(crate) fn missing<T>(what: &str) -> Option<T> {
    assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "install {what}");
    say(&format!("SKIPPED, something was NOT tried: it needs {what}"));
    None
}

/// Tells whoever runs the tests; what is printed with the macros is shown for failures only.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap();
}

/// A command of an installation, as configured by whoever runs the tests.
pub(crate) async fn step(command: &mut Command) {
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
