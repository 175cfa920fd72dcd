//! Compares what was printed with what a page shows, loosely: numbers, times and identifiers differ from run to run, and
//! so do the widths of columns and the order of rows.

/// Whether the output is as shown. Where a line of the page is `…`, any lines may stand; where `…` is in a line, any text.
pub(crate) fn is_shown(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| text.lines().map(loose).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let (mut shown, mut printed) = (lines(shown), lines(printed));
    if !shown.iter().any(|line| line.contains('…')) {
        // Servers have no order in which they list things.
        shown.sort();
        printed.sort();
    }
    matches(&shown, &printed, &|line| line == "…", &|shown, printed| {
        let (shown, printed): (Vec<_>, Vec<_>) = (shown.chars().collect(), printed.chars().collect());
        matches(&shown, &printed, &|c| *c == '…', &PartialEq::eq)
    })
}

/// Whether a sequence is as the pattern says, in which some elements stand for any number of others.
fn matches<T>(pattern: &[T], found: &[T], any: &dyn Fn(&T) -> bool, is: &dyn Fn(&T, &T) -> bool) -> bool {
    match (pattern.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if any(first) => {
            (0..=found.len()).any(|skipped| matches(rest, &found[skipped..], any, is))
        }
        (Some((first, rest)), Some((next, others))) => is(first, next) && matches(rest, others, any, is),
        _ => false,
    }
}

/// A line without what differs from run to run: words with a digit in them become `#`.
fn loose(line: &str) -> String {
    let mut text = String::new();
    for word in line.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        let mut run = String::new();
        for c in word.chars().chain(['\n']) {
            if c.is_alphanumeric() || c == '-' {
                run.push(c);
                continue;
            }
            text.push_str(if run.contains(|c: char| c.is_ascii_digit()) { "#" } else { &run });
            run.clear();
            // A rule of a table is as long as the table is wide.
            if c != '\n' && !(c == '─' && text.ends_with('─')) {
                text.push(c);
            }
        }
    }
    text
}

pub(crate) fn promises() {
    let table = " id              up for\n──────────\n CRDN-58-a1      3.2 s\n";
    assert!(is_shown(table, " id    up for\n────\n CRDN-ff-09   77.1 s\n"));
    assert!(!is_shown(table, " id    up for\n────\n CRDN-ff-09   77.1 m\n"));
    assert!(is_shown("first\n…\nlast", "first\nx\ny\nlast") && is_shown("first\n…\nlast", "first\nlast"));
    assert!(is_shown("made … of it", "made the best of it") && !is_shown("made … of it", "made the best"));
    assert!(is_shown("one\ntwo", "two\none") && !is_shown("one\none", "two\none"));
    assert!(!is_shown("one", "one\ntwo") && !is_shown("one\ntwo", "one"));
}
