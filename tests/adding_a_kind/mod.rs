//! `ArangoCollection`: a collection, created if missing, dropped only with consent.

pub mod crd;
pub mod plan;

use std::collections::BTreeSet;

use http::Method;
use kube::{Resource, ResourceExt};
use serde_json::json;

use self::crd::ArangoCollection;
use crate::{
    arango::{self, Class, Client, Request, What},
    core::{CollectionName, Consent, DatabaseName, DriftPolicy, Hold, Origin, Plan, Subject, UserName},
    kinds::{
        Declaration, ExecuteError, Execution, Kind, Lookup, Need, Place, database,
        schema::{NoMemory, Rule},
    },
    reconcile::{Look, Part, Secrets, Server},
};

/// The kind `ArangoCollection`.
#[derive(Debug)]
pub struct Collection;

/// The collections of a database (reference: information, collections). Nothing where there is no such database.
#[derive(Debug)]
pub struct Collections;

impl Part for Collections {
    type Key = DatabaseName;
    type Value = Option<BTreeSet<CollectionName>>;

    async fn read(client: &Client, database: &DatabaseName) -> Result<Self::Value, arango::Error> {
        match client.collections(database).await {
            Ok(all) => Ok(Some(all.into_iter().map(|collection| collection.name).collect())),
            Err(error) if error.class() == Class::Missing(What::Database) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Declaration for ArangoCollection {
    type Memory = NoMemory;

    fn drift_policy(&self) -> Option<DriftPolicy> {
        self.spec.drift.as_ref()?.policy
    }
}

impl Kind for Collection {
    type Resource = ArangoCollection;
    type Memory = NoMemory;
    type Desired = plan::Desired;
    type Observed = plan::Observed;
    type Action = plan::Action;

    const NAME: &'static str = "ArangoCollection";
    const NOUN: &'static str = "collection";
    const HOLDS_DATA: bool = true;
    const RULES: &'static [Rule] = crd::RULES;

    fn place(resource: &ArangoCollection) -> Place {
        Place {
            cluster: resource.spec.cluster_ref.id(resource.meta().namespace.as_deref()),
            name: resource.spec.name.clone().unwrap_or_else(|| resource.name_any()),
        }
    }

    fn desired(resource: &ArangoCollection, _: &dyn Lookup) -> Result<plan::Desired, Hold> {
        plan::desired(&resource.spec, &resource.name_any())
    }

    fn object(desired: &plan::Desired) -> String {
        format!("collection/{}/{}", desired.database, desired.name)
    }

    fn title(desired: &plan::Desired) -> String {
        format!("{}/{}", desired.database, desired.name)
    }

    fn writes_to(_: &plan::Desired) -> Option<&UserName> {
        None
    }

    /// Woken when its database is made, whoever declares that.
    fn needs(_: &ArangoCollection, desired: Option<&plan::Desired>) -> Vec<Need> {
        desired.map(|desired| Need::Object(database::object(&desired.database))).into_iter().collect()
    }

    fn consent(resource: &ArangoCollection, _: Option<Origin>) -> Consent {
        plan::consent(&resource.spec)
    }

    fn subject(desired: &plan::Desired) -> Subject<'_> {
        Subject::Database(&desired.database)
    }

    fn protected(_: &plan::Desired, _: Option<&str>) -> Option<Hold> {
        None
    }

    async fn observe(
        server: &Server,
        _: &dyn Secrets,
        look: Look,
        desired: &plan::Desired,
    ) -> Result<plan::Observed, arango::Error> {
        let observed = |all: &Option<BTreeSet<CollectionName>>| match all {
            None => plan::Observed::NoDatabase,
            Some(all) if all.contains(&desired.name) => plan::Observed::There,
            Some(_) => plan::Observed::Absent,
        };
        server.read::<Collections, _>(&desired.database, look, observed).await
    }

    fn exists(observed: &plan::Observed) -> bool {
        *observed == plan::Observed::There
    }

    fn plan(desired: &plan::Desired, observed: &plan::Observed, _: &NoMemory) -> Plan<plan::Action> {
        plan::plan(desired, *observed)
    }

    fn removal(desired: &plan::Desired, observed: &plan::Observed, _: &NoMemory) -> Plan<plan::Action> {
        plan::removal(desired, *observed)
    }

    async fn execute(
        server: &Server,
        _: &dyn Secrets,
        action: &plan::Action,
        _: &mut NoMemory,
    ) -> Result<Execution, ExecuteError> {
        let (plan::Action::Create(collection) | plan::Action::Drop(collection)) = action;
        let path = format!("/_db/{}/_api/collection", collection.database.encoded());
        let client = server.client.for_database(&collection.database);
        let done = match action {
            plan::Action::Create(_) => {
                let body = json!({"name": collection.name.as_str()});
                client.call(Request::new(Method::POST, path).body(body)).await
            }
            plan::Action::Drop(_) => {
                let path = format!("{path}/{}", collection.name.encoded());
                client.call(Request::new(Method::DELETE, path)).await
            }
        };
        // What was done, or may have been, is read again: the next look is never older than our own write.
        server.forget::<Collections>(&collection.database);
        match done {
            Err(error) if error.class() == Class::Missing(What::Collection) => Ok(Execution::Done),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Execution::Done),
        }
    }
}
