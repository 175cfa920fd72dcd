//! What one test has for itself: a namespace, a deployment, an operator.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use arango_operator::stand_in::FaultRule;
use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, api::DeleteParams};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Operator, Place, Server, operator::LEASES, plane::plane};

/// As many operators at once as a small machine serves without being the bottleneck itself.
static OPERATORS: Semaphore = Semaphore::const_new(4);

/// How much of the operator's log is shown with a failure.
const LOG_LINES: usize = 60;

/// A namespace of one test, and who acts in it; it may have neighbours that the same operator is for. If the test fails,
/// the end of the operator's log is printed.
pub(crate) struct World {
    own: Place,
    /// Other namespaces of the same operator.
    pub(crate) neighbours: Vec<Place>,
    operator: Option<Operator>,
    arguments: Vec<&'static str>,
    environment: Vec<(&'static str, String)>,
    folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Deref for World {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.own
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("the operator's log in {}:\n{}", self.namespace, tail.join("\n"));
        }
    }
}

impl World {
    /// A namespace with an operator.
    pub(crate) async fn new() -> Self {
        Self::with_arguments(&[]).await
    }

    /// A namespace with an operator that is given more arguments.
    pub(crate) async fn with_arguments(arguments: &[&'static str]) -> Self {
        let mut world = Self::without_operator().await;
        world.arguments = arguments.to_vec();
        world.start_operator().await;
        world
    }

    /// A namespace where nobody acts.
    pub(crate) async fn without_operator() -> Self {
        Self::among(0).await
    }

    /// A namespace and so many neighbours, where nobody acts. An operator that is started is for all of them.
    pub(crate) async fn among(neighbours: usize) -> Self {
        static NAMESPACES: AtomicU32 = AtomicU32::new(0);
        let permit = OPERATORS.acquire().await.unwrap();
        let plane = plane().await;
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let neighbour = |neighbour: usize| Place::make(format!("test-{number}-{neighbour}"), plane);
        let (own, neighbours) = tokio::join!(
            Place::make(format!("test-{number}"), plane),
            join_all((1..=neighbours).map(neighbour))
        );
        Self {
            own,
            neighbours,
            operator: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            _permit: permit,
        }
    }

    /// A namespace with an operator, and a deployment that is connected.
    pub(crate) async fn connected(interval: &str) -> (Self, Server) {
        let (world, server) = tokio::join!(Self::new(), Server::start());
        world.apply(&server.manifest(interval)).await;
        world.ready(&["arangocluster/prod"]).await;
        (world, server)
    }

    /// Gives operators that are started from now on more arguments.
    pub(crate) fn give(&mut self, arguments: impl IntoIterator<Item = String>) {
        self.arguments.extend(arguments.into_iter().map(|argument| &*argument.leak()));
    }

    /// Gives operators that are started from now on a variable of their environment.
    pub(crate) fn set(&mut self, variable: &'static str, value: &str) {
        self.environment.push((variable, value.to_owned()));
    }

    /// Takes that variable back.
    pub(crate) fn unset(&mut self, variable: &str) {
        self.environment.retain(|(name, _)| *name != variable);
    }

    /// Starts the operator with more arguments, which may name what was made for this test.
    pub(crate) async fn start_operator_with(&mut self, arguments: impl IntoIterator<Item = String>) {
        self.arguments = arguments.into_iter().map(|argument| &*argument.leak()).collect();
        self.start_operator().await;
    }

    /// Starts the operator and waits until it is ready.
    pub(crate) async fn start_operator(&mut self) {
        self.spawn_operator().await;
        self.operator().is_ready().await;
    }

    /// Starts one of several operators for the namespace, and waits until it is ready. `kubeconfig`: its way to the API
    /// server, if that is not the usual one.
    pub(crate) async fn replica(&self, identity: &str, kubeconfig: Option<&Path>) -> Operator {
        let usual = self.plane.kubeconfig_path();
        let arguments = ["--identity", identity, "--lease-duration", "10s"];
        let kubeconfig = kubeconfig.unwrap_or(&usual);
        let replica =
            Operator::start(kubeconfig, &[&self.namespace], &self.log_path(), &arguments, &[]).await;
        replica.is_ready().await;
        replica
    }

    /// Starts a replica of the installation that looks after what this selects, and waits until it is ready. It has a Lease by
    /// its selector.
    pub(crate) async fn installation(&self, identity: &str, selector: &str) -> Operator {
        let arguments = ["--identity", identity, "--selector", selector];
        let kubeconfig = self.plane.kubeconfig_path();
        let namespace = [&*self.namespace];
        let replica = Operator::start(&kubeconfig, &namespace, &self.log_path(), &arguments, &[]).await;
        replica.is_ready().await;
        replica
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), LEASES)
    }

    /// The Lease of the operator, which is there once one was ready.
    pub(crate) async fn lease(&self) -> Lease {
        self.leases().get(&self.namespace).await.unwrap()
    }

    /// Starts the operator. The one before it has ended: if it was killed, its Lease would be waited for otherwise.
    pub(crate) async fn spawn_operator(&mut self) {
        drop(self.leases().delete(&self.namespace, &DeleteParams::default()).await);
        let log = self.log_path();
        let kubeconfig = self.plane.kubeconfig_path();
        let namespaces: Vec<_> =
            [&self.own].into_iter().chain(&self.neighbours).map(|each| &*each.namespace).collect();
        self.operator =
            Some(Operator::start(&kubeconfig, &namespaces, &log, &self.arguments, &self.environment).await);
    }

    /// The running operator.
    pub(crate) fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("the operator was started")
    }

    /// The running operator, to be ended.
    pub(crate) fn take_operator(&mut self) -> Operator {
        self.operator.take().expect("the operator was started")
    }

    /// Kills the operator when one of the requests that `begin` leads to has met the fault; then the fault is gone, too.
    pub(crate) async fn kill_at(
        &mut self,
        server: &Server,
        fault: FaultRule,
        begin: impl AsyncFnOnce(&Self),
    ) {
        let fault = server.stand_in.add_fault(fault).await.unwrap();
        begin(self).await;
        server.met(fault).await;
        self.take_operator().kill().await;
        server.stand_in.remove_fault(fault).await.unwrap();
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("operator.log")
    }

    /// What the operator has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}
