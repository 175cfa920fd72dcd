//! A deployment as manifests: tidy, the same every time, and nothing lost without a word.

use std::{collections::BTreeSet, fs, path::Path};

use arango_operator::{
    arango::{DatabaseOptions, Request},
    core::{DatabaseName, Level, Scope, UserName},
    kinds::{database::crd::ArangoDatabase, permission::crd::ArangoPermission, user::crd::ArangoUser},
};
use http::Method;
use serde_json::{Value, json};

use super::explain::client;
use crate::cli_support::{Deployment, ROOT_PASSWORD, run};

/// Requests as root, one after another.
async fn make(deployment: &Deployment, calls: &[(&str, &str, Value)]) {
    for (method, path, body) in calls {
        deployment.run(&["request", method, path, "--data", &body.to_string()]).await.ok();
    }
}

/// A database, a user, and what he may.
async fn shop() -> Deployment {
    let deployment = Deployment::cluster().await;
    let new = json!({"user": "Alice", "passwd": "canary-of-alice", "extra": {"team": "shop", "old": null}});
    make(
        &deployment,
        &[
            (
                "POST",
                "/_api/database",
                json!({"name": "shop", "options": {"replicationFactor": 3, "writeConcern": 2}}),
            ),
            ("POST", "/_db/shop/_api/collection", json!({"name": "orders"})),
            ("POST", "/_api/user", new),
            ("PUT", "/_api/user/Alice/database/shop", json!({"grant": "rw"})),
            ("PUT", "/_api/user/Alice/database/shop/orders", json!({"grant": "ro"})),
            ("PUT", "/_api/user/Alice/database/*", json!({"grant": "ro"})),
        ],
    )
    .await;
    deployment
}

#[tokio::test]
async fn what_is_there_is_written_as_a_person_would_and_the_same_every_time() {
    let deployment = shop().await;
    deployment.stand_in.clear_requests();
    let text = deployment.run(&["export", "--namespace", "shop", "--cluster", "dbs/prod"]).await.ok();
    assert_eq!(
        text,
        "\
# Written by `arango-operator export`. There is no password in it: users keep theirs. Rights on databases that
# don't exist any more are kept by the server, but shown to nobody.
#
# Left out:
# - the user root with all rights: every deployment's own account is never managed
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata:
  name: shop
  namespace: shop
spec:
  clusterRef:
    name: prod
    namespace: dbs
  options:
    replicationFactor: 3
    writeConcern: 2
  deletionPolicy: Retain
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoUser
metadata:
  name: alice
  namespace: shop
spec:
  clusterRef:
    name: prod
    namespace: dbs
  name: Alice
  extra:
    team: shop
  deletionPolicy: Retain
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoPermission
metadata:
  name: alice-any
  namespace: shop
spec:
  clusterRef:
    name: prod
    namespace: dbs
  userRef:
    name: alice
  database: \"*\"
  access: ro
  deletionPolicy: Retain
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoPermission
metadata:
  name: alice-shop
  namespace: shop
spec:
  clusterRef:
    name: prod
    namespace: dbs
  userRef:
    name: alice
  databaseRef:
    name: shop
  access: rw
  collections:
    orders: ro
  deletionPolicy: Retain
"
    );
    assert_eq!(deployment.run(&["export", "--namespace", "shop", "--cluster", "dbs/prod"]).await.ok(), text);
    let log = deployment.stand_in.request_log();
    assert!(
        log.iter().all(|entry| entry.method == "GET" || entry.path == "/_open/auth"),
        "nothing is written"
    );
}

/// Names that want to be something else.
const ODD: [&str; 12] =
    ["null", "1e3", "yes", "~", "- a", "a: b # c", "x\ny", "'\"\\", "\u{85}\u{2028}", "Shop", "shop", "東京"];

