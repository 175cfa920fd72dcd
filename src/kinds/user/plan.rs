//! What a user should be, what he is, and the steps between. Pure.

use std::fmt;

use super::crd::{ArangoUserSpec, Password, SecretKeyRef, SecretVersion, UserMemory, password_key};
use crate::core::{Because, Hold, Plan, Reason, Risk, UserName};

/// A declared user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// His name.
    pub name: UserName,
    /// Whether he may log in.
    pub active: bool,
    /// Where the password is, if it is managed.
    pub password: Option<Source>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whether the user may log in; nothing if there is no such user.
    pub active: Option<bool>,
    /// The version of the Secret; nothing if there is no Secret, or none is asked for.
    pub secret: Option<SecretVersion>,
}

/// A change. Passwords are named by where they are, never carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write a Secret with a new password.
    Generate {
        /// Whose.
        user: UserName,
        /// Where to.
        secret: SecretKeyRef,
        /// How many characters.
        length: u32,
    },
    /// Create the user with the password.
    Create {
        /// His name.
        user: UserName,
        /// Whether he may log in.
        active: bool,
        /// Where the password is.
        password: SecretKeyRef,
    },
    /// Set the password.
    SetPassword {
        /// Whose.
        user: UserName,
        /// Where it is.
        password: SecretKeyRef,
    },
    /// Let him log in, or not.
    SetActive {
        /// Who.
        user: UserName,
        /// Whether he may.
        active: bool,
    },
    /// Delete him and all his rights.
    Delete(UserName),
}

impl Action {
    /// Whom it is about.
    pub fn user(&self) -> &UserName {
        match self {
            Self::Generate { user, .. }
            | Self::Create { user, .. }
            | Self::SetPassword { user, .. }
            | Self::SetActive { user, .. }
            | Self::Delete(user) => user,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generate { user, secret, .. } => {
                write!(f, "generate a password for {user} into the Secret {}", secret.name)
            }
            Self::Create { user, .. } => write!(f, "create the user {user}"),
            Self::SetPassword { user, password } => {
                write!(f, "set the password of {user} from the Secret {}", password.name)
            }
            Self::SetActive { user, active: true } => write!(f, "activate the user {user}"),
            Self::SetActive { user, active: false } => write!(f, "deactivate the user {user}"),
            Self::Delete(user) => write!(f, "delete the user {user}"),
        }
    }
}

/// Reads the spec.
pub fn desired(spec: &ArangoUserSpec, resource_name: &str) -> Result<Desired, Hold> {
    let name = spec.name.as_deref().unwrap_or(resource_name);
    let name = UserName::parse(name).map_err(|error| Hold::invalid(error.to_string()))?;
    let password = match &spec.password {
        None => None,
        Some(Password { secret_ref: Some(secret), generate: None }) => {
            Some(Source { secret: secret.clone(), generate: None })
        }
        Some(Password { secret_ref: None, generate: Some(generate) }) => {
            // Where applications look for it, if that is said: then it is nowhere else.
            let connection = spec.connection_secret.as_ref().map(|secret| secret.name.clone());
            let name = generate.secret_name.clone().or(connection);
            let name = name.unwrap_or_else(|| format!("{resource_name}-password"));
            let secret = SecretKeyRef { name, key: password_key() };
            Some(Source { secret, generate: Some(generate.length) })
        }
        Some(_) => {
            return Err(Hold::invalid("exactly one of password.secretRef and password.generate must be set"));
        }
    };
    Ok(Desired { name, active: spec.active, password })
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

/// Create him if missing; else set what differs.
pub fn plan(desired: &Desired, observed: &Observed, memory: &UserMemory) -> Plan<Action> {
    let user = || desired.name.clone();
    let mut plan = Plan::default();
    // The Secret that a password comes from, once there is one: there already, or made by the first step.
    let mut source = None;
    if let Some(Source { secret, generate }) = &desired.password {
        match (observed.secret.is_some(), generate) {
            (true, _) => source = Some(secret),
            (false, Some(length)) => {
                let action = Action::Generate { user: user(), secret: secret.clone(), length: *length };
                plan.push(action, Because::Missing);
                source = Some(secret);
            }
            (false, None) => {
                let (secret, key) = (&secret.name, &secret.key);
                plan.hold = Some(Hold::new(
                    Reason::SecretMissing,
                    format!(
                        "the password of {} is to come from the Secret {secret}, key {key}, which does not exist \
                         yet; going on when it does",
                        desired.name
                    ),
                ));
            }
        }
    }
    match observed.active {
        None => match source {
            Some(password) => {
                own_the_secret(&mut plan, desired, observed);
                let (password, active) = (password.clone(), desired.active);
                plan.push(Action::Create { user: user(), active, password }, Because::Missing);
            }
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
            if let Some(password) = source
                && (observed.secret.is_none() || observed.secret != memory.password_secret)
            {
                own_the_secret(&mut plan, desired, observed);
                plan.push(
                    Action::SetPassword { user: user(), password: password.clone() },
                    Because::SecretChanged,
                );
            }
            if active != desired.active {
                plan.push(Action::SetActive { user: user(), active: desired.active }, Because::Differs);
            }
        }
    }
    plan
}

/// A Secret that is there before its password is generated may be somebody else's: making it tells, since that keeps
/// ours and refuses any other. Only before a password is set, so that a user in order has an empty plan.
fn own_the_secret(plan: &mut Plan<Action>, desired: &Desired, observed: &Observed) {
    if let Some(Source { secret, generate: Some(length) }) = &desired.password
        && observed.secret.is_some()
    {
        let (user, secret) = (desired.name.clone(), secret.clone());
        plan.push(Action::Generate { user, secret, length: *length }, Because::Bookkeeping);
    }
}

/// Delete him if he is there.
pub fn removal(desired: &Desired, observed: &Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    if observed.active.is_some() {
        plan.push_risky(Action::Delete(desired.name.clone()), Because::Deleted, Risk::Removes);
    }
    plan
}
