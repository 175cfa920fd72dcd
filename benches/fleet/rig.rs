//! What is measured runs here: a control plane and a deployment of coordinators, each in processes of their own.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use arango_operator::{
    control_plane::{ControlPlane, Options},
    core::condition::ConditionStatus,
    kinds::cluster::crd::ArangoCluster,
};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::wait::{await_condition, conditions},
};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    Arguments, Size,
    clients::{Clients, NAMESPACE, cluster_name},
    counts::{self, Counts},
    installations::LABEL,
    process,
};

/// How long anything may take to start.
const START: Duration = Duration::from_secs(60);
const ROOT_PASSWORD: &str = "the password of root";

/// Everything but the operator.
pub(crate) struct Rig {
    pub(crate) plane: ControlPlane,
    pub(crate) client: Client,
    pub(crate) clients: Clients,
    stand_ins: Vec<StandIn>,
    /// Namespace and name of each `ArangoCluster`.
    connections: Vec<(String, String)>,
    http: reqwest::Client,
}

/// A deployment of three coordinators, and where it says how often it was asked.
struct StandIn {
    process: Child,
    control: String,
}

impl Rig {
    /// Starts everything, installs the CRDs, and declares the connections.
    pub(crate) async fn start(arguments: &Arguments, size: Size) -> Result<Self> {
        let options = Options { controller_manager: false, ..Options::default() };
        let plane = ControlPlane::start(options, &|progress| {
            if !progress.is_repetition() {
                eprintln!("{progress}");
            }
        })
        .await?;
        let client = plane.client().await?;
        install(&client).await?;
        let mut clients = Vec::new();
        for _ in 0..arguments.clients {
            clients.push(plane.client().await?);
        }
        let http = reqwest::Client::builder().no_proxy().build()?;
        let clients = Clients::new(clients);
        let mut rig = Self { plane, client, clients, stand_ins: Vec::new(), connections: Vec::new(), http };
        rig.namespace(NAMESPACE).await?;
        for n in 0..size.clusters {
            rig.deployment(arguments, NAMESPACE, n).await?;
        }
        Ok(rig)
    }

    /// Makes a namespace with the Secrets that a fleet needs.
    pub(crate) async fn namespace(&self, name: &str) -> Result<()> {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(self.client.clone()).create(&PostParams::default(), &namespace).await?;
        self.secret(name, "prod-root", &[("username", "root"), ("password", ROOT_PASSWORD)]).await?;
        self.secret(name, "passwords", &[("all", "one for all")]).await
    }

    /// Starts a deployment and declares the connection to it.
    pub(crate) async fn deployment(
        &mut self,
        arguments: &Arguments,
        namespace: &str,
        n: usize,
    ) -> Result<()> {
        let endpoints = self.stand_in(arguments).await?;
        self.connect(namespace, n, &endpoints, n % arguments.installations).await
    }

    /// The first deployments that were started stand still: who connects to them is kept waiting.
    pub(crate) fn stop_answering(&self, deployments: usize) -> Result<()> {
        for stand_in in self.stand_ins.iter().take(deployments) {
            let pid = stand_in.process.id().context("the stand-in has ended")?;
            process::signal(pid, Signal::STOP)?;
        }
        Ok(())
    }

    /// Starts a deployment and says where its coordinators are.
    async fn stand_in(&mut self, arguments: &Arguments) -> Result<Vec<String>> {
        let slow = format!("delay method=POST path=/_api/database time={}", arguments.database_delay);
        let mut child = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
            .args(["stand-in", "--listen", "127.0.0.1:0", "--root-password", ROOT_PASSWORD])
            .args(["--control", "127.0.0.1:0"])
            .args(["--delay", &arguments.delay])
            .args(arguments.at_once.map(|at_once| format!("--at-once={at_once}")))
            .args((arguments.database_delay != "0ms").then_some(["--fail", &slow]).into_iter().flatten())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the stand-in can't be started")?;
        let mut lines = BufReader::new(child.stdout.take().context("it has an output")?).lines();
        let mut line = async |what: &str| -> Result<String> {
            let line = timeout(START, lines.next_line()).await??.context("the stand-in has ended")?;
            let url = line.strip_prefix(what).and_then(|line| line.rsplit_once(' '));
            Ok(url.with_context(|| format!("not a {what}: {line}"))?.1.to_owned())
        };
        let mut endpoints = Vec::new();
        while endpoints.len() < 3 {
            endpoints.push(line("coordinator").await?);
        }
        let control = line("control").await?;
        self.stand_ins.push(StandIn { process: child, control });
        Ok(endpoints)
    }

