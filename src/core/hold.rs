//! Why a resource is not Ready: a closed list of reasons, each with what it means for the person who reads it.

use std::fmt;

/// The reason of the condition `Ready`. Closed: dashboards and scripts may match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// What is declared is there.
    Ready,
    /// Nobody has looked yet.
    Pending,
    /// The ArangoCluster that is named doesn't exist or is not connected yet.
    ClusterMissing,
    /// No coordinator answers, or none is ready to.
    ServerUnavailable,
    /// The user doesn't exist yet.
    UserMissing,
    /// The database doesn't exist yet.
    DatabaseMissing,
    /// A collection doesn't exist yet.
    CollectionMissing,
    /// A Secret, or the key in it, doesn't exist yet.
    SecretMissing,
    /// A resource that is named doesn't exist yet.
    ReferenceMissing,
    /// A write met another one, or a read was older than our last write.
    Retry,
    /// A person paused it.
    Paused,
    /// Another resource declares the same thing.
    Conflict,
    /// What is declared can't be.
    Invalid,
    /// The user doesn't exist and the resource declares no password to make it with.
    PasswordMissing,
    /// The account is never managed: `root`, or the one that the operator itself connects with.
    Protected,
    /// The connection's account may not do this.
    AccessDenied,
    /// The server refused, and will again.
    Refused,
    /// The deletion can't be carried out yet.
    DeletionBlocked,
}

impl Reason {
    /// As written into conditions, Events and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Pending => "Pending",
            Self::ClusterMissing => "ClusterMissing",
            Self::ServerUnavailable => "ServerUnavailable",
            Self::UserMissing => "UserMissing",
            Self::DatabaseMissing => "DatabaseMissing",
            Self::CollectionMissing => "CollectionMissing",
            Self::SecretMissing => "SecretMissing",
            Self::ReferenceMissing => "ReferenceMissing",
            Self::Retry => "Retry",
            Self::Paused => "Paused",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::PasswordMissing => "PasswordMissing",
            Self::Protected => "Protected",
            Self::AccessDenied => "AccessDenied",
            Self::Refused => "Refused",
            Self::DeletionBlocked => "DeletionBlocked",
        }
    }

    /// Whether a person must act; otherwise what is missing can come by itself.
    pub fn needs_a_person(self) -> bool {
        match self {
            Self::Conflict
            | Self::Invalid
            | Self::PasswordMissing
            | Self::Protected
            | Self::AccessDenied
            | Self::Refused
            | Self::DeletionBlocked => true,
            Self::Ready
            | Self::Pending
            | Self::ClusterMissing
            | Self::ServerUnavailable
            | Self::UserMissing
            | Self::DatabaseMissing
            | Self::CollectionMissing
            | Self::SecretMissing
            | Self::ReferenceMissing
            | Self::Retry
            | Self::Paused => false,
        }
    }

    /// Whether a watch or a tick wakes the resource when it can go on, so that only a slow look is needed besides.
    pub fn is_woken(self) -> bool {
        match self {
            Self::ClusterMissing
            | Self::SecretMissing
            | Self::ReferenceMissing
            | Self::Paused
            | Self::Conflict
            | Self::Invalid
            | Self::PasswordMissing
            | Self::Protected
            | Self::Ready
            | Self::Pending => true,
            Self::ServerUnavailable
            | Self::UserMissing
            | Self::DatabaseMissing
            | Self::CollectionMissing
            | Self::Retry
            | Self::AccessDenied
            | Self::Refused
            | Self::DeletionBlocked => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a resource can't go on, in one sentence that names the object and says what happens next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Hold {
    /// The reason.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
}

impl Hold {
    /// A hold with a sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// What is declared can't be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, message)
    }
}
