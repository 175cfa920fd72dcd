//! Who owns an object on a server among the resources that declare it, through whichever ArangoCluster.
//!
//! The owner is whoever's status records the claim. The record comes with the first write, so whoever is at work is
//! taken for the owner meanwhile: a resource that is seen a moment later doesn't begin as well.
//!
//! Who takes over what another left behind adopts what is there; whether he may is decided in
//! [`crate::reconcile::drive`] like any adoption. Whom the ArangoCluster doesn't lend the object to is no claimant.

use std::collections::HashMap;

use kube::{Resource, ResourceExt};
use parking_lot::Mutex;

use super::{
    access::{is_foreign, is_lent},
    context::Context,
    controller::KindContext,
    store::{FINALIZER, records},
    watching::index::{Id, Key, Ref, Thing},
};
use crate::{
    core::{
        Hold, Reason,
        claim::{Claimant, holder},
    },
    kinds::Kind,
};

/// Who is at work on what.
#[derive(Debug, Default)]
pub struct Claims {
    working: Mutex<HashMap<Thing, Working>>,
}

#[derive(Debug)]
struct Working {
    who: Ref,
    /// Whether another resource waits to see what comes of it.
    awaited: bool,
}

/// Held by whoever works on an object.
#[must_use]
pub struct Turn<'a> {
    context: &'a Context,
    thing: Thing,
    who: Ref,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut working = self.context.claims.working.lock();
        if working.get(&self.thing).is_some_and(|working| working.who == self.who)
            && working.remove(&self.thing).is_some_and(|working| working.awaited)
        {
            self.context.wakes.wake(self.context.index.lock().declaring(&self.thing));
        }
    }
}

/// Takes the object for a resource that declares it, unless another one owns it: then it says who.
pub fn claim<'a, K: Kind>(
    shared: &'a KindContext<K>,
    resource: &Ref,
    cluster: &Id,
    desired: &K::Desired,
) -> Result<Turn<'a>, Hold> {
    let context = &*shared.context;
    let mut working = context.claims.working.lock();
    let (thing, mut declaring) = {
        let index = context.index.lock();
        let key = Key::Object(cluster.clone(), K::object(desired));
        let thing = index.declared_by(resource).unwrap_or_else(|| index.thing(&key, None));
        let declaring = index.declaring(&thing);
        (thing, declaring)
    };
    // One that is being deleted may be known by its memory alone.
    if !declaring.contains(resource) {
        declaring.push(resource.clone());
    }
    let deployment = match &thing {
        Thing::On(deployment, _) => Some(&**deployment),
        _ => None,
    };
    let at_work = working.get(&thing).map(|working| &working.who);
    let claimants: Vec<_> = if let [_] = &*declaring {
        Vec::new()
    } else {
        let claimant = |claimant: Ref| {
            let found = shared.latest(&claimant.id)?;
            if !is_lent::<K>(context, &claimant.id, &found) {
                return None;
            }
            let meta = found.meta();
            let leaving = meta.deletion_timestamp.is_some();
            let holds = records(&*found, deployment, is_foreign::<K>(&found));
            if leaving && (!holds || !found.finalizers().iter().any(|finalizer| finalizer == FINALIZER)) {
                // It will not write any more.
                return None;
            }
            let created = meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
            let holds = holds || at_work == Some(&claimant);
            Some(Claimant { resource: claimant, holds, leaving, created })
        };
        declaring.into_iter().filter_map(claimant).collect()
    };
    match holder(claimants) {
        Some(owner) if owner.resource != *resource => {
            let other = shared.latest(&owner.resource.id);
            if at_work == Some(&owner.resource) {
                if let Some(working) = working.get_mut(&thing) {
                    working.awaited = true;
                }
            } else if !owner.holds {
                // Next in line, and perhaps nobody told it.
                context.wakes.wake([owner.resource.clone()]);
            }
            let theirs = other.map(|other| K::place(&other).cluster);
            Err(conflict(&owner.resource, theirs.filter(|theirs| theirs != cluster)))
        }
        _ => {
            working.insert(thing.clone(), Working { who: resource.clone(), awaited: false });
            Ok(Turn { context, thing, who: resource.clone() })
        }
    }
}

fn conflict(owner: &Ref, cluster: Option<Id>) -> Hold {
    let Ref { kind, id } = owner;
    let way = cluster.map_or_else(String::new, |cluster| {
        format!(" through the ArangoCluster {cluster}, which leads to the same deployment,")
    });
    Hold::new(
        Reason::Conflict,
        format!(
            "{kind} {id}{way} declares the same object and holds it; delete one of the two: this one takes over when \
             the other is gone"
        ),
    )
}

/// A resource is released: whoever declares the same is next in line.
pub fn released(context: &Context, resource: &Ref) {
    let index = context.index.lock();
    if let Some(thing) = index.declared_by(resource) {
        context.wakes.wake(index.declaring(&thing).into_iter().filter(|other| other != resource));
    }
}
