//! What happens in a storm, as data: written down a step per line, read back, and carried out again.

use serde::{Deserialize, Serialize};

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Place {
    /// The one of the `ArangoCluster`.
    Own,
    /// One that it is lent to, and that may be deleted as a whole.
    Tenant,
}

/// A resource, by its place and numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Object {
    Database(Place, u8),
    User(Place, u8),
    /// Of that user on that database.
    Row(Place, u8, u8),
}

/// What becomes of it on the server when the resource is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Policy {
    Delete,
    Retain,
    DeleteIfEmpty,
}

/// An access level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    None,
    Ro,
    Rw,
}

/// A user, as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// Whether his password is made up for him.
    pub(crate) generated: bool,
    pub(crate) active: bool,
    pub(crate) team: u8,
    pub(crate) policy: Policy,
}

/// A row, as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) access: Level,
    /// On all collections.
    pub(crate) collections: Option<Level>,
    pub(crate) policy: Policy,
}

/// What an administrator changes on the server, which is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ByHand {
    /// The level of a row.
    Level(Level),
    /// The user's password.
    Password,
    /// The user is gone.
    Gone,
}

/// When the operator is killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum At {
    /// Wherever it is.
    Once,
    /// Between a request to `ArangoDB` and its answer. `done`: whether the work was done.
    Arango { method: String, path: String, done: bool },
    /// The same of a request to Kubernetes. `what`: the resource, with `/status` where that is meant.
    Kube { method: String, what: String, done: bool },
}

/// What becomes of requests to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Trouble {
    /// 409, and nothing is done. Writes alone.
    Conflict,
    /// 429.
    TooMany,
    /// 500.
    Error,
    /// The connection is closed before anything is done.
    Refuse,
    /// The connection is closed in place of the answer.
    Drop,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    // What users do. A step that is not possible where it stands is left out.
    Database(Place, u8, Policy),
    User(Place, u8, User),
    Row(Place, u8, u8, Row),
    Delete(Object),
    /// Another password in the Secret of all.
    Password(Place, u8),
    /// A wish for another one that is made up.
    Rotate(Place, u8),
    Pause(Object, bool),
    Look(Object),
    Maintenance(bool),
    DeleteNamespace,
    // What administrators do on the server.
    /// A collection with data.
    Fill(Place, u8),
    /// A right of a user on what is not ours.
    Grant(u8),
    ByHand(Object, ByHand),
    // What goes wrong.
    /// A fault of the stand-in, in its own words.
    Arango(String),
    /// A coordinator is killed, and started again after so many milliseconds.
    Coordinator(usize, u64),
    ExpireTokens,
    /// So many requests to the API server.
    Trouble(Trouble, u64),
    CutWatches,
    CrashApiServer,
    CrashEtcd,
    Kill(At),
    /// The operator is stopped (SIGSTOP) for so many milliseconds.
    Stop(u64),
    /// The Lease was renewed so many seconds later, or earlier, than it says: a clock was set.
    Clock(i64),
    /// Another replica takes the Lease.
    Deposed,
    /// A moment passes.
    Wait(u64),
    /// Faults end, and all that is declared is there within a limit.
    Calm,
}

impl Step {
    /// Whether it is something that goes wrong.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Arango(_)
                | Self::Coordinator(..)
                | Self::ExpireTokens
                | Self::Trouble(..)
                | Self::CutWatches
                | Self::CrashApiServer
                | Self::CrashEtcd
                | Self::Kill(_)
                | Self::Stop(_)
                | Self::Clock(_)
                | Self::Deposed
        )
    }
}

/// Steps as text, one a line.
pub(crate) fn written(steps: &[Step]) -> String {
    steps.iter().map(|step| serde_json::to_string(step).unwrap() + "\n").collect()
}

/// Steps out of a text. Empty lines and those that begin with `#` are no steps.
pub(crate) fn read(text: &str) -> Result<Vec<Step>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))
        })
        .collect()
}

impl Place {
    /// What the names of its things begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Tenant => "ten",
        }
    }

    /// How many databases and users there may be.
    pub(crate) fn size(self) -> u8 {
        match self {
            Self::Own => 4,
            Self::Tenant => 2,
        }
    }
}

impl Object {
    pub(crate) fn place(self) -> Place {
        let (Self::Database(place, _) | Self::User(place, _) | Self::Row(place, ..)) = self;
        place
    }

    /// Whether it is the user from whom rights are taken that nobody declares.
    pub(crate) fn revokes(self) -> bool {
        self == Self::User(Place::Own, 3)
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Database(..) => "ArangoDatabase",
            Self::User(..) => "ArangoUser",
            Self::Row(..) => "ArangoPermission",
        }
    }

    /// The resource's name, which is the one on the server where it has one there.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Database(place, n) => format!("{}-d{n}", place.prefix()),
            Self::User(place, n) => format!("{}-u{n}", place.prefix()),
            Self::Row(place, user, database) => {
                format!("{}-{}", Self::User(place, user).name(), Self::Database(place, database).name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_back_as_they_were_written_and_a_bad_line_is_named() {
        let steps = crate::generate::steps(7, 500);
        assert_eq!(read(&written(&steps)).unwrap(), steps);
        assert_eq!(read("# none\n\n").unwrap(), []);
        assert!(read("\"Calm\"\n{\"Dance\": 1}").unwrap_err().starts_with("line 2: "));
    }
}
