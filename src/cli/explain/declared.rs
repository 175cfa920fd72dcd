//! Which manifests declare a user's rights.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    core::{CollectionName, DatabaseName, Id, Level, Scope, UserName, explain::Right},
    kinds::{Kind, permission::Permission},
    manifests::Manifests,
};

/// A resource that declares a right, as JSON has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Declaration {
    kind: &'static str,
    namespace: String,
    name: String,
    /// File, line and column; nothing where it is an object of a cluster.
    source: Option<String>,
    /// What it declares, which need not be what is there.
    level: Level,
}

impl Declaration {
    /// As a person names it; what it declares is said where that is not what is there.
    pub(super) fn named(&self, there: Option<Level>) -> String {
        let Self { kind, namespace, name, source, level } = self;
        let place = source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        let other = if there == Some(*level) { String::new() } else { format!(", as {level}") };
        format!("{kind} {namespace}/{name}{place}{other}")
    }
}

/// A place in a user's rights: on a database, or on its collections.
type Place = (Scope<DatabaseName>, Option<Scope<CollectionName>>);

/// What manifests declare of one user's rights on one deployment.
#[derive(Debug, Default)]
pub(super) struct Declared {
    rights: BTreeMap<Place, Vec<Declaration>>,
    /// Permissions of which it can't be told whose they are, because a resource that they name is not there.
    pub(super) unknown: usize,
}

impl Declared {
    pub(super) fn of(manifests: &Manifests, cluster: Option<&Id>, user: &UserName) -> Self {
        let mut declared = Self::default();
        let here = |one: &&crate::manifests::Declared<_>| {
            cluster.is_some_and(|cluster| Permission::place(&one.resource).cluster == *cluster)
        };
        for one in manifests.of::<Permission>().iter().filter(here) {
            let Ok(desired) = Permission::desired(&one.resource, &manifests.lookup(one.namespace())) else {
                declared.unknown += 1;
                continue;
            };
            if desired.user != *user {
                continue;
            }
            let database = desired.access.map(|level| (None, level));
            let collections = desired.collections.into_iter().map(|(name, level)| (Some(name), level));
            for (collection, level) in database.into_iter().chain(collections) {
                let by = Declaration {
                    kind: Permission::NAME,
                    namespace: one.namespace().to_owned(),
                    name: one.name().to_owned(),
                    source: one.at.is_in_a_text().then(|| one.at.to_string()),
                    level,
                };
                declared.rights.entry((desired.database.clone(), collection)).or_default().push(by);
            }
        }
        declared
    }

    /// Who declares one of the rights that could give a level.
    pub(super) fn on(
        &self,
        right: Right,
        database: &DatabaseName,
        collection: Option<&CollectionName>,
    ) -> Vec<Declaration> {
        let here = || Scope::Named(database.clone());
        let place = match right {
            Right::Collection => collection.map(|name| (here(), Some(Scope::Named(name.clone())))),
            Right::Collections => Some((here(), Some(Scope::Any))),
            Right::Database => Some((here(), None)),
            Right::Everywhere => Some((Scope::Any, Some(Scope::Any))),
            Right::Any => Some((Scope::Any, None)),
            Right::System => Some((Scope::Named(DatabaseName::system()), None)),
            Right::Fixed => None,
        };
        place.and_then(|place| self.rights.get(&place).cloned()).unwrap_or_default()
    }
}
