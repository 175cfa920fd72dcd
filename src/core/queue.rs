//! Who is looked at next: one queue for all kinds, fair between ArangoClusters and between the namespaces that use one.
//! No clock: every `now` is the time since some fixed moment.
//!
//! An object is in the queue once, however often it is asked for, and never has two passes at the same time: asked for
//! during one, it has its next after it. Lanes ([`Lane`]) take turns, and within a lane it is first come, first served. What
//! changed goes before what is only compared because the time has come, though not for ever.
//!
//! The laws, which `tests.rs` holds to random schedules:
//! - *nobody is forgotten*: whoever is asked for has a pass that begins after it was asked for;
//! - *one at a time*: an object has one pass at most;
//! - *bounded*: no more passes through one ArangoCluster than [`Bounds::each`], and no more at work than [`Bounds::all`]
//!   and one for each ArangoCluster;
//! - *nobody waits for strangers*: where no pass goes through an ArangoCluster, the next one of it begins at once, whatever
//!   others do. So one whose server never answers costs the others nothing;
//! - *turns*: however many wait in one lane, another lane's next is not further away than there are lanes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use super::Id;

#[cfg(test)]
mod tests;

/// So many changes in a row go before a comparison that waits.
const CHANGES_IN_A_ROW: u32 = 7;

/// Room for so many is kept when nobody is left.
const SPARE: usize = 64;

/// Who queues up with whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The ArangoCluster that the passes go through.
    pub cluster: Id,
    /// The namespace of the objects; none for the ArangoCluster itself, whose passes wait for nobody's.
    pub namespace: Option<Arc<str>>,
}

/// Why an object is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Something changed, and somebody may be waiting.
    Change,
    /// It is time to compare it with its server.
    Comparison,
}

/// How many passes there may be at the same time.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Through one ArangoCluster.
    pub each: usize,
    /// At work, in all. A pass that takes longer than [`Bounds::working`] waits for a server instead, and counts no more.
    pub all: usize,
    /// How long a pass is taken to be at work.
    pub working: Duration,
}

/// Passes whose number is bounded: those of the objects that use one ArangoCluster, or its own.
type Group = (Id, bool);

/// Where an object waits.
#[derive(Debug)]
struct Waiting {
    lane: Arc<Lane>,
    urgency: Urgency,
    /// Its place in the lane; none while a pass of it is under way.
    number: Option<u64>,
}

/// What is known of an object that waits, is to be looked at later, or has a pass.
#[derive(Debug, Default)]
struct Record {
    waiting: Option<Waiting>,
    /// To be looked at then.
    later: Option<(Duration, Arc<Lane>, Urgency)>,
    running: Option<(Group, Duration)>,
    asked: Option<Duration>,
}

/// Those who wait with the same urgency.
#[derive(Debug)]
struct Lanes<K> {
    /// Whose turn it is. Each lane with somebody in it is here once.
    turns: VecDeque<Arc<Lane>>,
    waiting: HashMap<Arc<Lane>, BTreeMap<u64, K>>,
}

/// The queue of objects that are known by a `K`.
#[derive(Debug)]
pub struct Queue<K> {
    bounds: Bounds,
    records: HashMap<K, Record>,
    changes: Lanes<K>,
    comparisons: Lanes<K>,
    /// Changes that went first in a row while comparisons waited.
    in_a_row: u32,
    numbers: u64,
    later: BTreeSet<(Duration, K)>,
    passes: HashMap<Group, usize>,
    /// Passes that are taken to be at work, by when they began.
    working: BTreeSet<(Duration, K)>,
}

impl Lane {
    fn group(&self) -> Group {
        (self.cluster.clone(), self.namespace.is_some())
    }
}

impl<K> Lanes<K> {
    fn new() -> Self {
        Self { turns: VecDeque::new(), waiting: HashMap::new() }
    }

    fn put(&mut self, lane: &Arc<Lane>, number: u64, key: K) {
        let waiting = self.waiting.entry(Arc::clone(lane)).or_default();
        if waiting.is_empty() {
            self.turns.push_back(Arc::clone(lane));
        }
        waiting.insert(number, key);
    }

    fn remove(&mut self, lane: &Arc<Lane>, number: u64) -> Option<K> {
        let waiting = self.waiting.get_mut(lane)?;
        let key = waiting.remove(&number);
        if waiting.is_empty() {
            self.waiting.remove(lane);
            self.turns.retain(|turn| turn != lane);
        }
        key
    }

