//! Traces as a collector gets them: the built program with the feature `otlp`, a real API server, and a collector that
//! reads what arrives as the protocol has it. `cargo test --features otlp --test otlp`

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod collector;
#[allow(dead_code, unused_imports, reason = "what the other tests of the operator need as well")]
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use collector::{Collector, Span};
use support::{PATIENCE, ROOT_PASSWORD, Server, World, database, passwords, user, user_with_password};
use tokio::net::TcpListener;

/// A connected deployment, with spans that go to an address.
async fn traced(to: &str, environment: &[(&'static str, &str)], flags: &[&'static str]) -> (World, Server) {
    let (mut world, server) = tokio::join!(World::without_operator(), Server::start());
    for (variable, value) in environment {
        world.set(variable, value);
    }
    world.give(flags.iter().map(|flag| (*flag).to_owned()));
    world.give(["--otlp-endpoint".to_owned(), to.to_owned()]);
    world.start_operator().await;
    world.apply(&server.manifest("1s")).await;
    world.ready(&["arangocluster/prod"]).await;
    (world, server)
}

/// Spans are sent soon enough for a test.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "200");

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_applied_arrives_as_one_pass_with_its_requests() {
    let collector = Collector::start().await;
    let (mut world, server) = traced(&collector.address(), &[SOON], &[]).await;
    world.apply(&database("shop", "")).await;
    world.ready(&["arangodatabase/shop"]).await;

    let is_create = |span: &Span| span.name == "POST /_db/_system/_api/database";
    let create = collector.span("the request that makes the database", is_create).await;
    assert_eq!((create.kind, create.text("http.request.method")), (collector::CLIENT, "POST".into()));
    assert_eq!(create.text("url.template"), "/_db/_system/_api/database");
    assert_eq!(create.text("http.response.status_code"), "201");
    assert!(server.stand_in.endpoints().contains(&create.text("arangooperator.coordinator")), "{create:#?}");
    let pass = collector.span("its pass", |span| span.id == create.parent).await;
    assert_eq!((&*pass.name, pass.trace.clone()), ("reconcile ArangoDatabase", create.trace.clone()));
    assert_eq!(pass.text("arangooperator.kind"), "ArangoDatabase");
    assert_eq!(pass.text("k8s.namespace.name"), world.namespace);
    assert_eq!(
        (pass.text("arangooperator.object"), pass.text("arangooperator.reason")),
        ("shop".into(), "Ready".into())
    );
    assert!(!pass.failed && !create.failed);
    let is_connection =
        |span: &Span| span.name == "reconcile ArangoCluster" && span.text("arangooperator.reason") == "Ready";
    collector.span("the pass over the connection", is_connection).await;

    // Who sends.
    assert_eq!(pass.resource("service.name"), "arango-operator");
    assert_eq!(pass.resource("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(pass.resource("service.instance.id").len(), 36, "an id of this process");

    // What fails is seen: nobody answers any more.
    for coordinator in 0..3 {
        server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    let unanswered = |span: &Span| span.failed && span.text("error.type") == "no answer";
    collector.span("a request without an answer", unanswered).await;
    // What is left is sent at the end.
    assert!(world.take_operator().terminate(PATIENCE).await.success());
    let spans = collector.spans();
    let unknown: Vec<_> = spans.iter().filter(|span| span.name.ends_with(" other")).collect();
    assert!(unknown.is_empty(), "paths without a route in src/arango/exchange.rs: {unknown:#?}");
    let (names, known) = (["shop", "prod"], ["reconcile ", "GET /", "POST /", "PUT /"]);
    for span in &spans {
        assert!(known.iter().any(|known| span.name.starts_with(known)), "{span:#?}");
        assert!(!names.iter().any(|name| span.name.contains(name)), "names make too many names: {span:#?}");
        assert!(span.events == 0, "lines of the log are none of the trace: {span:#?}");
    }
    assert!(world.log().contains("traces are sent"), "{}", world.log());
    assert!(!world.log().contains("DEBUG"), "the log has a filter of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_span_and_the_login_of_the_collector_in_no_log() {
    const HERS: &str = "cAnArY+alice/012345678=%abc\"d&ef";
    const HEADER: &str = "cAnArY-collector-0123456789abcdef";
    let collector = Collector::start().await;
    let headers = format!("authorization=Bearer {HEADER}");
    let environment = [SOON, ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str())];
    let (mut world, server) = traced(&collector.address(), &environment, &["--log", "trace"]).await;
    let manifests = [
        passwords(&[("alice", HERS)]),
        user_with_password("alice", ""),
        user("bob", "password: {generate: {}}"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangouser/alice", "arangouser/bob"]).await;
    assert_eq!(server.login("alice", HERS).await, 200);
    let generated = world.secret_value("bob-password", "password").await.unwrap();
    collector.span("a login", |span| span.name == "POST /_open/auth").await;
    assert!(world.take_operator().terminate(PATIENCE).await.success());

    assert!(
        collector.headers().iter().all(|headers| headers.contains(HEADER)),
        "the collector is told who comes"
    );
    let log = world.log();
    assert!(log.contains("TRACE") && !log.contains(HEADER), "the log is at trace level");
    let sent = collector.bytes();
    let contains = |text: &str| sent.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(contains("reconcile ArangoUser"), "what is there is found");
    for secret in [HERS, "cAnArY", ROOT_PASSWORD, &generated, "eyJ", HEADER] {
        assert!(!contains(secret), "in a span: {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_hangs_costs_a_line_of_the_log_and_no_pass() {
    // Nobody listens there any more; and there somebody takes connections and never answers.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (away, at) in [("gone", gone), ("hangs", hangs.local_addr().unwrap())] {
        let environment = [SOON, ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")];
        let (mut world, _server) = traced(&format!("http://{at}"), &environment, &[]).await;
        for name in ["a", "b", "c"] {
            world.apply(&database(name, "")).await;
            world.ready(&[&format!("arangodatabase/{name}")]).await;
        }
        let warnings = |log: &str| log.matches("traces can't be delivered").count();
        support::eventually("it is said", async || {
            let log = world.log();
            if warnings(&log) > 0 { Ok(()) } else { Err(log) }
        })
        .await;
        // The flush has five seconds; the rest is for what is under way, and for a busy machine.
        assert!(world.take_operator().terminate(Duration::from_secs(20)).await.success(), "{away}");
        assert_eq!(warnings(&world.log()), 1, "{away}: {}", world.log());
    }
}

#[test]
fn an_address_that_holds_a_login_is_refused_and_not_repeated() {
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    let run = run.env_clear().args(["run", "--otlp-endpoint", "http://somebody:canary@collector:4318"]);
    let output = run.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("OTEL_EXPORTER_OTLP_HEADERS") && !said.contains("canary"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_variables_say_where_to_and_how_many_and_whether_at_all() {
    let collector = Collector::start().await;
    let (base, own) = (collector.address(), format!("{}/v1/traces", collector.address()));
    for (environment, expected) in [
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*base)], true),
        (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*own), ("OTEL_SERVICE_NAME", "ours")], true),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*base), ("OTEL_TRACES_SAMPLER", "always_off")], false),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", &*base), ("OTEL_SDK_DISABLED", "true")], false),
    ] {
        let (mut world, server) = tokio::join!(World::without_operator(), Server::start());
        for (variable, value) in &environment {
            world.set(variable, value);
        }
        world.start_operator().await;
        world.apply(&server.manifest("1h")).await;
        world.ready(&["arangocluster/prod"]).await;
        assert!(world.take_operator().terminate(PATIENCE).await.success());
        let spans = collector.take();
        assert_eq!(!spans.is_empty(), expected, "{environment:?}");
        let named = environment.iter().find(|(variable, _)| *variable == "OTEL_SERVICE_NAME");
        let name = named.map_or("arango-operator", |(_, name)| *name);
        assert!(spans.iter().all(|span| span.resource("service.name") == name), "{spans:#?}");
    }
}
