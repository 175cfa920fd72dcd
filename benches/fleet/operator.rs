//! The operator as a process, and what it says of itself.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::process::{Memory, cpu, memory};

const START: Duration = Duration::from_secs(60);
/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(20);

/// A running operator.
pub(crate) struct Operator {
    process: Child,
    health: String,
    metrics: String,
    http: reqwest::Client,
    /// When it was started.
    pub(crate) begin: Instant,
}

impl Operator {
    pub(crate) async fn start(program: &Path, kubeconfig: &Path) -> Result<Self> {
        let begin = Instant::now();
        let mut process = Command::new(program)
            .args(["run", "--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--log", "warn"])
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?;
        let mut lines = BufReader::new(process.stdout.take().context("it has an output")?).lines();
        let mut address = async |what: &str| -> Result<String> {
            let line = timeout(START, lines.next_line()).await??.context("the operator has ended")?;
            let address = line.strip_prefix(what).with_context(|| format!("not an address: {line}"))?;
            Ok(address.trim().to_owned())
        };
        let (health, metrics) = (address("health").await?, address("metrics").await?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        let operator = Self { process, health, metrics, http, begin };
        operator
            .until("it is ready", async || {
                let answer = operator.http.get(format!("{}/readyz", operator.health)).send().await?;
                Ok(answer.status().is_success())
            })
            .await?;
        Ok(operator)
    }

    fn pid(&self) -> Result<u32> {
        self.process.id().context("the operator has ended by itself")
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu(self.pid()?)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        memory(self.pid()?)
    }

    /// The sum of the samples whose name and labels contain all of these.
    pub(crate) async fn sum(&self, parts: &[&str]) -> Result<f64> {
        let text = self.http.get(format!("{}/metrics", self.metrics)).send().await?.text().await?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
        Ok(samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    /// Waits until so many passes have ended since the start and nothing waits for its turn.
    pub(crate) async fn idle_after(&self, passes: f64) -> Result<()> {
        self.until("all is looked at", async || {
            let done = self.sum(&["arangooperator_reconciles_total"]).await?;
            Ok(done >= passes && self.sum(&["arangooperator_queue_depth"]).await? < 1.0)
        })
        .await
    }

    async fn until(&self, what: &str, done: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        while !done().await.with_context(|| what.to_owned())? {
            if begin.elapsed() > crate::LIMIT {
                bail!("{what}: not after {:?}", begin.elapsed());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}
