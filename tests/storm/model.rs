//! What is declared, and what must follow from it. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::{Object, Place, Policy, Row, User};

/// What is left on the server of a resource that was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It must be there.
    There,
    /// It must not.
    Gone,
    /// The resource went before it is known whether it was ever carried out.
    Either,
}

/// A time in which it may be dropped or deleted, in seconds since 1970.
type Span = (f64, Option<f64>);

/// How a resource was when its deletion was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    /// Whether the operator had taken it on.
    pub(crate) held: bool,
    /// Whether what it declares was on the server.
    pub(crate) there: bool,
    /// Whether it had data.
    pub(crate) data: bool,
}

/// What is declared.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) databases: BTreeMap<Object, Policy>,
    pub(crate) users: BTreeMap<Object, User>,
    pub(crate) rows: BTreeMap<Object, Row>,
    pub(crate) paused: BTreeSet<Object>,
    /// Databases with data.
    pub(crate) filled: BTreeSet<Object>,
    /// Users with a right that nobody declares.
    pub(crate) granted: BTreeSet<Object>,
    pub(crate) left: BTreeMap<Object, Left>,
    /// Databases that go only if they are empty, aren't, and whose resources are deleted: somebody must let them go.
    pub(crate) blocked: BTreeSet<Object>,
    /// The wish for another password, as it was written last.
    pub(crate) wishes: BTreeMap<Object, String>,
    pub(crate) maintenance: bool,
    consents: BTreeMap<Object, Vec<Span>>,
}

impl Model {
    /// Whether there is a resource for it that nobody has deleted.
    pub(crate) fn declares(&self, object: Object) -> bool {
        self.databases.contains_key(&object)
            || self.users.contains_key(&object)
            || self.rows.contains_key(&object)
    }

    /// All that is declared.
    pub(crate) fn declared(&self) -> Vec<Object> {
        self.databases.keys().chain(self.users.keys()).chain(self.rows.keys()).copied().collect()
    }

    /// Whether it is declared, and the operator is to act on it.
    pub(crate) fn acts_on(&self, object: Object) -> bool {
        self.declares(object) && !self.paused.contains(&object)
    }

    /// It is about to be declared by a new resource.
    pub(crate) fn begins(&mut self, object: Object, now: f64) {
        self.left.remove(&object);
        if let Some((_, end @ None)) = self.consents.get_mut(&object).and_then(|spans| spans.last_mut()) {
            *end = Some(now);
        }
        self.forget_rows_of(object);
    }

    /// Its resource is about to be deleted.
    pub(crate) fn ends(&mut self, object: Object, before: Before, now: f64) {
        let policy = match object {
            Object::Database(..) => self.databases.remove(&object),
            Object::User(..) => self.users.remove(&object).map(|user| user.policy),
            Object::Row(..) => self.rows.remove(&object).map(|row| row.policy),
        };
        let Some(policy) = policy else { return };
        let paused = self.paused.remove(&object);
        let has_data = before.data;
        let goes = !paused && (policy == Policy::Delete || policy == Policy::DeleteIfEmpty && !has_data);
        self.wishes.remove(&object);
        let left = match (goes, before) {
            (true, Before { held: true, .. }) => Left::Gone,
            // What is left of a row depends on how far it had come.
            (false, Before { there: true, .. }) if !matches!(object, Object::Row(..)) => Left::There,
            _ => Left::Either,
        };
        if goes {
            self.consents.entry(object).or_default().push((now, None));
            self.filled.remove(&object);
            self.granted.remove(&object);
        }
        self.forget_rows_of(object);
        self.left.insert(object, left);
        if !paused && policy == Policy::DeleteIfEmpty && has_data {
            self.blocked.insert(object);
        }
    }

    /// The rows of a user or a database come and go with him and it.
    fn forget_rows_of(&mut self, object: Object) {
        for (row, left) in &mut self.left {
            if let Object::Row(place, user, database) = *row
                && (object == Object::User(place, user) || object == Object::Database(place, database))
            {
                *left = Left::Either;
            }
        }
    }

    /// Whether its owner had said, at that time, that it may go.
    pub(crate) fn may_go(&self, object: Object, at: f64) -> bool {
        let spans = self.consents.get(&object).into_iter().flatten();
        spans.into_iter().any(|(begin, end)| *begin <= at && end.is_none_or(|end| at <= end))
    }

    /// What may be asked of a row: user and database are declared, and nobody has paused anything of it.
    pub(crate) fn can_be_checked(&self, row: Object) -> bool {
        let Object::Row(place, user, database) = row else { return false };
        [row, Object::User(place, user), Object::Database(place, database)]
            .into_iter()
            .all(|object| self.acts_on(object))
    }

    /// What is in a place.
    pub(crate) fn in_place(&self, place: Place) -> Vec<Object> {
        self.declared().into_iter().filter(|object| object.place() == place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: Object = Object::Database(Place::Own, 0);
    const SURE: Before = Before { held: true, there: true, data: false };

    fn declares(policy: Policy) -> Model {
        let mut model = Model::default();
        model.databases.insert(SHOP, policy);
        model
    }

    #[test]
    fn consent_is_given_by_deleting_what_may_be_deleted_and_ends_with_the_next_declaration() {
        let mut model = declares(Policy::Delete);
        assert!(!model.may_go(SHOP, 1.0));
        model.ends(SHOP, SURE, 2.0);
        assert_eq!(model.left[&SHOP], Left::Gone);
        model.begins(SHOP, 4.0);
        model.databases.insert(SHOP, Policy::Retain);
        assert_eq!([1.0, 3.0, 5.0].map(|at| model.may_go(SHOP, at)), [false, true, false]);
        model.ends(SHOP, SURE, 6.0);
        assert!(!model.may_go(SHOP, 7.0) && model.left[&SHOP] == Left::There);
    }

    #[test]
    fn what_is_paused_or_has_data_may_not_go() {
        let mut model = declares(Policy::Delete);
        model.paused.insert(SHOP);
        model.ends(SHOP, SURE, 1.0);
        assert!(model.blocked.is_empty() && !model.may_go(SHOP, 2.0));
        let mut model = declares(Policy::DeleteIfEmpty);
        model.filled.insert(SHOP);
        model.ends(SHOP, Before { data: true, ..SURE }, 1.0);
        assert!(model.blocked.contains(&SHOP) && !model.may_go(SHOP, 2.0), "somebody must let it go");
        assert_eq!(model.left[&SHOP], Left::There);
        let mut model = declares(Policy::DeleteIfEmpty);
        model.ends(SHOP, SURE, 1.0);
        assert!(model.blocked.is_empty() && model.may_go(SHOP, 2.0));
    }
}
