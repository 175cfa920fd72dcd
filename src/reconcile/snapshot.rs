//! What is known of a server: parts that are read when needed, shared by everybody who needs them, and kept up with
//! our own writes.
//!
//! A part is read once for many waiters (single flight). What we write is applied to what is known, and again to
//! every read that may be older than the write: one that began before it, or within [`SETTLING`] after it, since
//! another coordinator may still show the state before (reference: users, consistency).
//!
//! Several connections to one deployment share what was written and read each for themselves: an account that sees less,
//! or a way on which nobody answers, tells the others nothing.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::Future,
    hash::Hash,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use self::writes::{Amendment, Writes};
use crate::arango::{Client, Error};

mod writes;

/// How long another coordinator may show the state before a write.
pub const SETTLING: Duration = Duration::from_secs(5);

/// What nobody has asked for so long is given up: a comparison asks for it at once, and whoever comes later wants it fresh.
const UNUSED: Duration = Duration::from_secs(30);

/// How old an answer may be.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The read must have begun at this time or later.
    pub since: Instant,
    /// Whether the plan will take things away, so that all must be seen that would go along.
    pub removing: bool,
}

/// One listing of a server, by key where there are several of the sort.
pub trait Part: Send + Sync + 'static {
    /// Which one.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// What it says.
    type Value: Send + Sync + 'static;

    /// How much later than the last read of it the next one may begin, by what that found. A listing of everything grows
    /// with the fleet, and so does the number of those who ask for a fresh one: in a burst, several share one then.
    fn rest(_: &Self::Value) -> Duration {
        Duration::ZERO
    }

    /// Reads it from the server.
    fn read(client: &Client, key: &Self::Key) -> impl Future<Output = Result<Self::Value, Error>> + Send;
}

/// How long a listing of everything rests for each row in it: it is read, and made on the other side, in a fraction of that.
pub const REST_EACH: Duration = Duration::from_micros(20);

/// How long it rests at most: that much later an object may be Ready.
pub const REST_MAX: Duration = Duration::from_millis(300);

/// How long a listing of so many rows rests.
pub fn rest(rows: usize) -> Duration {
    REST_EACH.saturating_mul(u32::try_from(rows).unwrap_or(u32::MAX)).min(REST_MAX)
}

/// Parts that are read at the same time: a comparison of everything must not crowd out those who work.
const READS_AT_ONCE: usize = 8;

/// Who reads: one connection. What is read for it goes with it.
#[derive(Debug, Default)]
pub struct Reader(Arc<()>);

/// The parts of one server that were read.
pub struct Snapshot {
    tables: Mutex<HashMap<TypeId, Arc<dyn AnyTable>>>,
    reads: Semaphore,
    /// Whether our own writes hold for good, whatever is read later: in a rehearsal the server never learns of them.
    rehearses: bool,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { tables: Mutex::default(), reads: Semaphore::new(READS_AT_ONCE), rehearses: false }
    }
}

type Cells<P> = HashMap<<P as Part>::Key, Arc<Cell<<P as Part>::Value>>>;

/// The parts of one sort.
struct Table<P: Part> {
    cells: Mutex<Cells<P>>,
    /// What was written to all of them. Kept once, and laid over each when somebody asks for it: locked before a cell is.
    all: RwLock<Writes<P::Value>>,
}

impl<P: Part> Default for Table<P> {
    fn default() -> Self {
        Self { cells: Mutex::default(), all: RwLock::default() }
    }
}

/// A table of whatever sort.
trait AnyTable: Any + Send + Sync {
    /// Gives up what nobody will ask for.
    fn tidy(&self, now: Instant);
}

impl<P: Part> AnyTable for Table<P> {
    fn tidy(&self, now: Instant) {
        self.all.write().prune(now);
        let mut cells = self.cells.lock();
        // Nobody else has one that is in the table alone, and nobody gets it meanwhile.
        cells.retain(|_, cell| Arc::strong_count(cell) > 1 || cell.known.lock().tidy(now));
        let left = cells.len();
        cells.shrink_to(left * 2);
    }
}

struct Cell<V> {
    known: Mutex<Known<V>>,
}

struct Known<V> {
    views: Vec<View<V>>,
    writes: Writes<V>,
    /// When it was last forgotten: a read that began before may be older than what made it be forgotten.
    forgotten: Option<Instant>,
}

