//! ArangoPermission: one row of the access matrix, with a database level, collection levels or both.

pub mod crd;
pub mod effect;
pub mod plan;
mod reference;
#[cfg(test)]
mod tests;

use std::time::Instant;

use kube::{Resource, ResourceExt};

use self::{
    crd::{ArangoPermission, PermissionMemory, RowName},
    plan::{Change, Desired, Observed},
    reference::name,
};
use super::{
    ExecuteError, Execution, Kind, Lookup, Need, Notable, Place, Shown,
    database::{self, Database, Databases},
    schema::{LocalRef, Rule},
    user::{self, User, Users},
};
use crate::{
    arango::{self, Class, Client, What},
    core::{
        Access, CollectionName, Consent, DatabaseName, DriftPolicy, Entry, Hold, Level, Origin, Plan, Reason,
        Rights, Scope, Subject, UserName, Wider, condition::Said, policy::consent_by_origin,
    },
    crash::{self, Point},
    reconcile::{Look, Part, Secrets, Server},
};

/// The kind ArangoPermission.
#[derive(Debug)]
pub struct Permission;

/// The configured rights of one user (reference: permissions, full listing).
#[derive(Debug)]
pub struct RightsOf;

impl Part for RightsOf {
    type Key = UserName;
    type Value = Rights;

    async fn read(client: &Client, user: &UserName) -> Result<Rights, arango::Error> {
        match client.for_user(user).rights(user).await {
            // Deleted since the users were listed.
            Err(error) if error.class() == Class::Missing(What::User) => Ok(Rights::default()),
            other => other,
        }
    }
}

/// One user's level on `*/*`, which the full listing never shows.
#[derive(Debug)]
pub struct WildcardOf;

impl Part for WildcardOf {
    type Key = UserName;
    type Value = Level;

    async fn read(client: &Client, user: &UserName) -> Result<Level, arango::Error> {
        client.for_user(user).wildcard_of_wildcard(user).await
    }
}

impl super::Declaration for ArangoPermission {
    type Memory = PermissionMemory;

    fn drift_policy(&self) -> Option<DriftPolicy> {
        self.spec.drift.as_ref()?.policy
    }
}

/// All rights of a user, `*/*` among them, which no listing shows.
pub async fn all_rights(server: &Server, look: Look, user: &UserName) -> Result<Rights, arango::Error> {
    let mut rights = server.read::<RightsOf, _>(user, look, Rights::clone).await?;
    let everywhere = server.read::<WildcardOf, _>(user, look, |level| *level).await?;
    if everywhere != Level::None {
        rights.0.entry(Scope::Any).or_default().collections.insert(Scope::Any, everywhere);
    }
    Ok(rights)
}

/// A row as an object.
fn object(database: &Scope<DatabaseName>, user: &UserName) -> String {
    // The database comes first, since a user's name may contain anything.
    format!("row/{}/{user}", database.encoded())
}

impl Kind for Permission {
    type Resource = ArangoPermission;
    type Memory = PermissionMemory;
    type Desired = Desired;
    type Observed = Observed;
    type Action = plan::Action;

    const NAME: &'static str = "ArangoPermission";
    const NOUN: &'static str = "permission of";
    const RULES: &'static [Rule] = crd::RULES;

    fn place(resource: &ArangoPermission) -> Place {
        Place {
            cluster: resource.spec.cluster_ref.id(resource.meta().namespace.as_deref()),
            name: resource.name_any(),
        }
    }

    fn desired(resource: &ArangoPermission, lookup: &dyn Lookup) -> Result<Desired, Hold> {
        let spec = &resource.spec;
        let cluster = &Self::place(resource).cluster;
        let (named, by) = (spec.user.as_ref(), spec.user_ref.as_ref());
        let user = name("user", named, by, User::NAME, cluster, lookup)?;
        let (named, by) = (spec.database.as_ref(), spec.database_ref.as_ref());
        let database = name("database", named, by, Database::NAME, cluster, lookup)?;
        let mut desired = plan::desired(spec, &user, &database)?;
        let declarer = |database: Scope<DatabaseName>| {
            let is_other = database != desired.database;
            is_other.then(|| lookup.declarer(cluster, &object(&database, &desired.user))).flatten()
        };
        let wider = plan::Declarers {
            any: declarer(Scope::Any),
            system: declarer(Scope::Named(DatabaseName::system())),
        };
        desired.wider = wider;
        Ok(desired)
    }

    fn remembered(resource: &ArangoPermission, memory: &PermissionMemory) -> Option<Desired> {
        let RowName { user, database } = memory.row.as_ref()?;
        plan::remembered(&resource.spec, user, database)
    }

