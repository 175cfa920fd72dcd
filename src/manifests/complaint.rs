//! What is wrong with a manifest, for the person who wrote it: where, the line itself, and what to do.

use std::{fmt, sync::Arc};

use super::node::At;

/// Longest piece of a line that is shown, in characters.
const SHOWN_MAX: usize = 120;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file as it was named, `-` for standard input, or where else it is from.
    pub source: Arc<str>,
    /// The line, from 1; 0 where there are no lines.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Location {
    /// A place in a text.
    pub fn new(source: &Arc<str>, at: At) -> Self {
        Self { source: Arc::clone(source), line: at.line, column: at.column }
    }

    /// Whether it is a place in a text, and not an object of a cluster.
    pub fn is_in_a_text(&self) -> bool {
        self.line > 0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, line, column } = self;
        if self.is_in_a_text() { write!(f, "{source}:{line}:{column}") } else { write!(f, "{source}") }
    }
}

/// One thing that is wrong. Printed, it has no line break at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Where; nothing if it is about no place in particular.
    pub at: Option<Location>,
    /// Whose: kind and name, as far as they could be read.
    pub about: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// The line that it is about, without what could be a secret.
    pub snippet: Option<String>,
}

impl Complaint {
    /// About no place in particular.
    pub fn new(message: impl Into<String>) -> Self {
        Self { at: None, about: None, message: message.into(), remedy: None, snippet: None }
    }

    /// About a place in a text.
    pub fn at(location: Location, message: impl Into<String>) -> Self {
        Self { at: Some(location), ..Self::new(message) }
    }

    /// With what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Whose it is.
    #[must_use]
    pub fn about(mut self, about: Option<String>) -> Self {
        self.about = about;
        self
    }

    /// With the line of the text that it is about.
    #[must_use]
    pub fn shown(mut self, text: &str) -> Self {
        self.snippet = self.at.as_ref().and_then(|at| line(text, at));
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, about, message, remedy, snippet } = self;
        if let Some(at) = at {
            write!(f, "{at}: ")?;
        }
        if let Some(about) = about {
            write!(f, "{}: ", visible(about))?;
        }
        f.write_str(&visible(message))?;
        if let (Some(snippet), Some(at)) = (snippet, at) {
            let number = at.line.to_string();
            let gutter = " ".repeat(number.len());
            write!(f, "\n  {number} | {snippet}")?;
            let column = usize::try_from(at.column).unwrap_or(1).max(1);
            if column <= snippet.chars().count() {
                let width = width(snippet, column);
                write!(f, "\n  {gutter} | {}{}", " ".repeat(column - 1), "^".repeat(width))?;
            }
        }
        if let Some(remedy) = remedy {
            write!(f, "\n  = {}", visible(remedy))?;
        }
        Ok(())
    }
}

/// What a terminal would obey is written out.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
}

/// How many characters from that column on belong to one word.
fn width(line: &str, column: usize) -> usize {
    let word = |c: &char| c.is_alphanumeric() || "-_.\"'*/".contains(*c);
    line.chars().skip(column - 1).take_while(word).count().max(1)
}

/// A line as it may be shown: without control characters, without what follows a word like `password`, and without what
/// stands before an @ in an address.
fn line(text: &str, at: &Location) -> Option<String> {
    let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.lines().nth(index)?;
    if !names_field(line)
        && text.lines().take(index).collect::<Vec<_>>().iter().rev().any(begins_secret(line))
    {
        return None;
    }
    let line: String = line.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(without_logins(&without_passwords(&line)))
}

/// What a field with a secret in it is called, in part.
const SECRETS: [&str; 6] = ["pass", "secret", "token", "key", "pwd", "credential"];

/// Whether a line begins with a field's name of its own, so that it is no part of the value above it.
fn names_field(line: &str) -> bool {
    let name = line.trim_start().trim_start_matches("- ").split_once(':').map(|(name, _)| name.trim());
    name.is_some_and(|name| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.\"'".contains(c))
    })
}

