//! A user before a pass without an operator: whose he is, and, since nobody remembers what was last set, whether his
//! password is the declared one.

use std::time::Instant;

use super::{
    Users,
    crd::UserMemory,
    known::Known,
    mark::{self, Mark, Whose},
    password::{due, read, version},
    plan::{Desired, Source},
};
use crate::{
    arango::Login,
    core::{Hold, Id, Reason},
    kinds::{Prepared, Viewpoint},
    reconcile::{Look, Secrets, Server, outcome::of_error},
};

pub(super) async fn prepare(
    server: &Server,
    secrets: &dyn Secrets,
    look: Look,
    (desired, memory): (&mut Desired, &mut UserMemory),
    viewpoint: Viewpoint,
) -> Result<Prepared, Hold> {
    let name = desired.name.clone();
    let found = server.read::<Users, _>(&(), look, |all| all.get(&name).map(Known::info)).await;
    let found = found.map_err(|error| of_error(&error, &format!("look at the user {name}")))?;
    let mut prepared = Prepared::default();
    // The mark of another: no instance of an operator is called nothing.
    let nobody = Mark { instance: String::new(), resource: Id::new("", "") };
    if let Some(Whose::Others(why)) = found.as_ref().map(|user| nobody.whose(&user.extra)) {
        if viewpoint == Viewpoint::CommandLine {
            let message = format!(
                "the user {name} {why}; he is never changed or deleted from here. Change that ArangoUser, or delete \
                 it; if there is no such operator any more, remove {:?} from his extra",
                mark::KEY
            );
            return Err(Hold::new(Reason::Conflict, message));
        }
        prepared.notes.push(format!("the user {name} {why}; apply would leave him alone"));
    }
    if viewpoint == Viewpoint::CommandLine {
        // What only the operator does.
        if desired.delivery.take().is_some() {
            prepared.notes.push("spec.connectionSecret is written by the operator alone".to_owned());
        }
        if desired.rotate.take().is_some() {
            prepared.notes.push(format!("the annotation {} is obeyed by the operator alone", super::ROTATE));
        }
    }
    let Some(source) = desired.password.clone() else { return Ok(prepared) };
    match (version(secrets, &source.secret), found) {
        // Says how it is given.
        (None, _) if viewpoint == Viewpoint::CommandLine && source.generate.is_none() => {
            read(secrets, &source.secret).await?;
        }
        (None, found) => no_secret(desired, &source, found.is_some(), viewpoint, &mut prepared)?,
        // Who isn't active can't log in: nothing tells, and nobody can use it. Who becomes active gets the declared one.
        (Some(version), Some(user)) if !user.active => {
            memory.password_secret = (!desired.active).then_some(version);
        }
        (Some(version), Some(_)) => {
            let (password, _) = read(secrets, &source.secret).await?;
            let login = server.client.for_user(&name).log_in(&name, &password).await;
            let login = login.map_err(|error| of_error(&error, &format!("log in as {name}")))?;
            if login == Login::Refused {
                server.logins.refuse(due(desired, &source.secret, &version), Instant::now());
            }
            memory.password_secret = Some(version);
        }
        (Some(_), None) => memory.password_secret = None,
    }
    Ok(prepared)
}

/// The Secret of his password is not here.
fn no_secret(
    desired: &mut Desired,
    source: &Source,
    is_there: bool,
    viewpoint: Viewpoint,
    prepared: &mut Prepared,
) -> Result<(), Hold> {
    let (user, secret) = (&desired.name, &source.secret.name);
    let generated = source.generate.is_some();
    match (is_there, viewpoint) {
        (true, _) if generated => {
            let note =
                format!("the password of {user} is the operator's, in the Secret {secret}, and not compared");
            prepared.notes.push(note);
        }
        (true, Viewpoint::Operator) => {
            let note =
                format!("the Secret {secret} is not given here: the password of {user} is not compared");
            prepared.notes.push(note);
        }
        (false, Viewpoint::Operator) => {
            if !generated {
                prepared.notes.push(format!("the Secret {secret} is not given here and must be there then"));
                prepared.secret = Some(secret.clone());
            }
            return Ok(());
        }
        (_, Viewpoint::CommandLine) => {
            let message = format!(
                "the password of the user {user} is to be generated, which only the operator does, since it has a \
                 Secret to keep it in; name one with spec.password.secretRef"
            );
            return Err(Hold::new(Reason::PasswordMissing, message));
        }
    }
    desired.password = None;
    desired.rotate = None;
    Ok(())
}
