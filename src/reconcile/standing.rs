//! Which deployment a connection leads to, and whether it is the one that people know it to lead to.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{
    outcome::of_error,
    server::{Server, Shared},
};
use crate::{
    arango::{Client, Deployment, Error},
    core::{Hold, Id, Reason, deployment::Standing},
};

/// For how long the answer to who is there is believed before something is taken away: many deletions at once ask once.
const BELIEVED: Duration = Duration::from_secs(1);

/// What kind of deployment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One server.
    Single,
    /// Coordinators.
    Cluster,
}

/// Asks which deployment answers. A single server has no identity of its own (reference: what a single server answers):
/// then it is the one that is given.
pub(super) async fn identify(client: &Client, otherwise: &str) -> Result<(Mode, String), Error> {
    match client.deployment().await? {
        Deployment::Single => Ok((Mode::Single, otherwise.to_owned())),
        Deployment::Cluster(cluster) => Ok((Mode::Cluster, cluster.id().await?)),
    }
}

/// The deployments that connections lead to.
#[derive(Default)]
pub struct Deployments {
    shared: Mutex<HashMap<Arc<str>, Weak<Shared>>>,
}

impl Deployments {
    fn shared(&self, deployment: &Arc<str>) -> Arc<Shared> {
        let mut all = self.shared.lock();
        if let Some(shared) = all.get(deployment).and_then(Weak::upgrade) {
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::default();
        all.insert(Arc::clone(deployment), Arc::downgrade(&shared));
        shared
    }
}

/// Which deployment a connection leads to.
#[derive(Debug, Default)]
pub(super) struct Stands {
    known: Mutex<Option<Known>>,
    /// Held by whoever asks; the others wait for what comes of it.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Known {
    cluster: Id,
    standing: Standing,
    mode: Mode,
    asked: Instant,
}

impl Server {
    /// Learns which deployment answers, or what people know of it. From here on the connection shares with all others
    /// that lead there. `told`: the deployment itself has just told what it is.
    pub fn stand(&self, deployments: &Deployments, cluster: &Id, standing: Standing, told: Option<Mode>) {
        if self.deployment().as_ref() != Some(&standing.found) {
            self.share(deployments.shared(&standing.found));
        }
        let mut known = self.stands.known.lock();
        let (mode, asked) = match (told, &*known) {
            (None, Some(before)) => (before.mode, before.asked),
            (told, _) => (told.unwrap_or(Mode::Cluster), Instant::now()),
        };
        *known = Some(Known { cluster: cluster.clone(), standing, mode, asked });
    }

    /// Which deployment answers, and which one is known to people; nothing before it was asked.
    pub fn standing(&self) -> Option<Standing> {
        self.stands.known.lock().as_ref().map(|known| known.standing.clone())
    }

    /// The deployment that answers; nothing before it was asked.
    pub fn deployment(&self) -> Option<Arc<str>> {
        self.stands.known.lock().as_ref().map(|known| Arc::clone(&known.standing.found))
    }

    /// Whether what is there already, and was not looked after there, may be changed: not on a deployment that answers in
    /// the place of another, since a password or a level that somebody else has set is lost with the first write.
    pub fn may_take_over(&self, what: &str) -> Result<(), Hold> {
        let Some(known) = self.stands.known.lock().clone() else { return Ok(()) };
        known.accepted().map_err(|hold| Hold {
            message: format!("the {what} is there already and is left as it is: {}", hold.message),
            ..hold
        })
    }

    /// Whether something may be taken away. A deployment that answers in the place of another loses nothing until a
    /// person says that this is meant; and who answers is asked anew, for that may have changed a moment ago.
    pub async fn may_take_away(&self) -> Result<(), Hold> {
        let called = Instant::now();
        let known = || self.stands.known.lock().clone();
        let Some(before) = known() else { return Ok(()) };
        before.accepted()?;
        if before.mode == Mode::Single || before.asked.elapsed() < BELIEVED {
            return Ok(());
        }
        let _asking = self.stands.asking.lock().await;
        if let Some(now) = known()
            && now.asked >= called
        {
            return now.accepted();
        }
        let asked = Instant::now();
        let (_, found) = identify(&self.client, &before.standing.found).await.map_err(|error| {
            of_error(&error, "ask which deployment answers, before something is taken away")
        })?;
        if found == *before.standing.found {
            if let Some(known) = &mut *self.stands.known.lock() {
                known.asked = asked;
            }
            return Ok(());
        }
        Err(Hold::new(
            Reason::DeploymentChanged,
            format!(
                "the deployment {found} answers, where it was {} a moment ago: nothing is taken away; looking again",
                before.standing.found
            ),
        ))
    }
}

impl Known {
    fn accepted(&self) -> Result<(), Hold> {
        if self.standing.is_accepted() {
            return Ok(());
        }
        Err(Hold::new(Reason::DeploymentChanged, self.standing.explain(&self.cluster)))
    }
}
