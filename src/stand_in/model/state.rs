//! What the deployment holds: databases with their collections, users with their grants.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::access_tokens::AccessToken;

/// The database that holds the users and whose level makes an administrator.
pub(super) const SYSTEM: &str = "_system";
/// The account that keeps its right on `_system`.
pub(super) const ROOT: &str = "root";
/// The wildcard among database and collection names.
pub(super) const ANY: &str = "*";

/// An access level. Ordered: `none < ro < rw`. No entry at all is an `Option` around it ("undefined").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No access.
    None,
    /// Read.
    Ro,
    /// Read and write.
    Rw,
}

impl Level {
    /// As it is written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ro => "ro",
            Self::Rw => "rw",
        }
    }
}

/// The grants of one user on one database, or on the wildcard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The explicit database level, if there is one.
    pub level: Option<Level>,
    /// Explicit collection levels; `*` may be among them.
    pub collections: BTreeMap<String, Level>,
}

/// A password as it is kept: salted and hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    salt: [u8; 4],
    hash: [u8; 32],
}

impl Password {
    /// The salt follows from the seed and the user's name, not from a history: equal users are equal states.
    pub(super) fn new(seed: u64, user: &str, password: &str) -> Self {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(user).finalize();
        let mut salt = [0; 4];
        salt.copy_from_slice(&digest[..4]);
        Self { salt, hash: Self::hash(salt, password) }
    }

    fn hash(salt: [u8; 4], password: &str) -> [u8; 32] {
        Sha256::new().chain_update(hex::encode(salt)).chain_update(password).finalize().into()
    }

    /// Whether this is the password.
    pub fn matches(&self, password: &str) -> bool {
        Self::hash(self.salt, password) == self.hash
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// One user.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The password, hashed.
    pub password: Password,
    /// Whether Basic and logins are taken.
    pub active: bool,
    /// Free data.
    pub extra: Map<String, Value>,
    /// What the web interface keeps.
    pub config: Map<String, Value>,
    /// Configured grants by database name or `*`, for databases that exist and for others.
    pub grants: BTreeMap<String, Entry>,
    /// Access tokens, oldest first.
    pub tokens: Vec<AccessToken>,
    /// How many access tokens there ever were: no number is given twice.
    pub tokens_made: u64,
}

impl User {
    /// A user as after creation: without any grant and any token.
    pub(super) fn new(password: Password) -> Self {
        Self {
            password,
            active: true,
            extra: Map::new(),
            config: Map::new(),
            grants: BTreeMap::new(),
            tokens: Vec::new(),
            tokens_made: 0,
        }
    }

    /// Sets a database level; the collection levels under it stay.
    pub(super) fn grant_database(&mut self, database: &str, level: Level) {
        self.grants.entry(database.to_owned()).or_default().level = Some(level);
    }

    /// Sets a collection level; without an entry the database level stays undefined.
    pub(super) fn grant_collection(&mut self, database: &str, collection: &str, level: Level) {
        let entry = self.grants.entry(database.to_owned()).or_default();
        entry.collections.insert(collection.to_owned(), level);
    }

    /// Removes a collection level. An entry that says nothing any more goes too: nobody could see it.
    pub(super) fn revoke_collection(&mut self, database: &str, collection: &str) {
        if let Some(entry) = self.grants.get_mut(database) {
            entry.collections.remove(collection);
            if *entry == Entry::default() {
                self.grants.remove(database);
            }
        }
    }

    /// root's rights on `_system` come back whenever its document is loaded (reference: users, replace).
    pub(super) fn keep_root_rights(&mut self, name: &str) {
        if name == ROOT {
            self.grant_database(SYSTEM, Level::Rw);
            self.grant_collection(SYSTEM, ANY, Level::Rw);
        }
    }
}

/// One collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The server's id for it.
    pub id: u64,
    /// 2 for documents, 3 for edges.
    pub kind: u64,
    /// Whether it was made as a system collection.
    pub system: bool,
    /// Its documents by key, each with its `_id`, `_key` and `_rev`.
    pub documents: BTreeMap<String, Value>,
}

impl Collection {
    /// An empty collection.
    pub(super) fn new(id: u64, kind: u64, system: bool) -> Self {
        Self { id, kind, system, documents: BTreeMap::new() }
    }
}

/// The options of a database, as a cluster keeps them.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseOptions {
    /// `""`, `"flexible"` or `"single"`.
    pub sharding: String,
    /// A number, or `"satellite"`.
    pub replication_factor: Value,
    /// How many copies a write waits for.
    pub write_concern: u64,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self { sharding: String::new(), replication_factor: Value::from(1), write_concern: 1 }
    }
}

/// One database.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// The server's id for it.
    pub id: u64,
    /// Its options.
    pub options: DatabaseOptions,
    /// Its collections by name, system collections included.
    pub collections: BTreeMap<String, Collection>,
}

