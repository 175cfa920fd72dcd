//! The ArangoDB client: requests, coordinator pool, login. The only module that asks ArangoDB through reqwest.
//!
//! [`Client`] has one method per thing that is asked of a deployment and is told how by a [`Transport`]: a
//! [`Pool`] of coordinators in production, a model in property tests.

mod address;
mod answers;
mod auth;
mod client;
mod cluster;
mod connect;
mod dispatch;
mod endpoint;
mod error;
mod exchange;
mod gate;
mod health;
mod look;
mod observer;
mod pool;
mod probe;
mod rehearsal;
mod rights;
mod route;
mod server;
mod settings;
mod settle;
mod statistics;
#[cfg(test)]
mod tests;
mod token;
mod transport;
mod turns;

pub use answers::{Availability, CollectionInfo, Role, ServerInfo, Status, UserInfo, Version};
pub use auth::Auth;
pub use client::{Client, DatabaseOptions, Login, NewUser, UserChange};
pub use cluster::{Advertised, Cluster, Deployment, ServerMaintenance, Supervision, Targets};
#[cfg(feature = "otlp")]
pub(crate) use connect::why;
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Answer, Class, Error, Reason, What, class_of, quoted};
pub use gate::Gate;
pub use health::{Health, LastAcked, Member, MemberRole, MemberStatus};
pub use look::{CopyCount, DatabaseInfo};
pub use observer::Observer;
pub use pool::{CoordinatorState, Pool};
pub use rehearsal::Rehearsal;
pub use route::{Route, RouteError};
pub use server::{License, Mode};
pub use settings::{Connection, Tls};
pub use statistics::Statistics;
pub use transport::{Repeat, Request, Response, Transport};
