//! All kinds on one server whose snapshot is kept: what is known always agrees with a fresh read, and a change that
//! takes something away is never planned from memory alone.

use arango_operator::{
    core::{Level, RemovalPolicy},
    kinds::{
        Kind,
        database::{Database, crd::ArangoDatabase},
        permission::{
            Permission,
            crd::{ArangoPermission, ArangoPermissionSpec},
        },
        user::{User, crd::ArangoUser},
    },
    reconcile::{Look, Server},
    stand_in::model::Level as ModelLevel,
};
use futures::executor::block_on;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{
    generate::{self, create_collection, set_level},
    law::{Result, config},
    world::{Stored, World, anew, desired},
};

fn resource<R: serde::de::DeserializeOwned>(kind: &str, spec: &Value) -> R {
    let api_version = "arango-operator.dev/v1alpha1";
    let spec = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    serde_json::from_value(spec).unwrap()
}

fn user(name: &str) -> ArangoUser {
    let password = json!({"secretRef": {"name": "first"}});
    let spec =
        json!({"clusterRef": {"name": "c"}, "name": name, "password": password, "deletionPolicy": "Delete"});
    resource("ArangoUser", &spec)
}

fn database(name: &str) -> ArangoDatabase {
    let spec = json!({"clusterRef": {"name": "c"}, "name": name, "deletionPolicy": "Delete"});
    resource("ArangoDatabase", &spec)
}

fn row(user: &str, database: &str, access: Option<&str>, collection: Option<&str>) -> ArangoPermission {
    let mut spec =
        json!({"clusterRef": {"name": "c"}, "user": user, "database": database, "deletionPolicy": "Delete"});
    if let Some(access) = access.or(collection.is_none().then_some("none")) {
        spec["access"] = access.into();
    }
    if let Some(level) = collection {
        spec["collections"] = json!({"*": level});
    }
    resource("ArangoPermission", &spec)
}

/// What one resource does next: it is declared, or declared and deleted.
#[derive(Debug, Clone)]
enum Deed {
    User(&'static str, bool),
    Database(&'static str, bool),
    Row(&'static str, &'static str, Option<&'static str>, Option<&'static str>, bool),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let level = || proptest::option::of(select(vec!["rw", "ro", "none"]));
    let users = || select(vec!["alice", "bob"]);
    let row = (users(), select(vec!["shop", "vault", "*"]), level(), level(), prop::bool::weighted(0.3));
    let deed = prop_oneof![
        (users(), prop::bool::weighted(0.4)).prop_map(|(name, deleted)| Deed::User(name, deleted)),
        (select(vec!["shop", "vault"]), prop::bool::weighted(0.4))
            .prop_map(|(name, deleted)| Deed::Database(name, deleted)),
        row.prop_map(|(user, database, access, any, deleted)| Deed::Row(
            user, database, access, any, deleted
        )),
    ];
    prop::collection::vec(deed, 1..12)
}

fn act<K: Kind>(world: &World, server: &Server, resource: K::Resource, delete: bool) {
    let mut stored = Stored::<K>::new(resource);
    stored.pass(world, server, world.remembering(), None);
    if delete {
        stored.delete(world, server, world.remembering(), None).unwrap();
    }
}

fn agrees<K: Kind>(world: &World, kept: &Server, fresh: &Server, resource: &K::Resource) -> Result {
    let desired = desired::<K>(resource);
    let observe =
        |server, look: Look| block_on(K::observe(server, &world.secrets, look, &desired)).map_err(drop);
    let read = observe(fresh, anew());
    prop_assert_eq!(&observe(kept, world.remembering()), &read, "remembered");
    // A new read, over which our latest writes are laid once more.
    prop_assert_eq!(&observe(kept, anew()), &read, "read again");
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_known_of_a_server_is_what_a_fresh_read_says_whoever_wrote(deeds in deeds(), every in 1..4_usize) {
        let world = World::new(generate::empty(), generate::SECRETS);
        let kept = world.server();
        for (index, deed) in deeds.iter().enumerate() {
            match deed {
                Deed::User(name, delete) => act::<User>(&world, &kept, user(name), *delete),
                Deed::Database(name, delete) => act::<Database>(&world, &kept, database(name), *delete),
                Deed::Row(user, database, access, any, delete) => {
                    act::<Permission>(&world, &kept, row(user, database, *access, *any), *delete);
                }
            }
            if index % every != 0 {
                continue;
            }
            let fresh = world.server();
            for name in ["alice", "bob"] {
                agrees::<User>(&world, &kept, &fresh, &user(name))?;
                for database in ["shop", "vault", "*"] {
                    agrees::<Permission>(&world, &kept, &fresh, &row(name, database, None, Some("ro")))?;
                }
            }
            for name in ["shop", "vault"] {
                agrees::<Database>(&world, &kept, &fresh, &database(name))?;
            }
        }
    }
}

#[test]
fn a_right_that_came_after_the_last_read_is_not_lost_when_the_level_above_it_is_taken_away() {
    let mut model = generate::empty();
    generate::create_user(&mut model, "alice", "x", true);
    generate::create_database(&mut model, "shop");
    create_collection(&mut model, "shop", "orders");
    create_collection(&mut model, "shop", "items");
    set_level(&mut model, "alice", "shop", None, Some(Level::Rw));
    let world = World::new(model, &[]);
    let server = world.server();
    let both =
        ArangoPermissionSpec { deletion_policy: Some(RemovalPolicy::Retain), ..declared(&["items"], true) };
    let mut stored = Stored::<Permission>::new(ArangoPermission::new("row", both));
    // Adopted: nothing is written, so that nothing of ours is laid over later reads.
    stored.pass(&world, &server, world.remembering(), None).unwrap();

    set_level(&mut world.model.lock(), "alice", "shop", Some("orders"), Some(Level::Ro));
    stored.resource.spec = declared(&["items"], false);
    stored.pass(&world, &server, world.remembering(), None).unwrap();

    let entry = world.now().grants("alice").unwrap()["shop"].clone();
    assert_eq!(entry.level, None);
    assert_eq!(entry.collections.get("orders"), Some(&ModelLevel::Ro));
    assert_eq!(entry.collections.get("items"), Some(&ModelLevel::Ro));
}

#[test]
fn a_user_who_is_made_anew_is_known_without_the_rights_that_he_had() {
    let world = World::new(generate::empty(), generate::SECRETS);
    let kept = world.server();
    let wildcard = row("alice", "*", None, Some("rw"));
    act::<User>(&world, &kept, user("alice"), false);
    act::<Permission>(&world, &kept, wildcard.clone(), false);
    // Now the level on `*/*`, which is asked for alone, is known.
    agrees::<Permission>(&world, &kept, &world.server(), &wildcard).unwrap();
    act::<User>(&world, &kept, user("alice"), true);
    act::<User>(&world, &kept, user("alice"), false);
    agrees::<Permission>(&world, &kept, &world.server(), &wildcard).unwrap();
}

fn declared(collections: &[&str], access: bool) -> ArangoPermissionSpec {
    let mut resource = row("alice", "shop", Some("rw"), None);
    resource.spec.access = access.then_some(Level::Rw);
    resource.spec.collections = collections.iter().map(|name| ((*name).to_owned(), Level::Ro)).collect();
    resource.spec
}
