//! What the operator counts: documented, readable by others' parsers, and true after real activity.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use arango_operator::cli::docs::metrics::{all, labels};
use prometheus_parse::{Sample, Scrape, Value};
use reqwest::Method;
use serde_json::Value as Json;

use crate::support::{World, database, eventually, grant, passwords, user_with_password};

/// A scrape, as a parser reads it that knows nothing of us.
async fn scrape(world: &World) -> Vec<Sample> {
    let text = world.operator().metrics_text().await;
    assert!(text.ends_with("# EOF\n"), "a whole exposition");
    Scrape::parse(text.lines().map(|line| io::Result::Ok(line.to_owned()))).unwrap().samples
}

/// The number of the one sample of that name and with those labels.
fn number(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let found = samples.iter().find(|sample| {
        let is = |(label, value): &(&str, &str)| sample.labels.get(label) == Some(value);
        sample.metric == format!("arangooperator_{name}") && labels.iter().all(is)
    })?;
    match &found.value {
        Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => Some(*number),
        other => panic!("{name} is no number: {other:?}"),
    }
}

/// The label names that the samples of each documented metric have, by its name.
fn seen(samples: &[Sample]) -> BTreeMap<String, BTreeSet<String>> {
    let mut seen = BTreeMap::<_, BTreeSet<_>>::new();
    for sample in samples {
        let name = sample.metric.strip_prefix("arangooperator_").unwrap_or(&sample.metric);
        let ends = ["_total", "_info", "_sum", "_count", "_bucket"];
        let short = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let labels = sample.labels.keys().filter(|label| *label != "le").cloned();
        seen.entry(short.to_owned()).or_default().extend(labels);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_documented_appears_and_counts_what_was_done() {
    let (world, server) = World::connected("1s").await;
    let manifests = [
        passwords(&[("alice", "her password"), ("bob", "his password")]),
        database("shop", ""),
        database("depot", "deletionPolicy: Delete"),
        database("2nd", "name: second"),
        user_with_password("alice", ""),
        user_with_password("bob", ""),
        grant("alice", "shop", "access: rw"),
        grant("alice", "nothing", "access: ro"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"]).await;
    world.condition("arangopermission/alice-nothing", "Unknown", "ReferenceMissing").await;
    // Drift that is only looked at.
    server.make_database("watched").await;
    world.apply(&database("watched", "drift: {policy: Observe}")).await;
    world.ready(&["arangodatabase/watched"]).await;
    server.by_hand(Method::DELETE, "/_api/database/watched", Json::Null).await;
    world.condition("arangodatabase/watched", "False", "ActionsPending").await;
    // Drift; a deletion; something that stays behind; a coordinator that doesn't answer.
    world.ready(&["arangodatabase/depot", "arangouser/bob"]).await;
    server.set_level("alice", "shop", "none").await;
    server.has_levels("alice", &[("shop", "rw")]).await;
    world.event("arangopermission/alice-shop", "DriftRepaired").await;
    world.delete(&["arangodatabase/depot"]).await;
    world.kubectl(&["annotate", "arangouser/bob", "arango-operator.dev/release=true"]).await.unwrap();
    world.delete(&["arangouser/bob"]).await;
    server.stand_in.stop_coordinator(1).await.unwrap();
    let dead = server.stand_in.endpoints()[1].clone();

    let samples = eventually("a request to the dead coordinator failed", async || {
        let samples = scrape(&world).await;
        let failed =
            number(&samples, "arangodb_requests_total", &[("coordinator", &dead), ("status", "error")]);
        if failed.is_some_and(|failed| failed > 0.0) { Ok(samples) } else { Err(failed) }
    })
    .await;
    let is = |name: &str, labels: &[(&str, &str)], expected: f64| {
        let found = number(&samples, name, labels);
        assert_eq!(found, Some(expected), "{name} {labels:?}");
    };
    is("actions_total", &[("kind", "ArangoDatabase"), ("verb", "create")], 3.0);
    is("actions_total", &[("kind", "ArangoDatabase"), ("verb", "delete")], 1.0);
    is("actions_total", &[("kind", "ArangoUser"), ("verb", "create")], 2.0);
    is("actions_total", &[("kind", "ArangoPermission"), ("verb", "grant")], 2.0);
    is("drift_repaired_total", &[("kind", "ArangoPermission")], 1.0);
    is("drift_found_total", &[("kind", "ArangoDatabase")], 1.0);
    is("left_behind_total", &[("kind", "ArangoUser")], 1.0);
    is("clusters_connected", &[], 1.0);
    is("objects", &[("kind", "ArangoDatabase"), ("ready", "True"), ("reason", "Ready")], 2.0);
    is("objects", &[("kind", "ArangoPermission"), ("ready", "Unknown"), ("reason", "ReferenceMissing")], 1.0);
    is("objects", &[("kind", "ArangoCluster"), ("ready", "True"), ("reason", "Ready")], 1.0);
    is("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    let cluster = format!("{}/prod", world.namespace);
    let age = number(&samples, "snapshot_age_seconds", &[("arangocluster", &cluster)]).unwrap();
    assert!((0.0..30.0).contains(&age), "{age}");

    let documented: BTreeMap<_, BTreeSet<_>> = all()
        .into_iter()
        .map(|metric| {
            let labels = labels(metric.name).iter().map(|label| (*label).to_owned()).collect();
            (metric.name.to_owned(), labels)
        })
        .collect();
    assert_eq!(seen(&samples), documented, "what is served and what docs/metrics.md says");
    let idle = eventually("nothing waits for its turn", async || {
        let samples = scrape(&world).await;
        let depths: Vec<_> =
            samples.iter().filter(|sample| sample.metric == "arangooperator_queue_depth").collect();
        assert_eq!(depths.len(), 4, "{depths:?}");
        if depths.iter().all(|sample| matches!(sample.value, Value::Gauge(0.0))) { Ok(()) } else { Err(()) }
    });
    idle.await;

    // What was counted for coordinators goes with the last ArangoCluster that names them.
    world.kubectl(&["delete", "arangocluster/prod", "--wait=false"]).await.unwrap();
    world.gone("arangocluster/prod").await;
    eventually("nothing is told of coordinators that nobody names", async || {
        let text = world.operator().metrics_text().await;
        if text.contains(&dead) || text.contains(&cluster) { Err(text) } else { Ok(()) }
    })
    .await;
}
