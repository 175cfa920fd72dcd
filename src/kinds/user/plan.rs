//! What a user should be, what he is, and the steps between. Pure.

use serde_json::{Map, Value};

pub use super::action::Action;
use super::{
    binding::{Delivery, delivery},
    crd::{ArangoUserSpec, Password, SecretKeyRef, SecretVersion, UserMemory, password_key},
    extra,
    mark::{self, Mark, Whose},
};
use crate::{
    core::{Because, Hold, Id, Plan, Reason, Risk, UserName},
    kinds::Marked,
};

/// Most keys of `extra` that are kept in mind: those that are declared, and as many that were before.
const KEYS_MAX: usize = 2 * extra::KEYS_MAX;

/// A declared user.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The resource that declares him.
    pub resource: Id,
    /// His name.
    pub name: UserName,
    /// Whether he may log in.
    pub active: bool,
    /// The keys of his `extra` that are kept.
    pub extra: Map<String, Value>,
    /// Where the password is, if it is managed.
    pub password: Option<Source>,
    /// The wish for another password: a new one is made once for each new text.
    pub rotate: Option<String>,
    /// What is written into a Secret for applications.
    pub delivery: Option<Delivery>,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The key of the Secret.
    pub secret: SecretKeyRef,
    /// The length to generate if the Secret is missing; nothing if somebody else writes it.
    pub generate: Option<u32>,
}

/// What the server and the Secret have.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Whether the user may log in; nothing if there is no such user.
    pub active: Option<bool>,
    /// His `extra`.
    pub extra: Map<String, Value>,
    /// The mark that he is to carry; nothing if the operator has no identity.
    pub mark: Option<Mark>,
    /// Whether the resource that his mark names is still there, where that is another one of ours.
    pub sibling_is_there: bool,
    /// The version of the Secret; nothing if there is no Secret, or none is asked for.
    pub secret: Option<SecretVersion>,
    /// Whether logins with the password that was last set are refused.
    pub refused: bool,
}

impl Observed {
    /// Whose the user is by his mark; nothing if he is not there or marks mean nothing.
    pub fn whose(&self) -> Option<Whose> {
        self.active?;
        Some(self.mark.as_ref()?.whose(&self.extra))
    }

    /// The mark, if he doesn't carry it yet.
    fn missing_mark(&self) -> Option<Mark> {
        self.mark.clone().filter(|mark| mark.whose(&self.extra) != Whose::Ours)
    }
}

/// Reads the spec, and the wish for another password.
pub fn desired(spec: &ArangoUserSpec, resource: Id, rotate: Option<String>) -> Result<Desired, Hold> {
    let name = spec.name.as_deref().unwrap_or(&resource.name);
    let name = UserName::parse(name).map_err(|error| Hold::invalid(error.to_string()).at("spec.name"))?;
    extra::check(&spec.extra)?;
    let password = match &spec.password {
        None => None,
        Some(Password { secret_ref: Some(secret), generate: None }) => {
            Some(Source { secret: secret.clone(), generate: None })
        }
        Some(Password { secret_ref: None, generate: Some(generate) }) => {
            // Where applications look for it, if that is said: then it is nowhere else.
            let connection = spec.connection_secret.as_ref().map(|secret| secret.name.clone());
            let name = generate.secret_name.clone().or(connection);
            let name = name.unwrap_or_else(|| format!("{}-password", resource.name));
            let secret = SecretKeyRef { name, key: password_key() };
            Some(Source { secret, generate: Some(generate.length) })
        }
        Some(_) => {
            let message = "exactly one of password.secretRef and password.generate must be set";
            return Err(Hold::invalid(message).at("spec.password"));
        }
    };
    let secret = password.as_ref().map(|source| &source.secret);
    let delivery = match &spec.connection_secret {
        Some(asked) => Some(delivery(asked, &name, secret)?),
        None => None,
    };
    Ok(Desired { resource, name, active: spec.active, extra: spec.extra.clone(), password, rotate, delivery })
}

/// Why the account is never managed: `root`, and the one that the connection itself uses.
pub fn protected(user: &UserName, account: Option<&str>) -> Option<Hold> {
    let name = user.as_str();
    let whose = if name == UserName::ROOT {
        "every deployment's own account"
    } else if account == Some(name) {
        "the account that the operator itself connects with"
    } else {
        return None;
    };
    Some(Hold::new(
        Reason::Protected,
        format!("the user {name} is {whose} and is never managed; declare another"),
    ))
}

