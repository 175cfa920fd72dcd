//! The password of a user: which version of which Secret it is of, and whether the server takes it.

use secrecy::{ExposeSecret, SecretString};

use super::{
    crd::{SecretKeyRef, SecretVersion},
    plan,
};
use crate::{
    core::{Hold, Reason},
    reconcile::{Secrets, Server, logins::Due},
};

/// Has the password verified now and then, if there is one that the server should take.
pub(super) fn verify(
    server: &Server,
    desired: &plan::Desired,
    active: Option<bool>,
    secret: Option<&SecretVersion>,
) {
    match (&desired.password, secret) {
        (Some(source), Some(version)) if active == Some(true) && desired.active => {
            let due = due(desired, &source.secret, version);
            server.logins.saw(due, std::time::Instant::now(), rand::random());
        }
        _ => server.logins.forget(&desired.name),
    }
}

/// The login that verifies a password.
pub(super) fn due(desired: &plan::Desired, secret: &SecretKeyRef, version: &SecretVersion) -> Due {
    Due {
        user: desired.name.clone(),
        resource: desired.resource.clone(),
        secret: secret.name.clone(),
        key: secret.key.clone(),
        version: (version.uid.clone(), version.resource_version.clone()),
    }
}

/// The version of a Secret, without reading it; nothing if there is none.
pub(super) fn version(secrets: &dyn Secrets, secret: &SecretKeyRef) -> Option<SecretVersion> {
    let (uid, resource_version) = secrets.version(&secret.name)?;
    Some(SecretVersion { uid, resource_version, source: format!("{}/{}", secret.name, secret.key) })
}

/// Reads a password and the version that it is of. An empty one is refused: it would be an open door.
pub(super) async fn read(
    secrets: &dyn Secrets,
    secret: &SecretKeyRef,
) -> Result<(SecretString, SecretVersion), Hold> {
    let SecretKeyRef { name, key } = secret;
    let (value, (uid, resource_version)) = secrets.read(name, key).await?;
    if value.expose_secret().is_empty() {
        return Err(Hold::new(
            Reason::Invalid,
            format!("the Secret {name} has an empty {key}; put a password there, an empty one is never set"),
        ));
    }
    Ok((value, SecretVersion { uid, resource_version, source: format!("{name}/{key}") }))
}
