//! What a row of the access matrix should be, what it is, and the steps between. Pure.
//!
//! Rows are careful: ArangoDB removes a database level together with every collection level under it (reference:
//! permissions, revoke). Taking the level away is therefore one plan: record what stays, declared or not; revoke;
//! put each back; clear the record. A plan that was cut off goes on from the record.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::crd::{Applied, ArangoPermissionSpec, PermissionMemory};
use crate::{
    core::{
        Because, CollectionName, DatabaseName, Entry, Hold, Level, Plan, Reason, Rights, Risk, Scope,
        UserName, Wider,
    },
    kinds::Shown,
};

/// Levels by collection.
pub type Collections = BTreeMap<Scope<CollectionName>, Level>;

/// A declared row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Whose.
    pub user: UserName,
    /// Where.
    pub database: Scope<DatabaseName>,
    /// The database level, if managed.
    pub access: Option<Level>,
    /// The managed collection levels.
    pub collections: Collections,
    /// Who declares the user's wider rows.
    pub wider: Declarers,
}

/// Who declares a user's wider rows, as a person names him; nothing where nobody does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declarers {
    /// That of the wildcard database.
    pub any: Option<String>,
    /// That of `_system`.
    pub system: Option<String>,
}

impl Desired {
    /// Whether the level on `*/*`, which costs a question of its own, is to be known: it may be higher than what this
    /// row declares, and somebody declares the row that it belongs to.
    pub fn minds_all(&self) -> bool {
        let any = self.collections.get(&Scope::Any);
        self.database != Scope::Any
            && self.wider.any.is_some()
            && (self.access == Some(Level::Ro) || any.is_some_and(|level| *level < Level::Rw))
    }
}

/// What the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Whether there is such a user.
    pub user: bool,
    /// Whether there is such a database; true for the wildcard.
    pub database: bool,
    /// The row as configured.
    pub entry: Entry,
    /// The level that would hold on the database if it had no entry of its own.
    pub fallback: Level,
    /// What reaches the row from the user's wider ones.
    pub wider: Wider,
}

/// A change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Whose.
    pub user: UserName,
    /// Where.
    pub database: Scope<DatabaseName>,
    /// What.
    pub change: Change,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Remember what this resource sets.
    Remember(Applied),
    /// Record the collection levels that the next step would take along.
    Record(BTreeMap<String, Level>),
    /// Clear that record.
    Forget,
    /// Set the database level.
    Grant(Level),
    /// Take the database level away, and every collection level with it.
    Revoke,
    /// Set a collection level.
    GrantCollection(Scope<CollectionName>, Level),
    /// Put a collection level back that a revoke took along.
    Restore(Scope<CollectionName>, Level),
    /// Take a collection level away.
    RevokeCollection(Scope<CollectionName>),
}

impl Action {
    /// Whether it gives a right that reaches databases which it doesn't name, or the administrator's.
    pub fn is_wide(&self) -> bool {
        let gives = match &self.change {
            Change::Grant(level) | Change::GrantCollection(_, level) => *level > Level::None,
            _ => false,
        };
        gives && self.database.named().is_none_or(DatabaseName::is_system)
    }

