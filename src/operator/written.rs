//! What we wrote to ArangoClusters and the cache has not seen yet. A pass on a state before our own last write would not
//! know what it has begun.

use std::{collections::HashMap, sync::Arc};

use kube::Resource;
use parking_lot::Mutex;

use super::{
    controller::is_newer,
    index::{Id, id_of},
};
use crate::kinds::cluster::crd::ArangoCluster;

/// Our last writes.
#[derive(Debug, Default)]
pub struct Written(Mutex<HashMap<Id, ArangoCluster>>);

impl Written {
    /// The newest state that is known: the cache's, or what we wrote last.
    pub fn latest(&self, cached: Arc<ArangoCluster>) -> Arc<ArangoCluster> {
        match self.0.lock().get(&id_of(&*cached)) {
            Some(ours) if is_newer(ours, &*cached) => Arc::new(ours.clone()),
            _ => cached,
        }
    }

    /// Keeps what we wrote, if it isn't what was there before.
    pub fn wrote(&self, before: &ArangoCluster, written: ArangoCluster) {
        if written.meta().resource_version != before.meta().resource_version {
            self.0.lock().insert(id_of(&written), written);
        }
    }

    /// The cache has seen this.
    pub fn seen(&self, cluster: &ArangoCluster) {
        let (id, mut written) = (id_of(cluster), self.0.lock());
        if written.get(&id).is_some_and(|ours| !is_newer(ours, cluster)) {
            written.remove(&id);
        }
    }

    /// It is gone.
    pub fn forget(&self, id: &Id) {
        self.0.lock().remove(id);
    }
}