    /// The next of the lane whose turn it is among those that may begin.
    fn next(&mut self, may_begin: impl Fn(&Lane) -> bool) -> Option<(Arc<Lane>, K)> {
        let at = self.turns.iter().position(|lane| may_begin(lane))?;
        let lane = self.turns.remove(at)?;
        let waiting = self.waiting.get_mut(&lane)?;
        let (_, key) = waiting.pop_first()?;
        if waiting.is_empty() {
            self.waiting.remove(&lane);
        } else {
            self.turns.push_back(Arc::clone(&lane));
        }
        Some((lane, key))
    }
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// Nobody waits yet.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            records: HashMap::new(),
            changes: Lanes::new(),
            comparisons: Lanes::new(),
            in_a_row: 0,
            numbers: 0,
            later: BTreeSet::new(),
            passes: HashMap::new(),
            working: BTreeSet::new(),
        }
    }

    /// Asks for a pass. `anew`: what was asked for before is about an older state, so that only the time of this counts.
    pub fn ask(&mut self, key: K, lane: &Arc<Lane>, urgency: Urgency, now: Duration, anew: bool) {
        let record = self.records.entry(key.clone()).or_default();
        if anew || record.asked.is_none() {
            record.asked = Some(now);
        }
        self.wait(key, lane, urgency);
    }

    fn wait(&mut self, key: K, lane: &Arc<Lane>, urgency: Urgency) {
        let Some(record) = self.records.get_mut(&key) else { return };
        if let Some((at, ..)) = record.later.take() {
            self.later.remove(&(at, key.clone()));
        }
        if let Some(Waiting { lane, urgency: before, number }) = &record.waiting {
            if *before <= urgency {
                return;
            }
            if let Some(number) = number {
                let (lane, number) = (Arc::clone(lane), *number);
                self.lanes(Urgency::Comparison).remove(&lane, number);
            }
        }
        self.numbers += 1;
        let number = self.numbers;
        if let Some(record) = self.records.get_mut(&key) {
            let place = record.running.is_none().then_some(number);
            record.waiting = Some(Waiting { lane: Arc::clone(lane), urgency, number: place });
            if place.is_some() {
                self.lanes(urgency).put(lane, number, key);
            }
        }
    }

    fn lanes(&mut self, urgency: Urgency) -> &mut Lanes<K> {
        match urgency {
            Urgency::Change => &mut self.changes,
            Urgency::Comparison => &mut self.comparisons,
        }
    }

    /// Begins the next pass, if one may begin: tells of what, and when it was asked for, if it was. Its end has to be told
    /// by [`Queue::end`].
    pub fn begin(&mut self, now: Duration) -> Option<(K, Option<Duration>)> {
        while let Some((at, _)) = self.later.first()
            && *at <= now
            && let Some((_, key)) = self.later.pop_first()
        {
            let later = self.records.get_mut(&key).and_then(|record| record.later.take());
            if let Some((_, lane, urgency)) = later {
                self.wait(key, &lane, urgency);
            }
        }
        while let Some((began, _)) = self.working.first()
            && *began + self.bounds.working <= now
        {
            self.working.pop_first();
        }

        let room = self.working.len() < self.bounds.all;
        let (passes, each) = (&self.passes, self.bounds.each);
        let may_begin = |lane: &Lane| match passes.get(&lane.group()) {
            None => true,
            Some(passes) => room && *passes < each,
        };
        let (changes, comparisons) = (&mut self.changes, &mut self.comparisons);
        let waited = self.in_a_row >= CHANGES_IN_A_ROW;
        let early = waited.then(|| comparisons.next(may_begin)).flatten();
        let (lane, key) = if early.is_some() {
            self.in_a_row = 0;
            early
        } else if let Some(change) = changes.next(may_begin) {
            self.in_a_row = if comparisons.turns.is_empty() { 0 } else { self.in_a_row.saturating_add(1) };
            Some(change)
        } else {
            self.in_a_row = 0;
            comparisons.next(may_begin)
        }?;

        let group = lane.group();
        *self.passes.entry(group.clone()).or_default() += 1;
        self.working.insert((now, key.clone()));
        let record = self.records.entry(key.clone()).or_default();
        record.waiting = None;
        record.running = Some((group, now));
        let asked = record.asked.take();
        Some((key, asked))
    }

    /// A pass has ended. `again`: after which time, and how urgently, there is to be another one, if nobody asked meanwhile.
    pub fn end(&mut self, key: &K, lane: &Arc<Lane>, again: Option<(Duration, Urgency)>, now: Duration) {
        let Some(record) = self.records.get_mut(key) else { return };
        if let Some((group, began)) = record.running.take() {
            self.working.remove(&(began, key.clone()));
            if let Some(passes) = self.passes.get_mut(&group) {
                *passes -= 1;
                if *passes == 0 {
                    self.passes.remove(&group);
                }
            }
        }
        match (record.waiting.take(), again) {
            (Some(waiting), _) => self.wait(key.clone(), &waiting.lane, waiting.urgency),
            (None, Some((after, urgency))) => {
                let at = now.saturating_add(after);
                record.later = Some((at, Arc::clone(lane), urgency));
                self.later.insert((at, key.clone()));
            }
            (None, None) => {
                self.records.remove(key);
                // After a burst nobody is left for long.
                if self.records.capacity() > SPARE && self.records.len() < self.records.capacity() / 8 {
                    self.records.shrink_to(self.records.len() * 2);
                }
            }
        }
    }

    /// When [`Queue::begin`] may find something that it doesn't find now, though nobody asks and nothing ends.
    pub fn next(&self) -> Option<Duration> {
        let waits = !self.changes.turns.is_empty() || !self.comparisons.turns.is_empty();
        let later = self.later.first().map(|(at, _)| *at);
        let room = self.working.first().filter(|_| waits).map(|(began, _)| *began + self.bounds.working);
        later.into_iter().chain(room).min()
    }

    /// Whether somebody waits for a turn, or has it.
    pub fn is_under_way(&self, key: &K) -> bool {
        self.records.get(key).is_some_and(|record| record.waiting.is_some() || record.running.is_some())
    }

    /// Who waits for a turn.
    pub fn waiting(&self) -> impl Iterator<Item = &K> {
        self.records.iter().filter(|(_, record)| record.waiting.is_some()).map(|(key, _)| key)
    }
}
