//! Who needs what, and who declares what: reverse look-ups, so that nothing is ever found by a scan of all objects.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

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
    Namespace(Arc<str>),
}

/// The same as several ArangoClusters see it: what is behind two that lead to one deployment is one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// A Secret.
    Secret(Id),
    /// A resource of ours.
    Resource(Ref),
    /// A namespace that resources use the ArangoCluster of another one from.
    Namespace(Arc<str>),
    /// An object on a deployment.
    On(Arc<str>, String),
    /// An object behind an ArangoCluster of which nobody knows where it leads.
    Behind(Id, String),
}

/// What a resource needs and declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What it needs.
    pub needs: Vec<Key>,
    /// The object that it declares.
    pub declares: Option<Key>,
    /// The deployment that its status is about: where its ArangoCluster leads if that can't be known, being gone.
    pub remembers: Option<Arc<str>>,
}

/// The look-ups.
#[derive(Debug, Default)]
pub struct Index {
    needed: HashMap<Thing, BTreeSet<Ref>>,
    declared: HashMap<Thing, BTreeSet<Ref>>,
    entries: HashMap<Ref, Entry>,
    /// Those of which it isn't known what they declare, or on which deployment.
    unclear: BTreeSet<Ref>,
    /// Where ArangoClusters lead.
    deployments: HashMap<Id, Arc<str>>,
}

impl Index {
    /// Says what a resource needs and declares, in place of what it did before. Tells who else declares what it no
    /// longer does.
    pub fn set(&mut self, resource: &Ref, entry: Entry) -> Vec<Ref> {
        let before = self.declared_by(resource);
        if self.entries.get(resource) != Some(&entry) {
            self.take(resource);
            self.put(resource, entry);
        }
        match before {
            Some(before) if self.declared_by(resource).as_ref() != Some(&before) => {
                refs(&self.declared, &before)
            }
            _ => Vec::new(),
        }
    }

    /// Forgets a resource. Tells what it declared.
    pub fn remove(&mut self, resource: &Ref) -> Option<Thing> {
        let before = self.declared_by(resource);
        self.take(resource);
        before
    }

    /// Learns where an ArangoCluster leads: what the given resources, which use it, need and declare is there. Tells who
    /// has one owner among others since.
    pub fn lead(&mut self, cluster: &Id, deployment: Option<Arc<str>>, users: &[Ref]) -> BTreeSet<Ref> {
        if self.deployments.get(cluster) == deployment.as_ref() {
            return BTreeSet::new();
        }
        let taken: Vec<_> = users
            .iter()
            .filter_map(|user| {
                let before = self.declared_by(user);
                Some((user, before, self.take(user)?))
            })
            .collect();
        match deployment {
            Some(deployment) => drop(self.deployments.insert(cluster.clone(), deployment)),
            None => drop(self.deployments.remove(cluster)),
        }
        let mut things = BTreeSet::new();
        for (user, before, entry) in taken {
            things.extend(before);
            self.put(user, entry);
            things.extend(self.declared_by(user));
        }
        things.iter().flat_map(|thing| refs(&self.declared, thing)).collect()
    }

    /// Where an ArangoCluster leads, as far as is known.
    pub fn deployment(&self, cluster: &Id) -> Option<Arc<str>> {
        self.deployments.get(cluster).cloned()
    }

    /// What a resource needs.
    pub fn needed_by(&self, resource: &Ref) -> Vec<Key> {
        self.entries.get(resource).map(|entry| entry.needs.clone()).unwrap_or_default()
    }

