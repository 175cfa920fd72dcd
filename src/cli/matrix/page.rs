//! The matrix as one page for a browser, which loads nothing and runs nothing but its own script.
//!
//! Names may be anything: they are escaped, what turns the direction of text is kept within them, and a policy lets only
//! our own script and style count, by their digests.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::report::{Cell, Mark, Report, Row};
use crate::core::Level;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub(super) fn render(report: &Report, now: &Timestamp) -> String {
    let digest = |text: &str| format!("sha256-{}", STANDARD.encode(Sha256::digest(text)));
    let parts = [
        ("style-hash", digest(STYLE)),
        ("script-hash", digest(SCRIPT)),
        ("style", STYLE.to_owned()),
        ("script", SCRIPT.to_owned()),
        ("users", count(report.users.len(), "user")),
        ("databases", count(report.databases.len(), "database")),
        ("time", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        ("shown-time", now.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("summary", summary(report)),
        ("head", head(report)),
        ("rows", rows(report)),
    ];
    // One way through the template: what is put in is never looked at again.
    let mut page =
        String::with_capacity(PAGE.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut pieces = PAGE.split("{{");
    page += pieces.next().unwrap_or_default();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        page += parts.iter().find(|(part, _)| *part == name).map_or("", |(_, text)| text);
        page += rest;
    }
    page
}

fn count(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The marks as they are counted, each of which can be chosen.
const SUMMARY: [(Mark, &str); 7] = [
    (Mark::Administrator, "administrators"),
    (Mark::WildcardWrite, "rw on *"),
    (Mark::AllCollections, "on */*"),
    (Mark::WildcardRead, "ro on *"),
    (Mark::SystemReader, "ro on _system"),
    (Mark::NoRights, "without rights"),
    (Mark::InactiveWithRights, "inactive with rights"),
];

fn summary(report: &Report) -> String {
    let mut text = String::new();
    for (mark, label) in SUMMARY {
        let has = |row: &&Row| row.remarks.iter().any(|remark| remark.mark == mark);
        let count = report.users.iter().filter(has).count();
        if count > 0 {
            let wide = if mark.is_wide() { " class=\"wide\"" } else { "" };
            let value = value(mark);
            // Writing into a String can't fail.
            let _ = writeln!(
                text,
                "<button type=\"button\" aria-pressed=\"false\" value=\"{value}\"{wide}><b>{count}</b>{label}</button>"
            );
        }
    }
    text
}

/// The mark's word in the page's own address.
fn value(mark: Mark) -> &'static str {
    match mark {
        Mark::Administrator => "administrator",
        Mark::SystemReader => "system",
        Mark::WildcardWrite => "wildcard-rw",
        Mark::WildcardRead => "wildcard-ro",
        Mark::AllCollections => "collections",
        Mark::NoRights => "unused",
        Mark::InactiveWithRights => "inactive",
    }
}

fn head(report: &Report) -> String {
    let mut text = String::new();
    for database in &report.databases {
        let system = if database.is_system() { " system" } else { "" };
        let name = escaped(database.as_str());
        let _ =
            write!(text, "<th scope=\"col\" class=\"name{system}\" title=\"{name}\"><bdi>{name}</bdi></th>");
    }
    text
}

fn rows(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.users {
        let marks: Vec<_> = row.remarks.iter().map(|remark| value(remark.mark)).collect();
        let said: Vec<_> = row.remarks.iter().map(|remark| remark.text.as_str()).collect();
        let off = if row.active { "" } else { " class=\"off\"" };
        let _ = write!(
            text,
            "<tr{off} data-marks=\"{}\" data-text=\"{}\"><th scope=\"row\" tabindex=\"-1\"><bdi>{}</bdi>",
            marks.join(" "),
            escaped(&said.join("; ")),
            escaped(row.user.as_str())
        );
        for remark in &row.remarks {
            let wide = if remark.mark.is_wide() { " wide" } else { "" };
            let _ = write!(text, " <span class=\"badge{wide}\">{}</span>", remark.mark.label());
        }
        text += "</th>";
        for database in &report.databases {
            text += &row.levels.get(database).map_or_else(String::new, cell);
        }
        text += "</tr>\n";
    }
    text
}

fn cell(cell: &Cell) -> String {
    let more = cell.collections.iter().map(|(name, level)| format!("{name} {level}")).collect::<Vec<_>>();
    let data =
        if more.is_empty() { String::new() } else { format!(" data-more=\"{}\"", escaped(&more.join(", "))) };
    let count = if more.is_empty() { String::new() } else { format!("<sup>{}</sup>", more.len()) };
    let class = match cell.level {
        Level::Rw => "rw",
        Level::Ro => "ro",
        Level::None => "no",
    };
    match &cell.by {
        None => format!("<td class=\"nil\" tabindex=\"-1\"{data}>–{count}</td>"),
        Some(_) if cell.is_own => {
            format!("<td class=\"{class}\" tabindex=\"-1\"{data}><b>{}{count}</b></td>", cell.level)
        }
        Some(by) => format!(
            "<td class=\"{class} via\" tabindex=\"-1\" data-by=\"{0}\"{data}><b>{1}{count}</b><span class=\"vh\"> by \
             {0}</span></td>",
            escaped(by),
            cell.level
        ),
    }
}

/// A text that is a text wherever it is put: between tags, and in an attribute's quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_no_part_that_nobody_fills_in() {
        let report = Report { databases: Vec::new(), users: Vec::new() };
        let page = render(&report, &Timestamp::UNIX_EPOCH);
        assert!(!page.contains("{{") && !page.contains("}}"), "{page}");
        assert!(page.contains("1970-01-01 00:00 UTC"));
    }

    #[test]
    fn a_text_stays_a_text() {
        assert_eq!(
            escaped("<a href='x' b=\"y\">&\n"),
            "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;\u{fffd}"
        );
    }
}