/// What one reader knows.
struct View<V> {
    reader: Weak<()>,
    value: Option<Learned<V>>,
    /// When somebody last asked.
    used: Instant,
    /// Not before then is it read again.
    rests_until: Option<Instant>,
    /// The last read that failed, and when it ended: what one waiter was told holds for all who waited with him.
    failed: Option<(Instant, Error)>,
    /// Held by whoever reads; the others wait for what comes of it.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// What was read.
struct Learned<V> {
    /// When that began.
    started: Instant,
    value: V,
    /// How many of the writes to all are in it.
    laid: u64,
}

impl<V> Default for Cell<V> {
    fn default() -> Self {
        let known = Known { views: Vec::new(), writes: Writes::default(), forgotten: None };
        Self { known: Mutex::new(known) }
    }
}

impl<V> Known<V> {
    fn view(&mut self, reader: &Reader) -> &mut View<V> {
        let whose = |view: &View<V>| std::ptr::eq(view.reader.as_ptr(), Arc::as_ptr(&reader.0));
        let at = self.views.iter().position(whose).unwrap_or_else(|| {
            self.views.retain(|view| view.reader.strong_count() > 0);
            self.views.reserve_exact(1);
            self.views.push(View {
                reader: Arc::downgrade(&reader.0),
                value: None,
                used: Instant::now(),
                rests_until: None,
                failed: None,
                reading: Arc::default(),
            });
            self.views.len() - 1
        });
        &mut self.views[at]
    }

    /// Gives up what nobody will ask for; whether anything is left. Called while nobody reads.
    fn tidy(&mut self, now: Instant) -> bool {
        self.views.retain(|view| {
            view.reader.strong_count() > 0 && now.saturating_duration_since(view.used) < UNUSED
        });
        self.writes.prune(now);
        !self.views.is_empty()
            || self.writes.last().max(self.forgotten).is_some_and(|at| !writes::is_old(at, now))
    }
}

impl<V> View<V> {
    /// Brings what is known up to what was written to all. What can't be is not known.
    fn catch_up(&mut self, all: &Writes<V>) {
        let Some(Learned { value, laid, .. }) = &mut self.value else { return };
        match all.since(*laid) {
            Some(writes) => {
                writes.for_each(|amendment| amendment(value));
                *laid = all.made();
            }
            None => self.value = None,
        }
    }
}

impl<V> Cell<V> {
    /// The answer, if there is one of that age: a value of a read that began after `since`, or the error of one that
    /// ended after the asker's own request. A thousand who wait while nobody answers shall wait for one read's time.
    fn ask<T>(
        &self,
        all: &Writes<V>,
        reader: &Reader,
        (since, asked): (Instant, Instant),
        f: &mut impl FnMut(&V) -> T,
    ) -> Option<Result<T, Error>> {
        let mut known = self.known.lock();
        let view = known.view(reader);
        view.used = asked;
        view.catch_up(all);
        match (&view.value, &view.failed) {
            (Some(Learned { started, value, .. }), _) if *started >= since => Some(Ok(f(value))),
            (_, Some((ended, error))) if *ended > asked => Some(Err(error.clone())),
            _ => None,
        }
    }

    fn amend(&self, all: &Writes<V>, now: Instant, amendment: Amendment<V>, for_good: bool) {
        let mut known = self.known.lock();
        for view in &mut known.views {
            view.catch_up(all);
            if let Some(Learned { value, .. }) = &mut view.value {
                amendment(value);
            }
        }
        known.writes.push(now, amendment, for_good);
    }

    fn learn<T>(
        &self,
        all: &Writes<V>,
        reader: &Reader,
        (started, for_good): (Instant, bool),
        mut value: V,
        ask: &mut impl FnMut(&V) -> T,
    ) -> T {
        let mut known = self.known.lock();
        // Something unknown came after what was written before it was forgotten.
        let after = known.forgotten;
        let to_all = all.over(started, for_good).filter(|(at, _)| after.is_none_or(|after| after < *at));
        writes::in_order(known.writes.over(started, for_good), to_all)
            .for_each(|amendment| amendment(&mut value));
        let answer = ask(&value);
        let holds = after.is_none_or(|at| at <= started);
        let view = known.view(reader);
        if holds {
            view.value = Some(Learned { started, value, laid: all.made() });
        }
        view.failed = None;
        answer
    }
}

impl Snapshot {
    /// One in which our own writes hold for good.
    pub fn rehearsal() -> Self {
        Self { rehearses: true, ..Self::default() }
    }

    fn table<P: Part>(&self) -> Arc<Table<P>> {
        let mut tables = self.tables.lock();
        let table = tables.entry(TypeId::of::<P>()).or_insert_with(|| Arc::new(Table::<P>::default()));
        let table: Arc<dyn Any + Send + Sync> = Arc::clone(table) as _;
        // The type is the key, so the cast can't fail; a fresh table would only cost a read.
        table.downcast().unwrap_or_default()
    }

