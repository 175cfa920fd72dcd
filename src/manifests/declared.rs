//! The resources that were read, by kind.

use std::{any::Any, collections::BTreeMap, fmt};

use kube::Resource;

use super::complaint::Location;
use crate::{
    core::Id,
    kinds::{Kind, Lookup, Place},
};

/// A resource, and where it is declared.
#[derive(Debug, Clone)]
pub struct Declared<R> {
    /// The resource. It has a namespace.
    pub resource: R,
    /// Where.
    pub at: Location,
}

impl<R: Resource<DynamicType = ()>> Declared<R> {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.resource.meta().namespace.as_deref().unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.resource.meta().name.as_deref().unwrap_or_default()
    }

    /// Both.
    pub fn id(&self) -> Id {
        Id::new(self.namespace(), self.name())
    }
}

/// A list of resources for each kind.
#[derive(Default)]
pub(super) struct Shelf {
    kinds: BTreeMap<&'static str, Box<dyn Any + Send + Sync>>,
}

impl Shelf {
    pub(super) fn of<K: Kind>(&self) -> &[Declared<K::Resource>] {
        let list = self.kinds.get(K::NAME).and_then(|list| list.downcast_ref::<Vec<Declared<K::Resource>>>());
        list.map_or(&[], Vec::as_slice)
    }

    pub(super) fn push<K: Kind>(&mut self, declared: Declared<K::Resource>) {
        if let Some(list) = self.list::<K>() {
            list.push(declared);
        }
    }

    pub(super) fn sort<K: Kind>(&mut self) {
        if let Some(list) = self.list::<K>() {
            list.sort_by(|a, b| (a.namespace(), a.name()).cmp(&(b.namespace(), b.name())));
            list.shrink_to_fit();
        }
    }

    fn list<K: Kind>(&mut self) -> Option<&mut Vec<Declared<K::Resource>>> {
        let list = self.kinds.entry(K::NAME).or_insert_with(|| Box::new(Vec::<Declared<K::Resource>>::new()));
        list.downcast_mut()
    }

    /// Where the object of a resource is.
    fn find<K: Kind>(&self, namespace: &str, name: &str) -> Option<Place> {
        let list = self.of::<K>();
        let index =
            list.binary_search_by(|one| (one.namespace(), one.name()).cmp(&(namespace, name))).ok()?;
        Some(K::place(&list[index].resource))
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}

/// Finds resources of one namespace.
pub(super) struct Among<'m> {
    pub(super) shelf: &'m Shelf,
    pub(super) objects: &'m Objects,
    pub(super) namespace: &'m str,
}

/// Who declares which object of which ArangoCluster.
pub(super) type Objects = BTreeMap<Id, BTreeMap<String, (&'static str, Id)>>;

impl Lookup for Among<'_> {
    fn find(&self, kind: &str, name: &str) -> Option<Place> {
        crate::for_each_kind!(K => {
            if kind == K::NAME {
                return self.shelf.find::<K>(self.namespace, name);
            }
        });
        None
    }

    fn declarer(&self, cluster: &Id, object: &str) -> Option<String> {
        let (kind, id) = self.objects.get(cluster)?.get(object)?;
        Some(format!("{kind} {id}"))
    }
}
