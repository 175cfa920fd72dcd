//! The Secret for applications: written once the resource is Ready, renewed when something in it changes, put right
//! when somebody else changes it. Nothing is read or written while its version is the one that was last found right.

mod change;

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Resource, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::events::EventType,
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use self::change::{Change, WRITTEN, is_version, keys};
use super::{
    clusters::connections::Connected,
    context::Context,
    secrets::{NamespaceSecrets, OWNER, is_refused, version},
    store::is,
    watching::index::{Id, id_of},
};
use crate::{
    core::{Consent, Hold, Reason},
    crash::{self, Point},
    kinds::{
        Kind,
        user::{
            binding::{Delivered, Delivery, SECRET_TYPE},
            crd::{BindingRef, SecretVersion},
        },
    },
    reconcile::{Outcome, Secrets},
};

/// How often a write is repeated because somebody else wrote the Secret in between.
const CONFLICTS_MAX: u32 = 4;

/// One Secret is put right at most this often: whoever keeps changing it is not answered blow by blow.
const REPAIRS_APART: Duration = Duration::from_secs(10);

/// When which Secret was last put right.
#[derive(Debug, Default)]
pub struct Repairs(Mutex<HashMap<Id, Instant>>);

impl Repairs {
    /// Whether it is time, and then it is noted.
    fn may_begin(&self, secret: &Id) -> bool {
        let mut last = self.0.lock();
        last.retain(|_, at| at.elapsed() < REPAIRS_APART);
        if last.contains_key(secret) {
            return false;
        }
        last.insert(secret.clone(), Instant::now());
        true
    }
}

/// What became of the Secret.
enum Found {
    /// It is as it should be, or was brought up to date.
    Right,
    /// It was not there.
    Made,
    /// Somebody had changed it; these keys were written again.
    PutRight(Vec<String>),
    /// The password is about to change: the Secret's own change wakes the resource.
    NotYet,
}

/// Writes the Secret that the resource asks for, once it is Ready; why that can't be becomes the verdict.
pub async fn deliver<K: Kind>(
    context: &Context,
    connection: &Connected,
    secrets: &NamespaceSecrets<'_>,
    (resource, desired): (&K::Resource, &K::Desired),
    outcome: &mut Outcome<K>,
) {
    if !outcome.verdict.is_ready() {
        return;
    }
    let goes = K::consent(resource, outcome.origin) == Consent::Remove;
    let Some(delivered) = K::delivered(&mut outcome.memory) else { return };
    let reference = resource.owner_ref(&()).filter(|_| goes);
    let writer = Writer { context, connection, secrets, kind: K::NAME, owner: id_of(resource), reference };
    match writer.deliver(resource, K::delivery(desired), delivered).await {
        Ok(None) => {}
        Ok(Some(remark)) => outcome.verdict.message += &remark,
        Err(hold) => outcome.verdict = hold.into(),
    }
}

struct Writer<'a> {
    context: &'a Context,
    connection: &'a Connected,
    secrets: &'a NamespaceSecrets<'a>,
    kind: &'static str,
    owner: Id,
    /// Where the user goes with his resource, the Secret does.
    reference: Option<OwnerReference>,
}

