//! Argo CD as three processes beside the control plane: Redis, the repository server, the application controller. It
//! installs our CRDs from a repository, as everything else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::config::Kubeconfig;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    application::Application,
    install::{self, Programs},
    installed::{output, run},
    process::{Process, free_port, listens},
    repository,
    repository::Repository,
    support::{eventually, plane},
};
use arango_operator::control_plane::ControlPlane;

/// Where Argo CD's own objects are.
pub(crate) const NAMESPACE: &str = "argocd";

/// The name under which Argo CD knows the control plane.
pub(crate) const CLUSTER: &str = "here";

/// How often an Application is compared with its repository without being asked, in seconds: often enough that several
/// comparisons fall into each test.
const RESYNC: u32 = 10;

/// Argo CD that runs.
pub(crate) struct Argo {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) programs: Programs,
    /// Where its files and the repositories are; removed with the control plane.
    pub(crate) folder: PathBuf,
    /// Ended with this process.
    _redis: Process,
    repo_server: Process,
    controller: Process,
}

/// The one Argo CD of all tests. It is never dropped, and ends with the process. Nothing where it can't be built.
pub(crate) async fn argo() -> Option<&'static Argo> {
    static ARGO: OnceCell<Option<Argo>> = OnceCell::const_new();
    static DEFINITIONS: OnceCell<()> = OnceCell::const_new();
    let argo =
        ARGO.get_or_init(async || Some(Argo::start(install::argo_cd().await?).await)).await.as_ref()?;
    DEFINITIONS.get_or_init(|| argo.install_definitions()).await;
    Some(argo)
}

impl Argo {
    async fn start(programs: Programs) -> Self {
        let plane = plane::plane_with(async |_| {}).await;
        let folder = plane.data_dir().canonicalize().unwrap().join("argocd");
        fs::create_dir(&folder).unwrap();
        let kubectl = async |arguments: &[&str]| {
            run(&format!("kubectl {arguments:?}"), plane::kubectl(plane).args(arguments), super::LIMIT).await
        };
        kubectl(&["create", "namespace", NAMESPACE]).await;
        let install = kustomization(&folder, &programs);
        kubectl(&["apply", "--server-side", "-k", install.to_str().unwrap()]).await;
        // Who doesn't install with kustomize patches, and comes to the same.
        let settings = repository::root("deploy/argocd/argocd-cm.yaml");
        let patch =
            ["patch", "configmap", "argocd-cm", "-n", NAMESPACE, "--patch-file", settings.to_str().unwrap()];
        assert!(kubectl(&patch).await.contains("no change"));
        // What has no status at all yet can't be waited for.
        eventually("Argo CD's kinds are served", async || {
            let wait = ["wait", "crd", "--all", "--for=condition=Established", "--timeout=60s"];
            let (served, said) = output("kubectl wait", plane::kubectl(plane).args(wait), super::LIMIT).await;
            if served { Ok(()) } else { Err(said) }
        })
        .await;
        let objects = folder.join("objects.json");
        fs::write(&objects, objects_of(plane)).unwrap();
        kubectl(&["apply", "-f", objects.to_str().unwrap()]).await;

        let redis = Process::start(&folder, "redis", &programs.redis(), |_| {});
        let address = eventually("Redis says where it listens", async || {
            redis.log().lines().next().map(str::to_owned).ok_or("nothing yet")
        })
        .await;
        let start = |name: &str, arguments: &[String]| {
            Process::start(&folder, name, &programs.argocd(), |command| {
                command.args(arguments).args(["--redis", &address, "--logformat", "text"]);
                // Nothing of whoever runs the tests but where git is.
                command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
                command.env("ARGOCD_BINARY_NAME", name).env("ARGOCD_GPG_ENABLED", "false");
                command.env("KUBECONFIG", plane.kubeconfig_path()).env("ARGOCD_SYNC_WAVE_DELAY", "0");
                // Everything that it would look for in its container.
                command.env("HOME", &folder).env("TMPDIR", &folder);
                for place in ["PLUGINSOCKFILEPATH", "SSH_DATA_PATH", "TLS_DATA_PATH"] {
                    command.env(format!("ARGOCD_{place}"), &folder);
                }
            })
        };
        let (port, metrics) = (free_port(), free_port());
        let arguments = format!(
            "--disable-tls --address 127.0.0.1 --port {port} --metrics-address 127.0.0.1 --metrics-port {metrics}"
        );
        let repo_server = start("argocd-repo-server", &words(&arguments));
        eventually("the repository server listens", async || {
            listens(port).map_err(|error| format!("{error}\n{}", repo_server.log()))
        })
        .await;
        let arguments = format!(
            "--namespace {NAMESPACE} --repo-server 127.0.0.1:{port} --repo-server-plaintext --metrics-port {} \
             --app-resync {RESYNC} --app-resync-jitter 0 --persist-resource-health \
             --self-heal-backoff-timeout-seconds 1 --self-heal-backoff-factor 1 --self-heal-backoff-cooldown-seconds 1",
            free_port()
        );
        let controller = start("argocd-application-controller", &words(&arguments));
        Self { plane, programs, folder, _redis: redis, repo_server, controller }
    }

    /// Our CRDs, as users get them: from a repository.
    async fn install_definitions(&'static self) {
        let repository = Repository::new(self, "crds").await;
        for file in fs::read_dir(repository::root("crds")).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            // Argo CD's container has the program kustomize, which would read this file; here is none.
            if name != "kustomization.yaml" {
                repository.write(&name, &fs::read_to_string(file.path()).unwrap());
            }
        }
        repository.commit("the definitions").await;
        let definitions = Application::create(self, "definitions", &repository, "default", json!({})).await;
        definitions.is("Synced", "Healthy").await;
    }

    /// The end of what Argo CD logged, for whoever looks why a test failed.
    pub(crate) fn log(&self) -> String {
        let tail = |process: &Process| {
            let log = process.log();
            let lines: Vec<_> = log.lines().filter(|line| !line.contains("level=info")).collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        };
        format!("repository server:\n{}\ncontroller:\n{}", tail(&self.repo_server), tail(&self.controller))
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Argo CD's own manifests with our component, as users add it.
fn kustomization(folder: &Path, programs: &Programs) -> PathBuf {
    let install = folder.join("install");
    fs::create_dir(&install).unwrap();
    // kustomize takes relative paths only.
    let up = "../".repeat(install.components().count() - 1);
    let relative = |path: &Path| format!("{up}.{}", path.canonicalize().unwrap().display());
    let resources = programs.manifests().map(|path| relative(&path));
    let component = relative(&repository::root("deploy/argocd"));
    let text = json!({"namespace": NAMESPACE, "resources": resources, "components": [component]});
    fs::write(install.join("kustomization.yaml"), text.to_string()).unwrap();
    install
}

/// What Argo CD's own server would make at its start, and where the control plane is.
fn objects_of(plane: &ControlPlane) -> String {
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig_path()).unwrap();
    let cluster = kubeconfig.clusters[0].cluster.clone().unwrap();
    let user = kubeconfig.auth_infos[0].auth_info.clone().unwrap();
    let config = json!({
        "bearerToken": user.token.unwrap().expose_secret(),
        "tlsClientConfig": {"caData": cluster.certificate_authority_data.unwrap()},
    });
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "here", "namespace": NAMESPACE, "labels": {"argocd.argoproj.io/secret-type": "cluster"},
        },
        "stringData": {"name": CLUSTER, "server": cluster.server.unwrap(), "config": config.to_string()},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [project, secret]}).to_string()
}
