//! What commands print as their result: tables for people, JSON for programs.

use std::io::Write;

use clap::{Args, ValueEnum};
use comfy_table::{LineStyle, Table, TableStyle};
use serde::Serialize;

use super::screen::may_colour;

/// In which form a command prints its result.
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// In which form the result is printed; docs/commands.md has the keys of the JSON.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    pub(super) output: Format,
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// One JSON document; keys stay from release to release, new ones may come.
    Json,
}

/// How a row is marked on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Not at all.
    Plain,
    /// Something is to be looked at.
    Alarm,
}

/// A table for people: a bold heading, rows in alarm red, both only where colours are seen.
pub(super) struct Rows {
    table: Table,
    marks: Vec<Mark>,
}

/// A table in the one style that all commands share.
pub(super) fn table(header: impl IntoIterator<Item = impl Into<comfy_table::Cell>>) -> Table {
    let style = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    let mut table = Table::new();
    table.load_style(style).set_header(header);
    table
}

impl Rows {
    pub(super) fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        Self { table: table(header), marks: Vec::new() }
    }

    /// Adds a row; a missing value is a dash.
    pub(super) fn add(&mut self, mark: Mark, cells: impl IntoIterator<Item = Option<String>>) {
        let cells = cells.into_iter().map(|cell| cell.map_or_else(|| "-".to_owned(), |text| plain(&text)));
        self.table.add_row(cells);
        self.marks.push(mark);
    }

    /// The table, as it is printed.
    pub(super) fn render(&self, colours: bool) -> String {
        let rendered = self.table.trim_fmt();
        let mut lines: Vec<String> = rendered.lines().map(str::to_owned).collect();
        if colours {
            // A line for the heading, one below it, and one for each row: no cell has a line break.
            let codes = ["1", ""].into_iter().chain(self.marks.iter().map(|mark| match mark {
                Mark::Plain => "",
                Mark::Alarm => "31",
            }));
            for (line, code) in lines.iter_mut().zip(codes).filter(|(_, code)| !code.is_empty()) {
                *line = format!("\x1b[{code}m{line}\x1b[0m");
            }
        }
        lines.join("\n") + "\n"
    }
}

/// A server's text without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Prints a result.
pub(super) fn print(
    format: Format,
    json: &impl Serialize,
    people: impl FnOnce(bool) -> String,
) -> anyhow::Result<()> {
    match format {
        Format::Table => write(&people(may_colour(&std::io::stdout()))),
        Format::Json => write(&(serde_json::to_string_pretty(json)? + "\n")),
    }
}

/// Writes a result that is a text already. Unlike the macros it doesn't panic where nobody reads on.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints a line of a program that goes on, whether somebody reads it or not.
pub(super) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Bytes in the unit in which they have one to four digits: `285.5 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "KiB", "MiB", "GiB"] {
        if bytes / unit < 1024 {
            return with_tenth(bytes, unit, name);
        }
        unit *= 1024;
    }
    with_tenth(bytes, unit, "TiB")
}

fn with_tenth(bytes: u64, unit: u64, name: &str) -> String {
    let (whole, tenth) = (bytes / unit, bytes % unit * 10 / unit);
    if unit == 1 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_coloured_by_rows_and_only_if_wanted() {
        let mut rows = Rows::new(["server", "status"]);
        rows.add(Mark::Plain, [Some("a".to_owned()), Some("GOOD".to_owned())]);
        rows.add(Mark::Alarm, [Some("b\x1b[2J\n".to_owned()), None]);
        let plain = rows.render(false);
        assert!(!plain.contains('\x1b'), "a server's text can't reach the terminal: {plain:?}");
        assert_eq!(plain.lines().count(), 4, "nor break a line");
        let coloured = rows.render(true);
        let lines: Vec<_> = coloured.lines().collect();
        assert!(lines[0].starts_with("\x1b[1m") && !lines[2].contains('\x1b'));
        assert!(lines[3].starts_with("\x1b[31m") && lines[3].ends_with("\x1b[0m"));
    }

    #[test]
    fn bytes_are_shown_in_a_unit_that_suits() {
        for (count, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (299_380_736, "285.5 MiB"),
            (107_374_182_400, "100.0 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
    }
}
