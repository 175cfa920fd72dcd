//! What a database should be, what it is, and the steps between. Pure.

use std::fmt;

use super::crd::{ArangoDatabaseSpec, DatabaseDeletionPolicy, DatabaseOptions};
use crate::core::{Because, Consent, DatabaseName, Hold, Plan, Risk};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Whether there is a database of that name.
    pub exists: bool,
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
    let name = spec.name.as_deref().unwrap_or(resource_name);
    let name = DatabaseName::parse(name).map_err(|error| Hold::invalid(error.to_string()))?;
    if name.is_system() {
        return Err(Hold::invalid(format!("the database {name} is ArangoDB's own; declare another name")));
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
pub fn plan(desired: &Desired, observed: Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    if !observed.exists {
        plan.push(Action::Create(desired.name.clone(), desired.options.clone()), Because::Missing);
    }
    plan
}

/// Drop what is there, if the spec says so only after a look into it.
pub fn removal(desired: &Desired, observed: Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    if observed.exists {
        let drop = if desired.only_if_empty { Action::DropIfEmpty } else { Action::Drop };
        plan.push_risky(drop(desired.name.clone()), Because::Deleted, Risk::DestroysData);
    }
    plan
}
