//! What the pages say is so: every command on them is run, in their order, and every manifest is taken by a real API
//! server. `docs/dev/README.md` says how a page tells what its commands need.
//!
//! Not a part of `cargo test`, for it takes minutes: `cargo test --test docs`, and a word of a page's name for one page.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod desk; // what a page's commands find
mod expected; // what is shown and what is printed
mod manifests; // YAML
#[allow(dead_code, reason = "tests/documents.rs looks at the prose, with the same code")]
mod page; // Markdown
mod shell; // commands
mod walk; // one page from top to bottom

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use walk::{Walked, has_commands, not_run, walk};

/// Two control planes at a time are what two cores can do.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let runtime = Arc::new(Runtime::new().unwrap());
    let told = Arc::new(Mutex::new(Walked::default()));
    let mut trials = vec![Trial::test("the comparison of outputs", || {
        expected::promises();
        Ok(())
    })];
    for page in page::pages() {
        if !has_commands(&page) {
            let unrun: Result<Vec<_>, _> = page.blocks.iter().map(|block| not_run(&page, block)).collect();
            match unrun {
                Ok(unrun) => told.lock().not_run.extend(unrun.into_iter().flatten()),
                Err(why) => trials.push(Trial::test(page.name.clone(), || Err(Failed::from(why)))),
            }
            continue;
        }
        let (runtime, told) = (Arc::clone(&runtime), Arc::clone(&told));
        trials.push(Trial::test(page.name.clone(), move || {
            let Walked { run, not_run, only_checked } = runtime.block_on(walk(&page))?;
            let mut told = told.lock();
            told.run += run;
            told.not_run.extend(not_run);
            told.only_checked.extend(only_checked);
            Ok(())
        }));
    }
    let of_manifests = Arc::clone(&runtime);
    trials.push(Trial::test("manifests", move || {
        let (taken, wrong) = of_manifests.block_on(manifests::taken(&page::pages()));
        println!("{taken} manifests were taken by an API server");
        if wrong.is_empty() { Ok(()) } else { Err(Failed::from(wrong.join("\n"))) }
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        report(&told.lock());
    }
    conclusion.exit_code()
}

/// Says what was run, and what was not.
fn report(told: &Walked) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (place, reason) in &told.not_run {
        reasons.entry(reason).or_default().push(place);
    }
    println!("\ncommands and blocks of commands that were run: {}", told.run);
    for (reason, places) in reasons {
        println!("not run, only read ({}): {reason}: {}", places.len(), places.join(", "));
    }
    if !told.only_checked.is_empty() {
        println!(
            "not run, but what they name is there ({}): {}",
            told.only_checked.len(),
            told.only_checked.join("; ")
        );
    }
}
