//! Several installations share a fleet, each with the ArangoClusters that its `--selector` selects. Which of them sent a request,
//! ArangoDB is told in its `User-Agent`.

use std::{collections::BTreeSet, time::Duration};

use arango_operator::kinds::cluster::crd::ArangoCluster;
use futures::future::join;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{
    Operator, PATIENCE, Server, World, database, eventually, grant, passwords, user_with_password, within,
};

/// The shards of a test. Other tests have others: a selector makes the name of a Lease.
struct Shards(String);

impl Shards {
    fn of(world: &World) -> Self {
        Self(world.namespace.clone())
    }

    /// The value of the label.
    fn label(&self, shard: &str) -> String {
        format!("{}-{shard}", self.0)
    }

    /// What selects it.
    fn selector(&self, shard: &str) -> String {
        format!("shard={}", self.label(shard))
    }

    /// The `ArangoCluster` of that name, in a shard.
    fn cluster(&self, server: &Server, name: &str, shard: &str) -> String {
        let label = self.label(shard);
        server.manifest("1s").replace(
            "metadata: {name: \"prod\"}",
            &format!("metadata: {{name: {name:?}, labels: {{shard: {label:?}}}}}"),
        )
    }

    /// An installation for the shard a, and one for b.
    async fn one_each(&self, world: &World) -> (Operator, Operator) {
        let (a, b) = (self.selector("a"), self.selector("b"));
        join(world.installation("one", &a), world.installation("two", &b)).await
    }

    async fn move_to(&self, world: &World, cluster: &str, shard: &str) {
        // Not by kubectl, which takes its time to start.
        let api = Api::<ArangoCluster>::namespaced(world.client.clone(), &world.namespace);
        let label = Patch::Merge(json!({"metadata": {"labels": {"shard": self.label(shard)}}}));
        api.patch(cluster, &PatchParams::default(), &label).await.unwrap();
    }
}

/// That manifest on another `ArangoCluster` than `prod`.
fn on(cluster: &str, manifest: &str) -> String {
    manifest.replace("{name: prod}", &format!("{{name: {cluster}}}"))
}

/// A database, a user and his right to it, all of that name, on an `ArangoCluster` of that name.
fn tenant(name: &str) -> String {
    let declared = [
        database(name, "deletionPolicy: Delete"),
        user_with_password(name, ""),
        grant(name, name, "access: rw"),
    ];
    on(name, &declared.concat())
}

fn objects(name: &str) -> [String; 4] {
    [
        format!("arangocluster/{name}"),
        format!("arangodatabase/{name}"),
        format!("arangouser/{name}"),
        format!("arangopermission/{name}-{name}"),
    ]
}

async fn ready(world: &World, name: &str) {
    world.ready(&objects(name).each_ref().map(String::as_str)).await;
}

/// Who of the operator's processes asked.
fn askers(server: &Server) -> BTreeSet<String> {
    let agents = server.stand_in.request_log().into_iter().filter_map(|entry| entry.agent);
    agents.filter_map(|agent| Some(agent.strip_suffix(')')?.rsplit_once('(')?.1.to_owned())).collect()
}

/// Waits until that process has asked about the databases once more: a comparison.
async fn compares(server: &Server, identity: &str) {
    let count = || server.requests_of(identity).iter().filter(|entry| entry.path.contains("/user")).count();
    let before = count();
    let more = || if count() > before { Ok(()) } else { Err("no comparison") };
    within(PATIENCE, "another comparison", async || more()).await;
}

/// A change by hand is repaired.
async fn is_repaired(server: &Server, tenant: &str) {
    server.set_level(tenant, tenant, "none").await;
    server.has_levels(tenant, &[(tenant, "rw")]).await;
}

async fn installation_of(world: &World, cluster: &str) -> Value {
    world.object(&format!("arangocluster/{cluster}")).await["status"]["installation"].clone()
}

