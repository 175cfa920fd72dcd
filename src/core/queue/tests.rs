use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { each: 3, all: 5, working: Duration::from_secs(1) };

type Key = (u8, u8, u8);

fn lane((cluster, namespace, object): Key) -> Arc<Lane> {
    Arc::new(Lane {
        cluster: Id::new("ns", &cluster.to_string()),
        // The first object of the first namespace stands for the ArangoCluster itself.
        namespace: ((namespace, object) != (0, 0)).then(|| namespace.to_string().into()),
    })
}

fn queue() -> Queue<Key> {
    Queue::new(BOUNDS)
}

fn ask(queue: &mut Queue<Key>, key: Key, urgency: Urgency, now: Duration) {
    queue.ask(key, &lane(key), urgency, now, false);
}

fn begun(queue: &mut Queue<Key>, now: Duration) -> Vec<Key> {
    std::iter::from_fn(|| queue.begin(now)).map(|(key, _)| key).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Ask(Key, Urgency),
    Begin,
    /// Of the passes under way, this one ends, with or without another look soon.
    End(usize, Option<u64>),
    Time(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let urgency = prop_oneof![Just(Urgency::Change), Just(Urgency::Comparison)];
    prop_oneof![
        4 => ((0_u8..3, 0_u8..3, 0_u8..4), urgency).prop_map(|(key, urgency)| Step::Ask(key, urgency)),
        4 => Just(Step::Begin),
        3 => (any::<usize>(), proptest::option::of(0_u64..3000)).prop_map(|(which, again)| Step::End(which, again)),
        1 => (0_u64..1500).prop_map(Step::Time),
    ]
}

proptest! {
    #[test]
    fn nobody_is_forgotten_or_looked_at_twice_at_once_and_the_bounds_hold(
        steps in proptest::collection::vec(step(), 0..300)
    ) {
        let (mut queue, mut now) = (queue(), Duration::ZERO);
        let mut running: Vec<(Key, Duration)> = Vec::new();
        let mut owed: HashSet<Key> = HashSet::new();
        for step in steps {
            match step {
                Step::Ask(key, urgency) => {
                    ask(&mut queue, key, urgency, now);
                    owed.insert(key);
                }
                Step::Begin => {
                    if let Some((key, _)) = queue.begin(now) {
                        prop_assert!(running.iter().all(|(other, _)| *other != key), "two passes of one object");
                        owed.remove(&key);
                        running.push((key, now));
                        let group = lane(key).group();
                        let same = running.iter().filter(|(other, _)| lane(*other).group() == group).count();
                        prop_assert!(same <= BOUNDS.each);
                        let working = running.iter().filter(|(_, began)| *began + BOUNDS.working > now).count();
                        prop_assert!(working <= BOUNDS.all || same == 1);
                    }
                }
                Step::End(which, again) if !running.is_empty() => {
                    let (key, _) = running.swap_remove(which % running.len());
                    let again = again.map(|after| (Duration::from_millis(after), Urgency::Comparison));
                    queue.end(&key, &lane(key), again, now);
                    if again.is_some() {
                        owed.insert(key);
                    }
                }
                Step::End(..) => {}
                Step::Time(millis) => now += Duration::from_millis(millis),
            }
        }
        for key in queue.waiting() {
            prop_assert!(owed.contains(key));
        }
        // Passes end at once from here on, and the clock goes on only when there is a reason.
        let mut rounds = 0;
        loop {
            for (key, _) in std::mem::take(&mut running) {
                queue.end(&key, &lane(key), None, now);
            }
            while let Some((key, _)) = queue.begin(now) {
                owed.remove(&key);
                running.push((key, now));
            }
            if running.is_empty() {
                match queue.next() {
                    Some(at) => now = now.max(at),
                    None => break,
                }
            }
            rounds += 1;
            prop_assert!(rounds < 1000, "it comes to an end");
        }
        prop_assert!(owed.is_empty(), "forgotten: {owed:?}");
        prop_assert!(queue.records.is_empty() && queue.passes.is_empty() && queue.working.is_empty());
        prop_assert!(queue.changes.waiting.is_empty() && queue.comparisons.waiting.is_empty());
    }

    #[test]
    fn where_no_pass_is_under_way_the_next_begins_at_once_whatever_others_do(
        others in proptest::collection::vec((0_u8..9, 0_u8..3, 0_u8..9), 0..200)
    ) {
        let mut queue = queue();
        for other in others {
            ask(&mut queue, other, Urgency::Change, Duration::ZERO);
        }
        // None of them ever ends.
        begun(&mut queue, Duration::ZERO);
        let key = (100, 1, 1);
        ask(&mut queue, key, Urgency::Comparison, Duration::ZERO);
        prop_assert_eq!(begun(&mut queue, Duration::ZERO), [key]);
    }

    #[test]
    fn however_many_wait_in_one_lane_another_lane_waits_for_its_turn_alone(
        burst in 1_u8..200, lanes in 1_u8..5
    ) {
        let (mut queue, now) = (queue(), Duration::ZERO);
        for object in 0..burst {
            ask(&mut queue, (1, 1, object), Urgency::Change, now);
        }
        for namespace in 0..lanes {
            ask(&mut queue, (1, namespace + 2, 1), Urgency::Change, now);
        }
        let mut order = Vec::new();
        while let Some((key, _)) = queue.begin(now) {
            order.push(key);
            queue.end(&key, &lane(key), None, now);
        }
        for namespace in 0..lanes {
            let place = order.iter().position(|key| key.1 == namespace + 2);
            prop_assert!(place.is_some_and(|place| place <= usize::from(lanes)), "{place:?}");
        }
    }
}

#[test]
fn whoever_waits_for_a_server_leaves_room_for_others() {
    let (mut queue, now) = (queue(), Duration::ZERO);
    for object in 1..10 {
        ask(&mut queue, (1, 1, object), Urgency::Change, now);
        ask(&mut queue, (2, 1, object), Urgency::Change, now);
    }
    assert_eq!(begun(&mut queue, now).len(), BOUNDS.all, "three of one and two of the other");
    assert_eq!(queue.next(), Some(BOUNDS.working), "there may be room then");
    let later = BOUNDS.working;
    assert_eq!(begun(&mut queue, later), [(2, 1, 3)], "three of each, and none of them ends");
    for object in 1..10 {
        ask(&mut queue, (3, 1, object), Urgency::Change, later);
    }
    assert_eq!(begun(&mut queue, later).len(), BOUNDS.each);
}

#[test]
fn an_arango_cluster_itself_never_waits_for_those_who_use_it() {
    let (mut queue, now) = (queue(), Duration::ZERO);
    for object in 1..10 {
        ask(&mut queue, (1, 1, object), Urgency::Change, now);
    }
    begun(&mut queue, now);
    ask(&mut queue, (1, 0, 0), Urgency::Change, now);
    assert_eq!(begun(&mut queue, now), [(1, 0, 0)]);
}

#[test]
fn a_change_goes_before_comparisons_and_they_have_their_turn_all_the_same() {
    let (mut queue, now) = (queue(), Duration::ZERO);
    for object in 1..100 {
        ask(&mut queue, (1, 1, object), Urgency::Comparison, now);
    }
    // It is asked for more urgently than before.
    ask(&mut queue, (1, 1, 90), Urgency::Change, now);
    for object in 100..200 {
        ask(&mut queue, (1, 1, object), Urgency::Change, now);
    }
    let mut order = Vec::new();
    while let Some((key, _)) = queue.begin(now) {
        order.push(key.2);
        queue.end(&key, &lane(key), None, now);
    }
    assert_eq!(order.len(), 199, "each once");
    assert_eq!(order[0], 90);
    let between: Vec<_> = order.iter().take(24).filter(|object| **object < 90).collect();
    assert_eq!(between, [&1, &2, &3], "{order:?}");
}

#[test]
fn asked_for_during_a_pass_it_has_another_one_and_no_later_look_besides() {
    let (mut queue, key) = (queue(), (1, 1, 1));
    let second = Duration::from_secs(1);
    ask(&mut queue, key, Urgency::Change, Duration::ZERO);
    assert_eq!(queue.begin(second), Some((key, Some(Duration::ZERO))));
    ask(&mut queue, key, Urgency::Comparison, second);
    assert_eq!(queue.begin(second), None);
    queue.end(&key, &lane(key), Some((second, Urgency::Comparison)), 2 * second);
    assert_eq!(queue.begin(2 * second), Some((key, Some(second))));
    queue.end(&key, &lane(key), Some((second, Urgency::Comparison)), 2 * second);
    assert_eq!((queue.begin(2 * second), queue.next()), (None, Some(3 * second)));
    assert_eq!(queue.begin(3 * second), Some((key, None)), "nobody asked, the time came");
    queue.end(&key, &lane(key), None, 3 * second);
    assert_eq!(queue.next(), None);
}

#[test]
fn what_is_seen_anew_is_asked_for_from_then_on() {
    let (mut queue, key) = (queue(), (1, 1, 1));
    let at = Duration::from_secs;
    ask(&mut queue, key, Urgency::Comparison, at(1));
    ask(&mut queue, key, Urgency::Comparison, at(2));
    queue.ask(key, &lane(key), Urgency::Comparison, at(3), true);
    assert_eq!(queue.begin(at(4)), Some((key, Some(at(3)))));
}
