//! Secrets: watched by metadata, read when needed, kept by nobody.

mod rotate;
pub mod verify;

use std::{collections::HashMap, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Resource, ResourceExt,
    api::{ObjectMeta, PostParams},
    core::{PartialObjectMeta, PartialObjectMetaExt},
    runtime::watcher::Event,
};
use parking_lot::Mutex;
use rand::{RngExt, distr::Alphanumeric};
use secrecy::{SecretSlice, SecretString};
use tracing::warn;

use super::{
    context::Context,
    watching::{
        index::{Id, Key, id_of},
        written::version_number,
    },
};
use crate::{
    core::{Hold, Reason},
    crash::{self, Point},
    kinds::user::binding::SECRET_TYPE,
    reconcile::{Generated, Secrets, Version},
};

/// Marks a Secret as written by us, for namespace/name of an ArangoUser.
pub const OWNER: &str = "arango-operator.dev/owner";

/// Secrets that belong to the cluster's own machinery and are never read, by how their type begins.
const REFUSED_TYPES: [&str; 3] =
    ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "helm.sh/release."];

/// Whether Secrets of that type are never read.
pub fn is_refused(type_: &str) -> bool {
    REFUSED_TYPES.iter().any(|refused| type_.starts_with(refused))
}

/// The version of each Secret that is watched.
#[derive(Debug, Default)]
pub struct SecretVersions {
    versions: Mutex<HashMap<Id, Version>>,
}

impl SecretVersions {
    /// The version of one.
    pub fn get(&self, id: &Id) -> Option<Version> {
        self.versions.lock().get(id).cloned()
    }

    /// Those of one namespace.
    fn known_in(&self, namespace: &str) -> Vec<PartialObjectMeta<Secret>> {
        let versions = self.versions.lock();
        let known = versions.keys().filter(|id| &*id.namespace == namespace);
        let metadata = known.map(|Id { namespace, name }| ObjectMeta {
            namespace: Some(namespace.to_string()),
            name: Some(name.to_string()),
            ..ObjectMeta::default()
        });
        metadata.map(PartialObjectMetaExt::into_response_partial).collect()
    }

    /// Learns a version; whether it is news. One before what is known is not: the watch tells of every version, also of
    /// those that we wrote ourselves and have learned of already.
    fn learn(&self, id: &Id, version: Version) -> bool {
        let mut versions = self.versions.lock();
        if versions.get(id).is_some_and(|known| is_before(&version, known)) {
            return false;
        }
        versions.insert(id.clone(), version.clone()) != Some(version)
    }
}

/// Whether it is an earlier version of the same Secret. Where one is no number, what comes last counts.
fn is_before((uid, version): &Version, (known_uid, known): &Version) -> bool {
    uid == known_uid
        && matches!((version_number(version), version_number(known)), (Some(new), Some(known)) if new < known)
}

/// The version of a Secret.
pub(super) fn version(meta: &ObjectMeta) -> Version {
    (meta.uid.clone().unwrap_or_default(), meta.resource_version.clone().unwrap_or_default())
}

/// The kind's name.
pub const KIND: &str = "Secret";

/// Watches the metadata of Secrets for as long as the process lives.
pub async fn watch(context: Arc<Context>) {
    let of = Arc::clone(&context);
    let mut events =
        super::watching::streams::watch(&context, move |namespace| of.secrets.known_in(namespace));
    let mut listing = HashMap::new();
    while let Some(event) = events.next().await {
        let listed = matches!(event, Ok(Event::InitDone));
        let changed = match event {
            Ok(Event::Init) => {
                listing = HashMap::new();
                Vec::new()
            }
            Ok(Event::InitApply(secret)) => {
                listing.insert(id_of(&secret), version(secret.meta()));
                Vec::new()
            }
            Ok(Event::InitDone) => {
                let new = std::mem::take(&mut listing);
                let old = std::mem::replace(&mut *context.secrets.versions.lock(), new.clone());
                let gone = old.keys().filter(|id| !new.contains_key(id));
                let changed =
                    new.iter().filter(|(id, version)| old.get(id) != Some(version)).map(|(id, _)| id);
                changed.chain(gone).cloned().collect()
            }
            Ok(Event::Apply(secret)) => {
                let id = id_of(&secret);
                if context.secrets.learn(&id, version(secret.meta())) { vec![id] } else { Vec::new() }
            }
            Ok(Event::Delete(secret)) => {
                let id = id_of(&secret);
                context.secrets.versions.lock().remove(&id);
                vec![id]
            }
            Err(error) => {
                warn!(%error, "the watch on Secrets failed; trying again");
                Vec::new()
            }
        };
        for id in changed {
            context.wake(&Key::Secret(id));
        }
        if listed {
            context.cache_is_filled(KIND);
        }
    }
}

