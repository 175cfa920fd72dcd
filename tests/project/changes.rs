//! `CHANGELOG.md` has the form of Keep a Changelog, which people and programs read.

use crate::file;

/// The headings that there are, in their order.
const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

/// What is wrong with a changelog; the version is the one of `Cargo.toml`.
fn wrong(text: &str, version: &str) -> Option<String> {
    let mut sections = text.split("\n## ");
    if !sections.next().is_some_and(|head| head.starts_with("# ") && head.contains("keepachangelog.com")) {
        return Some("it begins with a title and says which form it has".into());
    }
    let sections: Vec<_> =
        sections.map(|section| section.split_once('\n').unwrap_or((section, ""))).collect();
    if sections.first().is_none_or(|(heading, _)| *heading != "Unreleased") {
        return Some("the first section is `Unreleased`, also when it is empty".into());
    }
    let mut before: Option<(Vec<u64>, &str)> = None;
    for (heading, body) in &sections {
        let mut last = None;
        for line in body.lines() {
            let kind =
                line.strip_prefix("### ").map(|kind| (kind, KINDS.iter().position(|known| *known == kind)));
            match kind {
                Some((kind, None)) => return Some(format!("{heading}: `{kind}` is none of {KINDS:?}")),
                Some((kind, Some(place))) if Some(place) <= last => {
                    return Some(format!("{heading}: `{kind}` is twice or out of order"));
                }
                Some((_, place)) => last = place,
                None if line.starts_with("- ") && last.is_none() => {
                    return Some(format!("{heading}: under no heading: {line}"));
                }
                None => {}
            }
        }
        if *heading == "Unreleased" {
            continue;
        }
        let Some((release, date)) = heading.split_once(" - ") else {
            return Some(format!("`{heading}` is not `VERSION - DATE`"));
        };
        let numbers: Option<Vec<u64>> = release.split('.').map(|number| number.parse().ok()).collect();
        let Some(numbers) = numbers.filter(|numbers| numbers.len() == 3) else {
            return Some(format!("`{release}` is no version"));
        };
        if date.parse::<jiff::civil::Date>().is_err() {
            return Some(format!("`{date}` is no date"));
        }
        if before.is_some_and(|(later, day)| later <= numbers || day < date) {
            return Some(format!("{release} is below a version that isn't younger"));
        }
        before = Some((numbers, date));
    }
    let released = sections.get(1).map(|(heading, _)| heading.split(' ').next().unwrap_or_default());
    if released.is_some_and(|released| released != version) {
        return Some(format!("the youngest version is {released:?}, and Cargo.toml says {version}"));
    }
    None
}

#[test]
fn the_changelog_has_its_form() {
    assert_eq!(wrong(&file("CHANGELOG.md"), env!("CARGO_PKG_VERSION")), None);
}

#[test]
fn what_is_no_changelog_is_told() {
    let head = "# Changes\n\n[Keep a Changelog](https://keepachangelog.com)\n";
    let good = format!(
        "{head}\n## Unreleased\n\n## 0.2.0 - 2026-11-21\n\n### Added\n\n- a\n\n### Fixed\n\n- b\n\n## 0.1.0 - 2026-01-02\n"
    );
    assert_eq!(wrong(&good, "0.2.0"), None);
    for (from, to, told) in [
        ("## Unreleased\n", "", "the first section"),
        ("keepachangelog", "example", "which form"),
        ("### Fixed", "### Added", "twice or out of order"),
        ("### Fixed", "### News", "none of"),
        ("### Added\n", "", "under no heading"),
        ("0.2.0 - 2026-11-21", "0.2.0", "not `VERSION - DATE`"),
        ("2026-11-21", "2026-13-21", "no date"),
        ("0.2.0", "0.2", "no version"),
        ("0.1.0", "0.3.0", "isn't younger"),
        ("2026-01-02", "2026-12-02", "isn't younger"),
        ("0.2.0", "0.2.1", "Cargo.toml says"),
    ] {
        let answer = wrong(&good.replacen(from, to, 1), "0.2.0");
        assert!(answer.as_deref().is_some_and(|answer| answer.contains(told)), "{from}: {answer:?}");
    }
}
