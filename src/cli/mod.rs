//! The command line: what was typed becomes a command, a command becomes an exit code.

pub mod apply;
pub mod chart;
mod cluster;
pub mod connection;
mod control_plane;
pub mod crds;
pub mod demo;
pub mod docs;
mod duration;
mod lease;
pub mod manifests;
pub mod monitoring;
mod output;
pub mod plan;
pub mod rbac;
pub mod request;
pub mod run;
mod screen;
mod stand_in;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Databases, users and permissions inside ArangoDB, declared as Kubernetes resources.
#[derive(Debug, Parser)]
#[command(name = "arango-operator", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One command, one file of this folder.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Run(run::RunArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Crds(crds::CrdsArgs),
    /// Run an in-memory ArangoDB 3.12 that answers over HTTP.
    StandIn(stand_in::Args),
    Cluster(cluster::ClusterArgs),
    Request(request::RequestArgs),
    // Hidden: the files that it writes are in the repository.
    #[command(hide = true)]
    Rbac(rbac::RbacArgs),
    // Hidden for the same reason.
    #[command(hide = true)]
    Docs(docs::DocsArgs),
    // Hidden for the same reason.
    #[command(hide = true)]
    Chart(chart::ChartArgs),
    // Hidden for the same reason.
    #[command(hide = true)]
    Monitoring(monitoring::MonitoringArgs),
    /// Print the version.
    Version,
    // The doc comment is at the arguments. Hidden: `demo` is what users want.
    #[command(hide = true)]
    ControlPlane(control_plane::Arguments),
}

/// All commands and flags.
fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process to its exit code: 0 done, 1 an error that was printed, 2 wrong usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Run(args) => block_on(run::run(args)),
        Command::Plan(args) => block_on(plan::run(args)),
        Command::Apply(args) => block_on(apply::run(args)),
        Command::Crds(args) => crds::run(&args),
        Command::Rbac(args) => rbac::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Chart(args) => chart::run(&args),
        Command::Monitoring(args) => monitoring::run(&args),
        Command::StandIn(args) => stand_in::run(&args),
        Command::Cluster(args) => block_on(cluster::run(args)),
        Command::Request(args) => block_on(request::run(args)),
        Command::Version => {
            println!("arango-operator {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        Command::ControlPlane(arguments) => control_plane::run(&arguments),
    };
    outcome.unwrap_or_else(|error: anyhow::Error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Runs a command that waits for others.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
