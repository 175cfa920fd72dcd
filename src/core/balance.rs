//! Which coordinator gets the next request: a state machine without clock, randomness or sockets. Everything that
//! is seen of a coordinator is reported to it, with the time; every question is answered from that alone.
//!
//! A coordinator *works* until something is reported against it. After something odd (silence, a lost answer) it is
//! *suspect*: probed at once, and until that tells, asked only where no other works. After a failure it is *aside*:
//! no request goes there at all, it is probed with growing delays, and the first answer takes it back. One that
//! is full *rests* for a moment.
//!
//! The laws, which `tests.rs` holds to random schedules:
//! - *one attempt an interval*: of the attempts at a dead coordinator, at most one is a request's between two probes,
//!   and probes come further and further apart, also if it answers probes and nothing else;
//! - *no starvation*: whatever is aside or suspect has a probe ahead within a bounded time, and what works gets its
//!   turn within as many turns as there are coordinators;
//! - *fair within a request*: a request sees every living coordinator once before it fails, and suspects last.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Longest delay before the first probe.
pub const FIRST_PROBE: Duration = Duration::from_millis(100);
/// Longest delay between two probes while another coordinator works.
pub const PROBE_CAP: Duration = Duration::from_secs(10);
/// Longest delay between two probes while none works: recovery has to be seen within five seconds, and a probe
/// of a host that swallows packets takes its own time.
pub const PROBE_CAP_ALONE: Duration = Duration::from_secs(2);
/// Shortest time between two probes of one that is merely suspect: it may be slow, and slow requests are many.
pub const SUSPECT_AGAIN: Duration = Duration::from_secs(1);
/// Longest first rest of a coordinator that is full and doesn't say for how long.
pub const FIRST_REST: Duration = Duration::from_millis(100);
/// Longest rest of one that doesn't say for how long.
pub const REST_CAP: Duration = Duration::from_secs(2);
/// Longest rest that a coordinator can ask for.
pub const TOLD_REST_CAP: Duration = Duration::from_secs(60);

/// How requests without affinity are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoadBalancing {
    /// One after the other.
    #[default]
    RoundRobin,
    /// By chance.
    Random,
}

/// Where a request would like to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Anywhere.
    Any,
    /// To the same coordinator as all others with this number, while that works.
    Affinity(u64),
    /// To this one and no other, whatever is known of it.
    Only(usize),
}

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// To this one, now.
    Ask(usize),
    /// Whoever is left rests until then. Ask again at that time.
    Wait(Duration),
    /// Nobody is left: all were tried, or are known not to answer.
    Nobody,
}

/// The state of all coordinators of one deployment, each known by its place in the list of endpoints. Every `now`
/// is the time since some fixed moment.
#[derive(Debug, Clone)]
pub struct Balancer {
    strategy: LoadBalancing,
    next: usize,
    coordinators: Vec<Coordinator>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Works,
    Suspect,
    Aside,
}

#[derive(Debug, Clone)]
struct Coordinator {
    health: Health,
    /// When the next probe is due, unless it works or is being probed.
    due: Duration,
    probing: bool,
    /// When the last probe began.
    probed: Option<Duration>,
    /// The delay before the last probe. Only a request's answer sets it back: one that answers probes and fails
    /// requests shall not be tried anew every hundred milliseconds.
    delay: Duration,
    rests_until: Duration,
    rest: Duration,
}

impl Coordinator {
    const NEW: Self = Self {
        health: Health::Works,
        due: Duration::ZERO,
        probing: false,
        probed: None,
        delay: Duration::ZERO,
        rests_until: Duration::ZERO,
        rest: Duration::ZERO,
    };

    /// It answers. `true` if it had been set aside.
    fn take_back(&mut self) -> bool {
        std::mem::replace(&mut self.health, Health::Works) == Health::Aside
    }

    fn awaits_probe(&self) -> bool {
        self.health != Health::Works && !self.probing
    }
}

impl Balancer {
    /// All coordinators are taken to work until one is reported.
    pub fn new(count: usize, strategy: LoadBalancing) -> Self {
        Self { strategy, next: 0, coordinators: vec![Coordinator::NEW; count] }
    }

    /// Whether requests are offered to it.
    pub fn works(&self, coordinator: usize) -> bool {
        self.coordinators.get(coordinator).is_some_and(|it| it.health != Health::Aside)
    }

    /// The coordinator for a request that has been to `tried` already.
    pub fn pick(&mut self, wish: Wish, tried: &[usize], now: Duration, random: u64) -> Pick {
        if let Wish::Only(only) = wish {
            return match self.coordinators.get(only) {
                Some(it) if !tried.contains(&only) && it.rests_until > now => Pick::Wait(it.rests_until),
                Some(_) if !tried.contains(&only) => Pick::Ask(only),
                _ => Pick::Nobody,
            };
        }
        let left = self.coordinators.iter().enumerate().filter(|(i, _)| !tried.contains(i));
        let left: Vec<_> = left.filter(|(_, it)| it.health != Health::Aside).collect();
        for health in [Health::Works, Health::Suspect] {
            let open = left.iter().filter(|(_, it)| it.health == health && it.rests_until <= now);
            let open: Vec<usize> = open.map(|(i, _)| *i).collect();
            if let Some(picked) = self.choose(wish, &open, random) {
                if wish == Wish::Any {
                    self.next = (picked + 1) % self.coordinators.len().max(1);
                }
                return Pick::Ask(picked);
            }
        }
        left.iter().map(|(_, it)| it.rests_until).min().map_or(Pick::Nobody, Pick::Wait)
    }