/// Whether a line above, the nearest that is indented less, is the field that another line is the value of, and that is
/// called like a secret. It is asked about one line after the other, upwards.
fn begins_secret(line: &str) -> impl FnMut(&&str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (inside, mut found) = (indent(line), false);
    move |above: &&str| {
        if found || above.trim().is_empty() || indent(above) >= inside && inside > 0 {
            return false;
        }
        found = true;
        let above = above.to_ascii_lowercase();
        SECRETS.iter().any(|word| above.contains(word))
    }
}

/// Cuts behind `password:`, `"token": ` and the like.
fn without_passwords(line: &str) -> String {
    // ASCII's letters alone change, so that the positions are those of the line.
    let lower = line.to_ascii_lowercase();
    let cut = SECRETS.iter().filter_map(|word| {
        let begin = lower.find(word)?;
        let colon = begin + lower[begin..].find(':')?;
        let rest = line[colon + 1..].trim();
        // A place that only names where the secret is begins a map of its own.
        (!rest.is_empty() && rest != "{").then_some(colon + 1)
    });
    match cut.min() {
        None => line.to_owned(),
        Some(end) => format!("{} …", &line[..end]),
    }
}

fn without_logins(line: &str) -> String {
    match (line.find("://"), line.rfind('@')) {
        (Some(begin), Some(end)) if begin < end => format!("{}…{}", &line[..begin + 3], &line[end..]),
        _ => line.to_owned(),
    }
}

/// The nearest of some names, if it is near enough to be what was meant.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Longer ones cost more than they could tell.
    if name.len() > 64 {
        return None;
    }
    let limit = name.chars().count().max(3) / 3;
    let distance = |other: &str| distance(&name.to_lowercase(), &other.to_lowercase());
    let near = names.into_iter().map(|other| (distance(other), other)).filter(|(d, _)| *d <= limit);
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// How many letters must be changed, put in, taken out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            next[j] = (row[j] + 1).min(next[j - 1] + 1).min(row[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str, line: u32, column: u32) -> String {
        let location = Location { source: "shop.yaml".into(), line, column };
        Complaint::at(location, "unknown field spec.nmae")
            .remedy("did you mean name?")
            .shown(text)
            .to_string()
    }

    #[test]
    fn a_complaint_shows_place_line_and_remedy() {
        assert_eq!(
            complaint("spec:\n  nmae: shop\n", 2, 3),
            "shop.yaml:2:3: unknown field spec.nmae\n  2 |   nmae: shop\n    |   ^^^^\n  = did you mean name?"
        );
    }

    #[test]
    fn nothing_that_could_be_a_secret_is_shown() {
        for text in [
            "password: canary",
            "{\"apiToken\": \"canary\", x: 1}",
            "- http://root:canary@host:1",
            "jwtSecret : canary",
        ] {
            let shown = complaint(text, 1, 1);
            assert!(!shown.contains("canary"), "{shown}");
        }
        for text in ["password:\n  canary", "a:\n  token: |\n    one\n    a canary"] {
            let last = u32::try_from(text.lines().count()).unwrap();
            let shown = complaint(text, last, 3);
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert!(complaint("options:\n  - a", 2, 5).contains("  - a"));
        assert!(complaint("  passwordPolicy: {", 1, 3).contains("passwordPolicy: {"));
        assert!(!complaint("\u{1b}[31mred", 1, 1).contains('\u{1b}'));
    }

    #[test]
    fn a_slip_of_the_finger_is_near_and_another_word_is_not() {
        let fields = ["name", "options", "deletionPolicy", "clusterRef", "drift"];
        for (wrong, right) in [
            ("nmae", Some("name")),
            ("Name", Some("name")),
            ("option", Some("options")),
            ("deletePolicy", Some("deletionPolicy")),
            ("cluster_ref", Some("clusterRef")),
            ("replication", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, fields), right, "{wrong}");
        }
    }
}
