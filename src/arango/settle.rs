//! Creations and removals whose answer was lost: whether they happened is found out by looking.
//!
//! What creates or removes is never simply sent again. After a lost answer the client looks for the effect. If it is
//! there, all is well. If it is not:
//! - A *creation* is sent once more, and only after looks over a whole second have not found it. The first may be on its
//!   way still, in a coordinator that hangs, and even that does no harm: names are unique on the server, so whichever of
//!   the two comes second is refused with "exists already", and after that answer the client looks again. What a late one
//!   could do is to make anew what somebody removed meanwhile; that is so of every request whose answer is lost, with
//!   or without a second one.
//! - A *removal* is not sent again. The object that the look finds may be a new one under the old name, and whether
//!   it may be removed is for the caller to decide, who looks again for that.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use super::{
    Class, Client, Error, NewUser, Request, UserInfo, What,
    client::{DATABASE, USER, user_path},
};
use crate::core::{DatabaseName, UserName};

/// The waits between looks, before each but the first. Another coordinator sees a change a moment later (reference:
/// users, consistency).
const WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(600)];

/// What a request is to bring about.
#[derive(Clone, Copy)]
pub(super) enum Effect<'a> {
    /// The database is there.
    Database(&'a DatabaseName),
    /// The database is gone.
    NoDatabase(&'a DatabaseName),
    /// The user is there, as he was to be.
    User(&'a UserName, &'a NewUser<'a>),
    /// The user is gone.
    NoUser(&'a UserName),
}

/// What a look found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The effect.
    Effect,
    /// Not yet, or never.
    NoEffect,
    /// Something else under that name, or nothing that proves anything.
    Other,
}

/// Whether a creation that was not carried out may be by another coordinator. One that had all of its time would not
/// be, and what ArangoDB itself says stands, but that it is shutting down.
fn worth_another(error: &Error) -> bool {
    match error {
        Error::Lost { .. } => true,
        Error::Answer(answer) => {
            answer.status.is_server_error() && matches!(answer.error_num, None | Some(30))
        }
        _ => false,
    }
}

impl Client {
    /// Sends a creation, and looks for its effect if the answer is lost.
    pub(super) async fn create(&self, body: Value, effect: Effect<'_>) -> Result<(), Error> {
        let path = match effect {
            Effect::Database(_) | Effect::NoDatabase(_) => DATABASE,
            Effect::User(..) | Effect::NoUser(_) => USER,
        };
        let request = Request::new(Method::POST, path).body(body);
        let Err(lost) = self.call(request.clone()).await else { return Ok(()) };
        match self.after(&lost, effect).await {
            Found::Effect => return Ok(()),
            Found::NoEffect if worth_another(&lost) => {}
            Found::NoEffect | Found::Other => return Err(lost),
        }
        match self.call(request).await {
            Ok(_) => Ok(()),
            // The first one came to it after all, and is not to be seen everywhere yet; or this one is lost, too.
            Err(error) if error.class() == Class::Exists || error.may_have_run() => {
                if self.looks(effect).await == Found::Effect { Ok(()) } else { Err(lost) }
            }
            // This one was not carried out. Of the first one nothing more is known than before.
            Err(_) => Err(lost),
        }
    }

    /// Sends a removal, and looks for its effect if the answer is lost.
    pub(super) async fn remove(&self, path: String, effect: Effect<'_>) -> Result<(), Error> {
        let Err(lost) = self.call(Request::new(Method::DELETE, path)).await else { return Ok(()) };
        if self.after(&lost, effect).await == Found::Effect { Ok(()) } else { Err(lost) }
    }

    /// What there is after an error: nothing to look for, if it says that nothing was done.
    async fn after(&self, error: &Error, effect: Effect<'_>) -> Found {
        if error.may_have_run() { self.looks(effect).await } else { Found::Other }
    }

    /// Looks until there is something to see, or a second is over. A look that fails proves nothing.
    async fn looks(&self, effect: Effect<'_>) -> Found {
        let mut waits = WAITS.into_iter();
        loop {
            match self.look(effect).await {
                Ok(Found::NoEffect) => {}
                Ok(found) => return found,
                Err(_) => return Found::Other,
            }
            let Some(wait) = waits.next() else { return Found::NoEffect };
            self.pause(wait).await;
        }
    }

    async fn look(&self, effect: Effect<'_>) -> Result<Found, Error> {
        let found = |effect| if effect { Found::Effect } else { Found::NoEffect };
        match effect {
            Effect::Database(name) => Ok(found(self.databases().await?.contains(name))),
            Effect::NoDatabase(name) => Ok(found(!self.databases().await?.contains(name))),
            Effect::NoUser(name) => Ok(found(self.user_info(name).await?.is_none())),
            Effect::User(name, new) => {
                let Some(info) = self.user_info(name).await? else { return Ok(Found::NoEffect) };
                let alike = info.active == new.active && info.extra == new.extra;
                // Who is not active can't log in, so of his password nothing can be proven.
                let ours = alike && new.active && self.verify_password(name, new.password).await?;
                Ok(if ours { Found::Effect } else { Found::Other })
            }
        }
    }

    async fn user_info(&self, user: &UserName) -> Result<Option<UserInfo>, Error> {
        match self.get(user_path(user)).await {
            Err(error) if error.class() == Class::Missing(What::User) => Ok(None),
            other => other.map(Some),
        }
    }
}