    /// What the user's rights are once it is carried out.
    pub fn apply(&self, rights: &mut Rights) {
        let entry = rights.0.entry(self.database.clone()).or_default();
        match &self.change {
            Change::Remember(_) | Change::Record(_) | Change::Forget => {}
            Change::Grant(level) => entry.level = Some(*level),
            Change::Revoke => *entry = Entry::default(),
            Change::GrantCollection(collection, level) | Change::Restore(collection, level) => {
                entry.collections.insert(collection.clone(), *level);
            }
            Change::RevokeCollection(collection) => {
                entry.collections.remove(collection);
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, database, change } = self;
        match change {
            Change::Remember(_) => write!(f, "note what is declared for {user} on {database}"),
            Change::Record(_) => write!(f, "record the collection levels of {user} on {database}"),
            Change::Forget => write!(f, "clear the record of {user} on {database}"),
            Change::Grant(level) => write!(f, "grant {user} {level} on {database}"),
            Change::Revoke => write!(f, "revoke the level of {user} on {database}"),
            Change::GrantCollection(collection, level) => {
                write!(f, "grant {user} {level} on {database}/{collection}")
            }
            Change::Restore(collection, level) => {
                write!(f, "put {level} on {database}/{collection} back for {user}")
            }
            Change::RevokeCollection(collection) => {
                write!(f, "revoke the level of {user} on {database}/{collection}")
            }
        }
    }
}

/// Reads the spec; `user` and `database` are the names on the server that its references lead to.
pub fn desired(spec: &ArangoPermissionSpec, user: &str, database: &str) -> Result<Desired, Hold> {
    let invalid = |field: &str| {
        let field = field.to_owned();
        |error: crate::core::NameError| Hold::invalid(error.to_string()).at(field)
    };
    let of_user = if spec.user_ref.is_some() { "spec.userRef" } else { "spec.user" };
    let user = UserName::parse(user).map_err(invalid(of_user))?;
    let of_database = if spec.database_ref.is_some() { "spec.databaseRef" } else { "spec.database" };
    let database = Scope::<DatabaseName>::parse(database).map_err(invalid(of_database))?;
    let mut collections = Collections::new();
    for (name, level) in &spec.collections {
        let field = format!("spec.collections.{name}");
        let collection = Scope::<CollectionName>::parse(name).map_err(invalid(&field))?;
        if collection.named().is_some_and(CollectionName::is_system) {
            let message = format!("a level on the system collection {name} can't be set; leave it out");
            return Err(Hold::invalid(message).at(field));
        }
        if database == Scope::Any && collection != Scope::Any {
            let message = format!(
                "with the wildcard database only the wildcard collection can be given a level, not {name}; name the \
                 database"
            );
            return Err(Hold::invalid(message).at(field));
        }
        collections.insert(collection, *level);
    }
    if spec.access.is_none() && collections.is_empty() {
        return Err(Hold::invalid("set spec.access, spec.collections or both").at("spec"));
    }
    Ok(Desired { user, database, access: spec.access, collections, wider: Declarers::default() })
}

/// The row that a resource has set, whatever its spec says now: enough to take it away.
pub fn remembered(spec: &ArangoPermissionSpec, user: &str, database: &str) -> Option<Desired> {
    let user = UserName::parse(user).ok()?;
    let database = Scope::<DatabaseName>::parse(database).ok()?;
    let (access, collections, wider) = (spec.access, Collections::new(), Declarers::default());
    Some(Desired { user, database, access, collections, wider })
}

/// The row as it is configured, by names and values.
pub fn shown(observed: &Observed) -> Shown {
    let Entry { level, collections } = &observed.entry;
    let access = level.map(|level| ("access".to_owned(), level.to_string()));
    let collections =
        collections.iter().map(|(name, level)| (format!("collections.{name}"), level.to_string()));
    access.into_iter().chain(collections).collect()
}

/// The steps to the declared row.
pub fn plan(desired: &Desired, observed: &Observed, memory: &PermissionMemory) -> Plan<Action> {
    if let Some(hold) = missing(desired, observed) {
        return Plan::held(hold);
    }
    let declared = declared(desired);
    let mut row = Row::new(desired, observed, memory);
    row.resume();
    let covered = union(&memory.applied, &declared);
    if covered != memory.applied || memory.row.is_none() {
        // Before anything is set, so that it is taken away again even if the process ends in between.
        row.push(Change::Remember(covered.clone()), Because::Bookkeeping);
    }
    match desired.access {
        Some(level) if !row.has_level(level) => {
            let because = if row.entry.level.is_none() { Because::Missing } else { Because::Differs };
            row.push(Change::Grant(level), because);
        }
        None if memory.applied.access => row.revoke(&undeclared(desired, memory), Because::NoLongerDeclared),
        _ => {}
    }
    for (collection, level) in &desired.collections {
        if !row.has_collection(collection, *level) {
            let known = row.entry.collections.contains_key(collection);
            let because = if known { Because::Differs } else { Because::Missing };
            row.push(Change::GrantCollection(collection.clone(), *level), because);
        }
    }
    let gone = undeclared(desired, memory);
    if desired.database == Scope::Any && gone.contains(&Scope::Any) {
        // Nobody looked at `*/*`, which no listing shows and which isn't declared any more. Taking it away where it
        // is not there does nothing.
        row.entry.collections.entry(Scope::Any).or_insert(Level::Ro);
    }
    row.revoke_collections(&gone, Because::NoLongerDeclared);
    if covered != declared {
        // Last, so that what is no longer declared is remembered until it is gone.
        row.push(Change::Remember(declared), Because::Bookkeeping);
    }
    row.plan
}

/// The steps that take away what the resource has set.
pub fn removal(desired: &Desired, observed: &Observed, memory: &PermissionMemory) -> Plan<Action> {
    if !observed.user || !observed.database {
        return Plan::default();
    }
    let mut row = Row::new(desired, observed, memory);
    row.resume();
    let ours = applied_collections(memory);
    if memory.applied.access {
        row.revoke(&ours, Because::Deleted);
    }
    row.revoke_collections(&ours, Because::Deleted);
    row.plan
}

fn missing(desired: &Desired, observed: &Observed) -> Option<Hold> {
    let Desired { user, database, .. } = desired;
    if !observed.user {
        let message = format!("the user {user} does not exist on the server yet; going on when he does");
        return Some(Hold::new(Reason::UserMissing, message));
    }
    if !observed.database {
        let message =
            format!("the database {database} does not exist on the server yet; going on when it does");
        return Some(Hold::new(Reason::DatabaseMissing, message));
    }
    None
}

fn declared(desired: &Desired) -> Applied {
    Applied {
        access: desired.access.is_some(),
        collections: desired.collections.keys().map(ToString::to_string).collect(),
    }
}

fn union(a: &Applied, b: &Applied) -> Applied {
    let collections: BTreeSet<_> = a.collections.iter().chain(&b.collections).cloned().collect();
    Applied { access: a.access || b.access, collections: collections.into_iter().collect() }
}

fn applied_collections(memory: &PermissionMemory) -> BTreeSet<Scope<CollectionName>> {
    // What can't be read as a name was not written by us.
    memory.applied.collections.iter().filter_map(|name| Scope::<CollectionName>::parse(name).ok()).collect()
}

fn undeclared(desired: &Desired, memory: &PermissionMemory) -> BTreeSet<Scope<CollectionName>> {
    let mut ours = applied_collections(memory);
    ours.retain(|collection| !desired.collections.contains_key(collection));
    ours
}

/// A row as it will be once the steps so far are done.
struct Row<'a> {
    desired: &'a Desired,
    memory: &'a PermissionMemory,
    fallback: Level,
    entry: Entry,
    plan: Plan<Action>,
}