    /// Asks a part, reading it first unless it was read recently enough.
    pub async fn read<P: Part, T>(
        &self,
        (reader, client): (&Reader, &Client),
        key: &P::Key,
        since: Instant,
        mut ask: impl FnMut(&P::Value) -> T + Send,
    ) -> Result<T, Error> {
        let table = self.table::<P>();
        let cell = table.cell(key);
        let asked = Instant::now();
        if let Some(answer) = cell.ask(&table.all.read(), reader, (since, asked), &mut ask) {
            return answer;
        }
        let reading = Arc::clone(&cell.known.lock().view(reader).reading);
        let _reading = reading.lock().await;
        if let Some(answer) = cell.ask(&table.all.read(), reader, (since, asked), &mut ask) {
            return answer;
        }
        let rests_until = cell.known.lock().view(reader).rests_until.filter(|until| *until > asked);
        if let Some(until) = rests_until {
            client.pause(until.saturating_duration_since(Instant::now())).await;
        }
        // Never closed: an error here would only mean that there is no limit.
        let _read = self.reads.acquire().await;
        let started = Instant::now();
        match P::read(client, key).await {
            Ok(value) => {
                let rest = P::rest(&value);
                let answer =
                    cell.learn(&table.all.read(), reader, (started, self.rehearses), value, &mut ask);
                if !rest.is_zero() {
                    cell.known.lock().view(reader).rests_until = Some(started + rest);
                }
                Ok(answer)
            }
            Err(error) => {
                cell.known.lock().view(reader).failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// When a part was last written by us, or may have been; nothing if that is long ago.
    pub fn wrote_to<P: Part>(&self, key: &P::Key) -> Option<Instant> {
        let table = self.table::<P>();
        let to_all = table.all.read().last();
        let cell = table.cells.lock().get(key).cloned();
        let to_it = cell.and_then(|cell| {
            let known = cell.known.lock();
            known.writes.last().max(known.forgotten)
        });
        to_it.max(to_all)
    }

    /// Applies our own write to a part.
    pub fn amend<P: Part>(&self, key: &P::Key, amendment: impl Fn(&mut P::Value) + Send + Sync + 'static) {
        let table = self.table::<P>();
        table.cell(key).amend(&table.all.read(), Instant::now(), Box::new(amendment), self.rehearses);
    }

    /// Applies our own write to every part of a sort that was read.
    pub fn amend_all<P: Part>(&self, amendment: impl Fn(&mut P::Value) + Send + Sync + 'static) {
        self.table::<P>().all.write().push(Instant::now(), Box::new(amendment), self.rehearses);
    }

    /// Learns a part from our own write, without a read. It holds against late reads too, and against the writes
    /// before it: a user who was made anew has none of the rights that he was given before.
    pub fn put<P: Part<Value: Clone>>(&self, reader: &Reader, key: &P::Key, value: P::Value) {
        let table = self.table::<P>();
        let (cell, all) = (table.cell(key), table.all.read());
        let mut known = cell.known.lock();
        let now = Instant::now();
        known.view(reader);
        for view in &mut known.views {
            view.value = Some(Learned { started: now, value: value.clone(), laid: all.made() });
        }
        known.writes.clear();
        known.writes.push(now, Box::new(move |known| *known = value.clone()), self.rehearses);
    }

    /// Forgets a part: the next look reads it. In a rehearsal nothing unknown can have come to it.
    pub fn forget<P: Part>(&self, key: &P::Key) {
        if self.rehearses {
            return;
        }
        let cell = self.table::<P>().cell(key);
        let mut known = cell.known.lock();
        for view in &mut known.views {
            view.value = None;
        }
        known.forgotten = Some(Instant::now());
        // An earlier write must not be laid over what the next read says: something unknown came after it.
        known.writes.clear();
    }

    /// Gives up what nobody has asked for lately, and what is known of those who are gone.
    pub fn tidy(&self) {
        let tables: Vec<_> = self.tables.lock().values().cloned().collect();
        for table in tables {
            table.tidy(Instant::now());
        }
    }
}

impl<P: Part> Table<P> {
    fn cell(&self, key: &P::Key) -> Arc<Cell<P::Value>> {
        let mut cells = self.cells.lock();
        if let Some(cell) = cells.get(key) {
            return Arc::clone(cell);
        }
        Arc::clone(cells.entry(key.clone()).or_default())
    }
}

#[cfg(test)]
mod tests;
