//! What can be said only when all manifests are there: what declares nothing that could be, what is declared twice, and
//! passwords that nobody could keep.
//!
//! A reference to a resource that is not among the manifests is no fault: it may be declared elsewhere. What waits for it
//! is held, as it would be in a cluster.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    Manifests,
    complaint::{Complaint, Location},
    declared::{Declared, Objects},
};
use crate::{
    core::{Id, Reason},
    kinds::{
        Kind,
        cluster::{crd, reach::Reach},
        user::{User, plan::Source},
    },
};

/// Checks everything, and takes down who declares what.
pub(super) fn check(manifests: &mut Manifests, complain: &mut dyn FnMut(Complaint)) {
    clusters(manifests, complain);
    let mut objects = Objects::new();
    crate::for_each_kind!(K => kind::<K>(manifests, &mut objects, complain));
    passwords(manifests, complain);
    manifests.objects = objects;
}

/// Whose a complaint is.
fn about(kind: &str, id: &Id) -> String {
    format!("{kind} {id}")
}

/// Neighbours in a sorted list that have the same name.
fn twice<R: kube::Resource<DynamicType = ()>>(list: &[Declared<R>], complain: &mut dyn FnMut(Complaint)) {
    for pair in list.windows(2) {
        let [one, other] = pair else { continue };
        if (one.namespace(), one.name()) == (other.namespace(), other.name()) {
            let message = format!("this resource is declared twice, and first in {}", one.at);
            let complaint =
                Complaint::at(other.at.clone(), message).about(Some(about(&R::kind(&()), &one.id())));
            complain(complaint.remedy("remove one of the two, or give it another name"));
        }
    }
}

fn clusters(manifests: &Manifests, complain: &mut dyn FnMut(Complaint)) {
    twice(&manifests.clusters, complain);
    for one in &manifests.clusters {
        let spec = &one.resource.spec;
        let durations =
            [("drift.interval", &spec.drift.interval), ("requests.timeout", &spec.requests.timeout)];
        let durations = durations.into_iter().filter_map(|(field, text)| {
            crd::duration(text).err().map(|error| format!("spec.{field}: {error}"))
        });
        let reach = spec.deployment_ref.is_none().then(|| Reach::of_spec(spec).err()).flatten();
        for message in durations.chain(reach.map(|hold| hold.message)) {
            complain(Complaint::at(one.at.clone(), message).about(Some(about("ArangoCluster", &one.id()))));
        }
    }
}

fn kind<K: Kind>(manifests: &Manifests, objects: &mut Objects, complain: &mut dyn FnMut(Complaint)) {
    let list = manifests.of::<K>();
    twice(list, complain);
    let mut places: BTreeMap<(&'static str, Id), Location> = BTreeMap::new();
    for one in list {
        let desired = match K::desired(&one.resource, &manifests.lookup(one.namespace())) {
            Ok(desired) => desired,
            Err(hold) if hold.reason == Reason::Invalid => {
                complain(Complaint::at(one.at.clone(), hold.message).about(Some(about(K::NAME, &one.id()))));
                continue;
            }
            Err(_) => continue,
        };
        let declared = objects.entry(K::place(&one.resource).cluster).or_default();
        match declared.entry(K::object(&desired)) {
            Entry::Vacant(vacant) => {
                vacant.insert((K::NAME, one.id()));
            }
            Entry::Occupied(first) if first.get().1 != one.id() => {
                if places.is_empty() {
                    places = list.iter().map(|one| ((K::NAME, one.id()), one.at.clone())).collect();
                }
                let (kind, id) = first.get();
                let place = places.get(&(kind, id.clone())).map(|at| format!(" ({at})")).unwrap_or_default();
                let message =
                    format!("the {} is declared by the {kind} {id} as well{place}", K::describe(&desired));
                let complaint = Complaint::at(one.at.clone(), message).about(Some(about(K::NAME, &one.id())));
                complain(
                    complaint.remedy("remove one of the two; in a cluster this one would be a Conflict"),
                );
            }
            Entry::Occupied(_) => {}
        }
    }
}

/// A password that is to be generated, with no Secret to take it from.
fn passwords(manifests: &Manifests, complain: &mut dyn FnMut(Complaint)) {
    if manifests.is_live {
        return;
    }
    for one in manifests.of::<User>() {
        let desired = User::desired(&one.resource, &manifests.lookup(one.namespace())).ok();
        let Some(Source { secret, generate: Some(_) }) = desired.and_then(|desired| desired.password) else {
            continue;
        };
        let (namespace, name, key) = (one.namespace(), &secret.name, &secret.key);
        if !manifests.secrets.has(&Id::new(namespace, name), key) {
            let message = format!(
                "spec.password.generate: without Kubernetes there is no place to keep a generated password in (the \
                 Secret {namespace}/{name})"
            );
            let remedy = format!(
                "make a password, and give it with --secret {namespace}/{name}/{key}=env:VARIABLE or =file:PATH"
            );
            let complaint = Complaint::at(one.at.clone(), message).about(Some(about(User::NAME, &one.id())));
            complain(complaint.remedy(remedy));
        }
    }
}
