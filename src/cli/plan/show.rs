//! A plan for people and for programs.

use std::{fmt::Write as _, io::Write as _};

use crate::{
    cli::output::{Mark, Rows, plain},
    kinds::Shown,
    offline::{Entry, Report, Risk, State},
};

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BOLD: &str = "1";

/// A text in a colour, and without what a terminal would obey.
fn in_colour(colours: bool, code: &str, text: &str) -> String {
    let text = plain(text);
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
}

/// A line per action.
pub(in crate::cli) fn table(report: &Report, colours: bool) -> String {
    if report.summary.actions == 0 {
        return String::new();
    }
    let mut rows = Rows::new(["resource", "action", "because", "risk"]);
    for entry in &report.objects {
        for action in &entry.actions {
            let mark = if action.risk == Risk::None { Mark::Plain } else { Mark::Alarm };
            let risk = action.risk.words().map(str::to_owned);
            rows.add(
                mark,
                [Some(resource(entry)), Some(action.action.clone()), Some(action.because.clone()), risk],
            );
        }
    }
    rows.render(colours) + "\n"
}

fn resource(entry: &Entry) -> String {
    format!("{} {}/{}", entry.kind, entry.namespace, entry.name)
}

/// What each object is and what it becomes.
pub(in crate::cli) fn diff(report: &Report, colours: bool) -> String {
    let mut text = String::new();
    // Writing into a String can't fail.
    for entry in report.objects.iter().filter(|entry| !entry.actions.is_empty()) {
        let object = entry.object.as_deref().unwrap_or_default();
        let _ = write!(text, "{}", in_colour(colours, BOLD, &format!("{}: {object}", resource(entry))));
        let _ = entry.source.iter().try_for_each(|source| write!(text, "  # {}", plain(source)));
        text.push('\n');
        for action in &entry.actions {
            let risk = action.risk.words().map(|risk| format!("; {risk}")).unwrap_or_default();
            let line = format!("  # {}: {}{risk}", action.action, action.because);
            let code = if action.risk == Risk::None { "2" } else { YELLOW };
            let _ = writeln!(text, "{}", in_colour(colours, code, &line));
        }
        let nothing = Shown::new();
        let (before, after) =
            (entry.before.as_ref().unwrap_or(&nothing), entry.after.as_ref().unwrap_or(&nothing));
        let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let line = |sign: &str, value: &String| format!("  {sign} {name}: {value}");
            match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) if before == after => {
                    let _ = writeln!(text, "{}", plain(&line(" ", before)));
                }
                (before, after) => {
                    for (sign, code, value) in [("-", RED, before), ("+", GREEN, after)] {
                        let line = value.map(|value| in_colour(colours, code, &line(sign, value)));
                        let _ = line.iter().try_for_each(|line| writeln!(text, "{line}"));
                    }
                }
            }
        }
        text.push('\n');
    }
    text
}

/// What waits, what is held, and what else is worth knowing.
pub(in crate::cli) fn rest(report: &Report, colours: bool) -> String {
    let mut text = String::new();
    for entry in &report.objects {
        let (what, code) = match entry.state {
            State::Held => ("held", RED),
            State::Waits => ("waits", YELLOW),
            State::InOrder | State::Changes => ("note", "2"),
        };
        let source = entry.source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        let mut say = |code, what: &str, line: &str| {
            let what = in_colour(colours, code, what);
            let _ = writeln!(text, "{what}: {}{}: {}", resource(entry), plain(&source), plain(line));
        };
        if let (Some(reason), Some(message)) = (&entry.reason, &entry.message) {
            say(code, what, &format!("{reason}: {message}"));
        }
        entry.notes.iter().for_each(|note| say("2", "note", note));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// How many of what.
pub(in crate::cli) fn summary(report: &Report) -> String {
    let sum = &report.summary;
    let mut parts = vec![match sum.actions {
        0 => "nothing to do".to_owned(),
        1 => "1 action".to_owned(),
        many => format!("{many} actions on {} objects", sum.changing),
    }];
    let mut part = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(sum.risky, "of them to be looked at twice");
    part(sum.in_order, "in order");
    part(sum.waiting, "waiting");
    part(sum.held, "held");
    part(sum.left, "not come to");
    part(sum.undeclared, "of the set declared no longer (--prune removes them)");
    parts.join(", ") + "\n"
}

/// Prints a text that was made for people.
pub(in crate::cli) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// The whole as JSON.
pub(in crate::cli) fn print_json(report: &Report) -> anyhow::Result<()> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer_pretty(&mut stdout, report)?;
    stdout.write_all(b"\n")?;
    Ok(stdout.flush()?)
}
