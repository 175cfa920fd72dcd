//! The laws of the choice, over random schedules of reports, picks and time; and some schedules worth reading.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const COUNT: usize = 4;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn asked(pick: Pick) -> usize {
    match pick {
        Pick::Ask(coordinator) => coordinator,
        other => panic!("{other:?}"),
    }
}

#[test]
fn round_robin_takes_turns_and_skips_what_is_aside() {
    let mut balancer = Balancer::new(3, LoadBalancing::RoundRobin);
    let turns = |balancer: &mut Balancer| -> Vec<usize> {
        (0..4).map(|_| asked(balancer.pick(Wish::Any, &[], SECOND, 0))).collect()
    };
    assert_eq!(turns(&mut balancer), [0, 1, 2, 0]);
    assert!(balancer.failed(1, SECOND, 0));
    // What belongs to one coordinator doesn't take another's turn.
    balancer.pick(Wish::Affinity(7), &[], SECOND, 0);
    assert_eq!(turns(&mut balancer), [2, 0, 2, 0]);
    assert_eq!(balancer.begin_probes(2 * SECOND), [1]);
    assert!(balancer.probe_answered(1));
    assert_eq!(turns(&mut balancer), [1, 2, 0, 1]);
}

#[test]
fn delays_double_up_to_the_cap_and_only_a_probe_lengthens_them() {
    let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
    let mut now = SECOND;
    assert!(balancer.failed(0, now, u64::MAX));
    let mut delays = Vec::new();
    for _ in 0..10 {
        let due = balancer.next_probe().unwrap();
        assert!(!balancer.failed(0, due, u64::MAX), "the same death told again");
        assert_eq!(balancer.next_probe(), Some(due));
        delays.push(due - now);
        now = due;
        assert_eq!(balancer.begin_probes(now), [0]);
        assert_eq!(
            (balancer.begin_probes(now), balancer.next_probe()),
            (vec![], None),
            "one probe at a time"
        );
        assert!(!balancer.probe_failed(0, now, 0));
    }
    assert!(delays.iter().zip(&delays[1..]).skip(1).all(|(shorter, longer)| shorter <= longer), "{delays:?}");
    assert_eq!(*delays.last().unwrap(), PROBE_CAP / 2, "the least of the longest delay");
}

#[test]
fn one_that_answers_probes_and_no_request_is_tried_less_and_less() {
    let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
    let mut now = SECOND;
    let mut gaps = Vec::new();
    for _ in 0..10 {
        assert!(balancer.failed(0, now, 0));
        let due = balancer.next_probe().unwrap();
        gaps.push(due - now);
        now = due;
        assert_eq!(balancer.begin_probes(now), [0]);
        assert!(balancer.probe_answered(0));
    }
    assert!(gaps.iter().zip(&gaps[1..]).all(|(shorter, longer)| shorter <= longer), "{gaps:?}");
    assert!(*gaps.last().unwrap() >= PROBE_CAP / 2);
    // An answer to a request is another beginning.
    balancer.served(0);
    balancer.failed(0, now, 0);
    assert!(balancer.next_probe().unwrap() <= now + FIRST_PROBE);
}

#[test]
fn when_the_last_one_fails_the_others_are_probed_soon() {
    let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
    let mut now = SECOND;
    balancer.failed(0, now, u64::MAX);
    for _ in 0..20 {
        now = balancer.next_probe().unwrap();
        balancer.begin_probes(now);
        balancer.probe_failed(0, now, u64::MAX);
    }
    balancer.failed(1, now, 0);
    now += PROBE_CAP_ALONE;
    assert_eq!(balancer.begin_probes(now), [0, 1]);
}

#[test]
fn a_suspect_is_probed_at_once_and_asked_only_where_no_other_works() {
    let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
    balancer.suspected(0, SECOND);
    for _ in 0..3 {
        assert_eq!(balancer.pick(Wish::Any, &[], SECOND, 0), Pick::Ask(1));
    }
    assert_eq!(balancer.pick(Wish::Any, &[1], SECOND, 0), Pick::Ask(0));
    assert_eq!(balancer.begin_probes(SECOND), [0]);
    assert!(!balancer.probe_answered(0));
    // Slow requests are many; it isn't probed for each of them.
    balancer.suspected(0, SECOND + millis(1));
    assert_eq!(balancer.next_probe(), Some(SECOND + SUSPECT_AGAIN));
}

