//! The built program in a process of its own.

use std::{
    fs::OpenOptions,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{PATIENCE, eventually};

/// Where operators have their Leases, each by the name of its first namespace: elsewhere than what they look after, as in
/// life, so that they can end what a namespace that is being deleted waits for.
pub(crate) const LEASES: &str = "default";

/// A running operator. Killed when it is dropped, and when the test's process ends without dropping anything.
pub(crate) struct Operator {
    /// Before the operator: it must be gone before the operator's process id can be somebody else's.
    _guard: Child,
    process: Child,
    /// What it printed.
    printed: Arc<Mutex<String>>,
    health: String,
    metrics: String,
    http: reqwest::Client,
}

impl Operator {
    /// Starts the program for these namespaces. What it logs is added to `log`.
    pub(super) async fn start(
        kubeconfig: &Path,
        namespaces: &[&str],
        log: &Path,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
            .arg("run")
            .args(namespaces.iter().flat_map(|namespace| ["--namespace", namespace]))
            .args(["--lease-namespace", LEASES])
            // One of several installations is given a Lease by its selector.
            .args(["--lease-name", namespaces[0]].iter().filter(|_| !arguments.contains(&"--selector")))
            .args(["--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"])
            .args(arguments)
            // Nothing of whoever runs the tests may change how it behaves.
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            // Time for a machine that is busy. Flags overrule it.
            .env("ARANGO_OPERATOR_LEASE_DURATION", "60s")
            .envs(environment.iter().map(|(variable, value)| (variable, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let guard = Self::guard(&process);
        let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let health = address(&mut stdout, "health").await;
        let metrics = address(&mut stdout, "metrics").await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let more = Arc::clone(&printed);
        // Read to the end: a program must not fail for want of somebody who reads what it prints.
        tokio::spawn(async move {
            while let Ok(Some(line)) = stdout.next_line().await {
                more.lock().push_str(&line);
            }
        });
        Self { _guard: guard, process, printed, health, metrics, http }
    }

    /// Whoever kills a program when this process ends, in whatever way. Dropped before the program is, whose id may be somebody
    /// else's after that.
    pub(crate) fn guard(process: &Child) -> Child {
        // The pipe is ours alone; the kernel closes it however this process ends, and the guard goes on.
        Command::new("sh")
            .args(["-c", "read -r _; kill -KILL \"$0\""])
            .arg(process.id().unwrap().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Waits until it has seen all that there is.
    pub(super) async fn is_ready(&self) {
        eventually("the operator is ready", async || {
            let answer = self.http.get(format!("{}/readyz", self.health)).send().await;
            match answer {
                Ok(answer) if answer.status().is_success() => Ok(()),
                other => Err(other.map(|answer| answer.status())),
            }
        })
        .await;
    }

    fn pid(&self) -> Pid {
        let id = self.process.id().expect("the operator has ended by itself");
        Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self, limit: Duration) -> ExitStatus {
        timeout(limit, self.process.wait()).await.expect("the operator ends in time").unwrap()
    }

    /// Whether it is the one that acts.
    pub(crate) async fn leads(&self) -> bool {
        self.count(&["arangooperator_leader"]).await == 1
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Ends it as Kubernetes does, and waits.
    pub(crate) async fn terminate(self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended(limit).await
    }

    /// What it printed after the addresses that it listens at.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().clone()
    }

    /// What it answers to probes.
    pub(crate) async fn health_text(&self) -> String {
        let mut text = String::new();
        for path in ["livez", "readyz", "metrics", ""] {
            let answer = self.http.get(format!("{}/{path}", self.health)).send().await.unwrap();
            let headers = format!("{:?}", answer.headers());
            text.extend([headers, answer.text().await.unwrap()]);
        }
        text
    }

    /// What it answers at `/metrics`.
    pub(crate) async fn metrics_text(&self) -> String {
        let answer = self.http.get(format!("{}/metrics", self.metrics)).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The samples of the metrics whose name and labels contain all of these.
    pub(crate) async fn samples(&self, parts: &[&str]) -> Vec<(String, f64)> {
        let text = self.metrics_text().await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(sample, value)| (sample.to_owned(), value.parse().unwrap()))
            .collect()
    }

    /// The sum of those samples, which must be whole.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters of a short run")]
    pub(crate) async fn count(&self, parts: &[&str]) -> u64 {
        self.samples(parts).await.iter().map(|(_, value)| *value as u64).sum()
    }
}

async fn address(stdout: &mut Lines<BufReader<ChildStdout>>, what: &str) -> String {
    let line = timeout(PATIENCE, stdout.next_line()).await.expect("the operator starts in time").unwrap();
    let line = line.expect("the operator says where it listens before it ends");
    let address = line.strip_prefix(what).map(str::trim);
    address.unwrap_or_else(|| panic!("expected the address of {what}, got {line:?}")).to_owned()
}
