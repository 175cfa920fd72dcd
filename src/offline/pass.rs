//! One pass over one manifest: whose the object is, and then the operator's own flow.

use super::{
    Entry, Record, RecordError, Scene, State,
    record::{Json, Keeper, Kept},
    report::Action,
    secrets::Pretended,
};
use crate::{
    core::{Hold, Id, Origin, Reason, Verdict},
    kinds::{Kind, Lookup, Shown, Viewpoint},
    manifests::Declared,
    reconcile::{Secrets, Target, drive, outcome::Outcome},
};

/// What came of one object.
pub(super) struct Item {
    pub(super) entry: Entry,
    /// The object, if the manifest leads to one.
    pub(super) object: Option<String>,
    /// What is to be remembered before the first write.
    pub(super) begun: Option<Kept>,
    /// What is to be remembered at the end.
    pub(super) kept: Option<Kept>,
    /// Whether it is to be remembered no longer.
    pub(super) forget: bool,
}

impl Item {
    pub(super) fn new<K: Kind>(id: &Id, source: Option<String>) -> Self {
        let entry = Entry {
            kind: K::NAME,
            namespace: id.namespace.to_string(),
            name: id.name.to_string(),
            object: None,
            source,
            state: State::InOrder,
            actions: Vec::new(),
            reason: None,
            message: None,
            notes: Vec::new(),
            before: None,
            after: None,
        };
        Self { entry, object: None, begun: None, kept: None, forget: false }
    }

    pub(super) fn held(mut self, hold: Hold) -> Self {
        self.entry.judge(&hold.into());
        self
    }

    /// Whether something is to be done for it beside remembering it.
    pub(super) fn acts(&self) -> bool {
        !self.entry.actions.is_empty()
    }

    /// Takes over what came of the flow.
    pub(super) fn tell<K: Kind>(&mut self, outcome: &Outcome<K>) {
        self.entry.actions = outcome.done.iter().filter_map(Action::of::<K>).collect();
        let mut verdict: Verdict = outcome.verdict.clone();
        if let Some(denied) = &outcome.denied {
            verdict = denied.clone().into();
        }
        self.entry.judge(&verdict);
    }
}

/// Whether what is remembered of an object is ours, or taken over.
fn is_ours(scene: &Scene<'_>, kept: &Kept) -> bool {
    let ours = scene.record.set.as_deref();
    Some(&*kept.set) == ours || (ours.is_some() && scene.take_over == Some(&*kept.set))
}

/// What is said of an object that is another set's.
fn of_another_set(kept: &Kept, what: &str) -> Hold {
    Hold::new(
        Reason::Conflict,
        format!(
            "the {what} is looked after by the set {:?}, whose {} {} declares it, as the record in {} says; it is \
             neither changed nor removed from here. Take it out there, or take it over with --set NAME --take-over {}",
            kept.set,
            kept.kind,
            kept.id(),
            super::COLLECTION,
            kept.set,
        ),
    )
}

/// Of two manifests that declare one object none is carried out: which of them is meant can't be told.
fn only_one<K: Kind>(scene: &Scene<'_>, id: &Id, cluster: &Id, desired: &K::Desired) -> Result<(), Hold> {
    match scene.manifests.lookup(&id.namespace).declarer(cluster, &K::object(desired)) {
        Some(other) if other != format!("{} {id}", K::NAME) => {
            let message = format!(
                "the {} is declared by the {other}, too; delete one of the two",
                K::describe(desired)
            );
            Err(Hold::new(Reason::Conflict, message))
        }
        _ => Ok(()),
    }
}

/// What a resource would be remembered as.
fn to_keep<K: Kind>(record: &Record, declared: &Declared<K::Resource>, object: &str) -> Option<Kept> {
    Some(Kept {
        set: record.set.clone()?,
        kind: K::NAME.to_owned(),
        namespace: declared.namespace().to_owned(),
        name: declared.name().to_owned(),
        object: object.to_owned(),
        origin: Origin::Created,
        memory: Json::of(&K::Memory::default()),
        spec: Json::of(&spec(&declared.resource)),
    })
}

fn spec<R: serde::Serialize>(resource: &R) -> serde_json::Value {
    serde_json::to_value(resource).map(|mut resource| resource["spec"].take()).unwrap_or_default()
}

