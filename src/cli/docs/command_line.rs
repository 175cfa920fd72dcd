//! The page of commands and flags, from the command line itself.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::table;

const HEAD: &str = "\
# Commands and flags

As `arango-operator COMMAND --help` says it. Most flags have an environment variable; a flag that is given wins. What the commands
that talk to a server print is shown, with examples, in [commands](commands.md).

Exit codes: 0 done, 1 an error that was printed, 2 wrong usage. Where that is otherwise, the command
says so: 2 of `plan` are changes, and its wrong usage is 1.
";

/// The page.
pub(super) fn page(command: Command) -> String {
    let mut command = command;
    // So that flags that are there for all commands are among each one's own.
    command.build();
    let mut text = HEAD.to_owned();
    sections(&command, "", &mut text);
    text
}

fn sections(command: &Command, path: &str, text: &mut String) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        let path = path.trim();
        // Writing into a String can't fail.
        let _ = write!(text, "\n## {path}\n\n");
        let about = sub.get_long_about().or(sub.get_about());
        let after = sub.get_after_long_help().or(sub.get_after_help());
        for said in about.into_iter().chain(after) {
            let _ = write!(text, "{}\n\n", page_of(&said.to_string()));
        }
        let usage = sub.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim();
        let _ = writeln!(text, "    {usage}");
        let rows: Vec<_> = sub.get_arguments().filter(|arg| is_said(arg)).map(row).collect();
        if !rows.is_empty() {
            let _ = write!(text, "\n{}", table(&["flag", "variable", "if left out", "what it says"], rows));
        }
        sections(sub, path, text);
    }
}

/// A text of the help as Markdown: lines that stand further in are code, such as the examples.
fn page_of(said: &str) -> String {
    let mut text = String::new();
    let mut code = false;
    for line in said.trim().lines() {
        if code != line.starts_with("  ") && !line.is_empty() {
            code = !code;
            text.push('\n');
        }
        let indent = if code && !line.is_empty() { "  " } else { "" };
        text.extend([indent, line, "\n"]);
    }
    text.trim_end().to_owned()
}

fn is_said(arg: &Arg) -> bool {
    !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str())
}

fn row(arg: &Arg) -> Vec<String> {
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values: Vec<_> = arg.get_value_names().into_iter().flatten().map(ToString::to_string).collect();
    let value = if takes { format!(" {}", values.join(" ")) } else { String::new() };
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), Some(short)) => format!("`-{short}`, `--{long}{value}`"),
        (Some(long), None) => format!("`--{long}{value}`"),
        (None, Some(short)) => format!("`-{short}{value}`"),
        (None, None) => format!("`{}`", value.trim()),
    };
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .filter(|_| takes)
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let default = if arg.is_required_set() { "required".to_owned() } else { defaults.join(", ") };
    let mut says = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> = arg.get_possible_values();
    if takes
        && !choices.is_empty()
        && !choices.iter().all(|choice| ["true", "false"].contains(&choice.get_name()))
    {
        let choices: Vec<_> = choices.iter().map(|choice| format!("`{}`", choice.get_name())).collect();
        let _ = write!(says, ": {}", choices.join(", "));
    }
    vec![name, variable, default, says]
}
