//! What is written to a resource: the claim in its metadata, the status in its subresource. Every write carries the
//! resource version; if somebody else wrote in between, the resource is read again.

use std::sync::Arc;

use kube::{
    Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::{NamespaceResourceScope, PartialObjectMeta, Request, object::HasStatus, request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use self::wire::{Sent, Written};
use super::{context::Context, events::kind_of, watching::slim::Slim};
use crate::{
    core::{Origin, Status},
    crash::{self, Point},
    kinds::{Declaration, Kind},
    reconcile::Journal,
};

mod wire;

/// The finalizer, and its name is the same for all kinds.
pub const FINALIZER: &str = "arango-operator.dev/cleanup";

/// Holds origin and memory from the first write on until the status does: the claim and the finalizer are one write.
pub const CLAIM: &str = "arango-operator.dev/claim";

/// How often a write is repeated because somebody else wrote the resource in between.
const CONFLICTS_MAX: u32 = 4;

/// Why something could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The API server.
    #[error("could not write to Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// The resource was changed or deleted in the meantime: this pass is about an old one.
    #[error("the resource changed while it was worked on")]
    Outdated,
}

impl From<kube::Error> for StoreError {
    fn from(error: kube::Error) -> Self {
        Box::new(error).into()
    }
}

/// A resource type that can be written to.
pub trait Writable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + HasStatus<Status: PartialEq + Clone + Serialize + Send + Sync>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<R> Writable for R where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + HasStatus<Status: PartialEq + Clone + Serialize + Send + Sync>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// A resource, as last read or written.
#[derive(Debug)]
pub struct Stored<'a, R> {
    context: &'a Context,
    /// The resource.
    pub resource: R,
    /// Whether what is remembered is in the status alone. The claim is an annotation: whoever may write the resource may
    /// write it, and say that what exists was made by him. In the ArangoCluster's own namespace he may do that anyway.
    pub by_status_alone: bool,
    /// Whether what somebody else writes in between ends the pass, whatever it is.
    pub is_final: bool,
    /// The deployment that the pass is about, once it is known.
    deployment: Option<Arc<str>>,
}

#[derive(Serialize, serde::Deserialize)]
struct Claim<M> {
    origin: Origin,
    memory: M,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
}

/// Whether what is said of one deployment holds on that one. What was written before deployments had names does.
fn is_about(recorded: Option<&String>, deployment: Option<&str>) -> bool {
    recorded.is_none_or(|recorded| deployment.is_none_or(|deployment| recorded == deployment))
}

/// The claim as the status records it.
fn recorded<D: Declaration>(resource: &D, deployment: Option<&str>) -> Option<(Origin, D::Memory)> {
    let status = resource.status().filter(|status| is_about(status.deployment.as_ref(), deployment))?;
    Some((status.origin?, status.memory.clone()))
}

fn claim<D: Declaration>(resource: &D) -> Option<Claim<D::Memory>> {
    serde_json::from_str(resource.annotations().get(CLAIM)?).ok()
}

/// The claim as it is stored before the status records it.
fn claimed<D: Declaration>(resource: &D, deployment: Option<&str>) -> Option<(Origin, D::Memory)> {
    let claim = claim(resource)?;
    is_about(claim.deployment.as_ref(), deployment).then_some((claim.origin, claim.memory))
}

/// Whether a resource has claimed its object on that deployment. `by_status_alone`: as for [`Stored`].
pub fn records<D: Declaration>(resource: &D, deployment: Option<&str>, by_status_alone: bool) -> bool {
    recorded(resource, deployment).is_some() || (!by_status_alone && claimed(resource, deployment).is_some())
}

impl<'a, R: Writable> Stored<'a, R> {
    /// A resource out of a cache.
    pub fn new(context: &'a Context, resource: R) -> Self {
        Self { context, resource, by_status_alone: false, is_final: false, deployment: None }
    }

