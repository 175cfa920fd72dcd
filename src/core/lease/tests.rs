//! The laws of the lease, on a model of an API server: requests arrive late or never, so do answers, processes are stopped
//! for any time, and every process has a clock of its own.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const D: Terms = Terms(Terms::DEFAULT);

fn lease(version: &str, holder: Option<&str>, stamp: i64) -> Lease {
    let holder = holder.map(str::to_owned);
    Lease { version: version.to_owned(), holder, stamp: Some(stamp), duration: D.duration() }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn take(version: &str) -> Step {
    Step::Write(Precondition::Version(version.to_owned()))
}

#[test]
fn what_nobody_holds_is_taken_at_once() {
    let mut me = Candidate::new("me", D);
    assert_eq!(me.looked(None, seconds(0.0)), Step::Write(Precondition::Absent));
    assert_eq!(me.looked(Some(&lease("7", None, 1)), seconds(0.0)), take("7"));
}

#[test]
fn what_another_one_holds_is_taken_when_it_was_not_renewed_for_its_duration() {
    let mut me = Candidate::new("me", D);
    assert_eq!(me.looked(Some(&lease("1", Some("other"), 1)), seconds(5.0)), Step::Wait(seconds(15.0)));
    assert_eq!(me.looked(Some(&lease("2", Some("other"), 2)), seconds(14.9)), Step::Wait(seconds(24.9)));
    assert_eq!(me.looked(Some(&lease("2", Some("other"), 2)), seconds(24.8)), Step::Wait(seconds(24.9)));
    assert_eq!(me.looked(Some(&lease("2", Some("other"), 2)), seconds(24.9)), take("2"));
}

#[test]
fn a_lease_of_an_earlier_life_under_the_same_name_is_another_ones() {
    let mut me = Candidate::new("me", D);
    assert_eq!(me.looked(Some(&lease("1", Some("me"), 1)), seconds(0.0)), Step::Wait(seconds(10.0)));
}

#[test]
fn the_duration_that_its_holder_says_is_waited_for_within_bounds() {
    for (said, waited) in [(1, 10), (60, 60), (1 << 30, 300)] {
        let mut me = Candidate::new("me", D);
        let found = Lease { duration: Duration::from_secs(said), ..lease("1", Some("other"), 1) };
        assert_eq!(me.looked(Some(&found), Duration::ZERO), Step::Wait(Duration::from_secs(waited)));
    }
}

#[test]
fn a_lease_that_is_deleted_under_its_holder_is_left_alone_until_it_would_have_ended() {
    let mut me = Candidate::new("me", D);
    me.looked(Some(&lease("1", Some("other"), 1)), seconds(0.0));
    assert_eq!(me.looked(None, seconds(3.0)), Step::Wait(seconds(10.0)));
    assert_eq!(me.looked(None, seconds(10.0)), Step::Write(Precondition::Absent));
}

#[test]
fn a_lost_answer_is_made_up_for_by_looking() {
    let mut me = Candidate::new("me", D);
    me.writes(1, seconds(0.0));
    me.writes(2, seconds(2.0));
    // The first was taken, and counts from its own beginning.
    assert_eq!(me.looked(Some(&lease("5", Some("me"), 1)), seconds(4.0)), Step::Lead(seconds(8.0)));
    me.writes(3, seconds(5.0));
    assert_eq!(me.wrote(3, "6", seconds(5.1)), Step::Lead(seconds(13.0)));
    // Somebody annotated the Lease: what it says of us is the same.
    assert_eq!(me.looked(Some(&lease("7", Some("me"), 3)), seconds(6.0)), Step::Lead(seconds(13.0)));
}

#[test]
fn a_write_that_arrives_after_a_look_that_did_not_show_it_is_ours_all_the_same() {
    let mut me = Candidate::new("me", D);
    me.writes(1, seconds(0.0));
    assert_eq!(me.wrote(1, "1", seconds(0.5)), Step::Lead(seconds(8.0)));
    me.writes(2, seconds(2.0));
    me.writes(3, seconds(4.0));
    assert_eq!(me.looked(Some(&lease("1", Some("me"), 1)), seconds(5.0)), Step::Lead(seconds(8.0)));
    assert_eq!(me.looked(Some(&lease("2", Some("me"), 2)), seconds(6.0)), Step::Lead(seconds(10.0)));
    // Somebody annotated the Lease as it was before, and the third was refused for that: that changes nothing.
    assert_eq!(me.looked(Some(&lease("3", Some("me"), 2)), seconds(7.0)), Step::Lead(seconds(10.0)));
}

#[test]
fn writes_without_an_answer_are_remembered_for_the_time_of_a_lease_and_no_longer() {
    let mut me = Candidate::new("me", D);
    for stamp in 0..1000 {
        me.writes(stamp, Duration::from_secs(stamp.unsigned_abs()));
    }
    assert_eq!(me.attempts.len(), 10);
    assert_eq!(me.looked(Some(&lease("1", Some("me"), 992)), seconds(999.0)), Step::Lead(seconds(1000.0)));
    assert_eq!(me.attempts.len(), 8);
}

#[test]
fn who_holds_it_no_longer_steps_down_and_says_why() {
    let holder = || {
        let mut me = Candidate::new("me", D);
        me.writes(1, seconds(0.0));
        assert_eq!(me.wrote(1, "1", seconds(0.5)), Step::Lead(seconds(8.0)));
        me
    };
    let other = lease("2", Some("other"), 9);
    let down = |why| Step::StepDown(why);
    assert_eq!(holder().looked(Some(&other), seconds(1.0)), down(Lost::Taken("other".to_owned())));
    assert_eq!(holder().looked(Some(&lease("2", None, 1)), seconds(1.0)), down(Lost::Released));
    assert_eq!(holder().looked(None, seconds(1.0)), down(Lost::Deleted));
    assert_eq!(holder().looked(Some(&lease("1", Some("me"), 1)), seconds(8.0)), down(Lost::Expired));
    // Another process with our name.
    assert!(matches!(holder().looked(Some(&lease("2", Some("me"), 2)), seconds(1.0)), Step::StepDown(_)));
}

#[test]
fn who_takes_it_too_late_to_act_on_it_takes_it_again() {
    let mut me = Candidate::new("me", D);
    me.writes(1, seconds(0.0));
    assert_eq!(me.looked(Some(&lease("1", Some("me"), 1)), seconds(9.0)), take("1"));
    me.writes(2, seconds(9.0));
    assert_eq!(me.wrote(2, "2", seconds(9.1)), Step::Lead(seconds(17.0)));
}

/// The API server.
#[derive(Default)]
struct Server {
    version: u64,
    lease: Option<Lease>,
}

impl Server {
    fn write(&mut self, precondition: &Precondition, written: Lease) -> Option<String> {
        let is_met = match (precondition, &self.lease) {
            (Precondition::Absent, None) => true,
            (Precondition::Version(wanted), Some(lease)) => *wanted == lease.version,
            _ => false,
        };
        if !is_met {
            return None;
        }
        self.version += 1;
        let version = self.version.to_string();
        self.lease = Some(Lease { version: version.clone(), ..written });
        Some(version)
    }
}

/// What happens to one request, in seconds: how long it is on the way, how long its answer, and whether either gets lost.
#[derive(Debug, Clone, Copy)]
struct Luck {
    there: f64,
    back: f64,
    arrives: bool,
    answered: bool,
    /// Whether, without an answer for a while, the process goes on beside it.
    beside: bool,
    /// How long the process does nothing afterwards.
    pause: f64,
}

fn luck() -> impl Strategy<Value = Luck> {
    let way = prop_oneof![8 => 0.0..0.5_f64, 1 => 0.0..30.0_f64];
    let pause = prop_oneof![8 => 0.1..2.5_f64, 1 => 0.1..30.0_f64];
    let mostly = || prop_oneof![6 => Just(true), 1 => Just(false)];
    (way.clone(), way, mostly(), mostly(), any::<bool>(), pause).prop_map(
        |(there, back, arrives, answered, beside, pause)| Luck {
            there,
            back,
            arrives,
            answered,
            beside,
            pause,
        },
    )
}

/// A process with a clock that began anywhere and runs at a speed of its own.
#[derive(Debug, Clone)]
struct Process {
    offset: f64,
    speed: f64,
    lucks: Vec<Luck>,
}

fn process() -> impl Strategy<Value = Process> {
    (0.0..1e6_f64, 0.9..1.1_f64, prop::collection::vec(luck(), 20..120))
        .prop_map(|(offset, speed, lucks)| Process { offset, speed, lucks })
}

enum Request {
    Look,
    Write(Precondition, i64),
    Release(String),
}

enum Event {
    /// The process does what is next.
    Turn,
    /// A request reaches the server.
    Arrives(Request, Luck),
    /// An answer reaches the process; none for a conflict.
    Looked(Option<Lease>, Luck),
    Wrote(Option<String>, i64, Luck),
}

/// One process in the model: the driver's part of the operator, with luck in place of a network.
struct Running<'a> {
    process: &'a Process,
    candidate: Candidate,
    turns: usize,
    stamp: i64,
    /// What the Lease was like when it was last ours.
    version: Option<String>,
    /// Until when it believes that it holds the lease, by its clock.
    until: Option<Duration>,
    over: bool,
    next: Option<Precondition>,
}

