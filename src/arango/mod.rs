//! The ArangoDB client: requests, coordinator pool, login. The only module that knows reqwest.
//!
//! [`Client`] has one method per thing that is asked of a deployment and is told how by a [`Transport`]: a
//! [`Pool`] of coordinators in production, a model in property tests.

mod answers;
mod auth;
mod client;
mod connect;
mod dispatch;
mod endpoint;
mod error;
mod pool;
mod probe;
mod rights;
mod settings;
mod settle;
#[cfg(test)]
mod tests;
mod token;
mod transport;

pub use answers::{Availability, CollectionInfo, Role, ServerInfo, Status, UserInfo, Version};
pub use auth::Auth;
pub use client::{Client, DatabaseOptions, NewUser, UserChange};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Answer, Class, Error, Reason, What, class_of};
pub use pool::{CoordinatorState, Pool};
pub use settings::{Connection, Tls};
pub use transport::{Repeat, Request, Response, Transport};
