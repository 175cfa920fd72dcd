//! The command line: what was typed becomes a command, a command becomes an exit code.

pub mod chart;
mod cluster;
pub mod connection;
mod control_plane;
pub mod crds;
pub mod demo;
pub mod docs;
mod duration;
mod explain;
mod export;
mod lease;
mod matrix;
pub mod monitoring;
mod output;
pub mod rbac;
pub mod request;
pub mod run;
mod screen;
mod stand_in;
mod version;

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
    Crds(crds::CrdsArgs),
    /// Run an in-memory ArangoDB 3.12 that answers over HTTP.
    StandIn(stand_in::Args),
    Explain(explain::ExplainArgs),
    Export(export::ExportArgs),
    Matrix(matrix::MatrixArgs),
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
    Version(version::VersionArgs),
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
        Command::Crds(args) => crds::run(&args),
        Command::Rbac(args) => rbac::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Chart(args) => chart::run(&args),
        Command::Monitoring(args) => monitoring::run(&args),
        Command::StandIn(args) => stand_in::run(&args),
        Command::Explain(args) => block_on(explain::run(&args)),
        Command::Export(args) => block_on(export::run(&args)),
        Command::Matrix(args) => block_on(matrix::run(&args)),
        Command::Cluster(args) => block_on(cluster::run(args)),
        Command::Request(args) => block_on(request::run(args)),
        Command::Version(args) => version::run(&args),
        Command::ControlPlane(arguments) => control_plane::run(&arguments),
    };
    outcome.unwrap_or_else(|error: anyhow::Error| {
        if is_closed_pipe(&error) {
            return ExitCode::from(CLOSED_PIPE);
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// What a shell says of a program that SIGPIPE ended: nobody reads what we print any more, as in `… | head -1`.
const CLOSED_PIPE: u8 = 141;

/// Whether that is all that is wrong. What goes wrong on the way to a server is never an `io::Error` here.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Runs a command that waits for others.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
