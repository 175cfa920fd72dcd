//! A git repository on disk, as people commit to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::{LIMIT, argo::Argo, installed::run};

/// A path in our own repository.
pub(crate) fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A repository.
pub(crate) struct Repository {
    folder: PathBuf,
}

impl Repository {
    /// An empty one.
    pub(crate) async fn new(argo: &Argo, name: &str) -> Self {
        let folder = argo.folder.join("repositories").join(name);
        fs::create_dir_all(&folder).unwrap();
        let repository = Self { folder };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]).await;
        repository
    }

    /// Where Argo CD finds it.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// Removes a file.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).unwrap();
    }

    /// Replaces a text in a file, which must be there.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} has no {from:?}:\n{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Commits everything, and tells which commit that is.
    pub(crate) async fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]).await;
        let who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"];
        self.git(&[&who[..], &["commit", "--quiet", "--message", message]].concat()).await;
        self.git(&["rev-parse", "HEAD"]).await.trim().to_owned()
    }

    async fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.folder).args(arguments);
        // Nothing of whoever runs the tests: no signing, no hooks.
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        run(&format!("git {arguments:?}"), &mut git, LIMIT).await
    }
}
