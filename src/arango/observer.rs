//! Somebody who is told of every exchange with a coordinator, for metrics.

use std::{fmt, time::Duration};

use http::StatusCode;

/// Is told of every exchange: requests, logins and probes, each attempt by itself.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A coordinator was asked. Without a status there was no answer: no connection, a lost one, or none in time.
    fn exchanged(&self, coordinator: &str, status: Option<StatusCode>, took: Duration);
}
