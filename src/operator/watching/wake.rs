//! The queue of resources to be looked at, of all kinds, with its clock and its lock ([`Queue`] decides). Each resource is
//! in it at most once, so that it is never longer than there are resources.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep_until};

use super::index::{Id, Ref};
use crate::core::queue::{Bounds, Lane, Queue, Urgency};

/// Passes at the same time. Requests to a server have their own limit, so this bounds memory, and the writes to Kubernetes
/// under way: 64 keep an API server on the same two cores busy. Half of them for one ArangoCluster, so that what comes to
/// another one meanwhile has room at once.
const BOUNDS: Bounds = Bounds { each: 32, all: 64, working: Duration::from_secs(1) };

/// When, and how urgently, a resource is to be looked at again though nobody asks; never if that is nothing.
pub type Again = Option<(Duration, Urgency)>;

/// The queue.
#[derive(Debug)]
pub struct Wakes {
    kinds: Vec<&'static str>,
    queued: Mutex<Queued>,
    changed: Notify,
    start: Instant,
}

#[derive(Debug)]
struct Queued {
    queue: Queue<Ref>,
    lanes: HashMap<Ref, Arc<Lane>>,
    /// The same lanes, each once.
    known: HashSet<Arc<Lane>>,
}

impl Queued {
    fn lane(&mut self, resource: &Ref) -> Arc<Lane> {
        // Of what was never seen, nothing is known but the namespace.
        let unknown = || Lane {
            cluster: Id { namespace: Arc::clone(&resource.id.namespace), name: "".into() },
            namespace: Some(Arc::clone(&resource.id.namespace)),
        };
        self.lanes.get(resource).map_or_else(|| Arc::new(unknown()), Arc::clone)
    }
}

impl Wakes {
    /// A queue for these kinds.
    pub fn new(kinds: impl IntoIterator<Item = &'static str>) -> Self {
        let queued = Queued { queue: Queue::new(BOUNDS), lanes: HashMap::new(), known: HashSet::new() };
        Self {
            kinds: kinds.into_iter().collect(),
            queued: Mutex::new(queued),
            changed: Notify::new(),
            start: Instant::now(),
        }
    }

    /// Says with whom a resource queues up.
    pub fn place(&self, resource: &Ref, lane: Lane) {
        let mut queued = self.queued.lock();
        let Queued { lanes, known, .. } = &mut *queued;
        if lanes.get(resource).is_some_and(|before| **before == lane) {
            return;
        }
        let lane = known.get(&lane).cloned().unwrap_or_else(|| {
            let lane = Arc::new(lane);
            known.insert(Arc::clone(&lane));
            lane
        });
        lanes.insert(resource.clone(), lane);
    }

    /// A resource is gone.
    pub fn forget(&self, resource: &Ref) {
        let mut queued = self.queued.lock();
        if let Some(lane) = queued.lanes.remove(resource)
            && Arc::strong_count(&lane) == 2
        {
            queued.known.remove(&lane);
        }
    }

    /// Asks for a look at these resources.
    pub fn wake(&self, resources: impl IntoIterator<Item = Ref>) {
        self.ask(resources, Urgency::Change, false);
    }

    /// Asks for a look at these resources, after whatever changed.
    pub fn compare(&self, resources: impl IntoIterator<Item = Ref>) {
        self.ask(resources, Urgency::Comparison, false);
    }

    /// A watch asks for a look at a resource.
    pub fn asked(&self, resource: Ref, urgency: Urgency) {
        self.ask([resource], urgency, true);
    }

    fn ask(&self, resources: impl IntoIterator<Item = Ref>, urgency: Urgency, anew: bool) {
        let now = self.start.elapsed();
        {
            let mut queued = self.queued.lock();
            for resource in resources {
                let lane = queued.lane(&resource);
                // What is kept of it from here on shares its name.
                let resource = queued
                    .lanes
                    .get_key_value(&resource)
                    .map_or(resource.clone(), |(known, _)| known.clone());
                queued.queue.ask(resource, &lane, urgency, now, anew);
            }
        }
        self.changed.notify_one();
    }

    /// Begins the next pass, if one may begin: tells of what, and when it was asked for, if it was.
    pub fn begin(&self) -> Option<(Ref, Option<Instant>)> {
        let (resource, asked) = self.queued.lock().queue.begin(self.start.elapsed())?;
        Some((resource, asked.map(|asked| self.start + asked)))
    }

    /// A pass has ended.
    pub fn end(&self, resource: &Ref, again: Again) {
        {
            let mut queued = self.queued.lock();
            let lane = queued.lane(resource);
            queued.queue.end(resource, &lane, again, self.start.elapsed());
        }
        self.changed.notify_one();
    }

    /// Waits until another pass may be begun.
    pub async fn changed(&self) {
        let next = self.queued.lock().queue.next();
        match next {
            Some(next) => tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until((self.start + next).into()) => {}
            },
            None => self.changed.notified().await,
        }
    }

    /// Whether one of them waits for a turn, or has it.
    pub fn are_under_way(&self, resources: &[Ref]) -> bool {
        let queued = self.queued.lock();
        resources.iter().any(|resource| queued.queue.is_under_way(resource))
    }

    /// How many of each kind wait for their turn.
    pub fn depths(&self) -> Vec<(&'static str, usize)> {
        let queued = self.queued.lock();
        let mut depths: HashMap<&'static str, usize> = self.kinds.iter().map(|kind| (*kind, 0)).collect();
        for resource in queued.queue.waiting() {
            *depths.entry(resource.kind).or_default() += 1;
        }
        depths.into_iter().collect()
    }
}