    /// All resources of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<Ref> {
        self.entries.keys().filter(|resource| resource.kind == kind).cloned().collect()
    }

    /// What resources of any namespace declare on the deployment behind an ArangoCluster, by kind.
    pub fn declared_on(&self, cluster: &Id) -> HashMap<&'static str, BTreeSet<String>> {
        let deployment = self.deployments.get(cluster);
        let mut declared: HashMap<_, BTreeSet<_>> = HashMap::new();
        for (thing, resources) in &self.declared {
            let object = match thing {
                Thing::On(on, object) if Some(on) == deployment => object,
                Thing::Behind(on, object) if on == cluster => object,
                _ => continue,
            };
            if let Some(resource) = resources.first() {
                declared.entry(resource.kind).or_default().insert(object.clone());
            }
        }
        declared
    }

    /// Who needs it.
    pub fn needing(&self, key: &Key) -> Vec<Ref> {
        self.needing_thing(&self.thing(key, None))
    }

    /// Who needs it.
    pub fn needing_thing(&self, thing: &Thing) -> Vec<Ref> {
        refs(&self.needed, thing)
    }

    /// Who of a kind needs an object behind an ArangoCluster, or may: of some it isn't known what they declare, or where.
    pub fn may_need(&self, cluster: &Id, object: &str, kind: &str) -> BTreeSet<Ref> {
        let needing = self.needing(&Key::Object(cluster.clone(), object.to_owned()));
        needing.into_iter().chain(self.unclear.iter().cloned()).filter(|found| found.kind == kind).collect()
    }

    /// Who declares it.
    pub fn declaring(&self, thing: &Thing) -> Vec<Ref> {
        refs(&self.declared, thing)
    }

    /// What a resource declares.
    pub fn declared_by(&self, resource: &Ref) -> Option<Thing> {
        let entry = self.entries.get(resource)?;
        Some(self.thing(entry.declares.as_ref()?, entry.remembers.as_ref()))
    }

    /// What a key means; `remembers`: where it leads if its ArangoCluster is not known to lead anywhere.
    pub fn thing(&self, key: &Key, remembers: Option<&Arc<str>>) -> Thing {
        match key {
            Key::Secret(id) => Thing::Secret(id.clone()),
            Key::Resource(resource) => Thing::Resource(resource.clone()),
            Key::Namespace(namespace) => Thing::Namespace(Arc::clone(namespace)),
            Key::Object(cluster, object) => match self.deployments.get(cluster).or(remembers) {
                Some(deployment) => Thing::On(Arc::clone(deployment), object.clone()),
                None => Thing::Behind(cluster.clone(), object.clone()),
            },
        }
    }

    fn put(&mut self, resource: &Ref, entry: Entry) {
        let remembers = entry.remembers.as_ref();
        for key in &entry.needs {
            let thing = self.thing(key, remembers);
            self.needed.entry(thing).or_default().insert(resource.clone());
        }
        if let Some(key) = &entry.declares {
            let thing = self.thing(key, remembers);
            self.declared.entry(thing).or_default().insert(resource.clone());
        }
        if !self.is_clear(&entry) {
            self.unclear.insert(resource.clone());
        }
        self.entries.insert(resource.clone(), entry);
    }

    fn is_clear(&self, entry: &Entry) -> bool {
        matches!(&entry.declares, Some(Key::Object(cluster, _)) if self.deployments.contains_key(cluster))
    }

    fn take(&mut self, resource: &Ref) -> Option<Entry> {
        let entry = self.entries.remove(resource)?;
        self.unclear.remove(resource);
        let remembers = entry.remembers.as_ref();
        for key in &entry.needs {
            let thing = self.thing(key, remembers);
            take(&mut self.needed, &thing, resource);
        }
        if let Some(key) = &entry.declares {
            let thing = self.thing(key, remembers);
            take(&mut self.declared, &thing, resource);
        }
        Some(entry)
    }
}

fn refs(map: &HashMap<Thing, BTreeSet<Ref>>, thing: &Thing) -> Vec<Ref> {
    map.get(thing).into_iter().flatten().cloned().collect()
}