    /// Whether the finalizer is there.
    pub fn has_finalizer(&self) -> bool {
        self.resource.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// Puts the finalizer on, if it isn't.
    pub async fn hold(&mut self) -> Result<(), StoreError> {
        if self.has_finalizer() {
            return Ok(());
        }
        self.patch(Point::FinalizerOn, |resource| {
            let mut finalizers = resource.finalizers().to_vec();
            finalizers.push(FINALIZER.to_owned());
            json!({"finalizers": finalizers})
        })
        .await
    }

    /// Takes the finalizer off: what the resource declared is dealt with.
    pub async fn release(&mut self) -> Result<(), StoreError> {
        if !self.has_finalizer() {
            return Ok(());
        }
        let released = self
            .patch(Point::FinalizerOff, |resource| {
                let left: Vec<_> = resource.finalizers().iter().filter(|f| *f != FINALIZER).collect();
                json!({"finalizers": left})
            })
            .await;
        match released {
            // Gone: then it is off.
            Err(StoreError::Kube(error)) if is(&error, 404) => Ok(()),
            other => other,
        }
    }

    /// Changes the metadata. `done`: the place right behind it.
    async fn patch(
        &mut self,
        done: Point,
        change: impl Fn(&R) -> serde_json::Value,
    ) -> Result<(), StoreError> {
        let name = self.resource.name_any();
        for _ in 0..CONFLICTS_MAX {
            let mut metadata = change(&self.resource);
            metadata["resourceVersion"] = json!(self.resource.resource_version());
            metadata["uid"] = json!(self.resource.uid());
            let patch = Patch::Merge(json!({"metadata": metadata}));
            let request = self.request().patch_metadata(&name, &PatchParams::default(), &patch);
            match self.send::<Slim<PartialObjectMeta<R>>>(request).await {
                Ok(written) => {
                    crash::at(done);
                    self.context.metrics.wrote(kind_of::<R>(), "metadata");
                    *self.resource.meta_mut() = written.into_inner().metadata;
                    return Ok(());
                }
                Err(error) if is(&error, 409) => self.read_again(&name).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Outdated)
    }

    /// Writes the status, unless it is as it should be.
    pub async fn write_status(&mut self, status: R::Status) -> Result<(), StoreError> {
        let name = self.resource.name_any();
        for _ in 0..CONFLICTS_MAX {
            if self.resource.status() == Some(&status) {
                return Ok(());
            }
            let sent = Sent::new::<R>(self.resource.meta(), &status);
            let body = serde_json::to_vec(&sent).map_err(kube::Error::SerdeError)?;
            let request = self.request().replace_subresource("status", &name, &PostParams::default(), body);
            match self.send::<Written>(request).await {
                Ok(Written { metadata }) => {
                    crash::at(Point::StatusWritten);
                    self.context.metrics.wrote(kind_of::<R>(), "status");
                    self.resource.meta_mut().resource_version = Some(metadata.resource_version);
                    *self.resource.status_mut() = Some(status);
                    return Ok(());
                }
                Err(error) if is(&error, 409) => self.read_again(&name).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Outdated)
    }

    fn request(&self) -> Request {
        Request::new(R::url_path(&(), self.resource.meta().namespace.as_deref()))
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<T, kube::Error> {
        self.context.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }

    /// Reads the resource again after a conflict. If it is about something else by now, this pass is over.
    async fn read_again(&mut self, name: &str) -> Result<(), StoreError> {
        let namespace = self.resource.meta().namespace.as_deref().unwrap_or_default();
        let mut newer = self.context.api::<R>(namespace).get(name).await?;
        newer.meta_mut().managed_fields = None;
        let (old, new) = (self.resource.meta(), newer.meta());
        let same = !self.is_final
            && old.uid == new.uid
            && old.generation == new.generation
            && old.deletion_timestamp.is_some() == new.deletion_timestamp.is_some();
        self.resource = newer;
        if same { Ok(()) } else { Err(StoreError::Outdated) }
    }
}

impl<D: Declaration> Stored<'_, D> {
    /// From here on it is about that deployment: what was remembered of another says nothing.
    pub fn is_on(&mut self, deployment: Option<Arc<str>>) {
        self.deployment = deployment;
    }

    /// What is remembered: in the status, or, before there is one, in the claim.
    pub fn remembered(&self) -> (Option<Origin>, D::Memory) {
        let deployment = self.deployment.as_deref();
        let claimed = || claimed(&self.resource, deployment).filter(|_| !self.by_status_alone);
        if let Some((origin, memory)) = self.recorded().or_else(claimed) {
            return (Some(origin), memory);
        }
        let status = self.resource.status();
        let status = status.filter(|status| is_about(status.deployment.as_ref(), deployment));
        (None, status.map(|status| status.memory.clone()).unwrap_or_default())
    }

    /// The claim as the status records it.
    pub fn recorded(&self) -> Option<(Origin, D::Memory)> {
        recorded(&self.resource, self.deployment.as_deref())
    }

    /// The deployment that what is remembered is about.
    pub fn deployment(&self) -> Option<String> {
        let of_status = || self.resource.status().and_then(|status| status.deployment.clone());
        let believed = self.only_claims() && !self.by_status_alone;
        let of_claim = || believed.then(|| claim(&self.resource)?.deployment).flatten();
        self.deployment.as_deref().map(str::to_owned).or_else(of_status).or_else(of_claim)
    }

    /// Takes a claim back that came to nothing: nothing was there, and nothing was made. Were it kept, what a person
    /// makes by hand in the meantime would be taken for ours.
    pub async fn retract(&mut self) -> Result<(), StoreError> {
        if self.by_status_alone {
            self.release().await?;
            let status = self.resource.status().cloned().unwrap_or_default();
            return self.write_status(Status { origin: None, memory: D::Memory::default(), ..status }).await;
        }
        self.patch(Point::ClaimRetracted, |resource| {
            let left: Vec<_> = resource.finalizers().iter().filter(|f| *f != FINALIZER).collect();
            json!({"finalizers": left, "annotations": {CLAIM: null}})
        })
        .await
    }

    /// Whether the claim is all there is: no status records it yet.
    pub fn only_claims(&self) -> bool {
        let recorded = self.recorded().is_some();
        if self.by_status_alone {
            // The name comes with the first pass that ends.
            return recorded && self.resource.status().is_some_and(|status| status.name.is_none());
        }
        !recorded && self.resource.annotations().contains_key(CLAIM)
    }

    /// Stores the claim: with the finalizer, if the resource may not go just like that.
    pub async fn claim(&mut self, origin: Origin, memory: &D::Memory, holds: bool) -> Result<(), StoreError> {
        if self.by_status_alone {
            if holds {
                self.hold().await?;
            }
            let mut status = self.resource.status().cloned().unwrap_or_default();
            (status.origin, status.memory) = (Some(origin), memory.clone());
            status.deployment = self.deployment();
            self.write_status(status).await?;
            crash::at(Point::ClaimStored);
            return Ok(());
        }
        if !holds && *memory == D::Memory::default() && !self.resource.annotations().contains_key(CLAIM) {
            return Ok(());
        }
        let claim = Claim { origin, memory, deployment: self.deployment() };
        let claim = serde_json::to_string(&claim).unwrap_or_default();
        self.patch(Point::ClaimStored, |resource| {
            let mut finalizers = resource.finalizers().to_vec();
            if holds && !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
                finalizers.push(FINALIZER.to_owned());
            }
            json!({"finalizers": finalizers, "annotations": {CLAIM: claim}})
        })
        .await
    }
}

impl<K: Kind> Journal<K> for Stored<'_, K::Resource> {
    type Error = StoreError;

    async fn begin(&mut self, origin: Origin, memory: &K::Memory) -> Result<(), StoreError> {
        if self.recorded().is_some_and(|(recorded, _)| recorded != origin) {
            // What the status records counts before any claim.
            let status = self.resource.status().cloned().unwrap_or_default();
            return self.write_status(Status { origin: Some(origin), ..status }).await;
        }
        let holds = K::holds(&self.resource, Some(origin), memory);
        self.claim(origin, memory, holds).await
    }

    async fn save(&mut self, memory: &K::Memory) -> Result<(), StoreError> {
        if K::is_unfinished(memory) {
            // What is cut off from here on is brought to its end before the resource may go.
            self.hold().await?;
        }
        let (origin, _) = self.remembered();
        let mut status = self.resource.status().cloned().unwrap_or_default();
        status.memory = memory.clone();
        // Without the origin the memory would not be found again: the claim would be taken for newer.
        status.origin = origin;
        status.deployment = self.deployment();
        self.write_status(status).await?;
        crash::at(Point::Remembered);
        Ok(())
    }
}

/// The time as conditions have it: in UTC, by the second.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whether the API server answered with that status.
pub fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
