//! ArangoUser: a user, created with a password from a Secret, changed with PATCH and never with PUT (reference:
//! users, replace resets grants).

pub mod action;
pub mod binding;
pub mod crd;
pub mod extra;
mod known;
pub mod mark;
mod password;
pub mod plan;
mod prepare;
pub mod rotation;
#[cfg(test)]
mod tests;
pub mod undeclared;

use kube::ResourceExt;
use serde_json::Map;

pub use self::known::Users;
use self::{
    binding::{Delivered, Delivery},
    crd::{ArangoUser, UndeclaredPermissions, UserMemory},
    known::Known,
    mark::{Mark, Whose},
    password::{read, verify, version},
};
use super::{
    ExecuteError, Execution, Kind, Lookup, Marked, Need, Notable, Place, Prepared, Shown, Viewpoint,
    permission::{self, RightsOf, WildcardOf, crd::PermissionMemory},
    schema::Rule,
};
use crate::{
    arango::{self, Class, NewUser, UserChange, UserInfo, What},
    core::{
        Access, Consent, DriftPolicy, Hold, Id, Level, Origin, Plan, Rights, Subject, UserName,
        condition::cut, policy::consent_by_origin,
    },
    crash::{self, Point},
    reconcile::{Look, Secrets, Server},
};

/// The annotation that asks for another password: a new one is made once for each new text.
pub const ROTATE: &str = "arango-operator.dev/rotate";

/// Longest text of [`ROTATE`] that is looked at, in bytes.
const ROTATE_MAX: usize = 256;

/// The kind ArangoUser.
#[derive(Debug)]
pub struct User;

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
    const NOUN: &'static str = "user";
    const RULES: &'static [Rule] = crd::RULES;

    fn place(resource: &ArangoUser) -> Place {
        Place {
            cluster: resource.spec.cluster_ref.id(resource.metadata.namespace.as_deref()),
            name: resource.spec.name.clone().unwrap_or_else(|| resource.name_any()),
        }
    }

    fn desired(resource: &ArangoUser, _: &dyn Lookup) -> Result<plan::Desired, Hold> {
        let id = Id::new(resource.metadata.namespace.as_deref().unwrap_or_default(), &resource.name_any());
        let rotate = resource.annotations().get(ROTATE).map(|text| cut(text.trim(), ROTATE_MAX).to_owned());
        plan::desired(&resource.spec, id, rotate.filter(|text| !text.is_empty()))
    }

    fn object(desired: &plan::Desired) -> String {
        object(&desired.name)
    }

    fn title(desired: &plan::Desired) -> String {
        desired.name.to_string()
    }

    fn writes_to(desired: &plan::Desired) -> Option<&UserName> {
        Some(&desired.name)
    }

    fn needs(resource: &ArangoUser, desired: Option<&plan::Desired>) -> Vec<Need> {
        let password = desired.and_then(|desired| desired.password.as_ref());
        let password = password.map(|source| &source.secret.name);
        let connection = resource.spec.connection_secret.as_ref().map(|secret| &secret.name);
        [password, connection].into_iter().flatten().map(|name| Need::Secret(name.clone())).collect()
    }

    fn delivery(desired: &plan::Desired) -> Option<&Delivery> {
        desired.delivery.as_ref()
    }

    fn delivered(memory: &mut UserMemory) -> Option<Delivered<'_>> {
        Some(Delivered::of(memory))
    }

    fn revokes(resource: &ArangoUser) -> bool {
        resource.spec.undeclared_permissions == Some(UndeclaredPermissions::Revoke)
    }

    fn revoking(memory: &mut UserMemory) -> Option<&mut Option<PermissionMemory>> {
        Some(&mut memory.revoking)
    }

    fn is_unfinished(memory: &UserMemory) -> bool {
        memory.rotating.is_some() || memory.revoking.as_ref().is_some_and(|row| row.restore.is_some())
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
        let user = server.read::<Users, _>(&(), look, |all| all.get(&desired.name).cloned()).await?;
        let (active, extra) = user.map(|known| known.info()).map(|info| (info.active, info.extra)).unzip();
        let extra: Map<_, _> = extra.unwrap_or_default();
        let secret = desired.password.as_ref().and_then(|source| version(secrets, &source.secret));
        let (mark, sibling_is_there) = match &server.identity {
            None => (None, false),
            Some(identity) => {
                let mark = Mark { instance: identity.instance.clone(), resource: desired.resource.clone() };
                let is_there = match mark.whose(&extra) {
                    Whose::Siblings(resource) => (identity.is_there)(&resource, &desired.name),
                    _ => false,
                };
                (Some(mark), is_there)
            }
        };
        verify(server, desired, active, secret.as_ref());
        let refused = server.logins.is_refused(&desired.name);
        Ok(plan::Observed { active, extra, mark, sibling_is_there, secret, refused })
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

    fn marked(desired: &plan::Desired, observed: &plan::Observed, memory: &UserMemory) -> Marked {
        plan::marked(desired, observed, memory)
    }

    async fn prepare(
        server: &Server,
        secrets: &dyn Secrets,
        look: Look,
        (desired, memory): (&mut plan::Desired, &mut UserMemory),
        viewpoint: Viewpoint,
    ) -> Result<Prepared, Hold> {
        prepare::prepare(server, secrets, look, (desired, memory), viewpoint).await
    }

    fn shown(observed: &plan::Observed) -> Shown {
        let Some(active) = observed.active else { return Shown::new() };
        let extra = observed.extra.iter().map(|(key, value)| (format!("extra.{key}"), value.to_string()));
        extra.chain([("active".to_owned(), active.to_string())]).collect()
    }

    fn stands_out(action: &plan::Action) -> Option<Notable> {
        let shuts_out = matches!(action, plan::Action::SetPassword { .. } | plan::Action::Rotate { .. });
        shuts_out.then_some(Notable::Password)
    }

    fn plan(desired: &plan::Desired, observed: &plan::Observed, memory: &UserMemory) -> Plan<plan::Action> {
        plan::plan(desired, observed, memory)
    }

    fn removal(
        desired: &plan::Desired,
        observed: &plan::Observed,
        memory: &UserMemory,
    ) -> Plan<plan::Action> {
        plan::removal(desired, observed, memory)
    }

    fn must_be_remembered(action: &plan::Action) -> bool {
        action.must_be_remembered()
    }

    fn is_on_server(action: &plan::Action) -> bool {
        action.is_on_server()
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
        plan::Action::Generate { user, secret, length, rotate } => {
            let is_new = secrets.version(&secret.name).is_none();
            secrets.generate(&secret.name, &secret.key, user.as_str(), *length).await?;
            if is_new {
                memory.rotating = None;
            }
            if let Some(rotate) = rotate {
                memory.rotated = Some(rotate.clone());
            }
        }
        plan::Action::Remember { keys, .. } => memory.extra_keys.clone_from(keys),
        plan::Action::Create { user, active, password, extra, mark } => {
            let (value, version) = read(secrets, password).await?;
            let extra = marked(extra.clone(), mark.as_ref());
            let new = NewUser { password: &value, active: *active, extra };
            if let Err(error) = server.client.for_user(user).create_user(user, &new).await {
                if error.class() == Class::Exists {
                    // Somebody else's since we looked: who he is decides what is done with him.
                    server.forget::<Users>(&());
                }
                return Err(error.into());
            }
            crash::at(Point::UserCreated);
            // Nobody has rights at birth (reference: users, create): one listing saved.
            bare(server, user);
            memory.password_secret = Some(version);
            memory.extra_keys = new.extra.keys().filter(|key| *key != mark::KEY).cloned().collect();
            let made = UserInfo { active: *active, extra: new.extra };
            note(server, user, made.clone(), move |info| info.clone_from(&made));
            server.logins.was_set(user);
        }
        plan::Action::SetPassword { user, password, mark } => {
            let (value, version) = read(secrets, password).await?;
            update(
                server,
                user,
                UserChange { password: Some(value), ..UserChange::default() },
                mark.as_ref(),
            )
            .await?;
            memory.password_secret = Some(version);
            memory.rotating = None;
            server.logins.was_set(user);
        }
        plan::Action::SetActive { user, active, mark } => {
            let change = UserChange { active: Some(*active), ..UserChange::default() };
            update(server, user, change, mark.as_ref()).await?;
        }
        plan::Action::SetExtra { user, change, keys, mark } => {
            let change = UserChange { extra: Some(change.patch()), ..UserChange::default() };
            update(server, user, change, mark.as_ref()).await?;
            memory.extra_keys.clone_from(keys);
        }
        plan::Action::BeginRotation { rotate, .. } => memory.rotating = Some(rotate.clone()),
        plan::Action::Rotate { user, secret, length, rotate, active } => {
            // Deleted by the step before: there is nobody to have a password.
            if memory.rotating.is_some() {
                let (length, active) = (*length, *active);
                let rotation = rotation::Rotation { user, secret, length, rotate, active };
                rotation::run(server, secrets, rotation, memory).await?;
            }
        }
        plan::Action::NoRotation { rotate, .. } => {
            memory.rotated.clone_from(rotate);
            memory.rotating = None;
        }
        plan::Action::Delete(user) => {
            match server.client.for_user(user).delete_user(user).await {
                Err(error) if error.class() == Class::Missing(What::User) => {}
                other => other?,
            }
            crash::at(Point::UserDeleted);
            memory.rotating = None;
            server.logins.forget(user);
            bare(server, user);
            let user = user.clone();
            server.amend::<Users>(&(), move |all| {
                all.remove(&user);
            });
        }
    }
    Ok(())
}

