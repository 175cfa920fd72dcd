//! Who needs what, and who declares what: reverse look-ups, so that nothing is ever found by a scan of all objects.

use std::collections::{BTreeSet, HashMap};

use kube::ResourceExt;

pub use crate::core::Id;

/// Of an object.
pub fn id_of<K: ResourceExt>(object: &K) -> Id {
    Id::new(object.meta().namespace.as_deref().unwrap_or_default(), &object.name_any())
}

/// A resource of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ref {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace and name.
    pub id: Id,
}

/// Something that resources need or declare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A Secret.
    Secret(Id),
    /// A resource of ours.
    Resource(Ref),
    /// An object on the server behind that ArangoCluster.
    Object(Id, String),
    /// A namespace that resources use the ArangoCluster of another one from.
    Namespace(std::sync::Arc<str>),
}

/// The look-ups.
#[derive(Debug, Default)]
pub struct Index {
    needed: HashMap<Key, BTreeSet<Ref>>,
    declared: HashMap<Key, BTreeSet<Ref>>,
    entries: HashMap<Ref, (Vec<Key>, Option<Key>)>,
}

impl Index {
    /// Says what a resource needs and declares, in place of what it did before.
    pub fn set(&mut self, resource: &Ref, needs: Vec<Key>, declares: Option<Key>) {
        if self.entries.get(resource).is_some_and(|(n, d)| *n == needs && *d == declares) {
            return;
        }
        self.remove(resource);
        for key in &needs {
            self.needed.entry(key.clone()).or_default().insert(resource.clone());
        }
        if let Some(key) = &declares {
            self.declared.entry(key.clone()).or_default().insert(resource.clone());
        }
        self.entries.insert(resource.clone(), (needs, declares));
    }

    /// Forgets a resource; what it declared is returned.
    pub fn remove(&mut self, resource: &Ref) -> Option<Key> {
        let (needs, declares) = self.entries.remove(resource)?;
        for key in &needs {
            take(&mut self.needed, key, resource);
        }
        if let Some(key) = &declares {
            take(&mut self.declared, key, resource);
        }
        declares
    }

    /// All resources of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<Ref> {
        self.entries.keys().filter(|resource| resource.kind == kind).cloned().collect()
    }

    /// Who needs it.
    pub fn needing(&self, key: &Key) -> Vec<Ref> {
        self.needed.get(key).into_iter().flatten().cloned().collect()
    }

    /// Who declares it.
    pub fn declaring(&self, key: &Key) -> Vec<Ref> {
        self.declared.get(key).into_iter().flatten().cloned().collect()
    }
}

fn take(map: &mut HashMap<Key, BTreeSet<Ref>>, key: &Key, resource: &Ref) {
    if let Some(set) = map.get_mut(key) {
        set.remove(resource);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let resource = Ref { kind: "ArangoUser", id: Id::new("a", "b") };
        let secret = Key::Secret(Id::new("a", "s"));
        let object = Key::Object(Id::new("a", "c"), "user/b".to_owned());
        let mut index = Index::default();
        index.set(&resource, vec![secret.clone()], Some(object.clone()));
        assert_eq!(index.needing(&secret), std::slice::from_ref(&resource));
        index.set(&resource, vec![], Some(object.clone()));
        assert!(index.needing(&secret).is_empty());
        assert_eq!(index.declaring(&object), std::slice::from_ref(&resource));
        assert_eq!(index.remove(&resource), Some(object));
        assert!(index.needed.is_empty() && index.declared.is_empty() && index.entries.is_empty());
    }
}
