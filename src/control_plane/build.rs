//! Building the programs with the Go compiler of this machine.

use std::{
    fs::{self, File},
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::process::Command;

use super::{
    Error, Progress, ProgressFn,
    process::{last_lines, log_tail},
    tools::{BUILD_LIMIT, GO_MOD, GO_SUM, Recipe, linker_flags, missing, needed_go, two_numbers, version},
};

/// How often progress is told.
const TICK: Duration = Duration::from_secs(1);

/// How long `go version` may take; a newer Go may be fetched by it.
const VERSION_LIMIT: Duration = Duration::from_secs(300);

/// Builds what is missing. The caller holds the lock.
pub(super) async fn build(bin: &Path, folder: &Path, progress: ProgressFn<'_>) -> Result<(), Error> {
    let recipes = missing(bin);
    if recipes.is_empty() {
        return Ok(()); // somebody else was faster
    }
    let module = tempfile::Builder::new()
        .prefix("build-")
        .tempdir_in(folder)
        .map_err(Error::io(format!("create a folder in {}", folder.display())))?;
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        fs::write(module.path().join(name), text).map_err(Error::io(format!("write {name}")))?;
    }
    check_go(module.path()).await?;
    for recipe in recipes {
        let begin = Instant::now();
        let output = module.path().join(recipe.name);
        compile(recipe, module.path(), &output, progress).await?;
        // On the same file system, so that nobody sees half a program.
        fs::rename(&output, bin.join(recipe.name))
            .map_err(Error::io(format!("move {} to its place", recipe.name)))?;
        let version = version(recipe.module).to_owned();
        progress(Progress::Built { tool: recipe.name, version, elapsed: begin.elapsed() });
    }
    Ok(())
}

/// `go` in the module's folder, and nothing of the environment that would make it build something else.
fn go(module: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    go
}

/// Refuses a Go that is not there or too old, in words.
async fn check_go(module: &Path) -> Result<(), Error> {
    let (major, minor) = needed_go();
    let needed = format!("{major}.{minor}");
    let output = match tokio::time::timeout(VERSION_LIMIT, go(module).arg("version").output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::GoMissing { needed });
        }
        Ok(Err(source)) => return Err(Error::Io { doing: "run go".into(), source }),
        Err(_) => return Err(Error::BuildTimeout { what: "`go version`".into(), after: VERSION_LIMIT }),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // That is how a Go that may not fetch a newer one speaks of a module that needs one.
        let errors = last_lines(&String::from_utf8_lossy(&output.stderr));
        return Err(Error::GoTooOld { needed, found: format!("`go version` failed: {errors}") });
    }
    match said.split_whitespace().find_map(|word| two_numbers(word.strip_prefix("go")?)) {
        Some(found) if found < (major, minor) => {
            Err(Error::GoTooOld { needed, found: format!("found {}.{}", found.0, found.1) })
        }
        // A version that we can't read is the compiler's to judge.
        _ => Ok(()),
    }
}

/// Builds one program, telling about it every second.
async fn compile(
    recipe: &Recipe,
    module: &Path,
    output: &Path,
    progress: ProgressFn<'_>,
) -> Result<(), Error> {
    let log = module.join(format!("{}.log", recipe.name));
    let file = File::create(&log).map_err(Error::io(format!("create {}", log.display())))?;
    let errors = file.try_clone().map_err(Error::io("open a log twice"))?;
    let mut child = go(module)
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .arg(format!("-ldflags={}", linker_flags()))
        .arg("-o")
        .arg(output)
        .arg(recipe.package)
        .stdout(file)
        .stderr(errors)
        .spawn()
        .map_err(Error::io("run go"))?;
    let status = wait(&mut child, |elapsed| {
        let (tool, usual, version) = (recipe.name, recipe.usual, version(recipe.module).to_owned());
        progress(Progress::Building { tool, version, usual, elapsed });
    })
    .await?
    .ok_or_else(|| Error::BuildTimeout { what: format!("building {}", recipe.name), after: BUILD_LIMIT })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Build { tool: recipe.name, status, output: log_tail(&log) })
}

/// Waits for the end of a build; `None` if it took too long.
async fn wait(
    child: &mut tokio::process::Child,
    tell: impl Fn(Duration),
) -> Result<Option<ExitStatus>, Error> {
    let begin = Instant::now();
    let mut tick = tokio::time::interval(TICK);
    while begin.elapsed() < BUILD_LIMIT {
        tokio::select! {
            status = child.wait() => return status.map(Some).map_err(Error::io("wait for go")),
            _ = tick.tick() => tell(Duration::from_secs(begin.elapsed().as_secs())),
        }
    }
    Ok(None)
}
