//! The optional policies of `deploy/admission`: the API server itself warns about wide rights, and keeps nobody from them
//! unless a namespace asks for that.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Stdio,
};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::support::{PATIENCE, Place, World, database, document, eventually, permission, user};

/// Runs kubectl in a namespace: whether it was content, and the warnings, or else the complaint.
async fn kubectl(place: &Place, arguments: &[&str], input: &str) -> (bool, Vec<String>) {
    let mut command = Command::new(place.plane.kubectl().unwrap());
    command.arg("--kubeconfig").arg(place.plane.kubeconfig_path()).args(["--namespace", &place.namespace]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(PATIENCE * 2, child.wait_with_output()).await.expect("kubectl ends").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said.lines().map(str::to_owned).collect())
}

async fn apply(place: &Place, manifests: &str) -> (bool, Vec<String>) {
    kubectl(place, &["apply", "-f", "-"], manifests).await
}

/// Installs the policies with the stricter bindings, for these namespaces alone: others of this API server have tests of
/// their own.
async fn install(world: &World, namespaces: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/admission/deny");
    let manifests = world.kubectl(&["kustomize", folder]).await.unwrap();
    let mut kinds = BTreeMap::<String, usize>::new();
    let mut list = Vec::new();
    for manifest in manifests.split("\n---\n") {
        let mut manifest: Value = serde_saphyr::from_str(manifest).unwrap();
        *kinds.entry(manifest["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding" {
            let here = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces});
            manifest["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"] = json!([here]);
        }
        list.push(manifest);
    }
    let expected = [("ValidatingAdmissionPolicy", 3), ("ValidatingAdmissionPolicyBinding", 6)];
    assert_eq!(kinds, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": list}).to_string();
    world.apply(&list).await;
}

/// An `ArangoCluster` with that in its spec beside a login.
fn cluster(name: &str, more: &str) -> String {
    document("ArangoCluster", name, &format!("{{auth: {{secretRef: {{name: prod-root}}}}, {more}}}"))
}

/// One that lends something.
fn lending(name: &str, rule: &str) -> String {
    let selector = if rule.contains("namespaces") { "" } else { "namespaces: {matchLabels: {team: shop}}, " };
    cluster(name, &format!("endpoints: ['https://a.example'], access: [{{{selector}maxAccess: rw, {rule}}}]"))
}

fn row(name: &str, spec: &str) -> String {
    permission(name, &format!("user: alice, {spec}"))
}

/// What each of these is warned about; nothing where it is harmless.
fn cases() -> Vec<(String, &'static [&'static str])> {
    vec![
        (row("r1", "database: _system, access: rw"), &["rw on _system makes this user an administrator"][..]),
        (row("r2", "database: _system, access: ro"), &["a level on _system reaches every database"]),
        (row("r3", "database: '*', access: ro"), &["database * reaches every database"]),
        (
            row("r4", "database: '*', access: rw, collections: {'*': rw}"),
            &["database * reaches every database", "collection * of database * reaches"],
        ),
        (row("r5", "database: '*', collections: {'*': ro}"), &["collection * of database * reaches"]),
        (row("r6", "database: shop, access: ro, collections: {'*': rw}"), &["collection * with rw lets"]),
        (row("r7", "database: shop, collections: {'*': rw}"), &["collection * with rw lets"]),
        (row("r8", "database: shop, access: rw, collections: {'*': rw, pay: none}"), &[]),
        (row("r9", "database: shop, access: ro, collections: {'*': ro, orders: rw}"), &[]),
        (row("r10", "database: '*', access: none, collections: {'*': none}"), &[]),
        (row("r11", "database: _system, access: none"), &[]),
        (row("r12", "databaseRef: {name: shop}, access: rw"), &[]),
        (database("d1", "deletionPolicy: Delete"), &["deletionPolicy Delete drops the database"]),
        (database("d2", "deletionPolicy: DeleteIfEmpty"), &[]),
        (database("d3", ""), &[]),
        (user("u1", "undeclaredPermissions: Revoke, deletionPolicy: Delete"), &[]),
        (
            cluster("c1", "endpoints: ['https://a.example'], tls: {insecureSkipVerify: true}"),
            &["insecureSkipVerify believes every certificate"],
        ),
        (cluster("c2", "endpoints: ['https://a.example', 'http://b.example:8529']"), &["unencrypted"]),
        (cluster("c3", "endpoints: ['tcp://10.0.0.1:8529']"), &["unencrypted"]),
        (cluster("c4", "endpoints: ['http://localhost:8529', 'tcp://127.0.0.1:8530', 'http://[::1]']"), &[]),
        (cluster("c5", "endpoints: ['http://localhost.example:8529']"), &["unencrypted"]),
        (
            cluster(
                "c6",
                "endpoints: ['https://a.example', 'ssl://b.example:1'], tls: {insecureSkipVerify: false}",
            ),
            &[],
        ),
        (document("ArangoCluster", "c7", "{deploymentRef: {name: prod}}"), &[]),
        (lending("a1", "databases: ['shop-*'], users: ['shop-*']"), &[]),
        (
            lending("a2", "namespaces: {}, databases: ['shop-*']"),
            &["an empty namespaces lends this connection"],
        ),
        (lending("a3", "databases: ['shop-*'], system: ro"), &["lends a level on _system"]),
        (lending("a4", "databases: ['shop-*'], wildcard: ro"), &["lends a level on *,"]),
        (lending("a5", "users: ['*']"), &["with the name * lends all databases, or all users"]),
        (
            lending(
                "a6",
                "namespaces: {matchExpressions: [{key: team, operator: Exists}]}, databases: [catalog]",
            ),
            &[],
        ),
    ]
}

