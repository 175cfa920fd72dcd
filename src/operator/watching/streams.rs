//! Watches on all namespaces, on one, or on several: as one stream that fills one cache.
//!
//! kube watches one namespace or all. Several watches can't simply be merged, since each tells of its own listing as if
//! it were all there is: the cache would lose the others. So the first listings are told as one, and a later one of a
//! namespace is told as the changes that it amounts to.

use std::collections::{BTreeSet, VecDeque};

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use kube::{
    Api, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        reflector::Store,
        watcher::{self, Error, Event},
    },
};
use serde::de::DeserializeOwned;

use super::slim::Slim;
use crate::operator::context::Context;

/// Something that is watched.
pub trait Watchable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + DeserializeOwned
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
}

impl<K> Watchable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static
{
}

/// Watches the namespaces that the operator is for. `known` tells what the cache holds of one of them; of an object only
/// namespace and name matter.
pub fn watch<K: Watchable>(context: &Context, known: impl Fn(&str) -> Vec<K> + Send + 'static) -> Events<K> {
    let watch = |api: Api<Slim<K>>| {
        let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
        events.map(|event| event.map(kept)).boxed()
    };
    match &*context.namespaces {
        [] => watch(Api::all(context.client.clone())),
        [namespace] => watch(context.api(namespace)),
        several => {
            let each = several.iter().map(|namespace| (namespace.clone(), watch(context.api(namespace))));
            merged(each.collect(), known).boxed()
        }
    }
}

