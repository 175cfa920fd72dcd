//! Manifests and a stand-in's model, and what `plan` and `apply` make of them. A run can be killed at any request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arango_operator::{
    arango::{Client, Error, Rehearsal, Request, Response, Transport},
    core::Id,
    kinds::Viewpoint,
    manifests::{self, Manifests, Options, Source},
    offline::{self, Record, Report, Scene},
    reconcile::Server,
    stand_in::{self, Config, Model, Now},
};
use futures::future::BoxFuture;
use http::Method;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Where a run is killed: at which of its requests, and whether the server still carries that one out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    pub(crate) at: usize,
    pub(crate) carried_out: bool,
}

/// A deployment that answers function calls, and counts them.
pub(crate) struct Stage {
    pub(crate) model: Mutex<Model>,
    /// Requests that came.
    count: AtomicUsize,
    /// Those that were answered with a success.
    done: Mutex<Vec<String>>,
    kill: Mutex<Option<Kill>>,
    /// A request that somebody else sends a moment before.
    before: Mutex<Option<(Method, String)>>,
    killed: Notify,
}

#[derive(Clone)]
struct Wire(Arc<Stage>);

impl Transport for Wire {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async move {
            let number = self.0.count.fetch_add(1, Ordering::Relaxed);
            let kill = self.0.kill.lock().filter(|kill| kill.at == number);
            let mut sent = stand_in::Request::new(request.method.clone(), request.path.clone());
            if let Some(body) = &request.body {
                sent = sent.json(body);
            }
            let is_it =
                |(method, path): &(Method, String)| *method == request.method && *path == request.path;
            if self.0.before.lock().as_ref().is_some_and(is_it) {
                self.0.model.lock().handle_as_superuser(&sent, Now(1.8e9));
            }
            let answer = match kill {
                Some(Kill { carried_out: false, .. }) => None,
                _ => Some(self.0.model.lock().handle_as_superuser(&sent, Now(1.8e9))),
            };
            match answer {
                Some(answer) if kill.is_none() => {
                    if answer.status.is_success() {
                        self.0.done.lock().push(format!("{} {}", request.method, request.path));
                    }
                    Ok(Response { status: answer.status, body: answer.body, coordinator: 0 })
                }
                _ => {
                    // Dead: whoever asked never hears of it.
                    self.0.killed.notify_one();
                    std::future::pending().await
                }
            }
        })
    }

    fn pause(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// How manifests are applied.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How<'a> {
    pub(crate) set: Option<&'a str>,
    pub(crate) prunes: bool,
    pub(crate) take_over: Option<&'a str>,
}

impl<'a> How<'a> {
    pub(crate) fn set(name: &'a str) -> Self {
        Self { set: Some(name), ..Self::default() }
    }

    pub(crate) fn pruning(self) -> Self {
        Self { prunes: true, ..self }
    }
}

/// Reads manifests.
pub(crate) fn read(text: &str) -> Manifests {
    let sources = [Source::Text("m.yaml".to_owned(), text.to_owned())];
    manifests::read(&sources, &Options::default()).unwrap_or_else(|complaints| panic!("{complaints:?}"))
}

impl Stage {
    /// A fresh deployment.
    pub(crate) fn new() -> Arc<Self> {
        Self::with(Model::new(Config::cluster(1, 1)))
    }

    pub(crate) fn with(model: Model) -> Arc<Self> {
        let (count, done, kill) = (AtomicUsize::new(0), Mutex::default(), Mutex::default());
        Arc::new(Self {
            model: Mutex::new(model),
            count,
            done,
            kill,
            before: Mutex::default(),
            killed: Notify::new(),
        })
    }

    /// From here on somebody else sends the same a moment before, whenever such a request comes.
    pub(crate) fn interfere(&self, method: Method, path: &str) {
        *self.before.lock() = Some((method, path.to_owned()));
    }

