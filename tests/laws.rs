//! The laws of every kind, as properties, through the real client and the real flow, against the stand-in's model.
//!
//! No socket and no clock is in the way: requests are handed to the model as function calls.

#![allow(clippy::unwrap_used, clippy::panic)] // a test's helper may fail like the test itself

#[path = "laws/collection.rs"]
mod collection; // of the kind in docs/adding-a-kind.md
#[path = "laws/database.rs"]
mod database;
#[path = "laws/empty.rs"]
mod empty;
#[allow(dead_code, unreachable_pub, reason = "as they are written into the crate by who follows the page")]
#[path = "adding_a_kind/mod.rs"]
mod example; // the files of docs/adding-a-kind.md
#[path = "laws/generate.rs"]
mod generate; // servers, specs, changes by chance
#[path = "laws/law.rs"]
mod law; // the laws themselves, for any kind
#[path = "laws/permission.rs"]
mod permission;
#[path = "laws/together.rs"]
mod together; // all kinds on one server whose snapshot is kept
#[path = "laws/user.rs"]
mod user;
#[path = "laws/world.rs"]
mod world; // a server that counts and cuts, and what survives a crash

// What the example finds in the crate.
use arango_operator::{arango, core, kinds, reconcile};
