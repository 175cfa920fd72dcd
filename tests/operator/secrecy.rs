//! No secret value is anywhere but where it belongs: not in the log, not in a status, not in an
//! Event, not in what is served or printed.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::json;

use crate::support::{Server, World, database, grant, secret, user, user_with_password};

// Every text that must be nowhere, 32 characters each, with some that encodings change. To add one: a line here and one in
// `SECRETS`, and a manifest in the test that uses it.
const ROOT: &str = "cAnArY+root/0123456789=%abc\"d&ef";
const WRONG: &str = "cAnArY+wrong/123456789=%abc\"d&ef";
const OLD: &str = "cAnArY+alice-old/345678=%abc\"d&e";
const NEW: &str = "cAnArY+alice-new/345678=%abc\"d&e";

const WEAK: &str = "cAnArY+weak/0123456789=%abc\"d&ef";
const CAROL: &str = "cAnArY+carol/012345678=%abc\"d&ef";
const UNUSED: &str = "cAnArY+unused/01234567=%abc\"d&ef";
const REFUSED: &str = "cAnArY+helm/0123456789=%abc\"d&ef";
const KEY: &str = "cAnArY+key/01234567890=%abc\"d&ef";

/// Whose they are.
const SECRETS: &[(&str, &str)] = &[
    ("root", ROOT),
    ("nobody", WRONG),
    ("alice before", OLD),
    ("alice", NEW),
    ("an account without rights", WEAK),
    ("carol", CAROL),
    ("another key of a Secret that is read", UNUSED),
    ("a Secret of a type that is refused", REFUSED),
    ("a client certificate's key that can't be used", KEY),
];

/// How a value may be written.
fn spellings(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap();
    let mut spellings = vec![
        value.to_owned(),
        json.trim_matches('"').to_owned(),
        format!("{value:?}").trim_matches('"').to_owned(),
        utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
        STANDARD.encode(value),
    ];
    // Behind `user:` base64 looks different, by the length of what is before it; the middle doesn't.
    for before in ["a:", "ab:", "abc:"] {
        let encoded = STANDARD.encode(format!("{before}{value}"));
        spellings.push(encoded[8..encoded.len() - 8].to_owned());
    }
    spellings
}

