//! `arango-operator control-plane`: a Kubernetes control plane on this machine, for developers.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::screen::Screen;
use crate::control_plane::{ControlPlane, Options};

/// How often it is looked whether the components still run.
const CHECK: Duration = Duration::from_millis(500);

/// Run a Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) until Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Also write the administrator's kubeconfig to this new file; it is removed at the end.
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,

    /// Keep the data and the logs in this folder instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// Runs the command to its exit code.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(stop);

    let screen = Screen::new();
    let tell = |progress| screen.tell(&progress);
    let options = Options { data_dir: arguments.data_dir.clone(), ..Options::default() };
    let plane = tokio::select! {
        plane = ControlPlane::start(options, &tell) => plane,
        () = &mut stop => {
            screen.end_line();
            return Ok(ExitCode::FAILURE);
        }
    };
    screen.end_line();
    let mut plane = plane?;
    let outcome = match arguments.kubeconfig.as_deref().map(|path| Copied::create(&plane, path)).transpose() {
        Ok(copied) => {
            announce(&plane, copied.as_ref())?;
            tokio::select! {
                failure = watch(&mut plane) => Err(failure),
                () = &mut stop => Ok(ExitCode::SUCCESS),
            }
        }
        Err(error) => Err(error),
    };
    plane.stop().await?;
    outcome
}

/// Says where everything is: one word and one value a line, easy to read for programs too.
fn announce(plane: &ControlPlane, copied: Option<&Copied>) -> std::io::Result<()> {
    let kubeconfig = copied.map_or_else(|| plane.kubeconfig_path(), |copied| copied.0.clone());
    let mut out = std::io::stdout().lock();
    writeln!(out, "server {}", plane.server_url())?;
    writeln!(out, "folder {}", plane.data_dir().display())?;
    if let Some(kubectl) = plane.kubectl() {
        writeln!(out, "kubectl {}", kubectl.display())?;
    }
    writeln!(out, "kubeconfig {}", kubeconfig.display())?;
    out.flush()
}

/// Ends when a component has ended by itself.
pub(super) async fn watch(plane: &mut ControlPlane) -> anyhow::Error {
    loop {
        if let Err(error) = plane.check() {
            return error.into();
        }
        tokio::time::sleep(CHECK).await;
    }
}

/// A copy of the kubeconfig where the user wanted one; it goes when the control plane does.
pub(super) struct Copied(PathBuf);

impl Copied {
    /// Refuses to replace a file: it could be the one with the user's real clusters.
    pub(super) fn create(plane: &ControlPlane, path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(plane.kubeconfig_path())?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("could not create {}", path.display()))?;
        let copied = Self(path.to_owned());
        file.write_all(&text).with_context(|| format!("could not write {}", path.display()))?;
        Ok(copied)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // Nothing can be done about a file that somebody else removed.
        drop(std::fs::remove_file(&self.0));
    }
}
