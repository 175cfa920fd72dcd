//! Who is Ready, as whoever watches the API server sees it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    core::{NotUsed, Object},
    runtime::{WatchStreamExt, watcher},
};
use serde::Deserialize;
use tokio::{sync::watch, task::JoinSet};

use crate::clients::{KINDS, NAMESPACE, resource};

/// Without news for so long something has gone wrong.
const SILENCE: Duration = Duration::from_secs(120);

/// What is read of a status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    observed_generation: Option<i64>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// An object with nothing but metadata and status.
pub(crate) type Seen = Object<NotUsed, Status>;

/// What is known of one object.
#[derive(Debug, Clone, Copy)]
struct Known {
    first: Instant,
    ready: bool,
    renewed: bool,
    /// From when it was first seen until it was first Ready.
    took: Option<Duration>,
}

/// How many objects there are, how many are Ready with their present spec, and how many of these with a changed one.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    present: usize,
    ready: usize,
    renewed: usize,
}

#[derive(Debug, Default)]
struct Table {
    known: HashMap<(usize, String), Known>,
    counts: Counts,
}

/// A watch over all objects of the fleet. It ends with this value.
pub(crate) struct Watch {
    table: watch::Receiver<Table>,
    _tasks: JoinSet<()>,
}

impl Watch {
    pub(crate) fn start(client: &Client) -> Self {
        let (sender, table) = watch::channel(Table::default());
        let mut tasks = JoinSet::new();
        for kind in 0..KINDS.len() {
            let api = Api::<Seen>::namespaced_with(client.clone(), NAMESPACE, &resource(kind));
            let sender = sender.clone();
            tasks.spawn(async move {
                let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
                // After an error it begins anew by itself: where a CRD is young, the first lists fail.
                while let Some(event) = events.next().await {
                    if let Ok(event) = event {
                        sender.send_modify(|table| table.take(kind, &event));
                    }
                }
            });
        }
        Self { table, _tasks: tasks }
    }

    /// Waits until so many objects are Ready.
    pub(crate) async fn ready(&self, count: usize) -> Result<()> {
        self.until(|counts| counts.ready >= count, &format!("{count} objects are Ready")).await
    }

    /// Waits until so many objects are Ready with another spec than they were created with.
    pub(crate) async fn renewed(&self, count: usize) -> Result<()> {
        self.until(|counts| counts.renewed >= count, &format!("{count} objects are Ready again")).await
    }

    /// Waits until no object is left.
    pub(crate) async fn none(&self) -> Result<()> {
        self.until(|counts| counts.present == 0, "all objects are gone").await
    }

    async fn until(&self, done: impl Fn(Counts) -> bool, what: &str) -> Result<()> {
        let mut table = self.table.clone();
        loop {
            let counts = table.borrow_and_update().counts;
            if done(counts) {
                return Ok(());
            }
            tokio::time::timeout(SILENCE, table.changed())
                .await
                .with_context(|| format!("{what}: nothing has changed for {SILENCE:?} at {counts:?}"))??;
        }
    }

    /// How long each object took from when it was first seen until it was Ready, shortest first.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.table.borrow().known.values().filter_map(|known| known.took).collect();
        times.sort_unstable();
        times
    }
}

impl Counts {
    fn enters(&mut self, known: &Known) {
        self.ready += usize::from(known.ready);
        self.renewed += usize::from(known.renewed);
    }

    fn leaves(&mut self, known: &Known) {
        self.ready -= usize::from(known.ready);
        self.renewed -= usize::from(known.renewed);
    }
}

impl Table {
    fn take(&mut self, kind: usize, event: &watcher::Event<Seen>) {
        match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => {
                let ready = is_ready(object);
                let now = Instant::now();
                let fresh = Known { first: now, ready: false, renewed: false, took: None };
                let known = self.known.entry((kind, object.name_any())).or_insert_with(|| {
                    self.counts.present += 1;
                    fresh
                });
                self.counts.leaves(known);
                known.ready = ready;
                known.renewed = ready && object.metadata.generation > Some(1);
                self.counts.enters(known);
                if ready && known.took.is_none() {
                    known.took = Some(now - known.first);
                }
            }
            watcher::Event::Delete(object) => {
                if let Some(known) = self.known.remove(&(kind, object.name_any())) {
                    self.counts.present -= 1;
                    self.counts.leaves(&known);
                }
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }
}

/// Whether it is Ready with the spec that it has.
pub(crate) fn is_ready(object: &Seen) -> bool {
    let Some(status) = &object.status else { return false };
    status.observed_generation == object.metadata.generation
        && status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
}
