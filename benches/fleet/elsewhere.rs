//! How long a change takes while a burst goes on that is none of its business.

use std::{
    convert::Infallible,
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use arango_operator::kinds::cluster::crd::ArangoCluster;
use futures::{Stream, StreamExt, future};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    Arguments, Part, Size,
    clients::{Item, NAMESPACE, cluster_name, create, fleet, resource},
    figures::{Figures, quantile},
    installations::Installations,
    rig::Rig,
    watch::{Seen, Watch, is_ready},
};

/// The time between two changes, as [`Part::Elsewhere`] says.
const BEAT: Duration = Duration::from_millis(250);
/// So many changes on the idle system.
const AT_REST: usize = 20;
/// A change that takes longer is a failure of the bench.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a slow deployment takes for each request.
const SLOW: &str = "200ms";
/// The kind that is changed: the permission of a triple.
const PERMISSION: usize = 2;

/// What is the matter with the burst's deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beside {
    Healthy,
    Slow,
    Dead,
}

impl Beside {
    pub(crate) const ALL: [Self; 3] = [Self::Healthy, Self::Slow, Self::Dead];

    pub(crate) fn part(self) -> Part {
        match self {
            Self::Healthy => Part::Elsewhere,
            Self::Slow => Part::ElsewhereSlow,
            Self::Dead => Part::ElsewhereDead,
        }
    }

    fn burst(self) -> &'static str {
        match self {
            Self::Healthy => "a burst",
            Self::Slow => "a burst on slow deployments",
            Self::Dead => "a burst on dead deployments",
        }
    }
}

/// Where one object is changed again and again.
struct Place {
    what: &'static str,
    namespace: &'static str,
    /// The namespace of the `ArangoCluster` that it uses, the first one there.
    cluster: &'static str,
}

const OTHER: Place = Place { what: "another ArangoCluster", namespace: "elsewhere", cluster: "elsewhere" };
/// It is lent the connection.
const GUEST: Place =
    Place { what: "the same ArangoCluster, another namespace", namespace: "guest", cluster: NAMESPACE };

/// Changes one object and waits for each change.
struct Changer {
    api: Api<DynamicObject>,
    name: String,
    events: Pin<Box<dyn Stream<Item = watcher::Result<watcher::Event<Seen>>> + Send>>,
    turns: usize,
}

/// How long changes took, and how long of that their writes.
#[derive(Default)]
struct Times {
    all: Vec<Duration>,
    writes: Vec<Duration>,
}