impl Running<'_> {
    fn clock(&self, at: f64) -> Duration {
        seconds(self.process.offset + at * self.process.speed)
    }

    fn believes(&self, at: f64) -> bool {
        !self.over && self.until.is_some_and(|until| self.clock(at) < until)
    }

    fn took(&mut self, step: Step, version: Option<&String>) {
        self.next = None;
        match step {
            Step::Lead(until) => {
                self.until = Some(until);
                self.version = version.cloned();
            }
            Step::Write(precondition) => self.next = Some(precondition),
            Step::Wait(_) => {}
            Step::StepDown(_) => self.over = true,
        }
    }
}

/// Plays it all, in the order of true time; the number of times that somebody came to lead.
#[allow(clippy::too_many_lines, reason = "one event after the other")]
fn play(processes: &[Process], releases: bool) -> usize {
    let names: Vec<_> = (0..processes.len()).map(|n| format!("process {n}")).collect();
    let mut running: Vec<_> = processes
        .iter()
        .zip(&names)
        .map(|(process, name)| Running {
            process,
            candidate: Candidate::new(name, D),
            turns: 0,
            stamp: 0,
            version: None,
            until: None,
            over: false,
            next: None,
        })
        .collect();
    let mut server = Server::default();
    // By time in nanoseconds, and then in the order of coming.
    let mut events: BTreeMap<(u64, usize), (usize, Event)> = BTreeMap::new();
    let mut count = 0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some minutes")]
    let mut put = |events: &mut BTreeMap<_, _>, at: f64, who, event| {
        count += 1;
        events.insert(((at * 1e9) as u64, count), (who, event));
    };
    for who in 0..processes.len() {
        put(&mut events, 0.0, who, Event::Turn);
    }
    let mut terms = 0;
    while let Some(((nanos, _), (who, event))) = events.pop_first() {
        #[allow(clippy::cast_precision_loss, reason = "some minutes")]
        let at = nanos as f64 / 1e9;
        let process = &mut running[who];
        let believed = process.believes(at);
        let now = process.clock(at);
        match event {
            Event::Turn => {
                // Once it was lost, or its time has gone by, nothing is begun any more.
                process.over |= process.until.is_some_and(|until| now >= until);
                let Some(luck) = process.process.lucks.get(process.turns).copied() else { continue };
                process.turns += 1;
                if process.over {
                    continue;
                }
                let write =
                    process.next.take().or_else(|| process.version.clone().map(Precondition::Version));
                let ends = releases && process.turns == process.process.lucks.len() / 2;
                let request = match (write, &process.version) {
                    (_, Some(version)) if ends => {
                        process.over = true;
                        Request::Release(version.clone())
                    }
                    (Some(precondition), _) => {
                        process.stamp += 1;
                        process.candidate.writes(process.stamp, now);
                        Request::Write(precondition, process.stamp)
                    }
                    (None, _) => Request::Look,
                };
                if luck.arrives {
                    put(&mut events, at + luck.there, who, Event::Arrives(request, luck));
                }
                if !(luck.arrives && luck.answered) {
                    // It gives up waiting, and after a write that may have been taken it looks.
                    process.version = None;
                    put(&mut events, at + 2.0 + luck.pause, who, Event::Turn);
                } else if luck.beside && luck.there + luck.back > 2.0 {
                    put(&mut events, at + 2.0, who, Event::Turn);
                }
            }
            Event::Arrives(request, luck) => {
                let answer = match request {
                    Request::Look => Event::Looked(server.lease.clone(), luck),
                    Request::Write(precondition, stamp) => {
                        let ours = lease("", Some(&names[who]), stamp);
                        Event::Wrote(server.write(&precondition, ours), stamp, luck)
                    }
                    Request::Release(version) => {
                        server.write(&Precondition::Version(version), lease("", None, 0));
                        continue;
                    }
                };
                if luck.answered {
                    put(&mut events, at + luck.back, who, answer);
                }
            }
            Event::Looked(found, luck) if !process.over => {
                let step = process.candidate.looked(found.as_ref(), now);
                process.took(step, found.as_ref().map(|lease| &lease.version));
                put(&mut events, at + luck.pause, who, Event::Turn);
            }
            Event::Wrote(version, stamp, luck) if !process.over => {
                match version {
                    Some(version) => {
                        let step = process.candidate.wrote(stamp, &version, now);
                        process.took(step, Some(&version));
                    }
                    None => process.version = None,
                }
                put(&mut events, at + luck.pause, who, Event::Turn);
            }
            Event::Looked(..) | Event::Wrote(..) => {}
        }
        terms += usize::from(!believed && running[who].believes(at));
        // Belief begins with an event, so that two begin to believe together at one, if ever.
        let believers: Vec<_> = running.iter().zip(&names).filter(|(each, _)| each.believes(at)).collect();
        assert!(
            believers.len() <= 1,
            "at {at}: {:?}",
            believers.iter().map(|(_, name)| name).collect::<Vec<_>>()
        );
    }
    terms
}