/// An event as it is kept.
fn kept<K: Resource>(event: Event<Slim<K>>) -> Event<K> {
    match event {
        Event::Apply(object) => Event::Apply(object.into_inner()),
        Event::Delete(object) => Event::Delete(object.into_inner()),
        Event::InitApply(object) => Event::InitApply(object.into_inner()),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

/// What a cache holds of a namespace.
pub fn known_in<K: Watchable>(store: Store<K>) -> impl Fn(&str) -> Vec<K> + Send + 'static {
    move |namespace| {
        let state = store.state();
        let known = state.iter().filter(|object| object.meta().namespace.as_deref() == Some(namespace));
        known.map(|object| object.as_ref().clone()).collect()
    }
}

/// What a watch tells, event by event.
type Events<K> = BoxStream<'static, Result<Event<K>, Error>>;
/// The same of one namespace, its listings as a whole.
type Watch<K> = BoxStream<'static, Result<Told<K>, Error>>;
/// The same of several, each with its namespace.
type Watches<K> = SelectAll<BoxStream<'static, (String, Result<Told<K>, Error>)>>;

/// What a watch of one namespace tells.
enum Told<K> {
    /// All that there is.
    Listed(Vec<K>),
    /// One change since.
    Changed(Event<K>),
}

/// Listings as a whole.
fn told<K: Send + 'static>(watch: Events<K>) -> Watch<K> {
    let mut listing = Vec::new();
    let told = watch.filter_map(move |event| {
        let told = match event {
            Ok(Event::Init) => {
                // Another listing may have been cut off.
                listing.clear();
                None
            }
            Ok(Event::InitApply(object)) => {
                listing.push(object);
                None
            }
            Ok(Event::InitDone) => Some(Ok(Told::Listed(std::mem::take(&mut listing)))),
            Ok(change) => Some(Ok(Told::Changed(change))),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(told)
    });
    told.boxed()
}

struct Merged<K, F> {
    /// Watches that have not listed yet: one after the other, and the first listing of all is told as one.
    first: VecDeque<(String, Watch<K>)>,
    listed: Watches<K>,
    /// To be told next.
    next: VecDeque<Result<Event<K>, Error>>,
    known: F,
}

fn merged<K: Watchable>(
    watches: Vec<(String, Events<K>)>,
    known: impl Fn(&str) -> Vec<K> + Send + 'static,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send {
    let first = watches.into_iter().map(|(namespace, watch)| (namespace, told(watch))).collect();
    let next = VecDeque::from([Ok(Event::Init)]);
    stream::unfold(Merged { first, listed: SelectAll::new(), next, known }, |mut merged| async move {
        let event = merged.event().await?;
        Some((event, merged))
    })
}

impl<K: Watchable, F: Fn(&str) -> Vec<K>> Merged<K, F> {
    async fn event(&mut self) -> Option<Result<Event<K>, Error>> {
        loop {
            if let Some(event) = self.next.pop_front() {
                return Some(event);
            }
            let Some((namespace, watch)) = self.first.front_mut() else {
                let (namespace, told) = self.listed.next().await?;
                match told {
                    Ok(Told::Changed(event)) => return Some(Ok(event)),
                    Ok(Told::Listed(objects)) => self.next = changes((self.known)(&namespace), objects),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            match watch.next().await? {
                Err(error) => return Some(Err(error)),
                // Nothing changes before the listing.
                Ok(Told::Changed(_)) => {}
                Ok(Told::Listed(objects)) => {
                    self.next.extend(objects.into_iter().map(|object| Ok(Event::InitApply(object))));
                    let namespace = namespace.clone();
                    if let Some((_, watch)) = self.first.pop_front() {
                        self.listed.push(watch.map(move |told| (namespace.clone(), told)).boxed());
                    }
                    if self.first.is_empty() {
                        self.next.push_back(Ok(Event::InitDone));
                    }
                }
            }
        }
    }
}

/// What a listing amounts to, by what was known before.
fn changes<K: Watchable>(known: Vec<K>, listed: Vec<K>) -> VecDeque<Result<Event<K>, Error>> {
    let names: BTreeSet<_> = listed.iter().map(ResourceExt::name_any).collect();
    let gone = known.into_iter().filter(|object| !names.contains(&object.name_any()));
    let gone: Vec<_> = gone.map(|object| Ok(Event::Delete(object))).collect();
    gone.into_iter().chain(listed.into_iter().map(|object| Ok(Event::Apply(object)))).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(namespace: &str, name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some(namespace.to_owned());
        object.metadata.name = Some(name.to_owned());
        object
    }

    fn write(event: &Event<ConfigMap>) -> String {
        match event {
            Event::Init => "init".to_owned(),
            Event::InitDone => "done".to_owned(),
            Event::InitApply(object) => format!("there {}", object.name_any()),
            Event::Apply(object) => format!("apply {}", object.name_any()),
            Event::Delete(object) => format!("delete {}", object.name_any()),
        }
    }

    fn watch(
        namespace: &str,
        events: Vec<Event<ConfigMap>>,
    ) -> (String, BoxStream<'static, Result<Event<ConfigMap>, Error>>) {
        (namespace.to_owned(), stream::iter(events.into_iter().map(Ok)).boxed())
    }

    #[tokio::test]
    async fn several_namespaces_are_told_as_one_listing_and_a_later_listing_as_changes() {
        let first = vec![
            Event::Init,
            Event::InitApply(object("a", "cut off")),
            Event::Init,
            Event::InitApply(object("a", "stays")),
            Event::InitApply(object("a", "goes")),
            Event::InitDone,
            Event::Init,
            Event::InitApply(object("a", "stays")),
            Event::InitApply(object("a", "comes")),
            Event::InitDone,
        ];
        let second = vec![Event::Init, Event::InitApply(object("b", "other")), Event::InitDone];
        let known = |namespace: &str| match namespace {
            "a" => vec![object("a", "stays"), object("a", "goes")],
            _ => vec![object("b", "other")],
        };
        let events = merged(vec![watch("a", first), watch("b", second)], known);
        let told: Vec<_> = events.map(|event| write(&event.unwrap())).collect().await;
        assert_eq!(
            told,
            [
                "init",
                "there stays",
                "there goes",
                "there other",
                "done",
                "delete goes",
                "apply stays",
                "apply comes"
            ]
        );
    }

    #[tokio::test]
    async fn nothing_is_complete_before_every_namespace_is_listed() {
        let late = (String::from("b"), stream::pending().boxed());
        let listed = vec![Event::Init, Event::InitApply(object("a", "one")), Event::InitDone];
        let mut events = merged(vec![watch("a", listed), late], |_| Vec::new()).boxed();
        for expected in ["init", "there one"] {
            assert_eq!(write(&events.next().await.unwrap().unwrap()), expected);
        }
        assert!(futures::poll!(events.next()).is_pending());
    }
}
