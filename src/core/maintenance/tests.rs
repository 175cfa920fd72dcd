use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn supervision() -> Target {
    Target {
        name: "the supervision".to_owned(),
        effect: "there is no failover",
        period: HOUR,
        seconds: true,
        ends: true,
        visible: Duration::ZERO,
    }
}

/// A server, an operator, and the time.
#[derive(Debug, Clone)]
struct World {
    target: Target,
    now: Timestamp,
    asked: Option<String>,
    memory: Option<Memory>,
    /// Until when it is on.
    on_until: Option<Timestamp>,
    /// Whether it is ours alone; what a person repeats while we hold it is his as well, and no server tells.
    ours: bool,
    /// Whether it is somebody else's alone.
    foreign: bool,
    switches: Vec<Action>,
    note: Option<Note>,
    again: Option<Timestamp>,
}

/// How a switch goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Luck {
    Good,
    /// Carried out, and the operator doesn't get to know: it ended, or the answer was lost.
    Unknown,
    /// The server could not be reached.
    Failed,
}

impl World {
    fn new() -> Self {
        Self {
            target: supervision(),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            asked: None,
            memory: None,
            on_until: None,
            ours: false,
            foreign: false,
            switches: Vec::new(),
            note: None,
            again: None,
        }
    }

    fn asks(mut self, value: &str) -> Self {
        self.asked = Some(value.to_owned());
        self.pass(Luck::Good);
        self
    }

    fn is_on(&self) -> bool {
        self.on_until.is_some_and(|until| self.now < until)
    }

    fn by_hand(&mut self, on: bool) {
        self.foreign = on && (!self.is_on() || self.foreign);
        self.ours = false;
        self.on_until = on.then(|| after(self.now, HOUR * 2));
    }

    /// One look, and what follows from it.
    fn pass(&mut self, luck: Luck) {
        if !self.is_on() {
            (self.ours, self.foreign) = (false, false);
        }
        let seen = Seen { on: self.is_on(), until: None };
        let decision = decide(&self.target, self.asked.as_deref(), self.memory.take(), seen, self.now);
        self.memory = decision.memory;
        (self.note, self.again) = (decision.note, decision.again);
        let Some(action) = decision.action else { return };
        let asked_off = self.asked.as_deref() == Some("off");
        if luck != Luck::Failed {
            match action {
                Action::On(lasting) => {
                    assert!(
                        !self.foreign,
                        "changed the end of what somebody else had switched on: {self:#?}"
                    );
                    self.ours = true;
                    self.on_until = Some(after(self.now, lasting));
                }
                Action::Off => {
                    assert!(
                        !self.foreign || asked_off,
                        "switched off what somebody else had switched on: {self:#?}"
                    );
                    self.on_until = None;
                    (self.ours, self.foreign) = (false, false);
                }
            }
            self.switches.push(action);
        }
        self.memory = match luck {
            Luck::Good => self.memory.take().unwrap().switched(action, self.now),
            Luck::Unknown => self.memory.take(),
            Luck::Failed => Some(self.memory.take().unwrap().failed()),
        };
        // The end of a switch wakes the next look.
        if luck == Luck::Good {
            self.pass(Luck::Good);
        }
    }

    /// Time passes, with a look whenever one is due and at every tick.
    fn wait(&mut self, time: Duration) {
        let end = after(self.now, time);
        while self.now < end {
            let tick = after(self.now, MINUTE * 5);
            self.now =
                self.again.filter(|again| *again > self.now).map_or(tick, |again| again.min(tick)).min(end);
            self.pass(Luck::Good);
        }
    }

    fn reason(&self) -> Option<Reason> {
        self.note.as_ref().map(|note| note.reason)
    }

    fn phase(&self) -> Option<Phase> {
        self.memory.as_ref().map(|memory| memory.phase)
    }
}

#[test]
fn on_is_renewed_before_the_hour_is_over_for_as_long_as_it_is_asked_for_and_then_switched_off() {
    let mut world = World::new().asks("on");
    assert_eq!(world.switches, [Action::On(HOUR)]);
    for _ in 0..100 {
        world.wait(MINUTE * 7);
        assert!(world.is_on() && world.ours, "{world:#?}");
    }
    assert_eq!(world.switches.len(), 1 + 700 / 30, "every half an hour");
    assert_eq!(world.reason(), Some(Reason::MaintenanceOn));
    world.wait(HOUR * 14);
    assert_eq!(world.reason(), Some(Reason::LongRunning));
    assert!(world.is_on(), "said, and not ended");
    world.asked = None;
    world.pass(Luck::Good);
    assert!(!world.is_on());
    assert_eq!((world.memory, world.note), (None, None));
}

