//! Of several installations that share a fleet, this one: which ArangoClusters are its own, and when that ends.
//!
//! All ArangoClusters are watched, also those of others: only so can one that is another's be told from one that doesn't
//! exist, and be seen which deployments others look after. What is another's is left alone as if it weren't there. What
//! becomes another's is cut off wherever it is, as if the process had been killed; whoever takes it goes on from what the
//! statuses record.

pub mod hands;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::ResourceExt;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    lease::gate::Lead,
    watching::index::{Id, id_of},
};
use crate::{
    arango::Gate,
    core::{
        Hold, Reason,
        installation::{Shown, Whose, whose},
        selector::Selector,
    },
    kinds::cluster::crd::{ArangoCluster, Deployment},
    reconcile::snapshot::SETTLING,
};

/// How long what was yielded is left to the other one that selects it too. It may be gone by then.
const YIELDS_FOR: Duration = Duration::from_secs(600);

/// This installation, and whose the ArangoClusters are.
#[derive(Debug, Default)]
pub struct Installation {
    /// Its name in the status of ArangoClusters: namespace and name of its Lease.
    pub name: String,
    /// What it takes; everything if there is none.
    pub selector: Option<Selector>,
    clusters: RwLock<HashMap<Id, Entry>>,
}

#[derive(Debug)]
struct Entry {
    whose: Whose,
    since: Instant,
    /// The installation that the status names.
    by: Option<String>,
    /// The deployment that the status names.
    deployment: Option<String>,
    claim: Claim,
    /// Whether a pass waits for the watch to show the claim.
    awaited: bool,
    /// Cancelled when it is ours no longer.
    ends: CancellationToken,
    /// Whether it was said that it was yielded.
    said: bool,
    /// Whether it is there; one that was another's when it went stays another's.
    is_there: bool,
}

/// What the watch has shown of our claim to the deployment behind an ArangoCluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Nothing.
    None,
    /// It was there when this process began.
    Recorded,
    /// It came, and nobody else's was there before it.
    Won,
}

/// What an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that matters here.
    None,
    /// It became ours, or its status says so by now: it is to be looked at.
    Came,
    /// It is ours no longer.
    Left,
}

/// Whether somebody may act for the resources of an ArangoCluster.
#[derive(Debug)]
pub enum Turn {
    /// We may, until this is cancelled.
    Ours(CancellationToken),
    /// Somebody else.
    Elsewhere,
    /// There is no such ArangoCluster.
    Missing,
}

/// Whether the deployment that answered may be acted on.
#[derive(Debug)]
pub enum Stand {
    /// It may.
    Go,
    /// Once the watch has shown that the status names us and the deployment.
    Claim,
    /// Another installation looks after it.
    Held(Hold),
}

impl Installation {
    /// One with that name and selector.
    pub fn new(name: String, selector: Option<Selector>) -> Self {
        Self { name, selector, clusters: RwLock::default() }
    }

    /// What the watch tells of an ArangoCluster.
    pub fn learn(&self, cluster: &ArangoCluster) -> Change {
        let status = cluster.status.as_ref();
        let by = status.and_then(|status| status.installation.clone());
        let deployment = status.and_then(|status| status.deployment.as_ref()).and_then(answering);
        let selected = self.selector.as_ref().is_none_or(|selector| selector.matches(cluster.labels()));
        let id = id_of(cluster);
        let mut clusters = self.clusters.write();
        let before = clusters.get(&id).filter(|before| before.is_there);
        let known = before.map(|before| (before.whose, before.by.as_deref()));
        let now = whose(known, &self.name, Shown { selected, by: by.as_deref() });
        let was_ours = before.is_some_and(|before| before.whose == Whose::Ours);
        let claimed = now == Whose::Ours && by.as_ref() == Some(&self.name) && deployment.is_some();
        let same = before.filter(|before| before.whose == now);
        let claim = match same {
            _ if !claimed => Claim::None,
            Some(same) if same.claim != Claim::None && same.deployment == deployment => same.claim,
            // Events come in the order in which the API server took the writes: whoever claimed it first is known.
            Some(_) if others(&clusters, &self.name, deployment.as_deref()).is_none() => Claim::Won,
            Some(_) => Claim::None,
            None => Claim::Recorded,
        };
        let change = match (was_ours, now == Whose::Ours) {
            (true, false) => Change::Left,
            (false, true) => Change::Came,
            (true, true) if claimed && same.is_some_and(|same| same.awaited) => Change::Came,
            _ => Change::None,
        };
        if change == Change::Left
            && let Some(before) = before
        {
            before.ends.cancel();
        }
        let entry = Entry {
            since: same.map_or_else(Instant::now, |same| same.since),
            ends: same.map_or_else(CancellationToken::new, |same| same.ends.clone()),
            said: same.is_some_and(|same| same.said),
            awaited: !claimed && same.is_some_and(|same| same.awaited),
            whose: now,
            is_there: true,
            by,
            deployment,
            claim,
        };
        match (change, now) {
            (Change::Left, Whose::Yielded) => warn!(
                cluster = %id, by = entry.by, installation = self.name,
                "another installation that selects it as well has taken it: it is left alone"
            ),
            (Change::Left, _) => info!(cluster = %id, "not selected any more: it is left alone"),
            _ => {}
        }
        clusters.insert(id, entry);
        change
    }

    /// An ArangoCluster is gone. `is_used`: whether resources of one refer to it.
    pub fn gone(&self, cluster: &Id, is_used: impl Fn(&Id) -> bool) {
        let mut clusters = self.clusters.write();
        if let Some(entry) = clusters.get_mut(cluster) {
            entry.is_there = false;
            entry.by = None;
            if entry.whose == Whose::Ours {
                clusters.remove(cluster);
            }
        }
        clusters.retain(|id, entry| entry.is_there || is_used(id));
    }

