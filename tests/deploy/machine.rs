//! A control plane, a stand-in and the built operator for one test, and waiting with a limit.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use arango_operator::{
    control_plane::{ControlPlane, Options, Progress},
    stand_in::{self, StandIn},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authentication::v1::TokenRequest,
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use serde_json::Value;

use crate::{pod::Runs, within::within};

/// Longer than the first build of the programs may take on a small machine.
const START: Duration = Duration::from_secs(40 * 60);

/// How long anything may take that takes a moment.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The password of the stand-in's root.
pub(crate) const PASSWORD: &str = "pw";

/// Who the operator is to the API server.
pub(crate) fn account(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:arango-operator")
}

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Looks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, question: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(LIMIT, what, question).await.0
}

/// A control plane that writes down every request, and a deployment.
pub(crate) struct Machine {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) stand_in: StandIn,
    pub(crate) folder: tempfile::TempDir,
}

impl Machine {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let policy = folder.path().join("audit.yaml");
        // Written before the answer is sent, so that what was answered is in the file.
        let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n\
                    rules: [{level: Metadata}]\n";
        std::fs::write(&policy, text).unwrap();
        let log = folder.path().join("audit.log");
        let options = Options {
            api_server_args: vec![
                format!("--audit-policy-file={}", policy.display()),
                format!("--audit-log-path={}", log.display()),
            ],
            ..Options::default()
        };
        let tell = |progress: Progress| {
            if !progress.is_repetition() {
                eprintln!("{progress}");
            }
        };
        let plane = tokio::time::timeout(START, ControlPlane::start(options, &tell)).await.unwrap().unwrap();
        let client = plane.client().await.unwrap();
        let stand_in = StandIn::start(stand_in::Options::cluster(3, PASSWORD)).await.unwrap();
        Self { plane, client, stand_in, folder }
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Output {
        let kubectl = self.plane.kubectl().expect("these tests need kubectl; the built tools have it");
        Command::new(kubectl)
            .args(arguments)
            .arg("--request-timeout=60s")
            .arg("--kubeconfig")
            .arg(self.plane.kubeconfig_path())
            .env_remove("KUBECONFIG")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// kubectl that has to succeed, with nothing to warn of.
    pub(crate) fn kubectl_succeeds(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("Warning"), "kubectl {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Applies a manifest. The definitions of new kinds may be a moment away from being served.
    pub(crate) async fn apply(&self, name: &str, manifest: &str) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, manifest).unwrap();
        eventually(&format!("{name} is taken"), async || {
            let output = self.kubectl(&["apply", "-f", path.to_str().unwrap()]);
            if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
        })
        .await;
    }

    /// Starts what the Deployment arango-operator of a namespace says, as its `ServiceAccount`; with further arguments.
    pub(crate) async fn operator(&self, namespace: &str, arguments: &[&str]) -> Operator {
        self.operator_of(namespace, "arango-operator", arguments).await
    }

