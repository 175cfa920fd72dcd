//! Which coordinator gets the next request: a state machine without clock, randomness or sockets.
//!
//! A coordinator works until something is reported against it, is then set aside and probed with growing
//! delays, and is taken back by the first answer. With none that works, requests still go out, to the one whose
//! probe is due first: they fail fast, or find the first that is back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest delay before the first probe.
pub const FIRST_PROBE: Duration = Duration::from_millis(100);
/// Longest delay between two probes while another coordinator works.
pub const PROBE_CAP: Duration = Duration::from_secs(10);
/// Longest delay between two probes while none works: recovery has to be seen within five seconds, and a probe
/// of a host that swallows packets takes its own time.
pub const PROBE_CAP_ALONE: Duration = Duration::from_secs(2);

/// How requests without affinity are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LoadBalancing {
    /// One after the other.
    #[default]
    RoundRobin,
    /// By chance.
    Random,
}

/// The state of all coordinators of one deployment, each known by its place in the list of endpoints.
#[derive(Debug, Clone)]
pub struct Balancer {
    strategy: LoadBalancing,
    next: usize,
    coordinators: Vec<Health>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Works,
    /// Something odd happened; it serves on, and a probe is to tell.
    Suspect,
    Aside {
        due: Duration,
        delay: Duration,
    },
}

impl Balancer {
    /// All coordinators are taken to work until one is reported.
    pub fn new(count: usize, strategy: LoadBalancing) -> Self {
        Self { strategy, next: 0, coordinators: vec![Health::Works; count] }
    }

    /// Whether requests are offered to it.
    pub fn works(&self, coordinator: usize) -> bool {
        matches!(self.coordinators.get(coordinator), Some(Health::Works | Health::Suspect))
    }

    /// The coordinator for a request that has been to `tried` already; `None` when all have been tried.
    pub fn pick(&mut self, affinity: Option<u64>, tried: &[usize], random: u64) -> Option<usize> {
        let count = self.coordinators.len();
        let open = |i: &usize| !tried.contains(i) && self.works(*i);
        let picked = match (affinity, self.strategy) {
            // Rendezvous hashing: everybody keeps his coordinator but those whose own one went or came back.
            (Some(affinity), _) => (0..count).filter(open).max_by_key(|i| weight(affinity, *i)),
            (None, LoadBalancing::RoundRobin) => {
                let turn = (0..count).map(|step| (self.next + step) % count).find(open);
                if let Some(turn) = turn {
                    self.next = (turn + 1) % count;
                }
                turn
            }
            (None, LoadBalancing::Random) => {
                let working = (0..count).filter(open).count();
                (working > 0).then(|| nth(random, working)).and_then(|n| (0..count).filter(open).nth(n))
            }
        };
        picked.or_else(|| {
            let aside = self.coordinators.iter().enumerate().filter(|(i, _)| !tried.contains(i));
            let due = aside.filter_map(|(i, health)| match health {
                Health::Aside { due, .. } => Some((*due, i)),
                Health::Works | Health::Suspect => None,
            });
            due.min().map(|(_, i)| i)
        })
    }

    /// It answered. `true` if it had been set aside.
    pub fn answered(&mut self, coordinator: usize) -> bool {
        let Some(health) = self.coordinators.get_mut(coordinator) else { return false };
        let was_aside = matches!(health, Health::Aside { .. });
        *health = Health::Works;
        was_aside
    }

