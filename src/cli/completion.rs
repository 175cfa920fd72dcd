//! `completion`: what a shell completes commands and flags with.

use std::process::ExitCode;

use clap::Args;
use clap_complete::{Shell, generate};

use super::{command, output, plugin};

/// Print what a shell completes commands and flags with.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(arango-operator completion bash)          # in ~/.bashrc
  arango-operator completion zsh > ~/.zfunc/_arango-operator
  arango-operator completion fish > ~/.config/fish/completions/arango-operator.fish
  arango-operator completion powershell > arango-operator.ps1

Exit codes: 0 it was printed, 1 an error that was printed, 2 wrong usage")]
pub(super) struct CompletionArgs {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(super) fn run(args: &CompletionArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut plugin::without_hidden(&command()), super::NAME, &mut script);
    output::write(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
