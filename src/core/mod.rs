//! The pure core: values in, values out. No I/O, no clock, no randomness, no logging; time and randomness are
//! arguments. `tests/architecture.rs` reads the sources and fails where that isn't so.

pub mod access;
pub mod backoff;
pub mod balance;
pub mod claim;
pub mod condition;
pub mod deployment;
pub mod drift;
pub mod duration;
pub mod explain;
pub mod glob;
pub mod hold;
pub mod id;
pub mod installation;
pub mod kube_arangodb;
pub mod lease;
pub mod level;
pub mod limit;
pub mod maintenance;
pub mod name;
pub mod plan;
pub mod policy;
pub mod queue;
pub mod resource_name;
pub mod rights;
pub mod selector;
pub mod template;

pub use access::{Access, Subject};
pub use condition::{Status, Verdict};
pub use hold::{Hold, Reason};
pub use id::Id;
pub use level::Level;
pub use name::{CollectionName, DatabaseName, NameError, Scope, UserName, encode_segment};
pub use plan::{Because, Plan, Risk, Step};
pub use policy::{Consent, DriftPolicy, Origin, RemovalPolicy};
pub use rights::{Entry, Given, Rights, Rule, Wider};
