//! Databases.

use arango_operator::{
    kinds::{
        database::{
            Database,
            crd::{ArangoDatabase, ArangoDatabaseSpec, DatabaseDeletionPolicy, DatabaseOptions, Sharding},
        },
        schema::ClusterRef,
    },
    stand_in::{Model, Request},
};
use proptest::{option, prelude::*, sample::select};
use serde_json::json;

use super::{
    generate::{self, Change, DATABASES, ask, segment},
    law::{self, Law, Story},
};

fn name(resource: &ArangoDatabase) -> &str {
    resource.spec.name.as_deref().unwrap()
}

impl Law for Database {
    fn declared(mut model: Model, history: &[ArangoDatabase]) -> Model {
        let first = &history[0];
        if !model.databases().any(|database| database == name(first)) {
            let options = first.spec.options.clone().unwrap_or_default();
            let body = json!({"name": name(first), "options": options});
            ask(&mut model, &Request::post("/_api/database", &body));
        }
        model
    }

    fn removed(before: Model, history: &[ArangoDatabase]) -> Model {
        let mut model = Self::declared(before, history);
        ask(&mut model, &Request::delete(format!("/_api/database/{}", segment(name(&history[0])))));
        model
    }

    fn claims(_: &ArangoDatabase, _: &Change) -> bool {
        false
    }
}

fn spec(
    name: &str,
    options: Option<DatabaseOptions>,
    deletion_policy: Option<DatabaseDeletionPolicy>,
) -> ArangoDatabase {
    let cluster_ref = ClusterRef { name: "prod".into(), namespace: None };
    let name = Some(name.to_owned());
    let spec = ArangoDatabaseSpec { cluster_ref, name, options, deletion_policy, drift: None };
    ArangoDatabase::new("database", spec)
}

pub(crate) fn specs(
    steps: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<ArangoDatabase>> {
    let policies = vec![None, Some(DatabaseDeletionPolicy::Delete), Some(DatabaseDeletionPolicy::Retain)];
    let sharding = option::of(select(vec![Sharding::Flexible, Sharding::Single]));
    let options =
        (sharding, option::of(2..=3_u32), option::of(1..=2_u32)).prop_map(|(sharding, factor, concern)| {
            DatabaseOptions { sharding, replication_factor: factor, write_concern: factor.and(concern) }
        });
    let steps = prop::collection::vec((option::of(options), select(policies)), steps);
    (select(&DATABASES[..]), steps).prop_map(|(name, steps)| {
        steps.into_iter().map(|(options, policy)| spec(name, options, policy)).collect()
    })
}

pub(crate) fn story() -> impl Strategy<Value = Story<Database>> {
    law::story(specs(1..4))
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn a_database_that_is_only_observed_changes_nothing_and_says_what_would_be_done(story in story()) {
        law::observes(&story)?;
    }

    #[test]
    fn a_database_converges_whatever_was_declared_before(story in story()) {
        law::converges(&story)?;
    }

    #[test]
    fn a_database_survives_being_cut_off_anywhere(story in story(), cuts in generate::cuts()) {
        law::survives(&story, &cuts)?;
    }

    #[test]
    fn a_database_is_dropped_with_consent_alone_and_nothing_else_is(story in story(), cuts in generate::cuts()) {
        law::deletion_survives(&story, &cuts)?;
    }

    #[test]
    fn what_is_known_of_a_database_is_what_a_fresh_read_says(story in story(), cuts in generate::cuts()) {
        law::remembers_truly(&story, &cuts)?;
    }

    #[test]
    fn a_database_leaves_every_change_inside_and_outside_alone(story in story(), change in generate::change()) {
        law::sees(&story, &change)?;
    }
}
