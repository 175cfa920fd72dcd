//! `plan` and `apply`: without a process, so that they can be killed at any request; and as the program that people run.

#![allow(clippy::unwrap_used, clippy::panic)] // a test's helper may fail like the test itself

mod cli_support;
#[path = "offline/killed.rs"]
mod killed; // cut off anywhere, the next one finds the rest
#[path = "offline/program.rs"]
mod program; // what the program prints, asks and refuses
#[path = "offline/sets.rs"]
mod sets; // what is remembered, taken away, and left to others
#[path = "offline/stage.rs"]
mod stage; // manifests and a server without sockets
