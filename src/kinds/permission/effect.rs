//! What a row comes to next to the user's wider rows: whether what it declares takes effect. Pure.
//!
//! ArangoDB takes the highest of all levels that reach a collection without a level of its own, so that a wildcard can
//! raise a level and never lower it; and a level on `_system` reaches every other database (reference: permissions,
//! resolution). What is declared may therefore be there, and yet not hold.

use super::{
    crd::PermissionMemory,
    plan::{Desired, Observed},
};
use crate::core::{
    CollectionName, Level, Reason, Rule, Scope, Wider,
    condition::{ConditionStatus, EFFECTIVE, Said},
};

/// How many findings the message tells.
const TOLD_MAX: usize = 3;

/// A declared level that doesn't take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding<'a> {
    /// Something higher wins.
    Overridden {
        /// The level on these collections, or on the database.
        collections: Option<&'a Scope<CollectionName>>,
        /// What is declared.
        declared: Level,
        /// What holds.
        effective: Level,
        /// What gives it.
        by: Rule,
    },
    /// The user can't reach the database, and so not that collection.
    Closed(&'a Scope<CollectionName>, Level),
}

/// The declared levels that don't take effect once the row is as declared.
pub fn findings<'a>(
    desired: &'a Desired,
    observed: &Observed,
    memory: &PermissionMemory,
) -> Vec<Finding<'a>> {
    let wider = observed.wider;
    let own = match desired.access {
        // It goes with this plan.
        None if memory.applied.access => None,
        None => observed.entry.level,
        declared => declared,
    };
    let database = match desired.database {
        Scope::Named(_) => wider.on_database(own).level,
        // It stands for many databases; some may be open.
        Scope::Any => Level::Rw,
    };
    let mut found = Vec::new();
    let mut overridden = |collections, declared, given: crate::core::Given| {
        if let Some(by) = given.rule.filter(|_| given.level > declared) {
            found.push(Finding::Overridden { collections, declared, effective: given.level, by });
        }
    };
    if let Some(declared) = desired.access {
        match desired.database {
            // An explicit none closes the database, whatever reaches its collections.
            Scope::Named(_) if declared == Level::None => {}
            // Its own level holds on the database, but what is wider reaches the collections in it.
            Scope::Named(_) => overridden(None, declared, wider.on_collections(None)),
            // It holds on databases without a level of their own, as far as `_system` gives no more.
            Scope::Any => overridden(None, declared, Wider { all: Level::None, ..wider }.on_database(None)),
        }
    }
    if let Some((any, declared)) = desired.collections.get_key_value(&Scope::Any)
        && database > Level::None
    {
        overridden(Some(any), *declared, wider.on_collections(own));
    }
    let of_use = |(_, level): &(&Scope<CollectionName>, &Level)| **level > Level::None;
    if database == Level::None {
        let closed = desired.collections.iter().filter(of_use);
        found.extend(closed.map(|(collection, level)| Finding::Closed(collection, *level)));
    }
    found
}

/// The condition `Effective`, where it is False.
pub fn remark(desired: &Desired, observed: &Observed, memory: &PermissionMemory) -> Option<Said> {
    let found = findings(desired, observed, memory);
    let reason = match found.first()? {
        Finding::Overridden { .. } => Reason::Overridden,
        Finding::Closed(..) => Reason::DatabaseClosed,
    };
    let mut told: Vec<_> = found.iter().take(TOLD_MAX).map(|finding| tell(desired, finding)).collect();
    if found.len() > TOLD_MAX {
        told.push(format!("and {} more", found.len() - TOLD_MAX));
    }
    Some(Said { type_: EFFECTIVE, status: ConditionStatus::False, reason, message: told.join("; ") })
}

/// One finding as a sentence.
fn tell(desired: &Desired, finding: &Finding<'_>) -> String {
    let Desired { user, database, .. } = desired;
    match finding {
        Finding::Overridden { collections, declared, effective, by } => {
            let what = match (collections, database) {
                (Some(collections), _) => format!("the level {declared} on {database}/{collections}"),
                (None, Scope::Any) => format!("the level {declared} on *"),
                (None, Scope::Named(_)) => format!("the level {declared} on the collections of {database}"),
            };
            format!("{what} can't take effect: {user} has {effective} there by {}", winner(desired, *by))
        }
        Finding::Closed(collection, level) => format!(
            "the level {level} on {database}/{collection} can't take effect: {user} has no access to the database \
             {database}; give him ro on it"
        ),
    }
}

/// The right that wins, and where it comes from.
fn winner(desired: &Desired, by: Rule) -> String {
    let user = &desired.user;
    let (row, declarer) = match by {
        Rule::Database => {
            return format!("the level on {} itself, and a wildcard can't lower it", desired.database);
        }
        Rule::All => ("the level on */*, in the row *", &desired.wider.any),
        Rule::Any => ("the row *", &desired.wider.any),
        Rule::System => ("the row _system, which reaches every database", &desired.wider.system),
    };
    let whose = match declarer {
        Some(declarer) => format!("declared by {declarer}"),
        None => "which no ArangoPermission declares".to_owned(),
    };
    format!("{row} of {user}, {whose}")
}