#[test]
fn a_duration_is_one_switch_and_ends_by_itself() {
    let mut world = World::new().asks("45m");
    world.wait(MINUTE * 44);
    assert!(world.is_on());
    world.wait(MINUTE * 2);
    assert!(!world.is_on());
    assert_eq!((world.phase(), world.note.clone()), (Some(Phase::Over), None));
    world.wait(HOUR * 3);
    assert_eq!(world.switches, [Action::On(MINUTE * 45)], "once for the value");
}

#[test]
fn servers_that_know_an_hour_only_are_switched_off_at_the_end() {
    let mut world = World::new();
    world.target.seconds = false;
    let mut world = world.asks("100m");
    world.wait(MINUTE * 99);
    assert!(world.is_on());
    world.wait(MINUTE * 2);
    assert!(!world.is_on());
    let hour = Action::On(HOUR);
    assert_eq!(world.switches, [hour, hour, hour, Action::Off]);
}

#[test]
fn an_end_time_is_kept_and_one_that_has_passed_switches_nothing_and_says_so() {
    let mut world = World::new().asks("2026-11-21T12:30:00Z");
    assert_eq!(world.switches, [Action::On(MINUTE * 30)]);
    world.wait(HOUR);
    assert!(!world.is_on() && world.note.is_none());
    let mut world = World::new().asks("2026-11-21T11:59:59Z");
    world.wait(HOUR);
    assert!(world.switches.is_empty());
    assert_eq!(world.reason(), Some(Reason::EndTimePast));
    // Written over a value that is held, it means "now".
    let mut world = World::new().asks("on");
    world.wait(MINUTE * 10);
    let world = world.asks("2026-11-21T12:01:00Z");
    assert_eq!(world.switches, [Action::On(HOUR), Action::Off]);
}

#[test]
fn what_was_on_before_is_left_and_what_the_annotation_asks_for_begins_when_it_ends() {
    let mut world = World::new();
    world.by_hand(true);
    let mut world = world.asks("on");
    assert_eq!(world.reason(), Some(Reason::MaintenanceByHand));
    world.wait(HOUR);
    assert!(world.switches.is_empty());
    let mut without = world.clone();
    without.asked = None;
    without.pass(Luck::Good);
    assert!(without.is_on() && without.switches.is_empty(), "not ours to switch off");
    world.wait(HOUR * 2);
    assert!(world.is_on() && world.ours, "theirs has ended");
}

#[test]
fn off_ends_whatever_is_on_once() {
    let mut world = World::new();
    world.by_hand(true);
    let mut world = world.asks("off");
    assert_eq!(world.switches, [Action::Off]);
    assert_eq!(world.note, None);
    world.by_hand(true);
    world.wait(MINUTE * 30);
    assert_eq!(world.switches, [Action::Off]);
    assert_eq!(world.reason(), Some(Reason::MaintenanceByHand));
}

#[test]
fn found_off_twice_within_minutes_it_gives_up_and_a_change_of_the_annotation_begins_anew() {
    let mut world = World::new().asks("on");
    world.wait(MINUTE * 2);
    world.by_hand(false);
    world.pass(Luck::Good);
    assert!(world.is_on() && world.ours, "once may be an accident");
    world.wait(MINUTE * 2);
    world.by_hand(false);
    world.pass(Luck::Good);
    assert_eq!((world.is_on(), world.reason()), (false, Some(Reason::MaintenanceUndone)));
    world.wait(HOUR * 3);
    assert_eq!(world.switches.len(), 2);
    let world = world.asks("20m");
    assert!(world.is_on());
}

#[test]
fn found_off_much_later_it_is_switched_on_again() {
    let mut world = World::new().asks("2h");
    for _ in 0..3 {
        world.wait(MINUTE * 20);
        world.by_hand(false);
        world.pass(Luck::Good);
        assert!(world.is_on());
    }
    assert_eq!(world.switches.last(), Some(&Action::On(HOUR)), "for what is left");
}

