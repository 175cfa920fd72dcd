//! Servers, specs and changes by chance.

use std::{
    collections::{BTreeMap, btree_map::Entry as Slot},
    sync::Arc,
};

use arango_operator::{
    core::{Level, RemovalPolicy},
    stand_in::{
        Config, Model, Now, Request,
        model::{Database, Entry, Level as ModelLevel, User},
    },
};
use proptest::{collection::btree_map, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::world::Cut;

pub(crate) const USERS: [&str; 3] = ["alice", "bob", "Ünï/cödé %*?"];
pub(crate) const DATABASES: [&str; 3] = ["shop", "vault", "données ✨ 'a+b' %2F"];
pub(crate) const COLLECTIONS: [&str; 4] = ["orders", "items", "späß & co", "*"];
/// The Secrets that are there.
pub(crate) const SECRETS: &[(&str, &str)] = &[("first", "one"), ("second", "two")];

/// Asks the model, as a superuser, for something that must go well.
pub(crate) fn ask(model: &mut Model, request: &Request) {
    let answer = model.handle_as_superuser(request, Now(1.8e9));
    assert!(answer.status.is_success(), "{request:?}: {}", answer.json());
}

/// A name as one path segment, encoded byte by byte: not the encoder that is under test.
pub(crate) fn segment(name: &str) -> String {
    percent_encoding::percent_encode(name.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(crate) fn create_database(model: &mut Model, name: &str) {
    ask(model, &Request::post("/_api/database", &json!({"name": name})));
}

pub(crate) fn create_collection(model: &mut Model, database: &str, name: &str) {
    let path = format!("/_db/{}/_api/collection", segment(database));
    ask(model, &Request::post(path, &json!({"name": name})));
}

pub(crate) fn create_user(model: &mut Model, name: &str, password: &str, active: bool) {
    let body = json!({"user": name, "passwd": password, "active": active, "extra": {"team": name}});
    ask(model, &Request::post("/_api/user", &body));
}

pub(crate) fn patch_user(model: &mut Model, name: &str, body: &Value) {
    ask(model, &Request::patch(format!("/_api/user/{}", segment(name)), body));
}

pub(crate) fn model_level(level: Level) -> ModelLevel {
    match level {
        Level::None => ModelLevel::None,
        Level::Ro => ModelLevel::Ro,
        Level::Rw => ModelLevel::Rw,
    }
}

/// Sets or takes away one level of one user, and nothing else.
pub(crate) fn set_level(
    model: &mut Model,
    user: &str,
    database: &str,
    collection: Option<&str>,
    level: Option<Level>,
) {
    let Some(mut grants) = model.grants(user).cloned() else { return };
    let entry = grants.entry(database.to_owned()).or_default();
    let level = level.map(model_level);
    match (collection, level) {
        (None, level) => entry.level = level,
        (Some(collection), Some(level)) => drop(entry.collections.insert(collection.to_owned(), level)),
        (Some(collection), None) => drop(entry.collections.remove(collection)),
    }
    if let Slot::Occupied(entry) = grants.entry(database.to_owned())
        && *entry.get() == Entry::default()
    {
        entry.remove();
    }
    model.set_grants(user, grants);
}

/// Whether a right can be configured there.
pub(crate) fn grantable(model: &Model, database: &str, collection: Option<&str>) -> bool {
    let exists = database == "*" || model.databases().any(|name| name == database);
    exists
        && match collection {
            None | Some("*") => true,
            Some(collection) => model.collections(database).any(|name| name == collection),
        }
}

/// What counts of a server: without counters, and without what reads the same as nothing.
#[derive(Debug, PartialEq)]
pub(crate) struct Normal {
    pub(crate) databases: BTreeMap<String, (Value, Vec<String>)>,
    pub(crate) users: BTreeMap<String, User>,
    /// By user, database and collection; a database level has an empty collection.
    pub(crate) rights: BTreeMap<(String, String, String), ModelLevel>,
    rest: String,
}

pub(crate) fn normal(model: &Model) -> Normal {
    let state = model.state();
    let database = |database: &Arc<Database>| {
        let options = &database.options;
        let options = json!([options.sharding, options.replication_factor, options.write_concern]);
        (options, database.collections.keys().cloned().collect())
    };
    let mut rights = BTreeMap::new();
    for (name, user) in &state.users {
        for (database, entry) in &user.grants {
            let collections = entry.collections.iter().map(|(name, level)| (name.clone(), *level));
            for (collection, level) in
                entry.level.map(|level| (String::new(), level)).into_iter().chain(collections)
            {
                // On the wildcard database no level and the level none are the same and read alike.
                if database != "*" || level != ModelLevel::None {
                    rights.insert((name.clone(), database.clone(), collection), level);
                }
            }
        }
    }
    Normal {
        databases: state.databases.iter().map(|(name, d)| (name.clone(), database(d))).collect(),
        users: state
            .users
            .iter()
            .map(|(name, user)| (name.clone(), User { grants: BTreeMap::new(), ..User::clone(user) }))
            .collect(),
        rights,
        rest: format!("{:?}", (state.read_only, state.maintenance_until, &state.targets)),
    }
}

pub(crate) fn level() -> impl Strategy<Value = Level> {
    select(vec![Level::None, Level::Ro, Level::Rw])
}

pub(crate) fn policy() -> impl Strategy<Value = Option<RemovalPolicy>> {
    select(vec![None, Some(RemovalPolicy::Delete), Some(RemovalPolicy::Retain)])
}

/// The databases that a row may be of.
pub(crate) fn row_database() -> impl Strategy<Value = &'static str> {
    select(vec!["shop", "shop", "vault", DATABASES[2], "_system", "*", "*"])
}

/// Collection levels by name.
pub(crate) fn collections() -> impl Strategy<Value = BTreeMap<&'static str, Level>> {
    btree_map(select(&COLLECTIONS[..]), level(), 0..4)
}

type Grants = Vec<(&'static str, Option<Level>, BTreeMap<&'static str, Level>)>;

/// A server: databases, collections, users, and rights that nobody declares.
pub(crate) fn server() -> impl Strategy<Value = Model> {
    let there = prop::array::uniform3(prop::bool::weighted(0.8));
    let collections_there = prop::array::uniform12(prop::bool::weighted(0.75));
    let grants = || prop::collection::vec((row_database(), option::of(level()), collections()), 0..6);
    let users = (
        prop::array::uniform3(prop::bool::weighted(0.85)),
        any::<[bool; 3]>(),
        [grants(), grants(), grants()],
    );
    (there, collections_there, users).prop_map(
        |(databases, collections, (users, active, grants)): (_, _, (_, _, [Grants; 3]))| {
            let mut model = Model::new(Config::cluster(1, 7));
            for (index, name) in DATABASES.iter().enumerate().filter(|(index, _)| databases[*index]) {
                create_database(&mut model, name);
                for (at, collection) in COLLECTIONS[..3].iter().enumerate() {
                    if collections[index * 4 + at] {
                        create_collection(&mut model, name, collection);
                    }
                }
            }
            for (index, name) in USERS.iter().enumerate().filter(|(index, _)| users[*index]) {
                create_user(&mut model, name, "own", active[index]);
                for (database, level, levels) in &grants[index] {
                    if grantable(&model, database, None) {
                        set_level(&mut model, name, database, None, *level);
                    }
                    for (collection, level) in levels {
                        if grantable(&model, database, Some(collection))
                            && (*database != "*" || *collection == "*")
                        {
                            set_level(&mut model, name, database, Some(collection), Some(*level));
                        }
                    }
                }
            }
            model
        },
    )
}

pub(crate) fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let cut = (0..9_usize, any::<bool>(), any::<bool>());
    prop::collection::vec(cut.prop_map(|(after, carried_out, dies)| Cut { after, carried_out, dies }), 1..4)
}