    fn object(desired: &Desired) -> String {
        object(&desired.database, &desired.user)
    }

    fn title(desired: &Desired) -> String {
        format!("{} on {}", desired.user, desired.database)
    }

    fn writes_to(desired: &Desired) -> Option<&UserName> {
        Some(&desired.user)
    }

    fn needs(resource: &ArangoPermission, desired: Option<&Desired>) -> Vec<Need> {
        let spec = &resource.spec;
        let by_name = |kind, reference: &Option<LocalRef>| {
            reference.as_ref().map(|reference| Need::Resource(kind, reference.name.clone()))
        };
        let references = [by_name(User::NAME, &spec.user_ref), by_name(Database::NAME, &spec.database_ref)];
        let objects = desired.into_iter().flat_map(|desired| {
            let database = desired.database.named().map(database::object);
            // Whose row it was is looked for by that user's name as well.
            let row = resource.status.as_ref().and_then(|status| status.memory.row.as_ref());
            let before = row.filter(|row| row.user != desired.user.as_str());
            let before = before.and_then(|row| Some(user::object(&UserName::parse(&row.user).ok()?)));
            [Some(user::object(&desired.user)), database, before].into_iter().flatten().map(Need::Object)
        });
        references.into_iter().flatten().chain(objects).collect()
    }

    fn consent(resource: &ArangoPermission, origin: Option<Origin>) -> Consent {
        consent_by_origin(resource.spec.deletion_policy, origin)
    }

    fn subject(desired: &Desired) -> Subject<'_> {
        Subject::Row(&desired.user, &desired.database)
    }

    fn protected(desired: &Desired, account: Option<&str>) -> Option<Hold> {
        user::protected(&desired.user, account)
    }

    async fn observe(
        server: &Server,
        _: &dyn Secrets,
        look: Look,
        desired: &Desired,
    ) -> Result<Observed, arango::Error> {
        let nothing = Observed {
            user: false,
            database: true,
            entry: Entry::default(),
            fallback: Level::None,
            wider: Wider::NOTHING,
        };
        if !server.read::<Users, _>(&(), look, |all| all.contains_key(&desired.user)).await? {
            return Ok(nothing);
        }
        if let Scope::Named(database) = &desired.database
            && !server.read::<Databases, _>(&(), look, |all| all.contains(database)).await?
        {
            return Ok(Observed { user: true, database: false, ..nothing });
        }
        // Taking a level away takes along whatever is under it, also what came a moment ago.
        let close = if look.removing { Look { since: Instant::now(), ..look } } else { look };
        let database = &desired.database;
        let (mut entry, fallback, mut wider) = server
            .read::<RightsOf, _>(&desired.user, close, |rights| {
                (rights.entry(database), rights.fallback(database), rights.wider(database))
            })
            .await?;
        if desired.minds_all() {
            wider.all = server.read::<WildcardOf, _>(&desired.user, look, |level| *level).await?;
        }
        let asks = look.removing || desired.access.is_none() || !desired.collections.is_empty();
        if desired.database == Scope::Any && asks {
            let level = server.read::<WildcardOf, _>(&desired.user, close, |level| *level).await?;
            if level != Level::None {
                entry.collections.insert(Scope::Any, level);
            }
        }
        Ok(Observed { user: true, database: true, entry, fallback, wider })
    }

    async fn rights(
        server: &Server,
        look: Look,
        desired: &Desired,
        access: &Access,
        _: bool,
    ) -> Result<Rights, arango::Error> {
        let Desired { user, database, .. } = desired;
        // Where rw is allowed nothing can be too high, and `*/*` is a question of its own.
        if access.limit(user, database) < Some(Level::Rw) || *database == Scope::Any {
            return all_rights(server, look, user).await;
        }
        server.read::<RightsOf, _>(user, look, Rights::clone).await
    }

    fn leads_to(action: &plan::Action, rights: &mut Rights) {
        action.apply(rights);
    }

    fn exists(observed: &Observed) -> bool {
        !observed.entry.is_empty()
    }

    fn plan(desired: &Desired, observed: &Observed, memory: &PermissionMemory) -> Plan<plan::Action> {
        plan::plan(desired, observed, memory)
    }

    fn removal(desired: &Desired, observed: &Observed, memory: &PermissionMemory) -> Plan<plan::Action> {
        plan::removal(desired, observed, memory)
    }

    fn shown(observed: &Observed) -> Shown {
        plan::shown(observed)
    }

    fn stands_out(action: &plan::Action) -> Option<Notable> {
        action.is_wide().then_some(Notable::WideRight)
    }

    fn remarks(desired: &Desired, observed: &Observed, memory: &PermissionMemory) -> Vec<Said> {
        effect::remark(desired, observed, memory).into_iter().collect()
    }

    fn must_be_remembered(action: &plan::Action) -> bool {
        matches!(action.change, Change::Remember(_) | Change::Record(_))
    }

    fn is_on_server(action: &plan::Action) -> bool {
        !matches!(action.change, Change::Remember(_) | Change::Record(_) | Change::Forget)
    }

    fn is_unfinished(memory: &PermissionMemory) -> bool {
        memory.restore.is_some()
    }

    async fn execute(
        server: &Server,
        _: &dyn Secrets,
        action: &plan::Action,
        memory: &mut PermissionMemory,
    ) -> Result<Execution, ExecuteError> {
        let done = carry_out(server, action, memory).await;
        if done.as_ref().is_err_and(ExecuteError::leaves_open) {
            server.forget::<RightsOf>(&action.user);
            server.forget::<WildcardOf>(&action.user);
        }
        done
    }
}

