//! The life of a fleet, and what each part of it costs.

use std::time::Instant;

use anyhow::Result;

use crate::{
    Arguments, Part, Size,
    clients::{Item, KINDS, fleet},
    figures::{Figures, quantile},
    installations::Installations,
    meter::Meter,
    rig::Rig,
    watch::Watch,
};

/// How often everything is compared while that isn't measured.
const DEFAULT_INTERVAL: &str = "5m";

/// Everything that is there in one run.
struct Stage<'a> {
    rig: Rig,
    watch: Watch,
    operator: Installations,
    arguments: &'a Arguments,
    size: Size,
    figures: &'a mut Figures,
    items: Vec<Item>,
}

/// Measures one run.
pub(crate) async fn measure(
    rig: Rig,
    arguments: &Arguments,
    size: Size,
    figures: &mut Figures,
) -> Result<()> {
    let operator = Installations::start(arguments, &rig.plane.kubeconfig_path()).await?;
    rig.connected().await?;
    let watch = Watch::start(&rig.client);
    let items = fleet("tenant", size.triples, size.clusters);
    let mut stage = Stage { rig, watch, operator, arguments, size, figures, items };
    for part in Part::OF_A_LIFE {
        // Without a burst there is nothing to go on with.
        if part != Part::Burst && !arguments.parts.contains(&part) {
            continue;
        }
        let begin = Instant::now();
        match part {
            Part::Ceiling | Part::Elsewhere | Part::ElsewhereSlow | Part::ElsewhereDead => {}
            Part::Single => stage.singles().await?,
            Part::Burst => stage.burst().await?,
            Part::Resync => stage.resync().await?,
            Part::Restart => stage.restart().await?,
            Part::Change => stage.change().await?,
            Part::Delete => stage.delete().await?,
        }
        eprintln!("{part:?}: {:.1} s", begin.elapsed().as_secs_f64());
    }
    stage.operator.end().await?;
    stage.rig.stop().await
}

impl Stage<'_> {
    async fn start(&self) -> Result<Meter> {
        Meter::start(&self.rig, &self.operator).await
    }

    /// Notes what one part of the life has cost. `own`: the bench's own writes to Kubernetes meanwhile.
    async fn note(&mut self, meter: Meter, what: &str, own: usize) -> Result<()> {
        let part = (what, self.items.len(), own);
        meter.stop((&self.rig, &self.operator), part, self.figures).await
    }

    /// One object at a time on an idle system.
    async fn singles(&mut self) -> Result<()> {
        let triples = self.arguments.singles.div_ceil(KINDS.len()) + 1;
        let singles = fleet("single", triples, self.size.clusters);
        // The connection comes first, and what is measured is the next.
        let (first, rest) = singles.split_at(KINDS.len());
        self.rig.clients.create(first).await?;
        self.watch.ready(first.len()).await?;
        let mut times = Vec::new();
        for (n, item) in rest.iter().enumerate() {
            let begin = Instant::now();
            self.rig.clients.create(std::slice::from_ref(item)).await?;
            self.watch.ready(first.len() + n + 1).await?;
            times.push(begin.elapsed());
        }
        times.sort_unstable();
        for (unit, share) in [("p50 ms", 0.5), ("p99 ms", 0.99)] {
            self.figures.add("single", unit, quantile(&times, share) * 1e3);
        }
        self.rig.clients.delete(&singles).await?;
        self.watch.none().await
    }

    /// All are created at once, and are Ready.
    async fn burst(&mut self) -> Result<()> {
        let meter = self.start().await?;
        self.rig.clients.create(&self.items).await?;
        self.watch.ready(self.items.len()).await?;
        self.note(meter, "burst", self.items.len()).await?;
        let times = self.watch.times();
        for (unit, share) in [("p50 ms to Ready", 0.5), ("p99 ms to Ready", 0.99)] {
            self.figures.add("burst", unit, quantile(&times, share) * 1e3);
        }
        Ok(())
    }

    /// All objects are compared once more; nothing has changed. How long that takes is set by the interval.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    async fn resync(&mut self) -> Result<()> {
        let all = self.items.len() as f64;
        self.rig.clients.compare_every(&self.arguments.interval, self.size.clusters).await?;
        // The first time is the one under way, with what is left of the former interval.
        self.operator.passed(self.operator.passes().await? + all).await?;
        let meter = self.start().await?;
        self.operator.passed(self.operator.passes().await? + all).await?;
        self.note(meter, "resync", 0).await?;
        self.rig.clients.compare_every(DEFAULT_INTERVAL, self.size.clusters).await
    }

    /// The operator is ended, and the next one finds all as it should be.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    async fn restart(&mut self) -> Result<()> {
        let kubeconfig = self.rig.plane.kubeconfig_path();
        // It gives its Lease back: how long another one waits for that of a dead one is measured by the tests.
        self.operator.end().await?;
        let meter = Meter::without_operator(&self.rig).await?;
        self.operator = Installations::start(self.arguments, &kubeconfig).await?;
        self.operator.idle_after(self.items.len() as f64).await?;
        self.note(meter, "restart", 0).await
    }

    /// One field of each is changed.
    async fn change(&mut self) -> Result<()> {
        let meter = self.start().await?;
        self.rig.clients.change(&self.items).await?;
        self.watch.renewed(self.items.len()).await?;
        self.note(meter, "change", self.items.len()).await
    }

    /// All are deleted, on the servers too.
    async fn delete(&mut self) -> Result<()> {
        let meter = self.start().await?;
        self.rig.clients.delete(&self.items).await?;
        self.watch.none().await?;
        self.note(meter, "delete", self.items.len()).await
    }
}
