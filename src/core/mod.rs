//! The pure core: values in, values out. No I/O, no clock, no randomness, no logging; time and randomness are
//! arguments. `tests/architecture.rs` reads the sources and fails where that isn't so.

pub mod balance;
pub mod level;
pub mod name;
pub mod rights;

pub use level::Level;
pub use name::{CollectionName, DatabaseName, NameError, Scope, UserName, encode_segment};
pub use rights::{Entry, Rights};
