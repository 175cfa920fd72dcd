//! All objects of a deployment, kind after kind and many at a time: rehearsed, or for good.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    future::ready,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio_util::sync::CancellationToken;

use super::{
    Entry, RecordError, Report, Scene, Summary,
    pass::{Item, pass},
    record::Kept,
    removal::remove,
};
use crate::{for_each_kind, kinds::Kind, manifests::Declared};

/// As many objects are worked on at a time. The connection has a limit of its own for requests.
const AT_ONCE: usize = 64;

/// Is told of each object that something was done to.
pub type Progress<'a> = &'a (dyn Fn(&Entry) + Sync);

/// What a rehearsal found.
#[derive(Debug)]
pub struct Rehearsed {
    /// What is printed.
    pub report: Report,
    /// What is to be done something to.
    todo: HashSet<(&'static str, String)>,
    /// What is to be remembered before anything is done.
    begun: Vec<Kept>,
    /// What is to be remembered of objects that nothing is done to.
    settled: Vec<Kept>,
}

impl Rehearsed {
    /// Whether anything is to be remembered that isn't yet.
    pub fn is_to_be_remembered(&self) -> bool {
        !self.settled.is_empty()
    }
}

/// One run over all objects.
struct Run<'a> {
    scene: &'a Scene<'a>,
    /// What is carried out; nothing in a rehearsal, which looks at all.
    todo: Option<&'a HashSet<(&'static str, String)>>,
    stop: &'a CancellationToken,
    progress: Progress<'a>,
}

/// Finds out what carrying it out would do. The scene's server rehearses ([`crate::reconcile::Server::rehearsing`]).
pub async fn rehearse(scene: &Scene<'_>, endpoints: Vec<String>) -> Result<Rehearsed, RecordError> {
    let (stop, progress) = (CancellationToken::new(), |_: &Entry| {});
    let run = Run { scene, todo: None, stop: &stop, progress: &progress };
    let items = run.all().await?;
    let mut summary = Summary { undeclared: run.left_alone(), ..Summary::default() };
    let mut rehearsed = Rehearsed {
        report: report(scene, endpoints),
        todo: HashSet::new(),
        begun: Vec::new(),
        settled: Vec::new(),
    };
    for item in items {
        summary.count(&item.entry);
        if item.acts() {
            rehearsed.todo.extend(item.object.map(|object| (item.entry.kind, object)));
            rehearsed.begun.extend(item.begun);
        } else if let Some(kept) = item.kept
            && scene.record.get(&kept.object).as_ref() != Some(&kept)
        {
            rehearsed.settled.push(kept);
        }
        if item.entry.is_worth_a_line() {
            rehearsed.report.objects.push(item.entry);
        }
    }
    rehearsed.report.summary = summary;
    Ok(rehearsed)
}

/// Does what a rehearsal found, until somebody says stop: then what is under way is brought to its end. What is left is
/// in the report as it was planned.
pub async fn carry_out(
    scene: &Scene<'_>,
    rehearsed: Rehearsed,
    stop: &CancellationToken,
    progress: Progress<'_>,
) -> Result<Report, RecordError> {
    let Rehearsed { report: planned, todo, begun, settled } = rehearsed;
    let mut remember = begun;
    remember.extend(settled);
    scene.record.keep(remember).await?;

    let run = Run { scene, todo: Some(&todo), stop, progress };
    let items = run.all().await;
    let items = items?;
    let mut done = report(scene, planned.endpoints);
    let reached: HashSet<_> =
        items.iter().filter_map(|item| Some((item.entry.kind, item.object.clone()?))).collect();
    let forget: Vec<_> =
        items.iter().filter(|item| item.forget).filter_map(|item| item.object.clone()).collect();
    let mut keep = Vec::new();
    for item in items {
        done.summary.count(&item.entry);
        keep.extend(item.kept.filter(|_| !item.forget));
        done.objects.push(item.entry);
    }
    scene.record.keep(keep).await?;
    scene.record.forget(&forget).await?;
    done.summary.undeclared = planned.summary.undeclared;
    done.summary.left = todo.iter().filter(|one| !reached.contains(*one)).count();
    // What was not touched is as it was found.
    for entry in planned.objects.into_iter().filter(|entry| entry.actions.is_empty()) {
        done.summary.count(&entry);
        done.objects.push(entry);
    }
    Ok(done)
}

fn report(scene: &Scene<'_>, endpoints: Vec<String>) -> Report {
    Report { endpoints, set: scene.record.set.clone(), objects: Vec::new(), summary: Summary::default() }
}

