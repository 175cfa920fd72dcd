//! An ArangoCluster that names an `ArangoDeployment` of kube-arangodb: `spec.deploymentRef`. The stand-in plays its servers,
//! under the names of their Services.

use arango_operator::{
    arango::Route,
    operator::{
        context::Context,
        kube_arangodb::{
            self,
            maintenance::{SwitchError, switch},
        },
        watching::index::Id,
    },
    stand_in::Options,
};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::{
    ROOT_PASSWORD, Server, World, database, document, eventually, grant,
    kube_arangodb::{Authority, Deployment, cluster_status, install},
    passwords, secret, user_with_password,
};

const CLUSTER: &str = "arangocluster/prod";
const SECRET: &str = "c2e1b0a9c2e1b0a9c2e1b0a9c2e1b0a9c2e1b0a9c2e1b0a9c2e1b0a9c2e1b0a9";
pub(super) const MEMBERS: [&str; 3] = ["kq3vwx8n", "zt7m2p4c", "a1b2c3d4"];

/// The `ArangoCluster` for the `ArangoDeployment` of the same name.
pub(super) fn cluster(more: &str) -> String {
    document(
        "ArangoCluster",
        "prod",
        &format!("{{deploymentRef: {{name: prod}}, drift: {{interval: 1s}}, {more}}}"),
    )
}

/// The hosts of members.
fn hosts(world: &World, role: &str, ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| format!("prod-{role}-{id}.{}.svc", world.namespace)).collect()
}

/// An operator that knows the way to these hosts; what they lead to is the server's coordinators, in their order.
async fn start_operator(world: &mut World, hosts: &[String], server: &Server) {
    let endpoints = server.stand_in.endpoints();
    let routes = hosts.iter().zip(&endpoints).map(|(host, endpoint)| {
        let (_, address) = endpoint.split_once("://").unwrap();
        let route = format!("{host}:8529:{address}");
        route.parse::<Route>().unwrap();
        format!("--connect-to={route}")
    });
    world.start_operator_with(routes).await;
}

async fn endpoints(world: &World) -> Vec<String> {
    let status = world.object(CLUSTER).await["status"].clone();
    let coordinators = status["coordinators"].as_array().cloned().unwrap_or_default();
    coordinators.iter().map(|coordinator| coordinator["endpoint"].as_str().unwrap().to_owned()).collect()
}

async fn has_endpoints(world: &World, expected: &[&str]) {
    let mut expected: Vec<_> = hosts(world, "coordinator", expected);
    expected.sort();
    let expected: Vec<_> = expected.iter().map(|host| format!("https://{host}:8529")).collect();
    eventually(&format!("the coordinators are {expected:?}"), async || {
        let endpoints = endpoints(world).await;
        if endpoints == expected { Ok(()) } else { Err(endpoints) }
    })
    .await;
}

/// A cluster of three coordinators behind TLS with an operator that knows the way, and the authority of their
/// certificates.
pub(super) async fn encrypted() -> (World, Server, Authority) {
    let (mut world, authority) = (World::without_operator().await, Authority::new());
    install(&world).await;
    let hosts = hosts(&world, "coordinator", &MEMBERS);
    let mut options = Options::cluster(3, ROOT_PASSWORD);
    options.config.jwt_secret = SECRET.as_bytes().to_vec();
    options.tls = Some(authority.sign(hosts.clone()));
    let server = Server::with_options(options).await;
    start_operator(&mut world, &hosts, &server).await;
    (world, server, authority)
}

pub(super) async fn deployment(world: &World, spec: Value) -> Deployment {
    Deployment::create(world.client.clone(), &world.namespace, "prod", spec).await
}

/// `prod-ca` and `prod-jwt` as kube-arangodb makes them.
pub(super) fn secrets(authority: &Authority) -> String {
    let ca = [("ca.crt", &*authority.certificate), ("ca.key", "-----BEGIN CANARY KEY-----")];
    secret("prod-ca", &ca) + &secret("prod-jwt", &[("token", SECRET)])
}

