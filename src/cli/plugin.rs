//! The program under its other name: linked as `kubectl-arango` it is what `kubectl arango` runs, and says so.
//!
//! kubectl asks a program `kubectl_complete-arango` how to go on with a line; linked so, it answers.

use std::{ffi::OsStr, path::Path};

use clap::{Arg, Command};

use super::NAME;

/// Files that kubectl takes for plugins have such names.
const PLUGIN: &str = "kubectl-arango";
/// What kubectl asks how to complete.
const COMPLETER: &str = "kubectl_complete-arango";
/// What people type then.
const TYPED: &str = "kubectl arango";
/// For kubectl (cobra): what was said is all, don't offer files.
const NO_FILES: &str = ":4";

/// As what the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Under its own name, or any other.
    Program,
    /// As kubectl's plugin.
    Plugin,
    /// To complete a line for kubectl.
    Completer,
}

/// The role by the name of the file that was run.
pub(super) fn role(program: Option<&OsStr>) -> Role {
    let name = program.and_then(|path| Path::new(path).file_stem()?.to_str());
    match name {
        // An underscore in the name of the file is a dash on kubectl's command line.
        Some(PLUGIN) => Role::Plugin,
        Some(COMPLETER) => Role::Completer,
        _ => Role::Program,
    }
}

/// The commands as a plugin shows them: usage and examples are what is typed.
pub(super) fn renamed(command: Command) -> Command {
    examples_renamed(command.bin_name(TYPED))
}

fn examples_renamed(command: Command) -> Command {
    let after = command.get_after_help().map(|text| text.to_string().replace(NAME, TYPED));
    let command = match after {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(examples_renamed)
}

/// The commands that people see.
pub(super) fn without_hidden(command: &Command) -> Command {
    let shown: Vec<_> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    // There is no way to take a command out of another one, so it is put together anew.
    let mut made = Command::new(NAME).version(env!("CARGO_PKG_VERSION")).propagate_version(true);
    if let Some(about) = command.get_about() {
        made = made.about(about.clone());
    }
    if let Some(after) = command.get_after_help() {
        made = made.after_help(after.clone());
    }
    made.subcommand_required(true).subcommands(shown)
}

/// How a line can go on whose last word is not finished: commands, flags and values, each with what it says; then what
/// cobra is told to do with them.
pub(super) fn completions(command: &Command, words: &[String]) -> String {
    let mut command = without_hidden(command);
    command.build();
    let (last, before) =
        words.split_last().map_or(("", &words[..0]), |(last, before)| (last.as_str(), before));
    let mut at = &command;
    let mut wants: Option<&Arg> = None;
    for word in before {
        if wants.take().is_some() {
            continue;
        }
        if let Some(sub) = at.find_subcommand(word) {
            at = sub;
        } else if let Some(flag) = word.strip_prefix("--") {
            wants = at
                .get_arguments()
                .find(|arg| arg.get_long() == Some(flag) && arg.get_action().takes_values());
        } else if let Some(flag) = word.strip_prefix('-') {
            wants = at.get_arguments().find(|arg| {
                arg.get_short().is_some_and(|short| flag == short.to_string())
                    && arg.get_action().takes_values()
            });
        }
    }
    let mut found: Vec<(String, String)> = Vec::new();
    let values = |arg: &Arg| {
        let shown = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
        shown.map(|value| (value.get_name().to_owned(), said(value.get_help()))).collect::<Vec<_>>()
    };
    if let Some(flag) = wants {
        found.extend(values(flag));
    } else if last.starts_with('-') {
        let flags = at.get_arguments().filter(|arg| !arg.is_hide_set());
        found.extend(flags.filter_map(|arg| Some((format!("--{}", arg.get_long()?), said(arg.get_help())))));
    } else {
        found.extend(at.get_subcommands().map(|sub| (sub.get_name().to_owned(), said(sub.get_about()))));
        found.extend(at.get_positionals().flat_map(values));
    }
    let lines = found.into_iter().filter(|(word, _)| word.starts_with(last));
    let lines =
        lines.map(|(word, help)| if help.is_empty() { word + "\n" } else { format!("{word}\t{help}\n") });
    lines.collect::<String>() + NO_FILES + "\n"
}

/// The first line of a help.
fn said(help: Option<&clap::builder::StyledStr>) -> String {
    help.map(|help| help.to_string().lines().next().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_run_says_what_it_is_run_as() {
        for (path, expected) in [
            ("/usr/bin/arango-operator", Role::Program),
            ("/home/me/.krew/bin/kubectl-arango", Role::Plugin),
            ("kubectl-arango.exe", Role::Plugin),
            ("/usr/local/bin/kubectl_complete-arango", Role::Completer),
        ] {
            assert_eq!(role(Some(OsStr::new(path))), expected, "{path}");
        }
        assert_eq!(role(None), Role::Program);
    }

    #[test]
    fn a_line_goes_on_with_commands_flags_and_values() {
        for (line, expected, others) in [
            ("ma", &["matrix", "man"][..], &["explain"][..]),
            ("cluster ", &["status", "health"], &["matrix"]),
            ("cluster status --out", &["--output"], &["--endpoint"]),
            ("matrix -o ", &["table", "json", "html"], &["matrix"]),
            ("matrix --users x -", &["--databases"], &["table"]),
            ("completion ", &["bash", "zsh"], &["rbac"]),
            ("rb", &[], &["rbac"]),
        ] {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let text = completions(&crate::cli::command(), &words);
            let found: Vec<_> = text.lines().filter_map(|line| line.split('\t').next()).collect();
            assert_eq!(found.last(), Some(&NO_FILES));
            assert!(expected.iter().all(|word| found.contains(word)), "{line:?}: {found:?}");
            assert!(!others.iter().any(|word| found.contains(word)), "{line:?}: {found:?}");
        }
    }
}
