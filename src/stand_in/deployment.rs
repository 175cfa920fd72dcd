//! The coordinators' sockets, and the faults that close them.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use futures::future::join_all;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Mutex,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    connection::Server,
    fault::{Active, Fault, FaultRule},
    shared::{Shared, now},
};

/// How long a graceful stop waits for requests that are under way.
const GRACE: Duration = Duration::from_secs(5);

/// Whose requests and connections are answered.
pub(super) struct Deployment {
    pub(super) shared: Arc<Shared>,
    pub(super) addresses: Vec<SocketAddr>,
    coordinators: Vec<Mutex<Coordinator>>,
    tls: Option<TlsAcceptor>,
    /// Cancelled when the stand-in is dropped.
    pub(super) dropped: CancellationToken,
}

/// One coordinator's socket.
pub(super) struct Coordinator {
    address: SocketAddr,
    /// Bound but not listening: keeps the port ours while the coordinator is away, and connections are refused.
    _reserved: TcpSocket,
    /// Whether it was stopped by hand.
    stopped: bool,
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

/// An address that clients on this machine can use: the unspecified one is for listening only.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

impl Coordinator {
    /// Takes the ports: the first address and those after it, or a free one for each where it has no port.
    pub(super) fn reserve(first: SocketAddr, count: usize) -> Result<Vec<Self>> {
        let reserve = |n: usize| {
            let port = match first.port() {
                0 => 0,
                port => u16::try_from(usize::from(port) + n)
                    .context("no port is left for the last coordinator")?,
            };
            let reserved = socket(SocketAddr::new(first.ip(), port))?;
            let address = reserved.local_addr()?;
            Ok(Self { address, _reserved: reserved, stopped: false, running: None })
        };
        (0..count).map(reserve).collect()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Deployment {
    pub(super) fn new(coordinators: Vec<Coordinator>, shared: Shared, tls: Option<TlsAcceptor>) -> Self {
        Self {
            shared: Arc::new(shared),
            addresses: coordinators.iter().map(Coordinator::address).collect(),
            coordinators: coordinators.into_iter().map(Mutex::new).collect(),
            tls,
            dropped: CancellationToken::new(),
        }
    }

    /// The URLs of the coordinators, those included that are away.
    pub(super) fn endpoints(&self) -> Vec<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.addresses.iter().map(|address| format!("{scheme}://{}", reachable(*address))).collect()
    }

    /// Whether a coordinator's port is open.
    pub(super) async fn is_running(&self, index: usize) -> Result<bool> {
        Ok(self.coordinator(index)?.lock().await.running.is_some())
    }

    /// Stops a coordinator by hand, or takes that back.
    pub(super) async fn set_stopped(&self, index: usize, stopped: bool) -> Result<()> {
        self.coordinator(index)?.lock().await.stopped = stopped;
        self.settle(index).await
    }

    /// Opens or closes a coordinator's port and connections, as it should be now.
    async fn settle(&self, index: usize) -> Result<()> {
        let mut coordinator = self.coordinator(index)?.lock().await;
        let wanted = !coordinator.stopped && !self.shared.faults.lock().refuses(index, Instant::now());
        match coordinator.running.take() {
            Some(running) if wanted => coordinator.running = Some(running),
            Some(running) => {
                running.abort().await?;
                self.shared.replicas.lock().model.set_away(index, Some(now()));
            }
            None if wanted => {
                let listener = listen(coordinator.address)?;
                self.shared.replicas.lock().model.set_away(index, None);
                let (stop, abort) = (CancellationToken::new(), self.dropped.child_token());
                let server =
                    Server { coordinator: index, shared: Arc::clone(&self.shared), tls: self.tls.clone() };
                let task = tokio::spawn(server.accept(listener, stop.clone(), abort.clone()));
                coordinator.running = Some(Running { stop, abort, task });
            }
            None => {}
        }
        Ok(())
    }

    /// Opens and closes every port as it should be now.
    pub(super) async fn settle_all(&self) -> Result<()> {
        join_all((0..self.coordinators.len()).map(|index| self.settle(index))).await.into_iter().collect()
    }

    /// Whether there is whom a rule is about.
    pub(super) fn check(&self, rule: &FaultRule) -> Result<()> {
        rule.coordinator.map_or(Ok(()), |index| self.coordinator(index).map(drop))
    }

    /// Puts a rule in force, and takes it back when its time is over.
    pub(super) async fn add_fault(self: &Arc<Self>, rule: FaultRule) -> Result<u64> {
        self.check(&rule)?;
        let (refuses, lasting) = (rule.fault == Fault::Refuse, rule.lasting);
        let id = self.shared.faults.lock().add(rule, Instant::now()).map_err(|error| anyhow!(error))?;
        if let Some(time) = lasting {
            let deployment = Arc::clone(self);
            tokio::spawn(async move {
                tokio::select! {
                    () = deployment.dropped.cancelled() => {}
                    () = tokio::time::sleep(time) => {
                        // A port that is taken meanwhile stays closed; there is nobody here to tell.
                        let _ = deployment.remove_faults(|active| active.id == id).await;
                    }
                }
            });
        }
        if refuses {
            self.settle_all().await?;
        }
        Ok(id)
    }

    /// Takes rules back, and says which.
    pub(super) async fn remove_faults(&self, meant: impl Fn(&Active) -> bool) -> Result<Vec<u64>> {
        let removed = self.shared.faults.lock().remove(meant);
        self.settle_all().await?;
        Ok(removed)
    }

    /// Stops all coordinators: requests under way are answered, new connections are refused.
    pub(super) async fn stop(&self) -> Result<()> {
        // Nobody goes on hanging.
        self.shared.faults.lock().remove(|_| true);
        let stops = self.coordinators.iter().map(|coordinator| async {
            match coordinator.lock().await.running.take() {
                Some(running) => running.stop().await,
                None => Ok(()),
            }
        });
        join_all(stops).await.into_iter().collect()
    }

    fn coordinator(&self, index: usize) -> Result<&Mutex<Coordinator>> {
        let count = self.coordinators.len();
        let Some(coordinator) = self.coordinators.get(index) else {
            bail!("there is no coordinator {}, there are {count}", index.saturating_add(1))
        };
        Ok(coordinator)
    }
}
