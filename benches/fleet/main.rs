//! What a fleet costs: a real control plane, the built operator, the stand-in as a server, each in a process of its own.
//!
//! `cargo bench --bench fleet -- --triples 1000`: each run starts all of it anew, measures the ceiling first, and then
//! takes a fleet of N triples (a database, a user and a permission each) through its life: made in a burst, compared,
//! restarted over, changed and deleted. One line of result for each measure, and all figures as JSON. With several
//! sizes, `--plot` draws how the figures grow; figures of earlier runs join in by `--from`.

mod ceiling;
mod clients;
mod counts;
mod elsewhere;
mod figures;
mod installations;
mod life;
mod meter;
mod operator;
mod plot;
mod process;
mod rig;
mod watch;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use elsewhere::Beside;
use figures::Figures;
use rig::Rig;
use serde_json::Value;

/// Measures the operator from outside.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// How many triples the fleet has: three objects each. Several: one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    triples: Vec<usize>,

    /// How many `ArangoClusters` they are spread over, all of them one deployment of three coordinators each. Several: one
    /// after the other.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    clusters: Vec<usize>,

    /// How many installations of the operator share the `ArangoClusters`, each with a selector and a Lease of its own. Not more
    /// than there are `ArangoClusters`.
    #[arg(long, default_value_t = 1)]
    installations: usize,

    /// What is measured.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "ceiling,single,burst,resync,restart,change,delete"
    )]
    parts: Vec<Part>,

    /// How many clients create and change objects at once.
    #[arg(long, default_value_t = 32)]
    clients: usize,

    /// How many times everything is measured.
    #[arg(long, default_value_t = 5)]
    runs: usize,

    /// How long a coordinator waits before it answers.
    #[arg(long, default_value = "0ms")]
    delay: String,

    /// How much longer it takes for the creation of a database.
    #[arg(long, default_value = "0ms")]
    database_delay: String,

    /// How many requests a deployment works on at once, while others wait. All of them if left out.
    #[arg(long)]
    at_once: Option<u32>,

    /// How many objects are applied one after another for the time of a single one.
    #[arg(long, default_value_t = 200)]
    singles: usize,

    /// How often everything is compared while that is measured.
    #[arg(long, default_value = "10s")]
    interval: String,

    /// Another operator than the one that was just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_arango-operator"))]
    program: PathBuf,

    /// Figures of earlier runs, as `--json` has written them.
    #[arg(long)]
    from: Vec<PathBuf>,

    /// Where the figures go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,

    /// Where time and memory are drawn against the number of objects, as SVG.
    #[arg(long)]
    plot: Option<PathBuf>,

    /// Measures nothing.
    #[arg(long)]
    draw_only: bool,

    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The writes that no operator can avoid, and nothing else.
    Ceiling,
    /// One object at a time on an idle system.
    Single,
    /// All are created at once. What comes after it needs it.
    Burst,
    /// All are compared, and nothing has changed.
    Resync,
    /// The operator is ended and started again.
    Restart,
    /// One field of each is changed.
    Change,
    /// All are deleted.
    Delete,
    /// How long a change takes elsewhere during a burst of all: in another `ArangoCluster` with a deployment of its own, and in another
    /// namespace that uses one of the burst's. One object each is changed at a steady beat, every 250 ms, the next change not
    /// before the former is Ready; the time is from its write until the status that says so is seen. First on the
    /// idle system. With a control plane of its own, as the two after it.
    Elsewhere,
    /// The same in another `ArangoCluster` while the burst's deployments take 200 ms for each request.
    ElsewhereSlow,
    /// The same while the burst's deployments don't answer: processes that stand still. It is over when all are created.
    ElsewhereDead,
}

impl Part {
    /// In this order.
    const OF_A_LIFE: [Self; 6] =
        [Self::Single, Self::Burst, Self::Resync, Self::Restart, Self::Change, Self::Delete];
}

/// How large a fleet is.
#[derive(Debug, Clone, Copy)]
struct Size {
    triples: usize,
    clusters: usize,
}

/// How long any one measure may take.
const LIMIT: Duration = Duration::from_secs(1800);

#[tokio::main]
async fn main() -> Result<()> {
    tokio::select! {
        done = run(Arguments::parse()) => done,
        // What is dropped takes its processes with it.
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut all = Vec::new();
    for path in &arguments.from {
        let text = fs::read(path).with_context(|| path.display().to_string())?;
        all.extend(serde_json::from_slice::<Vec<Value>>(&text)?);
    }
    if !arguments.draw_only {
        for &triples in &arguments.triples {
            for &clusters in &arguments.clusters {
                all.push(measure(&arguments, Size { triples, clusters }).await?);
            }
        }
    }
    if let Some(path) = &arguments.json {
        write(path, &serde_json::to_vec_pretty(&all)?)?;
    }
    if let Some(path) = &arguments.plot {
        write(path, plot::growth(&all).as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("{} can't be written", path.display()))
}

/// Measures a fleet of one size, and prints the figures.
async fn measure(arguments: &Arguments, size: Size) -> Result<Value> {
    let mut figures = Figures::new(arguments, size);
    for run in 1..=arguments.runs {
        if arguments.parts.contains(&Part::Ceiling) {
            let rig = Rig::start(arguments, size).await?;
            tokio::time::timeout(LIMIT, ceiling::measure(&rig, size, &mut figures))
                .await
                .context("the ceiling takes too long")??;
            rig.stop().await?;
        }
        for beside in Beside::ALL {
            if arguments.parts.contains(&beside.part()) {
                tokio::time::timeout(LIMIT, elsewhere::measure(arguments, size, beside, &mut figures))
                    .await
                    .context("changes elsewhere take too long")??;
            }
        }
        if arguments.parts.iter().any(|part| Part::OF_A_LIFE.contains(part)) {
            let rig = Rig::start(arguments, size).await?;
            life::measure(rig, arguments, size, &mut figures).await?;
        }
        eprintln!("run {run} of {} is done", arguments.runs);
    }
    print!("{figures}");
    Ok(figures.json())
}
