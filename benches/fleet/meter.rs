//! What a part of a fleet's life costs: time, cores, requests, memory.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{counts::Counts, figures::Figures, installations::Installations, rig::Rig};

/// All that was spent up to a moment.
pub(crate) struct Meter {
    begin: Instant,
    counts: Counts,
    /// Of the operator; none while it was not there yet.
    cpu: Duration,
    passes: f64,
    others: [(&'static str, Duration); 4],
}

impl Meter {
    /// Begins before what is measured.
    pub(crate) async fn start(rig: &Rig, operator: &Installations) -> Result<Self> {
        let passes = operator.passes().await?;
        Ok(Self { passes, cpu: operator.cpu()?, ..Self::without_operator(rig).await? })
    }

    /// Begins before the operator is started.
    pub(crate) async fn without_operator(rig: &Rig) -> Result<Self> {
        let (counts, others) = (rig.counts().await?, rig.cpu()?);
        Ok(Self { begin: Instant::now(), counts, cpu: Duration::ZERO, passes: 0.0, others })
    }

    /// Notes what was spent since, for each of so many objects. `own`: writes to Kubernetes that were the bench's own.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) async fn stop(
        self,
        (rig, operator): (&Rig, &Installations),
        (what, objects, own): (&str, usize, usize),
        figures: &mut Figures,
    ) -> Result<()> {
        let took = self.begin.elapsed();
        // Before anybody is asked for counts, which costs something as well.
        let (cpu, others, memory) = (operator.cpu()?, rig.cpu()?, operator.memory()?);
        let each = |sum: f64| sum / objects as f64;
        let passes = operator.passes().await? - self.passes;
        let counts = rig.counts().await? - self.counts;
        let rows = [
            ("s", took.as_secs_f64()),
            ("objects/s", objects as f64 / took.as_secs_f64()),
            ("operator CPU ms/object", each((cpu.saturating_sub(self.cpu)).as_secs_f64() * 1e3)),
            ("kube writes/object", each(counts.kube_writes - own as f64)),
            ("kube reads/object", each(counts.kube_reads)),
            ("ArangoDB requests/object", each(counts.arango)),
            ("passes/object", each(passes)),
            ("MiB", memory.resident),
            ("MiB peak", memory.peak),
        ];
        for (unit, value) in rows {
            figures.add(what, unit, value);
        }
        self.others(&others, what, objects, figures);
        latency(counts, what, figures);
        Ok(())
    }

    /// Notes what the ceiling has cost, which has no operator.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) async fn stop_alone(
        self,
        rig: &Rig,
        (what, objects): (&str, usize),
        figures: &mut Figures,
    ) -> Result<()> {
        let took = self.begin.elapsed();
        let others = rig.cpu()?;
        figures.add(what, "s", took.as_secs_f64());
        figures.add(what, "objects/s", objects as f64 / took.as_secs_f64());
        self.others(&others, what, objects, figures);
        latency(rig.counts().await? - self.counts, what, figures);
        Ok(())
    }

    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn others(&self, now: &[(&str, Duration); 4], what: &str, objects: usize, figures: &mut Figures) {
        for ((program, before), (_, now)) in self.others.iter().zip(now) {
            let spent = now.saturating_sub(*before).as_secs_f64() * 1e3 / objects as f64;
            figures.add(what, &format!("{program} CPU ms/object"), spent);
        }
    }
}

/// How long one write took, as the API server sees it, and for how long of it etcd was waited for.
fn latency(counts: Counts, what: &str, figures: &mut Figures) {
    if counts.kube_writes >= 1.0 {
        figures.add(what, "ms/write in the API server", counts.write_seconds * 1e3 / counts.kube_writes);
        figures.add(what, "ms/write in etcd", counts.etcd_seconds * 1e3 / counts.kube_writes);
    }
}