/// Measures one run.
pub(crate) async fn measure(
    arguments: &Arguments,
    size: Size,
    beside: Beside,
    figures: &mut Figures,
) -> Result<()> {
    let begin = Instant::now();
    let of_the_burst = match beside {
        Beside::Slow => Arguments { delay: SLOW.to_owned(), ..arguments.clone() },
        Beside::Healthy | Beside::Dead => arguments.clone(),
    };
    let mut rig = Rig::start(&of_the_burst, size).await?;
    let places = if beside == Beside::Healthy { vec![OTHER, GUEST] } else { vec![OTHER] };
    for place in &places {
        rig.namespace(place.namespace).await?;
        if place.cluster == place.namespace {
            rig.deployment(arguments, place.namespace, 0).await?;
        }
    }
    lend(&rig.client).await?;
    let mut operator = Installations::start(arguments, &rig.plane.kubeconfig_path()).await?;
    rig.connected().await?;
    let mut changers = Vec::new();
    for place in &places {
        changers.push(Changer::start(rig.plane.client().await?, place).await?);
    }
    let watch = Watch::start(&rig.client);
    match beside {
        Beside::Healthy => at_rest(&mut changers, &places, figures).await?,
        Beside::Slow => {}
        Beside::Dead => rig.stop_answering(size.clusters)?,
    }
    let items = fleet("tenant", size.triples, size.clusters);
    let burst = async {
        let begin = Instant::now();
        rig.clients.create(&items).await?;
        if beside != Beside::Dead {
            watch.ready(items.len()).await?;
        }
        Ok::<_, anyhow::Error>(begin.elapsed())
    };
    let (all, took) = beats(&mut changers, burst).await?;
    for (times, place) in all.iter().zip(&places) {
        times.note(&format!("{} beside {}", place.what, beside.burst()), figures);
    }
    figures.add(beside.burst(), "s", took.as_secs_f64());
    drop(changers);
    operator.end().await?;
    rig.stop().await?;
    eprintln!("{beside:?}: {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Changes one after the other while nothing else happens.
async fn at_rest(changers: &mut [Changer], places: &[Place], figures: &mut Figures) -> Result<()> {
    for (changer, place) in changers.iter_mut().zip(places) {
        let mut times = Times::default();
        for _ in 0..AT_REST {
            changer.change(&mut times).await?;
        }
        times.note(&format!("{} at rest", place.what), figures);
    }
    Ok(())
}

/// Changes all of them, each at its beat, until the burst is over.
async fn beats(
    changers: &mut [Changer],
    burst: impl Future<Output = Result<Duration>>,
) -> Result<(Vec<Times>, Duration)> {
    let mut all: Vec<_> = changers.iter().map(|_| Times::default()).collect();
    let each = changers.iter_mut().zip(&mut all).map(|(changer, times)| changer.at_its_beat(times));
    let took = tokio::select! {
        took = burst => took?,
        Err(error) = future::try_join_all(each) => return Err(error),
    };
    Ok((all, took))
}

/// The first connection of the fleet may be used by the guest.
async fn lend(client: &Client) -> Result<()> {
    let api = Api::<ArangoCluster>::namespaced(client.clone(), NAMESPACE);
    let access = json!({"spec": {"access": [{
        "namespaces": {"matchLabels": {"kubernetes.io/metadata.name": GUEST.namespace}},
        "databases": ["guest-*"], "users": ["guest-*"], "maxAccess": "rw",
    }]}});
    api.patch(&cluster_name(0), &PatchParams::default(), &Patch::Merge(&access)).await?;
    Ok(())
}

impl Changer {
    /// Declares a triple, and waits until its permission is Ready.
    async fn start(client: Client, place: &Place) -> Result<Self> {
        let api = |kind| Api::namespaced_with(client.clone(), place.namespace, &resource(kind));
        let mut name = String::new();
        for mut item in fleet(place.namespace, 1, 1) {
            item.spec["clusterRef"]["namespace"] = json!(place.cluster);
            create(&api(item.kind), &item).await?;
            Item { name, .. } = item;
        }
        let all = Api::<Seen>::namespaced_with(client.clone(), place.namespace, &resource(PERMISSION));
        let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let events = Box::pin(watcher(all, one).default_backoff());
        let mut changer = Self { api: api(PERMISSION), name, events, turns: 0 };
        changer.ready(1).await?;
        Ok(changer)
    }

    /// Changes the object for ever.
    async fn at_its_beat(&mut self, times: &mut Times) -> Result<Infallible> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            beat.tick().await;
            self.change(times).await?;
        }
    }

    /// Changes the object, and waits until it is Ready with that.
    async fn change(&mut self, times: &mut Times) -> Result<()> {
        self.turns += 1;
        // The server's level changes with each.
        let access = if self.turns.is_multiple_of(2) { "rw" } else { "ro" };
        let begin = Instant::now();
        let change = Patch::Merge(json!({"spec": {"access": access}}));
        let written = self.api.patch(&self.name, &PatchParams::default(), &change).await?;
        let write = begin.elapsed();
        self.ready(written.metadata.generation.context("it has a generation")?).await?;
        times.all.push(begin.elapsed());
        times.writes.push(write);
        Ok(())
    }

    /// Waits for the event that says so.
    async fn ready(&mut self, generation: i64) -> Result<()> {
        let events = &mut self.events;
        let name = &self.name;
        let said = async {
            while let Some(event) = events.next().await {
                // After an error it begins anew by itself.
                let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event else {
                    continue;
                };
                if object.metadata.generation >= Some(generation) && is_ready(&object) {
                    return Ok(());
                }
            }
            bail!("the watch of {name} has ended")
        };
        timeout(PATIENCE, said).await.with_context(|| format!("{name} is not Ready"))?
    }
}

impl Times {
    /// Of all that were measured: how many, in the middle, at the end, the longest.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn note(&self, what: &str, figures: &mut Figures) {
        figures.add(what, "changes", self.all.len() as f64);
        for (times, of) in [(&self.all, ""), (&self.writes, " of that the write")] {
            let mut sorted = times.clone();
            sorted.sort_unstable();
            for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
                figures.add(what, &format!("{name} ms{of}"), quantile(&sorted, share) * 1e3);
            }
        }
    }
}
