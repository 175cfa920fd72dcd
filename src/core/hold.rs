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

/// Makes the closed list: a line per reason, with its standing, its wake, what it means, and what a person does about
/// it (`#[next = "…"]`) where that is more than to wait.
macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $(#[next = $next:literal])? $name:ident: $standing:ident, $wake:ident;)+) => {
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

            /// What a person does about it; nothing where it is enough to wait, or to read the message.
            pub fn next(self) -> Option<&'static str> {
                match self { $(Self::$name => [$($next,)?].first().copied()),+ }
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
    /// Of `InSync`: what is declared and what is there are the same.
    InSync: Good, Woken;
    /// Nobody has looked yet.
    #[next = "Nothing, for a moment. If it stays, look whether the operator runs, and whether it watches this namespace."]
    Pending: Waits, Woken;
    /// The ArangoCluster that is named doesn't exist or is not connected yet.
    #[next = "Look at the status of the ArangoCluster that the message names, or apply it."]
    ClusterMissing: Waits, Woken;
    /// No coordinator answers, or none is ready to.
    #[next = "Look at the deployment, and at the network between. The coordinators in the ArangoCluster's status say what each of them answers."]
    ServerUnavailable: Waits, Polled;
    /// The server is in read-only mode. What is to be done waits until it takes writes again; `status.pending` lists it.
    ServerReadOnly: Waits, Polled;
    /// The user doesn't exist yet.
    #[next = "Nothing, if the user is about to be made. Otherwise declare an ArangoUser, or correct the name."]
    UserMissing: Waits, Polled;
    /// The database doesn't exist yet.
    #[next = "Nothing, if the database is about to be made. Otherwise declare an ArangoDatabase, or correct the name."]
    DatabaseMissing: Waits, Polled;
    /// A collection doesn't exist yet.
    #[next = "Nothing, if the application makes the collection. Otherwise correct its name, or the database."]
    CollectionMissing: Waits, Polled;
    /// A Secret, or the key in it, doesn't exist yet.
    #[next = "Make the Secret with that key, in the namespace of the resource that names it."]
    SecretMissing: Waits, Woken;
    /// A resource that is named doesn't exist yet.
    #[next = "Apply the resource that the message names, in the same namespace, or correct the reference."]
    ReferenceMissing: Waits, Woken;
    /// A write met another one, or a read was older than our last write.
    #[next = "Nothing."]
    Retry: Waits, Polled;
    /// A person paused it by annotation.
    #[next = "Remove the annotation when the pause is over."]
    Paused: Waits, Woken;
    /// What is declared is not all there, and the drift policy Observe keeps it from being changed. `status.pending`
    /// lists what Correct would do.
    #[next = "Put it right by hand, or set drift.policy to Correct, in the resource or in its ArangoCluster."]
    ActionsPending: NeedsAPerson, Woken;
    /// Of `InSync`: a database has other options than declared, which ArangoDB can't change.
    #[next = "Correct spec.options to what the database has. To have other options, make a new database and move the data."]
    OptionsDiffer: NeedsAPerson, Woken;
    /// Of `InSync`: the connection's account may not see the options of the database.
    #[next = "Nothing, if the options don't matter. Otherwise give the connection's account rw on _system and access to the database."]
    OptionsHidden: Waits, Woken;
    /// Of `Effective`: a wider right gives more than what is declared, and ArangoDB lets the higher one win.
    #[next = "Lower the right that the message names, if the lower level is what is meant."]
    Overridden: NeedsAPerson, Woken;
    /// Of `Effective`: the user has no access to the database, so that his levels on its collections are of no use.
    #[next = "Set spec.access to ro or rw, if the levels on collections are to be of use."]
    DatabaseClosed: NeedsAPerson, Woken;
    /// The supervision, or a DB-Server, is in maintenance as the annotation says: there is less failover meanwhile, or none.
    #[next = "Remove the annotation when the work is done; a duration or an end time ends by itself."]
    MaintenanceOn: Good, Woken;
    /// Maintenance has been on for more than a day; it was probably forgotten.
    #[next = "Remove the annotation, unless it is meant."]
    LongRunning: Good, Woken;
    /// Maintenance is on and the operator did not switch it on, so it doesn't switch it off.
    #[next = "Ask who did. The annotation with the value off ends it."]
    MaintenanceByHand: Good, Woken;
    /// Maintenance is being switched, which takes up to two minutes.
    #[next = "Nothing."]
    MaintenanceSwitching: Waits, Woken;
    /// Another resource declares the same thing.
    #[next = "Delete one of the two resources, or give one of them another name. This one takes over when the other is gone."]
    Conflict: NeedsAPerson, Woken;
    /// What is declared can't be.
    #[next = "Correct what the message names."]
    Invalid: NeedsAPerson, Woken;
    /// The user doesn't exist and the resource declares no password to make it with.
    #[next = "Set spec.password, or make the user by hand."]
    PasswordMissing: NeedsAPerson, Woken;
    /// The account is never managed: `root`, or the one that the operator itself connects with.
    #[next = "Delete the resource and declare another user."]
    Protected: NeedsAPerson, Woken;
    /// The ArangoCluster leads to another deployment than before: nothing is taken away there, and nothing that exists is changed, until a person accepts it.
    #[next = "If that is meant, set the annotation arango-operator.dev/accept-deployment of the ArangoCluster to the identity in its status; otherwise correct spec.endpoints."]
    DeploymentChanged: NeedsAPerson, Woken;
    /// The connection's account may not do this, or the `ArangoCluster` is in another namespace and doesn't lend it.
    #[next = "Correct the user name and the password in the Secret of the ArangoCluster, or give that account rw on _system; or have it lent by spec.access of the ArangoCluster."]
    AccessDenied: NeedsAPerson, Polled;
    /// The server refused, and will again.
    #[next = "Correct what the message names; if it names nothing, look into the server's log."]
    Refused: NeedsAPerson, Polled;
    /// Somebody switched maintenance off twice, within minutes of the operator's on: nothing more is switched.
    #[next = "Find out who switches it off. Then change the annotation, and it begins anew."]
    MaintenanceUndone: NeedsAPerson, Woken;
    /// kube-arangodb runs the servers, and its own switch is kept as it is by somebody else, or has no place for this.
    #[next = "Let the manager that the message names switch, or make it leave spec.database.maintenance alone."]
    MaintenanceRefused: NeedsAPerson, Woken;
    /// A single server has no maintenance.
    #[next = "Remove the annotation."]
    MaintenanceUnsupported: NeedsAPerson, Woken;
    /// The end time of the maintenance had passed when it was first seen: nothing was switched.
    #[next = "Write a later end time, or remove the annotation."]
    EndTimePast: NeedsAPerson, Woken;
    /// The deletion can't be carried out yet.
    #[next = "Do what the message says. To let the resource go and leave what it declared on the server, set the annotation arango-operator.dev/release to \"true\"."]
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
    /// The field of the manifest that it is about, as in `spec.collections.orders`, where it is one.
    pub field: Option<String>,
}

impl Hold {
    /// A hold with a sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: None }
    }

    /// About that field of the manifest.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
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
            assert!(reason.next().is_none_or(|next| next.ends_with('.')), "{reason}");
        }
    }
}