    /// Whether any of the ArangoClusters is another installation's.
    pub fn shares(&self) -> bool {
        self.clusters.read().values().any(|entry| entry.whose != Whose::Ours)
    }

    /// Whether it is left alone.
    pub fn is_elsewhere(&self, cluster: &Id) -> bool {
        self.clusters.read().get(cluster).is_some_and(|entry| entry.whose != Whose::Ours)
    }

    /// Who may act for the resources of an ArangoCluster.
    pub fn turn(&self, cluster: &Id) -> Turn {
        match self.clusters.read().get(cluster) {
            None => Turn::Missing,
            Some(entry) if entry.whose == Whose::Ours => Turn::Ours(entry.ends.clone()),
            Some(_) => Turn::Elsewhere,
        }
    }

    /// Open as long as this process may act and the ArangoCluster is ours.
    pub fn gate(&self, cluster: &Id, lead: &Arc<Lead>) -> Arc<dyn Gate> {
        match self.turn(cluster) {
            Turn::Ours(ends) => Arc::new(WhileOurs { lead: Arc::clone(lead), ends }),
            Turn::Elsewhere | Turn::Missing => Arc::clone(lead) as _,
        }
    }

    /// How long one that another installation had before is left alone yet: what was written last by the other one may not
    /// be seen through every coordinator before.
    pub fn settles(&self, cluster: &Id) -> Option<Duration> {
        let clusters = self.clusters.read();
        let entry =
            clusters.get(cluster).filter(|entry| entry.by.as_ref().is_some_and(|by| *by != self.name))?;
        SETTLING.checked_sub(entry.since.elapsed()).filter(|left| !left.is_zero())
    }

    /// Whether a deployment may be acted on through this ArangoCluster. `acts`: whether it is by now.
    pub fn stand(&self, cluster: &Id, deployment: &str, acts: bool) -> Stand {
        let mut clusters = self.clusters.write();
        let Some(entry) = clusters.get(cluster) else { return Stand::Go };
        let is_claimed = entry.deployment.as_deref() == Some(deployment);
        let claim = if is_claimed { entry.claim } else { Claim::None };
        if claim == Claim::Won || (acts && claim != Claim::None) {
            return Stand::Go;
        }
        if let Some((other, by)) = others(&clusters, &self.name, Some(deployment)) {
            return Stand::Held(Hold::new(
                Reason::Conflict,
                format!(
                    "the ArangoCluster {other} leads to the same deployment, {deployment}, and another installation of \
                     the operator looks after it: {by}; a deployment is looked after by one: give both ArangoClusters \
                     labels that one and the same installation selects, or delete one of them"
                ),
            ));
        }
        let is_free = entry.by.as_ref().is_none_or(|by| *by == self.name);
        if claim == Claim::Recorded || (self.takes_all() && is_free) {
            return Stand::Go;
        }
        if let Some(entry) = clusters.get_mut(cluster) {
            entry.awaited = true;
        }
        Stand::Claim
    }

    /// Whether every ArangoCluster is its own.
    pub fn takes_all(&self) -> bool {
        self.selector.is_none()
    }

    /// Whom the status is to name. `taken`: another installation has the deployment; `acts`: it is known which one it is.
    pub fn signs(&self, taken: bool, acts: bool, before: Option<String>) -> Option<String> {
        if taken {
            return None;
        }
        if acts { Some(self.name.clone()) } else { before }
    }

    /// Whether there is no such ArangoCluster, as far as is known, and several installations would have to say so.
    pub fn misses(&self, cluster: &Id) -> bool {
        self.selector.is_some() && !self.clusters.read().contains_key(cluster)
    }

    /// Whether one that was yielded is to be taken back; if not, when to ask again, and whether that it was yielded was said.
    fn yields(&self, cluster: &Id) -> Option<(Duration, bool, String)> {
        let mut clusters = self.clusters.write();
        let entry =
            clusters.get_mut(cluster).filter(|entry| entry.is_there && entry.whose == Whose::Yielded)?;
        let Some(left) = YIELDS_FOR.checked_sub(entry.since.elapsed()).filter(|left| !left.is_zero()) else {
            (entry.whose, entry.since, entry.said) = (Whose::Ours, Instant::now(), false);
            entry.ends = CancellationToken::new();
            return None;
        };
        let said = std::mem::replace(&mut entry.said, true);
        Some((left, said, entry.by.clone().unwrap_or_default()))
    }
}

/// One that leads to that deployment and that another installation has.
fn others<'a>(
    clusters: &'a HashMap<Id, Entry>,
    me: &str,
    deployment: Option<&str>,
) -> Option<(&'a Id, &'a str)> {
    clusters.iter().find_map(|(id, entry)| {
        let by = entry.by.as_deref().filter(|by| *by != me)?;
        let is_theirs =
            entry.is_there && entry.whose != Whose::Ours && entry.deployment.as_deref() == deployment;
        is_theirs.then_some((id, by))
    })
}

/// The deployment that answers.
fn answering(deployment: &Deployment) -> Option<String> {
    deployment.found.clone().or_else(|| deployment.id.clone())
}

#[derive(Debug)]
struct WhileOurs {
    lead: Arc<Lead>,
    ends: CancellationToken,
}

impl Gate for WhileOurs {
    fn is_open(&self) -> bool {
        !self.ends.is_cancelled() && self.lead.is_open()
    }
}

#[cfg(test)]
mod tests;
