//! Why a resource is not Ready: a closed list of reasons, each with what it means for the person who reads it.

use std::fmt;

/// What a reason makes of the condition that it is the reason of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is so.
    Good,
    /// What is missing can come by itself.
    Waits,
    /// A person must act.
    NeedsAPerson,
}

/// When the next look is, unless a change or the interval comes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// A watch or the interval wakes the resource when it can go on: only a slow look is needed besides.
    Woken,
    /// Nobody tells: looked at again after 1 s, then ever more seldom.
    Polled,
}

/// Makes the closed list: a line per reason, with its standing, its wake and what it means.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident: $standing:ident, $wake:ident;)+) => {
        /// The reason of a condition. Closed: dashboards and scripts may match on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// All of them, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As written into conditions, Events and metric labels.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// What it means, in a sentence or two.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning),+).trim_ascii()),+ }
            }

            /// What it makes of its condition.
            pub fn standing(self) -> Standing {
                match self { $(Self::$name => Standing::$standing),+ }
            }

            /// When the next look is.
            pub fn wake(self) -> Wake {
                match self { $(Self::$name => Wake::$wake),+ }
            }
        }
    };
}

reasons! {
    /// What is declared is there.
    Ready: Good, Woken;
    /// Nobody has looked yet.
    Pending: Waits, Woken;
    /// The ArangoCluster that is named doesn't exist or is not connected yet.
    ClusterMissing: Waits, Woken;
    /// No coordinator answers, or none is ready to.
    ServerUnavailable: Waits, Polled;
    /// The user doesn't exist yet.
    UserMissing: Waits, Polled;
    /// The database doesn't exist yet.
    DatabaseMissing: Waits, Polled;
    /// A collection doesn't exist yet.
    CollectionMissing: Waits, Polled;
    /// A Secret, or the key in it, doesn't exist yet.
    SecretMissing: Waits, Woken;
    /// A resource that is named doesn't exist yet.
    ReferenceMissing: Waits, Woken;
    /// A write met another one, or a read was older than our last write.
    Retry: Waits, Polled;
    /// A person paused it by annotation.
    Paused: Waits, Woken;
    /// The supervision, or a DB-Server, is in maintenance as the annotation says: there is less failover meanwhile, or none.
    MaintenanceOn: Good, Woken;
    /// Maintenance has been on for more than a day; it was probably forgotten.
    LongRunning: Good, Woken;
    /// Maintenance is on and the operator did not switch it on, so it doesn't switch it off.
    MaintenanceByHand: Good, Woken;
    /// Maintenance is being switched, which takes up to two minutes.
    MaintenanceSwitching: Waits, Woken;
    /// Another resource declares the same thing.
    Conflict: NeedsAPerson, Woken;
    /// What is declared can't be.
    Invalid: NeedsAPerson, Woken;
    /// The user doesn't exist and the resource declares no password to make it with.
    PasswordMissing: NeedsAPerson, Woken;
    /// The account is never managed: `root`, or the one that the operator itself connects with.
    Protected: NeedsAPerson, Woken;
    /// The connection's account may not do this.
    AccessDenied: NeedsAPerson, Polled;
    /// The server refused, and will again.
    Refused: NeedsAPerson, Polled;
    /// Somebody switched maintenance off twice, within minutes of the operator's on: nothing more is switched.
    MaintenanceUndone: NeedsAPerson, Woken;
    /// A single server has no maintenance.
    MaintenanceUnsupported: NeedsAPerson, Woken;
    /// The end time of the maintenance had passed when it was first seen: nothing was switched.
    EndTimePast: NeedsAPerson, Woken;
    /// The deletion can't be carried out yet.
    DeletionBlocked: NeedsAPerson, Polled;
}

impl Reason {
    /// Whether a person must act; otherwise what is missing can come by itself.
    pub fn needs_a_person(self) -> bool {
        self.standing() == Standing::NeedsAPerson
    }

    /// Whether a watch or a tick wakes the resource when it can go on, so that only a slow look is needed besides.
    pub fn is_woken(self) -> bool {
        self.wake() == Wake::Woken
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own_and_says_what_it_means() {
        let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(reason.meaning().ends_with('.') && reason.meaning().len() > 20, "{reason}");
        }
    }
}
