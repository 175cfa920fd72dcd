//! One ArangoDB deployment as the flow sees it: a client, what is known, and the queues of writes.
//!
//! Several connections may lead to one deployment. What is written through one of them must not look like somebody else's
//! work to another, and writes to one user queue up whoever sends them: so that part is [`Shared`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
    time::Instant,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::OwnedMutexGuard;

use super::{
    Look, Part,
    snapshot::{Reader, SETTLING, Snapshot},
    standing::Stands,
};
use crate::{
    arango::{Client, Error},
    core::UserName,
};

/// One deployment.
pub struct Server {
    /// Talks to it.
    pub client: Client,
    /// The account that the client connects with, which is never managed.
    pub account: Option<String>,
    /// Which deployment it is, where that is asked.
    pub(super) stands: Stands,
    reader: Reader,
    shared: RwLock<Arc<Shared>>,
}

/// What all connections to one deployment share.
#[derive(Default)]
pub(super) struct Shared {
    snapshot: Snapshot,
    /// When we last wrote to it.
    written: Mutex<Option<Instant>>,
    /// One queue per server user; an entry lives as long as somebody is in it.
    turns: Mutex<HashMap<UserName, Weak<tokio::sync::Mutex<()>>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Server {
    /// A deployment of which nothing is known yet.
    pub fn new(client: Client, account: Option<String>) -> Self {
        Self {
            client,
            account,
            stands: Stands::default(),
            reader: Reader::default(),
            shared: RwLock::default(),
        }
    }

    /// Takes part in what the connections to one deployment share. What was known before is forgotten.
    pub(super) fn share(&self, shared: Arc<Shared>) {
        *self.shared.write() = shared;
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared.read())
    }

    /// Waits until it is our turn to write to a user and his rights.
    pub async fn turn(&self, user: &UserName) -> OwnedMutexGuard<()> {
        let queue = {
            let shared = self.shared();
            let mut turns = shared.turns.lock();
            if let Some(queue) = turns.get(user).and_then(Weak::upgrade) {
                queue
            } else {
                if turns.len() >= 64 {
                    turns.retain(|_, queue| queue.strong_count() > 0);
                }
                let queue = Arc::default();
                turns.insert(user.clone(), Arc::downgrade(&queue));
                queue
            }
        };
        queue.lock_owned().await
    }

    /// Asks a part of what is known, reading it first unless it was read recently enough.
    pub async fn read<P: Part, T>(
        &self,
        key: &P::Key,
        look: Look,
        ask: impl FnMut(&P::Value) -> T + Send,
    ) -> Result<T, Error> {
        self.shared().snapshot.read::<P, T>((&self.reader, &self.client), key, look.since, ask).await
    }

    /// Whether every coordinator shows our own last write by now, so that a read that begins now is evidence of
    /// whatever else was written.
    pub fn has_settled(&self) -> bool {
        self.shared().written.lock().is_none_or(|at| at.elapsed() >= SETTLING)
    }

    /// Applies our own write to what is known.
    pub fn amend<P: Part>(&self, key: &P::Key, amendment: impl Fn(&mut P::Value) + Send + Sync + 'static) {
        self.wrote().snapshot.amend::<P>(key, amendment);
    }

    /// Applies our own write to every part of a sort.
    pub fn amend_all<P: Part>(&self, amendment: impl Fn(&mut P::Value) + Send + Sync + 'static) {
        self.wrote().snapshot.amend_all::<P>(amendment);
    }

    /// Learns a part from our own write.
    pub fn put<P: Part<Value: Clone>>(&self, key: &P::Key, value: P::Value) {
        self.wrote().snapshot.put::<P>(&self.reader, key, value);
    }

    fn wrote(&self) -> Arc<Shared> {
        let shared = self.shared();
        *shared.written.lock() = Some(Instant::now());
        shared
    }

    /// Forgets a part.
    pub fn forget<P: Part>(&self, key: &P::Key) {
        self.shared().snapshot.forget::<P>(key);
    }
}
