//! What a fleet costs: a real control plane, the built operator, the stand-in as a server, each in a process of its own.
//!
//! `cargo bench --bench fleet -- --triples 1000`: each run starts all of it anew, measures the ceiling first, and then
//! takes a fleet of N triples (a database, a user and a permission each) through its life: made in a burst, compared,
//! restarted over, changed and deleted. One line of result for each measure, and all figures as JSON.

mod ceiling;
mod clients;
mod figures;
mod life;
mod operator;
mod process;
mod rig;
mod watch;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use figures::Figures;
use rig::Rig;

/// Measures the operator from outside.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// How many triples the fleet has: three objects each.
    #[arg(long, default_value_t = 300)]
    triples: usize,

    /// How many `ArangoClusters` they are spread over, all of them one deployment of three coordinators each.
    #[arg(long, default_value_t = 1)]
    clusters: usize,

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

    /// How many objects are applied one after another for the time of a single one.
    #[arg(long, default_value_t = 200)]
    singles: usize,

    /// Leaves out the ceiling.
    #[arg(long)]
    without_ceiling: bool,

    /// Ends after the burst.
    #[arg(long)]
    burst_only: bool,

    /// Another operator than the one that was just built.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_arango-operator"))]
    program: PathBuf,

    /// Where the figures go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,

    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long any one measure may take.
const LIMIT: Duration = Duration::from_secs(1800);

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::new(&arguments);
    for run in 1..=arguments.runs {
        if !arguments.without_ceiling {
            let rig = Rig::start(&arguments).await?;
            tokio::time::timeout(LIMIT, ceiling::measure(&rig, &arguments, &mut figures))
                .await
                .context("the ceiling takes too long")??;
            rig.stop().await?;
        }
        let rig = Rig::start(&arguments).await?;
        life::measure(rig, &arguments, &mut figures).await?;
        eprintln!("run {run} of {} is done", arguments.runs);
    }
    print!("{figures}");
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&figures.json())?)
            .with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}