impl Run<'_> {
    /// First what is declared, in the order in which one needs the other; then what is no longer, the other way round.
    async fn all(&self) -> Result<Vec<Item>, RecordError> {
        let mut items = Vec::new();
        for_each_kind!(K => items.extend(self.declared::<K>().await?));
        let gone = self.undeclared();
        let mut removals: Vec<BoxFuture<'_, _>> = Vec::new();
        for_each_kind!(K => removals.push(self.removed::<K>(&gone).boxed()));
        for removal in removals.into_iter().rev() {
            items.extend(removal.await?);
        }
        Ok(items)
    }

    fn is_to_do(&self, kind: &'static str, object: Option<&str>) -> bool {
        let Some(todo) = self.todo else { return true };
        object.is_some_and(|object| todo.contains(&(kind, object.to_owned())))
    }

    async fn declared<K: Kind>(&self) -> Result<Vec<Item>, RecordError> {
        let rehearses = self.todo.is_none();
        let is_due = |one: &&Declared<K::Resource>| {
            self.scene.is_here::<K>(&one.resource)
                && (rehearses || {
                    let lookup = self.scene.manifests.lookup(one.namespace());
                    let desired = K::desired(&one.resource, &lookup).ok();
                    self.is_to_do(K::NAME, desired.map(|desired| K::object(&desired)).as_deref())
                })
        };
        let here: Vec<_> = self.scene.manifests.of::<K>().iter().filter(is_due).collect();
        self.several(here, |one| pass::<K>(self.scene, rehearses, one).map(|item| item.map(Some)).boxed())
            .await
    }

    async fn removed<K: Kind>(&self, gone: &[Kept]) -> Result<Vec<Item>, RecordError> {
        let rehearses = self.todo.is_none();
        let is_due = |kept: &&Kept| kept.kind == K::NAME && self.is_to_do(K::NAME, Some(&kept.object));
        let gone: Vec<&Kept> = gone.iter().filter(is_due).collect();
        self.several(gone, |kept| remove::<K>(self.scene, rehearses, kept).boxed()).await
    }

    /// Many at a time, in their order.
    async fn several<'t, T: 't>(
        &self,
        todo: Vec<T>,
        work: impl Fn(T) -> BoxFuture<'t, Result<Option<Item>, RecordError>>,
    ) -> Result<Vec<Item>, RecordError> {
        let goes_on = |_: &(usize, T)| ready(!self.stop.is_cancelled());
        let work = stream::iter(todo.into_iter().enumerate())
            .take_while(goes_on)
            .map(|(index, one)| work(one).map(move |item| (index, item)))
            .buffer_unordered(AT_ONCE);
        let mut work = std::pin::pin!(work);
        let (mut items, mut failed) = (Vec::new(), None);
        while let Some((index, item)) = work.next().await {
            match item {
                Ok(Some(item)) => {
                    (self.progress)(&item.entry);
                    items.push((index, item));
                }
                Ok(None) => {}
                // The record can't be written: nothing new is begun, and what is under way comes to its end.
                Err(error) => {
                    self.stop.cancel();
                    failed.get_or_insert(error);
                }
            }
        }
        items.sort_unstable_by_key(|(index, _)| *index);
        failed.map_or_else(|| Ok(items.into_iter().map(|(_, item)| item).collect()), Err)
    }

    /// What the set has declared and no manifest declares.
    fn undeclared(&self) -> Vec<Kept> {
        let mut gone = self.scene.record.ours();
        if gone.is_empty() {
            return gone;
        }
        let mut declared: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut resources = HashSet::new();
        for_each_kind!(K => for one in self.scene.manifests.of::<K>() {
            match K::desired(&one.resource, &self.scene.manifests.lookup(one.namespace())) {
                Ok(desired) => drop(declared.entry(K::NAME).or_default().insert(K::object(&desired))),
                // Which object it means can't be told: what it meant before is not taken for undeclared.
                Err(_) => drop(resources.insert((K::NAME.to_owned(), one.id()))),
            }
        });
        gone.retain(|kept| {
            let objects = declared.get(&*kept.kind);
            !objects.is_some_and(|objects| objects.contains(&kept.object))
                && !resources.contains(&(kept.kind.clone(), kept.id()))
        });
        gone
    }

    fn left_alone(&self) -> usize {
        if self.scene.prunes { 0 } else { self.undeclared().len() }
    }
}
