//! `cluster health`: every server as the supervision sees it.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Common, cluster, in_order};
use crate::{
    arango::{Health, LastAcked, Member},
    cli::output::{self, Mark, Rows},
};

/// Show every server of the cluster as its supervision sees it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator cluster health
  arango-operator cluster health -o json | jq -r '.servers[] | select(.status != \"GOOD\").id'

Exit codes: 0 every server is GOOD, 1 one is not, or an error that was printed, 2 wrong usage")]
pub(super) struct HealthArgs {
    #[command(flatten)]
    common: Common,
}

/// The result, as JSON has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    cluster_id: Option<String>,
    healthy: bool,
    servers: Vec<Server>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    id: String,
    short_name: Option<String>,
    role: Option<String>,
    status: Option<String>,
    endpoint: Option<String>,
    /// Of coordinators and DB-Servers.
    last_acked: Option<String>,
    /// Of agents.
    last_acked_seconds_ago: Option<f64>,
    sync_status: Option<String>,
    version: Option<String>,
    engine: Option<String>,
    leading: Option<bool>,
    can_be_deleted: Option<bool>,
}

/// Runs the command.
pub(super) async fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let client = args.common.deployment.client().await?;
    let health = cluster(&client, "cluster health").await?.health().await?;
    let report = Report::new(&health);
    output::print(args.common.output.output, &report, |colours| table(&report).render(colours))?;
    Ok(if report.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn new(health: &Health) -> Self {
        let servers = in_order(health).into_iter().map(|(id, member)| Server::new(id, member)).collect();
        Self { cluster_id: health.cluster_id.clone(), healthy: health.is_good(), servers }
    }
}

impl Server {
    fn new(id: &str, member: &Member) -> Self {
        let (last_acked, last_acked_seconds_ago) = match member.last_acked {
            Some(LastAcked::At(time)) => (Some(time.to_string()), None),
            Some(LastAcked::Ago(age)) => (None, Some(age.as_secs_f64())),
            None => (None, None),
        };
        Self {
            id: id.to_owned(),
            short_name: member.short_name.clone(),
            role: member.role.as_ref().map(ToString::to_string),
            status: member.status.as_ref().map(ToString::to_string),
            endpoint: member.advertised_endpoint.clone().or_else(|| member.endpoint.clone()),
            last_acked,
            last_acked_seconds_ago,
            sync_status: member.sync_status.clone(),
            version: member.version.clone(),
            engine: member.engine.clone(),
            leading: member.leading,
            can_be_deleted: member.can_be_deleted,
        }
    }
}

fn table(report: &Report) -> Rows {
    let mut rows = Rows::new(["id", "short name", "role", "status", "endpoint", "last heartbeat"]);
    for server in &report.servers {
        let ago = server.last_acked_seconds_ago.map(|seconds| format!("{seconds:.1} s ago"));
        let mark = if server.status.as_deref() == Some("GOOD") { Mark::Plain } else { Mark::Alarm };
        let leads = if server.leading == Some(true) { " (leads)" } else { "" };
        let cells = [
            Some(server.id.clone()),
            server.short_name.clone(),
            server.role.as_ref().map(|role| format!("{role}{leads}")),
            server.status.clone(),
            server.endpoint.clone(),
            server.last_acked.clone().or(ago),
        ];
        rows.add(mark, cells);
    }
    rows
}
