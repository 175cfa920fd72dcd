//! The operator as a process, and what it says of itself.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::process::{Memory, cpu, memory, signal};

const START: Duration = Duration::from_secs(60);
/// How long it may take to end: what is under way is finished.
const END: Duration = Duration::from_secs(60);
/// How often it is asked how far it is. An answer counts all objects, so not often.
pub(crate) const LOOK: Duration = Duration::from_millis(200);
/// How often it is asked whether it is ready, which costs nothing.
const LOOK_AT_START: Duration = Duration::from_millis(10);

/// A running operator.
pub(crate) struct Operator {
    process: Child,
    health: String,
    metrics: String,
    http: reqwest::Client,
}

impl Operator {
    pub(crate) async fn start(program: &Path, kubeconfig: &Path, selector: Option<&str>) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["run", "--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--log", "warn"])
            // Leader election as everybody has it. The Lease is given back at the end, so nobody waits for it.
            .args(["--lease-namespace", "default"])
            .args(selector.map(|selector| ["--selector", selector]).into_iter().flatten())
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
        let operator = Self { process, health, metrics, http };
        operator
            .until("it is ready", LOOK_AT_START, async || {
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

    /// How many passes have ended, and how many resources wait for one.
    pub(crate) async fn sums(&self) -> Result<(f64, f64)> {
        let text = self.http.get(format!("{}/metrics", self.metrics)).send().await?.text().await?;
        let sum = |name: &str| -> f64 {
            let samples = text.lines().filter(|line| line.starts_with(name));
            samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        Ok((sum("arangooperator_reconciles_total{"), sum("arangooperator_queue_depth{")))
    }

    async fn until(&self, what: &str, look: Duration, done: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        while !done().await.with_context(|| what.to_owned())? {
            if begin.elapsed() > crate::LIMIT {
                bail!("{what}: not after {:?}", begin.elapsed());
            }
            sleep(look).await;
        }
        Ok(())
    }

    /// Ends it as a rollout does.
    pub(crate) async fn end(&mut self) -> Result<()> {
        signal(self.pid()?, Signal::TERM)?;
        timeout(END, self.process.wait()).await.context("the operator does not end")??;
        Ok(())
    }
}
