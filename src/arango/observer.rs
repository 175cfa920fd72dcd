//! Somebody who is told of every exchange with a coordinator, for metrics.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;

/// Is told of every exchange: requests, logins and probes, each attempt by itself.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A coordinator was asked. Without a status there was no answer: no connection, a lost one, or none in time.
    fn exchanged(&self, coordinator: &str, status: Option<StatusCode>, took: Duration);
}

/// One exchange, told of when it ends, however it ends.
pub(super) struct Exchange<'a> {
    pub(super) observer: Option<&'a Arc<dyn Observer>>,
    pub(super) coordinator: &'a str,
    pub(super) began: Instant,
    pub(super) status: Option<StatusCode>,
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer {
            observer.exchanged(self.coordinator, self.status, self.began.elapsed());
        }
    }
}
