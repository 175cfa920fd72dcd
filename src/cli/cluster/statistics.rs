//! `cluster statistics`: what servers count about themselves.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use futures::future::join_all;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Common, cluster, in_order, named};
use crate::{
    arango::{Error, Health, Member, MemberRole, Statistics},
    cli::{
        duration,
        output::{self, Mark, Rows},
        screen::tell,
    },
};

/// Show what coordinators and DB-Servers have counted since their start: a few figures, all of them as JSON.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator cluster statistics
  arango-operator cluster statistics DBServer0001 -o json

Exit codes: 0 every server told its figures, 1 one did not, or an error that was printed, 2 wrong usage")]
pub(super) struct StatisticsArgs {
    /// Servers by id or short name: `PRMR-…`, `Coordinator0001` [default: all coordinators and DB-Servers]
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// The result, as JSON has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    cluster_id: Option<&'a str>,
    servers: Vec<Server<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Server<'a> {
    id: &'a str,
    short_name: Option<&'a str>,
    role: Option<String>,
    statistics: Option<&'a Map<String, Value>>,
    error: Option<String>,
}

/// Runs the command.
pub(super) async fn run(args: &StatisticsArgs) -> anyhow::Result<ExitCode> {
    let client = args.common.deployment.client().await?;
    let cluster = cluster(&client, "cluster statistics (its own: request GET /_admin/statistics)").await?;
    let health = cluster.health().await?;
    let chosen = choose(&health, &args.servers)?;
    // The pool bounds how many are asked at once.
    let told = join_all(chosen.into_iter().map(async |(id, member)| {
        let answer = cluster.statistics(id).await;
        Told { id, member, answer }
    }));
    let told = told.await;
    let report =
        Report { cluster_id: health.cluster_id.as_deref(), servers: told.iter().map(Told::shown).collect() };
    output::print(args.common.output.output, &report, |colours| table(&told).render(colours))?;
    let mut code = ExitCode::SUCCESS;
    for Told { id, member, answer } in &told {
        if let Err(error) = answer {
            tell(format_args!("error: {}: {error}", named(id, member)));
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// What one server told.
struct Told<'a> {
    id: &'a str,
    member: &'a Member,
    answer: Result<Statistics, Error>,
}

impl Told<'_> {
    fn shown(&self) -> Server<'_> {
        Server {
            id: self.id,
            short_name: self.member.short_name.as_deref(),
            role: self.member.role.as_ref().map(ToString::to_string),
            statistics: self.answer.as_ref().ok().map(|statistics| &statistics.all),
            error: self.answer.as_ref().err().map(ToString::to_string),
        }
    }
}

/// The servers that were named, or all that count anything.
fn choose<'a>(health: &'a Health, names: &[String]) -> anyhow::Result<Vec<(&'a str, &'a Member)>> {
    if names.is_empty() {
        let counts =
            |member: &Member| matches!(member.role, Some(MemberRole::Coordinator | MemberRole::DbServer));
        return Ok(in_order(health).into_iter().filter(|(_, member)| counts(member)).collect());
    }
    let find = |name: &String| match health.find(name) {
        None => bail!("there is no server {name:?}; `cluster health` shows them"),
        Some((id, member)) if member.role == Some(MemberRole::Agent) => {
            bail!("{} is an agent; only coordinators and DB-Servers tell their figures", named(id, member))
        }
        Some(found) => Ok(found),
    };
    names.iter().map(find).collect()
}

fn table(told: &[Told<'_>]) -> Rows {
    let header = ["server", "role", "up for", "connections", "requests", "mean time", "memory", "threads"];
    let mut rows = Rows::new(header);
    for Told { id, member, answer } in told {
        let figures = answer.as_ref().ok();
        let mark = if figures.is_some() { Mark::Plain } else { Mark::Alarm };
        let count = |of: fn(&Statistics) -> Option<u64>| figures.and_then(of).map(|count| count.to_string());
        let mean = figures.and_then(Statistics::mean_request_time);
        let cells = [
            Some(member.short_name.clone().unwrap_or_else(|| (*id).to_owned())),
            member.role.as_ref().map(ToString::to_string),
            figures.and_then(Statistics::uptime).map(duration::show),
            count(Statistics::connections),
            count(Statistics::requests),
            mean.map(|mean| format!("{:.1} ms", mean.as_secs_f64() * 1000.0)),
            figures.and_then(Statistics::resident_bytes).map(output::bytes),
            count(Statistics::threads),
        ];
        rows.add(mark, cells);
    }
    rows
}
