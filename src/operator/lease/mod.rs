//! The Lease: read, taken, renewed, released. What to do next is decided by [`crate::core::lease`].

pub mod gate;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::gate::{Lead, clock};
use crate::{
    core::{
        backoff,
        lease::{self, Candidate, Lost, Precondition, Step, Terms},
    },
    crash::{self, Point},
};

/// How often a release is tried: our own last renewal may come in between.
const RELEASES_MAX: u32 = 3;

/// Which Lease decides who acts.
#[derive(Debug, Clone)]
pub struct Election {
    /// Its namespace; the client's own if none is given.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// How long others leave it alone that was not renewed.
    pub duration: Duration,
}

/// One who stands for the lease, and holds it.
pub(super) struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    terms: Terms,
    lead: Arc<Lead>,
    candidate: Candidate,
    /// The Lease as it was last read or written.
    last: Option<Lease>,
    stamp: i64,
    /// Whether the last request failed.
    troubled: bool,
    /// Who was last said to hold it.
    said: Option<String>,
}

impl Elector {
    /// One that has done nothing yet. `client` is not guarded by `lead`.
    pub(super) fn new(client: Client, election: Election, me: String, lead: Arc<Lead>) -> Self {
        let namespace = election.namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        let terms = Terms::new(election.duration);
        Self {
            api: Api::namespaced(client, &namespace),
            name: election.name,
            candidate: Candidate::new(me.clone(), terms),
            me,
            terms,
            lead,
            last: None,
            stamp: 0,
            troubled: false,
            said: None,
        }
    }

    /// Stands for the lease and keeps it. `led` is called when it is held. Tells how it was lost; nothing if it was
    /// released, or never held, because of `end`.
    pub(super) async fn run(mut self, led: impl FnOnce(), end: CancellationToken) -> Option<Lost> {
        let lost = tokio::select! {
            lost = self.lead(led) => Some(lost),
            () = end.cancelled() => None,
        };
        self.lead.close();
        if lost.is_none() {
            self.release().await;
        }
        lost
    }

    async fn lead(&mut self, led: impl FnOnce()) -> Lost {
        let mut until = match self.stand().await {
            Ok(until) => until,
            Err(lost) => return lost,
        };
        if !self.lead.hold(until) {
            return Lost::Expired;
        }
        info!(identity = self.me, lease = self.name, "this replica leads");
        led();
        let mut sure = true;
        loop {
            let due = (until + self.terms.renewal()).saturating_sub(self.terms.validity());
            let wait = if sure { due.saturating_sub(clock()) } else { self.terms.patience() / 4 };
            sleep(backoff::jitter(wait, rand::random()).min(left(until))).await;
            let asked = async {
                match self.version().filter(|_| sure) {
                    Some(version) => self.write(Precondition::Version(version)).await,
                    None => self.look().await,
                }
            };
            let step = timeout(left(until), asked).await;
            sure = matches!(step, Ok(Some(Step::Lead(_))));
            match step {
                Ok(Some(Step::Lead(renewed))) => until = renewed,
                Ok(Some(Step::StepDown(lost))) => return lost,
                // No answer, or a conflict: a look will tell.
                Ok(Some(Step::Write(_) | Step::Wait(_)) | None) | Err(_) => {}
            }
            if clock() >= until || !self.lead.hold(until) {
                return Lost::Expired;
            }
        }
    }

    /// Waits until the lease is ours. Tells until when.
    async fn stand(&mut self) -> Result<Duration, Lost> {
        loop {
            let step = match self.look().await {
                Some(Step::Write(precondition)) => self.write(precondition).await,
                step => step,
            };
            let wait = match step {
                Some(Step::Lead(until)) => return Ok(until),
                Some(Step::StepDown(lost)) => return Err(lost),
                Some(Step::Wait(until)) => left(until).min(self.terms.look()),
                Some(Step::Write(_)) | None => self.terms.look(),
            };
            sleep(backoff::jitter(wait, rand::random())).await;
        }
    }

    /// Reads the Lease. Nothing if there is no answer.
    async fn look(&mut self) -> Option<Step> {
        let (api, name) = (&self.api, &self.name);
        let asked = first(self.terms.patience(), || api.get_opt(name));
        match timeout(self.terms.validity(), asked).await {
            Ok(Ok(found)) => {
                self.went_well();
                self.lead.has_looked();
                self.last = found;
                let found = self.last.as_ref().map(as_read);
                let step = self.candidate.looked(found.as_ref(), clock());
                self.say_who(found.and_then(|lease| lease.holder));
                Some(step)
            }
            Ok(Err(error)) => self.failed("read", &error),
            Err(_) => self.failed("read", &"no answer in time"),
        }
    }

    /// Writes that the lease is ours. Nothing if there is no answer, or somebody else wrote in between.
    async fn write(&mut self, precondition: Precondition) -> Option<Step> {
        let (patience, limit, began) = (self.terms.patience(), self.terms.validity(), clock());
        // Of several writes under way one is taken at most: all of them want the same version.
        let written = first(patience, || self.attempt(precondition.clone()));
        match timeout(limit, written).await {
            Ok(Ok((stamp, written))) => {
                crash::at(Point::LeaseTaken);
                debug!(lease = self.name, millis = clock().saturating_sub(began).as_millis(), "written");
                self.went_well();
                let step =
                    self.candidate.wrote(stamp, &written.resource_version().unwrap_or_default(), clock());
                self.last = Some(written);
                Some(step)
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                debug!(lease = self.name, "somebody else wrote the Lease at the same time");
                None
            }
            Ok(Err(error)) => self.failed("written", &error),
            Err(_) => self.failed("written", &"no answer in time"),
        }
    }

