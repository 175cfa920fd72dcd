//! One storm: steps are carried out against a real API server, the stand-in and the built operator.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arango_operator::{
    control_plane::ControlPlane,
    stand_in::{Fault, FaultRule, Now, Options, Request, StandIn},
};
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    check::Theirs,
    keeper::{LEASES, Setup},
    model::Model,
    proxy::Proxy,
    replicas::Replicas,
    report::Report,
    step::{At, ByHand, Object, Place, Step},
    user::again,
};

/// root's password.
pub(crate) const ROOT_PASSWORD: &str = "the password of root";

/// How long it is waited for the request during which the operator is to be killed.
const TRAPPED: Duration = Duration::from_secs(3);

/// Everything that a storm falls upon.
pub(crate) struct Storm<'a> {
    plane: &'a mut ControlPlane,
    pub(crate) client: Client,
    pub(crate) server: Arc<StandIn>,
    pub(crate) model: Model,
    pub(crate) report: Report,
    pub(crate) theirs: Theirs,
    proxy: Proxy,
    pub(crate) replicas: Replicas,
    /// Of each place.
    namespaces: [String; 2],
    /// How often each user's password was changed.
    pub(crate) passwords: std::collections::BTreeMap<Object, u32>,
    /// So that no two wishes are alike.
    pub(crate) wishes: u64,
    armed: Option<Armed>,
    begun: Instant,
    folder: TempDir,
}

/// A kill that waits for its request.
struct Armed {
    phase: String,
    killed: JoinHandle<()>,
    fault: Option<u64>,
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

impl<'a> Storm<'a> {
    /// A deployment with what is not ours, two namespaces with a connection, and an operator for both, in so many replicas.
    pub(crate) async fn prepare(
        plane: &'a mut ControlPlane,
        seed: u64,
        replicas: usize,
    ) -> Result<Self, String> {
        static STORMS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = STORMS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let client = plane.client().await.unwrap();
        let server = Arc::new(StandIn::start(Options::cluster(3, ROOT_PASSWORD)).await.unwrap());
        let proxy = Proxy::start(client.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let mut config = serde_json::to_value(plane.kubeconfig()).unwrap();
        config["clusters"][0]["cluster"] = json!({"server": proxy.url});
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let namespaces = [format!("storm-{number}"), format!("storm-{number}-tenant")];
        let setup = Setup {
            kubeconfig,
            namespaces: namespaces.to_vec(),
            log: folder.path().join("operator.log"),
            client: client.clone(),
            identity: None,
        };
        let theirs = Theirs::make(&server);
        let replicas = Replicas::start(replicas, &client, &setup);
        let mut storm = Self {
            plane,
            client,
            server,
            model: Model::default(),
            report: Report { seed, ..Report::default() },
            theirs,
            proxy,
            replicas,
            namespaces,
            passwords: std::collections::BTreeMap::new(),
            wishes: 0,
            armed: None,
            begun: Instant::now(),
            folder,
        };
        storm.settle_in().await?;
        Ok(storm)
    }

    /// The namespace of a place.
    pub(crate) fn namespace(&self, place: Place) -> &str {
        &self.namespaces[place as usize]
    }

    /// Where the operators log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("operator.log")
    }

    /// Sends the server what an administrator does by hand, past all faults. Whether it was done.
    pub(crate) fn by_hand(server: &StandIn, request: &Request) -> bool {
        server.with_model(|model| model.handle_as_superuser(request, Now(now())).status.is_success())
    }

    /// Carries one step out, and looks whether anything happened that may never happen.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), String> {
        self.report.steps += 1;
        if step.is_fault() {
            self.goes_wrong(step).await?;
        } else {
            match step {
                Step::Calm => self.calm().await?,
                Step::Wait(millis) => sleep(Duration::from_millis(*millis)).await,
                Step::Fill(place, n) => self.fill(Object::Database(*place, *n)),
                Step::Grant(n) => self.grant(Object::User(Place::Own, *n)),
                Step::ByHand(object, what) => self.change_by_hand(*object, *what),
                act => self.act(act).await?,
            }
            self.report.acts += 1;
        }
        self.nothing_forbidden()
    }

    fn fill(&mut self, database: Object) {
        let Object::Database(..) = database else { return };
        let name = database.name();
        let request =
            Request::post(format!("/_db/{name}/_api/collection"), &json!({"name": crate::check::DATA}));
        if self.model.declares(database) && Self::by_hand(&self.server, &request) {
            self.model.filled.insert(database);
        }
    }

