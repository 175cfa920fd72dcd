//! What a collection should be, what it is, and the steps between. Pure.

use std::fmt;

use super::crd::{ArangoCollectionSpec, CollectionDeletionPolicy};
use crate::core::{Because, CollectionName, Consent, DatabaseName, Hold, Plan, Reason, Risk};

/// A declared collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The database that it is in.
    pub database: DatabaseName,
    /// Its name.
    pub name: CollectionName,
}

/// What the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Not even the database.
    NoDatabase,
    /// The database, without the collection.
    Absent,
    /// The collection.
    There,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create it.
    Create(Desired),
    /// Drop it, with all its data.
    Drop(Desired),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(Desired { database, name }) => write!(f, "create the collection {database}/{name}"),
            Self::Drop(Desired { database, name }) => write!(f, "drop the collection {database}/{name}"),
        }
    }
}

/// Reads the spec.
pub fn desired(spec: &ArangoCollectionSpec, resource_name: &str) -> Result<Desired, Hold> {
    let invalid = |error: crate::core::NameError| Hold::invalid(error.to_string());
    let name = CollectionName::parse(spec.name.as_deref().unwrap_or(resource_name)).map_err(invalid)?;
    if name.as_str().starts_with('_') {
        return Err(Hold::invalid(format!("the collection {name} is ArangoDB's own; declare another name")));
    }
    Ok(Desired { database: DatabaseName::parse(&spec.database).map_err(invalid)?, name })
}

/// Whether the collection is dropped with its resource.
pub fn consent(spec: &ArangoCollectionSpec) -> Consent {
    match spec.deletion_policy {
        Some(CollectionDeletionPolicy::Delete) => Consent::Remove,
        Some(CollectionDeletionPolicy::Retain) | None => Consent::Keep,
    }
}

/// Create what is missing, once there is a database to create it in.
pub fn plan(desired: &Desired, observed: Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    match observed {
        Observed::There => {}
        Observed::Absent => plan.push(Action::Create(desired.clone()), Because::Missing),
        Observed::NoDatabase => {
            let message =
                format!("the database {} does not exist yet; going on when it does", desired.database);
            plan.hold = Some(Hold::new(Reason::DatabaseMissing, message));
        }
    }
    plan
}

/// Drop what is there.
pub fn removal(desired: &Desired, observed: Observed) -> Plan<Action> {
    let mut plan = Plan::default();
    if observed == Observed::There {
        plan.push_risky(Action::Drop(desired.clone()), Because::Deleted, Risk::DestroysData);
    }
    plan
}