/// One thing that somebody changes by hand.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Level {
        user: &'static str,
        database: &'static str,
        collection: Option<&'static str>,
        level: Option<Level>,
    },
    Active {
        user: &'static str,
    },
    Extra {
        user: &'static str,
    },
    Team {
        user: &'static str,
    },
    Collection {
        database: &'static str,
    },
    Database,
    User,
}

impl Change {
    pub(crate) fn make(&self, model: &mut Model) {
        let active = |user: &str| model.user(user).map(|user| user.active);
        match *self {
            Self::Level { user, database, collection, level } => {
                if grantable(model, database, collection) {
                    set_level(model, user, database, collection, level);
                }
            }
            Self::Active { user } => {
                if let Some(active) = active(user) {
                    patch_user(model, user, &json!({"active": !active}));
                }
            }
            Self::Extra { user } => {
                if active(user).is_some() {
                    patch_user(model, user, &json!({"extra": {"changed": true}}));
                }
            }
            Self::Team { user } => {
                if active(user).is_some() {
                    patch_user(model, user, &json!({"extra": {"team": "by hand"}}));
                }
            }
            Self::Collection { database } => {
                if grantable(model, database, None) && database != "*" {
                    create_collection(model, database, "fresh");
                }
            }
            Self::Database => create_database(model, "another"),
            Self::User => create_user(model, "another", "x", true),
        }
    }
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    let user = || select(vec!["alice", "alice", "alice", USERS[1], USERS[2]]);
    let level_change = (user(), row_database(), option::of(select(&COLLECTIONS[..])), option::of(level()))
        .prop_map(|(user, database, collection, level)| {
            let collection = collection.map(|name| if database == "*" { "*" } else { name });
            Change::Level { user, database, collection, level }
        });
    prop_oneof![
        6 => level_change,
        2 => user().prop_map(|user| Change::Active { user }),
        1 => user().prop_map(|user| Change::Extra { user }),
        1 => user().prop_map(|user| Change::Team { user }),
        1 => select(&DATABASES[..]).prop_map(|database| Change::Collection { database }),
        1 => Just(Change::Database),
        1 => Just(Change::User),
    ]
}

/// A server as it is made.
pub(crate) fn empty() -> Model {
    Model::new(Config::cluster(1, 7))
}