/// The Secrets of one namespace, on behalf of one resource.
pub struct NamespaceSecrets<'a> {
    pub(super) context: &'a Context,
    pub(super) namespace: &'a str,
    /// Whose password is generated: written as the owner.
    pub(super) owner: Option<(Id, Option<OwnerReference>)>,
    /// The Secret that applications are given: made with its own type, which can't be changed later.
    binding: Option<String>,
}

impl<'a> NamespaceSecrets<'a> {
    /// For reading.
    pub fn new(context: &'a Context, namespace: &'a str) -> Self {
        Self { context, namespace, owner: None, binding: None }
    }

    /// For reading, and for writing on behalf of that resource. The Secret goes with it where the user does: the
    /// password of a user who stays must stay too.
    #[must_use]
    pub fn for_owner(mut self, owner: &impl Resource<DynamicType = ()>, goes_with_it: bool) -> Self {
        let reference = owner.controller_owner_ref(&()).filter(|_| goes_with_it);
        self.owner = Some((id_of(owner), reference));
        self
    }

    /// For that one too, with which applications connect.
    #[must_use]
    pub fn with_binding(self, name: Option<String>) -> Self {
        Self { binding: name, ..self }
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace
    }

    pub(super) fn id(&self, name: &str) -> Id {
        Id::new(self.namespace, name)
    }