/// Whose he is by his mark. Who was claimed to be made, and carries none although his password was never set, was
/// made by somebody else; users of earlier versions carry none and have had theirs.
pub fn marked(desired: &Desired, observed: &Observed, memory: &UserMemory) -> Marked {
    match (observed.whose(), &observed.mark) {
        (Some(Whose::Siblings(resource)), _) if observed.sibling_is_there => {
            Marked::Siblings(mark::of_a_sibling(&desired.name, &resource))
        }
        (Some(Whose::Nobodys | Whose::Siblings(_)), _) if memory.password_secret.is_none() => Marked::Unmade,
        (Some(Whose::Others(why)), Some(ours)) => Marked::Others(mark::of_another(&desired.name, &why, ours)),
        _ => Marked::Silent,
    }
}

/// Create him if missing; else set what differs.
pub fn plan(desired: &Desired, observed: &Observed, memory: &UserMemory) -> Plan<Action> {
    let mut plan = Plan::default();
    let source = source(&mut plan, desired, observed);
    let rotation = rotation(desired, observed, memory);
    match observed.active {
        None => match source {
            Some(password) => create(&mut plan, desired, observed, memory, password),
            None if plan.hold.is_none() => {
                plan.hold = Some(Hold::new(
                    Reason::PasswordMissing,
                    format!(
                        "the user {} does not exist and spec.password is not set; set it, since no user is ever \
                         created without a password",
                        desired.name
                    ),
                ));
            }
            None => {}
        },
        Some(active) => {
            // The password that is being replaced is not set on top of the one that takes its place.
            let rotates = rotation.steps.iter().any(|step| matches!(step.action, Action::Rotate { .. }));
            let source = source.filter(|_| !rotates);
            change(&mut plan, desired, observed, memory, active, source);
        }
    }
    plan.steps.extend(rotation.steps);
    plan
}

/// The Secret that a password comes from, once there is one: there already, or made by the first step.
fn source<'a>(
    plan: &mut Plan<Action>,
    desired: &'a Desired,
    observed: &Observed,
) -> Option<&'a SecretKeyRef> {
    let Source { secret, generate } = desired.password.as_ref()?;
    match (observed.secret.is_some(), generate) {
        (true, _) => Some(secret),
        (false, Some(length)) => {
            plan.push(generated(desired, secret, *length, desired.rotate.clone()), Because::Missing);
            Some(secret)
        }
        (false, None) => {
            let (secret, key) = (&secret.name, &secret.key);
            plan.hold = Some(Hold::new(
                Reason::SecretMissing,
                format!(
                    "the password of {} is to come from the Secret {secret}, key {key}, which does not exist yet; going \
                     on when it does",
                    desired.name
                ),
            ));
            None
        }
    }
}

fn generated(desired: &Desired, secret: &SecretKeyRef, length: u32, rotate: Option<String>) -> Action {
    Action::Generate { user: desired.name.clone(), secret: secret.clone(), length, rotate }
}

/// He is missing, and there is a password.
fn create(
    plan: &mut Plan<Action>,
    desired: &Desired,
    observed: &Observed,
    memory: &UserMemory,
    password: &SecretKeyRef,
) {
    own_the_secret(plan, desired, observed);
    remember(plan, desired, memory, desired.extra.keys());
    let create = Action::Create {
        user: desired.name.clone(),
        active: desired.active,
        password: password.clone(),
        extra: desired.extra.clone(),
        mark: observed.mark.clone(),
    };
    plan.push(create, Because::Missing);
}