proptest! {
    #[test]
    fn no_two_ever_believe_at_the_same_instant_that_they_hold_it(
        processes in prop::collection::vec(process(), 2..4),
        releases in any::<bool>(),
    ) {
        play(&processes, releases);
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_taken_within_fifteen_seconds(
        renewed in 0.0..100.0_f64,
        offset in 0.0..1e6_f64,
        phase in 0.0..1.0_f64,
        latencies in prop::collection::vec(0.0..1.0_f64, 60),
        jitters in prop::collection::vec(0.9..1.1_f64, 60),
    ) {
        let mut me = Candidate::new("me", D);
        let clock = |at: f64| seconds(offset + at);
        let mut at = renewed - phase;
        for (latency, jitter) in latencies.into_iter().zip(jitters) {
            // Read in the middle of the request.
            let seen = if at + latency / 2.0 < renewed { "1" } else { "2" };
            at += latency;
            let step = me.looked(Some(&lease(seen, Some("killed"), 1)), clock(at));
            match step {
                Step::Wait(until) => {
                    let wait = until.saturating_sub(clock(at)).min(D.look()).as_secs_f64() * jitter;
                    at += wait;
                }
                Step::Write(_) => break,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // The write itself takes as long as the slowest look.
        prop_assert!(at + 1.0 - renewed < 15.0, "{}", at - renewed);
        prop_assert!(at - renewed >= 10.0, "not before its time: {}", at - renewed);
    }
}

#[test]
#[should_panic(expected = "process 0")]
fn the_model_shows_two_that_believe_where_clocks_differ_by_more_than_the_margin() {
    let calm = Luck { there: 0.1, back: 0.1, arrives: true, answered: true, beside: false, pause: 1.0 };
    let slow = Process { offset: 0.0, speed: 0.5, lucks: vec![calm, Luck { pause: 40.0, ..calm }] };
    let fast = Process { offset: 0.0, speed: 2.0, lucks: vec![calm; 30] };
    play(&[slow, fast], false);
}

#[test]
fn in_the_model_the_lease_changes_hands() {
    // Else the law above would hold for want of anybody who leads.
    let calm = Luck { there: 0.1, back: 0.1, arrives: true, answered: true, beside: false, pause: 1.0 };
    let stopped = Luck { pause: 40.0, ..calm };
    let lost = Luck { answered: false, ..calm };
    let process = |offset, lucks: Vec<Luck>| Process { offset, speed: 1.0, lucks };
    let first = process(0.0, [vec![calm; 4], vec![stopped], vec![calm; 30]].concat());
    let second = process(5e5, [vec![lost], vec![calm; 90]].concat());
    assert_eq!(play(&[first, second], false), 2);
    let (first, second) = (process(0.0, vec![calm; 20]), process(9.0, vec![calm; 60]));
    assert_eq!(play(&[first, second], true), 2);
}