fn take(map: &mut HashMap<Thing, BTreeSet<Ref>>, thing: &Thing, resource: &Ref) {
    if let Some(set) = map.get_mut(thing) {
        set.remove(resource);
        if set.is_empty() {
            map.remove(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(namespace: &str) -> Ref {
        Ref { kind: "ArangoUser", id: Id::new(namespace, "b") }
    }

    fn object(namespace: &str) -> Key {
        Key::Object(Id::new(namespace, "c"), "user/b".to_owned())
    }

    fn entry(needs: &[Key], declares: Key) -> Entry {
        Entry { needs: needs.to_vec(), declares: Some(declares), remembers: None }
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let (resource, secret) = (user("a"), Key::Secret(Id::new("a", "s")));
        let mut index = Index::default();
        index.set(&resource, entry(std::slice::from_ref(&secret), object("a")));
        assert_eq!(index.needing(&secret), std::slice::from_ref(&resource));
        index.set(&resource, entry(&[], object("a")));
        assert!(index.needing(&secret).is_empty());
        let thing = index.declared_by(&resource).unwrap();
        assert_eq!(index.declaring(&thing), std::slice::from_ref(&resource));
        assert_eq!(index.remove(&resource), Some(thing));
        assert!(index.needed.is_empty() && index.declared.is_empty() && index.entries.is_empty());
    }

    #[test]
    fn two_clusters_that_lead_to_one_deployment_share_what_is_declared_and_needed() {
        let mut index = Index::default();
        let (one, two) = (user("a"), user("b"));
        let row = Ref { kind: "ArangoPermission", id: Id::new("b", "row") };
        index.set(&one, entry(&[], object("a")));
        index.set(&two, entry(&[], object("b")));
        index.set(&row, Entry { needs: vec![object("b")], ..Entry::default() });
        assert_eq!(index.declaring(&index.declared_by(&one).unwrap()).len(), 1);
        assert!(index.needing(&object("a")).is_empty());

        let lead = |index: &mut Index, namespace, deployment: Option<&str>, users: &[Ref]| {
            index.lead(&Id::new(namespace, "c"), deployment.map(Into::into), users)
        };
        lead(&mut index, "a", Some("x"), std::slice::from_ref(&one));
        let woken = lead(&mut index, "b", Some("x"), &[two.clone(), row.clone()]);
        assert_eq!(woken, [one.clone(), two.clone()].into());
        assert_eq!(index.needing(&object("a")), std::slice::from_ref(&row));
        assert!(lead(&mut index, "b", Some("x"), std::slice::from_ref(&two)).is_empty(), "no news");

        // The one that stays behind is the next in line.
        let woken = lead(&mut index, "b", Some("y"), &[two.clone(), row]);
        assert_eq!(woken, [one.clone(), two.clone()].into());
        assert_eq!(index.declaring(&index.declared_by(&one).unwrap()), [one]);
        index.remove(&two);
        lead(&mut index, "b", None, &[]);
        assert_eq!(index.deployments.len(), 1);
    }

    #[test]
    fn who_may_need_an_object_is_found_without_looking_at_all_others() {
        let mut index = Index::default();
        index.lead(&Id::new("a", "c"), Some("x".into()), &[]);
        index.lead(&Id::new("b", "c"), Some("y".into()), &[]);
        let row = |name| Ref { kind: "ArangoPermission", id: Id::new("a", name) };
        let needs = |user: &str, namespace, declares: Option<&str>| {
            let at = |object: &str| Key::Object(Id::new(namespace, "c"), object.to_owned());
            Entry { needs: vec![at(user)], declares: declares.map(at), remembers: None }
        };
        index.set(&row("theirs"), needs("user/b", "a", Some("row/s/b")));
        index.set(&row("another's"), needs("user/c", "a", Some("row/s/c")));
        index.set(&row("elsewhere"), needs("user/b", "b", Some("row/s/b")));
        index.set(&row("nobody knows whose"), Entry::default());
        index.set(&row("nobody knows where"), needs("user/b", "z", Some("row/s/b")));
        let found = |index: &Index| index.may_need(&Id::new("a", "c"), "user/b", "ArangoPermission");
        assert_eq!(
            found(&index),
            ["theirs", "nobody knows whose", "nobody knows where"].into_iter().map(row).collect()
        );
        let users = [row("nobody knows where")];
        index.lead(&Id::new("z", "c"), Some("y".into()), &users);
        index.set(&row("nobody knows whose"), needs("user/c", "a", Some("row/t/c")));
        assert_eq!(found(&index), [row("theirs")].into());
        index.remove(&row("theirs"));
        assert!(found(&index).is_empty() && index.unclear.is_empty());
    }

    #[test]
    fn a_resource_whose_cluster_is_gone_still_declares_where_its_status_says() {
        let mut index = Index::default();
        let (one, two) = (user("a"), user("b"));
        index.lead(&Id::new("a", "c"), Some("x".into()), &[]);
        index.set(&one, entry(&[], object("a")));
        let orphan = Entry { remembers: Some("x".into()), ..entry(&[], object("b")) };
        index.set(&two, orphan);
        assert_eq!(index.declaring(&index.declared_by(&one).unwrap()), [one.clone(), two.clone()]);
        let left = index.set(&two, Entry::default());
        assert_eq!(left, [one], "who is left is told");
    }
}
