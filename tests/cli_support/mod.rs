//! The built program against a deployment in this process: what it prints, and how it ends.

use std::{path::PathBuf, process::Stdio};

use arango_operator::stand_in::{Config, Options, StandIn};
use tempfile::TempDir;
use tokio::process::Command;

/// root's password.
pub(crate) const ROOT_PASSWORD: &str = "canary-password-6f3a91";
/// The secret that the deployment signs tokens with.
pub(crate) const JWT_SECRET: &str = "canary-secret-0d55c2";

/// A deployment, and a folder for the files that commands are told of.
pub(crate) struct Deployment {
    pub(crate) stand_in: StandIn,
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Deployment {
    /// Three coordinators.
    pub(crate) async fn cluster() -> Self {
        Self::start(Options::new(Config::cluster(3, 1))).await
    }

    /// One server.
    pub(crate) async fn single() -> Self {
        Self::start(Options::new(Config::single(1))).await
    }

    /// What these options say, with the password and the secret of the tests.
    pub(crate) async fn start(mut options: Options) -> Self {
        ROOT_PASSWORD.clone_into(&mut options.config.root_password);
        options.config.jwt_secret = JWT_SECRET.as_bytes().to_vec();
        let stand_in = StandIn::start(options).await.unwrap();
        Self { stand_in, folder: TempDir::new().unwrap() }
    }

    /// The endpoints as one text.
    pub(crate) fn endpoints(&self) -> String {
        self.stand_in.endpoints().join(",")
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Runs a command as root, who and where by the environment.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let endpoints = self.endpoints();
        run(arguments, &[("ARANGO_ENDPOINT", &endpoints), ("ARANGO_PASSWORD", ROOT_PASSWORD)]).await
    }
}

/// Runs a command with this environment and no other variable of ours.
pub(crate) async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARANGO_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
    for secret in [ROOT_PASSWORD, JWT_SECRET] {
        assert!(!format!("{ran:?}").contains(secret), "a secret is printed: {ran:?}");
    }
    assert!(!ran.stdout.contains('\x1b'), "no colours in a pipe: {ran:?}");
    ran
}

impl Ran {
    /// The result of a command that must succeed.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// The same, as JSON.
    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// The message of a command that must fail, with this code.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}
