//! The operator's image: built without a registry, looked at, and its program run from it as a pod would run it.
//!
//!     cargo test --test image

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod built;
mod inside;
#[path = "../installed/mod.rs"]
#[expect(dead_code, reason = "nothing of Go's is built here")]
mod installed;
#[path = "../support/within.rs"]
mod within;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use arango_operator::{
    control_plane::{ControlPlane, Options, Progress},
    stand_in::{self, StandIn, Tls},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{Api, api::PostParams};

use built::{BUNDLE, Image, REVISION, image, repository};
use inside::{Inside, LIMIT, eventually};

/// Longer than the first build of the control plane's programs may take on a small machine.
const START: std::time::Duration = std::time::Duration::from_secs(40 * 60);
const PASSWORD: &str = "pw";
/// Where a pod finds who it is.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A stand-in behind TLS, and the path of its authority.
async fn encrypted(folder: &Path) -> (StandIn, std::path::PathBuf) {
    let tls = Tls::self_made([127, 0, 0, 1].into()).unwrap();
    let authority = folder.join("authority.crt");
    fs::write(&authority, &tls.authority).unwrap();
    let options = stand_in::Options { tls: Some(tls), ..stand_in::Options::cluster(2, PASSWORD) };
    (StandIn::start(options).await.unwrap(), authority)
}

/// A folder that the image's user can read: not below a home, where others have no way.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[tokio::test]
async fn the_image_adds_one_program_and_its_licences_to_its_base() {
    let Some(image) = image().await else { return };
    let added: Vec<_> =
        image.added.iter().map(|(path, mode)| (path.to_str().unwrap(), format!("{mode:o}"))).collect();
    // For everybody to read, for nobody to write, and nobody becomes somebody else by running it.
    let wanted = [
        ("usr/local/bin/arango-operator", "555".to_owned()),
        ("usr/share/doc/arango-operator/LICENSE", "444".to_owned()),
        ("usr/share/doc/arango-operator/THIRD-PARTY", "444".to_owned()),
    ];
    assert_eq!(added, wanted);
}

#[tokio::test]
async fn the_image_says_what_it_is_and_runs_as_a_number_that_is_not_root() {
    let Some(Image { config, .. }) = image().await else { return };
    let config = &config["config"];
    assert_eq!(config["User"], "65532:65532", "a name can't be checked by `runAsNonRoot`");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/arango-operator"]));
    for absent in ["Cmd", "Volumes", "ExposedPorts", "Shell"] {
        assert!(config[absent].is_null(), "{absent}: {config}");
    }
    let label = |name: &str| config["Labels"][format!("org.opencontainers.image.{name}")].as_str();
    assert_eq!(label("title"), Some(env!("CARGO_PKG_NAME")));
    assert_eq!(label("description"), Some(env!("CARGO_PKG_DESCRIPTION")));
    assert_eq!(label("licenses"), Some(env!("CARGO_PKG_LICENSE")));
    assert_eq!(label("version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(label("revision"), Some(REVISION));
    assert!(label("source").is_some_and(|source| source.starts_with("https://")), "{config}");
}

#[tokio::test]
async fn its_program_runs_from_a_root_that_is_read_only_whoever_it_runs_as() {
    let Some(image) = image().await else { return };
    let version = format!("arango-operator {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Inside::new(image).succeeds(&["version"]), version);
    // As some platforms have it: a range of users for each namespace, and the group of root.
    assert_eq!(Inside::new(image).user(1_000_730_000, 0).succeeds(&["version"]), version);
    let definitions = Inside::new(image).succeeds(&["crds"]);
    assert_eq!(definitions.matches("kind: CustomResourceDefinition").count(), 4, "{definitions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_verified_by_the_certificates_in_the_image_or_by_those_that_are_mounted() {
    let Some(image) = image().await else { return };
    let folder = folder();
    let (stand_in, authority) = encrypted(folder.path()).await;
    let endpoint = &stand_in.endpoints()[0];
    let ask = ["request", "GET", "/_api/version", "--endpoint", endpoint];
    let inside = || Inside::new(image).variable("ARANGO_PASSWORD", PASSWORD);

    // There are authorities, and none of them signed for this server.
    let output = inside().output(&ask);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("UnknownIssuer"), "{output:?}");

    // Without any, that is what is said.
    let nothing = folder.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let certificates = Path::new("/").join(BUNDLE);
    let output = inside().mounted(&nothing, certificates.parent().unwrap().to_str().unwrap()).output(&ask);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("No CA certificates"), "{output:?}");

    let inside = inside().mounted(&authority, certificates.to_str().unwrap());
    let answer = inside.succeeds(&ask);
    assert!(answer.contains("\"server\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_works_in_its_image_as_in_a_pod() {
    let Some(image) = image().await else { return };
    let folder = folder();
    let (stand_in, authority) = encrypted(folder.path()).await;
    let tell = |progress: Progress| {
        if !progress.is_repetition() {
            installed::say(&progress.to_string());
        }
    };
    let start = ControlPlane::start(Options::default(), &tell);
    let plane = tokio::time::timeout(START, start).await.unwrap().unwrap();
    let kubectl = |arguments: &[&str]| {
        let kubectl = plane.kubectl().expect("this test needs kubectl; the built tools have it");
        let mut command = Command::new(kubectl);
        command.args(arguments).arg("--kubeconfig").arg(plane.kubeconfig_path()).env_remove("KUBECONFIG");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(format!("{output:?}")) }
    };
    kubectl(&["apply", "--server-side", "-k", repository("deploy").to_str().unwrap()]).unwrap();

    // What the kubelet gives to a pod.
    let account = folder.path().join("account");
    fs::create_dir(&account).unwrap();
    let client = plane.client().await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(client, "arango-operator");
    let request = (PostParams::default(), TokenRequest::default());
    let token = accounts.create_token_request("arango-operator", &request.0, &request.1).await.unwrap();
    let kubeconfig = plane.kubeconfig();
    let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
    let ca = BASE64_STANDARD.decode(cluster.certificate_authority_data.as_ref().unwrap()).unwrap();
    fs::write(account.join("token"), token.status.unwrap().token).unwrap();
    fs::write(account.join("ca.crt"), ca).unwrap();
    fs::write(account.join("namespace"), "arango-operator").unwrap();
    let (host, port) = plane.server_url().strip_prefix("https://").unwrap().rsplit_once(':').unwrap();
    let inside = Inside::new(image)
        .mounted(&account, ACCOUNT)
        .mounted(&authority, Path::new("/").join(BUNDLE).to_str().unwrap())
        .variable("KUBERNETES_SERVICE_HOST", host)
        .variable("KUBERNETES_SERVICE_PORT", port)
        .variable("ARANGO_OPERATOR_HEALTH_ADDR", "127.0.0.1:0")
        .variable("ARANGO_OPERATOR_METRICS_ADDR", "127.0.0.1:0")
        .variable("ARANGO_OPERATOR_LOG_FORMAT", "json");
    let operator = inside.start(&folder.path().join("operator.log"), &["run"]);
    let ready = format!("{}/readyz", operator.health);
    eventually("the operator is ready", async || {
        let answer = reqwest::get(&ready).await.map_err(|error| error.to_string())?;
        answer.error_for_status().map(drop).map_err(|error| format!("{error}\n{}", operator.log()))
    })
    .await;
    assert_eq!(operator.status("NSpid").split_whitespace().last(), Some("1"));
    assert_eq!((&*operator.status("CapEff"), &*operator.status("NoNewPrivs")), ("0000000000000000", "1"));

    let manifest = folder.path().join("shop.yaml");
    fs::write(&manifest, declared(&stand_in.endpoints())).unwrap();
    kubectl(&["apply", "-f", manifest.to_str().unwrap()]).unwrap();
    let patience = format!("--timeout={}s", LIMIT.as_secs());
    let wait =
        ["wait", "--for=condition=Ready", "arangocluster/prod", "arangodatabase/shop", "-n=shop", &patience];
    kubectl(&wait).unwrap_or_else(|error| panic!("{error}\n{}", operator.log()));
    operator.stop().await;
    plane.stop().await.unwrap();
}

/// A database on a deployment whose authority the connection doesn't name.
fn declared(endpoints: &[String]) -> String {
    format!(
        r"apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
apiVersion: v1
kind: Secret
metadata: {{name: prod-root, namespace: shop}}
stringData: {{username: root, password: {PASSWORD}}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoCluster
metadata: {{name: prod, namespace: shop}}
spec:
  endpoints: {endpoints:?}
  auth: {{secretRef: {{name: prod-root}}}}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {{name: shop, namespace: shop}}
spec:
  clusterRef: {{name: prod}}
"
    )
}
