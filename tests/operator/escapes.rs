//! What a tenant may try to get at what is another's: by names, references, encodings and templates.

use arango_operator::stand_in::LogEntry;

use super::delegated::{delegated, rule, through};
use crate::support::{database, passwords, permission, user, user_with_password};

/// What becomes of an attempt.
enum Outcome {
    /// The API server refuses it, with these words.
    Refused(&'static str),
    /// It is held, by status and reason.
    Held(&'static str, &'static str),
    /// It is what its letters say and nothing else.
    Literal,
}
use Outcome::{Held, Literal, Refused};

/// Names of resources, manifests, and what becomes of them.
fn attempts(owner: &str) -> Vec<(&'static str, String, Outcome)> {
    let password = "password: {secretRef: {name: passwords, key: shop-app}}";
    vec![
        // Names that are another's once somebody decodes, folds or joins them.
        (
            "arangodatabase/encoded",
            database("encoded", "name: 'shop-%2F..%2Fbilling', deletionPolicy: Delete"),
            Literal,
        ),
        ("arangodatabase/slash", database("slash", "name: 'shop-/../billing'"), Refused("must not")),
        ("arangodatabase/wide", database("wide", "name: 'ｓhop-x'"), Held("False", "AccessDenied")),
        ("arangodatabase/long-s", database("long-s", "name: 'ſhop-x'"), Held("False", "AccessDenied")),
        ("arangodatabase/capital", database("capital", "name: 'SHOP-x'"), Held("False", "AccessDenied")),
        (
            "arangodatabase/joiner",
            database("joiner", "name: '\u{200d}shop-x'"),
            Held("False", "AccessDenied"),
        ),
        ("arangodatabase/accent", database("accent", "name: 'shop-cafe\u{301}'"), Held("False", "Conflict")),
        (
            "arangouser/path",
            user("path", &format!("name: shop-app/database/billing, deletionPolicy: Delete, {password}")),
            Literal,
        ),
        (
            "arangouser/query",
            user("query", &format!("name: 'shop-?full=true#', deletionPolicy: Delete, {password}")),
            Literal,
        ),
        ("arangouser/root", user("root-too", "name: root"), Refused("root")),
        (
            "arangouser/other",
            user("other", &format!("name: auditor, {password}")),
            Held("False", "AccessDenied"),
        ),
        // References that lead out of the namespace.
        (
            "arangopermission/other-user",
            permission(
                "other-user",
                &format!("userRef: {{name: {owner}/auditor}}, database: shop-a, access: ro"),
            ),
            Held("Unknown", "ReferenceMissing"),
        ),
        (
            "arangopermission/up",
            permission("up", "user: shop-app, database: 'shop-a%2F..%2Fbilling', access: ro"),
            Held("Unknown", "DatabaseMissing"),
        ),
        (
            "arangopermission/collection",
            permission(
                "collection",
                "user: shop-app, database: shop-a, collections: {'../../billing/orders': rw}",
            ),
            Held("Unknown", "CollectionMissing"),
        ),
        (
            "arangouser/namespace",
            user(
                "namespace",
                &format!(
                    "name: shop-b, password: {{secretRef: {{name: passwords, namespace: {owner}, key: auditor}}}}"
                ),
            ),
            Refused("unknown field"),
        ),
        (
            "arangouser/far-secret",
            user(
                "far-secret",
                &format!("name: shop-c, password: {{secretRef: {{name: {owner}/passwords, key: auditor}}}}"),
            ),
            Held("Unknown", "SecretMissing"),
        ),
        // Texts that read more than they are given.
        (
            "arangouser/template",
            user_with_password(
                "shop-app",
                "connectionSecret: {name: mine, template: {x: '$(root.password)'}}",
            ),
            Held("False", "Invalid"),
        ),
        (
            "arangouser/file",
            user(
                "file",
                &format!(
                    "name: shop-d, {password}, connectionSecret: {{name: mine, template: {{x: '$(file|/etc/passwd)'}}}}"
                ),
            ),
            Held("False", "Invalid"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_tenant_tries_he_gets_nothing_that_is_anothers() {
    let (world, server) = delegated(&rule("rw", "")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    server.make_database("billing").await;
    server.make_collection("billing", "orders").await;
    server.make_user("auditor", "his").await;
    server.set_level("auditor", "billing", "rw").await;
    world
        .apply(&[passwords(&[("auditor", "his")]), database("cafe", "name: 'shop-caf\u{e9}'")].concat())
        .await;
    world.ready(&["arangodatabase/cafe"]).await;
    // What the attempts start from is the tenant's by right.
    let own = [
        passwords(&[("shop-app", "a password")]),
        database("shop-a", ""),
        user_with_password("shop-app", ""),
    ];
    tenant.apply(&through(owner, &own)).await;
    tenant.ready(&["arangodatabase/shop-a", "arangouser/shop-app"]).await;
    server.make_collection("shop-a", "orders").await;
    let (before, billing) = (server.users().await, server.levels("auditor").await);
    server.stand_in.clear_requests();

    let attempts = attempts(owner);
    for (object, manifest, outcome) in &attempts {
        let applied = tenant.try_apply(&through(owner, std::slice::from_ref(manifest))).await;
        match outcome {
            Refused(why) => {
                let error = applied.expect_err(object);
                assert!(error.contains(why), "{object}: {error}");
            }
            _ => assert!(applied.is_ok(), "{object}: {applied:?}"),
        }
    }
    for (object, _, outcome) in &attempts {
        let object = if *object == "arangouser/template" { "arangouser/shop-app" } else { object };
        match outcome {
            Held(status, reason) => drop(tenant.condition(object, status, reason).await),
            Literal => drop(tenant.ready(&[object]).await),
            Refused(_) => {}
        }
    }

    let made = ["shop-%2F..%2Fbilling", "shop-a", "shop-caf\u{e9}"];
    let mut databases = server.databases().await;
    databases.retain(|name| name != "billing");
    assert_eq!(databases, made);
    let new: Vec<_> = server.users().await.into_iter().filter(|user| !before.contains(user)).collect();
    assert_eq!(new, ["shop-?full=true#", "shop-app/database/billing"]);
    for user in ["shop-%3Ffull=true%23", "shop-app%2Fdatabase%2Fbilling", "shop-app"] {
        assert!(server.levels(user).await.is_empty(), "{user}");
    }
    assert_eq!(server.levels("auditor").await, billing);
    assert_eq!(server.login("auditor", "his").await, 200);
    // Two users and a database are made, all by names in bodies; nothing else that was asked for is there to be changed.
    let writes: Vec<_> =
        server.writes().into_iter().filter(LogEntry::is_success).map(|entry| entry.path).collect();
    assert_eq!(writes.len(), 3, "{writes:?}");
    assert!(
        writes.iter().all(|path| path.ends_with("/_api/user") || path.ends_with("/_api/database")),
        "{writes:?}"
    );
    assert_eq!(tenant.secret_value("mine", "x").await, None, "nothing was read into a Secret");

    // What is made by such a name goes by it as well, and takes nothing along.
    tenant.delete(&["arangodatabase/encoded", "arangouser/path", "arangouser/query"]).await;
    let mut left = server.databases().await;
    left.sort();
    assert_eq!(left, ["billing", "shop-a", "shop-caf\u{e9}"]);
    assert_eq!(server.users().await, before);
    assert_eq!(server.levels("auditor").await, billing);
}