#[test]
fn one_that_is_full_rests_for_as_long_as_it_says_and_the_others_go_on() {
    let mut balancer = Balancer::new(2, LoadBalancing::RoundRobin);
    balancer.full(0, Some(3 * SECOND), SECOND, 0);
    for _ in 0..3 {
        assert_eq!(balancer.pick(Wish::Any, &[], SECOND, 0), Pick::Ask(1));
    }
    assert!(balancer.works(0));
    balancer.full(1, None, SECOND, 0);
    let Pick::Wait(soon) = balancer.pick(Wish::Any, &[], SECOND, 0) else { panic!("nobody rests") };
    assert!(soon > SECOND && soon <= SECOND + FIRST_REST);
    assert_eq!(balancer.pick(Wish::Any, &[], soon, 0), Pick::Ask(1));
    let Pick::Wait(told) = balancer.pick(Wish::Only(0), &[], soon, 0) else { panic!("it rests") };
    assert!(told >= 4 * SECOND && told <= 5 * SECOND, "{told:?}");
    // Fifty that were on their way tell of one queue; told again later, it rests longer.
    balancer.full(1, None, SECOND, 0);
    assert_eq!(balancer.pick(Wish::Any, &[], soon, 0), Pick::Ask(1));
    balancer.full(1, None, soon, 0);
    let Pick::Wait(later) = balancer.pick(Wish::Any, &[], soon, 0) else { panic!("it rests") };
    assert!(later - soon > soon - SECOND);
}

#[derive(Debug, Clone)]
enum Report {
    Served(usize),
    Failed(usize, u64),
    Suspected(usize),
    Full(usize, Option<Duration>, u64),
    ProbesBegin,
    ProbeAnswered(usize),
    ProbeFailed(usize, u64),
    Time(Duration),
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let one = 0..COUNT;
    let report = prop_oneof![
        one.clone().prop_map(Report::Served),
        (one.clone(), any::<u64>()).prop_map(|(i, random)| Report::Failed(i, random)),
        one.clone().prop_map(Report::Suspected),
        (one.clone(), prop::option::of((0..100_000_u64).prop_map(millis)), any::<u64>())
            .prop_map(|(i, told, random)| Report::Full(i, told, random)),
        Just(Report::ProbesBegin),
        one.clone().prop_map(Report::ProbeAnswered),
        (one, any::<u64>()).prop_map(|(i, random)| Report::ProbeFailed(i, random)),
        (0..20_000_u64).prop_map(|time| Report::Time(millis(time))),
    ];
    prop::collection::vec(report, 0..60)
}

fn strategies() -> impl Strategy<Value = LoadBalancing> {
    prop_oneof![Just(LoadBalancing::RoundRobin), Just(LoadBalancing::Random)]
}

fn wishes() -> impl Strategy<Value = Wish> {
    prop_oneof![Just(Wish::Any), any::<u64>().prop_map(Wish::Affinity)]
}

/// A balancer with a history, and the time.
fn after(strategy: LoadBalancing, reports: &[Report]) -> (Balancer, Duration) {
    let mut balancer = Balancer::new(COUNT, strategy);
    let mut now = Duration::ZERO;
    for report in reports {
        match *report {
            Report::Served(i) => drop(balancer.served(i)),
            Report::Failed(i, random) => drop(balancer.failed(i, now, random)),
            Report::Suspected(i) => balancer.suspected(i, now),
            Report::Full(i, told, random) => drop(balancer.full(i, told, now, random)),
            Report::ProbesBegin => drop(balancer.begin_probes(now)),
            Report::ProbeAnswered(i) => drop(balancer.probe_answered(i)),
            Report::ProbeFailed(i, random) => drop(balancer.probe_failed(i, now, random)),
            Report::Time(time) => now += time,
        }
    }
    (balancer, now)
}

