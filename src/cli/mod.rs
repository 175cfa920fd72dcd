//! The command line: what was typed becomes a command, a command becomes an exit code.

pub mod apply;
pub mod chart;
mod cluster;
mod completion;
pub mod connection;
mod control_plane;
pub mod crds;
pub mod demo;
mod deployment;
pub mod docs;
mod duration;
mod explain;
mod export;
mod lease;
mod man;
pub mod manifests;
mod matrix;
pub mod monitoring;
mod output;
pub mod plan;
mod plugin;
pub mod rbac;
pub mod request;
pub mod run;
mod screen;
mod stand_in;
mod version;

use std::{ffi::OsStr, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// What the program is called where it isn't linked otherwise.
const NAME: &str = "arango-operator";

/// Below the list of commands.
const HELP: &str = "\
Begin with:
  arango-operator demo                    see it all on this machine
  arango-operator matrix                  who may do what, on a deployment that you have
  arango-operator export                  that deployment as manifests

The commands that talk to a server take ARANGO_ENDPOINT, ARANGO_USER and ARANGO_PASSWORD, or flags. COMMAND --help has \
examples.

Exit codes: 0 done, 1 an error that was printed, 2 wrong usage; COMMAND --help says where it is otherwise. 141: nobody \
read what was printed";

/// Databases, users and permissions inside ArangoDB, declared as Kubernetes resources.
#[derive(Debug, Parser)]
#[command(name = NAME, version, propagate_version = true, after_help = HELP)]
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
    Completion(completion::CompletionArgs),
    Man(man::ManArgs),
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
    let parsed = match plugin::role(std::env::args_os().next().as_deref()) {
        plugin::Role::Program => Cli::try_parse(),
        plugin::Role::Plugin => {
            let matches = plugin::renamed(command()).try_get_matches();
            matches.and_then(|matches| Cli::from_arg_matches(&matches))
        }
        plugin::Role::Completer => {
            let words: Vec<_> = std::env::args().skip(1).collect();
            // A shell that doesn't listen any more is no error.
            drop(output::write(&plugin::completions(&command(), &words)));
            return ExitCode::SUCCESS;
        }
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return not_run(&error, std::env::args_os().nth(1).as_deref()),
    };
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
        Command::Explain(args) => block_on(explain::run(&args)),
        Command::Export(args) => block_on(export::run(&args)),
        Command::Matrix(args) => block_on(matrix::run(&args)),
        Command::Cluster(args) => block_on(cluster::run(args)),
        Command::Request(args) => block_on(request::run(args)),
        Command::Completion(args) => completion::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
        Command::ControlPlane(arguments) => control_plane::run(&arguments),
    };
    outcome.unwrap_or_else(|error: anyhow::Error| {
        if is_closed_pipe(&error) {
            return ExitCode::from(CLOSED_PIPE);
        }
        screen::tell(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Prints what is wrong with a line, or the help that it asks for.
fn not_run(error: &clap::Error, command: Option<&OsStr>) -> ExitCode {
    // Who closed the stream doesn't want to hear it.
    drop(error.print());
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    // The other code says that a plan was made, and has changes in it.
    ExitCode::from(if command == Some(OsStr::new(plan::NAME)) { 1 } else { 2 })
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "these are helpers of tests")]
mod tests {
    use super::*;

    /// Every command that people see and that does something, with its path.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            } else {
                found.push((path, sub.clone()));
            }
        }
    }

    /// The words of an example, as far as it is ours: up to a comment or what a shell does with the result.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quote = None;
        for c in line.chars() {
            match (quote, c) {
                (Some(open), _) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, '|' | '>' | '#' | ')') => break,
                (None, ' ') => words.push(String::new()),
                _ => words.last_mut().unwrap().push(c),
            }
        }
        // Blanks in a row stand before an explanation.
        let gap = words.windows(2).position(|pair| pair.iter().all(String::is_empty));
        words.truncate(gap.unwrap_or(words.len()));
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_command_teaches_by_examples_that_are_taken_and_tells_its_exit_codes() {
        let mut found = Vec::new();
        leaves(&command(), NAME, &mut found);
        assert!(found.len() >= 14, "{found:?}");
        for (path, sub) in found {
            let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) =
                after.split_once("Examples:\n").unwrap_or_else(|| panic!("{path}: no examples"));
            let examples = examples.split("\n\n").next().unwrap_or_default();
            assert!(after.contains("Exit codes: 0 "), "{path}: {after}");
            let ours: Vec<_> =
                examples.lines().filter_map(|line| line.find(NAME).map(|at| &line[at..])).collect();
            assert!(ours.iter().any(|line| line.starts_with(&path)), "{path}: none of its own: {examples}");
            for line in examples.lines() {
                assert!(line.chars().count() <= 100, "{path}: it would be wrapped: {line}");
            }
            for line in ours {
                let parsed = command().try_get_matches_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn every_flag_of_a_connection_has_a_twin_in_the_environment() {
        let mut found = Vec::new();
        leaves(&command(), NAME, &mut found);
        let (_, request) = found.into_iter().find(|(path, _)| path.ends_with("request")).unwrap();
        let connection = request.get_arguments().filter(|arg| arg.get_help_heading() == Some("Connection"));
        let flags: Vec<_> = connection.collect();
        assert!(flags.len() > 9);
        for flag in flags {
            let long = flag.get_long().unwrap();
            let twin = format!("ARANGO_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(flag.get_env().unwrap_or_else(|| panic!("--{long}: none")), twin.as_str());
        }
    }
}