    fn grant(&mut self, user: Object) {
        let path = format!("/_api/user/{}/database/{}", user.name(), crate::check::THEIRS[0]);
        let request = Request::put(path, &json!({"grant": "ro"}));
        if self.model.declares(user) && Self::by_hand(&self.server, &request) {
            self.model.granted.insert(user);
        }
    }

    fn change_by_hand(&mut self, object: Object, what: ByHand) {
        if !self.model.declares(object) {
            return;
        }
        let request = match (object, what) {
            (Object::Row(place, user, database), ByHand::Level(level)) => {
                let (user, database) =
                    (Object::User(place, user).name(), Object::Database(place, database).name());
                Request::put(format!("/_api/user/{user}/database/{database}"), &json!({"grant": level}))
            }
            (Object::User(..), ByHand::Password) => {
                Request::patch(format!("/_api/user/{}", object.name()), &json!({"passwd": "by hand"}))
            }
            (Object::User(..), ByHand::Gone) => {
                self.model.granted.remove(&object);
                Request::delete(format!("/_api/user/{}", object.name()))
            }
            _ => return,
        };
        Self::by_hand(&self.server, &request);
    }

    async fn goes_wrong(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Arango(text) => {
                let rule: FaultRule = text.parse().map_err(|error| format!("{text:?}: {error}"))?;
                let name = rule.fault.name();
                self.server.add_fault(rule).await.map_err(|error| error.to_string())?;
                self.report.fault(name, u64::from(crate::check::LASTING.contains(&name)));
            }
            Step::Coordinator(index, millis) => {
                let (server, index, millis) = (Arc::clone(&self.server), *index, *millis);
                server.stop_coordinator(index).await.map_err(|error| error.to_string())?;
                self.report.fault("coordinator killed", 1);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(millis)).await;
                    drop(server.start_coordinator(index).await);
                });
            }
            Step::ExpireTokens => {
                self.server.expire_tokens();
                self.report.fault("tokens expired", 1);
            }
            Step::Trouble(trouble, count) => self.proxy.trouble(*trouble, *count),
            Step::CutWatches => self.proxy.cut_watches(),
            Step::CrashApiServer => {
                self.plane.crash_api_server().await.map_err(|error| error.to_string())?;
                self.report.fault("kube-apiserver killed and restarted", 1);
            }
            Step::CrashEtcd => {
                self.plane.crash_etcd().await.map_err(|error| error.to_string())?;
                self.report.fault("etcd killed and restarted", 1);
            }
            Step::Kill(at) => self.kill(at).await,
            Step::Stop(millis) => {
                self.replicas.stop_leader().await;
                sleep(Duration::from_millis(*millis)).await;
                self.replicas.go_on().await;
                self.report.fault("operator stopped and continued", 1);
            }
            Step::Clock(seconds) => {
                let seconds = jiff::SignedDuration::from_secs(*seconds);
                self.change_lease(|lease| {
                    let spec = lease.spec.get_or_insert_default();
                    if let Some(MicroTime(time)) = &mut spec.renew_time {
                        *time = time.saturating_add(seconds).unwrap_or(*time);
                    }
                })
                .await;
                self.report.fault("clock jumped", 1);
            }
            Step::Deposed => {
                self.change_lease(|lease| {
                    lease.spec.get_or_insert_default().holder_identity = Some("somebody else".to_owned());
                })
                .await;
                self.report.fault("lease taken away", 1);
            }
            _ => {}
        }
        Ok(())
    }

    /// Nothing where there is no Lease, or it is renewed at this moment: then the next one is as it would be.
    async fn change_lease(&self, change: impl FnOnce(&mut Lease)) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), LEASES);
        let name = self.namespace(Place::Own);
        if let Ok(Some(mut lease)) = leases.get_opt(name).await {
            change(&mut lease);
            drop(leases.replace(name, &PostParams::default(), &lease).await);
        }
    }

    async fn kill(&mut self, at: &At) {
        self.disarm().await;
        // Who leads when the request comes, which may be another one than now.
        let leader = self.replicas.leader();
        let phase = |of: &str, method: &str, what: &str, done: bool| {
            format!("{of} {method} {what}, {}", if done { "done" } else { "not done" })
        };
        self.armed = Some(match at {
            At::Once => {
                leader.kill().await;
                self.report.anywhere += 1;
                return;
            }
            At::Arango { method, path, done } => {
                let rule = FaultRule::new(Fault::Hang).path(path.clone()).next(1).effect(*done);
                let rule = method.parse().map_or(rule.clone(), |method| rule.clone().method(method));
                let Ok(fault) = self.server.add_fault(rule).await else { return };
                let server = Arc::clone(&self.server);
                let killed = tokio::spawn(async move {
                    while server.fault_hits(fault) == Some(0) {
                        sleep(Duration::from_millis(5)).await;
                    }
                    leader.kill().await;
                    drop(server.remove_fault(fault).await);
                });
                Armed { phase: phase("ArangoDB", method, path, *done), killed, fault: Some(fault) }
            }
            At::Kube { method, what, done } => {
                let trap = self.proxy.set_trap(method, what, *done);
                let killed = tokio::spawn(async move {
                    trap.sprung().await;
                    leader.kill().await;
                });
                Armed { phase: phase("Kubernetes", method, what, *done), killed, fault: None }
            }
        });
    }

    /// Waits a moment for the request that a kill waits for, and gives up waiting.
    async fn disarm(&mut self) {
        let Some(Armed { phase, mut killed, fault }) = self.armed.take() else { return };
        if timeout(TRAPPED, &mut killed).await.is_ok() {
            *self.report.between.entry(phase).or_default() += 1;
            self.report.hung += u64::from(fault.is_some());
            return;
        }
        killed.abort();
        self.proxy.clear_trap();
        if let Some(fault) = fault {
            drop(self.server.remove_fault(fault).await);
        }
    }

    /// Everything works again.
    pub(crate) async fn clear(&mut self) -> Result<(), String> {
        self.disarm().await;
        self.server.clear_faults().await.map_err(|error| error.to_string())?;
        for index in 0..3 {
            self.server.start_coordinator(index).await.map_err(|error| error.to_string())?;
        }
        self.proxy.clear();
        self.replicas.go_on().await;
        Ok(())
    }

    /// Nobody acts any more.
    pub(crate) async fn operator_ends(&mut self) {
        self.replicas.end().await;
    }

    /// Ends what is left of it. Tells the figures.
    pub(crate) async fn end(mut self) -> Report {
        drop(self.clear().await);
        // What hung so that the operator could be killed is counted as a kill.
        drop(self.nothing_forbidden());
        if let Some(hits) = self.report.faults.get_mut("hang") {
            *hits = hits.saturating_sub(self.report.hung);
        }
        self.replicas.end().await;
        self.proxy.end();
        let (troubles, cut) = self.proxy.hits();
        for (trouble, hits) in troubles {
            self.report.fault(&format!("API server: {trouble:?}"), hits);
        }
        self.report.fault("API server: watch cut", cut);
        self.report.hands = self.replicas.changes_of_hands();
        self.report.ends = self.replicas.ends();
        self.report.took = self.begun.elapsed();
        self.report
    }

    /// The `ArangoCluster` and the Secrets that come with it.
    async fn settle_in(&mut self) -> Result<(), String> {
        self.make_namespace(Place::Own).await?;
        self.make_namespace(Place::Tenant).await?;
        let namespace = self.namespace(Place::Own).to_owned();
        let account = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prod-root"},
            "stringData": {"username": "root", "password": ROOT_PASSWORD},
        });
        self.apply(&namespace, account).await?;
        let lent = json!([{
            "namespaces": {"matchLabels": {"team": "tenant"}}, "databases": ["ten-*"], "users": ["ten-*"],
            "maxAccess": "rw", "adopt": true,
        }]);
        let cluster: Value = json!({
            "apiVersion": "arango-operator.dev/v1alpha1", "kind": "ArangoCluster", "metadata": {"name": "prod"},
            "spec": {
                "endpoints": self.server.endpoints(), "auth": {"secretRef": {"name": "prod-root"}},
                "drift": {"interval": "1s"}, "requests": {"timeout": "5s"}, "access": lent,
            },
        });
        self.apply(&namespace, cluster).await
    }

    /// Annotates the `ArangoCluster`.
    pub(crate) async fn maintain(&mut self, on: bool) -> Result<(), String> {
        let value = if on { json!("on") } else { Value::Null };
        self.annotate(Place::Own, "ArangoCluster", "prod", "maintenance", value).await?;
        self.model.maintenance = on;
        Ok(())
    }

    /// Applies a manifest, again and again if need be.
    pub(crate) async fn apply(&self, namespace: &str, manifest: Value) -> Result<(), String> {
        let api = crate::user::api(&self.client, namespace, manifest["kind"].as_str().unwrap());
        let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
        let parameters = kube::api::PatchParams::apply("somebody").force();
        let patch = kube::api::Patch::Apply(manifest);
        again(&format!("apply {name}"), async || api.patch(&name, &parameters, &patch).await).await.map(drop)
    }
}
