//! The stand-in as tests and commands hold it: started, looked at, disturbed, stopped.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    control,
    deployment::{Coordinator, Deployment, reachable},
    fault::FaultRule,
    log::LogEntry,
    model::{Config, Model},
    shared::{Shared, now},
    tls::Tls,
};

/// What a stand-in is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address of the first coordinator; the others take the ports after it. Port 0: a free port for each.
    pub listen: SocketAddr,
    /// The deployment. Its addresses are filled in when the sockets are open.
    pub config: Config,
    /// How long a request waits before it is looked at.
    pub delay: Duration,
    /// How many requests all coordinators together work on at once, while others wait; all of them without it.
    pub at_once: Option<NonZeroU32>,
    /// TLS on every port; without it everything is in clear text.
    pub tls: Option<Tls>,
    /// Faults from the start.
    pub faults: Vec<FaultRule>,
}

impl Options {
    /// On free ports of the loopback address, without TLS, delay and faults.
    pub fn new(config: Config) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            config,
            delay: Duration::ZERO,
            at_once: None,
            tls: None,
            faults: Vec::new(),
        }
    }

    /// A cluster for tests: free ports, this password for root.
    pub fn cluster(coordinators: usize, root_password: &str) -> Self {
        Self::new(Config { root_password: root_password.to_owned(), ..Config::cluster(coordinators, 1) })
    }

    /// A single server for tests: a free port, this password for root.
    pub fn single(root_password: &str) -> Self {
        Self::new(Config { root_password: root_password.to_owned(), ..Config::single(1) })
    }
}

/// An ArangoDB in memory that answers on real sockets. Dropping it ends all its tasks.
pub struct StandIn {
    deployment: Arc<Deployment>,
}

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIn").field("addresses", &self.deployment.addresses).finish_non_exhaustive()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.deployment.dropped.cancel();
    }
}

impl StandIn {
    /// Opens the sockets and starts to answer.
    ///
    /// # Errors
    ///
    /// An address can't be listened on, or the certificate can't be used.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { listen, mut config, delay, at_once, tls, faults } = options;
        let acceptor = tls.as_ref().map(Tls::acceptor).transpose()?;
        config.tls = tls.is_some();
        let coordinators = Coordinator::reserve(listen, config.coordinators())?;
        let addresses = coordinators.iter().map(|coordinator| reachable(coordinator.address()).to_string());
        let addresses = addresses.collect();
        let mut model = Model::new(config);
        model.set_addresses(addresses);
        let deployment =
            Arc::new(Deployment::new(coordinators, Shared::new(model, delay, at_once), acceptor));
        let stand_in = Self { deployment };
        for rule in faults {
            let text = rule.to_string();
            stand_in.add_fault(rule).await.with_context(|| format!("the fault {text:?} can't be set"))?;
        }
        stand_in.deployment.settle_all().await?;
        Ok(stand_in)
    }

    /// The URLs of the coordinators, stopped ones included.
    pub fn endpoints(&self) -> Vec<String> {
        self.deployment.endpoints()
    }

    /// Looks at the model or changes it. No request is answered meanwhile.
    pub fn with_model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.deployment.shared.replicas.lock().model)
    }

    /// Closes a coordinator's listener and all its connections, as if its process was killed: from here on,
    /// connections are refused. Done already if it is stopped.
    ///
    /// # Errors
    ///
    /// There is no such coordinator.
    pub async fn stop_coordinator(&self, index: usize) -> Result<()> {
        self.deployment.set_stopped(index, true).await
    }

    /// Starts a stopped coordinator on its old port, unless a fault keeps the port closed. Done already if it runs.
    ///
    /// # Errors
    ///
    /// There is no such coordinator, or its port can't be listened on.
    pub async fn start_coordinator(&self, index: usize) -> Result<()> {
        self.deployment.set_stopped(index, false).await
    }

    /// Stops all coordinators: requests under way are answered, new connections are refused.
    ///
    /// # Errors
    ///
    /// A coordinator's task failed.
    pub async fn stop(self) -> Result<()> {
        self.deployment.stop().await
    }

    /// Puts a fault in force: from here on, requests meet it. The number is for [`StandIn::remove_fault`].
    ///
    /// # Errors
    ///
    /// There is no such coordinator, or there are too many faults.
    pub async fn add_fault(&self, rule: FaultRule) -> Result<u64> {
        self.deployment.add_fault(rule).await
    }

    /// Takes a fault back, unless it is over; requests that hang in it are closed.
    ///
    /// # Errors
    ///
    /// A port that the fault kept closed can't be listened on.
    pub async fn remove_fault(&self, id: u64) -> Result<()> {
        self.deployment.remove_faults(|active| active.id == id).await.map(drop)
    }

    /// Takes all faults back.
    ///
    /// # Errors
    ///
    /// A port that a fault kept closed can't be listened on.
    pub async fn clear_faults(&self) -> Result<()> {
        self.deployment.remove_faults(|_| true).await.map(drop)
    }

    /// How many requests a fault has hit; none where it was taken back.
    pub fn fault_hits(&self, id: u64) -> Option<u64> {
        let faults = self.deployment.shared.faults.lock();
        faults.rules().iter().find(|active| active.id == id).map(|active| active.hits)
    }

    /// Ends all tokens that were issued until now: whoever comes with one is not authorized.
    pub fn expire_tokens(&self) {
        self.with_model(|model| model.expire_tokens(now()));
    }

    /// Opens the control port on a loopback address. It closes when the stand-in is dropped.
    ///
    /// # Errors
    ///
    /// The address isn't a loopback address or can't be listened on.
    pub async fn start_control(&self, address: SocketAddr) -> Result<SocketAddr> {
        control::start(Arc::clone(&self.deployment), address).await
    }

    /// How many requests came since the start or the last [`StandIn::clear_requests`], whatever became of them.
    pub fn requests(&self) -> u64 {
        self.deployment.shared.log().count()
    }

    /// Returns when so many requests are counted, at once if they are. Without a limit of its own.
    pub async fn wait_for_requests(&self, count: u64) {
        self.deployment.shared.logged(count).await;
    }

    /// The last requests, oldest first: as many as the log holds.
    pub fn request_log(&self) -> Vec<LogEntry> {
        self.deployment.shared.log().entries().cloned().collect()
    }

    /// The same, and they are forgotten at the same moment: none is told twice, and none is missed.
    pub fn take_requests(&self) -> Vec<LogEntry> {
        let mut log = self.deployment.shared.log();
        let entries = log.entries().cloned().collect();
        log.clear();
        entries
    }

    /// Forgets all requests.
    pub fn clear_requests(&self) {
        self.deployment.shared.log().clear();
    }
}
