//! What a database should be, what it is, and the steps between. Pure.

use std::fmt;

use super::crd::{ArangoDatabaseSpec, DatabaseDeletionPolicy, DatabaseOptions};
use crate::{
    core::{
        Because, Consent, DatabaseName, Hold, Plan, Reason, Risk,
        condition::{ConditionStatus, IN_SYNC, Said},
    },
    kinds::Shown,
};

/// A declared database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Its name.
    pub name: DatabaseName,
    /// Options for its creation.
    pub options: DatabaseOptions,
    /// Whether it goes with its resource only if there is nothing in it.
    pub only_if_empty: bool,
}

/// What the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whether there is a database of that name.
    pub exists: bool,
    /// Its options, if some are declared and it was there.
    pub options: Option<Seen>,
}

/// The options of a database that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The connection's account may not see them.
    Hidden,
    /// As far as the server tells them: a single server has none.
    Shown {
        /// `single`, or empty for `flexible`.
        sharding: Option<String>,
        /// How many copies; nothing where there is one on every DB-Server.
        replication_factor: Option<Option<u64>>,
        /// How many copies a write waits for.
        write_concern: Option<u32>,
    },
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create it.
    Create(DatabaseName, DatabaseOptions),
    /// Drop it, with all its data.
    Drop(DatabaseName),
    /// Look whether there is anything in it, and drop it if not.
    DropIfEmpty(DatabaseName),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(name, _) => write!(f, "create the database {name}"),
            Self::Drop(name) => write!(f, "drop the database {name}"),
            Self::DropIfEmpty(name) => write!(f, "drop the database {name} if it is empty"),
        }
    }
}

/// Reads the spec.
pub fn desired(spec: &ArangoDatabaseSpec, resource_name: &str) -> Result<Desired, Hold> {
    let (name, field) = match &spec.name {
        Some(name) => (name.as_str(), "spec.name"),
        None => (resource_name, "metadata.name"),
    };
    let name = DatabaseName::parse(name).map_err(|error| Hold::invalid(error.to_string()).at(field))?;
    if name.is_system() {
        let message = format!("the database {name} is ArangoDB's own; declare another name");
        return Err(Hold::invalid(message).at(field));
    }
    Ok(Desired {
        name,
        options: spec.options.clone().unwrap_or_default(),
        only_if_empty: spec.deletion_policy == Some(DatabaseDeletionPolicy::DeleteIfEmpty),
    })
}

/// Whether the database is dropped with its resource.
pub fn consent(spec: &ArangoDatabaseSpec) -> Consent {
    match spec.deletion_policy {
        Some(DatabaseDeletionPolicy::Delete | DatabaseDeletionPolicy::DeleteIfEmpty) => Consent::Remove,
        Some(DatabaseDeletionPolicy::Retain) | None => Consent::Keep,
    }
}

/// Create what is missing.
pub fn plan(desired: &Desired, observed: &Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    if !observed.exists {
        plan.push(Action::Create(desired.name.clone(), desired.options.clone()), Because::Missing);
    }
    plan
}

/// Drop what is there, if the spec says so only after a look into it.
pub fn removal(desired: &Desired, observed: &Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    if observed.exists {
        let drop = if desired.only_if_empty { Action::DropIfEmpty } else { Action::Drop };
        plan.push_risky(drop(desired.name.clone()), Because::Deleted, Risk::DestroysData);
    }
    plan
}

/// What is there, by names and values.
pub fn shown(observed: &Observed) -> Shown {
    let mut shown = Shown::new();
    if observed.exists {
        shown.insert("database".to_owned(), "exists".to_owned());
    }
    if let Some(Seen::Shown { sharding, replication_factor, write_concern }) = &observed.options {
        let mut option = |name: &str, value: Option<String>| {
            shown.extend(value.map(|value| (format!("options.{name}"), value)));
        };
        option("sharding", sharding.as_deref().map(flexible));
        option("replicationFactor", replication_factor.map(copies));
        option("writeConcern", write_concern.map(|concern| concern.to_string()));
    }
    shown
}

fn flexible(found: &str) -> String {
    if found.is_empty() { "flexible".to_owned() } else { found.to_owned() }
}

fn copies(count: Option<u64>) -> String {
    count.map_or("satellite".to_owned(), |count| count.to_string())
}

/// What the options come to that are declared: the condition `InSync`, where it isn't True.
pub fn remark(desired: &Desired, observed: &Observed) -> Option<Said> {
    let said = |status, reason, message| Some(Said { type_: IN_SYNC, status, reason, message });
    let name = &desired.name;
    let (sharding, factor, concern) = match observed.options.as_ref()? {
        Seen::Hidden => {
            let message = format!(
                "the connection's account has no access to the database {name}, so that its options can't be compared \
                 with those in spec.options; give it ro there, or leave spec.options out"
            );
            return said(ConditionStatus::Unknown, Reason::OptionsHidden, message);
        }
        Seen::Shown { sharding, replication_factor, write_concern } => {
            (sharding, replication_factor, write_concern)
        }
    };
    let DatabaseOptions { sharding: declared_sharding, replication_factor, write_concern } = &desired.options;
    let mut differs = Vec::new();
    let mut compare = |what: &str, declared: Option<String>, found: Option<String>| {
        if let (Some(declared), Some(found)) = (declared, found)
            && declared != found
        {
            differs.push(format!("{what} {found}, not {declared}"));
        }
    };
    compare("sharding", declared_sharding.map(|s| s.as_str().to_owned()), sharding.as_deref().map(flexible));
    compare("replicationFactor", replication_factor.map(|n| n.to_string()), factor.map(copies));
    compare("writeConcern", write_concern.map(|n| n.to_string()), concern.map(|n| n.to_string()));
    if differs.is_empty() {
        return None;
    }
    let message = format!(
        "the database {name} has {}; ArangoDB can't change the options of a database: declare what it has, or make \
         it anew",
        differs.join(", ")
    );
    said(ConditionStatus::False, Reason::OptionsDiffer, message)
}