fn found<'a>(text: &str, secrets: &'a [(String, String)]) -> Vec<(&'a str, String)> {
    let found = secrets.iter().flat_map(|(whose, value)| {
        let there = spellings(value).into_iter().filter(|spelling| text.contains(spelling));
        there.map(|spelling| (whose.as_str(), spelling))
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_at_trace_level_or_in_a_status_an_event_or_anything_that_is_served_or_printed()
 {
    let world = World::with_arguments(&["--log", "trace"]).await;
    let server = Server::with_root_password(ROOT).await;
    let weak = json!({"user": "weak", "passwd": WEAK});
    server.send(("root", ROOT), Method::POST, "/_api/user", Some(weak)).await.ok();
    // Both ways to log in, a refusal of either, and what follows when a password changes.
    for method in ["JWT", "Basic"] {
        let connection = |password: &str| {
            let more = "drift: {interval: 1s}";
            let manifest = server.manifest_for(("root", password), more);
            manifest.replace("auth: {", &format!("auth: {{method: {method}, "))
        };
        world.apply(&connection(WRONG)).await;
        world.condition("arangocluster/prod", "False", "AccessDenied").await;
        world.apply(&connection(ROOT)).await;
        world.ready(&["arangocluster/prod"]).await;
        let manifests = [
            secret("passwords", &[("alice", OLD)]),
            database("shop", ""),
            user_with_password("alice", ""),
            grant("alice", "shop", "access: rw"),
            user("bob", "password: {generate: {}}"),
        ];
        world.apply(&manifests.concat()).await;
        world.ready(&["arangouser/alice", "arangouser/bob", "arangopermission/alice-shop"]).await;
        world.apply(&secret("passwords", &[("alice", NEW)])).await;
        crate::support::eventually("the new password works", async || {
            match server.login("alice", NEW).await.as_u16() {
                200 => Ok(()),
                other => Err(other),
            }
        })
        .await;
        world.apply(&secret("mixed", &[("password", CAROL), ("other", UNUSED)])).await;
        let carol = "password: {secretRef: {name: mixed}}";
        world.apply(&user("carol", carol)).await;
        world.ready(&["arangouser/carol"]).await;
        let helm = secret("helm", &[("password", REFUSED)])
            .replace("kind: Secret", "kind: Secret\ntype: helm.sh/release.v1");
        world.apply(&[helm, user("dave", "password: {secretRef: {name: helm}}")].concat()).await;
        world.condition("arangouser/dave", "False", "Invalid").await;
        // A resource that can't be read, and one that is refused: errors say most.
        world.apply(&user("eve", "password: {secretRef: {name: passwords, key: nothing}}")).await;
        world.condition("arangouser/eve", "Unknown", "SecretMissing").await;
        server.stand_in.stop_coordinator(0).await.unwrap();
        server.stand_in.start_coordinator(0).await.unwrap();
    }
    // Connections that can't be made, or may do nothing.
    let cluster = |name: &str, more: &str| {
        let endpoint = server.stand_in.endpoints()[0].replace("http://", "https://");
        crate::support::document("ArangoCluster", name, &format!("{{endpoints: [{endpoint:?}], {more}}}"))
    };
    let manifests = [
        secret("certificate", &[("tls.crt", KEY), ("tls.key", KEY)]),
        cluster(
            "keyed",
            "auth: {secretRef: {name: prod-root}}, tls: {clientCertificateSecretRef: {name: certificate}}",
        ),
        secret("weak", &[("username", "weak"), ("password", WEAK)]),
        cluster("weak", "auth: {secretRef: {name: weak}}").replace("https://", "http://"),
        database("by-weak", "").replace("{name: prod}", "{name: weak}"),
    ];
    world.apply(&manifests.concat()).await;
    world.condition("arangocluster/keyed", "False", "Invalid").await;
    world.condition("arangodatabase/by-weak", "False", "AccessDenied").await;

    let generated = world.secret_value("bob-password", "password").await.unwrap();
    let mut secrets: Vec<_> =
        SECRETS.iter().map(|(whose, value)| ((*whose).to_owned(), (*value).to_owned())).collect();
    secrets.push(("bob".to_owned(), generated));
    secrets.push(("the API server's token".to_owned(), token(&world)));

    let log = world.log();
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "the log is at trace level");
    assert_eq!(found(&log, &secrets), [], "in the log");
    // Every token of the deployment's own begins like this.
    let tokens: Vec<_> = log.lines().filter(|line| line.contains("eyJ")).collect();
    assert!(tokens.is_empty(), "tokens in the log: {tokens:#?}");
    for objects in ["arangodata", "events"] {
        let text = world.kubectl(&["get", objects, "-o", "yaml", "--show-managed-fields"]).await.unwrap();
        assert_eq!(found(&text, &secrets), [], "in {objects}");
    }
    let operator = world.operator();
    assert_eq!(found(&operator.metrics_text().await, &secrets), [], "in the metrics");
    assert_eq!(found(&operator.health_text().await, &secrets), [], "in what probes are told");
    assert_eq!(found(&operator.printed(), &secrets), [], "in what is printed");
    assert!(
        !found("x=cAnArY%2Broot%2F0123456789%3D%25abc%22d%26ef", &secrets).is_empty(),
        "what is there is found"
    );
}

/// What the operator shows to the API server.
fn token(world: &World) -> String {
    let kubeconfig = std::fs::read_to_string(world.plane.kubeconfig_path()).unwrap();
    let (_, rest) = kubeconfig.split_once("token:").unwrap();
    rest.trim_start_matches([' ', '"']).split(['"', '\n', ',']).next().unwrap().to_owned()
}
