//! Argo CD's programs and manifests, and kstatus: built once from the pinned modules in `dev/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::installed;

/// What of Argo CD's module is applied to the control plane, as it is.
const MANIFESTS: [&str; 2] = ["crds", "base/config"];

/// Where everything is.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Argo CD's one program, which plays the role whose name it is given in `ARGOCD_BINARY_NAME`.
    pub(crate) fn argocd(&self) -> PathBuf {
        self.folder.join("cmd")
    }

    /// A Redis server.
    pub(crate) fn redis(&self) -> PathBuf {
        self.folder.join("redis")
    }

    /// What runs Lua as Argo CD does.
    pub(crate) fn customizations(&self) -> PathBuf {
        self.folder.join("customizations")
    }

    /// Argo CD's own manifests.
    pub(crate) fn manifests(&self) -> [PathBuf; 2] {
        MANIFESTS.map(|name| self.folder.join("manifests").join(name))
    }
}

/// Argo CD; nothing where there is no Go or no git.
pub(crate) async fn argo_cd() -> Option<Programs> {
    let Some(version) = installed::answer("go", &["version"]).await else {
        return installed::missing("Go (https://go.dev/dl), which builds Argo CD");
    };
    if installed::answer("git", &["--version"]).await.is_none() {
        return installed::missing("git, which Argo CD runs");
    }
    let module = super::repository::root("dev/argocd");
    let files = ["go.mod", "go.sum", "redis/main.go", "customizations/main.go", "customizations/test.go"];
    let files = files.map(|file| module.join(file));
    let folder = installed::installed("argocd", &version, &files, async |made: &Path| {
        let go = |arguments: &[&str]| {
            let mut command = Command::new("go");
            command.args(arguments).current_dir(&module).env("CGO_ENABLED", "0").env("GOWORK", "off");
            command
        };
        let build = ["build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o"];
        let packages = ["github.com/argoproj/argo-cd/v3/cmd", "./redis", "./customizations"];
        installed::step(go(&build).arg(made).args(packages)).await;
        let list = ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-cd/v3"];
        let source = installed::run("go list", &mut go(&list), super::LIMIT).await;
        for name in MANIFESTS {
            let (from, to) =
                (Path::new(source.trim()).join("manifests").join(name), made.join("manifests").join(name));
            fs::create_dir_all(&to).unwrap();
            for file in fs::read_dir(from).unwrap() {
                let file = file.unwrap();
                // Read and written: copied, the files would be as read-only as Go's cache is.
                fs::write(to.join(file.file_name()), fs::read(file.path()).unwrap()).unwrap();
            }
        }
    });
    Some(Programs { folder: folder.await })
}

/// The program that says what kstatus makes of objects.
pub(crate) async fn kstatus() -> Option<PathBuf> {
    installed::go_build(&super::repository::root("dev/kstatus"), "kstatus", &["build", "-trimpath"], ".")
        .await
}
