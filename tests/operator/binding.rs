//! What applications are given: a Secret with which they log in, kept up to date, and never somebody else's.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use arango_operator::stand_in::Tls;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, ROOT_PASSWORD, Server, World, database, eventually, grant, passwords, secret, user, within,
};

const ALICE: &str = "arangouser/alice";
const FROM_A_SECRET: &str = "password: {secretRef: {name: passwords, key: alice}}";

/// How long a change of a password may take to be in the Secret, on a machine that is busy with other tests.
const RENEWED: Duration = Duration::from_secs(2);

fn secrets(world: &World) -> Api<Secret> {
    Api::namespaced(world.client.clone(), &world.namespace)
}

fn values(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.clone().unwrap_or_default();
    data.into_iter().map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect()
}

/// Waits until the Secret has these keys and values, others aside.
async fn has(world: &World, name: &str, expected: &[(&str, &str)]) -> Secret {
    eventually(&format!("the Secret {name} has {expected:?}"), async || {
        let Some(secret) = secrets(world).get_opt(name).await.unwrap() else { return Err(None) };
        let found = values(&secret);
        let right = |(key, value): &(&str, &str)| found.get(*key).is_some_and(|found| found == value);
        if expected.iter().all(right) { Ok(secret) } else { Err(Some(found)) }
    })
    .await
}

/// Changes a Secret as somebody else would.
async fn change(world: &World, name: &str, patch: Value) {
    secrets(world).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

/// Reads the database that the Secret names, with nothing but the Secret.
async fn uses(values: &BTreeMap<String, String>) -> Value {
    let mut client = reqwest::Client::builder().no_proxy();
    if let Some(pem) = values.get("ca.crt") {
        client = client.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]);
    }
    let request = client.build().unwrap().get(format!("{}/_api/database/current", values["uri"]));
    let answer = request.basic_auth(&values["username"], Some(&values["password"])).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json::<Value>().await.unwrap()["result"]["name"].clone()
}

