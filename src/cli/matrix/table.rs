//! The matrix on a terminal, in parts that are as wide as it is.

use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

use super::report::{Cell, Report, Row};
use crate::{
    cli::output::{Mark, Rows},
    core::{DatabaseName, Level},
};

/// Between two columns.
const GAP: usize = 3;

/// The matrix for people. Where it isn't read on a terminal, each user is one line.
pub(super) fn render(report: &Report, colours: bool) -> String {
    in_width(report, width(), colours)
}

/// The columns of the terminal; nothing if there is none.
fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| tcgetwinsize(&stdout).ok()).flatten()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn in_width(report: &Report, width: Option<usize>, colours: bool) -> String {
    let names: Vec<_> = report.databases.iter().map(ToString::to_string).collect();
    let first = longest(report.users.iter().map(|row| row.user.to_string()), "user") + GAP;
    let remarks = longest(report.users.iter().filter_map(marks), "remarks") + GAP;
    let columns: Vec<_> = report
        .databases
        .iter()
        .zip(&names)
        .map(|(database, name)| {
            longest(report.users.iter().filter_map(|row| row.levels.get(database)).map(shown), name) + GAP
        })
        .collect();
    let mut text = String::new();
    let mut begin = 0;
    loop {
        let room = width.unwrap_or(usize::MAX).saturating_sub(first + if begin == 0 { remarks } else { 0 });
        let mut taken = 0;
        let fits = columns[begin..].iter().take_while(|width| {
            taken += **width;
            taken <= room
        });
        // One at least, however wide it is.
        let end = (begin + fits.count().max(1)).min(names.len());
        text += &part(report, begin..end, begin == 0, colours);
        begin = end;
        if begin >= names.len() {
            break;
        }
        text.push('\n');
    }
    text
}

/// Some of the databases; the first part also has the remarks.
fn part(report: &Report, columns: std::ops::Range<usize>, first: bool, colours: bool) -> String {
    let databases = &report.databases[columns];
    let remarks = first.then_some("remarks");
    let head = ["user"].into_iter().chain(databases.iter().map(DatabaseName::as_str)).chain(remarks);
    let mut rows =
        Rows::new(head.map(crate::cli::output::plain).collect::<Vec<_>>().iter().map(String::as_str));
    for row in &report.users {
        let mark = if row.remarks.iter().any(|it| it.mark.is_wide()) { Mark::Alarm } else { Mark::Plain };
        let cells = databases.iter().map(|database| row.levels.get(database).map(shown));
        let user = std::iter::once(Some(row.user.to_string()));
        rows.add(mark, user.chain(cells).chain(first.then(|| marks(row))));
    }
    rows.render(colours)
}

/// A level as `rw`, `ro (*)`, or `none +2`; a dash if no right reaches there.
fn shown(cell: &Cell) -> String {
    let level = match (&cell.by, cell.level) {
        (None, Level::None) => "-".to_owned(),
        (Some(by), level) if !cell.is_own => format!("{level} ({by})"),
        (_, level) => level.to_string(),
    };
    match cell.collections.len() {
        0 => level,
        more => format!("{level} +{more}"),
    }
}

fn marks(row: &Row) -> Option<String> {
    let labels: Vec<_> = row.remarks.iter().map(|remark| remark.mark.label()).collect();
    (!labels.is_empty()).then(|| labels.join(", "))
}

fn longest(texts: impl Iterator<Item = String>, head: &str) -> usize {
    texts.map(|text| text.chars().count()).chain([head.chars().count()]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::{
        arango::UserInfo,
        cli::matrix::report::Selection,
        core::{Rights, UserName},
    };

    #[test]
    fn what_is_wider_than_the_terminal_comes_in_parts_that_are_not() {
        let databases: BTreeSet<_> =
            (0..20).map(|n| DatabaseName::parse(&format!("database-{n:02}")).unwrap()).collect();
        let info = UserInfo { active: true, extra: serde_json::Map::new() };
        let users = BTreeMap::from([(UserName::parse("alice").unwrap(), (info, Rights::default()))]);
        let report = Report::new(&Selection::default(), &databases, users);
        let whole = in_width(&report, None, false);
        assert_eq!(whole.lines().count(), 3);
        let parts = in_width(&report, Some(80), false);
        assert!(parts.lines().all(|line| line.chars().count() <= 80), "{parts}");
        for database in &databases {
            assert_eq!(parts.matches(database.as_str()).count(), 1, "{database}");
        }
        assert_eq!(parts.matches("no rights").count(), 1, "{parts}");
        assert!(in_width(&report, Some(10), false).matches("alice").count() == 20, "one at least");
    }
}