    /// The same of a Deployment of any name.
    pub(crate) async fn operator_of(&self, namespace: &str, name: &str, arguments: &[&str]) -> Operator {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), namespace);
        let runs = Runs::of(deployments.get(name).await.unwrap());
        if runs.variables.get("ARANGO_OPERATOR_LEADER_ELECTION").is_none_or(|enabled| enabled == "true") {
            // The rights to the Lease come in one role.
            let user = format!("system:serviceaccount:{namespace}:{}", runs.account);
            let create = Right::new("coordination.k8s.io", "leases", "create");
            eventually("the right to the Lease is given", async || {
                let may = self.may_user(&user, &create, Some(namespace)).await;
                if may { Ok(()) } else { Err(user.clone()) }
            })
            .await;
        }
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        let (parameters, request) = (PostParams::default(), TokenRequest::default());
        let answer = accounts.create_token_request(&runs.account, &parameters, &request).await.unwrap();
        let kubeconfig = self.folder.path().join("operator.kubeconfig");
        self.plane.write_kubeconfig_for_token(&answer.status.unwrap().token, &kubeconfig).unwrap();
        let operator =
            Operator::start(&runs, &kubeconfig, &self.folder.path().join("operator.log"), arguments);
        let ready = format!("{}/readyz", operator.health);
        eventually("the operator is ready", async || {
            let answer = reqwest::get(&ready).await.map_err(|error| error.to_string())?;
            answer.error_for_status().map(drop).map_err(|error| format!("{error}\n{}", operator.log()))
        })
        .await;
        operator
    }

    /// Everything that the operator asked of the API server.
    pub(crate) fn requests(&self, namespace: &str) -> Vec<Asked> {
        self.requests_of(&account(namespace))
    }

    /// Everything that a user asked.
    pub(crate) fn requests_of(&self, account: &str) -> Vec<Asked> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|entry| entry["user"]["username"] == account)
            .map(|entry| Asked::new(&entry))
            .collect()
    }

    /// Whether the operator's account may do that; nothing for the namespace means in all.
    pub(crate) async fn may(&self, namespace: &str, right: &Right, within: Option<&str>) -> bool {
        self.may_user(&account(namespace), right, within).await
    }

    /// Whether a user may do that.
    pub(crate) async fn may_user(&self, user: &str, right: &Right, within: Option<&str>) -> bool {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (&*right.resource, None),
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.to_owned()),
                groups: Some(vec!["system:authenticated".to_owned()]),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(right.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    verb: Some(right.verb.clone()),
                    namespace: within.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    }

    /// Waits until the operator's account has these rights: the API server learns of a binding a moment later.
    pub(crate) async fn has(&self, namespace: &str, rights: &BTreeSet<Right>, within: Option<&str>) {
        for right in rights {
            eventually("the right is given", async || {
                if self.may(namespace, right, within).await { Ok(()) } else { Err(format!("{right:?}")) }
            })
            .await;
        }
    }
}

/// One right: what RBAC grants and a request needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) group: String,
    /// With its subresource, as in RBAC.
    pub(crate) resource: String,
    pub(crate) verb: String,
}

impl Right {
    pub(crate) fn new(group: &str, resource: &str, verb: &str) -> Self {
        Self { group: group.to_owned(), resource: resource.to_owned(), verb: verb.to_owned() }
    }
}

/// One request of the operator.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) right: Right,
    pub(crate) namespace: Option<String>,
    pub(crate) code: u64,
    pub(crate) uri: String,
}

impl Asked {
    fn new(entry: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &entry["objectRef"];
        let resource = match object["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        Self {
            right: Right { group: text(&object["apiGroup"]), resource, verb: text(&entry["verb"]) },
            namespace: object["namespace"].as_str().map(str::to_owned),
            code: entry["responseStatus"]["code"].as_u64().unwrap_or_default(),
            uri: text(&entry["requestURI"]),
        }
    }
}

/// The rights that requests needed.
pub(crate) fn used(requests: &[Asked]) -> BTreeSet<Right> {
    requests.iter().map(|asked| asked.right.clone()).collect()
}

/// The built operator in a process of its own.
pub(crate) struct Operator {
    child: Child,
    pub(crate) health: String,
    log: PathBuf,
}

impl Operator {
    fn start(runs: &Runs, kubeconfig: &Path, log: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
            .args(&runs.arguments)
            .args(["--log", "debug,h2=info,hyper_util=info"])
            .args(arguments)
            .env_clear()
            .envs(&runs.variables)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut operator = Self { child, health: String::new(), log: log.to_owned() };
        while operator.health.is_empty() {
            match told.recv_timeout(LIMIT) {
                Ok(line) => {
                    operator.health = line.strip_prefix("health ").map(str::to_owned).unwrap_or_default();
                }
                Err(error) => {
                    panic!("{error}: the operator doesn't say where it listens:\n{}", operator.log())
                }
            }
        }
        operator
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Ends it as Kubernetes does, and waits.
    pub(crate) async fn stop(mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = eventually("the operator ends", async || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .await;
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Also when the test failed: nothing outlives it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
