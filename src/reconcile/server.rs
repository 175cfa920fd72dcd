//! One ArangoDB deployment as the flow sees it: a client, what is known, and the queues of writes.
//!
//! Several connections may lead to one deployment. What is written through one of them must not look like somebody else's
//! work to another, and writes to one user queue up whoever sends them: so that part is [`Shared`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::OwnedMutexGuard;

use super::{
    Look, Part,
    logins::Logins,
    snapshot::{Reader, SETTLING, Snapshot},
    standing::Stands,
};
use crate::{
    arango::{Client, Error},
    core::{Id, UserName},
};

/// When passwords are verified where nobody said how often.
const INTERVAL: Duration = Duration::from_secs(300);

/// Who we are, in the marks that users carry.
pub struct Identity {
    /// This operator.
    pub instance: String,
    /// Whether a resource of ours is there, or may be, that declares the user of that name.
    pub is_there: IsThere,
}

/// Tells whether there is such a resource.
pub type IsThere = Box<dyn Fn(&Id, &UserName) -> bool + Send + Sync>;

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// One deployment.
pub struct Server {
    /// Talks to it.
    pub client: Client,
    /// The account that the client connects with, which is never managed.
    pub account: Option<String>,
    /// Who we are; without it users carry no mark.
    pub identity: Option<Identity>,
    /// When whose password is verified.
    pub logins: Logins,
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
            identity: None,
            logins: Logins::new(INTERVAL),
            stands: Stands::default(),
            reader: Reader::default(),
            shared: RwLock::default(),
        }
    }

    /// The same for a rehearsal: what is written is never sent, and seen from then on all the same.
    #[must_use]
    pub fn rehearsing(self) -> Self {
        let shared = Shared { snapshot: Snapshot::rehearsal(), ..Shared::default() };
        Self { shared: RwLock::new(Arc::new(shared)), ..self }
    }

    /// The same, where users carry our mark.
    #[must_use]
    pub fn identified(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// The same, where every password is verified once in such an interval.
    #[must_use]
    pub fn verifying(self, interval: Duration) -> Self {
        Self { logins: Logins::new(interval), ..self }
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

    /// When a part was last written by us, or may have been; nothing if that is long ago.
    pub fn wrote_to<P: Part>(&self, key: &P::Key) -> Option<Instant> {
        self.shared().snapshot.wrote_to::<P>(key)
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

    /// Gives up what is known and nobody has asked for lately.
    pub fn tidy(&self) {
        self.shared().snapshot.tidy();
    }
}
