//! The life of a fleet, and what each part of it costs.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    Arguments,
    clients::{Item, fleet},
    figures::{Figures, quantile},
    operator::Operator,
    rig::Rig,
    watch::Watch,
};

const WRITES: &str = "arangooperator_kubernetes_writes_total";
const REQUESTS: &str = "arangooperator_arangodb_requests_total";
const PASSES: &str = "arangooperator_reconciles_total";

/// How often everything is compared while that is measured.
const INTERVAL: &str = "30s";
/// And otherwise.
const DEFAULT_INTERVAL: &str = "5m";

/// Everything that is there in one run.
struct Stage<'a> {
    rig: Rig,
    watch: Watch,
    operator: Operator,
    arguments: &'a Arguments,
    figures: &'a mut Figures,
    items: Vec<Item>,
}

/// What has been spent up to a moment.
struct Spent {
    at: Instant,
    cpu: Duration,
    writes: f64,
    requests: f64,
    passes: f64,
}

/// Measures one run.
pub(crate) async fn measure(rig: Rig, arguments: &Arguments, figures: &mut Figures) -> Result<()> {
    let operator = Operator::start(&arguments.program, &rig.plane.kubeconfig_path()).await?;
    let watch = Watch::start(&rig.client);
    let items = fleet("tenant", arguments.triples, arguments.clusters);
    let mut stage = Stage { rig, watch, operator, arguments, figures, items };
    stage.singles().await?;
    stage.burst().await?;
    if !arguments.burst_only {
        stage.resync().await?;
        stage.restart().await?;
        stage.change().await?;
        stage.delete().await?;
    }
    stage.operator.kill().await?;
    stage.rig.stop().await
}

impl Stage<'_> {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn count(&self) -> f64 {
        self.items.len() as f64
    }

    async fn spent(&self) -> Result<Spent> {
        Ok(Spent {
            at: Instant::now(),
            cpu: self.operator.cpu()?,
            writes: self.operator.sum(&[WRITES]).await?,
            requests: self.operator.sum(&[REQUESTS]).await?,
            passes: self.operator.sum(&[PASSES]).await?,
        })
    }

    /// Notes what one part of the life has cost.
    async fn note(&mut self, what: &str, before: &Spent, took: Duration) -> Result<()> {
        let now = self.spent().await?;
        let each = |sum: f64| sum / self.count();
        let rows = [
            ("s", took.as_secs_f64()),
            ("objects/s", self.count() / took.as_secs_f64()),
            ("operator CPU ms/object", each((now.cpu.saturating_sub(before.cpu)).as_secs_f64() * 1e3)),
            ("kube writes/object", each(now.writes - before.writes)),
            ("requests/object", each(now.requests - before.requests)),
            ("passes/object", each(now.passes - before.passes)),
            ("MiB resident", self.operator.memory()?.resident),
        ];
        for (unit, value) in rows {
            self.figures.add(what, unit, value);
        }
        Ok(())
    }

    /// One object at a time on an idle system.
    async fn singles(&mut self) -> Result<()> {
        let singles = fleet("single", self.arguments.singles.div_ceil(3), self.arguments.clusters);
        // The connection comes first, and what is measured is the next.
        let (first, rest) = singles.split_at(3);
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

    async fn burst(&mut self) -> Result<()> {
        let before = self.spent().await?;
        let api = self.rig.plane_cpu("kube-apiserver")?;
        self.rig.clients.create(&self.items).await?;
        self.watch.ready(self.items.len()).await?;
        let took = before.at.elapsed();
        self.note("burst", &before, took).await?;
        let api = self.rig.plane_cpu("kube-apiserver")?.saturating_sub(api);
        self.figures.add("burst", "API server CPU ms/object", api.as_secs_f64() * 1e3 / self.count());
        let times = self.watch.times();
        for (unit, share) in [("p50 ms to Ready", 0.5), ("p99 ms to Ready", 0.99)] {
            self.figures.add("burst", unit, quantile(&times, share) * 1e3);
        }
        self.figures.add("burst", "MiB peak", self.operator.memory()?.peak);
        Ok(())
    }

    /// All objects are compared once more; nothing has changed. How long that takes is set by the interval.
    async fn resync(&mut self) -> Result<()> {
        self.rig.clients.compare_every(INTERVAL, self.arguments.clusters).await?;
        let begin = self.spent().await?;
        self.operator.idle_after(begin.passes + self.count()).await?;
        let before = self.spent().await?;
        self.operator.idle_after(before.passes + self.count()).await?;
        let took = before.at.elapsed();
        self.note("resync", &before, took).await?;
        self.rig.clients.compare_every(DEFAULT_INTERVAL, self.arguments.clusters).await
    }

    /// The operator dies, and another one finds all as it should be.
    async fn restart(&mut self) -> Result<()> {
        let kubeconfig = self.rig.plane.kubeconfig_path();
        self.operator.kill().await?;
        self.operator = Operator::start(&self.arguments.program, &kubeconfig).await?;
        self.operator.idle_after(self.count()).await?;
        let took = self.operator.begin.elapsed();
        let before =
            Spent { at: self.operator.begin, cpu: Duration::ZERO, writes: 0.0, requests: 0.0, passes: 0.0 };
        self.note("restart", &before, took).await
    }

    async fn change(&mut self) -> Result<()> {
        let before = self.spent().await?;
        self.rig.clients.change(&self.items).await?;
        self.watch.renewed(self.items.len()).await?;
        let took = before.at.elapsed();
        self.note("change", &before, took).await
    }

    async fn delete(&mut self) -> Result<()> {
        let before = self.spent().await?;
        self.rig.clients.delete(&self.items).await?;
        self.watch.none().await?;
        let took = before.at.elapsed();
        self.note("delete", &before, took).await
    }
}
