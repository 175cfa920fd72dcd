//! Manifests that can't be right are refused by the API server, each with a sentence.

use crate::support::{World, database, document, permission, resource, user};

/// What is refused, and parts of the sentence.
type Case = (String, &'static [&'static str]);

fn cluster(spec: &str) -> String {
    document("ArangoCluster", "bad", &format!("{{auth: {{secretRef: {{name: s}}}}, {spec}}}"))
}

fn wrong_from_the_start() -> Vec<Case> {
    let db = |spec: &str| database("bad", spec);
    let us = |spec: &str| user("bad", spec);
    let row = |spec: &str| permission("bad", spec);
    let underscore: &[_] = &["leading underscore", "spec.name"];
    let character: &[_] = &["must not start with a digit", "control characters"];
    let one_user: &[_] = &["exactly one of spec.userRef", "spec.user "];
    let one_database: &[_] = &["exactly one of spec.databaseRef", "spec.database "];
    let login = |auth: &str| {
        document("ArangoCluster", "bad", &format!("{{endpoints: ['http://a:1'], auth: {auth}}}"))
    };
    let either: &[_] = &["either spec.endpoints or spec.deploymentRef"];
    let endpoint: &[_] = &["each endpoint must be http://host:port or https://host:port"];
    vec![
        (db("name: _system"), underscore),
        (db("name: _x"), underscore),
        (db("name: '*'"), underscore),
        (db("name: ''"), &["spec.name", "at least 1"]),
        (db("name: 1shop"), character),
        (db("name: a/b"), character),
        (db("name: 'a:b'"), character),
        (db("name: 'shop '"), character),
        (db("name: \"a\\u0007b\""), character),
        (database("1shop", ""), &["metadata.name starts with a digit", "set spec.name"]),
        (db("options: {replicationFactor: 2, writeConcern: 3}"), &["writeConcern must not be greater"]),
        (db("options: {replicationFactor: 0}"), &["replicationFactor", "greater than or equal to 1"]),
        (db("options: {sharding: many}"), &["sharding", "flexible", "single"]),
        (db("deletionPolicy: Drop"), &["deletionPolicy", "Retain", "Delete"]),
        (db("nmae: shop"), &["unknown field", "spec.nmae"]),
        (document("ArangoDatabase", "bad", "{name: shop}"), &["spec.clusterRef", "Required"]),
        (us("name: root"), &["root is every deployment's own account", "declare another user"]),
        (user("root", ""), &["root is every deployment's own account"]),
        (us("password: {secretRef: {name: s}, generate: {}}"), &["exactly one of password.secretRef"]),
        (us("password: {}"), &["exactly one of password.secretRef", "leave password out"]),
        (us("password: {generate: {length: 8}}"), &["length", "greater than or equal to 16"]),
        (row("database: shop, access: rw"), one_user),
        (row("userRef: {name: a}, user: a, database: shop, access: rw"), one_user),
        (row("user: alice, access: rw"), one_database),
        (row("user: alice, databaseRef: {name: a}, database: a, access: rw"), one_database),
        (row("user: alice, database: shop"), &["set spec.access, spec.collections or both"]),
        (row("user: alice, database: shop, collections: {}"), &["a row without a level declares nothing"]),
        (row("user: root, database: shop, access: rw"), &["root", "never managed"]),
        (row("user: alice, database: '*', collections: {orders: ro}"), &["only the wildcard collection *"]),
        (row("user: alice, database: shop, collections: {_users: ro}"), &["system collections"]),
        (row("user: alice, database: shop, access: admin"), &["spec.access", "rw", "ro", "none"]),
        (cluster("endpoints: []"), &["spec.endpoints", "at least 1"]),
        (cluster("endpoints: ['server:8529']"), endpoint),
        (cluster("endpoints: ['ftp://server:8529']"), endpoint),
        (cluster("endpoints: ['http://root:secret@server:8529']"), endpoint),
        (cluster("endpoints: ['http://server:8529/_db/shop']"), endpoint),
        (cluster("endpoints: ['http://server:8529?x=1']"), endpoint),
        (cluster(""), either),
        (cluster("endpoints: ['http://a:1'], deploymentRef: {name: a}"), either),
        (cluster("deploymentRef: {name: a}, tls: {}"), &["spec.tls can't be used with spec.deploymentRef"]),
        (cluster("deploymentRef: {}"), &["spec.deploymentRef.name", "Required"]),
        (login("{}"), &["spec.auth needs secretRef", "or jwtSecretRef"]),
        (login("{method: JWT}"), &["spec.auth needs secretRef", "or jwtSecretRef"]),
        (login("{secretRef: {name: s}, jwtSecretRef: {name: s}}"), &["not both"]),
        (login("{jwtSecretRef: {name: s}, method: Basic}"), &["spec.auth.method is about secretRef"]),
        (login("{jwtSecretRef: {name: s, key: ''}}"), &["spec.auth.jwtSecretRef.key", "at least 1"]),
        (document("ArangoCluster", "bad", "{endpoints: ['http://a:1']}"), &["spec.auth needs secretRef"]),
        (cluster("endpoints: ['http://a:1'], tls: {}"), &["write https:// in every endpoint"]),
        (cluster("endpoints: ['http://a:1'], drift: {interval: ''}"), &["drift.interval must not be empty"]),
        (cluster("endpoints: ['http://a:1'], drift: {interval: 5 minutes}"), &["spec.drift.interval"]),
        (
            cluster("endpoints: ['http://a:1'], requests: {timeout: ''}"),
            &["requests.timeout must not be empty"],
        ),
        (cluster("endpoints: ['http://a:1'], requests: {maxConcurrent: 0}"), &["maxConcurrent"]),
    ]
}

