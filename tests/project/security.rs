//! What `SECURITY.md` promises is kept by tests that are there.

use std::path::Path;

use crate::{file, sources};

#[test]
fn every_promise_of_security_names_a_test_that_is_there() {
    let tests = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let page = file("SECURITY.md");
    let table = page.lines().skip_while(|line| *line != "| promise | test |").skip(2);
    let rows: Vec<_> = table.take_while(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 12, "{rows:?}");
    for row in rows {
        let named: Vec<_> = row.split('`').skip(1).step_by(2).filter(|name| name.contains('_')).collect();
        assert!(!named.is_empty(), "no test in: {row}");
        for name in named {
            let test = format!("fn {name}(");
            let there = tests.iter().any(|(_, text)| text.contains(&test));
            assert!(there, "there is no test {name}, which SECURITY.md names");
        }
    }
}