/// He is there: what differs is set, and with the first of it whose he is.
fn change(
    plan: &mut Plan<Action>,
    desired: &Desired,
    observed: &Observed,
    memory: &UserMemory,
    active: bool,
    source: Option<&SecretKeyRef>,
) {
    let user = || desired.name.clone();
    let mut mark = observed.missing_mark();
    if let Some(password) = source {
        let is_new = observed.secret.is_none() || observed.secret != memory.password_secret;
        let set = |mark| Action::SetPassword { user: user(), password: password.clone(), mark };
        if is_new {
            own_the_secret(plan, desired, observed);
            plan.push(set(mark.take()), Because::SecretChanged);
        } else if observed.refused && active {
            plan.push(set(mark.take()), Because::Differs);
        }
    }
    if active != desired.active {
        let action = Action::SetActive { user: user(), active: desired.active, mark: mark.take() };
        plan.push(action, Because::Differs);
    }
    let change = extra::change(&desired.extra, &observed.extra, &memory.extra_keys);
    let ours = |key: &&String| memory.extra_keys.contains(*key) || change.set.contains_key(*key);
    let keys: Vec<String> = desired.extra.keys().filter(ours).cloned().collect();
    if change != extra::Change::default() {
        let because = if change.set.is_empty() { Because::NoLongerDeclared } else { Because::Differs };
        remember(plan, desired, memory, change.set.keys());
        plan.push(Action::SetExtra { user: user(), change, keys, mark: mark.take() }, because);
    } else if memory.extra_keys.iter().any(|key| !keys.contains(key)) {
        plan.push(Action::Remember { user: user(), keys }, Because::Bookkeeping);
    }
}

/// Keeps in mind that these keys are set from here, if it isn't: who takes one out of the spec later means ours alone.
fn remember<'a>(
    plan: &mut Plan<Action>,
    desired: &Desired,
    memory: &UserMemory,
    set: impl Iterator<Item = &'a String>,
) {
    let mut keys = memory.extra_keys.clone();
    keys.extend(set.filter(|key| !memory.extra_keys.contains(key)).cloned());
    keys.truncate(KEYS_MAX);
    if keys.len() > memory.extra_keys.len() {
        plan.push(Action::Remember { user: desired.name.clone(), keys }, Because::Bookkeeping);
    }
}

/// The steps to another password: none if nobody wishes for one, or it comes with the Secret that is made now.
fn rotation(desired: &Desired, observed: &Observed, memory: &UserMemory) -> Plan<Action> {
    let mut plan = Plan::default();
    let user = || desired.name.clone();
    let wish = desired.rotate.as_ref().filter(|wish| memory.rotated.as_ref() != Some(wish));
    let Some(Source { secret, generate: Some(length) }) = &desired.password else {
        if let Some(wish) = wish {
            plan.push(Action::NoRotation { user: user(), rotate: Some(wish.clone()) }, Because::AskedInVain);
        } else if memory.rotating.is_some() {
            let rotate = memory.rotated.clone();
            plan.push(Action::NoRotation { user: user(), rotate }, Because::Bookkeeping);
        }
        return plan;
    };
    if observed.secret.is_none() {
        return plan;
    }
    let (rotate, because) = match (&memory.rotating, wish) {
        (Some(begun), _) => (begun.clone(), Because::Interrupted),
        (None, Some(wish)) => {
            let action = Action::BeginRotation { user: user(), rotate: wish.clone() };
            plan.push(action, Because::Bookkeeping);
            (wish.clone(), Because::Asked)
        }
        (None, None) => return plan,
    };
    let (secret, active) = (secret.clone(), desired.active);
    plan.push(Action::Rotate { user: user(), secret, length: *length, rotate, active }, because);
    plan
}

/// A Secret that is there before its password is generated may be somebody else's: making it tells, since that keeps
/// ours and refuses any other. Only before a password is set, so that a user in order has an empty plan.
fn own_the_secret(plan: &mut Plan<Action>, desired: &Desired, observed: &Observed) {
    if let Some(Source { secret, generate: Some(length) }) = &desired.password
        && observed.secret.is_some()
    {
        plan.push(generated(desired, secret, *length, None), Because::Bookkeeping);
    }
}

/// Delete him if he is there. A password that is being replaced is so to the end where he stays, since whoever uses
/// the Secret goes on with it.
pub fn removal(desired: &Desired, observed: &Observed, memory: &UserMemory) -> Plan<Action> {
    let mut plan = Plan::default();
    if observed.active.is_some() {
        plan.push_risky(Action::Delete(desired.name.clone()), Because::Deleted, Risk::Removes);
        if memory.rotating.is_some() {
            plan.steps.extend(rotation(desired, observed, memory).steps);
        }
    }
    plan
}
