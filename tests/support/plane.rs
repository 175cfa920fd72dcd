//! The one control plane of a test binary.

use std::path::Path;

use arango_operator::control_plane::{ControlPlane, Options, Progress};
use tokio::{process::Command, sync::OnceCell};

use super::eventually;

/// Started by whoever is first. Nobody stops it: it ends with the process.
static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane with our CRDs.
pub(super) async fn plane() -> &'static ControlPlane {
    plane_with(install).await
}

/// The same, where whoever is first brings our CRDs in another way.
pub(crate) async fn plane_with(install: impl AsyncFnOnce(&ControlPlane)) -> &'static ControlPlane {
    let start = async || {
        let tell = |progress: Progress| {
            if !progress.is_repetition() {
                eprintln!("{progress}");
            }
        };
        let plane = ControlPlane::start(Options::default(), &tell).await.unwrap();
        install(&plane).await;
        plane
    };
    PLANE.get_or_init(start).await
}

/// kubectl as the administrator. What it caches stays in the plane's own folder.
pub(crate) fn kubectl(plane: &ControlPlane) -> Command {
    let mut command = Command::new(plane.kubectl().expect("the tools of the control plane include kubectl"));
    command.arg("--kubeconfig").arg(plane.kubeconfig_path());
    command.arg("--cache-dir").arg(plane.data_dir().join("kubectl-cache"));
    // It ends long before it would be short of memory, and collecting garbage takes a third of its time.
    command.env("GOGC", "off");
    command.kill_on_drop(true);
    command
}

/// Installs the CRDs as the documentation says, and waits until they are served.
pub(crate) async fn install(plane: &ControlPlane) {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    run(kubectl(plane).args(["apply", "--server-side", "--kustomize"]).arg(crds)).await;
    run(kubectl(plane).args(["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"])).await;
    is_discovered(plane).await;
}

/// Waits until kubectl knows our kinds by their category: it keeps for hours what it was told a moment too early.
async fn is_discovered(plane: &ControlPlane) {
    let question = ["api-resources", "--categories=arangodata", "--cached=false", "--output=name"];
    eventually("our kinds are discovered", async || {
        let output = kubectl(plane).args(question).output().await.unwrap();
        let known = String::from_utf8(output.stdout).unwrap();
        if known.lines().count() >= 4 { Ok(()) } else { Err(known) }
    })
    .await;
}

async fn run(command: &mut Command) {
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
