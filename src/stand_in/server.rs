//! Sockets in front of the model: every coordinator on a port of its own, HTTP/1.1 and clear-text HTTP/2 on each.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    connection,
    log::{LogEntry, RequestLog},
    model::{Config, Model, Now, Request, Response},
};

/// How long a graceful stop waits for requests that are under way.
const GRACE: Duration = Duration::from_secs(5);

/// What a stand-in is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address of the first coordinator; the others take the ports after it. Port 0: a free port for each.
    pub listen: SocketAddr,
    /// The deployment. Its addresses are filled in when the sockets are open.
    pub config: Config,
    /// How long a request waits before it is looked at.
    pub delay: Duration,
}

impl Options {
    /// On free ports of the loopback address, without delay.
    pub fn new(config: Config) -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), config, delay: Duration::ZERO }
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

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) model: Mutex<Model>,
    pub(super) log: Mutex<RequestLog>,
    pub(super) delay: Duration,
}

impl Shared {
    /// Answers one request, after the delay. Faults will be decided here: before the model sees the request, or
    /// between its answer and the client.
    pub(super) async fn answer(&self, request: Request) -> Response {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let now = now();
        let response = self.model.lock().handle(&request, now);
        let Request { coordinator, method, path_and_query: path, .. } = request;
        let (user, status) = (response.user.clone(), response.status);
        self.log.lock().push(LogEntry { time: now, coordinator, user, method, path, status });
        response
    }
}

/// The wall clock, which the model doesn't have.
pub(super) fn now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Now(since.unwrap_or_default().as_secs_f64())
}

/// One coordinator's socket.
struct Coordinator {
    address: SocketAddr,
    /// Bound but not listening: keeps the port ours while the coordinator is stopped, and connections are refused.
    _reserved: TcpSocket,
    running: Option<Running>,
}

/// The task that accepts for a coordinator. Ends with it: connections are its children.
struct Running {
    stop: CancellationToken,
    abort: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Closes the listener and every connection, whatever is under way.
    async fn abort(self) -> Result<()> {
        self.abort.cancel();
        self.task.await.context("the coordinator's task failed")
    }

    /// Closes the listener, lets requests end, and closes what is left after a while.
    async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        match tokio::time::timeout(GRACE, &mut self.task).await {
            Ok(ended) => ended.context("the coordinator's task failed"),
            Err(_) => self.abort().await,
        }
    }
}

/// An ArangoDB in memory that answers on real sockets. Dropping it ends all its tasks.
pub struct StandIn {
    shared: Arc<Shared>,
    coordinators: Vec<tokio::sync::Mutex<Coordinator>>,
    addresses: Vec<SocketAddr>,
    /// Cancelled when the stand-in is dropped.
    dropped: CancellationToken,
}

impl std::fmt::Debug for StandIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StandIn").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.dropped.cancel();
    }
}

fn socket(address: SocketAddr) -> Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Two sockets may share the port as long as one of them listens at most.
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("can't use the address {address}"))?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    socket(address)?.listen(1024).with_context(|| format!("can't listen on {address}"))
}

impl StandIn {
    /// Opens the sockets and starts to answer.
    ///
    /// # Errors
    ///
    /// An address can't be listened on.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { listen: first, config, delay } = options;
        let mut coordinators = Vec::new();
        for n in 0..config.coordinators() {
            let port = match first.port() {
                0 => 0,
                port => u16::try_from(usize::from(port) + n)
                    .context("no port is left for the last coordinator")?,
            };
            let reserved = socket(SocketAddr::new(first.ip(), port))?;
            let address = reserved.local_addr()?;
            coordinators.push(Coordinator { address, _reserved: reserved, running: None });
        }
        let addresses: Vec<SocketAddr> = coordinators.iter().map(|coordinator| coordinator.address).collect();
        let mut model = Model::new(config);
        model.set_addresses(addresses.iter().map(|address| reachable(*address).to_string()).collect());
        let shared = Shared { model: Mutex::new(model), log: Mutex::default(), delay };
        let stand_in = Self {
            shared: Arc::new(shared),
            coordinators: coordinators.into_iter().map(tokio::sync::Mutex::new).collect(),
            addresses,
            dropped: CancellationToken::new(),
        };
        for index in 0..stand_in.coordinators.len() {
            stand_in.start_coordinator(index).await?;
        }
        Ok(stand_in)
    }

    /// The URLs of the coordinators, stopped ones included.
    pub fn endpoints(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{}", reachable(*address))).collect()
    }

    /// Looks at the model or changes it. No request is answered meanwhile.
    pub fn with_model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.shared.model.lock())
    }

    /// Closes a coordinator's listener and all its connections, as if its process was killed: from here on,
    /// connections are refused. Done already if it is stopped.
    ///
    /// # Errors
    ///
    /// There is no such coordinator.
    pub async fn stop_coordinator(&self, index: usize) -> Result<()> {
        let mut coordinator = self.coordinator(index)?.lock().await;
        if let Some(running) = coordinator.running.take() {
            running.abort().await?;
            self.with_model(|model| model.set_away(index, Some(now())));
        }
        Ok(())
    }

    /// Starts a stopped coordinator on its old port. Done already if it runs.
    ///
    /// # Errors
    ///
    /// There is no such coordinator, or its port can't be listened on.
    pub async fn start_coordinator(&self, index: usize) -> Result<()> {
        let mut coordinator = self.coordinator(index)?.lock().await;
        if coordinator.running.is_none() {
            let listener = listen(coordinator.address)?;
            self.with_model(|model| model.set_away(index, None));
            let (stop, abort) = (CancellationToken::new(), self.dropped.child_token());
            let task =
                connection::accept(listener, index, Arc::clone(&self.shared), stop.clone(), abort.clone());
            coordinator.running = Some(Running { stop, abort, task: tokio::spawn(task) });
        }
        Ok(())
    }

    /// Stops all coordinators: requests under way are answered, new connections are refused.
    ///
    /// # Errors
    ///
    /// A coordinator's task failed.
    pub async fn stop(self) -> Result<()> {
        let stops = self.coordinators.iter().map(|coordinator| async {
            match coordinator.lock().await.running.take() {
                Some(running) => running.stop().await,
                None => Ok(()),
            }
        });
        join_all(stops).await.into_iter().collect()
    }

    /// How many requests were answered since the start or the last [`StandIn::clear_requests`].
    pub fn requests(&self) -> u64 {
        self.shared.log.lock().count()
    }

    /// The last requests, oldest first: as many as the log holds.
    pub fn request_log(&self) -> Vec<LogEntry> {
        self.shared.log.lock().entries()
    }

    /// Forgets all requests.
    pub fn clear_requests(&self) {
        self.shared.log.lock().clear();
    }

    fn coordinator(&self, index: usize) -> Result<&tokio::sync::Mutex<Coordinator>> {
        let Some(coordinator) = self.coordinators.get(index) else {
            bail!("there is no coordinator {index}; the last one is {}", self.coordinators.len() - 1)
        };
        Ok(coordinator)
    }
}

/// An address that clients on this machine can use: the unspecified one is for listening only.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port())
        }
        _ => address,
    }
}

/// Requests that never block on I/O end in this type.
pub(super) type Served = Result<http::Response<axum::body::Body>, Infallible>;
