//! A few resources, or many.

use std::collections::BTreeSet;

use super::index::Ref;

/// Resources. Mostly there is one, and a tree for it would be ten times its size.
#[derive(Debug, Clone)]
pub(super) enum Refs {
    /// One.
    One(Ref),
    /// Any number.
    Many(BTreeSet<Ref>),
}

impl Default for Refs {
    fn default() -> Self {
        Self::Many(BTreeSet::new())
    }
}

impl Refs {
    /// Adds one.
    pub(super) fn insert(&mut self, resource: &Ref) {
        match self {
            Self::One(only) if only == resource => {}
            Self::One(only) => *self = Self::Many([only.clone(), resource.clone()].into()),
            Self::Many(many) if many.is_empty() => *self = Self::One(resource.clone()),
            Self::Many(many) => drop(many.insert(resource.clone())),
        }
    }

    /// Takes one away; whether nobody is left.
    pub(super) fn remove(&mut self, resource: &Ref) -> bool {
        match self {
            Self::One(only) => only == resource,
            Self::Many(many) => {
                many.remove(resource);
                many.is_empty()
            }
        }
    }

    /// The first by kind, namespace and name.
    pub(super) fn first(&self) -> Option<&Ref> {
        self.iter().next()
    }

    /// All, in that order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Ref> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}
