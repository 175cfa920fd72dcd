//! Collections: the kind that `docs/adding-a-kind.md` adds. It keeps the laws of all kinds.

use arango_operator::{
    kinds::schema::ClusterRef,
    stand_in::{Model, Request},
};
use proptest::{prelude::*, sample::select};

use super::{
    example::{
        Collection,
        crd::{ArangoCollection, ArangoCollectionSpec, CollectionDeletionPolicy},
    },
    generate::{self, COLLECTIONS, Change, DATABASES, ask, create_collection, segment},
    law::{self, Law, Story},
};

fn place(history: &[ArangoCollection]) -> (&str, &str) {
    let spec = &history[0].spec;
    (&spec.database, spec.name.as_deref().unwrap())
}

fn is_there(model: &Model, (database, name): (&str, &str)) -> bool {
    model.collections(database).any(|collection| collection == name)
}

impl Law for Collection {
    fn declared(mut model: Model, history: &[ArangoCollection]) -> Model {
        let (database, name) = place(history);
        if model.databases().any(|there| there == database) && !is_there(&model, (database, name)) {
            create_collection(&mut model, database, name);
        }
        model
    }

    fn removed(before: Model, history: &[ArangoCollection]) -> Model {
        let mut model = Self::declared(before, history);
        let (database, name) = place(history);
        let path = format!("/_db/{}/_api/collection/{}", segment(database), segment(name));
        ask(&mut model, &Request::delete(path));
        model
    }

    fn claims(_: &ArangoCollection, _: &Change) -> bool {
        false
    }
}

fn story() -> impl Strategy<Value = Story<Collection>> {
    let policies = vec![None, Some(CollectionDeletionPolicy::Delete), Some(CollectionDeletionPolicy::Retain)];
    let policies = prop::collection::vec(select(policies), 1..4);
    let names = (select(&DATABASES[..]), select(&COLLECTIONS[..3]));
    law::story((names, policies).prop_map(|((database, name), policies)| {
        let declared = |deletion_policy| {
            let cluster_ref = ClusterRef { name: "prod".into(), namespace: None };
            let (database, name) = (database.to_owned(), Some(name.to_owned()));
            let spec = ArangoCollectionSpec { cluster_ref, database, name, deletion_policy, drift: None };
            ArangoCollection::new("collection", spec)
        };
        policies.into_iter().map(declared).collect()
    }))
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn a_collection_that_is_only_observed_changes_nothing_and_says_what_would_be_done(story in story()) {
        law::observes(&story)?;
    }

    #[test]
    fn a_collection_converges_whatever_was_declared_before(story in story()) {
        law::converges(&story)?;
    }

    #[test]
    fn a_collection_survives_being_cut_off_anywhere(story in story(), cuts in generate::cuts()) {
        law::survives(&story, &cuts)?;
    }

    #[test]
    fn a_collection_is_dropped_with_consent_alone_and_nothing_else_is(story in story(), cuts in generate::cuts()) {
        law::deletion_survives(&story, &cuts)?;
    }

    #[test]
    fn what_is_known_of_a_collection_is_what_a_fresh_read_says(story in story(), cuts in generate::cuts()) {
        law::remembers_truly(&story, &cuts)?;
    }
}
