//! An in-memory ArangoDB that answers over HTTP: as a single server, or as several coordinators over one state.
//!
//! The rules are in [`model`], which is pure; the rest puts sockets in front of it. The model shares no code with
//! the operator's own rules, so that a mistake has to be made twice to go unseen.

mod connection; // what happens on one connection
mod log; // which requests were answered
pub mod model; // pure: a request in, an answer and a new state out
pub mod server; // listeners, start and stop

pub use log::LogEntry;
pub use model::{Config, Model, Now, Request, Response, Topology};
pub use server::{Options, StandIn};