/// The Lease that a process holds.
async fn lease_of(world: &World, identity: &str) -> String {
    eventually(&format!("{identity} holds a Lease"), async || {
        let leases: Api<Lease> = Api::namespaced(world.client.clone(), "default");
        let held = leases.list(&ListParams::default()).await.unwrap().items.into_iter().find(|lease| {
            lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(identity)
        });
        held.and_then(|lease| lease.metadata.name).ok_or("it holds none")
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_share_a_fleet_and_neither_touches_what_is_the_others() {
    let world = World::without_operator().await;
    let shards = Shards::of(&world);
    let (a, b, nobodys) = tokio::join!(Server::start(), Server::start(), Server::start());
    world.apply(&passwords(&[("a", "x"), ("b", "x"), ("c", "x")])).await;
    for (server, name) in [(&a, "a"), (&b, "b"), (&nobodys, "c")] {
        world.apply(&(shards.cluster(server, name, name) + &tenant(name))).await;
    }
    let about = async |tenant: &str| {
        let mut versions = world.versions().await;
        // Its counts get into an ArangoCluster's status a while later.
        let objects = &objects(tenant)[usize::from(tenant == "a")..];
        versions.retain(|name, _| objects.iter().any(|object| object.eq_ignore_ascii_case(name)));
        assert_eq!(versions.len(), objects.len(), "{versions:?}");
        versions
    };
    let (b_before, c_before) = (about("b").await, about("c").await);

    let one = world.installation("one", &shards.selector("a")).await;
    ready(&world, "a").await;
    compares(&a, "one").await;
    assert_eq!((about("b").await, about("c").await), (b_before, c_before.clone()), "nothing is written");
    assert!(askers(&b).is_empty() && askers(&nobodys).is_empty());

    let two = world.installation("two", &shards.selector("b")).await;
    ready(&world, "b").await;
    let a_before = about("a").await;
    is_repaired(&b, "b").await;
    is_repaired(&a, "a").await;
    compares(&b, "two").await;
    // What one repaired for a is said in an Event alone.
    assert_eq!((about("a").await, about("c").await), (a_before, c_before));
    let names = |each: &[&str]| each.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!((askers(&a), askers(&b), askers(&nobodys)), (names(&["one"]), names(&["two"]), names(&[])));
    for operator in [&one, &two] {
        assert_eq!(operator.count(&["arangooperator_clusters_connected"]).await, 1);
        assert_eq!(operator.count(&["arangooperator_objects"]).await, 4, "its own alone are counted");
    }

    // What docs/scaling.md counts with.
    for object in objects("a") {
        eprintln!("FIGURE bytes of {object}: {}", world.object(&object).await.to_string().len());
    }

    // Also what is deleted waits for whoever looks after it.
    assert!(two.terminate(PATIENCE).await.success());
    world.kubectl(&["delete", "--wait=false", "arangodatabase/a", "arangodatabase/b"]).await.unwrap();
    world.gone("arangodatabase/a").await;
    compares(&a, "one").await;
    let kept = world.object("arangodatabase/b").await;
    assert!(
        kept["metadata"]["finalizers"][0].is_string() && kept["metadata"]["deletionTimestamp"].is_string()
    );
    assert_eq!((a.databases().await, b.databases().await), (vec![], vec!["b".to_owned()]));
    let two = world.installation("two", &shards.selector("b")).await;
    world.gone("arangodatabase/b").await;
    assert!(b.databases().await.is_empty());
    assert_eq!((askers(&a), askers(&b), askers(&nobodys)), (names(&["one"]), names(&["two"]), names(&[])));
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_installation_has_a_lease_and_a_standby_of_its_own() {
    let world = World::without_operator().await;
    let shards = Shards::of(&world);
    let (a, b) = tokio::join!(Server::start(), Server::start());
    world.apply(&passwords(&[("a", "x"), ("b", "x")])).await;
    for (server, name) in [(&a, "a"), (&b, "b")] {
        world.apply(&(shards.cluster(server, name, name) + &tenant(name))).await;
    }
    let name = |who: &str| format!("{}-{who}", world.namespace);
    let (first, second, other) = (name("first"), name("second"), name("other"));
    let one = world.installation(&first, &shards.selector("a")).await;
    let lease = lease_of(&world, &first).await;
    let standby = world.installation(&second, &shards.selector("a")).await;
    let two = world.installation(&other, &shards.selector("b")).await;
    let others = lease_of(&world, &other).await;
    assert!(lease != others && lease.starts_with("arango-operator-"), "{lease} {others}");
    ready(&world, "a").await;
    ready(&world, "b").await;
    for (cluster, lease) in [("a", &lease), ("b", &others)] {
        assert_eq!(installation_of(&world, cluster).await, format!("default/{lease}"));
    }
    assert!(!standby.leads().await && askers(&a).len() == 1);

    assert!(one.terminate(PATIENCE).await.success());
    is_repaired(&b, "b").await;
    eventually("the standby leads", async || if standby.leads().await { Ok(()) } else { Err("it waits") })
        .await;
    is_repaired(&a, "a").await;
    assert_eq!(lease_of(&world, &second).await, lease);
    assert_eq!(askers(&a), [first, second].into(), "the other installation has nothing to do with it");
    assert_eq!(askers(&b), [other].into());
    let by = installation_of(&world, "a").await;
    assert_eq!(by, format!("default/{lease}"), "it is the same installation");
    drop(two);
}

#[tokio::test(flavor = "multi_thread")]
async fn relabelled_an_arango_cluster_is_handed_over_without_a_write_to_its_deployment() {
    let (world, server) = tokio::join!(World::without_operator(), Server::start());
    let shards = Shards::of(&world);
    let (one, two) = shards.one_each(&world).await;
    world.apply(&(passwords(&[("a", "x")]) + &shards.cluster(&server, "a", "a") + &tenant("a"))).await;
    ready(&world, "a").await;
    let before = installation_of(&world, "a").await;
    let children: Vec<_> = objects("a").into_iter().skip(1).collect();
    let versions = async || {
        let mut versions = Vec::new();
        for child in &children {
            versions.push(world.object(child).await["metadata"]["resourceVersion"].clone());
        }
        versions
    };
    let written = versions().await;

    for (shard, from, to) in [("b", "one", "two"), ("a", "two", "one")] {
        server.stand_in.clear_requests();
        compares(&server, from).await;
        shards.move_to(&world, "a", shard).await;
        compares(&server, to).await;
        assert_eq!(installation_of(&world, "a").await == before, shard == "a", "the status says whose it is");
        let last = server.requests_of(from).iter().map(|entry| entry.came.0).fold(f64::MIN, f64::max);
        let first = server.requests_of(to).iter().map(|entry| entry.came.0).fold(f64::MAX, f64::min);
        eprintln!("FIGURE from the last request of {from} to the first of {to}: {:.2} s", first - last);
        assert!(first > last, "the one before has ended when the next one begins");
        assert!(server.writes().is_empty(), "{:?}", server.writes());
        assert!(last.is_finite() && first.is_finite());
        assert_eq!(versions().await, written, "what is recorded is taken over as it is");
        is_repaired(&server, "a").await;
        assert!(!server.requests_of(from).iter().any(|entry| entry.came.0 > first));
    }
    world.delete(&children).await;
    assert!(server.databases().await.is_empty() && server.users().await.is_empty());
    drop((one, two));
}

/// How many tenants.
const TENANTS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn relabelled_in_the_middle_of_work_nothing_is_lost_and_nothing_is_made_twice() {
    let delay = Duration::from_millis(50);
    let (world, server) = tokio::join!(World::without_operator(), Server::slow(delay));
    let shards = Shards::of(&world);
    let (one, two) = shards.one_each(&world).await;
    let names: Vec<String> = (0..TENANTS).map(|n| format!("tenant-{n:02}")).collect();
    let secrets: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let cluster = shards
        .cluster(&server, "a", "a")
        .replace("{interval: 1s}", "{interval: 5m}, requests: {maxConcurrent: 2}");
    world.apply(&(passwords(&secrets) + &cluster)).await;
    world.ready(&["arangocluster/a"]).await;
    let triple = |name: &String| {
        // Claimed before it is made: what is to stay when its resource goes needs no claim, and would be found by the next one.
        [
            database(name, "deletionPolicy: Delete"),
            user_with_password(name, ""),
            grant(name, name, "access: rw"),
        ]
        .concat()
    };
    world.apply(&on("a", &names.iter().map(triple).collect::<String>())).await;
    let made = || server.stand_in.with_model(|model| model.databases().count() + model.users().count() - 2);
    let busy = || if made() > TENANTS / 4 { Ok(()) } else { Err(made()) };
    eventually("the first one is busy", async || busy()).await;
    shards.move_to(&world, "a", "b").await;
    let found = made();
    assert!(found < 2 * TENANTS, "too late to be in the middle of it");

    let all: Vec<_> = names
        .iter()
        .flat_map(|name| {
            [
                format!("arangodatabase/{name}"),
                format!("arangouser/{name}"),
                format!("arangopermission/{name}-{name}"),
            ]
        })
        .collect();
    world.ready(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!((server.databases().await, server.users().await), (names.clone(), names.clone()));
    for name in &names {
        server.has_levels(name, &[(name, "rw")]).await;
    }
    for object in &all {
        let status = world.object(object).await["status"].clone();
        assert!(object.starts_with("arangoperm") || status["origin"] == "Created", "{object}: {status}");
        assert!(!status.to_string().contains("lease"), "nobody is told why another one ended: {status}");
    }
    let made_by = |identity: &str| {
        let made = server
            .requests_of(identity)
            .into_iter()
            .filter(|entry| entry.method == "POST" && entry.is_success());
        made.filter(|entry| !entry.path.ends_with("/auth")).count()
    };
    let (by_one, by_two) = (made_by("one"), made_by("two"));
    eprintln!("FIGURE handed over in the middle: {by_one} made by the first, {by_two} by the second");
    assert!(by_one > 0 && by_two > 0 && by_one + by_two == 2 * TENANTS, "{by_one} {by_two}");
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_installations_that_select_the_same_one_acts_and_the_other_says_so() {
    let (world, server) = tokio::join!(World::without_operator(), Server::start());
    let shards = Shards::of(&world);
    let one = world.installation("one", &shards.selector("a")).await;
    world.apply(&(passwords(&[("a", "x")]) + &shards.cluster(&server, "a", "a") + &tenant("a"))).await;
    ready(&world, "a").await;
    let both = format!("shard in ({},{})", shards.label("a"), shards.label("b"));
    let two = world.installation("two", &both).await;
    let event = world.event("arangocluster/a", "SelectedTwice").await;
    let by = installation_of(&world, "a").await.as_str().unwrap().to_owned();
    assert!(event.contains(&by) && event.contains("--selector"), "{event}");
    compares(&server, "two").await;
    server.stand_in.clear_requests();
    is_repaired(&server, "a").await;
    compares(&server, "two").await;
    assert_eq!(askers(&server), [String::from("two")].into());
    ready(&world, "a").await;

    // The other one lets go: a label that only the first one selects would do as well.
    assert!(two.terminate(PATIENCE).await.success());
    assert!(one.terminate(PATIENCE).await.success());
    let one = world.installation("one", &shards.selector("a")).await;
    is_repaired(&server, "a").await;
    assert_ne!(installation_of(&world, "a").await, by);
    drop(one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_two_installations_reach_is_looked_after_by_the_first_and_the_other_says_so() {
    let (world, server) = tokio::join!(World::without_operator(), Server::start());
    let shards = Shards::of(&world);
    let one = world.installation("one", &shards.selector("a")).await;
    world
        .apply(&(passwords(&[("a", "x"), ("b", "x")]) + &shards.cluster(&server, "a", "a") + &tenant("a")))
        .await;
    ready(&world, "a").await;
    let two = world.installation("two", &shards.selector("b")).await;
    let again = on("b", &database("again", "name: a, deletionPolicy: Delete"));
    world.apply(&(shards.cluster(&server, "b", "b") + &tenant("b") + &again)).await;
    let by = installation_of(&world, "a").await.as_str().unwrap().to_owned();
    for object in ["arangocluster/b", "arangodatabase/b", "arangouser/b", "arangodatabase/again"] {
        let message = world.condition(object, "False", "Conflict").await;
        assert!(message.contains(&by) && message.contains(&format!("{}/a", world.namespace)), "{message}");
    }
    assert!(
        server.requests_of("two").iter().all(|entry| entry.method == "GET" || entry.path.ends_with("/auth"))
    );
    assert_eq!(server.databases().await, ["a"]);
    assert!(installation_of(&world, "b").await.is_null(), "nobody looks after it");

    // The first one goes on, also after a restart, and the other follows when it is gone.
    assert!(one.terminate(PATIENCE).await.success());
    let one = world.installation("one", &shards.selector("a")).await;
    is_repaired(&server, "a").await;
    world.delete(&objects("a")).await;
    within(PATIENCE * 2, "the second one takes it", async || {
        let conditions = world.object("arangodatabase/b").await["status"]["conditions"].clone();
        if conditions[0]["status"] == "True" { Ok(()) } else { Err(conditions) }
    })
    .await;
    ready(&world, "b").await;
    world.ready(&["arangodatabase/again"]).await;
    assert_eq!(server.databases().await, ["a", "b"]);
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refers_to_no_cluster_is_told_so_and_what_lost_its_own_is_let_go_by_one() {
    let (world, server) = tokio::join!(World::without_operator(), Server::start());
    let shards = Shards::of(&world);
    let (one, two) = shards.one_each(&world).await;
    world.apply(&on("nowhere", &database("lost", ""))).await;
    world.condition("arangodatabase/lost", "Unknown", "ClusterMissing").await;
    world.apply(&(passwords(&[("a", "x")]) + &shards.cluster(&server, "a", "a") + &tenant("a"))).await;
    ready(&world, "a").await;
    world.delete(&["arangodatabase/lost"]).await;

    world.kubectl(&["delete", "arangocluster/a"]).await.unwrap();
    world.condition("arangodatabase/a", "Unknown", "ClusterMissing").await;
    world.delete(&objects("a")[1..]).await;
    let events = world.events_of("arangodatabase/a").await;
    assert_eq!(events.iter().filter(|event| event.starts_with("LeftBehind")).count(), 1, "{events:?}");
    assert_eq!(server.databases().await, ["a"], "there was no way to it");
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_is_none_is_refused_with_what_is_wrong() {
    for (selector, says) in [
        ("shard=a b", "can't be the value of a label"),
        ("", "it selects everything"),
        ("shard in (a", "no closing parenthesis"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
        let output = command.env_clear().args(["run", "--selector", selector]).output().await.unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(says) && complaint.contains("--selector"), "{complaint}");
    }
}
