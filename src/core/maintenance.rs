//! Maintenance by annotation: what is to be switched, and what is said of it. One target at a time: the supervision, or
//! a single DB-Server. Pure: what the annotation says, what is remembered, what the server shows and the time go in.
//!
//! Nothing is switched off that wasn't switched on by us: what is on already when we come is somebody else's, is waited
//! for, and is left. Whatever we switch on ends by itself on the server, so nothing stays on for want of an operator.

mod memory;
#[cfg(test)]
mod tests;
mod wish;

use std::time::Duration;

use jiff::Timestamp;

pub use memory::{Memory, Phase};
pub use wish::{ID_MAX, SERVERS_MAX, VALUE_MAX, Wish, parse_servers};
use wish::{after, between};

use super::{
    Reason,
    condition::{ConditionStatus, cut},
};

/// How long `on` is asked for at a time, unless `run` is told otherwise; all that servers before 3.12 know (reference:
/// cluster, maintenance).
pub const HOUR: Duration = Duration::from_secs(3600);
/// The longest that is asked for at a time: what is to last longer is renewed.
const DAY: Duration = Duration::from_secs(86_400);
/// `on` that lasts longer has probably been forgotten.
const LONG: Duration = Duration::from_secs(86_400);
/// Whoever switches off sooner after our on does so on purpose.
const UNDOING: Duration = Duration::from_secs(300);
/// So often, and it is left to him.
const UNDONE_MAX: u32 = 2;
/// When it is looked whether what we switched on stays on.
const LOOKS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(240)];
/// How late a server may be in ending what ends by itself.
const GRACE: Duration = Duration::from_secs(10);
/// So far away is the end of what doesn't end by itself.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How often it is looked whether what somebody else switched on has ended.
const ENDED: Duration = Duration::from_secs(10);

/// What the server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is in maintenance.
    pub on: bool,
    /// Until when, where the server tells.
    pub until: Option<Timestamp>,
}

/// What it is about, and what its servers can do.
#[derive(Debug, Clone)]
pub struct Target {
    /// As it is named in a sentence.
    pub name: String,
    /// What maintenance of it means.
    pub effect: &'static str,
    /// How long `on` is asked for at a time.
    pub period: Duration,
    /// Whether a number of seconds can be asked for; otherwise an hour and nothing else.
    pub seconds: bool,
    /// Whether it ends by itself after the time that was asked for; otherwise it stays on until it is switched off.
    pub ends: bool,
    /// How long after a switch it may not be seen yet.
    pub visible: Duration,
}

/// What is to be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// On, for so long from now.
    On(Duration),
    /// Off.
    Off,
}

/// What is said of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is in maintenance.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// In a sentence.
    pub message: String,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// To be remembered, before anything is switched.
    pub memory: Option<Memory>,
    /// To be switched.
    pub action: Option<Action>,
    /// To be said; nothing while all is normal.
    pub note: Option<Note>,
    /// When to look again, if nothing wakes before.
    pub again: Option<Timestamp>,
}

