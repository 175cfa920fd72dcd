//! The `ArangoDB` client: requests, coordinator pool, login. The only module that knows reqwest.
//!
//! [`Client`] has one method per thing that is asked of a deployment and is told how by a [`Transport`]: a
//! pool of coordinators in production, a model in property tests.

mod answers;
mod client;
mod error;
mod rights;
mod transport;

pub use answers::{Availability, CollectionInfo, Role, ServerInfo, Status, UserInfo, Version};
pub use client::{Client, DatabaseOptions, NewUser, UserChange};
pub use error::{Answer, Class, Error, Reason, What, class_of};
pub use transport::{Repeat, Request, Response, Transport};
