//! The password of the operator's own account: where the server still has the one before, it is changed to the one that
//! the Secret says.
//!
//! Only if a login with `password` is refused and one with `previous-password` is taken; never for another reason, and
//! never to anything but what the Secret says. Doing it twice is doing it once.

use std::{sync::Arc, time::Duration};

use kube::runtime::events::EventType;
use secrecy::{ExposeSecret, SecretString};
use tracing::info;

use super::{
    connections::{Connected, ask, disconnect, establish},
    deployments::Told,
    reach,
};
use crate::operator::{context::Context, secrets::NamespaceSecrets, watching::index::Ref};
use crate::{
    arango::{self, Auth, Client, Login, Pool, UserChange},
    core::{Hold, Reason, UserName},
    crash::{self, Point},
    kinds::cluster::crd::ArangoCluster,
    reconcile::{Secrets, outcome::of_error},
};

/// The key of the password before.
const PREVIOUS: &str = "previous-password";

/// How often the new password is tried before it is said to be refused, and the time between: other coordinators learn of
/// it a moment later (reference: users, consistency), and a connection shares a refusal for a second.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(1200);

/// Whether the error says that the connection's own login is refused. A missing right may be told in the same way.
fn is_refusal(error: &arango::Error) -> bool {
    match error {
        arango::Error::LoginRefused { .. } => true,
        arango::Error::Answer(answer) => answer.status == http::StatusCode::UNAUTHORIZED,
        _ => false,
    }
}

/// Asks the deployment about itself, with the account's own password changed before if the server has the one before.
/// Tells through which connection, and what keeps the password from being changed.
pub(super) async fn ask_or_catch_up(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
    connected: Arc<Connected>,
    was_ready: bool,
) -> (Arc<Connected>, Result<Option<Told>, arango::Error>, Option<Hold>) {
    let told = ask(&connected, was_ready).await;
    let Err(error) = &told else { return (connected, told, None) };
    match catch_up(context, resource, cluster, &connected, error).await {
        Ok(Some((renewed, told))) => (renewed, told, None),
        Ok(None) => (connected, told, None),
        Err(hold) => (connected, told, Some(hold)),
    }
}

/// After a refusal: changes the account's password if the server has the one before, and asks the deployment about itself
/// through a new connection. Nothing if that is not how it is.
async fn catch_up(
    context: &Arc<Context>,
    resource: &Ref,
    cluster: &ArangoCluster,
    connected: &Connected,
    error: &arango::Error,
) -> Result<Option<(Arc<Connected>, Result<Option<Told>, arango::Error>)>, Hold> {
    if !is_refusal(error) {
        return Ok(None);
    }
    let reach::Login::Account { secret, .. } = &connected.login else { return Ok(None) };
    let secrets = NamespaceSecrets::new(context, &resource.id.namespace);
    let Some((password, previous)) = both(&secrets, secret).await? else { return Ok(None) };
    let account = match &connected.settings.auth {
        Auth::Jwt { user, password: used } | Auth::Basic { user, password: used }
            if used.expose_secret() == password.expose_secret() =>
        {
            UserName::from_server(user.clone())
        }
        // The Secret changed since: another connection is made of it.
        _ => return Ok(None),
    };
    if !change(connected, &account, &password, &previous).await? {
        return Ok(None);
    }
    info!(cluster = %resource.id, %account, "changed the password of the operator's own account");
    let note = format!(
        "the server still had the {PREVIOUS} of the account {account}: its password has been changed to the one in the \
         Secret {secret}"
    );
    context.event(cluster, EventType::Normal, "OwnPasswordChanged", note).await;
    disconnect(context, &resource.id);
    let connected = establish(context, resource, cluster).await?;
    let mut told = ask(&connected, false).await;
    for _ in 1..TRIES {
        if !told.as_ref().is_err_and(is_refusal) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        told = ask(&connected, false).await;
    }
    Ok(Some((connected, told)))
}

/// The password and the one before, if there is one, of one version of the Secret.
async fn both(
    secrets: &NamespaceSecrets<'_>,
    secret: &str,
) -> Result<Option<(SecretString, SecretString)>, Hold> {
    let (password, version) = secrets.read(secret, "password").await?;
    let (previous, of) = match secrets.read(secret, PREVIOUS).await {
        Ok(read) => read,
        Err(hold) if hold.reason == Reason::SecretMissing => return Ok(None),
        Err(hold) => return Err(hold),
    };
    reach::refuse_empty(secret, PREVIOUS, &previous)?;
    Ok((of == version && previous.expose_secret() != password.expose_secret())
        .then_some((password, previous)))
}

/// Changes the password, if the server has the one before. Whether it did.
async fn change(
    connected: &Connected,
    account: &UserName,
    password: &SecretString,
    previous: &SecretString,
) -> Result<bool, Hold> {
    let failed = |error: &arango::Error| {
        of_error(error, &format!("change the password of the operator's own account {account}"))
    };
    let client = connected.server.client.for_user(account);
    // Whoever is refused for another reason logs in with it.
    for (password, needed) in [(password, Login::Refused), (previous, Login::Taken)] {
        if client.log_in(account, password).await.map_err(|error| failed(&error))? != needed {
            return Ok(false);
        }
    }
    let mut settings = connected.settings.clone();
    if let Auth::Jwt { password, .. } | Auth::Basic { password, .. } = &mut settings.auth {
        password.clone_from(previous);
    }
    let pool = Pool::new(settings).map_err(|error| failed(&error))?;
    let change = UserChange { password: Some(password.clone()), ..UserChange::default() };
    Client::new(pool)
        .for_user(account)
        .update_user(account, &change)
        .await
        .map_err(|error| failed(&error))?;
    crash::at(Point::OwnPasswordChanged);
    Ok(true)
}