/// What `numberOfServers` keeps: wishes, not counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Wished DB-Servers.
    pub db_servers: Option<u64>,
    /// Wished coordinators.
    pub coordinators: Option<u64>,
    /// Servers that were cleaned out.
    pub cleaned: Vec<Value>,
}

/// Everything that a request can change. Two equal states answer alike.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Databases by name.
    pub databases: BTreeMap<String, Arc<Database>>,
    /// Users by name.
    pub users: BTreeMap<String, Arc<User>>,
    /// Read-only mode.
    pub read_only: bool,
    /// When supervision maintenance ends, if it was switched on.
    pub maintenance_until: Option<f64>,
    /// DB-Servers in maintenance, with the end of it.
    pub server_maintenance: BTreeMap<String, f64>,
    /// What `numberOfServers` was set to.
    pub targets: Targets,
    /// The next id of a database or collection.
    pub next_id: u64,
}

/// The system collections of `_system`, in the order of their recorded ids; those of every database come last.
const SYSTEM_COLLECTIONS: [&str; 12] = [
    "_users",
    "_statistics",
    "_statistics15",
    "_statisticsRaw",
    "_graphs",
    "_analyzers",
    "_aqlfunctions",
    "_queues",
    "_jobs",
    "_apps",
    "_appbundles",
    "_frontend",
];
/// How many of them only `_system` has.
const ONLY_IN_SYSTEM: usize = 4;

impl State {
    /// A fresh deployment: `_system` and root.
    pub(super) fn new(root: Password) -> Self {
        let mut state = Self {
            databases: BTreeMap::new(),
            users: BTreeMap::new(),
            read_only: false,
            maintenance_until: None,
            server_maintenance: BTreeMap::new(),
            targets: Targets::default(),
            next_id: 3,
        };
        let collections = state.collections(&SYSTEM_COLLECTIONS);
        let system = Database { id: 1, options: DatabaseOptions::default(), collections };
        state.databases.insert(SYSTEM.to_owned(), Arc::new(system));
        let mut user = User::new(root);
        user.grant_database(ANY, Level::Rw);
        user.grant_collection(ANY, ANY, Level::Rw);
        user.keep_root_rights(ROOT);
        state.users.insert(ROOT.to_owned(), Arc::new(user));
        state
    }

    /// The next id.
    pub(super) fn id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn collections(&mut self, names: &[&str]) -> BTreeMap<String, Collection> {
        names.iter().map(|name| ((*name).to_owned(), Collection::new(self.id(), 2, true))).collect()
    }

    /// Makes a database with its system collections.
    pub(super) fn create_database(&mut self, name: &str, id: Option<u64>, options: DatabaseOptions) {
        let id = id.unwrap_or_else(|| self.id());
        let collections = self.collections(&SYSTEM_COLLECTIONS[ONLY_IN_SYSTEM..]);
        self.databases.insert(name.to_owned(), Arc::new(Database { id, options, collections }));
    }

    /// Removes a database together with every user's entry for it; `*` entries and the users stay (reference:
    /// databases, drop).
    pub(super) fn drop_database(&mut self, name: &str) {
        self.databases.remove(name);
        for user in self.users.values_mut().filter(|user| user.grants.contains_key(name)) {
            Arc::make_mut(user).grants.remove(name);
        }
    }

    /// Removes a collection together with every user's level on it (reference: permissions, collection levels).
    pub(super) fn drop_collection(&mut self, database: &str, collection: &str) {
        if let Some(database) = self.databases.get_mut(database) {
            Arc::make_mut(database).collections.remove(collection);
        }
        let has =
            |user: &User| user.grants.get(database).is_some_and(|e| e.collections.contains_key(collection));
        for user in self.users.values_mut().filter(|user| has(user)) {
            Arc::make_mut(user).revoke_collection(database, collection);
        }
    }

    /// A user to change.
    pub(super) fn user_mut(&mut self, name: &str) -> Option<&mut User> {
        self.users.get_mut(name).map(Arc::make_mut)
    }

    /// A collection to change, by its name.
    pub(super) fn collection_mut(&mut self, database: &str, name: &str) -> Option<&mut Collection> {
        Arc::make_mut(self.databases.get_mut(database)?).collections.get_mut(name)
    }

    /// A collection by its name or its id.
    pub(super) fn collection(&self, database: &str, name_or_id: &str) -> Option<(&str, &Collection)> {
        let collections = &self.databases.get(database)?.collections;
        if let Some((name, collection)) = collections.get_key_value(name_or_id) {
            return Some((name, collection));
        }
        let id: u64 = name_or_id.parse().ok()?;
        collections.iter().find(|(_, c)| c.id == id).map(|(name, c)| (name.as_str(), c))
    }
}