/// Whether a server of that version can be asked for a number of seconds; older ones know an hour only (reference:
/// cluster, maintenance).
pub fn knows_seconds(version: Option<&str>) -> bool {
    let mut parts = version.unwrap_or_default().split('.').map(|part| part.parse::<u32>().ok());
    matches!((parts.next().flatten(), parts.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= (3, 12))
}

/// What to do about one target. Nothing of it may be under way.
pub fn decide(
    target: &Target,
    asked: Option<&str>,
    memory: Option<Memory>,
    seen: Seen,
    now: Timestamp,
) -> Decision {
    let Some(value) = asked else { return let_go(target, memory, seen, now) };
    let wish = match Wish::parse(value) {
        Ok(wish) => wish,
        Err(problem) => return not_understood(target, memory, seen, now, &problem),
    };
    let memory = match memory {
        Some(memory) if memory.value == value => memory,
        before => Memory::begin(value, before.as_ref(), now),
    };
    match wish {
        Wish::Off => off(target, memory, seen),
        _ => on(target, wish, memory, seen, now),
    }
}

/// The annotation is gone: what we switched on is switched off.
fn let_go(target: &Target, memory: Option<Memory>, seen: Seen, now: Timestamp) -> Decision {
    match memory {
        Some(memory) if seen.on && memory.holds(now) => Decision {
            note: Some(target.turning("off")),
            action: Some(Action::Off),
            ..Decision::keep(memory)
        },
        _ => Decision {
            memory: None,
            action: None,
            note: target.foreign(seen, "it is left alone"),
            again: None,
        },
    }
}

/// Nothing is done, and what we hold ends by itself. Once it is off, what is on later is somebody else's.
fn not_understood(
    target: &Target,
    memory: Option<Memory>,
    seen: Seen,
    now: Timestamp,
    problem: &str,
) -> Decision {
    let is_lost = |memory: &Memory| {
        !seen.on && memory.switched.is_some_and(|switched| now >= after(switched, target.visible))
    };
    let memory = memory.map(|memory| if is_lost(&memory) { memory.lost() } else { memory });
    let message = format!(
        "nothing is switched of {}, since what its annotation says is no value: {problem}",
        target.name
    );
    let note = Some(Note { status: seen.status(), reason: Reason::Invalid, message });
    Decision { memory, action: None, note, again: None }
}

/// `off` is carried out once; who switches on later is left alone.
fn off(target: &Target, memory: Memory, seen: Seen) -> Decision {
    if memory.phase != Phase::Over && seen.on {
        return Decision {
            note: Some(target.turning("off")),
            action: Some(Action::Off),
            ..Decision::keep(memory)
        };
    }
    let note =
        target.foreign(seen, "\"off\" was obeyed once and is not repeated; change the annotation to end it");
    Decision { note, ..Decision::keep(memory.over()) }
}

/// `on`, a duration, or an end time.
fn on(target: &Target, wish: Wish, memory: Memory, seen: Seen, now: Timestamp) -> Decision {
    let end = wish.end(memory.since);
    if memory.phase == Phase::Over || end.is_some_and(|end| end <= now) {
        return over(target, memory, end, seen, now);
    }
    match (memory.phase, seen.on) {
        (Phase::Undone, _) => undone(target, memory, seen),
        (Phase::Waiting, true) => {
            let note = target.foreign(seen, "the operator begins when that ends");
            Decision { note, again: Some(after(now, ENDED)), ..Decision::keep(memory) }
        }
        (Phase::Waiting | Phase::Switching, _) => begin(target, memory, end, now),
        (Phase::Held, true) => keep_on(target, memory, end, now),
        (Phase::Held, false) => found_off(target, memory, end, seen, now),
        (Phase::Over, _) => Decision::keep(memory),
    }
}

/// The value's time is over.
fn over(target: &Target, memory: Memory, end: Option<Timestamp>, seen: Seen, now: Timestamp) -> Decision {
    let was_past = end.filter(|end| *end <= memory.since);
    let lease = memory.lease_until.filter(|_| matches!(memory.phase, Phase::Held | Phase::Switching));
    if let Some(lease) = lease.filter(|_| seen.on) {
        let own_end = after(end.unwrap_or(now), GRACE);
        if lease > own_end && now < lease {
            // It would outlast the value.
            let note = Some(target.turning("off"));
            return Decision { note, action: Some(Action::Off), ..Decision::keep(memory) };
        }
        if now < after(lease, GRACE) {
            let note = Note {
                status: ConditionStatus::True,
                reason: Reason::MaintenanceOn,
                message: format!("{} is in maintenance, which ends now", target.name),
            };
            return Decision { note: Some(note), again: Some(after(lease, GRACE)), ..Decision::keep(memory) };
        }
    }
    let note = match was_past {
        Some(end) => {
            let message = format!(
                "nothing was switched of {}: the end time {end} of the annotation had passed when it was first seen; \
                 write a later one, or remove it",
                target.name
            );
            Some(Note { status: seen.status(), reason: Reason::EndTimePast, message })
        }
        None => target.foreign(seen, "the annotation's time is over"),
    };
    Decision { note, ..Decision::keep(memory.over()) }
}

/// Switches on what is off, or repeats a switch of which nobody knows what came of it.
fn begin(target: &Target, memory: Memory, end: Option<Timestamp>, now: Timestamp) -> Decision {
    let lasting = target.lasting(end, now);
    let (switched, lease_until) = (Some(now), Some(after(now, lasting)));
    let memory = Memory { phase: Phase::Switching, switched, lease_until, ..memory };
    let note = Some(target.turning("on"));
    Decision { note, action: Some(Action::On(lasting)), ..Decision::keep(memory) }
}

/// It is on, and by us: renewed in time.
fn keep_on(target: &Target, memory: Memory, end: Option<Timestamp>, now: Timestamp) -> Decision {
    let switched = memory.switched.unwrap_or(memory.since);
    let lease = memory.lease_until.unwrap_or(now);
    let undone = if now >= after(switched, UNDOING) { 0 } else { memory.undone };
    let memory = Memory { undone, ..memory };

    let is_long = end.is_none() && between(memory.since, now) >= LONG;
    let (reason, tail) = match (end, is_long) {
        (Some(end), _) => (Reason::MaintenanceOn, format!("until {end}, as the annotation says")),
        (None, false) if !target.ends => (Reason::MaintenanceOn, "as the annotation says".to_owned()),
        (None, false) => (
            Reason::MaintenanceOn,
            format!("as the annotation says; the server would end it at {lease}, and it is renewed before"),
        ),
        (None, true) => (
            Reason::LongRunning,
            format!("since {}, longer than a day; remove the annotation if that was forgotten", memory.since),
        ),
    };
    let message = format!("{} is in maintenance {tail}: {}", target.name, target.effect);
    let note = Some(Note { status: ConditionStatus::True, reason, message });

    // Of another value that we held before, or about to run out before the value does.
    let renewal = after(switched, between(switched, lease) / 2);
    let runs_out = end.is_none_or(|end| lease < end);
    let action =
        (switched < memory.since || runs_out && now >= renewal).then(|| Action::On(target.lasting(end, now)));
    let looks = LOOKS.iter().map(|look| after(switched, *look)).find(|look| *look > now);
    let ends = end.or_else(|| Some(after(memory.since, LONG)).filter(|_| !is_long));
    let again = [looks, ends, Some(renewal).filter(|_| runs_out)].into_iter().flatten().min();
    Decision { action, note, again, ..Decision::keep(memory) }
}

/// We switched it on, and it is off before its time.
fn found_off(
    target: &Target,
    memory: Memory,
    end: Option<Timestamp>,
    seen: Seen,
    now: Timestamp,
) -> Decision {
    let switched = memory.switched.unwrap_or(memory.since);
    if !memory.holds(now) {
        // It ran out while nobody renewed it: no one is to blame.
        return begin(target, memory, end, now);
    }
    if now < after(switched, target.visible) {
        let note = Some(target.turning("on"));
        return Decision { note, again: Some(after(switched, target.visible)), ..Decision::keep(memory) };
    }
    let times = if now <= after(switched, UNDOING) { memory.undone + 1 } else { 0 };
    let memory = Memory { undone: times, ..memory };
    if times >= UNDONE_MAX {
        return undone(target, Memory { phase: Phase::Undone, lease_until: None, ..memory }, seen);
    }
    begin(target, memory, end, now)
}

/// Somebody keeps switching it off.
fn undone(target: &Target, memory: Memory, seen: Seen) -> Decision {
    let message = format!(
        "{} was switched on twice, and somebody switched it off again within minutes; nothing more is switched until the \
         annotation changes. Another operator does this where it runs the servers: use its own switch",
        target.name
    );
    let note = target
        .foreign(seen, "the operator gave up before, since somebody had switched it off twice")
        .unwrap_or(Note { status: ConditionStatus::False, reason: Reason::MaintenanceUndone, message });
    Decision { note: Some(note), ..Decision::keep(memory) }
}

impl Decision {
    /// Nothing but that it goes on being remembered.
    fn keep(memory: Memory) -> Self {
        Self { memory: Some(memory), action: None, note: None, again: None }
    }
}

impl Seen {
    fn status(self) -> ConditionStatus {
        if self.on { ConditionStatus::True } else { ConditionStatus::False }
    }
}

impl Target {
    /// For how long it is switched on now.
    fn lasting(&self, end: Option<Timestamp>, now: Timestamp) -> Duration {
        if !self.ends {
            return NEVER;
        }
        if !self.seconds {
            return HOUR;
        }
        let left = end.map_or(self.period, |end| between(now, end).min(DAY));
        // Whole seconds, and not less than was asked for.
        Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0)).max(Duration::from_secs(1))
    }

    /// It is being switched.
    pub fn turning(&self, to: &str) -> Note {
        let message = format!(
            "maintenance of {} is being switched {to}, which takes up to two minutes; nothing else waits for it",
            self.name
        );
        Note { status: ConditionStatus::Unknown, reason: Reason::MaintenanceSwitching, message }
    }

    /// It is on, and not by us.
    fn foreign(&self, seen: Seen, then: &str) -> Option<Note> {
        let until = seen.until.map(|until| format!(" until {until}")).unwrap_or_default();
        let message = format!(
            "{} is in maintenance{until}, and somebody else switched it on: {}; {then}",
            cut(&self.name, 128),
            self.effect
        );
        let reason = Reason::MaintenanceByHand;
        seen.on.then_some(Note { status: ConditionStatus::True, reason, message })
    }
}
