//! kube-arangodb's `ArangoDeployment`s, as far as an ArangoCluster names one: watched from the first such ArangoCluster on,
//! and not before, so that nobody else needs the rights to it or the definition.

pub mod maintenance;

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use kube::{
    Api, Resource,
    api::{ListParams, ObjectMeta},
    core::NamespaceResourceScope,
    runtime::watcher::{self, Event},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    clusters::connections,
    context::Context,
    store::is,
    watching::index::{Id, Key, Ref, id_of},
};
use crate::core::{
    Hold, Reason, backoff,
    kube_arangodb::{Deployment, GROUP, KIND, PLURAL, VERSION},
};

/// How long an ArangoCluster waits for the first listing. It takes a moment, unless the API server is away.
const FIRST_LISTING: Duration = Duration::from_secs(10);

/// How often it is looked whether they can be watched by now.
const LOOK: Duration = Duration::from_secs(10);

/// What is known of all of them.
type Known = HashMap<Id, Arc<Result<Deployment, String>>>;

/// The `ArangoDeployment`s that were seen.
#[derive(Debug)]
pub struct ArangoDeployments {
    known: Mutex<Known>,
    /// Whether anybody has asked for one.
    wanted: watch::Sender<bool>,
    listing: watch::Sender<Listing>,
}

/// How far the watch has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Listing {
    /// Nothing is known yet.
    Begun,
    /// All that there are have been seen.
    Complete,
    /// They can't be seen, and why.
    Impossible(String),
}

impl Default for ArangoDeployments {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            wanted: watch::Sender::new(false),
            listing: watch::Sender::new(Listing::Begun),
        }
    }
}

impl ArangoDeployments {
    /// The one of that name, once it can be said whether there is one.
    ///
    /// # Errors
    ///
    /// There is none that servers may be looked for by.
    pub async fn find(&self, id: &Id) -> Result<Deployment, Hold> {
        self.wanted.send_replace(true);
        let mut listing = self.listing.subscribe();
        let listing = timeout(FIRST_LISTING, listing.wait_for(|listing| *listing != Listing::Begun)).await;
        let listing = listing.ok().and_then(|listing| listing.ok().map(|listing| listing.clone()));
        let name = &id.name;
        let missing = |message: String| Err(Hold::new(Reason::ReferenceMissing, message));
        match listing {
            None | Some(Listing::Begun) => {
                missing(format!("the ArangoDeployment {name} could not be looked for yet; trying again"))
            }
            Some(Listing::Impossible(why)) => {
                missing(format!("the ArangoDeployment {name} can't be read: {why}"))
            }
            Some(Listing::Complete) => match self.get(id).as_deref() {
                None => missing(format!(
                    "the ArangoDeployment {name} does not exist in this namespace; going on when it does, and nothing \
                     is changed or removed before"
                )),
                Some(Err(problem)) => Err(Hold::invalid(problem.clone())),
                Some(Ok(Deployment { leaving: true, .. })) => missing(format!(
                    "the ArangoDeployment {name} is being deleted; nothing is changed or removed in it any more"
                )),
                Some(Ok(deployment)) => Ok(deployment.clone()),
            },
        }
    }

    /// What was last seen of one.
    fn get(&self, id: &Id) -> Option<Arc<Result<Deployment, String>>> {
        self.known.lock().get(id).cloned()
    }

    /// The names of those in a namespace.
    fn known_in(&self, namespace: &str) -> Vec<ArangoDeployment> {
        let named = |id: &Id| ObjectMeta {
            name: Some(id.name.to_string()),
            namespace: Some(id.namespace.to_string()),
            ..ObjectMeta::default()
        };
        let known = self.known.lock();
        let there = known.keys().filter(|id| &*id.namespace == namespace);
        there.map(|id| ArangoDeployment { metadata: named(id), rest: Map::new() }).collect()
    }

    /// Learns what one is like now; whether that is news.
    fn learn(&self, object: &ArangoDeployment) -> Option<Id> {
        let (id, deployment) = read(object);
        let is_news = self.known.lock().insert(id.clone(), Arc::clone(&deployment)) != Some(deployment);
        is_news.then_some(id)
    }

