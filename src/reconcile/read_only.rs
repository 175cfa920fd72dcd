//! Read-only mode of a server: what is to be done waits. Asked for only where something is to be done.

use super::{Look, Part, Server, outcome::of_error};
use crate::{
    arango::{Class, Client, Error, Mode},
    core::{Hold, Reason},
};

/// Whether the server is in read-only mode (reference: information, server mode).
struct ReadOnly;

impl Part for ReadOnly {
    type Key = ();
    type Value = bool;

    async fn read(client: &Client, (): &()) -> Result<bool, Error> {
        Ok(client.mode().await? == Mode::ReadOnly)
    }
}

/// Whether the server is in read-only mode. Where that can't be told, the write itself will.
///
/// A superuser could write all the same, and doesn't: whoever set that mode wants nothing to change.
pub(super) async fn is_on(server: &Server, look: Look) -> bool {
    server.read::<ReadOnly, _>(&(), look, |is| *is).await.unwrap_or(false)
}

/// What an error means for a resource. In read-only mode an administrator is refused with the same number as anybody
/// who may not (reference: general rules, temporary errors), so that the server is asked.
pub(super) async fn explain(server: &Server, look: Look, error: &Error, doing: &str) -> Hold {
    if error.class() == Class::Denied {
        // What was known let a write pass.
        server.forget::<ReadOnly>(&());
        if is_on(server, look).await {
            let message = format!(
                "could not {doing}: the server is in read-only mode; going on when it takes writes again"
            );
            return Hold::new(Reason::ServerReadOnly, message);
        }
    }
    of_error(error, doing)
}
