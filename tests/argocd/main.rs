//! A real Argo CD over the real API server: our kinds out of a git repository, as their users keep them.
//!
//! Argo CD's repository server and application controller run as processes, built once from the module in `dev/argocd`
//! (some minutes), and everybody else is as in `tests/operator.rs`. Argo CD's API server and web page are not run: what a
//! person starts there, an action or a sync by hand, is done with Argo CD's own code or through its objects.
//!
//! `cargo test --test argocd`; not a part of `cargo test`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod actions;
mod application;
mod argo;
mod commits;
mod deletion;
mod drift;
mod health;
mod install;
#[path = "../installed/mod.rs"]
mod installed;
mod kstatus;
mod process;
mod quiet;
mod repository;
mod shop;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the helpers of the tests of the operator, of which these need only some")]
mod support;
mod waves;

use std::time::Duration;

/// How long anything may take that takes a moment.
const LIMIT: Duration = Duration::from_secs(60);