    /// A connection to it failed, or it said that it does not serve. `true` if it worked until now.
    pub fn failed(&mut self, coordinator: usize, now: Duration, random: u64) -> bool {
        let alone = !(0..self.coordinators.len()).any(|i| i != coordinator && self.works(i));
        let cap = if alone { PROBE_CAP_ALONE } else { PROBE_CAP };
        let Some(health) = self.coordinators.get_mut(coordinator) else { return false };
        let (worked, delay) = match *health {
            Health::Works | Health::Suspect => (true, FIRST_PROBE),
            // Fifty requests that were on their way tell of the same death: only the probe that was due counts.
            Health::Aside { due, .. } if now < due => return false,
            Health::Aside { delay, .. } => (false, (delay * 2).min(cap)),
        };
        *health = Health::Aside { due: now + jittered(delay, random), delay };
        if alone {
            for health in &mut self.coordinators {
                if let Health::Aside { due, .. } = health {
                    *due = (*due).min(now + PROBE_CAP_ALONE);
                }
            }
        }
        worked
    }

    /// It answered too late or broke an answer off: a probe shall tell, requests still go there.
    pub fn suspected(&mut self, coordinator: usize) {
        if let Some(health @ Health::Works) = self.coordinators.get_mut(coordinator) {
            *health = Health::Suspect;
        }
    }

    /// When the next probe is due; `None` if all work.
    pub fn next_probe(&self) -> Option<Duration> {
        self.coordinators
            .iter()
            .filter_map(|health| match health {
                Health::Works => None,
                Health::Suspect => Some(Duration::ZERO),
                Health::Aside { due, .. } => Some(*due),
            })
            .min()
    }