    /// Asks as the deployment itself.
    pub(crate) fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = stand_in::Request::new(method, path).json(body);
        let answer = self.model.lock().handle_as_superuser(&request, Now(1.8e9));
        assert!(answer.status.is_success(), "{path}: {}", answer.json());
        answer.json()
    }

    /// The requests since this was asked last that changed something beside the record, sorted.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let mut all = std::mem::take(&mut *self.done.lock());
        all.retain(|request| {
            let asks = ["GET ", "POST /_open/auth", "POST /_db/_system/_api/cursor"];
            let remembers = [offline::COLLECTION, "POST /_db/_system/_api/collection"];
            !asks.iter().any(|start| request.starts_with(start))
                && !remembers.iter().any(|part| request.contains(part))
        });
        all.sort();
        all
    }

    /// Databases and users with all that is told of them, and what every set remembers.
    pub(crate) fn looks(&self) -> Value {
        let model = self.model.lock();
        let users = model.users().map(|name| {
            let user = model.user(name).unwrap();
            format!("{name}: {} {:?} {:?}", user.active, user.extra, user.grants)
        });
        let users: Vec<_> = users.collect();
        let databases: Vec<_> = model.databases().map(str::to_owned).collect();
        drop(model);
        serde_json::json!({"users": users, "databases": databases, "remembered": self.remembered()})
    }

    /// What every set remembers, without what changes each time.
    pub(crate) fn remembered(&self) -> Vec<Value> {
        let model = self.model.lock();
        if !model.collections("_system").any(|name| name == offline::COLLECTION) {
            return Vec::new();
        }
        drop(model);
        let body = serde_json::json!({
            "query": "FOR one IN @@collection RETURN one", "bindVars": {"@collection": offline::COLLECTION},
        });
        let mut all = self.ask(Method::POST, "/_api/cursor", &body)["result"].take();
        let all = all.as_array_mut().unwrap();
        for one in &mut *all {
            drop(one.as_object_mut().unwrap().remove("_rev"));
        }
        std::mem::take(all)
    }

    /// The plan.
    pub(crate) async fn plan(self: &Arc<Self>, manifests: &Manifests, how: How<'_>) -> Report {
        let viewpoint = if how.set.is_some() { Viewpoint::CommandLine } else { Viewpoint::Operator };
        self.plan_as(manifests, how, viewpoint).await
    }

    /// The plan for somebody.
    pub(crate) async fn plan_as(
        self: &Arc<Self>,
        manifests: &Manifests,
        how: How<'_>,
        viewpoint: Viewpoint,
    ) -> Report {
        self.run(manifests, how, viewpoint, false).await
    }

    /// Applies manifests without asking.
    pub(crate) async fn apply(self: &Arc<Self>, manifests: &Manifests, how: How<'_>) -> Report {
        self.run(manifests, how, Viewpoint::CommandLine, true).await
    }

    /// Applies manifests and is killed; whether it came to that.
    pub(crate) async fn apply_killed(
        self: &Arc<Self>,
        manifests: &Manifests,
        how: How<'_>,
        kill: Kill,
    ) -> bool {
        self.count.store(0, Ordering::Relaxed);
        *self.kill.lock() = Some(kill);
        let died = tokio::select! {
            biased;
            () = self.killed.notified() => true,
            _ = self.apply(manifests, how) => false,
        };
        *self.kill.lock() = None;
        died
    }

    async fn run(
        self: &Arc<Self>,
        manifests: &Manifests,
        how: How<'_>,
        viewpoint: Viewpoint,
        carries_out: bool,
    ) -> Report {
        let real: Arc<dyn Transport> = Arc::new(Wire(Arc::clone(self)));
        let record = Record::load(Client::over(Arc::clone(&real)), how.set.map(str::to_owned)).await.unwrap();
        let clusters: Vec<Id> = manifests.cluster_refs();
        let rehearsing = Client::over(Arc::new(Rehearsal::new(Arc::clone(&real))));
        let rehearsing = Server::new(rehearsing, None).rehearsing();
        let scene = |server| Scene {
            server,
            manifests,
            clusters: &clusters,
            record: &record,
            viewpoint,
            shows: true,
            prunes: how.prunes,
            take_over: how.take_over,
            since: Instant::now(),
        };
        let rehearsed = offline::rehearse(&scene(&rehearsing), Vec::new()).await.unwrap();
        if !carries_out {
            return rehearsed.report;
        }
        let server = Server::new(Client::over(real), None);
        offline::carry_out(&scene(&server), rehearsed, &CancellationToken::new(), &|_| {}).await.unwrap()
    }
}

/// All actions of a report, as sentences.
pub(crate) fn actions(report: &Report) -> Vec<String> {
    report.objects.iter().flat_map(|entry| &entry.actions).map(|action| action.action.clone()).collect()
}

/// The reasons of what waits or is held.
pub(crate) fn reasons(report: &Report) -> Vec<String> {
    report.objects.iter().filter_map(|entry| entry.reason.clone()).collect()
}