impl Writer<'_> {
    /// Brings the Secret up to date and remembers it. Tells what else is to be said of it.
    async fn deliver<R: Resource<DynamicType = ()>>(
        &self,
        resource: &R,
        delivery: Option<&Delivery>,
        delivered: Delivered<'_>,
    ) -> Result<Option<String>, Hold> {
        let before = delivered.binding.as_ref().map(|binding| binding.name.clone());
        let Some(delivery) = delivery else {
            *delivered.binding = None;
            *delivered.version = None;
            self.tell_of_the_one_before(resource, before.as_deref(), None).await;
            return Ok(None);
        };
        let name = &delivery.secret;
        let goes = self.reference.is_some();
        let source = delivery.made_of(&self.connection.whereabouts, delivered.password.as_ref(), goes)?;
        let known = self.secrets.version(name);
        let is_known = |last: &SecretVersion| {
            last.source == source && known == Some((last.uid.clone(), last.resource_version.clone()))
        };
        if !delivered.version.as_ref().is_some_and(is_known) {
            // Made of the same as before, and yet another version: somebody else had a hand in it.
            let same = delivered.version.as_ref().is_some_and(|last| last.source == source);
            let (found, (uid, resource_version)) =
                self.bring_about(delivery, same, delivered.password).await?;
            if matches!(found, Found::NotYet) {
                return Ok(None);
            }
            *delivered.version = Some(SecretVersion { uid, resource_version, source });
            *delivered.binding = Some(BindingRef { name: name.clone() });
            self.tell(resource, name, &found, same).await;
            self.tell_of_the_one_before(resource, before.as_deref(), Some(name)).await;
        }
        let remark = format!("; the Secret {name} has no password, since spec.password is not set");
        Ok(delivery.password.is_none().then_some(remark))
    }

    /// Reads the Secret and writes what is not as it should be.
    async fn bring_about(
        &self,
        delivery: &Delivery,
        same: bool,
        in_force: &mut Option<SecretVersion>,
    ) -> Result<(Found, (String, String)), Hold> {
        let name = &delivery.secret;
        let keeps = delivery.keeps_the_password();
        let not_yet = Ok((Found::NotYet, Default::default()));
        let Some(password) = self.password(delivery, in_force.as_ref()).await? else { return not_yet };
        let password = password.as_ref().map(ExposeSecret::expose_secret);
        let data = delivery.data(&self.connection.whereabouts, password)?;
        for _ in 0..CONFLICTS_MAX {
            let Some(secret) = self.secrets.fetch(name).await? else {
                if keeps {
                    return not_yet;
                }
                self.begin_repair(name, same)?;
                match self.create(name, &data).await? {
                    Some(secret) => return Ok((Found::Made, version(&secret.metadata))),
                    None => continue,
                }
            };
            self.must_be_ours(&secret)?;
            let read = version(&secret.metadata);
            if keeps && in_force.as_ref().is_none_or(|last| !is_version(last, &read)) {
                return not_yet;
            }
            let change =
                Change::of(&secret, &data, keeps, (self.kind, &self.owner.name), self.reference.as_ref());
            if change.is_empty() {
                self.secrets.learn(&secret);
                return Ok((Found::Right, read));
            }
            if secret.immutable == Some(true) {
                return Err(Hold::new(
                    Reason::Conflict,
                    format!(
                        "the Secret {name} is immutable and can't be brought up to date; delete it, and it is written \
                         anew"
                    ),
                ));
            }
            let is_repair = same && change.is_by_others(delivery);
            self.begin_repair(name, is_repair)?;
            let Some(secret) = self.patch(&secret, &change).await? else { continue };
            let written = version(&secret.metadata);
            if let Some(in_force) = in_force.as_mut().filter(|_| keeps) {
                // The password is the same, only the version of the Secret that it is in is not.
                in_force.resource_version.clone_from(&written.1);
            }
            let found =
                if is_repair { Found::PutRight(change.data.keys().cloned().collect()) } else { Found::Right };
            return Ok((found, written));
        }
        Err(Hold::new(Reason::Retry, format!("the Secret {name} is being changed by somebody; trying again")))
    }

    /// The password that is in force, to be copied or put into a text. Nothing at all: it is about to change.
    async fn password(
        &self,
        delivery: &Delivery,
        in_force: Option<&SecretVersion>,
    ) -> Result<Option<Option<SecretString>>, Hold> {
        let Some(source) = &delivery.password else { return Ok(Some(None)) };
        let (password, read) = self.secrets.read(&source.name, &source.key).await?;
        Ok(in_force.is_some_and(|last| is_version(last, &read)).then_some(Some(password)))
    }

    fn must_be_ours(&self, secret: &Secret) -> Result<(), Hold> {
        let (owner, name) = (&self.owner, secret.name_any());
        let refused = secret.type_.as_deref().is_some_and(is_refused);
        if !refused && secret.annotations().get(OWNER) == Some(&owner.to_string()) {
            return Ok(());
        }
        Err(Hold::new(
            Reason::Conflict,
            format!(
                "the Secret {name} exists and was not written for {owner}; it is never overwritten: delete it, or set \
                 connectionSecret.name to another name"
            ),
        ))
    }

    fn begin_repair(&self, name: &str, same: bool) -> Result<(), Hold> {
        if !same || self.context.repairs.may_begin(&self.secrets.id(name)) {
            return Ok(());
        }
        Err(Hold::new(
            Reason::Retry,
            format!(
                "the Secret {name} was changed again right after it was put right; find out who else writes it; it is \
                 put right again in a moment"
            ),
        ))
    }

    /// Writes a new one; nothing if somebody was faster.
    async fn create(&self, name: &str, data: &BTreeMap<String, String>) -> Result<Option<Secret>, Hold> {
        let (owner, reference) = (&self.owner, &self.reference);
        let written = keys(data);
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                annotations: Some(
                    [(OWNER.to_owned(), owner.to_string()), (WRITTEN.to_owned(), written)].into(),
                ),
                owner_references: reference.clone().map(|reference| vec![reference]),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            string_data: Some(data.clone()),
            ..Secret::default()
        };
        match self.api().create(&PostParams::default(), &secret).await {
            Ok(secret) => Ok(Some(self.wrote(Point::BindingMade, secret))),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(unwritten(name, &error)),
        }
    }

    /// Changes one; nothing if it is another one by now.
    async fn patch(&self, secret: &Secret, change: &Change) -> Result<Option<Secret>, Hold> {
        let name = secret.name_any();
        let mut metadata = change.metadata.clone();
        metadata.insert("resourceVersion".to_owned(), json!(secret.metadata.resource_version));
        metadata.insert("uid".to_owned(), json!(secret.metadata.uid));
        let patch = Patch::Merge(json!({"metadata": metadata, "data": change.data}));
        match self.api().patch(&name, &PatchParams::default(), &patch).await {
            Ok(secret) => Ok(Some(self.wrote(Point::BindingChanged, secret))),
            Err(error) if is(&error, 409) || is(&error, 404) => Ok(None),
            Err(error) => Err(unwritten(&name, &error)),
        }
    }

    fn api(&self) -> Api<Secret> {
        self.context.api(self.secrets.namespace())
    }

    fn wrote(&self, done: Point, secret: Secret) -> Secret {
        crash::at(done);
        self.context.metrics.wrote(self.kind, "secret");
        self.secrets.learn(&secret);
        secret
    }

    /// An Event for what somebody else had done to the Secret.
    async fn tell<R: Resource<DynamicType = ()>>(&self, resource: &R, name: &str, found: &Found, same: bool) {
        let (reason, note) = match found {
            Found::Made if same => {
                ("Recreated", format!("the Secret {name} was gone and has been written again"))
            }
            Found::PutRight(keys) => {
                let keys = keys.join(", ");
                let what = if keys.is_empty() { "its metadata" } else { &keys };
                ("DriftRepaired", format!("the Secret {name} was changed and has been put right: {what}"))
            }
            _ => return,
        };
        self.context.metrics.repaired(self.kind);
        self.context.event(resource, EventType::Warning, reason, note).await;
    }

    /// An Event for a Secret that is no longer written: applications may still use it, so it stays.
    async fn tell_of_the_one_before<R: Resource<DynamicType = ()>>(
        &self,
        resource: &R,
        before: Option<&str>,
        now: Option<&str>,
    ) {
        if let Some(before) = before.filter(|before| now != Some(before)) {
            let note = format!(
                "the Secret {before} is no longer written and stays as it is, with what it takes to log in; delete \
                 it when no application uses it any more"
            );
            self.context.event(resource, EventType::Normal, "SecretLeft", note).await;
        }
    }
}

fn unwritten(name: &str, error: &kube::Error) -> Hold {
    Hold::new(Reason::Retry, format!("could not write the Secret {name}: {error}; trying again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_secret_is_not_put_right_twice_in_a_row() {
        let repairs = Repairs::default();
        let (a, b) = (Id::new("n", "a"), Id::new("n", "b"));
        assert!(repairs.may_begin(&a) && repairs.may_begin(&b));
        assert!(!repairs.may_begin(&a));
    }
}
