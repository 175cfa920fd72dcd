//! Who of several replicas acts: the decisions about one Lease. Pure: the Lease as it was read and the times of the own
//! clock go in. The clock may start anywhere and run a tenth too fast or slow; no time of another machine is ever compared
//! with it.
//!
//! A holder counts from the moment at which it *began* the write that the API server took. The others count from the moment
//! at which they *first saw* that write, which is later, and wait longer. A write is taken only if the Lease is still as
//! it was read. So no two believe at the same time that they hold it.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// How long a lease is, and what follows from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms(Duration);

impl Terms {
    /// The duration that `run` takes by default: a killed holder is followed within 15 s.
    pub const DEFAULT: Duration = Duration::from_secs(10);
    /// The shortest: below, one slow answer of an API server would be enough to lose it.
    pub const MIN: Duration = Duration::from_secs(5);
    /// The longest. What a Lease says beyond that is not waited for.
    pub const MAX: Duration = Duration::from_secs(300);

    /// The terms of leases of that duration; it is taken into the bounds.
    pub fn new(duration: Duration) -> Self {
        Self(duration.clamp(Self::MIN, Self::MAX))
    }

    /// How long others leave a lease alone that they have seen.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// How long its holder acts on it after the write: a fifth less, for clocks that differ in speed and for what was
    /// begun at the last moment.
    pub fn validity(self) -> Duration {
        self.0.saturating_sub(self.0 / 5)
    }

    /// The time between two renewals.
    pub fn renewal(self) -> Duration {
        self.0 / 5
    }

    /// The time between two looks of whoever waits; short, so that a release is seen soon.
    pub fn look(self) -> Duration {
        (self.0 / 10).min(Duration::from_secs(1))
    }

    /// How long a request to the API server is alone: if it has no answer by then, it is made once more beside it. (What it is
    /// made on may be a dead connection; an answer that is only late still counts.)
    pub fn patience(self) -> Duration {
        (self.0 / 5).min(Duration::from_secs(5))
    }
}

/// A Lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its resource version.
    pub version: String,
    /// Who holds it; nobody if it was released.
    pub holder: Option<String>,
    /// What tells the holder's writes apart: its time, in microseconds. Only the one who wrote it knows what to make of it.
    pub stamp: Option<i64>,
    /// For how long, as the holder says.
    pub duration: Duration,
}

/// What has to be so for a write to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// There is no Lease.
    Absent,
    /// The Lease has this version still.
    Version(String),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write that it is ours, under that condition.
    Write(Precondition),
    /// It is ours until then, by our clock.
    Lead(Duration),
    /// Somebody else's, until then at least.
    Wait(Duration),
    /// It was ours and can be somebody else's at any moment: nothing is begun any more.
    StepDown(Lost),
}

/// How a lease was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It could not be renewed in time.
    #[error("it could not be renewed in time")]
    Expired,
    /// Another one holds it.
    #[error("{0} holds it")]
    Taken(String),
    /// Somebody released it in our place.
    #[error("somebody else has released it")]
    Released,
    /// Somebody deleted the Lease.
    #[error("somebody has deleted the Lease")]
    Deleted,
}

/// A write of ours that may have been taken.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    stamp: i64,
    began: Duration,
}

/// What somebody else's Lease looked like when it was seen first.
#[derive(Debug)]
struct Seen {
    version: String,
    until: Duration,
}

/// One who stands for the lease: what was seen, what was tried, what is held.
#[derive(Debug)]
pub struct Candidate {
    me: String,
    terms: Terms,
    seen: Option<Seen>,
    /// Writes that may be what the Lease says now, or soon: the last that was confirmed, and those after it without an answer.
    attempts: Vec<Attempt>,
    holds: bool,
}

impl Candidate {
    /// One that has seen nothing yet. Nobody else may have the same name at the same time.
    pub fn new(me: impl Into<String>, terms: Terms) -> Self {
        Self { me: me.into(), terms, seen: None, attempts: Vec::new(), holds: false }
    }

    /// Whether the lease may be ours, whatever is known of it.
    pub fn may_hold(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// The Lease was read, or its absence, and the answer came `now`.
    pub fn looked(&mut self, found: Option<&Lease>, now: Duration) -> Step {
        if let Some(lease) = found
            && let Some(attempt) = self.own(lease)
        {
            // Those before it are not taken any more: they wanted an older version. Those after it wanted this one, and what
            // was sent may arrive yet.
            self.attempts.retain(|other| other.stamp >= attempt.stamp);
            return self.ours(attempt, &lease.version, now);
        }
        if self.holds {
            return Step::StepDown(match found {
                None => Lost::Deleted,
                Some(lease) => lease.holder.clone().map_or(Lost::Released, Lost::Taken),
            });
        }
        match found {
            // Deleted under a holder who may not know it yet.
            None => match &self.seen {
                Some(seen) if now < seen.until => Step::Wait(seen.until),
                _ => Step::Write(Precondition::Absent),
            },
            Some(lease) if lease.holder.is_none() => {
                Step::Write(Precondition::Version(lease.version.clone()))
            }
            Some(lease) => {
                let until = match &self.seen {
                    Some(seen) if seen.version == lease.version => seen.until,
                    _ => {
                        let until = now + lease.duration.clamp(self.terms.duration(), Terms::MAX);
                        self.seen = Some(Seen { version: lease.version.clone(), until });
                        until
                    }
                };
                if now < until {
                    Step::Wait(until)
                } else {
                    Step::Write(Precondition::Version(lease.version.clone()))
                }
            }
        }
    }

    /// A write begins. `stamp` is in it, and is above all that were used before.
    pub fn writes(&mut self, stamp: i64, now: Duration) {
        // What can't make it ours any more is forgotten, so that they don't grow without end.
        let duration = self.terms.duration();
        self.attempts.retain(|attempt| now < attempt.began + duration);
        self.attempts.push(Attempt { stamp, began: now });
    }

    /// The write with that stamp was taken, and the answer came `now`; the Lease has that version.
    pub fn wrote(&mut self, stamp: i64, version: &str, now: Duration) -> Step {
        let written = self.attempts.iter().copied().find(|attempt| attempt.stamp == stamp);
        let Some(attempt) = written else { return self.expired(version) };
        self.attempts = vec![attempt];
        self.ours(attempt, version, now)
    }

    /// Our write that a Lease shows, if it is one. Whoever has our name and is not us wrote another stamp.
    fn own(&self, lease: &Lease) -> Option<Attempt> {
        (lease.holder.as_deref() == Some(&self.me))
            .then(|| self.attempts.iter().copied().find(|attempt| Some(attempt.stamp) == lease.stamp))
            .flatten()
    }

    fn ours(&mut self, attempt: Attempt, version: &str, now: Duration) -> Step {
        let until = attempt.began + self.terms.validity();
        if now >= until {
            return self.expired(version);
        }
        self.holds = true;
        Step::Lead(until)
    }

    /// It is ours and its time is over. Who never acted on it may take it again.
    fn expired(&self, version: &str) -> Step {
        if self.holds {
            Step::StepDown(Lost::Expired)
        } else {
            Step::Write(Precondition::Version(version.to_owned()))
        }
    }
}