/// What is there, by names and values.
pub(super) async fn shown<K: Kind>(
    scene: &Scene<'_>,
    secrets: &dyn Secrets,
    desired: &K::Desired,
) -> Option<Shown> {
    if !scene.shows {
        return None;
    }
    K::observe(scene.server, secrets, scene.look(), desired).await.ok().map(|found| K::shown(&found))
}

/// One pass.
pub(super) async fn pass<K: Kind>(
    scene: &Scene<'_>,
    rehearses: bool,
    declared: &Declared<K::Resource>,
) -> Result<Item, RecordError> {
    let (id, resource) = (declared.id(), &declared.resource);
    let mut item = Item::new::<K>(&id, Some(declared.at.to_string()));
    let mut desired = match K::desired(resource, &scene.manifests.lookup(&id.namespace)) {
        Ok(desired) => desired,
        Err(hold) => return Ok(item.held(hold)),
    };
    item.entry.object = Some(K::describe(&desired));
    let object = K::object(&desired);
    item.object = Some(object.clone());
    let cluster = K::place(resource).cluster;
    let access = scene.access(&id.namespace, &cluster);
    let before = scene.pause::<K>(resource).and_then(|()| access.admits(K::subject(&desired)));
    let before = before.and_then(|()| only_one::<K>(scene, &id, &cluster, &desired));
    if let Err(hold) = before {
        return Ok(item.held(hold));
    }
    let remembered = match scene.record.get(&object) {
        Some(kept) if !is_ours(scene, &kept) => {
            return Ok(item.held(of_another_set(&kept, &K::describe(&desired))));
        }
        remembered => remembered,
    };
    let mut memory: K::Memory = remembered.as_ref().and_then(|kept| kept.memory.read()).unwrap_or_default();
    // What this run has written down beforehand is no answer to how it came to be there.
    let is_fresh = scene.record.is_fresh(&object);
    let origin = remembered.as_ref().filter(|_| !is_fresh).map(|kept| kept.origin);

    let makes = rehearses && scene.viewpoint == Viewpoint::Operator;
    let secrets = Pretended::new(scene.manifests.secrets(&id.namespace), makes);
    let prepared =
        K::prepare(scene.server, &secrets, scene.look(), (&mut desired, &mut memory), scene.viewpoint);
    match prepared.await {
        Ok(prepared) => {
            item.entry.notes = prepared.notes;
            if let Some(secret) = prepared.secret {
                secrets.pretend(&secret);
            }
        }
        Err(hold) => return Ok(item.held(hold)),
    }
    if scene.viewpoint == Viewpoint::CommandLine && K::revokes(resource) {
        let note = "spec.undeclaredPermissions: Revoke is obeyed by the operator alone";
        item.entry.notes.push(note.to_owned());
    }
    let before = shown::<K>(scene, &secrets, &desired).await;
    let to_keep = to_keep::<K>(scene.record, declared, &object);
    let mut journal = Keeper::new(scene.record, rehearses, to_keep.clone());
    let target = Target {
        desired: &desired,
        memory,
        origin,
        deleting: None,
        begun: remembered.is_some(),
        policy: scene.policy::<K>(resource),
        access: &access,
    };
    let outcome = drive::<K, _>(scene.server, &secrets, scene.look(), target, &mut journal).await?;
    item.tell(&outcome);
    if item.acts() {
        item.entry.before = before;
        item.entry.after = shown::<K>(scene, &secrets, &desired).await;
    }
    // Taken over before anything is done to it.
    let taken = remembered.clone().filter(|kept| Some(&kept.set) != scene.record.set.as_ref());
    let taken = taken.and_then(|kept| Some(Kept { set: scene.record.set.clone()?, ..kept }));
    item.begun = journal.begun.or(taken);
    item.kept = match (outcome.origin, to_keep) {
        (Some(origin), Some(kept)) => Some(Kept { origin, memory: Json::of(&outcome.memory), ..kept }),
        _ => None,
    };
    // Nothing came of it: whoever makes it now is not taken for us.
    item.forget = item.kept.is_none() && is_fresh;
    Ok(item)
}
