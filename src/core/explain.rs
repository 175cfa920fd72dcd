//! Why a user has the level that he has: every right that could give it, and which one does. Pure.
//!
//! The level itself is the resolver's ([`Rights`]); here is said where it comes from.

use super::{CollectionName, DatabaseName, Level, Rights, Scope};

/// A place in a user's rights at which a level may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// On the collection itself.
    Collection,
    /// On all collections of the database, `shop/*`.
    Collections,
    /// On the database itself.
    Database,
    /// On all collections of all databases, `*/*`.
    Everywhere,
    /// On the wildcard database `*`.
    Any,
    /// On `_system`, which reaches every database without a level of its own, and every collection.
    System,
    /// None that could be set: ArangoDB gives everybody the same on this collection of its own.
    Fixed,
}

/// What becomes of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It gives the level.
    Wins,
    /// It says the same as the one that gives it.
    Same,
    /// The level is higher than it.
    Lower,
    /// What is more exact decides alone, whatever this one says.
    Behind,
    /// There is no such right.
    Absent,
}

/// One right, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub right: Right,
    /// What it says; nothing if it isn't set.
    pub level: Option<Level>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// The level on a database or a collection, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What holds.
    pub level: Level,
    /// All rights that could give it, the more exact ones first.
    pub candidates: Vec<Candidate>,
    /// Of a collection: whether the database's level lets the user get to it at all. Always so of a database.
    pub reachable: bool,
}

impl Explanation {
    /// The right that gives the level; nothing if none is set that could.
    pub fn winner(&self) -> Option<Right> {
        self.candidates.iter().find(|it| it.outcome == Outcome::Wins).map(|it| it.right)
    }

    /// From the rights that are compared, of which the first that says the level wins, and from whether the first one
    /// alone decides.
    fn new(level: Level, rights: Vec<(Right, Option<Level>)>, first_decides: bool) -> Self {
        let mut won = false;
        let candidates = rights.into_iter().enumerate().map(|(place, (right, said))| {
            let outcome = match said {
                None => Outcome::Absent,
                Some(said) if !won && said == level => {
                    won = true;
                    Outcome::Wins
                }
                Some(_) if first_decides && place > 0 => Outcome::Behind,
                Some(said) if said == level => Outcome::Same,
                Some(_) => Outcome::Lower,
            };
            Candidate { right, level: said, outcome }
        });
        Self { level, candidates: candidates.collect(), reachable: true }
    }
}

/// Why a user has his level on a database (reference: permissions, resolution): its own entry, also `none`, decides
/// alone; else the higher of the wildcard's and `_system`'s.
pub fn database(rights: &Rights, database: &DatabaseName) -> Explanation {
    let of = |scope: Scope<DatabaseName>| rights.0.get(&scope).and_then(|entry| entry.level);
    let own = of(Scope::Named(database.clone()));
    let mut all = vec![(Right::Database, own), (Right::Any, of(Scope::Any))];
    if *database != DatabaseName::system() {
        all.push((Right::System, of(Scope::Named(DatabaseName::system()))));
    }
    Explanation::new(rights.effective(&Scope::Named(database.clone())), all, own.is_some())
}

/// Why a user has his level on a collection (reference: permissions, resolution): its own entry, also `none`, decides
/// alone; else the highest of all that reach it. ArangoDB's own collections follow their database, but for three.
pub fn collection(rights: &Rights, database: &DatabaseName, collection: &CollectionName) -> Explanation {
    let on_database = self::database(rights, database);
    let reachable = on_database.level > Level::None;
    if let Some(level) = fixed(database, collection) {
        let fixed = Explanation::new(level, vec![(Right::Fixed, Some(level))], true);
        return Explanation { reachable, ..fixed };
    }
    if collection.is_system() {
        return Explanation { reachable, ..on_database };
    }
    let scope = Scope::Named(database.clone());
    let entry = rights.entry(&scope);
    let own = entry.collections.get(&Scope::Named(collection.clone())).copied();
    let mut all = vec![
        (Right::Collection, own),
        (Right::Collections, entry.collections.get(&Scope::Any).copied()),
        (Right::Database, entry.level),
        (Right::Everywhere, rights.entry(&Scope::Any).collections.get(&Scope::Any).copied()),
        (Right::Any, rights.entry(&Scope::Any).level),
    ];
    if *database != DatabaseName::system() {
        all.push((Right::System, rights.entry(&Scope::Named(DatabaseName::system())).level));
    }
    let level = own.unwrap_or_else(|| rights.on_collections(&scope));
    Explanation { reachable, ..Explanation::new(level, all, own.is_some()) }
}

/// What everybody has on some of ArangoDB's own collections.
fn fixed(database: &DatabaseName, collection: &CollectionName) -> Option<Level> {
    match collection.as_str() {
        "_users" if *database == DatabaseName::system() => Some(Level::None),
        "_queues" => Some(Level::Ro),
        "_frontend" => Some(Level::Rw),
        _ => None,
    }
}
