//! What the operator logs: a line for each action, nothing while nothing happens, and with which object every line of a
//! pass has to do.

use serde_json::Value;

use crate::support::{Server, World, database, eventually, grant, passwords, user_with_password};

/// How many comparisons with the server are watched.
const COMPARISONS: usize = 4;

async fn fleet(arguments: &[&'static str]) -> (World, Server) {
    let (world, server) = tokio::join!(World::with_arguments(arguments), Server::start());
    world.apply(&server.manifest("1s")).await;
    world.ready(&["arangocluster/prod"]).await;
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("shop", ""),
        user_with_password("alice", ""),
        grant("alice", "shop", "access: rw"),
        // Whoever is not Ready is quiet as well.
        grant("alice", "nothing", "access: ro"),
        database("twin", "name: shop"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"]).await;
    world.condition("arangopermission/alice-nothing", "Unknown", "ReferenceMissing").await;
    world.condition("arangodatabase/twin", "False", "Conflict").await;
    (world, server)
}

/// Waits until everything was compared so many times.
async fn compared(server: &Server) {
    server.stand_in.clear_requests();
    eventually("the comparisons go on", async || {
        let log = server.stand_in.request_log();
        let listings = log.iter().filter(|entry| entry.path.ends_with("/_api/user")).count();
        if listings > COMPARISONS { Ok(()) } else { Err(listings) }
    })
    .await;
}

fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_is_one_line_with_kind_resource_and_cluster_and_an_unchanged_fleet_is_silent() {
    let (world, server) = fleet(&["--log-format", "json"]).await;
    let logged = lines(&world.log());
    let actions: Vec<_> = logged.iter().filter(|line| line["fields"]["because"].is_string()).collect();
    let told = |kind: &str, name: &str, action: &str| {
        let fields = actions.iter().map(|line| &line["fields"]).filter(|fields| {
            fields["kind"] == kind
                && fields["resource"] == format!("{}/{name}", world.namespace)
                && fields["cluster"] == format!("{}/prod", world.namespace)
                && fields["message"] == action
        });
        assert_eq!(fields.count(), 1, "{action}: {logged:#?}");
    };
    told("ArangoDatabase", "shop", "create the database shop");
    told("ArangoUser", "alice", "create the user alice");
    told("ArangoPermission", "alice-shop", "grant alice rw on shop");
    assert_eq!(actions.len(), 3, "{actions:#?}");
    for line in &logged {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }

    compared(&server).await;
    let after = lines(&world.log());
    assert!(after.len() == logged.len(), "an unchanged fleet logs {:#?}", &after[logged.len()..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_debug_every_request_of_a_pass_is_told_with_the_object_that_it_is_for() {
    let (mut world, _server) = fleet(&["--log-format", "json", "--log", "info,arango_operator=debug"]).await;
    let logged = lines(&world.log());
    let span = |line: &Value, name: &str| {
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        spans.into_iter().find(|span| span["name"] == name)
    };
    let created = logged.iter().find(|line| {
        line["fields"]["message"] == "answer"
            && span(line, "request").is_some_and(|request| request["method"] == "POST")
            && span(line, "pass").is_some_and(|pass| pass["kind"] == "ArangoDatabase")
    });
    let created = created.unwrap_or_else(|| panic!("the request that creates a database: {logged:#?}"));
    let (pass, request) = (span(created, "pass").unwrap(), span(created, "request").unwrap());
    assert_eq!((&pass["name"], &pass["namespace"]), (&"pass".into(), &world.namespace.as_str().into()));
    assert_eq!(pass["object"], "shop");
    assert!(request["id"].as_u64().is_some(), "{request}");
    world.take_operator().terminate(crate::support::PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_word_for_the_format_for_people_still_works() {
    let mut world = World::without_operator().await;
    world.set("ARANGO_OPERATOR_LOG_FORMAT", "text");
    world.start_operator().await;
    assert!(world.log().contains("INFO arango_operator::operator: caches are synced"), "{}", world.log());
}

#[cfg(not(feature = "otlp"))]
#[test]
fn traces_are_refused_by_a_program_that_is_built_without_them() {
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    let output = run.env_clear().args(["run", "--otlp-endpoint", "http://127.0.0.1:4318"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--otlp-endpoint") && said.contains("--features otlp"), "{said}");
}