async fn carry_out(
    server: &Server,
    action: &plan::Action,
    memory: &mut PermissionMemory,
) -> Result<Execution, ExecuteError> {
    let plan::Action { user, database, change } = action;
    let client = server.client.for_user(user);
    match change {
        Change::Remember(applied) => {
            memory.row = Some(RowName { user: user.to_string(), database: database.to_string() });
            memory.applied = applied.clone();
        }
        Change::Record(levels) => memory.restore = Some(levels.clone()),
        Change::Forget => memory.restore = None,
        Change::Grant(level) => {
            client.grant_database(user, database, *level).await?;
            crash::at(Point::LevelGranted);
            amend(server, user, database, {
                let level = *level;
                move |entry| entry.level = Some(level)
            });
        }
        Change::Revoke => {
            client.revoke_database(user, database).await?;
            crash::at(Point::LevelRevoked);
            amend(server, user, database, |entry| *entry = Entry::default());
        }
        Change::GrantCollection(collection, level) => {
            if let Err(error) = client.grant_collection(user, database, collection, *level).await {
                if error.class() == Class::Missing(What::Collection) {
                    return Ok(Execution::NotYet(Hold::new(
                        Reason::CollectionMissing,
                        format!(
                            "the collection {collection} does not exist in the database {database} yet; \
                                 looking again"
                        ),
                    )));
                }
                return Err(error.into());
            }
            crash::at(Point::CollectionGranted);
            set(server, user, database, collection, Some(*level));
        }
        Change::Restore(collection, level) => {
            match client.grant_collection(user, database, collection, *level).await {
                // Gone in the meantime, and its levels with it.
                Err(error) if matches!(error.class(), Class::Missing(_)) => {}
                Err(error) => return Err(error.into()),
                Ok(()) => set(server, user, database, collection, Some(*level)),
            }
            crash::at(Point::CollectionRestored);
        }
        Change::RevokeCollection(collection) => {
            match client.revoke_collection(user, database, collection).await {
                Err(error) if matches!(error.class(), Class::Missing(_)) => {}
                other => other?,
            }
            crash::at(Point::CollectionRevoked);
            set(server, user, database, collection, None);
        }
    }
    Ok(Execution::Done)
}

/// Brings what is known of a row up to our own write.
fn amend(
    server: &Server,
    user: &UserName,
    database: &Scope<DatabaseName>,
    change: impl Fn(&mut Entry) + Send + Sync + 'static,
) {
    let database = database.clone();
    if database == Scope::Any {
        server.forget::<WildcardOf>(user);
    }
    server.amend::<RightsOf>(user, move |rights| {
        let entry = rights.0.entry(database.clone()).or_default();
        change(entry);
        if database == Scope::Any {
            // As a read would tell it: no level and none are alike, and the level on `*/*` is a part of its own.
            entry.level = entry.level.filter(|level| *level != Level::None);
            entry.collections.clear();
        }
    });
}

fn set(
    server: &Server,
    user: &UserName,
    database: &Scope<DatabaseName>,
    collection: &Scope<CollectionName>,
    level: Option<Level>,
) {
    let collection = collection.clone();
    amend(server, user, database, move |entry| {
        match level {
            Some(level) => entry.collections.insert(collection.clone(), level),
            None => entry.collections.remove(&collection),
        };
    });
}

/// Forgets every right on a database that was dropped.
pub fn forget_database(server: &Server, database: &DatabaseName) {
    let database = Scope::Named(database.clone());
    server.amend_all::<RightsOf>(move |rights| {
        rights.0.remove(&database);
    });
}
