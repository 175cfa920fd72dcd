//! The steps to a user who is as declared. Passwords are named by where they are, never carried.

use std::fmt;

use serde_json::{Map, Value};

use super::{crd::SecretKeyRef, extra::Change, mark::Mark};
use crate::core::UserName;

/// A change.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Write a Secret with a new password.
    Generate {
        /// Whose.
        user: UserName,
        /// Where to.
        secret: SecretKeyRef,
        /// How many characters.
        length: u32,
        /// The wish for another password that is fulfilled by a new one.
        rotate: Option<String>,
    },
    /// Keep in mind which keys of `extra` are set from here.
    Remember {
        /// Whose.
        user: UserName,
        /// All of them.
        keys: Vec<String>,
    },
    /// Create the user with the password.
    Create {
        /// His name.
        user: UserName,
        /// Whether he may log in.
        active: bool,
        /// Where the password is.
        password: SecretKeyRef,
        /// What is declared beside him.
        extra: Map<String, Value>,
        /// Whose he is.
        mark: Option<Mark>,
    },
    /// Set the password.
    SetPassword {
        /// Whose.
        user: UserName,
        /// Where it is.
        password: SecretKeyRef,
        /// Says whose he is from now on.
        mark: Option<Mark>,
    },
    /// Let him log in, or not.
    SetActive {
        /// Who.
        user: UserName,
        /// Whether he may.
        active: bool,
        /// Says whose he is from now on.
        mark: Option<Mark>,
    },
    /// Set keys of `extra`.
    SetExtra {
        /// Whose.
        user: UserName,
        /// Which, and what to.
        change: Change,
        /// The keys that are set from here, once it is done.
        keys: Vec<String>,
        /// Says whose he is from now on.
        mark: Option<Mark>,
    },
    /// Keep in mind that the password is being replaced, before anything of it is done.
    BeginRotation {
        /// Whose.
        user: UserName,
        /// The wish.
        rotate: String,
    },
    /// Replace the password by a new one, going on where an earlier try was cut off.
    Rotate {
        /// Whose.
        user: UserName,
        /// Where it is.
        secret: SecretKeyRef,
        /// How many characters.
        length: u32,
        /// The wish.
        rotate: String,
        /// Whether he may log in, so that a login tells which password the server has.
        active: bool,
    },
    /// Keep in mind that the wish for another password can't be fulfilled from here, or doesn't matter any more.
    NoRotation {
        /// Whose.
        user: UserName,
        /// The wish.
        rotate: Option<String>,
    },
    /// Delete him and all his rights.
    Delete(UserName),
}

impl Action {
    /// Whom it is about.
    pub fn user(&self) -> &UserName {
        match self {
            Self::Generate { user, .. }
            | Self::Remember { user, .. }
            | Self::Create { user, .. }
            | Self::SetPassword { user, .. }
            | Self::SetActive { user, .. }
            | Self::SetExtra { user, .. }
            | Self::BeginRotation { user, .. }
            | Self::Rotate { user, .. }
            | Self::NoRotation { user, .. }
            | Self::Delete(user) => user,
        }
    }

    /// Whether it is kept in mind before what follows: whoever is cut off there must find the rest.
    pub fn must_be_remembered(&self) -> bool {
        matches!(self, Self::Remember { .. } | Self::BeginRotation { .. })
    }

    /// Whether it changes the server.
    pub fn is_on_server(&self) -> bool {
        match self {
            Self::Generate { .. }
            | Self::Remember { .. }
            | Self::BeginRotation { .. }
            | Self::NoRotation { .. } => false,
            Self::Create { .. }
            | Self::SetPassword { .. }
            | Self::SetActive { .. }
            | Self::SetExtra { .. }
            | Self::Rotate { .. }
            | Self::Delete(_) => true,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generate { user, secret, .. } => {
                write!(f, "generate a password for {user} into the Secret {}", secret.name)
            }
            Self::Remember { user, .. } => write!(f, "note the keys in extra of the user {user}"),
            Self::Create { user, .. } => write!(f, "create the user {user}"),
            Self::SetPassword { user, password, .. } => {
                write!(f, "set the password of {user} from the Secret {}", password.name)
            }
            Self::SetActive { user, active: true, .. } => write!(f, "activate the user {user}"),
            Self::SetActive { user, active: false, .. } => write!(f, "deactivate the user {user}"),
            Self::SetExtra { user, change, .. } => {
                let keys: Vec<_> = change.keys().map(|key| format!("{key:?}")).collect();
                write!(f, "set {} in extra of the user {user}", keys.join(", "))
            }
            Self::BeginRotation { user, .. } => write!(f, "note that the password of {user} is replaced"),
            Self::Rotate { user, secret, .. } => {
                write!(f, "replace the password of {user} in the Secret {}", secret.name)
            }
            Self::NoRotation { user, .. } => write!(
                f,
                "the annotation {} is not obeyed: the password of {user} is not generated by the operator; change it \
                 where it comes from, or set spec.password.generate",
                super::ROTATE
            ),
            Self::Delete(user) => write!(f, "delete the user {user}"),
        }
    }
}