/// Whether these are all that is warned about.
fn warns(said: &[String], parts: &[&str]) -> bool {
    let warnings: Vec<_> = said.iter().filter(|line| line.starts_with("Warning: ")).collect();
    warnings.len() == parts.len()
        && parts.iter().all(|part| warnings.iter().any(|warning| warning.contains(part)))
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_a_warning_for_each_wide_right_and_none_for_what_is_harmless() {
    let world = World::among(1).await;
    let strict = &world.neighbours[0];
    install(&world, &[&world.namespace, &strict.namespace]).await;
    let label = ["label", "namespace", &strict.namespace, "arango-operator.dev/wide-rights=deny"];
    world.kubectl(&label).await.unwrap();
    // A policy takes a moment to be known, each by itself.
    let wide = [
        row("r1", "database: _system, access: rw"),
        database("d1", "deletionPolicy: Delete"),
        cluster("c2", "endpoints: ['http://b.example:8529']"),
    ];
    for manifest in &wide {
        eventually("the policies are in force", async || {
            let (_, said) = kubectl(&world, &["apply", "--dry-run=server", "-f", "-"], manifest).await;
            let (taken, _) = kubectl(strict, &["apply", "--dry-run=server", "-f", "-"], manifest).await;
            if said.len() == 1 && !taken { Ok(()) } else { Err((said, taken)) }
        })
        .await;
    }
    the_expressions_are_well_typed(&world).await;

    let look = async |(manifest, parts): &(String, &[&str])| {
        let (taken, said) = apply(&world, manifest).await;
        assert!(taken && warns(&said, parts), "{manifest}{parts:?}: {said:#?}");
        // Applied again, it is no news; and what is written beside the spec is nobody's business.
        let object = ["annotate", "--overwrite", "-f", "-", "example.org/seen=yes"];
        let (taken, said) = kubectl(&world, &object, manifest).await;
        assert!(taken && said.is_empty(), "{manifest}: {said:#?}");
        // Where a namespace asks for it, nothing of it gets in.
        let (taken, said) = kubectl(strict, &["apply", "--dry-run=server", "-f", "-"], manifest).await;
        let is_refused = !taken && said.iter().any(|line| line.contains("denied request"));
        assert!(if parts.is_empty() { taken } else { is_refused }, "{manifest}: {said:#?}");
    };
    let cases = cases();
    for some in cases.chunks(4) {
        join_all(some.iter().map(look)).await;
    }
    let all = world.kubectl(&["get", "arangodata", "-o", "name"]).await.unwrap();
    assert_eq!(all.lines().count(), cases.len(), "a warning keeps nothing out: {all}");

    every_example_gets_in_and_warns_as_it_is_known_to(&world).await;
    let bindings = ["delete", "-k", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/admission/deny")];
    world.kubectl(&bindings).await.unwrap();
}

/// Waits for what the API server's own check of the expressions says of them.
async fn the_expressions_are_well_typed(world: &World) {
    eventually("the expressions are checked", async || {
        let policies = world.kubectl(&["get", "validatingadmissionpolicies", "-o", "json"]).await.unwrap();
        let policies: Value = serde_json::from_str(&policies).unwrap();
        let policies = policies["items"].as_array().unwrap();
        let seen =
            |policy: &Value| policy["status"]["observedGeneration"] == policy["metadata"]["generation"];
        assert_eq!(policies.len(), 3);
        for policy in policies {
            let wrong = &policy["status"]["typeChecking"]["expressionWarnings"];
            assert!(wrong.is_null(), "{}: {wrong:#}", policy["metadata"]["name"]);
        }
        if policies.iter().all(seen) { Ok(()) } else { Err("not yet") }
    })
    .await;
}

/// The examples that are warned about, each with what the warnings say.
const WIDE: [(&str, &[&str]); 6] = [
    ("annotations.yaml", &["deletionPolicy Delete"]),
    ("databases.yaml", &["deletionPolicy Delete"]),
    ("delegation.yaml", &["unencrypted"]),
    ("deployment-moved.yaml", &["unencrypted"]),
    ("permissions.yaml", &["database * reaches", "collection * of database *"]),
    ("quickstart", &["deletionPolicy Delete", "database * reaches"]),
];

async fn every_example_gets_in_and_warns_as_it_is_known_to(world: &World) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples"));
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A folder of others' kinds is applied by them.
        let manifests = if path.join("kustomization.yaml").exists() {
            world.kubectl(&["kustomize", &path.to_string_lossy()]).await.unwrap()
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            std::fs::read_to_string(&path).unwrap()
        } else {
            continue;
        };
        let manifests = without_namespaces(&manifests)
            .replace("namespace: shop", &format!("namespace: {}", world.namespace))
            .replace("namespace: databases", &format!("namespace: {}", world.namespace));
        let (taken, said) = apply(world, &manifests).await;
        let expected = WIDE.iter().find(|(wide, _)| *wide == name).map_or(&[][..], |(_, parts)| parts);
        // kubectl says equal warnings once, and has others of its own.
        let said: Vec<_> =
            said.into_iter().filter(|line| line.contains("ValidatingAdmissionPolicy")).collect();
        assert!(taken && warns(&said, expected), "examples/{name}: {expected:?}: {said:#?}");
        seen.insert(name);
        world.kubectl(&["delete", "arangodata", "--all", "--wait=false"]).await.unwrap();
    }
    let known = WIDE.map(|(name, _)| name.to_owned());
    assert!(seen.len() > 10 && seen.is_superset(&known.into()), "{seen:?}");
}

/// The manifests but for those of namespaces: this test has one.
fn without_namespaces(manifests: &str) -> String {
    let documents = manifests.split("\n---\n");
    let kept: Vec<_> = documents.filter(|document| !document.contains("\nkind: Namespace\n")).collect();
    kept.join("\n---\n")
}
