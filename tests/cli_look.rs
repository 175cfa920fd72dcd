//! What a person looks at a deployment with, as a process: `explain`, `matrix`, `export`, and the habits of the command
//! line.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cli_support;
#[allow(dead_code, reason = "a browser's driver is no program to build")]
mod installed;

mod cli_look {
    mod browser;
    mod explain;
    mod export;
    mod habits;
    mod matrix;
}