/// The manifests of a kind in a text.
fn read<T: serde::de::DeserializeOwned>(text: &str, kind: &str) -> Vec<T> {
    let documents = text.split("\n---\n").filter(|it| it.contains(&format!("\nkind: {kind}\n")));
    documents.map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

#[tokio::test]
async fn names_may_be_anything_and_come_back_as_they_are() {
    let deployment = Deployment::single().await;
    let client = client(&deployment);
    let (users, databases) =
        (BTreeSet::from(ODD), ODD.into_iter().filter(|name| DatabaseName::parse(name).is_ok()));
    let databases: BTreeSet<_> = databases.collect();
    for name in &databases {
        client
            .create_database(&DatabaseName::parse(name).unwrap(), &DatabaseOptions::default())
            .await
            .unwrap();
    }
    for name in &users {
        let new = Request::new(Method::POST, "/_api/user").body(json!({"user": name, "passwd": "x"}));
        client.call(new).await.unwrap();
        let user = UserName::parse(name).unwrap();
        for database in &databases {
            let scope = Scope::Named(DatabaseName::parse(database).unwrap());
            client.grant_database(&user, &scope, Level::Ro).await.unwrap();
        }
    }
    let text = deployment.run(&["export"]).await.ok();
    let found: Vec<ArangoUser> = read(&text, "ArangoUser");
    let name =
        |given: &Option<String>, metadata: &Option<String>| given.clone().or(metadata.clone()).unwrap();
    let found_users: BTreeSet<_> = found.iter().map(|it| name(&it.spec.name, &it.metadata.name)).collect();
    assert_eq!(found_users.iter().map(String::as_str).collect::<BTreeSet<_>>(), users, "{text}");
    let made: BTreeSet<_> = found.iter().map(|it| it.metadata.name.clone().unwrap()).collect();
    assert_eq!(made.len(), users.len(), "each has a name of its own");
    let found: Vec<ArangoDatabase> = read(&text, "ArangoDatabase");
    let found_databases: BTreeSet<_> =
        found.iter().map(|it| name(&it.spec.name, &it.metadata.name)).collect();
    assert_eq!(found_databases.iter().map(String::as_str).collect::<BTreeSet<_>>(), databases);
    let rows: Vec<ArangoPermission> = read(&text, "ArangoPermission");
    let made: BTreeSet<_> = rows.iter().map(|it| it.metadata.name.clone().unwrap()).collect();
    assert_eq!(made.len(), users.len() * databases.len(), "{made:?}");
    assert!(made.contains("shop-shop"), "{made:?}");
}

#[tokio::test]
async fn what_cannot_be_declared_is_named_with_the_reason() {
    let deployment = Deployment::single().await;
    let mark = json!({"instance": "abc", "namespace": "shop", "name": "marked"});
    let long = "x".repeat(300);
    make(
        &deployment,
        &[
            ("POST", "/_api/user", json!({"user": "marked", "passwd": "x", "extra": {"arango-operator": mark}})),
            ("PUT", "/_api/user/marked/database/*", json!({"grant": "ro"})),
            ("POST", "/_api/user", json!({"user": long, "passwd": "x"})),
            ("POST", "/_api/user", json!({"user": "bob", "passwd": "x", "active": false, "extra": {"deep": {"x": null}, "a": 1}})),
            ("POST", "/_api/user", json!({"user": "evil\n---\nkind: Secret", "passwd": "x", "extra": {"k\n---\nx: y": {"a": null}}})),
        ],
    )
    .await;
    let text = deployment.run(&["export"]).await.ok();
    let flat = text.replace("\n# ", " ");
    assert!(flat.contains("- the user marked with all rights: the ArangoUser shop/marked of the operator abc looks after him already"), "{text}");
    assert!(!text.contains("name: marked") && !text.contains("marked-"), "nor his rights: {text}");
    assert!(flat.contains("a declared name has at most 256 characters"), "{text}");
    assert!(flat.contains("The key \"deep\" of extra is left alone"), "{text}");
    assert!(text.contains("  active: false\n  extra:\n    a: 1\n"), "{text}");
    let kinds: BTreeSet<_> = text.lines().filter(|line| line.starts_with("kind: ")).collect();
    assert_eq!(kinds, BTreeSet::from(["kind: ArangoUser"]), "no text gets out of its place: {text}");
}

#[tokio::test]
async fn a_part_is_chosen_by_patterns_and_by_kind() {
    let deployment = shop().await;
    make(
        &deployment,
        &[
            ("POST", "/_api/database", json!({"name": "bank"})),
            ("POST", "/_api/user", json!({"user": "bob", "passwd": "x"})),
            ("PUT", "/_api/user/bob/database/bank", json!({"grant": "none"})),
        ],
    )
    .await;
    let names = async |flags: &[&str]| {
        let text = deployment.run(&[&["export"], flags].concat()).await.ok();
        let documents = text.split("---\n").skip(1).map(|document| {
            let part =
                |key: &str| document.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
            format!("{} {}", part("kind: Arango"), part("  name: "))
        });
        documents.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        names(&[]).await,
        "Database bank, Database shop, User alice, User bob, Permission alice-any, Permission alice-shop, Permission bob-bank"
    );
    assert_eq!(
        names(&["--databases", "sh*"]).await,
        "Database shop, User alice, User bob, Permission alice-shop"
    );
    assert_eq!(names(&["--users", "b*", "--no-databases"]).await, "User bob, Permission bob-bank");
    assert_eq!(names(&["--no-permissions", "--no-users"]).await, "Database bank, Database shop");
    let text = deployment.run(&["export", "--no-users", "--no-databases", "--users", "bob"]).await.ok();
    assert!(text.contains("  user: bob\n  database: bank\n  access: none\n"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_there_stays_unless_it_may_go() {
    let deployment = shop().await;
    let kept = deployment.file("kept.yaml", "mine");
    let error = deployment.run(&["export", "--output", &kept]).await.failed(1);
    assert!(error.contains("kept.yaml is there already; choose another place, or --force"), "{error}");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "mine");
    deployment.run(&["export", "--output", &kept, "--force"]).await.ok();
    assert_eq!(fs::read_to_string(&kept).unwrap(), deployment.run(&["export"]).await.ok());

    let folder = Path::new(&kept).with_file_name("all");
    let split = ["export", "--with-cluster", "--cluster", "prod", "--split", folder.to_str().unwrap()];
    deployment.run(&split).await.ok();
    let mut files = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut names: Vec<_> =
        files.iter().map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "LEFT-OUT.txt",
            "cluster.yaml",
            "databases/shop.yaml",
            "permissions/alice-any.yaml",
            "permissions/alice-shop.yaml",
            "users/alice.yaml"
        ]
    );
    let cluster = fs::read_to_string(folder.join("cluster.yaml")).unwrap();
    assert!(
        cluster.contains("# kubectl create secret generic prod-login --from-literal=username='root'"),
        "{cluster}"
    );
    assert!(cluster.contains("    secretRef:\n      name: prod-login\n"), "{cluster}");
    for endpoint in deployment.stand_in.endpoints() {
        assert!(cluster.contains(&endpoint), "{cluster}");
    }
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("canary-of-alice") && !text.contains(ROOT_PASSWORD), "{text}");
    }
    fs::remove_file(folder.join("users/alice.yaml")).unwrap();
    let error = deployment.run(&split).await.failed(1);
    assert!(error.contains("is there already"), "{error}");
    assert!(!folder.join("users/alice.yaml").exists(), "all of it or nothing");
}