/// Changes a user, and says whose he is if he doesn't carry that yet.
async fn update(
    server: &Server,
    user: &UserName,
    mut change: UserChange,
    mark: Option<&Mark>,
) -> Result<(), arango::Error> {
    if mark.is_some() {
        change.extra = Some(marked(change.extra.unwrap_or_default(), mark));
    }
    server.client.for_user(user).update_user(user, &change).await?;
    crash::at(if change.password.is_some() { Point::PasswordSet } else { Point::UserChanged });
    let UserChange { active, extra, .. } = change;
    let unseen = UserInfo { active: active.unwrap_or(true), extra: extra.clone().unwrap_or_default() };
    note(server, user, unseen, move |info| {
        info.active = active.unwrap_or(info.active);
        if let Some(patch) = &extra {
            extra::merge(&mut info.extra, patch);
        }
    });
    Ok(())
}

fn marked(mut extra: Map<String, serde_json::Value>, mark: Option<&Mark>) -> Map<String, serde_json::Value> {
    extra.extend(mark.map(|mark| (mark::KEY.to_owned(), mark.value())));
    extra
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

/// Brings what is known of the users up to our own write. `unseen`: how he is as far as we know, if he was not known.
fn note(
    server: &Server,
    user: &UserName,
    unseen: UserInfo,
    change: impl Fn(&mut UserInfo) + Send + Sync + 'static,
) {
    let user = user.clone();
    server.amend::<Users>(&(), move |all| {
        let mut info = all.get(&user).map_or_else(|| unseen.clone(), Known::info);
        if all.contains_key(&user) {
            change(&mut info);
        }
        all.insert(user.clone(), Known::of(&info));
    });
}