/// A manifest that is taken, and changes of it that are not.
fn wrong_as_a_change() -> Vec<(String, Vec<Case>)> {
    let no_rename: &[_] = &["spec.name can't be changed, set or unset"];
    let elsewhere = |manifest: String| manifest.replace("{name: prod}", "{name: spare}");
    let cant = |field: &'static [&'static str]| field;
    let row = |name: &str, spec: &str| permission(name, &format!("{spec}, access: rw"));
    let by_name = "user: alice, database: shop";
    let by_reference = "userRef: {name: alice}, databaseRef: {name: shop}";
    let (user_changed, reference_changed): (&[_], &[_]) =
        (&["spec.user can't be changed"], &["spec.userRef can't be changed"]);
    let (database_changed, database_reference_changed): (&[_], &[_]) =
        (&["spec.database can't be changed"], &["spec.databaseRef can't be changed"]);
    vec![
        (
            database("named", "name: shop"),
            vec![
                (database("named", "name: depot"), no_rename),
                (database("named", ""), no_rename),
                (elsewhere(database("named", "name: shop")), cant(&["spec.clusterRef can't be changed"])),
            ],
        ),
        (database("unnamed", ""), vec![(database("unnamed", "name: unnamed"), no_rename)]),
        (
            user("named", "name: alice"),
            vec![
                (user("named", "name: bob"), no_rename),
                (user("named", ""), no_rename),
                (elsewhere(user("named", "name: alice")), cant(&["spec.clusterRef can't be changed"])),
            ],
        ),
        (user("unnamed", ""), vec![(user("unnamed", "name: unnamed"), no_rename)]),
        (
            row("by-name", by_name),
            vec![
                (row("by-name", "user: bob, database: shop"), user_changed),
                (row("by-name", "user: alice, database: '*'"), database_changed),
                (row("by-name", "userRef: {name: alice}, database: shop"), reference_changed),
                (row("by-name", "user: alice, databaseRef: {name: shop}"), database_reference_changed),
                (elsewhere(row("by-name", by_name)), cant(&["spec.clusterRef can't be changed"])),
            ],
        ),
        (
            row("by-reference", by_reference),
            vec![
                (row("by-reference", "userRef: {name: bob}, databaseRef: {name: shop}"), reference_changed),
                (
                    row("by-reference", "userRef: {name: alice}, databaseRef: {name: depot}"),
                    database_reference_changed,
                ),
                (row("by-reference", "user: alice, databaseRef: {name: shop}"), user_changed),
                (row("by-reference", "userRef: {name: alice}, database: shop"), database_changed),
            ],
        ),
    ]
}

/// Tells how a manifest was taken, if not as it should be.
async fn complaint(world: &World, (manifest, parts): &Case) -> Option<String> {
    match world.try_apply(manifest).await {
        Ok(_) => Some(format!("was taken:\n{manifest}")),
        Err(refusal) => parts
            .iter()
            .find(|part| !refusal.contains(**part))
            .map(|part| format!("{part:?} is missing in\n{refusal}for\n{manifest}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_manifests_are_refused_with_a_sentence() {
    let world = World::without_operator().await;
    let mut complaints = Vec::new();
    for case in wrong_from_the_start() {
        complaints.extend(complaint(&world, &case).await);
    }
    for (taken, changes) in wrong_as_a_change() {
        world.apply(&taken).await;
        for case in changes {
            complaints.extend(complaint(&world, &case).await);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unusual_names_that_arangodb_takes_are_taken_and_work() {
    let (world, server) = World::connected("5m").await;
    let manifests = [
        crate::support::passwords(&[("p", "a password")]),
        resource("ArangoDatabase", "umlaut", "name: 'Größe & Preis %2F 😀'"),
        user("slash", "name: 'a/b@example.org %', password: {secretRef: {name: passwords, key: p}}"),
        permission("row", "userRef: {name: slash}, databaseRef: {name: umlaut}, access: rw"),
        permission("everything", "userRef: {name: slash}, database: '*', access: ro, collections: {'*': ro}"),
    ];
    world.apply(&manifests.concat()).await;
    let objects =
        ["arangodatabase/umlaut", "arangouser/slash", "arangopermission/row", "arangopermission/everything"];
    world.ready(&objects).await;
    assert_eq!(server.databases().await, ["Größe & Preis %2F 😀"]);
    let path = "/_db/Gr%C3%B6%C3%9Fe%20%26%20Preis%20%252F%20%F0%9F%98%80/_api/database/current";
    let answer = server.get(("a/b@example.org %", "a password"), path).await;
    assert_eq!(answer.ok()["result"]["name"], "Größe & Preis %2F 😀");
    world.delete(&objects).await;
    assert!(server.users().await.is_empty());
}