#[tokio::test]
async fn only_an_administrator_exports_and_names_in_kubernetes_are_checked() {
    let deployment = shop().await;
    let endpoints = deployment.endpoints();
    let environment = [
        ("ARANGO_ENDPOINT", endpoints.as_str()),
        ("ARANGO_USER", "Alice"),
        ("ARANGO_PASSWORD", "canary-of-alice"),
    ];
    let error = run(&["export"], &environment).await.failed(1);
    assert!(error.contains("an export takes an administrator (rw on _system)"), "{error}");
    for flags in [["--namespace", "Shop"], ["--cluster", "a/b/c"], ["--cluster", "x\ny"]] {
        let error = deployment.run(&[&["export"], &flags[..]].concat()).await.failed(2);
        assert!(error.contains("a name in Kubernetes has small letters"), "{error}");
    }
}

#[tokio::test]
async fn a_plan_of_what_was_exported_has_nothing_to_do() {
    let deployment = shop().await;
    make(
        &deployment,
        &[
            ("POST", "/_api/database", json!({"name": "möbel & more"})),
            ("POST", "/_api/user", json!({"user": "a: b # c", "passwd": "x", "active": false})),
            (
                "PUT",
                "/_api/user/a%3A%20b%20%23%20c/database/m%C3%B6bel%20%26%20more",
                json!({"grant": "none"}),
            ),
            ("PUT", "/_api/user/a%3A%20b%20%23%20c/database/*/*", json!({"grant": "rw"})),
            ("PUT", "/_api/user/a%3A%20b%20%23%20c/database/_system", json!({"grant": "ro"})),
            ("PUT", "/_api/user/Alice/database/shop/*", json!({"grant": "none"})),
        ],
    )
    .await;
    let file = deployment.file("all.yaml", &deployment.run(&["export"]).await.ok());
    let folder = Path::new(&file).with_file_name("each");
    let folder = folder.to_str().unwrap();
    deployment.run(&["export", "--split", folder]).await.ok();
    for manifests in [file.as_str(), folder] {
        let plan = deployment.run(&["plan", "-f", manifests]).await;
        assert_eq!(plan.code, Some(0), "{plan:?}");
    }
    // Had something been changed meanwhile, there would be.
    make(&deployment, &[("PUT", "/_api/user/Alice/database/shop", json!({"grant": "ro"}))]).await;
    let plan = deployment.run(&["plan", "-f", folder]).await;
    assert_eq!(plan.code, Some(2), "{plan:?}");
}