/// Everything under way ended, and no rest and no suspicion is left.
fn calm(balancer: &mut Balancer, now: Duration) -> Duration {
    for i in 0..COUNT {
        if balancer.works(i) {
            balancer.served(i);
        }
    }
    now + TOLD_REST_CAP * 2
}

proptest! {
    #[test]
    fn a_request_sees_every_living_coordinator_once_suspects_last_and_no_other(
        strategy in strategies(), reports in reports(), random: u64, wish in wishes(),
    ) {
        let (mut balancer, mut now) = after(strategy, &reports);
        let suspect = |balancer: &Balancer, i: usize| balancer.coordinators[i].health == Health::Suspect;
        let mut tried = Vec::new();
        loop {
            match balancer.pick(wish, &tried, now, random) {
                Pick::Ask(picked) => {
                    prop_assert!(!tried.contains(&picked) && balancer.works(picked));
                    let rested = |i: &usize| balancer.coordinators[*i].rests_until <= now;
                    let better = (0..COUNT).filter(|i| balancer.works(*i) && !suspect(&balancer, *i));
                    let better = better.filter(|i| !tried.contains(i)).any(|i| rested(&i));
                    prop_assert!(rested(&picked) && !(suspect(&balancer, picked) && better));
                    tried.push(picked);
                }
                Pick::Wait(until) => {
                    prop_assert!(until > now && until <= now + TOLD_REST_CAP * 5 / 4);
                    now = until;
                }
                Pick::Nobody => break,
            }
        }
        tried.sort_unstable();
        let living: Vec<usize> = (0..COUNT).filter(|i| balancer.works(*i)).collect();
        prop_assert_eq!(tried, living);
    }

    #[test]
    fn turns_are_shared_equally_by_the_living_whatever_was_before(reports in reports(), rounds in 1..5_usize) {
        let (mut balancer, now) = after(LoadBalancing::RoundRobin, &reports);
        let now = calm(&mut balancer, now);
        let living = (0..COUNT).filter(|i| balancer.works(*i)).count();
        let mut turns = [0; COUNT];
        for _ in 0..rounds * living {
            turns[asked(balancer.pick(Wish::Any, &[], now, 0))] += 1;
        }
        for (i, turns) in turns.into_iter().enumerate() {
            prop_assert_eq!(turns, if balancer.works(i) { rounds } else { 0 });
        }
    }

    #[test]
    fn chance_gives_every_living_coordinator_its_share(reports in reports()) {
        let (mut balancer, now) = after(LoadBalancing::Random, &reports);
        let now = calm(&mut balancer, now);
        for i in (0..COUNT).filter(|i| balancer.works(*i)).collect::<Vec<_>>() {
            prop_assert!((0..COUNT as u64).any(|random| balancer.pick(Wish::Any, &[], now, random) == Pick::Ask(i)));
        }
    }

    #[test]
    fn affinity_keeps_its_coordinator_whatever_happens_to_others(
        strategy in strategies(), reports in reports(), affinity: u64, random: u64,
    ) {
        let wish = Wish::Affinity(affinity);
        let mine = asked(Balancer::new(COUNT, strategy).pick(wish, &[], Duration::ZERO, 0));
        let (mut balancer, now) = after(strategy, &reports);
        let now = calm(&mut balancer, now);
        let picked = balancer.pick(wish, &[], now, random);
        prop_assert!(!balancer.works(mine) || picked == Pick::Ask(mine));
        prop_assert_eq!(balancer.pick(wish, &[], now, random.wrapping_add(1)), picked);
    }

    #[test]
    fn one_place_of_the_list_is_asked_whatever_is_known_of_it(
        reports in reports(), only in 0..COUNT, random: u64,
    ) {
        let (mut balancer, now) = after(LoadBalancing::RoundRobin, &reports);
        let rested = now + TOLD_REST_CAP * 2;
        prop_assert_eq!(balancer.pick(Wish::Only(only), &[], rested, random), Pick::Ask(only));
        prop_assert_eq!(balancer.pick(Wish::Only(only), &[only], rested, random), Pick::Nobody);
        prop_assert_eq!(balancer.pick(Wish::Only(COUNT), &[], rested, random), Pick::Nobody);
    }

    #[test]
    fn whatever_does_not_work_is_probed_within_the_cap_and_taken_back_by_an_answer(
        strategy in strategies(), reports in reports(),
    ) {
        let (mut balancer, now) = after(strategy, &reports);
        for i in 0..COUNT {
            if balancer.coordinators[i].probing {
                balancer.probe_failed(i, now, 0);
            }
        }
        let probed = balancer.begin_probes(now + PROBE_CAP);
        for i in 0..COUNT {
            let sound = balancer.coordinators[i].health == Health::Works;
            prop_assert!(sound || probed.contains(&i));
            balancer.probe_answered(i);
        }
        let now = now + PROBE_CAP + TOLD_REST_CAP * 2;
        let mut seen: Vec<usize> = Vec::new();
        while let Pick::Ask(i) = balancer.pick(Wish::Any, &seen, now, 0) {
            seen.push(i);
        }
        prop_assert_eq!(seen.len(), COUNT);
    }

    #[test]
    fn with_none_that_works_the_first_probe_is_within_two_seconds(
        strategy in strategies(), reports in reports(), random: u64,
    ) {
        let (mut balancer, now) = after(strategy, &reports);
        for i in 0..COUNT {
            balancer.failed(i, now, random);
            if balancer.coordinators[i].probing {
                balancer.probe_failed(i, now, random);
            }
        }
        prop_assert_eq!(balancer.pick(Wish::Any, &[], now, random), Pick::Nobody);
        let due = balancer.next_probe().unwrap();
        prop_assert!(due <= now + PROBE_CAP_ALONE);
    }
}

