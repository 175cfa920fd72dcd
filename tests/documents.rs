//! What the documents promise is so, as far as the files tell. What they tell people to do is done in `tests/docs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

#[allow(dead_code, reason = "tests/docs looks at the blocks, with the same code")]
#[path = "docs/page.rs"]
mod page;

use std::{collections::BTreeSet, fs, path::Path};

use page::{Page, pages, root};

/// The names of all functions under a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(path).unwrap();
            let found = source.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(found.map(str::to_owned));
        }
    }
}

/// The names of all tests that a page names in backquotes in the last column of its tables.
fn named_tests(page: &Page, heading: &str) -> Vec<String> {
    let text = page.text.split_once(heading).unwrap_or_else(|| panic!("{} has no {heading:?}", page.name)).1;
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let mut tests = Vec::new();
    for row in rows {
        let named: Vec<_> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{}: no test in: {row}", page.name);
        tests.extend(named.into_iter().map(str::to_owned));
    }
    tests
}

fn read(name: &str) -> Page {
    Page::parse(name.to_owned(), fs::read_to_string(root().join(name)).unwrap())
}

#[test]
fn every_complaint_about_other_operators_and_every_invariant_names_a_test_that_is_there() {
    let mut tests = BTreeSet::new();
    functions(&root().join("tests"), &mut tests);
    functions(&root().join("src"), &mut tests);
    for (page, heading) in [("docs/peers.md", "# "), ("docs/architecture.md", "## What always holds")] {
        let named = named_tests(&read(page), heading);
        assert!(named.len() > 12, "{named:?}");
        for name in named {
            assert!(tests.contains(&name), "there is no test {name}, which {page} names");
        }
    }
}

#[test]
fn what_the_page_about_adding_a_kind_shows_is_what_is_compiled_and_held_to_the_laws() {
    let page = read("docs/adding-a-kind.md");
    for name in ["crd.rs", "plan.rs", "mod.rs"] {
        let path = format!("file src/kinds/collection/{name}");
        let shown: Vec<_> = page.blocks.iter().filter(|block| block.notes.contains(&path)).collect();
        let compiled = fs::read_to_string(root().join("tests/adding_a_kind").join(name)).unwrap();
        assert_eq!(shown.len(), 1, "{name}");
        assert!(
            shown[0].text == compiled,
            "docs/adding-a-kind.md shows another {name} than tests/adding_a_kind has"
        );
    }
}

#[test]
fn every_page_is_in_the_index() {
    let index = read("docs/README.md");
    let linked: BTreeSet<_> = index.links().into_iter().map(|(_, target)| resolve(&index, target)).collect();
    let missing: Vec<_> = pages()
        .into_iter()
        .filter(|page| page.name.starts_with("docs/") && page.name != index.name)
        // Many of a sort are listed by a page of their own.
        .filter(|page| !["docs/adr/", "docs/runbooks/"].iter().any(|folder| page.name.starts_with(folder)))
        .filter(|page| !linked.contains(&page.name))
        .map(|page| page.name)
        .collect();
    assert!(missing.is_empty(), "docs/README.md leads to everything but {missing:?}");
    for page in ["deploy/README.md", "examples/README.md", "docs/adr/README.md"] {
        assert!(linked.contains(page), "docs/README.md doesn't lead to {page}");
    }
}

#[test]
fn every_link_and_every_anchor_leads_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    let mut found = 0;
    for page in &pages {
        for (line, target) in page.links() {
            found += 1;
            let resolved = resolve(page, target);
            let anchor = target.split_once('#').map(|(_, anchor)| anchor);
            let there = root().join(&resolved).exists();
            let anchored = anchor.is_none_or(|anchor| {
                let of = pages.iter().find(|page| page.name == resolved);
                of.is_some_and(|page| page.anchors().iter().any(|found| found == anchor))
            });
            if !there || !anchored {
                broken.push(format!("{}:{line}: {target}", page.name));
            }
        }
    }
    assert!(found > 100, "{found}");
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

/// The path from the repository's root that a link on a page means.
fn resolve(page: &Page, target: &str) -> String {
    let path = target.split('#').next().unwrap();
    if path.is_empty() {
        return page.name.clone();
    }
    let mut parts: Vec<_> = page.name.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
