//! The installations of the operator that share the fleet: one as a rule.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::time::sleep;

use crate::{
    Arguments, LIMIT,
    operator::{LOOK, Operator},
    process::Memory,
};

/// The label by which `ArangoClusters` are shared.
pub(crate) const LABEL: &str = "shard";

/// All that run. What they cost is added up.
pub(crate) struct Installations(Vec<Operator>);

impl Installations {
    pub(crate) async fn start(arguments: &Arguments, kubeconfig: &Path) -> Result<Self> {
        let mut all = Vec::new();
        for n in 0..arguments.installations {
            let selector = (arguments.installations > 1).then(|| format!("{LABEL}={n}"));
            all.push(Operator::start(&arguments.program, kubeconfig, selector.as_deref()).await?);
        }
        Ok(Self(all))
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.0.iter().map(Operator::cpu).sum()
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut sum = Memory { resident: 0.0, peak: 0.0 };
        for operator in &self.0 {
            let memory = operator.memory()?;
            sum.resident += memory.resident;
            sum.peak += memory.peak;
        }
        Ok(sum)
    }

    /// How many passes have ended since they were started.
    pub(crate) async fn passes(&self) -> Result<f64> {
        Ok(self.sums().await?.0)
    }

    /// Waits until so many passes have ended since the start.
    pub(crate) async fn passed(&self, passes: f64) -> Result<()> {
        self.until(|(done, _)| done >= passes).await
    }

    /// The same, and until nothing waits for its turn.
    pub(crate) async fn idle_after(&self, passes: f64) -> Result<()> {
        self.until(|(done, waiting)| done >= passes && waiting < 1.0).await
    }

    async fn until(&self, is_far_enough: impl Fn((f64, f64)) -> bool) -> Result<()> {
        let begin = Instant::now();
        while !is_far_enough(self.sums().await?) {
            if begin.elapsed() > LIMIT {
                bail!("not all is looked at after {:?}", begin.elapsed());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn sums(&self) -> Result<(f64, f64)> {
        let mut sums = (0.0, 0.0);
        for operator in &self.0 {
            let (done, waiting) = operator.sums().await?;
            sums = (sums.0 + done, sums.1 + waiting);
        }
        Ok(sums)
    }

    /// Ends all as a rollout does.
    pub(crate) async fn end(&mut self) -> Result<()> {
        for operator in &mut self.0 {
            operator.end().await?;
        }
        Ok(())
    }
}