/// A deployment over time: each coordinator is up or down, for requests and for probes alike or not.
#[derive(Debug, Clone)]
enum Event {
    Request(Wish, u64),
    Up(usize),
    Down(usize),
    /// It answers probes and fails requests.
    Half(usize),
    Time(Duration),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (wishes(), any::<u64>()).prop_map(|(wish, random)| Event::Request(wish, random)),
        // The first one stays up, so that no request has an excuse.
        1 => (1..COUNT).prop_map(Event::Up),
        1 => (1..COUNT).prop_map(Event::Down),
        1 => (1..COUNT).prop_map(Event::Half),
        6 => (0..3_000_u64).prop_map(|time| Event::Time(millis(time))),
    ];
    prop::collection::vec(event, 0..200)
}

proptest! {
    #[test]
    fn with_one_that_is_up_no_request_fails_and_a_dead_one_costs_one_attempt_an_interval(
        strategy in strategies(), events in events(), random: u64,
    ) {
        let mut balancer = Balancer::new(COUNT, strategy);
        let (mut now, mut up) = (Duration::ZERO, [(true, true); COUNT]);
        // Requests that failed at each coordinator since its last probe or its last answer to a request.
        let mut wasted = [0; COUNT];
        for event in events {
            match event {
                Event::Up(i) => up[i] = (true, true),
                Event::Down(i) => up[i] = (false, false),
                Event::Half(i) => up[i] = (false, true),
                Event::Time(time) => {
                    let end = now + time;
                    while let Some(due) = balancer.next_probe().filter(|due| *due <= end) {
                        now = due.max(now);
                        for i in balancer.begin_probes(now) {
                            wasted[i] = 0;
                            let back = if up[i].1 {
                                balancer.probe_answered(i)
                            } else {
                                balancer.probe_failed(i, now, random)
                            };
                            prop_assert_eq!(back, up[i].1, "a dead one was aside already");
                        }
                    }
                    now = end;
                }
                Event::Request(wish, random) => {
                    let mut tried = Vec::new();
                    loop {
                        let pick = balancer.pick(wish, &tried, now, random);
                        prop_assert!(matches!(pick, Pick::Ask(_)), "nobody to ask, and one is up");
                        let picked = asked(pick);
                        if up[picked].0 {
                            balancer.served(picked);
                            wasted[picked] = 0;
                            break;
                        }
                        wasted[picked] += 1;
                        prop_assert_eq!(wasted[picked], 1, "a second attempt within one interval");
                        balancer.failed(picked, now, random);
                        tried.push(picked);
                    }
                }
            }
        }
    }
}
