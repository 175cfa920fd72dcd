//! ArangoDatabase: a database, created if missing, dropped only with consent.

pub mod crd;
mod empty;
pub mod plan;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use kube::{Resource, ResourceExt};

use self::crd::{ArangoDatabase, DatabaseOptions};
use super::{
    ExecuteError, Execution, Kind, Lookup, Need, Place, Shown,
    schema::{NoMemory, Rule},
};
use crate::{
    arango::{self, Class, Client, CopyCount, What},
    core::{Consent, DatabaseName, DriftPolicy, Hold, Origin, Plan, Subject, UserName, condition::Said},
    crash::{self, Point},
    reconcile::{Look, Part, Secrets, Server, snapshot},
};

/// The kind ArangoDatabase.
#[derive(Debug)]
pub struct Database;

/// The databases of a server (reference: databases, list all).
#[derive(Debug)]
pub struct Databases;

impl Part for Databases {
    type Key = ();
    type Value = BTreeSet<DatabaseName>;

    fn rest(databases: &Self::Value) -> Duration {
        snapshot::rest(databases.len())
    }

    async fn read(client: &Client, (): &()) -> Result<Self::Value, arango::Error> {
        client.databases().await
    }
}

/// The options of one database (reference: databases, current). Nothing where there is no such database.
#[derive(Debug)]
pub struct OptionsOf;

impl Part for OptionsOf {
    type Key = DatabaseName;
    type Value = Option<plan::Seen>;

    async fn read(client: &Client, database: &DatabaseName) -> Result<Self::Value, arango::Error> {
        match client.database(database).await {
            Ok(info) => Ok(info.map(seen)),
            // An administrator may have no access to a database: that keeps nothing else from going on.
            Err(error) if error.class() == Class::Denied => Ok(Some(plan::Seen::Hidden)),
            Err(error) => Err(error),
        }
    }
}

fn seen(info: arango::DatabaseInfo) -> plan::Seen {
    let replication_factor = info.replication_factor.map(|factor| match factor {
        CopyCount::Count(count) => Some(count),
        CopyCount::Satellite => None,
    });
    plan::Seen::Shown { sharding: info.sharding, replication_factor, write_concern: info.write_concern }
}

impl super::Declaration for ArangoDatabase {
    type Memory = NoMemory;

    fn drift_policy(&self) -> Option<DriftPolicy> {
        self.spec.drift.as_ref()?.policy
    }
}

impl Kind for Database {
    type Resource = ArangoDatabase;
    type Memory = NoMemory;
    type Desired = plan::Desired;
    type Observed = plan::Observed;
    type Action = plan::Action;

    const NAME: &'static str = "ArangoDatabase";
    const NOUN: &'static str = "database";
    const HOLDS_DATA: bool = true;
    const RULES: &'static [Rule] = crd::RULES;

    fn place(resource: &ArangoDatabase) -> Place {
        Place {
            cluster: resource.spec.cluster_ref.id(resource.meta().namespace.as_deref()),
            name: resource.spec.name.clone().unwrap_or_else(|| resource.name_any()),
        }
    }

    fn desired(resource: &ArangoDatabase, _: &dyn Lookup) -> Result<plan::Desired, Hold> {
        plan::desired(&resource.spec, &resource.name_any())
    }

    fn object(desired: &plan::Desired) -> String {
        object(&desired.name)
    }

    fn title(desired: &plan::Desired) -> String {
        desired.name.to_string()
    }

    fn writes_to(_: &plan::Desired) -> Option<&UserName> {
        None
    }

    fn needs(_: &ArangoDatabase, _: Option<&plan::Desired>) -> Vec<Need> {
        Vec::new()
    }

    fn consent(resource: &ArangoDatabase, _: Option<Origin>) -> Consent {
        plan::consent(&resource.spec)
    }

    fn subject(desired: &plan::Desired) -> Subject<'_> {
        Subject::Database(&desired.name)
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
        let exists = server.read::<Databases, _>(&(), look, |all| all.contains(&desired.name)).await?;
        let asks = exists && !look.removing && desired.options != DatabaseOptions::default();
        let options =
            if asks { server.read::<OptionsOf, _>(&desired.name, look, Clone::clone).await? } else { None };
        Ok(plan::Observed { exists, options })
    }

    fn exists(observed: &plan::Observed) -> bool {
        observed.exists
    }

    fn shown(observed: &plan::Observed) -> Shown {
        plan::shown(observed)
    }

    fn plan(desired: &plan::Desired, observed: &plan::Observed, _: &NoMemory) -> Plan<plan::Action> {
        plan::plan(desired, observed)
    }

    fn removal(desired: &plan::Desired, observed: &plan::Observed, _: &NoMemory) -> Plan<plan::Action> {
        plan::removal(desired, observed)
    }

    fn remarks(desired: &plan::Desired, observed: &plan::Observed, _: &NoMemory) -> Vec<Said> {
        plan::remark(desired, observed).into_iter().collect()
    }

    async fn execute(
        server: &Server,
        _: &dyn Secrets,
        action: &plan::Action,
        _: &mut NoMemory,
    ) -> Result<Execution, ExecuteError> {
        let done = carry_out(server, action).await;
        if done.as_ref().is_err_and(ExecuteError::leaves_open) {
            server.forget::<Databases>(&());
        }
        done.map(|()| Execution::Done)
    }
}

async fn carry_out(server: &Server, action: &plan::Action) -> Result<(), ExecuteError> {
    match action {
        plan::Action::Create(name, options) => {
            match server.client.create_database(name, &wire(options)).await {
                // Made by somebody else since we looked: a closer look decides whether it is taken over. One of ours whose
                // answer was lost is settled by the client.
                Err(error) if error.class() == Class::Exists => {
                    server.forget::<Databases>(&());
                    return Err(error.into());
                }
                other => other?,
            }
            crash::at(Point::DatabaseCreated);
            server.forget::<OptionsOf>(name);
            let name = name.clone();
            server.amend::<Databases>(&(), move |all| {
                all.insert(name.clone());
            });
        }
        plan::Action::Drop(name) | plan::Action::DropIfEmpty(name) => {
            // The look and the drop go through one coordinator, with nothing in between.
            let client = server.client.for_database(name);
            if matches!(action, plan::Action::DropIfEmpty(_)) {
                empty::is_empty(&client, server.account.as_deref(), name).await?;
            }
            match client.drop_database(name).await {
                Err(error) if error.class() == Class::Missing(What::Database) => {}
                other => other?,
            }
            crash::at(Point::DatabaseDropped);
            // Dropping strips the grants on it from everybody (reference: databases, drop).
            super::permission::forget_database(server, name);
            server.forget::<OptionsOf>(name);
            let name = name.clone();
            server.amend::<Databases>(&(), move |all| {
                all.remove(&name);
            });
        }
    }
    Ok(())
}

/// A database as an object that others may need.
pub fn object(name: &DatabaseName) -> String {
    format!("database/{name}")
}

fn wire(options: &DatabaseOptions) -> arango::DatabaseOptions {
    let DatabaseOptions { sharding, replication_factor, write_concern } = options;
    arango::DatabaseOptions {
        sharding: sharding.map(|sharding| sharding.as_str().to_owned()),
        replication_factor: *replication_factor,
        write_concern: *write_concern,
    }
}
