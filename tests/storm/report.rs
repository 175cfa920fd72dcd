//! The figures of a storm.

use std::{collections::BTreeMap, fmt, time::Duration};

/// What was done and what fell.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) steps: u64,
    pub(crate) acts: u64,
    pub(crate) calms: u64,
    /// How long it took at most until everything was in order after the faults had ended.
    pub(crate) longest_calm: Duration,
    pub(crate) requests: u64,
    pub(crate) took: Duration,
    /// Kills between a request and its answer, by the request.
    pub(crate) between: BTreeMap<String, u64>,
    /// How many of them hung in the stand-in.
    pub(crate) hung: u64,
    /// Kills at any moment.
    pub(crate) anywhere: u64,
    /// Everything else that went wrong: how many requests or processes it hit.
    pub(crate) faults: BTreeMap<String, u64>,
    /// How often another replica went on.
    pub(crate) hands: u64,
    /// How operators ended by themselves.
    pub(crate) ends: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn fault(&mut self, name: &str, hits: u64) {
        if hits > 0 {
            *self.faults.entry(name.to_owned()).or_default() += hits;
        }
    }

    /// Kills in the middle of a request.
    pub(crate) fn kills_between(&self) -> u64 {
        self.between.values().sum()
    }

    pub(crate) fn kills(&self) -> u64 {
        self.kills_between() + self.anywhere
    }

    /// All that went wrong, kills included.
    pub(crate) fn all_faults(&self) -> u64 {
        self.kills() + self.faults.values().sum::<u64>()
    }

    /// Adds what another storm brought.
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.acts += other.acts;
        self.calms += other.calms;
        self.longest_calm = self.longest_calm.max(other.longest_calm);
        self.requests += other.requests;
        self.took += other.took;
        self.anywhere += other.anywhere;
        self.hands += other.hands;
        for (mine, others) in [
            (&mut self.between, &other.between),
            (&mut self.faults, &other.faults),
            (&mut self.ends, &other.ends),
        ] {
            for (name, count) in others {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, steps, acts, calms, longest_calm, requests, took, .. } = self;
        writeln!(
            f,
            "FIGURE seed {seed}: {} kills, {} of them between a request and its answer; {} faults in all",
            self.kills(),
            self.kills_between(),
            self.all_faults()
        )?;
        writeln!(
            f,
            "  {steps} steps, {acts} of them by users; checked to the last detail {calms} times, after {longest_calm:.1?} at \
             most; {requests} requests to ArangoDB; {:.0} s",
            took.as_secs_f64()
        )?;
        let most = self.between.values().max().copied().unwrap_or(1);
        for (phase, count) in &self.between {
            let bar = usize::try_from(count * 30 / most).unwrap_or_default();
            writeln!(f, "  {count:>5} {:<30} killed at {phase}", "#".repeat(bar.max(1)))?;
        }
        writeln!(f, "  {:>5} {:<30} killed anywhere", self.anywhere, "")?;
        for (name, count) in &self.faults {
            writeln!(f, "  {count:>5} {:<30} {name}", "")?;
        }
        if self.hands > 0 {
            writeln!(f, "  {:>5} {:<30} times another replica went on", self.hands, "")?;
        }
        for (how, count) in &self.ends {
            writeln!(f, "  {count:>5} {:<30} ended by itself: {how}", "")?;
        }
        Ok(())
    }
}
