//! What must change in a Secret for applications: its keys, its owner. Computed, not written.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use crate::kinds::{
    schema::GROUP,
    user::{
        binding::Delivery,
        crd::{SecretVersion, password_key},
    },
};

/// The keys that we wrote, so that those are taken away that we no longer write, and no other.
pub(super) const WRITTEN: &str = "arango-operator.dev/written";

/// A merge patch of a Secret, by its parts.
#[derive(Default)]
pub(super) struct Change {
    pub(super) metadata: Map<String, Value>,
    pub(super) data: Map<String, Value>,
}

impl Change {
    /// Of a Secret of ours. Whatever is not ours in it stays. `keeps`: the password is kept in it.
    pub(super) fn of(
        secret: &Secret,
        data: &BTreeMap<String, String>,
        keeps: bool,
        owner: (&str, &str),
        reference: Option<&OwnerReference>,
    ) -> Self {
        let mut change = Self::default();
        let there = secret.data.clone().unwrap_or_default();
        for (key, value) in data {
            if there.get(key).is_none_or(|found| found.0 != value.as_bytes()) {
                change.data.insert(key.clone(), json!(ByteString(value.clone().into_bytes())));
            }
        }
        let before = secret.annotations().get(WRITTEN).map(String::as_str).unwrap_or_default();
        for key in before.split(',').filter(|key| !data.contains_key(*key) && there.contains_key(*key)) {
            // Written as a copy earlier, and the only one by now.
            if !(keeps && key == password_key()) {
                change.data.insert(key.to_owned(), Value::Null);
            }
        }
        if before != keys(data) {
            change.metadata.insert("annotations".to_owned(), json!({WRITTEN: keys(data)}));
        }
        let references = secret.metadata.owner_references.as_deref().unwrap_or_default();
        if let Some(references) = with_owner(references, owner, reference) {
            change.metadata.insert("ownerReferences".to_owned(), json!(references));
        }
        change
    }

    pub(super) fn is_empty(&self) -> bool {
        self.metadata.is_empty() && self.data.is_empty()
    }

    /// Whether it undoes what somebody did, given that the Secret is made of the same as before: where the password is
    /// kept in it, that may be another.
    pub(super) fn is_by_others(&self, delivery: &Delivery) -> bool {
        let follows = |key: &String| delivery.keeps_the_password() && delivery.puts_the_password_into(key);
        self.data.is_empty() || !self.data.keys().all(follows)
    }
}

/// The keys as [`WRITTEN`] has them.
pub(super) fn keys(data: &BTreeMap<String, String>) -> String {
    data.keys().map(String::as_str).collect::<Vec<_>>().join(",")
}

/// Whether that version is the one that was read.
pub(super) fn is_version(last: &SecretVersion, (uid, resource_version): &(String, String)) -> bool {
    last.uid == *uid && last.resource_version == *resource_version
}

/// The owners as they should be, if they are not: the resource where its deletion deletes, and never one of its name
/// that is gone, with which the Secret would go too. Not as the controller, which another of them may be.
fn with_owner(
    there: &[OwnerReference],
    (kind, name): (&str, &str),
    wanted: Option<&OwnerReference>,
) -> Option<Vec<OwnerReference>> {
    let is_namesake = |reference: &&OwnerReference| {
        reference.kind == kind && reference.api_version.starts_with(GROUP) && reference.name == name
    };
    let namesakes: Vec<_> = there.iter().filter(is_namesake).map(|reference| &reference.uid).collect();
    let right: Vec<_> = wanted.iter().map(|wanted| &wanted.uid).collect();
    if namesakes == right {
        return None;
    }
    let others = there.iter().filter(|reference| !is_namesake(reference)).cloned();
    Some(others.chain(wanted.cloned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(kind: &str, name: &str, uid: &str) -> OwnerReference {
        let api_version = if kind == "ArangoUser" { "arango-operator.dev/v1alpha1" } else { "v1" };
        OwnerReference {
            api_version: api_version.into(),
            kind: kind.into(),
            name: name.into(),
            uid: uid.into(),
            ..OwnerReference::default()
        }
    }

    #[test]
    fn a_secret_has_the_resource_as_an_owner_beside_others_where_it_goes_with_it_and_never_one_that_is_gone()
    {
        let (other, ours, gone) = (
            reference("ConfigMap", "a", "1"),
            reference("ArangoUser", "a", "2"),
            reference("ArangoUser", "a", "3"),
        );
        let uids = |there: &[OwnerReference], wanted: Option<&OwnerReference>| {
            let owners = with_owner(there, ("ArangoUser", "a"), wanted)?;
            Some(owners.into_iter().map(|owner| owner.uid).collect::<Vec<_>>().join(","))
        };
        let there = [other.clone(), gone, ours.clone()];
        assert_eq!(uids(&[], Some(&ours)).as_deref(), Some("2"));
        assert_eq!(uids(&there[2..], Some(&ours)), None);
        assert_eq!(uids(&there, Some(&ours)).as_deref(), Some("1,2"));
        assert_eq!(uids(&there, None).as_deref(), Some("1"));
        assert_eq!(uids(&[other], None), None);
    }

    #[test]
    fn what_others_put_into_the_secret_stays_and_what_we_put_there_earlier_goes() {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        let mut secret = Secret::default();
        secret.metadata.annotations = Some([(WRITTEN.to_owned(), "host,old,password".to_owned())].into());
        let there = [("host", "a"), ("old", "x"), ("theirs", "y"), ("password", "p"), ("password-next", "n")];
        secret.data = Some(there.map(|(key, value)| (key.to_owned(), bytes(value))).into());
        let data = [("host".to_owned(), "b".to_owned())].into();
        let of = |secret: &Secret, keeps| Change::of(secret, &data, keeps, ("ArangoUser", "a"), None);
        let data_of = |keeps| json!(of(&secret, keeps).data);
        // A password that became the only one is not taken away with the copies.
        assert_eq!(data_of(true), json!({"host": bytes("b"), "old": null}));
        assert_eq!(data_of(false), json!({"host": bytes("b"), "old": null, "password": null}));
        secret.data = Some([("host".to_owned(), bytes("b")), ("theirs".to_owned(), bytes("y"))].into());
        secret.metadata.annotations = Some([(WRITTEN.to_owned(), "host".to_owned())].into());
        assert!(of(&secret, false).is_empty());
    }
}
