//! A connection that signs its own tokens with the deployment's JWT secret, as the superuser: `spec.auth.jwtSecretRef`.

use arango_operator::stand_in::Options;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    ROOT_PASSWORD, Server, World, database, document, grant, passwords, secret, user, user_with_password,
};

const CLUSTER: &str = "arangocluster/prod";
const SECRET: &str = "the secret of this very deployment";

async fn signed_in() -> (World, Server) {
    let mut options = Options::cluster(3, ROOT_PASSWORD);
    options.config.jwt_secret = SECRET.as_bytes().to_vec();
    let (world, server) = tokio::join!(World::new(), Server::with_options(options));
    let endpoints = server.stand_in.endpoints();
    let spec = format!(
        "{{endpoints: {endpoints:?}, auth: {{jwtSecretRef: {{name: prod-jwt}}}}, drift: {{interval: 1s}}}}"
    );
    world.apply(&document("ArangoCluster", "prod", &spec)).await;
    (world, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_signed_with_the_secret_which_may_come_later_and_change() {
    let (world, server) = signed_in().await;
    let message = world.condition(CLUSTER, "Unknown", "SecretMissing").await;
    assert!(message.contains("prod-jwt") && message.contains("token"), "{message}");

    for (value, part) in
        [(String::new(), "is empty"), (" \n".to_owned(), "is empty"), ("x".repeat(65), "65 bytes")]
    {
        world.apply(&secret("prod-jwt", &[("token", &value)])).await;
        crate::support::eventually("it is said what is wrong with the secret", async || {
            let message = world.condition(CLUSTER, "False", "Invalid").await;
            let named = message.contains("key token of the Secret prod-jwt");
            if named && message.contains(part) { Ok(()) } else { Err(message) }
        })
        .await;
    }
    assert_eq!(server.stand_in.requests(), 0, "nothing was sent");

    world.apply(&secret("prod-jwt", &[("token", "the secret of another")])).await;
    let message = world.condition(CLUSTER, "False", "AccessDenied").await;
    assert!(message.contains("key token of the Secret prod-jwt"), "{message}");
    assert!(!message.contains("the secret of another"), "{message}");

    // As a file is, with a line break at its end.
    world.apply(&secret("prod-jwt", &[("token", &format!("{SECRET}\n"))])).await;
    world.ready(&[CLUSTER]).await;
    world.apply(&secret("prod-jwt", &[("token", "the secret of another")])).await;
    world.condition(CLUSTER, "False", "AccessDenied").await;
    world.apply(&secret("prod-jwt", &[("token", SECRET)])).await;
    world.ready(&[CLUSTER]).await;
    let logins = server.stand_in.request_log();
    assert!(!logins.iter().any(|entry| entry.path == "/_open/auth"), "nobody logs in");
    assert!(!world.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_superuser_makes_changes_and_removes_everything_and_only_root_is_protected() {
    let (world, server) = signed_in().await;
    let operator = user_with_password("arango-operator", "");
    world
        .apply(
            &[
                secret("prod-jwt", &[("token", SECRET)]),
                passwords(&[("alice", "her password"), ("arango-operator", "a password")]),
                database("shop", "deletionPolicy: Delete"),
                user_with_password("alice", ""),
                operator,
                grant("alice", "shop", "access: rw, collections: {'*': rw}"),
            ]
            .concat(),
        )
        .await;
    // The name that tokens carry is nobody's account.
    let all = [
        "arangodatabase/shop",
        "arangouser/alice",
        "arangouser/arango-operator",
        "arangopermission/alice-shop",
    ];
    world.ready(&all).await;
    let refused = world.try_apply(&user("root", "")).await.unwrap_err();
    assert!(refused.contains("root is every deployment's own account"), "{refused}");

    server.set_level("alice", "shop", "none").await;
    server.has_levels("alice", &[("shop", "rw"), ("shop/*", "rw")]).await;
    server.by_hand(Method::PATCH, "/_api/user/alice", json!({"active": false})).await;
    crate::support::eventually("alice may log in again", async || {
        match server.login("alice", "her password").await {
            status if status == 200 => Ok(()),
            status => Err(status),
        }
    })
    .await;

    world.delete(&all).await;
    assert_eq!(server.databases().await, [""; 0]);
    assert_eq!(server.users().await, [""; 0]);
}