    fn choose(&self, wish: Wish, open: &[usize], random: u64) -> Option<usize> {
        let count = self.coordinators.len();
        match (wish, self.strategy) {
            // Rendezvous hashing: everybody keeps his coordinator but those whose own one went or came back.
            (Wish::Affinity(affinity), _) => open.iter().max_by_key(|i| weight(affinity, **i)).copied(),
            (_, LoadBalancing::RoundRobin) => {
                open.iter().min_by_key(|i| (**i + count - self.next) % count).copied()
            }
            (_, LoadBalancing::Random) => open.get(nth(random, open.len())?).copied(),
        }
    }

    /// It answered a request. `true` if it had been set aside.
    pub fn served(&mut self, coordinator: usize) -> bool {
        let Some(it) = self.coordinators.get_mut(coordinator) else { return false };
        (it.delay, it.rest) = (Duration::ZERO, Duration::ZERO);
        it.take_back()
    }

    /// It answered that it is full, and maybe for how long. `true` if it had been set aside.
    pub fn full(&mut self, coordinator: usize, told: Option<Duration>, now: Duration, random: u64) -> bool {
        let Some(it) = self.coordinators.get_mut(coordinator) else { return false };
        if let Some(told) = told {
            // Not a moment sooner than it said, and not all at the same moment.
            let told = told.min(TOLD_REST_CAP);
            it.rests_until = it.rests_until.max(now + told + jittered(told / 4, random));
        } else if it.rests_until <= now {
            // Fifty requests that were on their way tell of the same queue.
            it.rest = (it.rest * 2).clamp(FIRST_REST, REST_CAP);
            it.rests_until = now + jittered(it.rest, random);
        }
        it.take_back()
    }

    /// A connection to it failed, or it said that it does not serve. `true` if it worked until now.
    pub fn failed(&mut self, coordinator: usize, now: Duration, random: u64) -> bool {
        // Fifty requests that were on their way tell of the same death: only what a probe finds counts again.
        self.works(coordinator) && self.set_aside(coordinator, now, random)
    }

    /// It is silent, or broke an answer off: a probe shall tell.
    pub fn suspected(&mut self, coordinator: usize, now: Duration) {
        if let Some(it) = self.coordinators.get_mut(coordinator)
            && it.health == Health::Works
        {
            it.health = Health::Suspect;
            it.due = it.probed.map_or(now, |probed| now.max(probed + SUSPECT_AGAIN));
        }
    }

    /// It answered a probe. `true` if it had been set aside.
    pub fn probe_answered(&mut self, coordinator: usize) -> bool {
        let Some(it) = self.coordinators.get_mut(coordinator) else { return false };
        it.probing = false;
        it.take_back()
    }

    /// It did not answer a probe. `true` if it worked until now.
    pub fn probe_failed(&mut self, coordinator: usize, now: Duration, random: u64) -> bool {
        let Some(it) = self.coordinators.get_mut(coordinator) else { return false };
        it.probing = false;
        // A request that it answered meanwhile is worth more.
        it.health != Health::Works && self.set_aside(coordinator, now, random)
    }

    fn set_aside(&mut self, coordinator: usize, now: Duration, random: u64) -> bool {
        let alone = !(0..self.coordinators.len()).any(|i| i != coordinator && self.works(i));
        let cap = if alone { PROBE_CAP_ALONE } else { PROBE_CAP };
        let Some(it) = self.coordinators.get_mut(coordinator) else { return false };
        let worked = it.health != Health::Aside;
        it.health = Health::Aside;
        it.delay = (it.delay * 2).clamp(FIRST_PROBE, cap);
        it.due = now + jittered(it.delay, random);
        if alone {
            for it in &mut self.coordinators {
                it.due = it.due.min(now + PROBE_CAP_ALONE);
            }
        }
        worked
    }

    /// When the next probe is due; `None` if all work or are being probed.
    pub fn next_probe(&self) -> Option<Duration> {
        self.coordinators.iter().filter(|it| it.awaits_probe()).map(|it| it.due).min()
    }

    /// The coordinators to probe now. Each has to be reported by [`Self::probe_answered`] or
    /// [`Self::probe_failed`]; it isn't probed again before.
    pub fn begin_probes(&mut self, now: Duration) -> Vec<usize> {
        let due = self.coordinators.iter_mut().enumerate();
        let due = due.filter(|(_, it)| it.awaits_probe() && it.due <= now);
        due.map(|(i, it)| {
            (it.probing, it.probed) = (true, Some(now));
            i
        })
        .collect()
    }
}

/// A delay between half of `delay` and all of it, so that many processes don't probe at the same moment.
pub fn jittered(delay: Duration, random: u64) -> Duration {
    let half = delay / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(random % nanos.saturating_add(1))
}

/// A stable number for a name: all requests about it go through the same coordinator.
pub fn affinity_of(kind: &str, name: &str) -> u64 {
    // FNV-1a; a zero byte between the two keeps ("a", "bc") and ("ab", "c") apart.
    let bytes = kind.bytes().chain([0]).chain(name.bytes());
    mix(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// How much a request of this affinity is drawn to that coordinator.
fn weight(affinity: u64, coordinator: usize) -> u64 {
    mix(affinity ^ mix(coordinator as u64))
}

/// The finaliser of `SplitMix64`: spreads neighbouring numbers over the whole range.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A place below `count`, if there is any.
fn nth(random: u64, count: usize) -> Option<usize> {
    usize::try_from(random.checked_rem(count as u64)?).ok()
}