    /// The coordinators to probe now; each has to be reported as answered or failed afterwards.
    pub fn due(&self, now: Duration) -> Vec<usize> {
        let due = |health: &Health| match health {
            Health::Works => false,
            Health::Suspect => true,
            Health::Aside { due, .. } => *due <= now,
        };
        (0..self.coordinators.len()).filter(|i| self.coordinators.get(*i).is_some_and(due)).collect()
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

/// A place below `count`, which is not zero.
fn nth(random: u64, count: usize) -> usize {
    usize::try_from(random % (count as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn round_robin_takes_turns_and_skips_what_is_aside() {
        let mut balancer = Balancer::new(3, LoadBalancing::RoundRobin);
        let mut turns = |balancer: &mut Balancer| -> Vec<usize> {
            (0..4).filter_map(|_| balancer.pick(None, &[], 0)).collect()
        };
        assert_eq!(turns(&mut balancer), [0, 1, 2, 0]);
        assert!(balancer.failed(1, SECOND, 0));
        assert_eq!(turns(&mut balancer), [2, 0, 2, 0]);
        assert!(balancer.answered(1));
        assert_eq!(turns(&mut balancer), [1, 2, 0, 1]);
    }

    #[test]
    fn delays_double_up_to_the_cap_and_only_when_a_probe_was_due() {
        let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
        let mut now = SECOND;
        assert!(balancer.failed(0, now, u64::MAX));
        let first = balancer.next_probe().unwrap();
        assert!(!balancer.failed(0, now, u64::MAX), "the same death told twice");
        assert_eq!(balancer.next_probe(), Some(first));
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let due = balancer.next_probe().unwrap();
            longest = longest.max(due - now);
            now = due;
            assert_eq!(balancer.due(now), [0]);
            balancer.failed(0, now, 0);
        }
        assert!(longest >= PROBE_CAP / 2 && longest <= PROBE_CAP, "{longest:?}");
    }

    #[test]
    fn when_the_last_one_fails_the_others_are_probed_soon() {
        let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
        let mut now = SECOND;
        for _ in 0..20 {
            balancer.failed(0, now, u64::MAX);
            now = balancer.next_probe().unwrap();
        }
        balancer.failed(0, now, u64::MAX);
        balancer.failed(1, now, 0);
        assert!(balancer.next_probe().unwrap() <= now + PROBE_CAP_ALONE);
        now += PROBE_CAP_ALONE;
        assert_eq!(balancer.due(now), [0, 1]);
    }

    #[test]
    fn a_suspect_serves_on_and_is_probed_at_once() {
        let mut balancer = Balancer::new(1, LoadBalancing::RoundRobin);
        balancer.suspected(0);
        assert!(balancer.works(0));
        assert_eq!(balancer.due(Duration::ZERO), [0]);
        assert!(!balancer.answered(0));
        assert_eq!(balancer.next_probe(), None);
    }

    #[derive(Debug, Clone)]
    enum Report {
        Answered(usize),
        Failed(usize, u64),
        Suspected(usize),
        Time(u64),
    }

    fn reports() -> impl Strategy<Value = Vec<Report>> {
        let one = prop_oneof![
            (0..5_usize).prop_map(Report::Answered),
            (0..5_usize, any::<u64>()).prop_map(|(i, random)| Report::Failed(i, random)),
            (0..5_usize).prop_map(Report::Suspected),
            (0..20_000_u64).prop_map(Report::Time),
        ];
        prop::collection::vec(one, 0..60)
    }

    fn strategies() -> impl Strategy<Value = LoadBalancing> {
        prop_oneof![Just(LoadBalancing::RoundRobin), Just(LoadBalancing::Random)]
    }

    fn after(strategy: LoadBalancing, reports: &[Report]) -> (Balancer, Duration) {
        let mut balancer = Balancer::new(5, strategy);
        let mut now = Duration::ZERO;
        for report in reports {
            match *report {
                Report::Answered(i) => drop(balancer.answered(i)),
                Report::Failed(i, random) => drop(balancer.failed(i, now, random)),
                Report::Suspected(i) => balancer.suspected(i),
                Report::Time(millis) => now += Duration::from_millis(millis),
            }
        }
        (balancer, now)
    }

    proptest! {
        #[test]
        fn a_request_visits_every_coordinator_once_and_working_ones_first(
            strategy in strategies(), reports in reports(), random: u64, affinity: Option<u64>,
        ) {
            let (mut balancer, _) = after(strategy, &reports);
            let mut tried = Vec::new();
            while let Some(picked) = balancer.pick(affinity, &tried, random) {
                prop_assert!(!tried.contains(&picked));
                let untried_works = (0..5).any(|i| !tried.contains(&i) && balancer.works(i));
                prop_assert_eq!(balancer.works(picked), untried_works);
                tried.push(picked);
            }
            tried.sort_unstable();
            prop_assert_eq!(tried, vec![0, 1, 2, 3, 4]);
        }

        #[test]
        fn affinity_keeps_its_coordinator_whatever_happens_to_others(
            strategy in strategies(), reports in reports(), affinity: u64, random: u64,
        ) {
            let mine = Balancer::new(5, strategy).pick(Some(affinity), &[], 0).unwrap();
            let (mut balancer, _) = after(strategy, &reports);
            let picked = balancer.pick(Some(affinity), &[], random).unwrap();
            if balancer.works(mine) {
                prop_assert_eq!(picked, mine);
            }
            let again = balancer.pick(Some(affinity), &[], random.wrapping_add(1)).unwrap();
            prop_assert_eq!(again, picked);
        }

        #[test]
        fn with_none_that_works_the_one_due_first_is_offered_and_due_within_two_seconds(
            strategy in strategies(), reports in reports(), random: u64,
        ) {
            let (mut balancer, now) = after(strategy, &reports);
            for i in 0..5 { balancer.failed(i, now, random); }
            let due = balancer.next_probe().unwrap();
            prop_assert!(due <= now + PROBE_CAP_ALONE);
            let first = balancer.pick(None, &[], random).unwrap();
            prop_assert!(balancer.due(due.max(now)).contains(&first));
            prop_assert!(balancer.answered(first));
            prop_assert_eq!(balancer.pick(None, &[], random), Some(first));
        }

        #[test]
        fn whatever_does_not_work_has_a_probe_within_the_cap(reports in reports()) {
            let (balancer, now) = after(LoadBalancing::RoundRobin, &reports);
            let all_due = balancer.due(now + PROBE_CAP);
            for i in (0..5).filter(|i| !balancer.works(*i)) {
                prop_assert!(all_due.contains(&i));
            }
        }
    }
}
