//! Verifies passwords by logging in: one task per connection, beside the passes, so that none of them waits for it. What
//! it finds is told to the pass, which decides.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::NamespaceSecrets;
use crate::operator::{clusters::connections::Connected, context::Context, watching::index::Ref};
use crate::{
    arango::Login,
    kinds::{Kind, user::User},
    reconcile::{Secrets, logins::Due},
};

/// The time between two logins: at most ten a second for each deployment.
const PACE: Duration = Duration::from_millis(100);

/// How often it is looked whether there is somebody to be logged in, where there was nobody.
const IDLE: Duration = Duration::from_secs(1);

/// What a login has shown.
enum Found {
    /// Whether the password is the user's.
    Answer(bool),
    /// Nothing, as far as this user goes.
    Nothing,
    /// Nothing, and nothing about others either: the server takes every password, or takes no change.
    NothingAtAll,
}

/// Verifies passwords for as long as the connection lasts.
pub(crate) fn passwords(
    context: &Arc<Context>,
    connected: &Arc<Connected>,
    interval: Duration,
    end: CancellationToken,
) {
    let (context, connected) = (Arc::downgrade(context), Arc::downgrade(connected));
    tokio::spawn(end.run_until_cancelled_owned(async move {
        while let Some(wait) = step(&context, &connected, interval).await {
            tokio::time::sleep(wait).await;
        }
    }));
}

/// One login, or none. Tells how long to wait; nothing once the connection is over.
async fn step(context: &Weak<Context>, connected: &Weak<Connected>, interval: Duration) -> Option<Duration> {
    let (context, connected) = (context.upgrade()?, connected.upgrade()?);
    if context.is_stopping() {
        return None;
    }
    let logins = &connected.server.logins;
    let now = Instant::now();
    let due = match logins.next(now) {
        None => return Some(IDLE),
        Some(Err(at)) => return Some(at.saturating_duration_since(now).min(IDLE)),
        Some(Ok(due)) => due,
    };
    let found = verify(&context, &connected, &due).await;
    let answer = match found {
        Found::Answer(taken) => Some(taken),
        Found::Nothing | Found::NothingAtAll => None,
    };
    if logins.answered(&due, answer, Instant::now(), rand::random()) {
        context.wakes.wake([Ref { kind: User::NAME, id: due.resource }]);
    }
    Some(if matches!(found, Found::NothingAtAll) { interval } else { PACE })
}

async fn verify(context: &Context, connected: &Connected, due: &Due) -> Found {
    let secrets = NamespaceSecrets::new(context, &due.resource.namespace);
    // Another version is another password: a pass has been asked for by the change.
    if secrets.version(&due.secret).as_ref() != Some(&due.version) {
        return Found::Nothing;
    }
    let password = match secrets.read(&due.secret, &due.key).await {
        Ok((password, version)) if version == due.version => password,
        _ => return Found::Nothing,
    };
    // In the queue of the user's writes: what we are about to change is no evidence.
    let _turn = connected.server.turn(&due.user).await;
    let client = connected.server.client.for_user(&due.user);
    match client.log_in(&due.user, &password).await {
        Ok(Login::Taken) => Found::Answer(true),
        Ok(Login::NotNeeded) => Found::NothingAtAll,
        // Where nothing can be put right, nothing is found wrong.
        Ok(Login::Refused) => match client.availability().await {
            Ok(state) if state.mode.as_deref() == Some("readonly") => Found::NothingAtAll,
            Ok(_) => Found::Answer(false),
            Err(_) => Found::Nothing,
        },
        Err(error) => {
            debug!(user = %due.user, %error, "could not verify the password");
            Found::Nothing
        }
    }
}
