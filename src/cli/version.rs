//! `version`: which program this is.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output::{self, OutputArgs};

/// Print the version.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator version
  arango-operator version -o json | jq -r .version

Exit codes: 0 it was printed, 2 wrong usage")]
pub(super) struct VersionArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs the command.
pub(super) fn run(args: &VersionArgs) -> anyhow::Result<ExitCode> {
    let version = env!("CARGO_PKG_VERSION");
    let json = json!({"name": "arango-operator", "version": version});
    output::print(args.output.output, &json, |_| format!("arango-operator {version}\n"))?;
    Ok(ExitCode::SUCCESS)
}