    /// Learns what all are like now; whose news that is.
    fn replace(&self, new: Known) -> Vec<Id> {
        let mut known = self.known.lock();
        let old = std::mem::replace(&mut *known, new);
        let gone = old.keys().filter(|id| !known.contains_key(id));
        let changed =
            known.iter().filter(|(id, deployment)| old.get(id) != Some(deployment)).map(|(id, _)| id);
        changed.chain(gone).cloned().collect()
    }
}

/// The key by which everybody who uses an `ArangoDeployment` is woken.
pub fn key(deployment: &Id) -> Key {
    Key::Resource(Ref { kind: KIND, id: deployment.clone() })
}

/// An `ArangoDeployment` as the API server has it: any shape goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ArangoDeployment {
    /// Its metadata.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// All else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Resource for ArangoDeployment {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

fn read(object: &ArangoDeployment) -> (Id, Arc<Result<Deployment, String>>) {
    let id = id_of(object);
    let whole = serde_json::to_value(object).map_err(|error| error.to_string());
    let deployment = whole.and_then(|whole| Deployment::read(&id, &whole));
    (id, Arc::new(deployment))
}

/// Watches them, once somebody has asked, for as long as the process lives.
pub async fn watch(context: Arc<Context>) {
    // The sender lives in this very context, so the wait can't fail.
    drop(context.arango_deployments.wanted.subscribe().wait_for(|wanted| *wanted).await);
    loop {
        while let Err(error) = probe(&context).await {
            let why = impossible(&error).map_or_else(|| format!("{error}; trying again"), str::to_owned);
            debug!(kind = KIND, %error, "not watched");
            tell(&context, Listing::Impossible(why));
            sleep(backoff::jitter(LOOK, rand::random())).await;
        }
        follow(&context).await;
    }
}

/// Whether they can be listed at all. A watch would complain in the log each time it can't.
async fn probe(context: &Context) -> Result<(), kube::Error> {
    let one = ListParams::default().limit(1);
    let list = async |api: Api<ArangoDeployment>| api.list_metadata(&one).await.map(drop);
    if context.namespaces.is_empty() {
        return list(Api::all(context.client.clone())).await;
    }
    for namespace in &context.namespaces {
        list(context.api(namespace)).await?;
    }
    Ok(())
}

/// Watches them until that is impossible.
async fn follow(context: &Arc<Context>) {
    let (of, deployments) = (Arc::clone(context), &context.arango_deployments);
    let mut events =
        super::watching::streams::watch(context, move |namespace| of.arango_deployments.known_in(namespace));
    let mut listing = Known::new();
    while let Some(event) = events.next().await {
        let changed = match event {
            Ok(Event::Init) => {
                listing = Known::new();
                Vec::new()
            }
            Ok(Event::InitApply(object)) => {
                listing.extend([read(&object)]);
                Vec::new()
            }
            Ok(Event::InitDone) => {
                let changed = deployments.replace(std::mem::take(&mut listing));
                tell(context, Listing::Complete);
                changed
            }
            Ok(Event::Apply(object)) => deployments.learn(&object).into_iter().collect(),
            Ok(Event::Delete(object)) => {
                let id = id_of(&object);
                deployments.known.lock().remove(&id);
                vec![id]
            }
            Err(watcher::Error::InitialListFailed(error)) if impossible(&error).is_some() => return,
            Err(error) => {
                warn!(kind = KIND, %error, "the watch failed; trying again");
                Vec::new()
            }
        };
        for id in changed {
            context.wake(&key(&id));
        }
    }
}

/// Why they can't be listed, if an administrator can change that.
fn impossible(error: &kube::Error) -> Option<&'static str> {
    if is(error, 404) {
        Some(
            "kube-arangodb's resource definitions are not installed in this Kubernetes cluster; looking again",
        )
    } else if is(error, 403) {
        Some("the operator has no right to; an administrator applies deploy/kube-arangodb; looking again")
    } else {
        None
    }
}

/// How far the watch has come; whoever uses a deployment has something else to say then.
fn tell(context: &Context, listing: Listing) {
    let is_news = context.arango_deployments.listing.send_if_modified(|before| {
        let is_news = *before != listing;
        *before = listing;
        is_news
    });
    if is_news {
        let clusters = context.index.lock().of_kind(connections::KIND);
        context.wakes.wake(clusters);
    }
}