/// Alice with her password from a Secret, and the one that is written for her applications.
async fn alice(connection: &str) -> (World, Server) {
    let (world, server) = World::connected("1h").await;
    world.apply(&passwords(&[("alice", "her password")])).await;
    world.apply(&user("alice", &format!("{FROM_A_SECRET}, connectionSecret: {connection}"))).await;
    (world, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_logs_in_with_nothing_but_the_secret_also_where_it_must_be_told_whom_to_trust() {
    let tls = Tls::self_made(Ipv4Addr::LOCALHOST.into()).unwrap();
    let authority = secret("prod-ca", &[("ca.crt", &tls.authority)]);
    let (world, server) = tokio::join!(World::with_arguments(&["--log", "trace"]), Server::behind(tls));
    let password = "a pass/word with \"quotes\" & $(host)";
    let connection = r#"{name: alice-arangodb, database: shop, template: {
        ARANGO_URL: "$(endpoint)/_db/$(database|url)",
        url-with-login: "https://$(username|url):$(password|url)@$(host):$(port)",
        config.json: "{\"password\": \"$(password|json)\", \"costs\": \"$$5\"}"}}"#;
    let manifests = [
        authority,
        server.manifest_for(("root", ROOT_PASSWORD), "tls: {caRef: {name: prod-ca}}"),
        passwords(&[("alice", password)]),
        database("shop", ""),
        user("alice", &format!("{FROM_A_SECRET}, connectionSecret: {connection}")),
        grant("alice", "shop", "access: rw"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&[ALICE, "arangopermission/alice-shop"]).await;

    let secret = secrets(&world).get("alice-arangodb").await.unwrap();
    let values = values(&secret);
    assert_eq!(uses(&values).await, "shop");
    let endpoints = server.stand_in.endpoints();
    assert_eq!(values["endpoint"], endpoints[0]);
    assert_eq!(values["endpoints"], endpoints.join(","));
    assert_eq!(format!("https://{}:{}", values["host"], values["port"]), endpoints[0]);
    assert_eq!(values["ARANGO_URL"], values["uri"]);
    let config: Value = serde_json::from_str(&values["config.json"]).unwrap();
    assert_eq!(config, json!({"password": password, "costs": "$5"}));
    // A URL that another parser reads back.
    let url = reqwest::Url::parse(&values["url-with-login"]).unwrap();
    let told = percent_encoding::percent_decode_str(url.password().unwrap()).decode_utf8().unwrap();
    assert_eq!((url.username(), &*told), ("alice", password));

    // The Service Binding specification: what a provisioned service is.
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/arangodb"));
    assert_eq!((values["type"].as_str(), values["provider"].as_str()), ("arangodb", "arango-operator"));
    let status = world.object(ALICE).await["status"].clone();
    assert_eq!(status["binding"], json!({"name": "alice-arangodb"}));
    let log = world.log();
    assert!(log.contains("TRACE"), "the log is at trace level");
    for told in [password, &values["config.json"], &values["url-with-login"]] {
        assert!(!log.contains(told) && !status.to_string().contains(told));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_and_another_endpoint_are_in_the_secret_at_once() {
    let (world, server) = alice("{name: app, template: {login: '$(username):$(password)'}}").await;
    world.ready(&[ALICE]).await;
    has(&world, "app", &[("password", "her password"), ("login", "alice:her password")]).await;
    world.apply(&passwords(&[("alice", "a new one")])).await;
    let ((), took) = within(RENEWED, "the new password is there and works", async || {
        let found = values(&secrets(&world).get("app").await.unwrap());
        let (written, login) = (found["password"] == "a new one", found["login"] == "alice:a new one");
        if written && login { Ok(()) } else { Err((written, login)) }
    })
    .await;
    eprintln!("FIGURE new password in the connection Secret: {took:?} after kubectl apply had ended");
    assert_eq!(server.login("alice", "a new one").await, 200);

    let endpoints = &server.stand_in.endpoints()[1..];
    let patch = json!({"spec": {"endpoints": endpoints}}).to_string();
    world.kubectl(&["patch", "arangocluster/prod", "--type=merge", "-p", &patch]).await.unwrap();
    has(&world, "app", &[("endpoint", &endpoints[0]), ("endpoints", &endpoints.join(","))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_to_the_secret_is_put_right_and_what_is_theirs_stays() {
    let (world, _server) = alice("{name: app, template: {A: a, B: b}}").await;
    world.ready(&[ALICE]).await;
    let theirs = json!({"labels": {"team": "shop"}, "annotations": {"reloader": "on"}});
    change(&world, "app", json!({"metadata": theirs, "stringData": {"password-next": "x", "more": "y"}}))
        .await;
    change(&world, "app", json!({"stringData": {"host": "elsewhere"}, "data": {"port": null}})).await;
    let event = world.event(ALICE, "DriftRepaired").await;
    assert!(event.contains("app") && event.contains("host") && event.contains("port"), "{event}");
    assert!(!event.contains("elsewhere"), "{event}");

    // What is no longer declared goes, and nothing else.
    let spec = format!("{FROM_A_SECRET}, connectionSecret: {{name: app, template: {{A: c}}}}");
    world.apply(&user("alice", &spec)).await;
    let secret = has(&world, "app", &[("A", "c"), ("more", "y"), ("password-next", "x")]).await;
    assert!(!values(&secret).contains_key("B"));
    assert_eq!(secret.metadata.labels.unwrap()["team"], "shop");
    assert_eq!(secret.metadata.annotations.unwrap()["reloader"], "on");

    secrets(&world).delete("app", &DeleteParams::default()).await.unwrap();
    has(&world, "app", &[("A", "c"), ("password", "her password")]).await;
    world.event(ALICE, "Recreated").await;

    // Whoever keeps changing it is not answered blow by blow, and the status says so.
    change(&world, "app", json!({"stringData": {"A": "other"}})).await;
    let message = world.condition(ALICE, "Unknown", "Retry").await;
    assert!(message.contains("app") && message.contains("who else writes it"), "{message}");
    has(&world, "app", &[("A", "c")]).await;
    world.ready(&[ALICE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_not_written_for_this_user_is_never_overwritten() {
    let (world, server) = World::connected("1h").await;
    let bob = "password: {secretRef: {name: passwords, key: bob}}, connectionSecret: {name: bobs}";
    world
        .apply(&[secret("app", &[("host", "mine")]), passwords(&[("alice", "a"), ("bob", "b")])].concat())
        .await;
    world.apply(&user("bob", bob)).await;
    world.ready(&["arangouser/bob"]).await;
    // A Secret of nobody's, and another user's.
    for name in ["app", "bobs"] {
        let before = secrets(&world).get(name).await.unwrap();
        let spec = format!("{FROM_A_SECRET}, connectionSecret: {{name: {name}}}");
        world.apply(&user("alice", &spec)).await;
        let message = eventually("the conflict names the Secret", async || {
            let message = world.condition(ALICE, "False", "Conflict").await;
            if message.contains(&format!("the Secret {name} ")) { Ok(message) } else { Err(message) }
        })
        .await;
        assert!(
            message.contains("never overwritten") && message.contains("connectionSecret.name"),
            "{message}"
        );
        assert_eq!(secrets(&world).get(name).await.unwrap(), before);
    }
    assert_eq!(world.object(ALICE).await["status"].get("binding"), None);
    assert_eq!(server.login("alice", "a").await, 200, "the user himself is in order");
    // It goes away: the resource is woken by that.
    let spec = format!("{FROM_A_SECRET}, connectionSecret: {{name: app}}");
    world.apply(&user("alice", &spec)).await;
    world.condition(ALICE, "False", "Conflict").await;
    secrets(&world).delete("app", &DeleteParams::default()).await.unwrap();
    has(&world, "app", &[("username", "alice"), ("password", "a")]).await;
    world.ready(&[ALICE]).await;

    change(&world, "app", json!({"immutable": true})).await;
    world.apply(&passwords(&[("alice", "another"), ("bob", "b")])).await;
    let message = world.condition(ALICE, "False", "Conflict").await;
    assert!(message.contains("immutable") && message.contains("delete it"), "{message}");
    secrets(&world).delete("app", &DeleteParams::default()).await.unwrap();
    has(&world, "app", &[("password", "another")]).await;
    world.ready(&[ALICE]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_password_is_in_the_connection_secret_alone_and_rest_and_restart_write_nothing() {
    let (mut world, server) = World::connected("1s").await;
    let spec = "password: {generate: {}}, connectionSecret: {name: app, template: {P: '$(password)'}}";
    server.make_user("bob", "his own").await;
    world.apply(&[user("alice", spec), user("bob", "connectionSecret: {name: bobs}")].concat()).await;
    world.ready(&[ALICE, "arangouser/bob"]).await;
    let secret = secrets(&world).get("app").await.unwrap();
    let found = values(&secret);
    assert_eq!(secret.type_.as_deref(), Some("servicebinding.io/arangodb"));
    assert_eq!(found["P"], found["password"]);
    assert_eq!(server.login("alice", &found["password"]).await, 200);
    assert!(secrets(&world).get_opt("alice-password").await.unwrap().is_none());
    // A password that is not managed is not known, and that is said.
    let bobs = values(&secrets(&world).get("bobs").await.unwrap());
    assert!(!bobs.contains_key("password") && bobs["username"] == "bob");
    let message = world.condition("arangouser/bob", "True", "Ready").await;
    assert!(message.contains("bobs") && message.contains("spec.password is not set"), "{message}");

    let writes = ["arangooperator_kubernetes_writes_total"];
    let made = world.operator().count(&[writes[0], "ArangoUser"]).await;
    // Two per user, an Event, and three for two Secrets, one with a password; and on a busy machine, that somebody waits.
    assert!(made <= 10, "{made}");
    world.counted(&json!({"users": 2})).await;
    let versions = world.versions().await;
    server.stand_in.clear_requests();
    let passes = ["arangooperator_reconciles_total", "ArangoUser", "\"Ready\""];
    for restart in [false, true] {
        if restart {
            world.take_operator().kill().await;
            world.start_operator().await;
        }
        let (written, looked) =
            (world.operator().count(&writes).await, world.operator().count(&passes).await);
        within(PATIENCE, "they are compared again", async || {
            let now = world.operator().count(&passes).await;
            if now >= looked + 4 { Ok(()) } else { Err(now) }
        })
        .await;
        assert_eq!(world.versions().await, versions, "restart: {restart}");
        assert_eq!(world.operator().count(&writes).await, if restart { 0 } else { written });
        assert!(server.writes().is_empty(), "{:?}", server.writes());
    }

    // The password is changed where it is.
    change(&world, "app", json!({"stringData": {"password": "chosen by a person"}})).await;
    has(&world, "app", &[("P", "chosen by a person")]).await;
    assert_eq!(server.login("alice", "chosen by a person").await, 200);
    let all = world.kubectl(&["get", "arangodata,events", "-o", "yaml"]).await.unwrap();
    assert!(!world.log().contains("chosen by") && !all.contains("chosen by"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_goes_with_the_user_where_he_goes_and_stays_where_he_stays() {
    let (world, _server) = alice("{name: app}").await;
    world.ready(&[ALICE]).await;
    let secret = secrets(&world).get("app").await.unwrap();
    let uid = world.object(ALICE).await["metadata"]["uid"].clone();
    let owners = json!(secret.metadata.owner_references);
    assert_eq!((&owners[0]["uid"], &owners[0]["kind"]), (&uid, &json!("ArangoUser")));
    assert_ne!(owners[0]["blockOwnerDeletion"], true);

    let retain =
        |name: &str| format!("{FROM_A_SECRET}, deletionPolicy: Retain, connectionSecret: {{name: {name}}}");
    world.apply(&user("alice", &retain("app"))).await;
    eventually("nobody owns the Secret any more", async || {
        let owners = secrets(&world).get("app").await.unwrap().metadata.owner_references;
        if owners.as_ref().is_none_or(Vec::is_empty) { Ok(()) } else { Err(owners) }
    })
    .await;
    // Another name: the Secret that applications may still use is not taken from them, and that is said.
    world.apply(&user("alice", &retain("other"))).await;
    let event = world.event(ALICE, "SecretLeft").await;
    assert!(event.contains("the Secret app "), "{event}");
    has(&world, "other", &[("password", "her password")]).await;
    eventually("the status names the new Secret", async || {
        let status = world.object(ALICE).await["status"].clone();
        if status["binding"]["name"] == "other" { Ok(()) } else { Err(status) }
    })
    .await;
    world.delete(&[ALICE]).await;
    has(&world, "app", &[("password", "her password")]).await;
    has(&world, "other", &[("password", "her password")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_can_not_be_read_is_invalid_with_its_position_and_a_key_of_ours_is_refused_at_once() {
    let (world, server) = alice("{name: app, template: {URL: 'http://$(hots)'}}").await;
    let message = world.condition(ALICE, "False", "Invalid").await;
    for part in ["connectionSecret.template.URL", "at character 8", "$(hots)", "host"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(server.users().await.is_empty(), "nothing of it is done by halves");
    let try_spec = async |connection: &str| {
        world.try_apply(&user("alice", &format!("connectionSecret: {connection}"))).await.unwrap_err()
    };
    for (connection, part) in [
        ("{name: app, template: {uri: x}}", "a key that the operator writes itself"),
        ("{name: app, template: {password-next: x}}", "a key that the operator writes itself"),
        ("{name: App}", "connectionSecret.name"),
        ("{name: ''}", "connectionSecret.name"),
        ("{database: shop}", "connectionSecret.name"),
        ("{name: app, key: x}", "unknown field"),
    ] {
        let refusal = try_spec(connection).await;
        assert!(refusal.contains(part), "{connection}: {refusal}");
    }
    let long = format!("{{name: app, template: {{A: {}}}}}", "x".repeat(4097));
    assert!(try_spec(&long).await.contains("template"));
    let long = format!("{{name: app, template: {{{}: x}}}}", "k".repeat(254));
    assert!(try_spec(&long).await.contains("at most 253"));
}
