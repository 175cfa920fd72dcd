//! The rules in force, and what they decide.

use std::time::{Duration, Instant};

use http::Method;
use tokio_util::sync::CancellationToken;

use super::{Fault, FaultRule};

/// How many rules may be in force at once.
const RULES_MAX: usize = 1000;

/// What is known of a request when it is decided on.
#[derive(Debug)]
pub(in super::super) struct Seen<'a> {
    pub(in super::super) coordinator: usize,
    pub(in super::super) method: &'a Method,
    pub(in super::super) path: &'a str,
}

impl Seen<'_> {
    /// The path without the database that it may name.
    fn bare_path(&self) -> &str {
        let Some(rest) = self.path.strip_prefix("/_db/") else { return self.path };
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// Whether it changes a user or his rights: PUT, PATCH or DELETE of one.
    fn changes_a_user(&self) -> bool {
        matches!(*self.method, Method::PUT | Method::PATCH | Method::DELETE)
            && self.bare_path().starts_with("/_api/user/")
    }
}

/// What happens to one request.
#[derive(Debug, Default)]
pub(in super::super) struct Decision {
    /// The wait before it is looked at.
    pub(in super::super) delay: Duration,
    /// How late this coordinator learns what others wrote.
    pub(in super::super) stale: Option<Duration>,
    /// What happens in place of the answer.
    pub(in super::super) end: Option<End>,
}

impl Decision {
    /// The fault's name, for the log; the one that took the answer away before others.
    pub(in super::super) fn name(&self) -> Option<&'static str> {
        let end = self.end.as_ref().map(|end| end.fault.name());
        let delay = (!self.delay.is_zero()).then_some("delay");
        end.or(delay).or_else(|| self.stale.map(|_| "stale"))
    }
}

/// What happens in place of the answer.
#[derive(Debug, Clone)]
pub(in super::super) struct End {
    pub(in super::super) fault: Fault,
    /// Whether the request does its work before.
    pub(in super::super) effect: bool,
    pub(in super::super) retry_after: Option<u32>,
    /// Cancelled when the rule is removed.
    pub(in super::super) removed: CancellationToken,
}

/// A rule in force.
#[derive(Debug, Clone)]
pub(in super::super) struct Active {
    pub(in super::super) id: u64,
    pub(in super::super) rule: FaultRule,
    /// How many requests it has hit.
    pub(in super::super) hits: u64,
    ends: Option<Instant>,
    removed: CancellationToken,
}

impl Active {
    fn used_up(&self) -> bool {
        self.rule.next.is_some_and(|next| self.hits >= next)
    }

    fn is_on(&self, coordinator: usize) -> bool {
        self.rule.coordinator.is_none_or(|one| one == coordinator)
    }

    /// Whether it is about such requests, chance apart.
    fn fits(&self, seen: &Seen<'_>, now: Instant) -> bool {
        let rule = &self.rule;
        let path =
            |prefix: &String| seen.path.starts_with(prefix) || seen.bare_path().starts_with(prefix.as_str());
        rule.fault != Fault::Refuse
            && self.is_on(seen.coordinator)
            && rule.method.as_ref().is_none_or(|method| method == seen.method)
            && rule.path.as_ref().is_none_or(path)
            && (rule.fault != Fault::Conflict || seen.changes_a_user())
            && self.ends.is_none_or(|end| now < end)
            && !self.used_up()
    }
}

/// All rules in force, in the order in which they came.
#[derive(Debug, Default)]
pub(in super::super) struct Faults {
    rules: Vec<Active>,
    last_id: u64,
}

impl Faults {
    /// Adds a rule. When there are too many, the oldest that is used up makes place.
    pub(in super::super) fn add(&mut self, rule: FaultRule, now: Instant) -> Result<u64, String> {
        if self.rules.len() >= RULES_MAX {
            let used_up = self.rules.iter().position(Active::used_up);
            let place = used_up.ok_or_else(|| format!("there are {RULES_MAX} faults; remove some"))?;
            self.rules.remove(place);
        }
        self.last_id += 1;
        let ends = rule.lasting.map(|time| now + time);
        self.rules.push(Active { id: self.last_id, rule, hits: 0, ends, removed: CancellationToken::new() });
        Ok(self.last_id)
    }

    /// Removes the rules that are meant, and says which.
    pub(in super::super) fn remove(&mut self, meant: impl Fn(&Active) -> bool) -> Vec<u64> {
        let gone: Vec<_> = self.rules.extract_if(.., |active| meant(active)).collect();
        for active in &gone {
            active.removed.cancel();
        }
        gone.iter().map(|active| active.id).collect()
    }

    pub(in super::super) fn rules(&self) -> &[Active] {
        &self.rules
    }

    /// Whether this coordinator's port is to be closed.
    pub(in super::super) fn refuses(&self, coordinator: usize, now: Instant) -> bool {
        let refuses = |active: &Active| {
            active.rule.fault == Fault::Refuse
                && active.is_on(coordinator)
                && active.ends.is_none_or(|end| now < end)
        };
        self.rules.iter().any(refuses)
    }

    /// The longest time for which old states have to be kept, if any has.
    pub(in super::super) fn longest_lag(&self) -> Option<Duration> {
        let lag = |active: &Active| match active.rule.fault {
            Fault::Stale { time } if !active.used_up() => Some(time),
            _ => None,
        };
        self.rules.iter().filter_map(lag).max()
    }

    /// Decides on one request. Delays add up; the first rule that takes the answer away wins, and those after it
    /// aren't hit. `dice` gives numbers from 0 up to but not including 1.
    pub(in super::super) fn decide(
        &mut self,
        seen: &Seen<'_>,
        now: Instant,
        mut dice: impl FnMut() -> f64,
    ) -> Decision {
        let mut decision = Decision::default();
        for active in &mut self.rules {
            let ends = !matches!(active.rule.fault, Fault::Delay { .. } | Fault::Stale { .. });
            if (ends && decision.end.is_some()) || !active.fits(seen, now) {
                continue;
            }
            if active.rule.share < 1.0 && dice() >= active.rule.share {
                continue;
            }
            active.hits += 1;
            match active.rule.fault {
                Fault::Delay { time, jitter } => {
                    let spread = jitter.mul_f64(2.0 * dice());
                    decision.delay += (time + spread).saturating_sub(jitter);
                }
                Fault::Stale { time } => decision.stale = decision.stale.max(Some(time)),
                fault => {
                    decision.end = Some(End {
                        fault,
                        effect: active.rule.has_effect(),
                        retry_after: active.rule.retry_after,
                        removed: active.removed.clone(),
                    });
                }
            }
        }
        decision
    }
}
