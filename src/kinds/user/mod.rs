//! ArangoUser: a user, created with a password from a Secret, changed with PATCH and never with PUT (reference:
//! users, replace resets grants).

pub mod crd;
pub mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt};
use secrecy::ExposeSecret;

use self::crd::{ArangoUser, SecretKeyRef, SecretVersion, UserMemory};
use super::{
    ExecuteError, Execution, Kind, Lookup, Need, Place,
    permission::{self, RightsOf, WildcardOf},
    schema::Rule,
};
use crate::{
    arango::{self, Class, Client, NewUser, UserChange, UserInfo, What},
    core::{
        Access, Consent, DriftPolicy, Hold, Level, Origin, Plan, Reason, Rights, Subject, UserName,
        policy::consent_by_origin,
    },
    reconcile::{Look, Part, Secrets, Server},
};

/// The kind ArangoUser.
#[derive(Debug)]
pub struct User;

/// The users of a server (reference: users, list).
#[derive(Debug)]
pub struct Users;

impl Part for Users {
    type Key = ();
    type Value = BTreeMap<UserName, UserInfo>;

    async fn read(client: &Client, (): &()) -> Result<Self::Value, arango::Error> {
        client.users().await
    }
}

impl super::Declaration for ArangoUser {
    type Memory = UserMemory;

    fn drift_policy(&self) -> Option<DriftPolicy> {
        self.spec.drift.as_ref()?.policy
    }
}

impl Kind for User {
    type Resource = ArangoUser;
    type Memory = UserMemory;
    type Desired = plan::Desired;
    type Observed = plan::Observed;
    type Action = plan::Action;

    const NAME: &'static str = "ArangoUser";
    const RULES: &'static [Rule] = crd::RULES;

    fn place(resource: &ArangoUser) -> Place {
        Place {
            cluster: resource.spec.cluster_ref.id(resource.meta().namespace.as_deref()),
            name: resource.spec.name.clone().unwrap_or_else(|| resource.name_any()),
        }
    }

    fn desired(resource: &ArangoUser, _: &dyn Lookup) -> Result<plan::Desired, Hold> {
        plan::desired(&resource.spec, &resource.name_any())
    }

    fn object(desired: &plan::Desired) -> String {
        object(&desired.name)
    }

    fn describe(desired: &plan::Desired) -> String {
        format!("user {}", desired.name)
    }

    fn writes_to(desired: &plan::Desired) -> Option<&UserName> {
        Some(&desired.name)
    }

    fn needs(_: &ArangoUser, desired: Option<&plan::Desired>) -> Vec<Need> {
        let source = desired.and_then(|desired| desired.password.as_ref());
        source.map(|source| Need::Secret(source.secret.name.clone())).into_iter().collect()
    }

    fn consent(resource: &ArangoUser, origin: Option<Origin>) -> Consent {
        consent_by_origin(resource.spec.deletion_policy, origin)
    }

    fn subject(desired: &plan::Desired) -> Subject<'_> {
        Subject::User(&desired.name)
    }

    fn protected(desired: &plan::Desired, account: Option<&str>) -> Option<Hold> {
        plan::protected(&desired.name, account)
    }

    async fn observe(
        server: &Server,
        secrets: &dyn Secrets,
        look: Look,
        desired: &plan::Desired,
    ) -> Result<plan::Observed, arango::Error> {
        let active =
            server.read::<Users, _>(&(), look, |all| all.get(&desired.name).map(|user| user.active)).await?;
        let secret = desired.password.as_ref().and_then(|source| version(secrets, &source.secret));
        Ok(plan::Observed { active, secret })
    }

    async fn rights(
        server: &Server,
        look: Look,
        desired: &plan::Desired,
        _: &Access,
        adopts: bool,
    ) -> Result<Rights, arango::Error> {
        // Whoever gave more to a user of ours knew whose he is.
        if adopts { permission::all_rights(server, look, &desired.name).await } else { Ok(Rights::default()) }
    }

    fn exists(observed: &plan::Observed) -> bool {
        observed.active.is_some()
    }

    fn plan(desired: &plan::Desired, observed: &plan::Observed, memory: &UserMemory) -> Plan<plan::Action> {
        plan::plan(desired, observed, memory)
    }

    fn removal(desired: &plan::Desired, observed: &plan::Observed, _: &UserMemory) -> Plan<plan::Action> {
        plan::removal(desired, observed)
    }

    fn is_on_server(action: &plan::Action) -> bool {
        !matches!(action, plan::Action::Generate { .. })
    }

    async fn execute(
        server: &Server,
        secrets: &dyn Secrets,
        action: &plan::Action,
        memory: &mut UserMemory,
    ) -> Result<Execution, ExecuteError> {
        let done = carry_out(server, secrets, action, memory).await;
        if done.as_ref().is_err_and(ExecuteError::leaves_open) {
            server.forget::<Users>(&());
            server.forget::<RightsOf>(action.user());
            server.forget::<WildcardOf>(action.user());
        }
        done.map(|()| Execution::Done)
    }
}

