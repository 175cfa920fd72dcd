//! How many requests a server is asked at once: as many as it gains from. No clock: how long an answer took is told.
//!
//! Up to some number, its *knee*, a server answers more requests at once in the same time; beyond it, it only keeps them
//! waiting, and everybody else who asks it too. Where the knee is changes with the hour and with what is asked, so it is looked for all the
//! time: a window of answers is taken at the limit, and one a quarter below it. If the answers of the higher one took
//! longer in proportion (an *elasticity* of one), the quarter more has gained nothing; if they took as long (zero), all of it has.
//! The limit goes to where it is [`AIM`]: just above the knee. Only windows in which that many were really under way tell
//! anything, so where little is asked the limit stays as it is.
//!
//! Requests of different kinds take times of their own, and each is compared with its like only.
//!
//! The laws, which `tests.rs` holds to simulated servers:
//! - *bounded*: never above what is allowed, and never below four of it;
//! - *the knee is found*: from above and from below, and again after it has moved;
//! - *little is lost*: the server has nearly as much to do as without a limit.

use std::{collections::HashMap, time::Duration};

#[cfg(test)]
mod tests;

/// Fewer than so many are no burden to anybody, and too few to look for a knee among.
const FEW: f64 = 4.0;
/// The elasticity that is aimed at. With one the limit would run away above the knee, with zero it would stay below it.
const AIM: f64 = 0.6;
/// What a window is below the limit, every other time.
const LOWER: f64 = 0.75;
/// So much of what a pair of windows says is believed; the rest is what earlier ones said. A pair says it with an error
/// of about a half.
const BELIEF: f64 = 0.2;
/// How far the limit goes for a difference of one.
const STEP: f64 = 0.4;
/// Answers in a window: fewer tell more about chance than about the server.
const ANSWERS: usize = 200;
/// What is left of the limit when the server says that it is full.
const FULL: f64 = 0.7;
/// Windows at the limit between two that are compared, where all that is allowed does well: looking costs a little too.
const CALM: u32 = 3;
/// How much more must have been under way for a pair of windows to tell anything.
const DIFFERENCE: f64 = 1.1;

/// The limit of one server, and what it is found from.
#[derive(Debug)]
pub struct Limiter {
    allowed: f64,
    limit: f64,
    /// What the pairs of windows so far have said.
    elasticity: f64,
    number: u64,
    window: Window,
    /// The window before, if it can be compared with.
    before: Option<Window>,
    /// So many windows more at the limit.
    calm: u32,
}

/// Of one request, from its beginning to its answer.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    /// The window it began in, unless that one was too young to tell anything.
    window: Option<u64>,
    under_way: usize,
}

/// Answers to requests that began at the same limit.
#[derive(Debug, Default)]
struct Window {
    lower: bool,
    began: usize,
    answers: usize,
    under_way: usize,
    /// By kind: how many, and the sum of their seconds.
    kinds: HashMap<u64, (u32, f64)>,
}

impl Window {
    fn mean_under_way(&self) -> f64 {
        ratio(self.under_way, self.answers)
    }
}

#[allow(clippy::cast_precision_loss, reason = "small counts")]
fn ratio(sum: usize, count: usize) -> f64 {
    sum as f64 / count.max(1) as f64
}

impl Limiter {
    /// Allows that many, until it is seen that fewer do as well. At least one.
    #[allow(clippy::cast_precision_loss, reason = "a count of requests")]
    pub fn new(allowed: usize) -> Self {
        let allowed = allowed.max(1) as f64;
        Self {
            allowed,
            limit: allowed,
            elasticity: AIM,
            number: 0,
            window: Window::default(),
            before: None,
            calm: 0,
        }
    }

    /// How many may be under way now.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between one and what is allowed"
    )]
    pub fn limit(&self) -> usize {
        let limit = if self.window.lower { (self.limit * LOWER).floor() } else { self.limit.round() };
        limit.max(FEW).min(self.allowed) as usize
    }

    /// A request begins; `under_way` counts it too.
    pub fn begin(&mut self, under_way: usize) -> Ticket {
        self.window.began += 1;
        // Those before the window's own number is reached share the server with requests of the last window.
        let counts = self.window.began > self.limit();
        Ticket { window: counts.then_some(self.number), under_way }
    }

    /// It was answered after so long. `kind`: which requests take as long as this one, as a rule.
    pub fn answered(&mut self, ticket: Ticket, kind: u64, took: Duration) {
        if ticket.window != Some(self.number) {
            return;
        }
        let (count, sum) = self.window.kinds.entry(kind).or_default();
        *count += 1;
        *sum += took.as_secs_f64().max(1e-6);
        self.window.answers += 1;
        self.window.under_way += ticket.under_way;
        if self.window.answers >= ANSWERS.max(2 * self.limit()) {
            self.turn_over();
        }
    }

    /// The server says that it is full.
    pub fn full(&mut self) {
        // Once for all that were under way together.
        if self.window.began > self.limit() {
            self.limit = self.within(self.limit * FULL);
            self.next(false);
            self.before = None;
        }
    }

    fn within(&self, limit: f64) -> f64 {
        limit.max(FEW / LOWER).min(self.allowed)
    }

    fn next(&mut self, lower: bool) -> Window {
        self.number += 1;
        std::mem::replace(&mut self.window, Window { lower, ..Window::default() })
    }

    fn turn_over(&mut self) {
        if !self.window.lower && self.calm > 0 {
            self.calm -= 1;
            self.before = Some(self.next(false));
            return;
        }
        let ended = self.next(!self.window.lower);
        if let Some(before) = self.before.take() {
            let (high, low) = if ended.lower { (&before, &ended) } else { (&ended, &before) };
            if let Some(elasticity) = elasticity(high, low) {
                self.elasticity += BELIEF * (elasticity - self.elasticity);
                let step = (STEP * (AIM - self.elasticity)).exp();
                self.limit = self.within(self.limit * step);
                if self.limit >= self.allowed && self.elasticity < AIM / 2.0 {
                    self.calm = CALM;
                }
            }
        }
        self.before = Some(ended);
    }
}

/// How much longer the answers took where more was under way, in proportion: those to the same mixture of kinds. `None`
/// where that isn't known.
fn elasticity(high: &Window, low: &Window) -> Option<f64> {
    let more = high.mean_under_way() / low.mean_under_way();
    let (mut common, mut high_time, mut low_time) = (0.0, 0.0, 0.0);
    for (kind, (count, sum)) in &high.kinds {
        let Some((other, other_sum)) = low.kinds.get(kind) else { continue };
        let weight = f64::from(count + other);
        common += weight;
        high_time += weight * sum / f64::from(*count);
        low_time += weight * other_sum / f64::from(*other);
    }
    let known = common * 2.0 >= ratio(high.answers + low.answers, 1);
    // Beyond these it is chance, or the server itself has changed in between.
    (known && more >= DIFFERENCE).then(|| ((high_time / low_time).ln() / more.ln()).clamp(-1.0, 3.0))
}