    /// Begins a write. It tells its stamp, by which it is known.
    fn attempt(
        &mut self,
        precondition: Precondition,
    ) -> impl Future<Output = kube::Result<(i64, Lease)>> + use<> {
        let now = Timestamp::now().as_microsecond();
        // Tells this write from all others of ours, whatever was done to the clock.
        self.stamp = now.max(self.stamp + 1);
        let stamp = self.stamp;
        let lease = self.record(&precondition);
        self.candidate.writes(stamp, clock());
        let (api, name) = (self.api.clone(), self.name.clone());
        async move {
            let parameters = PostParams::default();
            let written = match precondition {
                Precondition::Absent => api.create(&parameters, &lease).await?,
                Precondition::Version(_) => api.replace(&name, &parameters, &lease).await?,
            };
            Ok((stamp, written))
        }
    }

    /// Nobody holds it any more, if it was ours. Whoever waits takes it at its end if that can't be said.
    async fn release(&mut self) {
        let limit = self.terms.validity();
        let _ = timeout(limit, self.try_to_release()).await;
    }

    async fn try_to_release(&mut self) {
        for _ in 0..RELEASES_MAX {
            if !self.candidate.may_hold() || !matches!(self.look().await, Some(Step::Lead(_))) {
                return;
            }
            let Some(mut lease) = self.last.clone() else { return };
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
            }
            let parameters = PostParams::default();
            let release = || self.api.replace(&self.name, &parameters, &lease);
            if first(self.terms.patience(), release).await.is_ok() {
                info!(identity = self.me, lease = self.name, "the lease is released");
                return;
            }
        }
    }

    /// The Lease as it is to be.
    fn record(&self, precondition: &Precondition) -> Lease {
        let time = Timestamp::from_microsecond(self.stamp).ok().map(MicroTime);
        let mut lease =
            self.last.clone().filter(|_| *precondition != Precondition::Absent).unwrap_or_default();
        let before = lease.spec.take().unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.me);
        lease.metadata = ObjectMeta { name: Some(self.name.clone()), ..lease.metadata };
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(self.terms.duration().as_secs()).ok(),
            acquire_time: if is_ours { before.acquire_time } else { time.clone() },
            renew_time: time,
            lease_transitions: Some(match (before.lease_transitions, is_ours) {
                (Some(count), true) => count,
                (Some(count), false) => count.saturating_add(1),
                (None, _) => 0,
            }),
            ..before
        });
        lease
    }

    fn version(&self) -> Option<String> {
        self.last.as_ref()?.resource_version()
    }

    fn say_who(&mut self, holder: Option<String>) {
        if let Some(holder) =
            holder.as_ref().filter(|holder| **holder != self.me && self.said != Some((*holder).clone()))
        {
            info!(identity = self.me, lease = self.name, holder, "another replica leads; this one waits");
        }
        self.said = holder;
    }

    fn went_well(&mut self) {
        if std::mem::take(&mut self.troubled) {
            info!(lease = self.name, "the API server answers about the Lease again");
        }
    }

    /// Said once for many in a row.
    fn failed<T>(&mut self, what: &str, error: &dyn std::fmt::Display) -> Option<T> {
        if !std::mem::replace(&mut self.troubled, true) {
            let remedy = "without it this replica does nothing; allow it (docs/high-availability.md), or run a single \
                          replica with --leader-election false";
            warn!(lease = self.name, %error, "the Lease could not be {what}: {remedy}");
        }
        None
    }
}

/// Whether a failure says nothing about the others that are under way: there was no answer at all. A refusal is an answer, and
/// a conflict may even say that an earlier one was taken, whose own answer never comes.
fn is_silence(error: &kube::Error) -> bool {
    !matches!(error, kube::Error::Api(_))
}

/// Asks, and asks once more beside it whenever nothing has come for as long as `patience`: of a server that is slow the
/// answer is waited for, and if a connection is dead the next one is asked on another. Tells the first answer, or the
/// failure after which nothing is under way any more.
async fn first<T, F: Future<Output = kube::Result<T>>>(
    patience: Duration,
    mut ask: impl FnMut() -> F,
) -> kube::Result<T> {
    let mut asked = FuturesUnordered::new();
    loop {
        asked.push(ask());
        let next = sleep(backoff::jitter(patience, rand::random()));
        let answer = async {
            while let Some(answer) = asked.next().await {
                if asked.is_empty() || !matches!(answer, Err(ref error) if is_silence(error)) {
                    return answer;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            answer = answer => return answer,
            () = next => {}
        }
    }
}

/// How long it is until then, by [`clock`].
fn left(until: Duration) -> Duration {
    until.saturating_sub(clock())
}

/// What counts of a Lease.
fn as_read(lease: &Lease) -> lease::Lease {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
    lease::Lease {
        version: lease.resource_version().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        stamp: spec.renew_time.map(|time| time.0.as_microsecond()),
        duration: Duration::from_secs(seconds),
    }
}
