//! What the demo has started: the control plane, the coordinators, the operator. Ended in the opposite order.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow};
use rand::{RngExt, distr::Alphanumeric};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        control_plane::{self, Copied},
        screen::Screen,
    },
    control_plane::{ControlPlane, Options, Progress},
    operator::{self, Addresses, Settings},
    stand_in::{self, Config, StandIn},
};

/// How many coordinators there are.
const COORDINATORS: usize = 3;
/// Where the first coordinator listens, if that port and those after it are free: `ArangoDB`'s own.
const PORT: u16 = 8529;
/// How many characters the password of root has.
const PASSWORD: usize = 24;
/// How long the operator may take to serve its health.
const OPERATOR_START: Duration = Duration::from_secs(10);
/// How long the operator may take to end: longer than it gives what is under way.
const OPERATOR_END: Duration = Duration::from_secs(30);

/// What is running.
#[derive(Default)]
pub(super) struct Stage {
    operator: Option<Operator>,
    stand_in: Option<StandIn>,
    /// Removed when all is over.
    kubeconfig: Option<Copied>,
    plane: Option<ControlPlane>,
    root_password: String,
}

struct Operator {
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<operator::End>>,
    addresses: Addresses,
}

impl Stage {
    /// etcd, kube-apiserver and kube-controller-manager, as child processes.
    pub(super) async fn start_control_plane(
        &mut self,
        kubeconfig: Option<&Path>,
        screen: &Screen,
    ) -> Result<()> {
        screen.draw("starting the control plane …");
        let begin = Instant::now();
        let tell = |progress| {
            // Its end is told below, with more.
            if !matches!(progress, Progress::Ready { .. }) {
                screen.tell(&progress);
            }
        };
        let plane = ControlPlane::start(Options::default(), &tell).await?;
        screen.done(format_args!(
            "a Kubernetes control plane runs on {} ({:.1} s)",
            plane.server_url(),
            begin.elapsed().as_secs_f64()
        ));
        let plane = self.plane.insert(plane);
        self.kubeconfig = kubeconfig.map(|path| Copied::create(plane, path)).transpose()?;
        Ok(())
    }

    /// The coordinators, in this process; on `ArangoDB`'s ports if they are free and nobody wants others.
    pub(super) async fn start_stand_in(&mut self, listen: Option<SocketAddr>, screen: &Screen) -> Result<()> {
        self.root_password = rand::rng().sample_iter(Alphanumeric).take(PASSWORD).map(char::from).collect();
        let mut config = Config::cluster(COORDINATORS, rand::random());
        config.root_password.clone_from(&self.root_password);
        config.jwt_secret = rand::random::<[u8; 32]>().to_vec();
        let mut options = stand_in::Options::new(config);
        options.listen = listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        let stand_in = match StandIn::start(options.clone()).await {
            Err(_) if listen.is_none() => {
                options.listen.set_port(0);
                StandIn::start(options).await.context("no free ports were found for the coordinators")?
            }
            started => started?,
        };
        screen.done(format_args!("three coordinators answer on {}", stand_in.endpoints().join(", ")));
        self.stand_in = Some(stand_in);
        Ok(())
    }

    /// The operator, in this process: the same code as `run`.
    pub(super) async fn start_operator(&mut self, client: kube::Client, screen: &Screen) -> Result<()> {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Settings {
            selector: None,
            lease: (None, operator::rbac::NAME.to_owned()),
            namespaces: Vec::new(),
            cluster_namespaces: Vec::new(),
            instance: None,
            // It is alone on its control plane.
            identity: "demo".to_owned(),
            election: None,
            routes: Vec::new(),
            health: free,
            metrics: free,
            maintenance_period: crate::core::maintenance::HOUR,
        };
        let stop = CancellationToken::new();
        let (tell, told) = oneshot::channel();
        let task = tokio::spawn(operator::run(client, settings, stop.clone(), move |addresses| {
            // Nobody listens any more only if the demo is being ended.
            let _ = tell.send(addresses);
        }));
        let Ok(Ok(addresses)) = timeout(OPERATOR_START, told).await else {
            stop.cancel();
            return Err(anyhow!("the operator did not start; run again with --log info to see why"));
        };
        screen.done(format_args!("the operator runs, its health is on http://{}", addresses.health));
        self.operator = Some(Operator { stop, task, addresses });
        Ok(())
    }

    /// The control plane.
    pub(super) fn plane(&self) -> Result<&ControlPlane> {
        self.plane.as_ref().context("the control plane is not running")
    }

    /// A client for the control plane.
    pub(super) async fn client(&self) -> Result<kube::Client> {
        Ok(self.plane()?.client().await?)
    }

    /// Where the coordinators answer.
    pub(super) fn endpoints(&self) -> Vec<String> {
        self.stand_in.as_ref().map(StandIn::endpoints).unwrap_or_default()
    }

    /// The password of root on the coordinators.
    pub(super) fn root_password(&self) -> &str {
        &self.root_password
    }

    /// Where the operator's metrics are.
    pub(super) fn metrics(&self) -> String {
        self.operator.as_ref().map(|operator| operator.addresses.metrics.to_string()).unwrap_or_default()
    }

    /// Ends when something has ended by itself.
    pub(super) async fn failed(&mut self) -> Error {
        let Self { operator: Some(Operator { task, .. }), plane: Some(plane), .. } = self else {
            return anyhow!("not everything was started");
        };
        let ended = tokio::select! {
            failure = control_plane::watch(plane) => return failure,
            ended = task => ended,
        };
        self.operator = None;
        match ended {
            Ok(Ok(_)) => anyhow!("the operator ended by itself"),
            Ok(Err(error)) => Error::new(error).context("the operator ended by itself"),
            Err(error) => Error::new(error).context("the operator failed, which is a mistake of ours"),
        }
    }

    /// Ends everything, the last that was started first, and says what went wrong first; otherwise, whether there was
    /// a control plane to end.
    pub(super) async fn end(&mut self) -> Result<bool> {
        let mut outcome = Ok(());
        if let Some(Operator { stop, task, .. }) = self.operator.take() {
            stop.cancel();
            outcome = outcome.and(match timeout(OPERATOR_END, task).await {
                Ok(Ok(ended)) => ended.map(drop).context("the operator did not end well"),
                Ok(Err(error)) => Err(Error::new(error).context("the operator failed")),
                Err(_) => Err(anyhow!("the operator did not end within {} s", OPERATOR_END.as_secs())),
            });
        }
        if let Some(stand_in) = self.stand_in.take() {
            outcome = outcome.and(stand_in.stop().await);
        }
        let plane = self.plane.take();
        let was_there = plane.is_some();
        if let Some(plane) = plane {
            outcome = outcome.and(plane.stop().await.map_err(Error::new));
        }
        outcome.map(|()| was_there)
    }
}
