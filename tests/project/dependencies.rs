//! Every crate that is named in `Cargo.toml` has its reason in `docs/dev/dependencies.md`, and no other has.

use std::{collections::BTreeSet, path::Path};

use crate::{file, package, sources};

/// The first cells of the tables under a heading.
fn listed(page: &str, heading: &str) -> Vec<String> {
    let part = page.split("\n## ").find_map(|part| part.strip_prefix(heading)).unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| ")).skip(2);
    rows.map(|row| {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.trim().is_empty()), "{row}");
        cells[0].to_owned()
    })
    .collect()
}

#[test]
fn every_dependency_has_its_reason_and_no_other_has() {
    let page = file("docs/dev/dependencies.md");
    let package = package();
    for (heading, kind, optional) in [
        ("Linked into the program", None, false),
        ("Linked with a feature", None, true),
        ("For tests only", Some("dev"), false),
    ] {
        let named: BTreeSet<_> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].as_str() == kind && dependency["optional"] == optional)
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect();
        let listed = listed(&page, heading);
        assert_eq!(
            listed.iter().cloned().collect::<BTreeSet<_>>(),
            named,
            "{heading}: Cargo.toml names the latter"
        );
        assert!(listed.is_sorted(), "{heading}: in the order of their names: {listed:?}");
    }
}

#[test]
fn every_dependency_is_named_in_the_sources() {
    let package = package();
    let read = |folder: &str| sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let (linked_sources, test_sources) = (read("src"), [read("tests"), read("benches")].concat());
    let mut unused = BTreeSet::new();
    for dependency in package["dependencies"].as_array().unwrap() {
        let name = dependency["name"].as_str().unwrap().replace('-', "_");
        // A dependency of tests can't be optional, so what only the tests of a feature need is a normal one.
        let linked = dependency["kind"].is_null() && dependency["optional"] == false;
        let named_in =
            |sources: &[(_, String)]| sources.iter().any(|(_, text)| text.contains(&format!("{name}::")));
        let named = named_in(&linked_sources) || (!linked && named_in(&test_sources));
        // Used through its derive macros, or by naming the crate as a whole.
        let derived = ["thiserror", "serde"].contains(&&*name);
        if !named && !derived {
            unused.insert(name);
        }
    }
    assert!(unused.is_empty(), "nothing in the sources names {unused:?}");
}