async fn carry_out(
    server: &Server,
    secrets: &dyn Secrets,
    action: &plan::Action,
    memory: &mut UserMemory,
) -> Result<(), ExecuteError> {
    match action {
        plan::Action::Generate { user, secret, length } => {
            secrets.generate(&secret.name, &secret.key, user.as_str(), *length).await?;
        }
        plan::Action::Create { user, active, password } => {
            let (value, version) = read(secrets, password).await?;
            let new = NewUser { password: &value, active: *active, extra: serde_json::Map::new() };
            match server.client.for_user(user).create_user(user, &new).await {
                // Somebody else's since we looked, or ours with a lost answer: either way the password is set.
                Err(error) if error.class() == Class::Exists => {
                    let change = UserChange { password: Some(value), active: Some(*active), extra: None };
                    server.client.for_user(user).update_user(user, &change).await?;
                }
                other => {
                    other?;
                    // Nobody has rights at birth (reference: users, create): one listing saved.
                    bare(server, user);
                }
            }
            memory.password_secret = Some(version);
            note(server, user, *active);
        }
        plan::Action::SetPassword { user, password } => {
            let (value, version) = read(secrets, password).await?;
            let change = UserChange { password: Some(value), active: None, extra: None };
            server.client.for_user(user).update_user(user, &change).await?;
            memory.password_secret = Some(version);
        }
        plan::Action::SetActive { user, active } => {
            let change = UserChange { password: None, active: Some(*active), extra: None };
            server.client.for_user(user).update_user(user, &change).await?;
            note(server, user, *active);
        }
        plan::Action::Delete(user) => {
            match server.client.for_user(user).delete_user(user).await {
                Err(error) if error.class() == Class::Missing(What::User) => {}
                other => other?,
            }
            bare(server, user);
            let user = user.clone();
            server.amend::<Users>(&(), move |all| {
                all.remove(&user);
            });
        }
    }
    Ok(())
}

/// Notes that a user has no right at all, not even one that he had under this name before.
fn bare(server: &Server, user: &UserName) {
    server.put::<RightsOf>(user, Rights::default());
    server.put::<WildcardOf>(user, Level::None);
}

pub use plan::protected;

/// A user as an object that others may need.
pub fn object(name: &UserName) -> String {
    format!("user/{name}")
}

/// Brings what is known of the users up to our own write.
fn note(server: &Server, user: &UserName, active: bool) {
    let user = user.clone();
    server.amend::<Users>(&(), move |all| {
        let info = all.entry(user.clone());
        info.or_insert_with(|| UserInfo { active, extra: serde_json::Map::new() }).active = active;
    });
}

fn version(secrets: &dyn Secrets, secret: &SecretKeyRef) -> Option<SecretVersion> {
    let (uid, resource_version) = secrets.version(&secret.name)?;
    Some(SecretVersion { uid, resource_version, source: format!("{}/{}", secret.name, secret.key) })
}

/// Reads a password and the version that it is of. An empty one is refused: it would be an open door.
async fn read(
    secrets: &dyn Secrets,
    secret: &SecretKeyRef,
) -> Result<(secrecy::SecretString, SecretVersion), Hold> {
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
