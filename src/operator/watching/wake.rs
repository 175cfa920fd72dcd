//! Queues of resources to be looked at: one per kind, each resource in it at most once, so that a queue is never
//! longer than there are resources.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Instant,
};

use futures::{Stream, stream};
use kube::{Resource, runtime::reflector::ObjectRef};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::index::{Id, Ref};

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<BTreeSet<Id>>,
    /// Those that were asked for and have not had their turn yet, whoever holds them meanwhile, and since when.
    asked: Mutex<HashMap<Id, Instant>>,
    filled: Notify,
}

/// All queues.
#[derive(Debug, Default)]
pub struct Wakes {
    queues: HashMap<&'static str, Arc<Queue>>,
}

impl Wakes {
    /// Queues for these kinds.
    pub fn new(kinds: impl IntoIterator<Item = &'static str>) -> Self {
        Self { queues: kinds.into_iter().map(|kind| (kind, Arc::default())).collect() }
    }

    /// Asks for a look at these resources.
    pub fn wake(&self, resources: impl IntoIterator<Item = Ref>) {
        for Ref { kind, id } in resources {
            if let Some(queue) = self.queues.get(kind) {
                queue.asked.lock().entry(id.clone()).or_insert_with(Instant::now);
                queue.waiting.lock().insert(id);
                queue.filled.notify_one();
            }
        }
    }

    /// A watch asks for a look at a resource.
    pub fn asked(&self, kind: &'static str, id: Id) {
        if let Some(queue) = self.queues.get(kind) {
            queue.asked.lock().insert(id, Instant::now());
        }
    }

    /// A resource has its turn. Tells when it was asked for, if it was.
    pub fn begun(&self, resource: &Ref) -> Option<Instant> {
        self.queues.get(resource.kind)?.asked.lock().remove(&resource.id)
    }

    /// How many of each kind wait for their turn, of those that are still there.
    pub fn depths(&self, is_there: impl Fn(&Ref) -> bool) -> Vec<(&'static str, usize)> {
        let depth = |(kind, queue): (&&'static str, &Arc<Queue>)| {
            let mut asked = queue.asked.lock();
            asked.retain(|id, _| is_there(&Ref { kind, id: id.clone() }));
            (*kind, asked.len())
        };
        self.queues.iter().map(depth).collect()
    }

    /// The resources of one kind to be looked at, as they come.
    pub fn stream<K>(&self, kind: &'static str) -> impl Stream<Item = ObjectRef<K>> + use<K>
    where
        K: Resource<DynamicType = ()>,
    {
        stream::unfold(self.queues.get(kind).cloned(), |queue| async move {
            let queue = queue?;
            loop {
                let next = queue.waiting.lock().pop_first();
                if let Some(id) = next {
                    return Some((ObjectRef::new(&id.name).within(&id.namespace), Some(queue)));
                }
                queue.filled.notified().await;
            }
        })
    }
}