    /// Reads one key as bytes' text, and the version that it is of.
    async fn get(&self, name: &str, key: &str) -> Result<(SecretString, Version), Hold> {
        let (bytes, version) = self.value(name, key).await?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Hold::invalid(format!("the key {key} of the Secret {name} is not UTF-8 text; put text there"))
        })?;
        Ok((text.into(), version))
    }

    /// Reads one key, which need not be text.
    pub async fn read_bytes(&self, name: &str, key: &str) -> Result<SecretSlice<u8>, Hold> {
        Ok(self.value(name, key).await?.0.into())
    }

    /// Reads all keys of a Secret without secrets in it, one after the other in lines; nothing if there is no such Secret.
    pub async fn read_all(&self, name: &str) -> Result<Vec<u8>, Hold> {
        let Some(secret) = self.readable(name).await? else { return Ok(Vec::new()) };
        let values: Vec<_> = secret.data.unwrap_or_default().into_values().map(|value| value.0).collect();
        Ok(values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>().join(&b'\n'))
    }

    async fn value(&self, name: &str, key: &str) -> Result<(Vec<u8>, Version), Hold> {
        let secret = self.readable(name).await?.ok_or_else(|| missing(name, key))?;
        let version = version(&secret.metadata);
        let ByteString(bytes) =
            secret.data.and_then(|mut data| data.remove(key)).ok_or_else(|| without(name, key))?;
        Ok((bytes, version))
    }

    /// A Secret, if it is there, and of a type that is read at all.
    async fn readable(&self, name: &str) -> Result<Option<Secret>, Hold> {
        let secret = self.fetch(name).await?;
        let type_ = secret.as_ref().and_then(|secret| secret.type_.as_deref());
        match type_.filter(|type_| is_refused(type_)) {
            None => Ok(secret),
            Some(type_) => Err(Hold::invalid(format!(
                "the Secret {name} has the type {type_}, which is never read; put the value into one of the type Opaque"
            ))),
        }
    }

    pub(super) async fn fetch(&self, name: &str) -> Result<Option<Secret>, Hold> {
        let api: Api<Secret> = self.context.api(self.namespace);
        api.get_opt(name).await.map_err(|error| {
            Hold::new(
                Reason::SecretMissing,
                format!("could not read the Secret {name}: {error}; trying again"),
            )
        })
    }

    async fn make(&self, name: &str, key: &str, user: &str, length: u32) -> Result<(), Hold> {
        let (owner, reference) = self
            .owner
            .as_ref()
            .ok_or_else(|| Hold::invalid("a password can only be generated for a resource"))?;
        if let Some(secret) = self.fetch(name).await? {
            return self.keep(owner, &secret);
        }
        let password = password(length);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                annotations: Some([(OWNER.to_owned(), owner.to_string())].into()),
                owner_references: reference.clone().map(|reference| vec![reference]),
                ..ObjectMeta::default()
            },
            type_: self.binding.as_deref().filter(|binding| *binding == name).map(|_| SECRET_TYPE.to_owned()),
            string_data: Some([("username".to_owned(), user.to_owned()), (key.to_owned(), password)].into()),
            ..Secret::default()
        };
        let api: Api<Secret> = self.context.api(self.namespace);
        match api.create(&PostParams::default(), &secret).await {
            Ok(secret) => {
                crash::at(Point::PasswordGenerated);
                self.context.metrics.wrote("ArangoUser", "secret");
                self.learn(&secret);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => match self.fetch(name).await? {
                Some(secret) => self.keep(owner, &secret),
                None => Err(missing(name, key)),
            },
            Err(error) => Err(Hold::new(
                Reason::SecretMissing,
                format!("could not create the Secret {name}: {error}; trying again"),
            )),
        }
    }

    /// Takes a Secret that is there for the one to write, if it is ours.
    pub(super) fn keep(&self, owner: &Id, secret: &Secret) -> Result<(), Hold> {
        let name = secret.name_any();
        if secret.annotations().get(OWNER) != Some(&owner.to_string()) {
            return Err(Hold::new(
                Reason::Conflict,
                format!(
                    "the Secret {name} exists and was not written for {owner}; it is never overwritten: delete it, or \
                     set password.generate.secretName to another name"
                ),
            ));
        }
        self.learn(secret);
        Ok(())
    }

    /// Takes note of a version before its watch event comes, so that our own write wakes nobody.
    pub(super) fn learn(&self, secret: &Secret) {
        let id = self.id(&secret.name_any());
        self.context.secrets.learn(&id, version(&secret.metadata));
    }
}

/// Letters and digits.
pub(super) fn password(length: u32) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length as usize).map(char::from).collect()
}

pub(super) fn missing(name: &str, key: &str) -> Hold {
    Hold::new(
        Reason::SecretMissing,
        format!(
            "the Secret {name} with the key {key} does not exist in this namespace yet; going on when it does"
        ),
    )
}

fn without(name: &str, key: &str) -> Hold {
    let message = format!("the Secret {name} has no key {key} yet; going on when it has");
    Hold::new(Reason::SecretMissing, message)
}

impl Secrets for NamespaceSecrets<'_> {
    fn version(&self, name: &str) -> Option<Version> {
        self.context.secrets.get(&Id::new(self.namespace, name))
    }

    fn read<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<(SecretString, Version), Hold>> {
        self.get(name, key).boxed()
    }

    fn generate<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        user: &'a str,
        length: u32,
    ) -> BoxFuture<'a, Result<(), Hold>> {
        self.make(name, key, user, length).boxed()
    }

    fn generated<'a>(&'a self, name: &'a str, key: &'a str) -> BoxFuture<'a, Result<Generated, Hold>> {
        self.look_into(name, key).boxed()
    }

    fn propose<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        since: &'a Generated,
        length: u32,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        self.add_next(name, key, since, length).boxed()
    }

    fn promote<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        since: &'a Generated,
        rotated: &'a str,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        self.move_next(name, key, since, rotated).boxed()
    }
}
