//! Somebody who is asked before every request whether it may begin.

use std::fmt;

/// Is asked right before bytes are sent: requests, logins and probes, each attempt by itself.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Whether a request may begin now. Where it may not, nothing is sent, and the error is [`super::Error::NotAllowed`].
    fn is_open(&self) -> bool;
}
