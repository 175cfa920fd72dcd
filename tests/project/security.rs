//! What `SECURITY.md` promises is kept by tests that are there.

use std::{fs, path::Path};

use crate::file;

/// All Rust sources under a folder, one after the other.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_promise_of_security_names_a_test_that_is_there() {
    let mut tests = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), &mut tests);
    let page = file("SECURITY.md");
    let table = page.lines().skip_while(|line| *line != "| promise | test |").skip(2);
    let rows: Vec<_> = table.take_while(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 12, "{rows:?}");
    for row in rows {
        let named: Vec<_> = row.split('`').skip(1).step_by(2).filter(|name| name.contains('_')).collect();
        assert!(!named.is_empty(), "no test in: {row}");
        for name in named {
            assert!(
                tests.contains(&format!("fn {name}(")),
                "there is no test {name}, which SECURITY.md names"
            );
        }
    }
}
