//! `rbac`: the operator's rights in Kubernetes as YAML, generated from the list of kinds. For developers: the result
//! is part of `deploy/`.

use std::{path::PathBuf, process::ExitCode};

use super::crds;
use crate::operator::rbac;

/// Print what the operator may do in Kubernetes as YAML.
#[derive(Debug, clap::Args)]
pub struct RbacArgs {
    /// Write the files into this folder instead of printing those for all namespaces.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &RbacArgs) -> anyhow::Result<ExitCode> {
    let files = files()?;
    match &args.output {
        Some(folder) => crds::write(folder, &files)?,
        None => super::output::write(files.first().map_or("", |(_, text)| text))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The generated files of the folder `deploy/`.
pub fn files() -> anyhow::Result<Vec<(String, String)>> {
    let header =
        "# Generated from the list of kinds by `arango-operator rbac --output deploy`. Do not edit.\n";
    let files = rbac::files()?;
    Ok(files.into_iter().map(|(name, yaml)| (name.to_owned(), format!("{header}{yaml}"))).collect())
}