#[test]
fn what_can_not_be_seen_yet_was_not_undone() {
    let mut world = World::new();
    world.target.visible = Duration::from_secs(10);
    let mut world = world.asks("on");
    world.on_until = None;
    world.now = after(world.now, Duration::from_secs(9));
    world.pass(Luck::Good);
    assert_eq!((world.switches.len(), world.reason()), (1, Some(Reason::MaintenanceSwitching)));
}

#[test]
fn nonsense_switches_nothing_and_what_is_held_runs_out() {
    let mut world = World::new().asks("on");
    world.asked = Some("onn".to_owned());
    world.pass(Luck::Good);
    assert_eq!(world.reason(), Some(Reason::Invalid));
    assert!(world.note.as_ref().unwrap().message.contains("\"onn\""));
    world.wait(HOUR * 2);
    assert_eq!(world.switches, [Action::On(HOUR)]);
    assert!(!world.is_on());
}

#[test]
fn another_value_over_one_that_is_held_takes_its_place() {
    let mut world = World::new().asks("on");
    world.wait(MINUTE * 10);
    let mut world = world.asks("5m");
    assert_eq!(world.switches, [Action::On(HOUR), Action::On(MINUTE * 5)]);
    world.wait(MINUTE * 6);
    assert!(!world.is_on());
}

#[test]
fn an_operator_that_ends_in_the_middle_knows_afterwards_what_is_its_own() {
    let mut world = World::new();
    world.asked = Some("on".to_owned());
    world.pass(Luck::Unknown);
    assert_eq!(world.phase(), Some(Phase::Switching));
    world.asked = None;
    world.pass(Luck::Good);
    assert_eq!(world.switches, [Action::On(HOUR), Action::Off]);
}

/// What happens from one look to the next.
#[derive(Debug, Clone)]
enum Event {
    Ask(Option<&'static str>),
    Hand(bool),
    Pass(u64, Luck),
}

fn event() -> impl Strategy<Value = Event> {
    let values =
        [None, Some("on"), Some("off"), Some("7m"), Some("3h"), Some("2026-11-21T13:00:00Z"), Some("no")];
    let luck = prop_oneof![4 => Just(Luck::Good), 1 => Just(Luck::Unknown), 1 => Just(Luck::Failed)];
    prop_oneof![
        proptest::sample::select(values.to_vec()).prop_map(Event::Ask),
        any::<bool>().prop_map(Event::Hand),
        (0_u64..4000, luck).prop_map(|(seconds, luck)| Event::Pass(seconds, luck)),
    ]
}

proptest! {
    /// [`World::pass`] refuses to switch off what somebody else switched on; and whatever happened, what we hold ends.
    #[test]
    fn nothing_foreign_is_switched_off_and_all_ends(
        events in proptest::collection::vec(event(), 0..60),
        seconds: bool,
    ) {
        let mut world = World::new();
        world.target.seconds = seconds;
        for event in events {
            match event {
                Event::Ask(value) => world.asked = value.map(str::to_owned),
                Event::Hand(on) => world.by_hand(on),
                Event::Pass(time, luck) => {
                    world.now = after(world.now, Duration::from_secs(time));
                    world.pass(luck);
                }
            }
            // A change is looked at; what happens between two looks nobody can tell apart.
            world.pass(Luck::Good);
        }
        let mut abandoned = world.clone();
        abandoned.now = after(abandoned.now, DAY);
        prop_assert!(!abandoned.is_on(), "ends without an operator");
        world.asked = None;
        world.pass(Luck::Good);
        prop_assert!(!(world.is_on() && world.ours), "ends with the annotation: {world:#?}");
        prop_assert!(world.memory.is_none());
    }

    /// Without anybody else, a value with an end is one switch, however often it is looked at.
    #[test]
    fn a_value_with_an_end_is_switched_once(minutes in 1_u64..600, looks in proptest::collection::vec(0_u64..2000, 0..40)) {
        let mut world = World::new().asks(&format!("{minutes}m"));
        for look in looks {
            world.now = after(world.now, Duration::from_secs(look));
            world.pass(Luck::Good);
            prop_assert_eq!(world.is_on(), between(world.memory.as_ref().unwrap().since, world.now) < MINUTE * u32::try_from(minutes).unwrap());
        }
        prop_assert_eq!(world.switches, [Action::On(MINUTE * u32::try_from(minutes).unwrap())]);
    }
}
