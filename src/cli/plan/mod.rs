//! `plan`: what applying manifests would do.

mod show;
mod stage;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use schemars::generate::SchemaSettings;

pub(super) use self::{
    show::{diff, print, print_json, rest, summary, table},
    stage::{Stage, StageArgs},
};
use super::screen::may_colour;
use crate::{kinds::Viewpoint, offline::Report};

/// What it is called.
pub(super) const NAME: &str = "plan";

/// Show what applying manifests would do, without doing anything.
///
/// The server is read and nothing is written. Every action is shown with its reason and its risk. Without --set it is what
/// the operator would do with these manifests; with --set what `apply --set` would.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator plan -f manifests/
  kustomize build . | arango-operator plan -f - -o diff
  arango-operator plan -f manifests/ -o json > plan.json

Exit codes: 0 nothing to do, 2 changes, 1 anything else: an error, something that a person has to do something about, or \
wrong usage")]
pub struct PlanArgs {
    #[command(flatten)]
    stage: StageArgs,
    /// In which form the plan is printed; docs/reference/plan.schema.json is the schema of the JSON
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

/// The forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line per action
    Table,
    /// What each object is and what it becomes
    Diff,
    /// One JSON document
    Json,
}

/// Makes the plan and prints it.
pub async fn run(args: PlanArgs) -> anyhow::Result<ExitCode> {
    let viewpoint = if args.stage.set.is_some() { Viewpoint::CommandLine } else { Viewpoint::Operator };
    let stage = Stage::enter(&args.stage).await?;
    let report = stage.rehearse(viewpoint, args.output != Format::Table).await?.report;
    let colours = may_colour(&std::io::stdout());
    match args.output {
        Format::Json => print_json(&report)?,
        Format::Table => print(&(table(&report, colours) + &rest(&report, colours) + &summary(&report)))?,
        Format::Diff => print(&(diff(&report, colours) + &rest(&report, colours) + &summary(&report)))?,
    }
    Ok(exit(&report))
}

/// The exit code of a plan.
fn exit(report: &Report) -> ExitCode {
    match (report.summary.held, report.summary.actions) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

/// The schema of the JSON, generated from the types.
pub(super) fn schema() -> anyhow::Result<String> {
    let schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Report>();
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}
