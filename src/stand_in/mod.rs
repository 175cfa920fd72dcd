//! An in-memory ArangoDB that answers over HTTP: as a single server, or as several coordinators over one state.
//!
//! The rules are in [`model`], which is pure; the rest puts sockets in front of it. The model shares no code with
//! the operator's own rules, so that a mistake has to be made twice to go unseen.

mod connection; // what happens on one connection
mod control; // the control port
mod deployment; // the coordinators' sockets
mod encoding; // compressed bodies
pub mod fault; // what goes wrong on demand
mod log; // which requests came
pub mod model; // pure: a request in, an answer and a new state out
mod replicas; // what each coordinator sees
pub mod server; // start, look, disturb, stop
mod shared; // the way of one request
mod tls; // certificates

pub use fault::{Fault, FaultRule};
pub use log::LogEntry;
pub use model::{Config, Model, Now, Request, Response, Topology};
pub use server::{Options, StandIn};
pub use tls::Tls;
