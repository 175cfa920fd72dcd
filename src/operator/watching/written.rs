//! What we wrote to Kubernetes and the cache has not seen yet. A pass on a state before our own last write would do the
//! same again, or not know what it has begun.

use std::{collections::HashMap, ops::Deref, sync::Arc};

use kube::{Resource, ResourceExt};
use parking_lot::Mutex;

use super::index::{Id, id_of};

/// Our last writes.
#[derive(Debug)]
pub struct Written<R>(Mutex<HashMap<Id, R>>);

impl<R> Default for Written<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Resource + Clone> Written<R> {
    /// The newest state that is known: the cache's, or what we wrote last.
    pub fn latest(&self, cached: Arc<R>) -> Arc<R> {
        match self.0.lock().get(&id_of(&*cached)) {
            Some(ours) if is_newer(ours, &*cached) => Arc::new(ours.clone()),
            _ => cached,
        }
    }

    /// Keeps what we wrote until the cache has seen it.
    pub fn wrote<C: Deref<Target = R>>(&self, written: R, cached: impl FnOnce() -> Option<C>) {
        let mut ours = self.0.lock();
        // Under the lock that the watch takes too: it may have seen the write already.
        if cached().is_some_and(|cached| is_newer(&written, &*cached)) {
            ours.insert(id_of(&written), written);
        }
    }

    /// The cache has seen this.
    pub fn seen(&self, resource: &R) {
        let (id, mut written) = (id_of(resource), self.0.lock());
        if written.get(&id).is_some_and(|ours| !is_newer(ours, resource)) {
            written.remove(&id);
        }
    }

    /// It is gone.
    pub fn forget(&self, id: &Id) {
        self.0.lock().remove(id);
    }
}

/// Whether our copy is a later state of the same object. Where versions are no numbers, the cache is believed. The write
/// that takes off the last finalizer of a deleted object is answered with the version before it.
fn is_newer<R: Resource>(ours: &R, cached: &R) -> bool {
    let version = |resource: &R| version_number(resource.meta().resource_version.as_deref()?);
    ours.meta().uid == cached.meta().uid
        && matches!(
            (version(ours), version(cached)),
            (Some(our), Some(their))
                if our > their || our == their && ours.finalizers().len() < cached.finalizers().len()
        )
}

/// A resource version as a number, by which versions can be compared: so they are in every API server on etcd.
pub fn version_number(version: &str) -> Option<u64> {
    version.parse().ok()
}
