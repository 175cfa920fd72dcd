//! The level, the right that gives it, and that both are the server's own answer.

use std::collections::BTreeMap;

use arango_operator::{
    arango::{Auth, Client, Connection, DatabaseOptions, Error, Pool, Request},
    core::{
        CollectionName, DatabaseName, Entry, Level, Rights, Scope, UserName,
        explain::{self, Right},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::cli_support::{Deployment, ROOT_PASSWORD, run};

/// What can be set on a place; nothing is one of it.
const LEVELS: [Option<Level>; 4] = [None, Some(Level::None), Some(Level::Ro), Some(Level::Rw)];

/// A client as root.
pub(super) fn client(deployment: &Deployment) -> Client {
    let endpoints = deployment.stand_in.endpoints().iter().map(|url| url.parse().unwrap()).collect();
    let auth = Auth::Jwt { user: "root".to_owned(), password: ROOT_PASSWORD.to_owned().into() };
    Client::new(Pool::new(Connection::new(endpoints, auth)).unwrap())
}

/// The reference's table of the resolution, written down for this test: the database's level.
fn database_by_reference(own: Option<Level>, any: Option<Level>, system: Option<Level>) -> Level {
    match own {
        Some(level) => level,
        None => any.max(system).unwrap_or(Level::None),
    }
}

/// The collection's level: its own, else the highest of five.
fn collection_by_reference(own: Option<Level>, others: [Option<Level>; 5]) -> Level {
    own.or(others.into_iter().max().flatten()).unwrap_or(Level::None)
}

/// A database for each combination of what is set on it, on all its collections, and on one of them.
fn databases() -> impl Iterator<Item = (DatabaseName, [Option<Level>; 3])> {
    let all = LEVELS.into_iter().flat_map(|own| {
        LEVELS.into_iter().flat_map(move |any| LEVELS.into_iter().map(move |one| [own, any, one]))
    });
    all.enumerate().map(|(n, levels)| (DatabaseName::parse(&format!("d{n}")).unwrap(), levels))
}

/// A user for each combination of what is set on the wildcard, on `_system` and on `*/*`, with all databases' rights.
fn users() -> impl Iterator<Item = (UserName, [Option<Level>; 3], Rights)> {
    databases().map(|(name, wider)| {
        let [any, system, all] = wider;
        let entry = |level, collections: [(Scope<CollectionName>, Option<Level>); 2]| {
            let collections = collections.into_iter().filter_map(|(name, level)| Some((name, level?)));
            Entry { level, collections: collections.collect() }
        };
        let named = Scope::Named(CollectionName::parse("c").unwrap());
        let mut rights: BTreeMap<_, _> = databases()
            .map(|(name, [own, any, one])| {
                (Scope::Named(name), entry(own, [(Scope::Any, any), (named.clone(), one)]))
            })
            .collect();
        rights.insert(Scope::Any, entry(any, [(Scope::Any, all), (named.clone(), None)]));
        let system = entry(system, [(Scope::Any, None), (named.clone(), None)]);
        rights.insert(Scope::Named(DatabaseName::system()), system);
        rights.retain(|_, entry| !entry.is_empty());
        (UserName::parse(&format!("u-{name}")).unwrap(), wider, Rights(rights))
    })
}

/// Makes the user with all his rights.
async fn make(client: &Client, user: &UserName, rights: &Rights) {
    let path = "/_api/user".to_owned();
    let new = json!({"user": user.as_str(), "passwd": "unknown to all"});
    client.call(Request::new(http::Method::POST, path).body(new)).await.unwrap();
    for (database, entry) in &rights.0 {
        if let Some(level) = entry.level {
            client.grant_database(user, database, level).await.unwrap();
        }
        for (collection, level) in &entry.collections {
            client.grant_collection(user, database, collection, *level).await.unwrap();
        }
    }
}

/// What a right says, by the same places written another way.
fn said(
    right: Right,
    [any, system, all]: [Option<Level>; 3],
    [own, of_all, one]: [Option<Level>; 3],
) -> Option<Level> {
    match right {
        Right::Collection => one,
        Right::Collections => of_all,
        Right::Database => own,
        Right::Everywhere => all,
        Right::Any => any,
        Right::System => system,
        Right::Fixed => panic!("nothing is fixed here"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_rights_comes_to_what_the_reference_says_and_the_server_answers() {
    let deployment = Deployment::single().await;
    let client = client(&deployment);
    let collection = CollectionName::parse("c").unwrap();
    for (database, _) in databases() {
        client.create_database(&database, &DatabaseOptions::default()).await.unwrap();
        let path = format!("/_db/{database}/_api/collection");
        let request = Request::new(http::Method::POST, path);
        client.call(request.body(json!({"name": "c"}))).await.unwrap();
    }
    let asked = stream::iter(users()).map(|(user, wider, rights)| {
        let (client, collection) = (&client, &collection);
        async move {
            make(client, &user, &rights).await;
            let [any, system, all] = wider;
            let mut compared = 0;
            for (database, here) in databases() {
                let [own, of_all, one] = here;
                let scope = Scope::Named(database.clone());
                let case = format!("*: {any:?}, _system: {system:?}, */*: {all:?}, {here:?}");

                let explained = explain::database(&rights, &database);
                assert_eq!(explained.level, database_by_reference(own, any, system), "{case}");
                if of_all.is_none() && one.is_none() {
                    // Rights on collections are nothing to it.
                    assert_eq!(explained.level, client.level(&user, &scope).await?, "{case}");
                }
                let by = explained.winner().and_then(|right| said(right, wider, here));
                assert_eq!(by.unwrap_or(Level::None), explained.level, "{case}");
                let reachable = explained.level > Level::None;

                let explained = explain::collection(&rights, &database, collection);
                let others = [of_all, own, all, any, system];
                assert_eq!(explained.level, collection_by_reference(one, others), "{case}");
                let named = Scope::Named(collection.clone());
                let server = client.collection_level(&user, &scope, &named).await?;
                assert_eq!(explained.level, server, "{case}");
                let by = explained.winner().and_then(|right| said(right, wider, here));
                assert_eq!(by.unwrap_or(Level::None), explained.level, "{case}");
                assert_eq!(by.is_none(), [one].into_iter().chain(others).flatten().count() == 0, "{case}");
                assert_eq!(explained.reachable, reachable, "{case}");
                compared += 1;
            }
            // What the listing says comes to the same as what was set.
            let listed = client.rights(&user).await?;
            for (database, _) in databases() {
                let shown = explain::database(&listed, &database);
                assert_eq!(shown.level, explain::database(&rights, &database).level, "{database}");
            }
            for name in ["_users", "_queues", "_frontend", "_graphs"] {
                let name = CollectionName::parse(name).unwrap();
                let system = DatabaseName::system();
                let explained = explain::collection(&rights, &system, &name).level;
                let scope = Scope::Named(name.clone());
                let server = client.collection_level(&user, &Scope::Named(system), &scope).await?;
                assert_eq!(explained, server, "{name}, {wider:?}");
            }
            Ok::<_, Error>(compared)
        }
    });
    let compared: Vec<i32> = asked.buffer_unordered(8).try_collect().await.unwrap();
    assert_eq!(compared.into_iter().sum::<i32>(), 4_i32.pow(6), "all of them");
}

/// Two users and a database with a collection.
async fn shop() -> Deployment {
    let deployment = Deployment::cluster().await;
    for (method, path, body) in [
        ("POST", "/_api/database", r#"{"name":"shop"}"#),
        ("POST", "/_api/database", r#"{"name":"bank"}"#),
        ("POST", "/_db/shop/_api/collection", r#"{"name":"orders"}"#),
        ("POST", "/_api/user", r#"{"user":"alice","passwd":"x1"}"#),
        ("PUT", "/_api/user/alice/database/*", r#"{"grant":"ro"}"#),
        ("PUT", "/_api/user/alice/database/shop/*", r#"{"grant":"rw"}"#),
        ("PUT", "/_api/user/alice/database/bank", r#"{"grant":"none"}"#),
        ("PUT", "/_api/user/alice/database/gone", r#"{"grant":"rw"}"#),
        ("POST", "/_api/user", r#"{"user":"bob","passwd":"x2","active":false}"#),
        ("PUT", "/_api/user/bob/database/_system", r#"{"grant":"rw"}"#),
        ("POST", "/_api/user", r#"{"user":"carol","passwd":"x3"}"#),
    ] {
        deployment.run(&["request", method, path, "--data", body]).await.ok();
    }
    deployment
}

#[tokio::test]
async fn the_right_that_gives_the_level_is_named_and_all_others_are_shown() {
    let deployment = shop().await;
    let json = deployment.run(&["explain", "alice", "shop", "orders", "-o", "json"]).await.json();
    assert_eq!(
        json,
        json!({
            "user": "alice", "database": "shop", "collection": "orders", "level": "rw", "by": "shop/*",
            "declared": null, "reachable": true, "server": "rw", "remarks": [],
            "rights": [
                {"right": "shop/orders", "level": null, "outcome": "absent", "declared": null},
                {"right": "shop/*", "level": "rw", "outcome": "wins", "declared": null},
                {"right": "shop", "level": null, "outcome": "absent", "declared": null},
                {"right": "*/*", "level": null, "outcome": "absent", "declared": null},
                {"right": "*", "level": "ro", "outcome": "lower", "declared": null},
                {"right": "_system", "level": null, "outcome": "absent", "declared": null},
            ],
        })
    );
    let table = deployment.run(&["explain", "alice", "shop"]).await.ok();
    assert!(table.starts_with("alice has ro on the database shop: by his right on *.\n"), "{table}");
    let table = deployment.run(&["explain", "alice", "bank"]).await.ok();
    assert!(table.contains("what is more exact decides alone"), "{table}");
    let json = deployment.run(&["explain", "carol", "shop", "-o", "json"]).await.json();
    assert_eq!((&json["level"], &json["by"]), (&json!("none"), &Value::Null));
}

/// What somebody has declared of it, not all of which is there.
const DECLARED: &str = "\
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoPermission
metadata: {name: alice-shop, namespace: shop}
spec: {clusterRef: {name: prod}, user: alice, databaseRef: {name: shop}, access: ro, collections: {'*': rw}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {name: shop, namespace: shop}
spec: {clusterRef: {name: prod}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoPermission
metadata: {name: carol-all, namespace: shop}
spec: {clusterRef: {name: prod}, user: carol, database: '*', access: ro}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoPermission
metadata: {name: whose, namespace: shop}
spec: {clusterRef: {name: prod}, userRef: {name: elsewhere}, database: '*', access: ro}
";

#[tokio::test]
async fn with_manifests_it_is_said_which_of_them_declares_a_right_and_where() {
    let deployment = shop().await;
    let file = deployment.file("rights.yaml", DECLARED);
    let explain = ["explain", "alice", "shop", "orders", "-f", &file];
    let json = deployment.run(&[&explain[..], &["-o", "json"]].concat()).await.json();
    let by = |level: &str| {
        let source = format!("{file}:1:1");
        json!([{"kind": "ArangoPermission", "namespace": "shop", "name": "alice-shop", "source": source, "level": level}])
    };
    assert_eq!((&json["by"], &json["declared"]), (&json!("shop/*"), &by("rw")));
    let of = |right: &str| {
        let rights = json["rights"].as_array().unwrap();
        rights.iter().find(|one| one["right"] == right).unwrap()["declared"].clone()
    };
    assert_eq!((of("shop/*"), of("shop"), of("shop/orders")), (by("rw"), by("ro"), json!([])));
    assert_eq!(of("*"), json!([]), "that of another user");
    assert!(json["remarks"].to_string().contains("1 of the ArangoPermissions"), "{json}");

    let table = deployment.run(&explain).await.ok();
    let first =
        format!("by his right on shop/*, declared by ArangoPermission shop/alice-shop ({file}:1:1).\n");
    assert!(table.contains(&first), "{table}");
    assert!(table.contains(", as ro"), "declared, and not there: {table}");
    let table = deployment.run(&["explain", "alice", "shop", "-f", &file]).await.ok();
    assert!(table.contains("by his right on *, which no manifest declares.\n"), "{table}");
}

#[tokio::test]
async fn what_is_not_seen_in_the_level_is_said_beside_it() {
    let deployment = shop().await;
    let cases: [(&[&str], &str, &str); 5] = [
        (&["alice", "gone"], "rw", "there is no database gone; this is what would hold if there was"),
        (&["alice", "gone", "orders"], "rw", "there is no database gone"),
        (&["bob", "_system"], "rw", "bob is not active"),
        (&["bob", "_system"], "rw", "the administrator's right"),
        (&["alice", "bank", "orders"], "ro", "can't get at it all the same"),
    ];
    for (what, level, remark) in cases {
        let json = deployment.run(&[&["explain"], what, &["-o", "json"]].concat()).await.json();
        assert_eq!((&json["level"], &json["server"]), (&json!(level), &json!(level)), "{what:?}");
        assert!(json["remarks"].to_string().contains(remark), "{what:?}: {}", json["remarks"]);
    }
    deployment.run(&["request", "PUT", "/_admin/server/mode", "-d", r#"{"mode":"readonly"}"#]).await.ok();
    let json = deployment.run(&["explain", "bob", "shop", "-o", "json"]).await.json();
    assert_eq!((&json["level"], &json["server"]), (&json!("rw"), &json!("rw")), "what is configured");
    assert!(json["remarks"].to_string().contains("read-only mode"), "{json}");
}

#[tokio::test]
async fn who_may_not_see_it_or_asks_for_nobody_gets_a_sentence() {
    let deployment = shop().await;
    let endpoints = deployment.endpoints();
    let as_alice =
        [("ARANGO_ENDPOINT", endpoints.as_str()), ("ARANGO_USER", "alice"), ("ARANGO_PASSWORD", "x1")];
    let error = run(&["explain", "bob", "shop"], &as_alice).await.failed(1);
    assert!(error.starts_with("error: the rights of \"bob\" are shown to administrators"), "{error}");
    let own = run(&["explain", "alice", "shop"], &as_alice).await.ok();
    assert!(own.contains("alice has ro"), "everybody may look at his own: {own}");
    let error = deployment.run(&["explain", "nobody", "shop"]).await.failed(1);
    assert!(error.starts_with("error: there is no user \"nobody\" on this deployment"), "{error}");
    let error = deployment.run(&["explain", "alice", "a/b"]).await.failed(2);
    assert!(error.contains("contains a slash"), "{error}");
}
