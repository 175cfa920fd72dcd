//! What the set declares no longer: removed as its deletion policy says, or let go.

use serde_json::json;

use super::{
    RecordError, Scene, State,
    pass::{Item, shown},
    record::{Json, Keeper, Kept},
    report::{Action, Risk},
};
use crate::{
    core::{Access, Consent, DriftPolicy, Reason},
    kinds::Kind,
    reconcile::{Target, drive},
};

/// Why an object stays that is declared no longer.
const KEPT: &str = "no manifest declares it any more; it was there before, or its deletion policy keeps it";

/// The resource as it was last applied.
fn resource<K: Kind>(kept: &Kept) -> Option<K::Resource> {
    let spec: serde_json::Value = kept.spec.read()?;
    let metadata = json!({"namespace": kept.namespace, "name": kept.name});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec, "kind": kept.kind, "apiVersion": ""}))
        .ok()
}

/// Lets go of an object: it stays where it is.
fn let_go(mut item: Item, why: &str) -> Item {
    let object = item.entry.object.clone().unwrap_or_default();
    item.entry.actions.push(Action {
        verb: "forget",
        action: format!("let go of the {object}, which stays on the server"),
        because: why.to_owned(),
        risk: Risk::None,
    });
    item.entry.state = State::Changes;
    item.forget = true;
    item
}

/// Removes one object that is declared no longer. Without consent to that it is let go, once what was interrupted is
/// at its end. `prunes`: else only that end is brought about.
pub(super) async fn remove<K: Kind>(
    scene: &Scene<'_>,
    rehearses: bool,
    kept: &Kept,
) -> Result<Option<Item>, RecordError> {
    let mut item = Item::new::<K>(&kept.id(), None);
    item.object = Some(kept.object.clone());
    item.entry.object = Some(kept.object.replacen('/', " ", 1));
    let (Some(resource), Some(mut memory)) = (resource::<K>(kept), kept.memory.read::<K::Memory>()) else {
        return Err(RecordError::NotUnderstood);
    };
    let desired = K::remembered(&resource, &memory)
        .map_or_else(|| K::desired(&resource, &scene.manifests.lookup(&kept.namespace)), Ok);
    if let Ok(desired) = &desired {
        item.entry.object = Some(K::describe(desired));
    }
    let consent = if scene.prunes { K::consent(&resource, Some(kept.origin)) } else { Consent::Keep };
    let unfinished = K::is_unfinished(&memory);
    if consent == Consent::Keep && !unfinished {
        return Ok(scene.prunes.then(|| let_go(item, KEPT)));
    }
    let Ok(mut desired) = desired else {
        // It never came to anything.
        return Ok(scene.prunes.then(|| let_go(item, "what it referred to is gone")));
    };
    let secrets = scene.manifests.secrets(&kept.namespace);
    let prepared =
        K::prepare(scene.server, &secrets, scene.look(), (&mut desired, &mut memory), scene.viewpoint).await;
    // Whose he is matters; whether his password is known doesn't any more.
    if let Err(hold) = prepared
        && hold.reason == Reason::Conflict
    {
        return Ok(Some(item.held(hold)));
    }
    let before = shown::<K>(scene, &secrets, &desired).await;
    let mut journal = Keeper::new(scene.record, rehearses, Some(kept.clone()));
    let target = Target {
        desired: &desired,
        memory,
        origin: Some(kept.origin),
        deleting: Some(consent),
        begun: true,
        policy: DriftPolicy::Correct,
        access: &Access::All,
    };
    let outcome = drive::<K, _>(scene.server, &secrets, scene.look(), target, &mut journal).await?;
    item.tell(&outcome);
    if item.acts() {
        item.entry.before = before;
        item.entry.after = shown::<K>(scene, &secrets, &desired).await;
    }
    item.forget = outcome.verdict.is_ready() && scene.prunes;
    if item.forget && item.entry.actions.is_empty() {
        let why = "no manifest declares it any more, and it is gone already or was adopted";
        return Ok(Some(let_go(item, why)));
    }
    item.kept = Some(Kept { memory: Json::of(&outcome.memory), ..kept.clone() });
    Ok(Some(item))
}
