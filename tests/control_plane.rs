//! The control plane of the tests is tested first: it starts, it refuses whom it should, and it leaves nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use arango_operator::control_plane::{ControlPlane, Options, Progress, Tools};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};

/// Longer than the first build of the programs may take on a small machine.
const START: Duration = Duration::from_secs(40 * 60);

/// How long what ends by itself may take to end.
const END: Duration = Duration::from_secs(30);

async fn start() -> ControlPlane {
    let tell = |progress: Progress| {
        if !progress.is_repetition() {
            eprintln!("{progress}");
        }
    };
    tokio::time::timeout(START, ControlPlane::start(Options::default(), &tell)).await.unwrap().unwrap()
}

/// Looks until the question is answered with yes.
async fn eventually(what: &str, mut question: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !question().await {
        assert!(begin.elapsed() < END, "not within {END:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn code<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// The running programs of a control plane by name.
fn programs(folder: &Path) -> BTreeMap<String, rustix::process::Pid> {
    std::fs::read_dir(folder.join("running"))
        .unwrap()
        .map(|mark| {
            let mark = mark.unwrap();
            let id = std::fs::read_to_string(mark.path()).unwrap().trim().parse().unwrap();
            (mark.file_name().into_string().unwrap(), rustix::process::Pid::from_raw(id).unwrap())
        })
        .collect()
}

fn runs(program: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(program).is_ok()
}

/// Waits until nothing of a control plane is left.
async fn gone(folder: &Path, programs: &BTreeMap<String, rustix::process::Pid>) {
    for (name, program) in programs {
        eventually(&format!("{name} ends"), async || !runs(*program)).await;
    }
    eventually("the folder is removed", async || !folder.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_authorizes_and_collects_garbage_and_leaves_nothing() {
    let mut plane = start().await;
    let client = plane.client().await.unwrap();

    namespaces_come_and_go(&client).await;
    tokens_have_the_rights_of_their_account(&plane, &client).await;
    secrets_are_for_their_owner(&plane);
    kubectl_is_let_in(&plane);

    plane.check().unwrap();
    let (folder, programs) = (plane.data_dir().to_owned(), programs(plane.data_dir()));
    assert!(programs.len() >= 2 && programs.values().all(|program| runs(*program)), "{programs:?}");
    tokio::time::timeout(END, plane.stop()).await.unwrap().unwrap();
    assert!(!folder.exists());
    assert!(!programs.values().any(|program| runs(*program)));
}

async fn namespaces_come_and_go(client: &Client) {
    let namespaces = Api::<Namespace>::all(client.clone());
    // The instance id of an operator is this one's.
    assert!(namespaces.get("kube-system").await.unwrap().metadata.uid.is_some());
    let metadata = ObjectMeta { name: Some("shop".into()), ..ObjectMeta::default() };
    let shop = Namespace { metadata, ..Namespace::default() };
    namespaces.create(&PostParams::default(), &shop).await.unwrap();
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    eventually("the namespace is deleted", async || namespaces.get_opt("shop").await.unwrap().is_none())
        .await;
}

async fn tokens_have_the_rights_of_their_account(plane: &ControlPlane, client: &Client) {
    let stranger = plane.client_for_token("nobody").await.unwrap();
    let list = Api::<ConfigMap>::default_namespaced(stranger).list(&ListParams::default()).await;
    assert_eq!(code(list), 401);

    let accounts = Api::<ServiceAccount>::default_namespaced(client.clone());
    let metadata = ObjectMeta { name: Some("reader".into()), ..ObjectMeta::default() };
    let reader = ServiceAccount { metadata, ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &reader).await.unwrap();
    let (parameters, request) = (PostParams::default(), TokenRequest::default());
    let answer = accounts.create_token_request("reader", &parameters, &request).await.unwrap();
    let token = answer.status.unwrap().token;
    let reader = plane.client_for_token(&token).await.unwrap();
    // Known, and without any right.
    let list = Api::<ConfigMap>::default_namespaced(reader).list(&ListParams::default()).await;
    assert_eq!(code(list), 403);

    let path = plane.data_dir().join("reader.kubeconfig");
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    plane.write_kubeconfig_for_token(&token, &path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

fn secrets_are_for_their_owner(plane: &ControlPlane) {
    assert_eq!(mode(plane.data_dir()), 0o700);
    assert_eq!(mode(&plane.kubeconfig_path()), 0o600);
    for name in ["tokens.csv", "server.key", "accounts.key", "controller-manager.kubeconfig"] {
        let path = plane.data_dir().join(name);
        assert!(!path.exists() || mode(&path) == 0o600, "{name}");
    }
    let text = std::fs::read_to_string(plane.kubeconfig_path()).unwrap();
    assert!(text.contains("certificate-authority-data") && !text.contains("insecure"));
    let token = text.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap();
    assert!(!format!("{plane:?}").contains(token));
}

fn kubectl_is_let_in(plane: &ControlPlane) {
    let Some(kubectl) = plane.kubectl() else { return };
    let output = Command::new(kubectl)
        .args(["--request-timeout=20s", "auth", "can-i", "delete", "nodes", "--kubeconfig"])
        .arg(plane.kubeconfig_path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "yes", "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_it_ends_it() {
    let plane = start().await;
    let (folder, programs) = (plane.data_dir().to_owned(), programs(plane.data_dir()));
    drop(plane);
    gone(&folder, &programs).await;
}

#[tokio::test]
async fn two_run_side_by_side_and_one_does_not_hold_the_other() {
    let (first, second) = tokio::join!(start(), start());
    assert_ne!(first.server_url(), second.server_url());
    let (folder, programs) = (first.data_dir().to_owned(), programs(first.data_dir()));
    // The second's processes were started while the first's pipes were open.
    drop(first);
    gone(&folder, &programs).await;
    second.client().await.unwrap().apiserver_version().await.unwrap();
    tokio::time::timeout(END, second.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_component_that_ends_says_why() {
    let options = Options { api_server_args: vec!["--no-such-flag".into()], ..Options::default() };
    let start = ControlPlane::start(options, &|_| {});
    let error = tokio::time::timeout(START, start).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("kube-apiserver ended by itself") && error.contains("no-such-flag"), "{error}");
}

#[tokio::test]
async fn a_named_folder_stays_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let tools = tokio::time::timeout(START, Tools::find(&|_| {})).await.unwrap().unwrap();
    let options = Options {
        data_dir: Some(folder.path().join("plane")),
        controller_manager: false,
        ..Options::default()
    };
    let uid = async || {
        let plane = ControlPlane::start_with(tools.clone(), options.clone(), &|_| {}).await.unwrap();
        let namespaces = Api::<Namespace>::all(plane.client().await.unwrap());
        let uid = namespaces.get("kube-system").await.unwrap().metadata.uid.unwrap();
        plane.stop().await.unwrap();
        uid
    };
    assert_eq!(uid().await, uid().await);
    assert_eq!(mode(&folder.path().join("plane")), 0o700);
}

/// The command in a process of its own, with what it printed.
struct Developer {
    child: Child,
    folder: PathBuf,
    kubeconfig: PathBuf,
}

impl Developer {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
            .arg("control-plane")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let (mut folder, mut kubeconfig) = (None, None);
        while kubeconfig.is_none() {
            let line = told.recv_timeout(START).unwrap();
            match line.split_once(' ').unwrap() {
                ("folder", path) => folder = Some(path.into()),
                ("kubeconfig", path) => kubeconfig = Some(path.into()),
                _ => {}
            }
        }
        Self { child, folder: folder.unwrap(), kubeconfig: kubeconfig.unwrap() }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = i32::try_from(self.child.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(child).unwrap(), signal).unwrap();
    }
}

#[tokio::test]
async fn nothing_is_left_when_the_parent_is_killed() {
    let mut developer = Developer::start(&[]);
    let programs = programs(&developer.folder);
    assert!(programs.contains_key("etcd") && programs.contains_key("kube-apiserver"), "{programs:?}");
    assert!(programs.values().all(|program| runs(*program)));
    assert_eq!(mode(&developer.kubeconfig), 0o600);
    developer.signal(rustix::process::Signal::KILL);
    developer.child.wait().unwrap();
    gone(&developer.folder, &programs).await;
}

#[tokio::test]
async fn an_interrupt_ends_the_command_in_order() {
    let here = tempfile::tempdir().unwrap();
    let copy = here.path().join("kubeconfig");
    let mut developer = Developer::start(&["--kubeconfig", copy.to_str().unwrap()]);
    let programs = programs(&developer.folder);
    assert_eq!(developer.kubeconfig, copy);
    assert_eq!(mode(&copy), 0o600);
    developer.signal(rustix::process::Signal::INT);
    let mut status = None;
    eventually("the command ends", async || {
        status = developer.child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    assert!(status.unwrap().success());
    // It waited: nothing is left at the moment at which it ends.
    assert!(!programs.values().any(|program| runs(*program)));
    assert!(!developer.folder.exists() && !copy.exists());
}
