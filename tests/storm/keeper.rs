//! Keeps an operator running, as Kubernetes does: whenever it ends it is started again.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::DeleteParams};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::support::Operator;

/// The wait before one is started again that ended by itself.
const PAUSE: Duration = Duration::from_millis(300);

/// What an operator is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) namespaces: Vec<String>,
    pub(crate) log: PathBuf,
    /// To take the Lease of one that was killed away, which would be waited for.
    pub(crate) client: Client,
    /// What it calls itself, if it is one of several: another one takes the Lease then.
    pub(crate) identity: Option<String>,
}

/// Where the Lease is.
pub(crate) const LEASES: &str = "default";

enum Order {
    /// SIGKILL, and the next one.
    Kill,
    Signal(Signal),
    End,
}

/// Whoever keeps it.
#[derive(Clone)]
pub(crate) struct Keeper {
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<()>)>,
    /// How operators ended by themselves.
    ends: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Keeper {
    /// Starts an operator.
    pub(crate) fn start(setup: Setup) -> (Self, JoinHandle<()>) {
        let (orders, taken) = mpsc::unbounded_channel();
        let ends = Arc::default();
        let keeper = Self { orders, ends: Arc::clone(&ends) };
        (keeper, tokio::spawn(keep(setup, taken, ends)))
    }

    /// Kills it with SIGKILL. Returns when it is gone.
    pub(crate) async fn kill(&self) {
        self.order(Order::Kill).await;
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, signal: Signal) {
        self.order(Order::Signal(signal)).await;
    }

    /// Ends it for good.
    pub(crate) async fn end(&self) {
        self.order(Order::End).await;
    }

    /// How often it ended by itself, and how.
    pub(crate) fn ends(&self) -> BTreeMap<String, u64> {
        self.ends.lock().clone()
    }

    async fn order(&self, order: Order) {
        let (tell, told) = oneshot::channel();
        // Nobody keeps it any more: then it is gone.
        drop(self.orders.send((order, tell)));
        drop(told.await);
    }
}

async fn keep(
    setup: Setup,
    mut orders: mpsc::UnboundedReceiver<(Order, oneshot::Sender<()>)>,
    ends: Arc<Mutex<BTreeMap<String, u64>>>,
) {
    loop {
        if setup.identity.is_none() {
            let leases: Api<Lease> = Api::namespaced(setup.client.clone(), LEASES);
            let parameters = DeleteParams::default();
            drop(timeout(PAUSE * 2, leases.delete(&setup.namespaces[0], &parameters)).await);
        }
        let (mut operator, _guard) = start(&setup);
        loop {
            tokio::select! {
                ended = operator.wait() => {
                    *ends.lock().entry(told(ended.unwrap())).or_default() += 1;
                    sleep(PAUSE).await;
                    break;
                }
                order = orders.recv() => match order {
                    Some((Order::Kill, done)) => {
                        operator.kill().await.unwrap();
                        let _ = done.send(());
                        break;
                    }
                    Some((Order::Signal(signal), done)) => {
                        if let Some(id) = operator.id() {
                            let id = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
                            // It may have ended at this moment.
                            let _ = kill_process(id, signal);
                        }
                        let _ = done.send(());
                    }
                    Some((Order::End, done)) => {
                        operator.kill().await.unwrap();
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                }
            }
        }
    }
}

/// The operator, and whoever kills it when this process ends in whatever way.
fn start(setup: &Setup) -> (Child, Child) {
    let log = OpenOptions::new().create(true).append(true).open(&setup.log).unwrap();
    let operator = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
        .arg("run")
        .args(setup.namespaces.iter().flat_map(|namespace| ["--namespace", namespace]))
        .args(["--lease-namespace", LEASES, "--lease-name", &setup.namespaces[0], "--lease-duration", "6s"])
        .args(setup.identity.iter().flat_map(|identity| ["--identity", identity]))
        .args(["--health-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"])
        .env_clear()
        .env("KUBECONFIG", &setup.kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let guard = Operator::guard(&operator);
    (operator, guard)
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}