#[tokio::test(flavor = "multi_thread")]
async fn its_coordinators_its_authority_and_its_jwt_secret_are_found_and_followed_without_a_restart() {
    let (world, server, authority) = encrypted().await;
    world.apply(&[cluster(""), database("shop", "")].concat()).await;
    let message = world.condition(CLUSTER, "Unknown", "ReferenceMissing").await;
    assert!(message.contains("ArangoDeployment prod does not exist"), "{message}");

    let deployment = deployment(&world, json!({"mode": "Cluster"})).await;
    let message = world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
    assert!(message.contains("no server that takes requests yet"), "{message}");
    deployment.report(&cluster_status(&MEMBERS[..2])).await;
    let message = world.condition(CLUSTER, "Unknown", "SecretMissing").await;
    assert!(message.contains("prod-jwt") && message.contains("token"), "{message}");
    world.apply(&secrets(&authority)).await;
    world.ready(&[CLUSTER, "arangodatabase/shop"]).await;
    assert_eq!(server.stand_in.with_model(|model| model.databases().count()), 2);
    has_endpoints(&world, &MEMBERS[..2]).await;
    let message = world.condition(CLUSTER, "True", "Ready").await;
    assert!(message.contains("2 of 2 coordinators"), "{message}");

    // Scaled up, and later one is replaced by another.
    deployment.report(&cluster_status(&MEMBERS)).await;
    has_endpoints(&world, &MEMBERS).await;
    deployment.report(&cluster_status(&MEMBERS[1..])).await;
    has_endpoints(&world, &MEMBERS[1..]).await;
    world.apply(&database("depot", "")).await;
    world.ready(&[CLUSTER, "arangodatabase/depot"]).await;

    // The truststore goes before the authority's own Secret, and holds old and new while one follows the other.
    let other = Authority::new();
    world.apply(&secret("prod-truststore", &[("1f00", &other.certificate), ("empty", "")])).await;
    let message = world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
    assert!(message.contains("certificate"), "{message}");
    let both = [("1f00", &*other.certificate), ("2e00", &*authority.certificate), ("empty", "")];
    world.apply(&secret("prod-truststore", &both)).await;
    world.ready(&[CLUSTER]).await;
    world.kubectl(&["delete", "secret", "prod-ca"]).await.unwrap();
    world.apply(&database("stock", "")).await;
    world.ready(&[CLUSTER, "arangodatabase/stock"]).await;

    // What kube-arangodb would not repair is told.
    deployment.report(&json!({"phase": "Failed"})).await;
    eventually("it is said that kube-arangodb stands still", async || {
        let message = world.condition(CLUSTER, "True", "Ready").await;
        if message.contains("its phase is Failed") { Ok(()) } else { Err(message) }
    })
    .await;
    let log = world.log();
    assert!(!log.contains("CANARY") && !log.contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_enterprise_the_key_of_the_folder_signs_and_a_rotation_is_followed() {
    let (world, _server, authority) = encrypted().await;
    let deployment = deployment(&world, json!({})).await;
    let mut status = cluster_status(&MEMBERS);
    status["current-image"]["enterprise"] = json!(true);
    deployment.report(&status).await;
    // What prod-jwt holds is what the servers will be told next.
    let folder = |active: &str| secret("prod-jwt-folder", &[("-", active), ("token", active)]);
    let ahead = secret("prod-jwt", &[("token", "the next one")]);
    world.apply(&[cluster(""), secrets(&authority), ahead, folder("the last one")].concat()).await;
    let message = world.condition(CLUSTER, "False", "AccessDenied").await;
    assert!(message.contains("key - of the Secret prod-jwt-folder"), "{message}");
    world.apply(&folder(SECRET)).await;
    world.ready(&[CLUSTER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_goes_away_is_not_written_to_and_nothing_is_removed() {
    let (world, server, authority) = encrypted().await;
    let deployment = deployment(&world, json!({})).await;
    deployment.report(&cluster_status(&MEMBERS)).await;
    let shop = database("shop", "deletionPolicy: Delete");
    world
        .apply(
            &[cluster(""), secrets(&authority), shop, database("depot", "deletionPolicy: Delete")].concat(),
        )
        .await;
    world.ready(&[CLUSTER, "arangodatabase/shop", "arangodatabase/depot"]).await;

    deployment.api.delete("prod", &DeleteParams::default()).await.unwrap();
    let message = world.condition(CLUSTER, "Unknown", "ReferenceMissing").await;
    assert!(message.contains("is being deleted"), "{message}");
    server.stand_in.clear_requests();
    world.kubectl(&["delete", "arangodatabase/shop", "--wait=false"]).await.unwrap();
    let message = world.condition("arangodatabase/shop", "False", "DeletionBlocked").await;
    assert!(message.contains("prod"), "{message}");
    deployment.release().await;
    eventually("it is said that the ArangoDeployment is gone", async || {
        let message = world.condition(CLUSTER, "Unknown", "ReferenceMissing").await;
        if message.contains("does not exist") { Ok(()) } else { Err(message) }
    })
    .await;
    assert_eq!(server.writes().len(), 0, "{:?}", server.writes());
    let mut left = server.databases_inside();
    left.sort();
    assert_eq!(left, ["depot", "shop"]);

    // Who doesn't want to wait lets go, and nobody waits for ever.
    let release = "arango-operator.dev/release=true";
    world.kubectl(&["annotate", "arangodatabase/shop", "arangodatabase/depot", release]).await.unwrap();
    world.gone("arangodatabase/shop").await;
    world.delete(&["arangodatabase/depot", CLUSTER]).await;
    assert_eq!(server.databases_inside().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_without_tls_and_authentication_needs_no_secret() {
    let mut world = World::without_operator().await;
    install(&world).await;
    let mut options = Options::single("");
    options.config.authentication = false;
    let server = Server::with_options(options).await;
    let hosts = hosts(&world, "single", &["r5t6y7u8"]);
    start_operator(&mut world, &hosts, &server).await;
    let off = json!({"mode": "Single", "auth": {"jwtSecretName": "None"}, "tls": {"caSecretName": "None"}});
    let deployment = deployment(&world, off).await;
    deployment.report(&json!({"members": {"single": [{"id": "SNGL-r5t6y7u8"}]}})).await;
    world
        .apply(
            &[cluster(""), passwords(&[("alice", "her password")]), user_with_password("alice", "")].concat(),
        )
        .await;
    world.apply(&[database("shop", ""), grant("alice", "shop", "access: rw")].concat()).await;
    world.ready(&[CLUSTER, "arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"]).await;
    let status = world.object(CLUSTER).await["status"].clone();
    assert_eq!(status["deployment"]["mode"], "Single");
    assert_eq!(status["coordinators"][0]["endpoint"], format!("http://{}:8529", hosts[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_ones_own_can_be_used_instead_of_the_superuser() {
    let (world, server, authority) = encrypted().await;
    let deployment = deployment(&world, json!({})).await;
    deployment.report(&cluster_status(&MEMBERS)).await;
    let account = secret("prod-root", &[("username", "root"), ("password", ROOT_PASSWORD)]);
    world
        .apply(&[cluster("auth: {secretRef: {name: prod-root}}"), secrets(&authority), account].concat())
        .await;
    world.ready(&[CLUSTER]).await;
    assert!(server.stand_in.request_log().iter().any(|entry| entry.path == "/_open/auth"), "it logs in");
    world.apply(&secret("prod-root", &[("username", "root"), ("password", "a wrong one")])).await;
    let message = world.condition(CLUSTER, "False", "AccessDenied").await;
    assert!(message.contains("the Secret prod-root"), "{message}");
}

/// The operator's own view of a namespace, in this process.
fn context(world: &World) -> Arc<Context> {
    Arc::new(Context::new(world.client.clone(), vec![world.namespace.clone()], Vec::new(), []))
}

async fn declared(deployment: &Deployment) -> Value {
    let object = deployment.api.get("prod").await.unwrap();
    object.data["spec"]["database"]["maintenance"].clone()
}

/// Another manager applies the field.
async fn applied_by(deployment: &Deployment, manager: &str, on: bool) {
    let patch = json!({
        "apiVersion": "database.arangodb.com/v1", "kind": "ArangoDeployment", "spec": {"database": {"maintenance": on}},
    });
    let parameters = PatchParams::apply(manager).force();
    deployment.api.patch("prod", &parameters, &Patch::Apply(patch)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_of_kube_arangodb_is_set_and_taken_back_by_an_explicit_false() {
    let world = World::without_operator().await;
    install(&world).await;
    let deployment =
        deployment(&world, json!({"mode": "Cluster", "image": "arangodb/arangodb:3.12.10"})).await;
    let (context, id) = (context(&world), Id::new(&world.namespace, "prod"));
    let watch = tokio::spawn(kube_arangodb::watch(Arc::clone(&context)));
    for on in [true, false, true] {
        switch(&context, &id, on).await.unwrap();
        assert_eq!(declared(&deployment).await, json!(on));
        eventually("the change is seen", async || {
            let seen = context.arango_deployments.find(&id).await.unwrap().maintenance.declared;
            if seen == Some(on) { Ok(()) } else { Err(seen) }
        })
        .await;
    }
    // What is so already costs no write.
    let before = deployment.api.get("prod").await.unwrap().metadata.resource_version;
    switch(&context, &id, true).await.unwrap();
    let object = deployment.api.get("prod").await.unwrap();
    assert_eq!(object.metadata.resource_version, before);
    assert_eq!(object.data["spec"]["image"], "arangodb/arangodb:3.12.10");
    watch.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_is_left_to_whoever_keeps_it_and_he_is_named() {
    let world = World::without_operator().await;
    install(&world).await;
    let deployment = deployment(&world, json!({"mode": "Cluster"})).await;
    applied_by(&deployment, "argocd-controller", false).await;
    let (context, id) = (context(&world), Id::new(&world.namespace, "prod"));
    let watch = tokio::spawn(kube_arangodb::watch(Arc::clone(&context)));
    let refused = switch(&context, &id, true).await.unwrap_err();
    assert!(
        matches!(&refused, SwitchError::Refused { manager } if manager == "argocd-controller"),
        "{refused}"
    );
    assert_eq!(declared(&deployment).await, json!(false));
    watch.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_never_makes_a_deployment_that_is_gone() {
    let world = World::without_operator().await;
    install(&world).await;
    let deployment = deployment(&world, json!({"mode": "Cluster"})).await;
    let (context, id) = (context(&world), Id::new(&world.namespace, "prod"));
    let watch = tokio::spawn(kube_arangodb::watch(Arc::clone(&context)));
    context.arango_deployments.find(&id).await.unwrap();
    // It goes at the very moment in which the switch is set.
    watch.abort();
    drop(watch.await);
    deployment.release().await;
    deployment.api.delete("prod", &DeleteParams::default()).await.unwrap();
    eventually("it is gone", async || match deployment.api.get_opt("prod").await.unwrap() {
        None => Ok(()),
        Some(object) => Err(object.metadata),
    })
    .await;
    let error = switch(&context, &id, true).await.unwrap_err();
    assert!(matches!(error, SwitchError::Absent(_)), "{error}");
    assert!(deployment.api.get_opt("prod").await.unwrap().is_none(), "it was made anew");
}

const MAINTENANCE: &str = "arango-operator.dev/maintenance";

/// Waits until that is said of maintenance; nothing stands for no condition.
async fn says_of_maintenance(world: &World, expected: Option<(&str, &str, &str)>) {
    eventually(&format!("of maintenance it is said: {expected:?}"), async || {
        let status = world.object(CLUSTER).await["status"].clone();
        let condition =
            status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Maintenance").cloned();
        let is = match (&condition, expected) {
            (Some(condition), Some((status, reason, part))) => {
                let message = condition["message"].as_str().unwrap();
                condition["status"] == status && condition["reason"] == reason && message.contains(part)
            }
            (condition, expected) => condition.is_none() && expected.is_none(),
        };
        if is { Ok(()) } else { Err(condition) }
    })
    .await;
}

pub(super) async fn is_declared(deployment: &Deployment, expected: Value) {
    eventually(&format!("spec.database.maintenance is {expected}"), async || {
        let declared = declared(deployment).await;
        if declared == expected { Ok(()) } else { Err(declared) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_by_annotation_goes_by_the_switch_of_kube_arangodb_and_never_past_it() {
    let (world, server, authority) = encrypted().await;
    let deployment = deployment(&world, json!({"mode": "Cluster"})).await;
    let mut status = cluster_status(&MEMBERS);
    deployment.report(&status).await;
    world.apply(&[cluster(""), secrets(&authority)].concat()).await;
    world.ready(&[CLUSTER]).await;

    world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}=on")]).await.unwrap();
    is_declared(&deployment, json!(true)).await;
    let pending = "kube-arangodb has not switched maintenance of the supervision on yet";
    says_of_maintenance(&world, Some(("Unknown", "MaintenanceSwitching", pending))).await;
    // As kube-arangodb says when the agency shows it.
    let conditions = status["conditions"].clone();
    status["conditions"].as_array_mut().unwrap().push(json!({"type": "Maintenance", "status": "True"}));
    deployment.report(&status).await;
    says_of_maintenance(&world, Some(("True", "MaintenanceOn", "NO automatic failover"))).await;

    world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}-")]).await.unwrap();
    is_declared(&deployment, json!(false)).await;
    status["conditions"] = conditions;
    deployment.report(&status).await;
    says_of_maintenance(&world, None).await;

    // Somebody else keeps the field.
    applied_by(&deployment, "argocd-controller", false).await;
    world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}=45m")]).await.unwrap();
    says_of_maintenance(&world, Some(("Unknown", "MaintenanceRefused", "argocd-controller"))).await;
    assert_eq!(declared(&deployment).await, json!(false));
    let switched: Vec<_> = server.writes();
    assert!(switched.is_empty(), "nothing goes through the coordinators: {switched:?}");
    world.ready(&[CLUSTER]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duration_of_maintenance_is_ended_by_the_operator_for_kube_arangodb_knows_none() {
    let (world, _server, authority) = encrypted().await;
    let deployment = deployment(&world, json!({"mode": "Cluster"})).await;
    deployment.report(&cluster_status(&MEMBERS)).await;
    world.apply(&[cluster(""), secrets(&authority)].concat()).await;
    world.ready(&[CLUSTER]).await;
    world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}=4s")]).await.unwrap();
    is_declared(&deployment, json!(true)).await;
    is_declared(&deployment, json!(false)).await;
    // One DB-Server's own maintenance can't be had.
    let server = "arango-operator.dev/maintenance-servers=PRMR-0=30m";
    world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}-")]).await.unwrap();
    let names = world.object(CLUSTER).await["status"]["servers"].clone();
    let db_server = names
        .as_array()
        .into_iter()
        .flatten()
        .find(|server| server["role"] == "DbServer" || server["role"] == "DBServer");
    let id = db_server.unwrap_or_else(|| panic!("{names}"))["id"].as_str().unwrap().to_owned();
    world.kubectl(&["annotate", CLUSTER, &server.replace("PRMR-0", &id)]).await.unwrap();
    says_of_maintenance(&world, Some(("Unknown", "MaintenanceRefused", "kube-arangodb runs the DB-Server")))
        .await;
}
