//! The replicas of the operator, each kept by a keeper of its own, and what must hold between them: never are two at work.

use std::{collections::BTreeMap, time::Duration};

use arango_operator::stand_in::LogEntry;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use rustix::process::Signal;
use tokio::{task::JoinHandle, time::timeout};

use crate::keeper::{Keeper, LEASES, Setup};

/// How long it is asked who leads; the API server may be away.
const ASKED: Duration = Duration::from_millis(500);
/// Who led can't lead again sooner: somebody else took the Lease in between, which takes its whole time (6 s) each way, less a
/// renewal.
const THERE_AND_BACK: f64 = 4.0;
/// What was under way when a process was stopped may arrive when it is continued: `spec.requests.maxConcurrent`.
const UNDER_WAY: usize = 32;

/// Finds the one that leads.
#[derive(Clone)]
pub(crate) struct Leader {
    keepers: Vec<Keeper>,
    leases: Api<Lease>,
    lease: String,
}

/// The replicas.
pub(crate) struct Replicas {
    leader: Leader,
    keeping: Vec<JoinHandle<()>>,
    /// When requests came, and of which replica.
    came: Vec<(f64, usize)>,
    /// How often a replica was stopped and continued.
    stops: usize,
}

impl Leader {
    /// The one that leads, as far as the Lease tells; all of them where it doesn't.
    async fn find(&self) -> Vec<&Keeper> {
        let lease = timeout(ASKED, self.leases.get_opt(&self.lease)).await;
        let holder = lease.ok().and_then(Result::ok).flatten().and_then(|lease| lease.spec?.holder_identity);
        let number = holder.and_then(|holder| holder.strip_prefix("replica-")?.parse::<usize>().ok());
        match number.and_then(|number| self.keepers.get(number)) {
            Some(leader) => vec![leader],
            None => self.keepers.iter().collect(),
        }
    }

    /// Kills it with SIGKILL. Returns when it is gone.
    pub(crate) async fn kill(&self) {
        for keeper in self.find().await {
            keeper.kill().await;
        }
    }
}

/// What a replica calls itself.
fn identity(number: usize) -> String {
    format!("replica-{number}")
}

impl Replicas {
    /// Starts so many.
    pub(crate) fn start(count: usize, client: &Client, setup: &Setup) -> Self {
        let replica = |number| Setup { identity: (count > 1).then(|| identity(number)), ..setup.clone() };
        let (keepers, keeping) = (0..count).map(|number| Keeper::start(replica(number))).unzip();
        let leases = Api::namespaced(client.clone(), LEASES);
        let leader = Leader { keepers, leases, lease: setup.namespaces[0].clone() };
        Self { leader, keeping, came: Vec::new(), stops: 0 }
    }

    /// Whoever leads, when it is asked.
    pub(crate) fn leader(&self) -> Leader {
        self.leader.clone()
    }

    /// Stops the one that leads.
    pub(crate) async fn stop_leader(&mut self) {
        self.stops += 1;
        for keeper in self.leader.find().await {
            keeper.signal(Signal::STOP).await;
        }
    }

    /// Whoever is stopped goes on.
    pub(crate) async fn go_on(&self) {
        for keeper in &self.leader.keepers {
            keeper.signal(Signal::CONT).await;
        }
    }

    /// Ends all of them for good.
    pub(crate) async fn end(&mut self) {
        for keeper in &self.leader.keepers {
            keeper.end().await;
        }
        for keeping in self.keeping.drain(..) {
            drop(keeping.await);
        }
    }

    /// How often they ended by themselves, and how.
    pub(crate) fn ends(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (how, count) in self.leader.keepers.iter().flat_map(Keeper::ends) {
            *all.entry(how).or_default() += count;
        }
        all
    }

    /// How often another one than before asked ArangoDB.
    pub(crate) fn changes_of_hands(&mut self) -> u64 {
        self.came.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.came.windows(2).filter(|pair| pair[0].1 != pair[1].1).count() as u64
    }

    /// Notes who asked.
    pub(crate) fn note(&mut self, log: &[LogEntry]) {
        let number = |entry: &LogEntry| {
            let agent = entry.agent.as_deref()?;
            (0..self.leader.keepers.len()).find(|number| agent.ends_with(&format!("({})", identity(*number))))
        };
        self.came.extend(log.iter().filter_map(|entry| Some((entry.came.0, number(entry)?))));
    }

    /// Whether no two were at work at the same time.
    pub(crate) fn one_at_a_time(&mut self) -> Result<(), String> {
        self.came.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (late, allowed) = (late(&self.came), self.stops * UNDER_WAY);
        if late.len() > allowed {
            let of = &late[..late.len().min(10)];
            return Err(format!(
                "{} requests of replicas that did not lead, {allowed} at most: {of:?}",
                late.len()
            ));
        }
        Ok(())
    }
}

/// The requests of a replica between two of another one that led before and after.
fn late(came: &[(f64, usize)]) -> Vec<(f64, usize)> {
    let runs: Vec<_> = came.chunk_by(|one, next| one.1 == next.1).collect();
    let sandwiched = runs.windows(3).filter(|runs| {
        let [before, _, after] = runs else { return false };
        let same = before[0].1 == after[0].1;
        same && after[0].0 - before[before.len() - 1].0 < THERE_AND_BACK
    });
    sandwiched.flat_map(|runs| runs[1]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_are_at_work_at_once_are_seen_and_a_change_of_hands_is_none() {
        let alone: Vec<_> = (0..100).map(|n| (f64::from(n), 0)).collect();
        assert_eq!(late(&alone), []);
        let hands: Vec<_> =
            (0..100).map(|n| (f64::from(n), usize::from(n > 20) + usize::from(n > 40))).collect();
        assert_eq!(late(&hands), []);
        let there_and_back: Vec<_> =
            (0..100).map(|n| (f64::from(n), usize::from((20..40).contains(&n)))).collect();
        assert_eq!(late(&there_and_back), []);
        let both = [(1.0, 0), (1.5, 1), (2.0, 0), (2.5, 0)];
        assert_eq!(late(&both), [(1.5, 1)]);
        let after_it_lost = [(1.0, 0), (8.0, 1), (8.5, 0), (8.6, 1), (9.0, 1)];
        assert_eq!(late(&after_it_lost), [(8.5, 0)]);
    }
}