impl<'a> Row<'a> {
    fn new(desired: &'a Desired, observed: &Observed, memory: &'a PermissionMemory) -> Self {
        let (entry, fallback) = (observed.entry.clone(), observed.fallback);
        Self { desired, memory, fallback, entry, plan: Plan::default() }
    }

    fn push(&mut self, change: Change, because: Because) {
        self.push_risky(change, because, Risk::None);
    }

    fn push_risky(&mut self, change: Change, because: Because, risk: Risk) {
        let Desired { user, database, .. } = self.desired;
        self.plan.push_risky(
            Action { user: user.clone(), database: database.clone(), change },
            because,
            risk,
        );
    }

    /// On the wildcard a level of none and no level are one and the same, and read alike (reference: permissions,
    /// full listing): there is nothing below it to fall back to.
    fn has_level(&self, level: Level) -> bool {
        self.entry.level == Some(level)
            || (self.desired.database == Scope::Any && self.entry.level.unwrap_or(Level::None) == level)
    }

    fn has_collection(&self, collection: &Scope<CollectionName>, level: Level) -> bool {
        let has = self.entry.collections.get(collection).copied();
        has == Some(level) || (self.desired.database == Scope::Any && has.unwrap_or(Level::None) == level)
    }

    /// Goes on where an earlier plan was cut off between its record and the end.
    fn resume(&mut self) {
        let Some(restore) = &self.memory.restore else { return };
        let restore: Collections = restore
            .iter()
            .filter_map(|(name, level)| Some((Scope::<CollectionName>::parse(name).ok()?, *level)))
            .collect();
        // While the level is there the revoke has not happened, and nothing was taken along; unless all is gone: then
        // somebody granted the level anew.
        let happened = self.entry.level.is_none()
            || !restore.keys().any(|collection| self.entry.collections.contains_key(collection));
        if happened {
            for (collection, level) in &restore {
                if !self.entry.collections.contains_key(collection) {
                    self.put_back(collection, *level, Because::Interrupted);
                }
            }
        }
        self.push(Change::Forget, Because::Interrupted);
    }

    /// Takes the database level away, and of the collection levels only the given ones.
    fn revoke(&mut self, with: &BTreeSet<Scope<CollectionName>>, because: Because) {
        let Some(level) = self.entry.level else { return };
        let mut stays = self.entry.collections.clone();
        stays.retain(|collection, _| !with.contains(collection));
        if !stays.is_empty() {
            let record = stays.iter().map(|(collection, level)| (collection.to_string(), *level)).collect();
            self.push(Change::Record(record), Because::Bookkeeping);
        }
        let risk = if self.fallback > level { Risk::RaisesRights } else { Risk::Removes };
        self.push_risky(Change::Revoke, because, risk);
        self.entry = Entry::default();
        for (collection, level) in &stays {
            self.put_back(collection, *level, because);
        }
        if !stays.is_empty() {
            self.push(Change::Forget, Because::Bookkeeping);
        }
    }

    /// Puts a collection level back that goes or went with the database level. One that is declared is granted as
    /// declared: should its collection be gone, the resource waits for it like for any other.
    fn put_back(&mut self, collection: &Scope<CollectionName>, level: Level, because: Because) {
        let declared = self.desired.collections.get(collection).copied();
        let change = match declared {
            Some(level) => Change::GrantCollection(collection.clone(), level),
            None => Change::Restore(collection.clone(), level),
        };
        self.push(change, because);
        self.entry.collections.insert(collection.clone(), declared.unwrap_or(level));
    }

    fn revoke_collections(&mut self, which: &BTreeSet<Scope<CollectionName>>, because: Because) {
        for collection in which {
            let Some(level) = self.entry.collections.remove(collection) else { continue };
            // What applies without it: the database's level, its `*`, or a wider right. That of `*/*` isn't known here,
            // so an explicit none is always taken to hold something back.
            let any = self.entry.collections.get(&Scope::Any).copied();
            let rest = self.entry.level.max(any).unwrap_or(Level::None).max(self.fallback);
            let risk = if level == Level::None || rest > level { Risk::RaisesRights } else { Risk::Removes };
            self.push_risky(Change::RevokeCollection(collection.clone()), because, risk);
        }
    }
}
