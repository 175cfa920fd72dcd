//! `cluster`: what the coordinators know of their deployment, and its maintenance.

mod health;
mod maintenance;
mod statistics;
mod status;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{deployment::DeploymentArgs, output::OutputArgs};
use crate::arango::{Client, Cluster, Deployment, Health, Member, MemberRole};

/// Look at a deployment as its coordinators know it, and stop its failover for maintenance.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

/// One command, one file of this folder.
#[derive(Debug, Subcommand)]
enum Command {
    Status(status::StatusArgs),
    Health(health::HealthArgs),
    Statistics(statistics::StatisticsArgs),
    Maintenance(maintenance::MaintenanceArgs),
}

/// What all of them are told.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

/// Runs the command.
pub(super) async fn run(args: ClusterArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Status(args) => status::run(&args).await,
        Command::Health(args) => health::run(&args).await,
        Command::Statistics(args) => statistics::run(&args).await,
        Command::Maintenance(args) => maintenance::run(&args).await,
    }
}

/// The cluster that a client leads to, or a sentence about what a single server doesn't have.
async fn cluster(client: &Client, what: &str) -> anyhow::Result<Cluster> {
    match client.deployment().await? {
        Deployment::Cluster(cluster) => Ok(cluster),
        Deployment::Single => bail!("this is a single server; it has no {what}"),
    }
}

/// The servers, those that take requests first, then those that keep data, then the agents.
fn in_order(health: &Health) -> Vec<(&str, &Member)> {
    let rank = |member: &Member| match member.role {
        Some(MemberRole::Coordinator) => 0,
        Some(MemberRole::DbServer) => 1,
        Some(MemberRole::Agent) => 2,
        Some(MemberRole::Other(_)) | None => 3,
    };
    let mut members: Vec<_> = health.servers.iter().map(|(id, member)| (id.as_str(), member)).collect();
    members.sort_by_key(|(id, member)| (rank(member), member.short_name.as_deref(), *id));
    members
}

/// A server as a person calls it: `DBServer0001 (PRMR-…)`.
fn named(id: &str, member: &Member) -> String {
    match &member.short_name {
        Some(short) => format!("{short} ({id})"),
        None => id.to_owned(),
    }
}
