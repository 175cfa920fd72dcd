//! Whether this process may act. Every request to ArangoDB and every write to Kubernetes asks here right before it is
//! sent: the former by the [`Gate`] of its connection, the latter by the client itself ([`Lead::guard`]).
//!
//! What has closed never opens again in this process. So nothing that was refused here is ever told in a status: that
//! would be a write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use kube::{Client, client::Body};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tower::{BoxError, service_fn};

use crate::arango::Gate;

/// Why a write to Kubernetes was not sent.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("this replica doesn't hold the lease; nothing was written")]
pub struct NotLeader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is nobody else.
    Always,
    /// Somebody else acts.
    Waiting,
    /// Nobody else acts until then, by [`clock`].
    Until(Duration),
    /// Somebody else may act, and this process won't any more.
    Over,
}

/// Whether this process may act.
#[derive(Debug)]
pub struct Lead {
    state: Mutex<State>,
    /// Whether the Lease could be read.
    looked: AtomicBool,
    /// Whether it is about to be released.
    ending: AtomicBool,
}

impl Lead {
    /// For one that is alone.
    pub fn always() -> Self {
        Self {
            state: Mutex::new(State::Always),
            looked: AtomicBool::new(true),
            ending: AtomicBool::new(false),
        }
    }

    /// For one of several.
    pub fn candidate() -> Self {
        Self {
            state: Mutex::new(State::Waiting),
            looked: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }
    }

    /// Nobody else acts until then, by [`clock`]. Tells whether that comes in time; if not, it is over.
    pub fn hold(&self, until: Duration) -> bool {
        let mut state = self.state.lock();
        match *state {
            State::Until(before) if clock() >= before => *state = State::Over,
            State::Waiting | State::Until(_) => *state = State::Until(until),
            State::Always | State::Over => {}
        }
        *state != State::Over
    }

    /// Nothing begins from here on, and the lease is kept until what is under way has ended. One that is alone goes on: nobody
    /// waits for it.
    pub fn begin_no_more(&self) {
        self.ending.store(*self.state.lock() != State::Always, Ordering::Relaxed);
    }

    /// The lease is over. Nothing begins from here on.
    pub fn close(&self) {
        *self.state.lock() = State::Over;
    }

    /// The Lease could be read.
    pub fn has_looked(&self) {
        self.looked.store(true, Ordering::Relaxed);
    }

    /// Whether it could: one that can't would never take over.
    pub fn could_look(&self) -> bool {
        self.looked.load(Ordering::Relaxed)
    }

    /// A client that writes only while this process may act. Reading goes on.
    pub fn guard(self: &Arc<Self>, client: &Client) -> Client {
        if *self.state.lock() == State::Always {
            return client.clone();
        }
        let (lead, namespace) = (Arc::clone(self), client.default_namespace().to_owned());
        let client = client.clone();
        let service = service_fn(move |request: Request<Body>| {
            let may_begin = request.method().is_safe() || lead.is_open();
            let client = client.clone();
            async move {
                if !may_begin {
                    return Err(BoxError::from(NotLeader));
                }
                client.send(request).await.map_err(BoxError::from)
            }
        });
        Client::new(service, namespace)
    }
}

impl Gate for Lead {
    fn is_open(&self) -> bool {
        let mut state = self.state.lock();
        match *state {
            State::Always => true,
            State::Waiting | State::Over => false,
            State::Until(until) if clock() < until => !self.ending.load(Ordering::Relaxed),
            State::Until(_) => {
                *state = State::Over;
                false
            }
        }
    }
}

/// The time since the machine was started. Nobody sets this clock, and it goes on while the machine sleeps.
pub fn clock() -> Duration {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    // Neither is negative.
    clock_gettime(CLOCK).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_closed_never_opens_again() {
        let lead = Lead::candidate();
        assert!(!lead.is_open(), "somebody else acts");
        assert!(lead.hold(clock() + Duration::from_secs(60)) && lead.is_open());
        lead.close();
        assert!(!lead.hold(clock() + Duration::from_secs(60)) && !lead.is_open());
    }

    #[test]
    fn what_comes_after_the_time_is_over_is_too_late() {
        for asked_in_between in [true, false] {
            let lead = Lead::candidate();
            assert!(lead.hold(clock()));
            if asked_in_between {
                assert!(!lead.is_open());
            }
            assert!(!lead.hold(clock() + Duration::from_secs(60)) && !lead.is_open());
        }
    }

    #[test]
    fn one_that_is_about_to_end_begins_nothing_and_keeps_its_lease() {
        let lead = Lead::candidate();
        assert!(lead.hold(clock() + Duration::from_secs(60)));
        lead.begin_no_more();
        assert!(!lead.is_open() && lead.hold(clock() + Duration::from_secs(61)) && !lead.is_open());
        let alone = Lead::always();
        alone.begin_no_more();
        assert!(alone.is_open(), "what it has begun it brings to its end");
    }

    #[test]
    fn one_that_is_alone_always_acts() {
        let lead = Lead::always();
        assert!(lead.is_open() && lead.could_look());
    }
}