    async fn secret(&self, namespace: &str, name: &str, values: &[(&str, &str)]) -> Result<()> {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let secret = Secret {
            metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() },
            string_data: Some(values),
            ..Secret::default()
        };
        Api::namespaced(self.client.clone(), namespace).create(&PostParams::default(), &secret).await?;
        Ok(())
    }

    async fn connect(&mut self, namespace: &str, n: usize, endpoints: &[String], shard: usize) -> Result<()> {
        let cluster: ArangoCluster = serde_json::from_value(json!({
            "apiVersion": "arango-operator.dev/v1alpha1",
            "kind": "ArangoCluster",
            "metadata": {"name": cluster_name(n), "namespace": namespace, "labels": {LABEL: shard.to_string()}},
            "spec": {"endpoints": endpoints, "auth": {"secretRef": {"name": "prod-root"}}},
        }))?;
        Api::namespaced(self.client.clone(), namespace).create(&PostParams::default(), &cluster).await?;
        self.connections.push((namespace.to_owned(), cluster_name(n)));
        Ok(())
    }

    /// Waits until the operator is connected everywhere.
    pub(crate) async fn connected(&self) -> Result<()> {
        let is_ready = |cluster: Option<&ArangoCluster>| {
            let status = cluster.and_then(|cluster| cluster.status.as_ref());
            status.is_some_and(|status| {
                status
                    .conditions
                    .iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == ConditionStatus::True)
            })
        };
        for (namespace, name) in &self.connections {
            let api = Api::<ArangoCluster>::namespaced(self.client.clone(), namespace);
            let ready = await_condition(api, name, is_ready);
            timeout(START, ready).await.with_context(|| format!("{name} is not Ready"))??;
        }
        Ok(())
    }

    /// What the API server and the stand-ins have counted.
    pub(crate) async fn counts(&self) -> Result<Counts> {
        let mut counts = counts::of_api_server(&self.client).await?;
        for stand_in in &self.stand_ins {
            counts.arango += counts::of_stand_in(&self.http, &stand_in.control).await?;
        }
        Ok(counts)
    }

    /// The time that each program had a core, this one included.
    pub(crate) fn cpu(&self) -> Result<[(&'static str, Duration); 4]> {
        let mut arango = Duration::ZERO;
        for stand_in in &self.stand_ins {
            arango += process::cpu(stand_in.process.id().context("the stand-in has ended")?)?;
        }
        Ok([
            ("API server", self.plane_cpu("kube-apiserver")?),
            ("etcd", self.plane_cpu("etcd")?),
            ("stand-in", arango),
            ("bench", process::cpu(std::process::id())?),
        ])
    }

    fn plane_cpu(&self, program: &str) -> Result<Duration> {
        let path = self.plane.data_dir().join("running").join(program);
        let pid = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        process::cpu(pid.split_whitespace().next().context("a process id")?.parse()?)
    }

    /// Ends everything.
    pub(crate) async fn stop(self) -> Result<()> {
        let Self { plane, stand_ins, .. } = self;
        for mut stand_in in stand_ins {
            stand_in.process.kill().await?;
        }
        Ok(plane.stop().await?)
    }
}

/// The CRDs, as they are generated.
async fn install(client: &Client) -> Result<()> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let mut names = Vec::new();
    for crd in arango_operator::kinds::schema::crds()? {
        let name = crd.metadata.name.clone().context("a CRD has a name")?;
        api.patch(&name, &PatchParams::apply("bench"), &Patch::Apply(&crd)).await?;
        names.push(name);
    }
    for name in names {
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        if timeout(START, established).await.is_err() {
            bail!("the API server does not take up {name}");
        }
    }
    Ok(())
}
