//! `man`: the manual pages, from the command line itself.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;

use super::{command, output};

/// Print the manual page of the program, or write that of each command into a folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator man | man -l -
  arango-operator man --output ~/.local/share/man/man1      # then: man arango-operator-matrix

Exit codes: 0 it was written, 1 an error that was printed, 2 wrong usage")]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder instead
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let pages = pages()?;
    let Some(folder) = &args.output else {
        output::write(pages.first().map_or("", |(_, page)| page))?;
        return Ok(ExitCode::SUCCESS);
    };
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    for (name, page) in pages {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each command's page by its name, the program's own first.
fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let mut command = command().disable_help_subcommand(true);
    // Gives every command its whole name.
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((name.to_owned(), String::from_utf8(page)?));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add(sub, pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page_that_names_its_flags_and_examples() {
        let pages = pages().unwrap();
        let page = |name: &str| &pages.iter().find(|(it, _)| it == name).unwrap().1;
        assert_eq!(pages[0].0, "arango-operator");
        let text = page("arango-operator-cluster-maintenance");
        assert!(
            text.starts_with(".ie") && text.contains(".TH arango-operator-cluster-maintenance 1"),
            "{text}"
        );
        assert!(page("arango-operator-matrix").contains("Examples:"), "{}", page("arango-operator-matrix"));
        assert!(pages.iter().all(|(name, _)| !name.contains("rbac")), "what is hidden has none");
    }
}
