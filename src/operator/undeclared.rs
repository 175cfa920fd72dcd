//! `undeclaredPermissions: Revoke`: rights of a user that no ArangoPermission declares are taken away, with patience and
//! by the careful plan of `kinds::permission`. What it would take along is recorded in the user's status meanwhile.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use kube::{
    ResourceExt,
    core::object::HasStatus,
    runtime::{events::EventType, reflector::ObjectRef},
};
use parking_lot::Mutex;
use tracing::{debug, info};

use super::{
    clusters::connections::Connected,
    context::Context,
    secrets::NamespaceSecrets,
    store::{StoreError, Stored},
    watching::index::{Id, Ref, id_of},
};
use crate::{
    core::{
        Access, Because, Consent, DatabaseName, DriftPolicy, Origin, Scope, UserName,
        condition::{ConditionStatus, READY},
        plan::verb,
    },
    kinds::{
        Kind, Lookup,
        database::Database,
        permission::{
            Permission, RightsOf, WildcardOf,
            crd::{ArangoPermission, PermissionMemory, RowName},
            plan::{Collections, Declarers, Desired},
        },
        user::{
            User, object,
            undeclared::{Declared, Right, Suspicion, by_row, judge, undeclared},
        },
    },
    reconcile::{Journal, Look, Outcome, Secrets, Target, drive, snapshot::SETTLING},
};

/// What is suspected of whom. Not kept over a restart: then everything is looked at twice again.
#[derive(Debug, Default)]
pub struct Suspicions(Mutex<HashMap<Id, Suspicion>>);

impl Suspicions {
    fn get(&self, user: &Id) -> Option<Suspicion> {
        self.0.lock().get(user).cloned()
    }

    fn set(&self, user: &Id, suspicion: Option<Suspicion>) {
        let mut all = self.0.lock();
        match suspicion {
            Some(suspicion) => drop(all.insert(user.clone(), suspicion)),
            None => drop(all.remove(user)),
        }
    }

    /// A resource is gone.
    pub fn forget(&self, user: &Id) {
        self.set(user, None);
    }
}

/// Everything that any `ArangoPermission` names for the user, in any namespace and state, through any `ArangoCluster`
/// that leads to the same deployment or of which that isn't known.
fn declared_rows(context: &Context, cluster: &Id, user: &UserName) -> Declared {
    let Some(permissions) = context.permissions.get() else { return Declared::everything() };
    let candidates = {
        let index = context.index.lock();
        if index.deployment(cluster).is_none() {
            return Declared::everything();
        }
        index.may_need(cluster, &object(user), Permission::NAME)
    };
    let mut declared = Declared::default();
    for Ref { id, .. } in candidates {
        if let Some(permission) = permissions.get(&ObjectRef::new(&id.name).within(&id.namespace)) {
            add(context, &permission, user, &mut declared);
        }
    }
    declared
}

fn add(context: &Context, permission: &ArangoPermission, user: &UserName, declared: &mut Declared) {
    let spec = &permission.spec;
    let namespace = permission.namespace().unwrap_or_default();
    let lookup = context.lookup(&namespace);
    // A name that leads nowhere yet may come to mean anybody, and any database.
    let named = |given: &Option<String>, reference: Option<&str>, kind| {
        given.clone().or_else(|| Some(lookup.find(kind, reference?)?.name))
    };
    let whose = named(&spec.user, spec.user_ref.as_ref().map(|reference| &*reference.name), User::NAME);
    if whose.is_none_or(|whose| whose == user.as_str()) {
        let reference = spec.database_ref.as_ref().map(|reference| &*reference.name);
        let database = named(&spec.database, reference, Database::NAME);
        declared.add(database.as_deref(), spec.access.is_some(), spec.collections.keys());
    }
    let memory = permission.status().map(|status| &status.memory);
    if let Some(PermissionMemory { row: Some(row), applied, .. }) = memory
        && row.user == user.as_str()
    {
        declared.add(Some(&row.database), applied.access, &applied.collections);
    }
}

/// Stores the record of a row in the memory of the user's resource.
struct Record<'a, 'b, K: Kind> {
    stored: &'a mut Stored<'b, K::Resource>,
    memory: &'a mut K::Memory,
}

impl<K: Kind> Journal<Permission> for Record<'_, '_, K> {
    type Error = StoreError;

    async fn begin(&mut self, _: Origin, memory: &PermissionMemory) -> Result<(), StoreError> {
        self.save(memory).await
    }

    async fn save(&mut self, memory: &PermissionMemory) -> Result<(), StoreError> {
        if let Some(record) = K::revoking(self.memory) {
            *record = Some(memory.clone());
        }
        Journal::<K>::save(self.stored, self.memory).await
    }
}

/// One user's deployment, and on whose behalf.
struct Hand<'a, 'b, K: Kind> {
    connection: &'a Connected,
    secrets: &'a dyn Secrets,
    stored: &'a mut Stored<'b, K::Resource>,
    user: &'a UserName,
    access: &'a Access,
}

impl<K: Kind> Hand<'_, '_, K> {
    /// The user's row on a database, with nothing declared.
    fn row(&self, database: Scope<DatabaseName>) -> Desired {
        Desired {
            user: self.user.clone(),
            database,
            access: None,
            collections: Collections::new(),
            wider: Declarers::default(),
        }
    }

    /// Whether the row is within what the connection is lent for.
    fn may_touch(&self, database: &Scope<DatabaseName>) -> bool {
        self.access.admits(Permission::subject(&self.row(database.clone()))).is_ok()
    }

    /// Takes from one row what is noted as applied, or, without consent, only puts back what is recorded.
    async fn take_away(
        &mut self,
        database: Scope<DatabaseName>,
        row: PermissionMemory,
        consent: Consent,
        memory: &mut K::Memory,
    ) -> Result<Outcome<Permission>, StoreError> {
        let desired = self.row(database);
        let target = Target {
            desired: &desired,
            memory: row,
            origin: Some(Origin::Adopted),
            deleting: Some(consent),
            begun: true,
            policy: DriftPolicy::Correct,
            access: self.access,
        };
        let look = Look { since: self.connection.last_tick(), removing: true };
        let mut journal = Record::<K> { stored: &mut *self.stored, memory: &mut *memory };
        let server = &self.connection.server;
        let outcome = drive::<Permission, _>(server, self.secrets, look, target, &mut journal).await?;
        if let Some(record) = K::revoking(memory) {
            // Where user or database are gone, so is what was to be put back.
            let unfinished = !outcome.verdict.is_ready() && outcome.memory.restore.is_some();
            *record = unfinished.then(|| outcome.memory.clone());
        }
        Ok(outcome)
    }

    /// Puts back what a revoke that was cut off took along.
    async fn resume(&mut self, memory: &mut K::Memory) -> Result<Option<Outcome<Permission>>, StoreError> {
        let Some(row) = K::revoking(memory).and_then(|record| record.clone()) else { return Ok(None) };
        let name = row.row.as_ref().map(|row| row.database.clone()).unwrap_or_default();
        let database = Scope::<DatabaseName>::parse(&name)
            .unwrap_or_else(|_| Scope::Named(DatabaseName::from_server(name)));
        self.take_away(database, row, Consent::Keep, memory).await.map(Some)
    }
}

/// Brings a revoke that was cut off to its end, for a resource that is being deleted; why it can't be, if so.
pub async fn resume<K: Kind>(
    (connection, access): (&Connected, &Access),
    secrets: &NamespaceSecrets<'_>,
    stored: &mut Stored<'_, K::Resource>,
    desired: &K::Desired,
    memory: &mut K::Memory,
) -> Result<Option<String>, StoreError> {
    let Some(user) = K::writes_to(desired) else { return Ok(None) };
    let resumed = Hand::<K> { connection, secrets, stored, user, access }.resume(memory).await?;
    Ok(resumed.filter(|outcome| !outcome.verdict.is_ready()).map(|outcome| outcome.verdict.message))
}

/// Takes away what nobody declares, if the resource asks for that and has been Ready long enough. Called while nothing
/// else is to be done for it.
pub async fn revoke<K: Kind>(
    context: &Context,
    (connection, access): (&Connected, &Access),
    secrets: &NamespaceSecrets<'_>,
    (stored, desired): (&mut Stored<'_, K::Resource>, &K::Desired),
    outcome: &mut Outcome<K>,
    was_ready: bool,
) -> Result<(), StoreError> {
    let Some(user) = K::writes_to(desired).filter(|_| K::revoking(&mut outcome.memory).is_some()) else {
        return Ok(());
    };
    let id = id_of(&stored.resource);
    let may_begin = was_ready
        && outcome.verdict.is_ready()
        && K::revokes(&stored.resource)
        && has_been_ready::<K>(&stored.resource, connection.interval);
    let mut hand = Hand::<K> { connection, secrets, stored, user, access };
    if outcome.existed
        && let Some(resumed) = hand.resume(&mut outcome.memory).await?
        && !resumed.verdict.is_ready()
    {
        outcome.verdict = resumed.verdict;
        return Ok(());
    }
    if !may_begin {
        context.suspicions.set(&id, None);
        return Ok(());
    }
    let confirmed = confirmed(context, connection, &id, user).await;
    let (mut done, mut raised) = (Vec::new(), false);
    for (database, applied) in by_row(&confirmed) {
        if !hand.may_touch(&database) {
            continue;
        }
        let row = RowName { user: user.to_string(), database: database.to_string() };
        let row = PermissionMemory { row: Some(row), applied, restore: None };
        let taken = hand.take_away(database, row, Consent::Remove, &mut outcome.memory).await?;
        let steps = taken.done.iter().filter(|step| step.because != Because::Bookkeeping);
        done.extend(steps.map(|step| step.action.to_string()));
        raised |= taken.raised_rights;
        if !taken.verdict.is_ready() {
            outcome.verdict = taken.verdict;
            break;
        }
    }
    if !done.is_empty() {
        tell::<K>(context, &stored.resource, user, &done, raised).await;
    }
    Ok(())
}

/// Whether the resource has been Ready for a whole interval.
fn has_been_ready<K: Kind>(resource: &K::Resource, interval: Duration) -> bool {
    let conditions = resource.status().map(|status| &*status.conditions).unwrap_or_default();
    let ready = conditions.iter().find(|c| c.type_ == READY && c.status == ConditionStatus::True);
    let since = ready.and_then(|ready| ready.last_transition_time.parse::<jiff::Timestamp>().ok());
    since.is_some_and(|since| {
        Duration::try_from(jiff::Timestamp::now().duration_since(since)).is_ok_and(|ready| ready >= interval)
    })
}

/// The rights that two looks in a row have shown and nobody declares.
async fn confirmed(
    context: &Context,
    connection: &Connected,
    id: &Id,
    user: &UserName,
) -> std::collections::BTreeSet<Right> {
    let nothing = std::collections::BTreeSet::new();
    let (server, began) = (&connection.server, connection.last_tick());
    let before = context.suspicions.get(id);
    if before.as_ref().is_some_and(|before| !before.is_ripe(began, connection.interval)) {
        return nothing;
    }
    let look = Look { since: began, removing: false };
    let rights = server.read::<RightsOf, _>(user, look, Clone::clone).await;
    let wildcard = server.read::<WildcardOf, _>(user, look, |level| *level).await;
    // What was read within 5 s of a write of ours is no evidence.
    let wrote = [server.wrote_to::<RightsOf>(user), server.wrote_to::<WildcardOf>(user)];
    let is_evidence = wrote.into_iter().flatten().all(|at| at + SETTLING <= began);
    let (rights, wildcard) = match (rights, wildcard) {
        (Ok(rights), Ok(wildcard)) if is_evidence => (rights, wildcard),
        (Ok(_), Ok(_)) => return nothing,
        (Err(error), _) | (_, Err(error)) => {
            debug!(%error, resource = %id, "could not look for undeclared rights; looking again at the next interval");
            return nothing;
        }
    };
    let found = undeclared(&rights, wildcard, &declared_rows(context, connection.cluster(), user));
    let looked = (began, Instant::now());
    let (suspicion, confirmed) = judge(before.as_ref(), found, looked, connection.interval);
    context.suspicions.set(id, suspicion);
    confirmed
}

/// One Event for what was taken away, since several of one reason in a row are counted in the first, and one more if a
/// level may have risen by it.
async fn tell<K: Kind>(
    context: &Context,
    resource: &K::Resource,
    user: &UserName,
    done: &[String],
    raised: bool,
) {
    let list = done.join("; ");
    info!(kind = K::NAME, resource = %id_of(resource), because = "declared by nobody", "{list}");
    for action in done {
        context.metrics.acted(K::NAME, verb(action));
    }
    context.metrics.repaired(K::NAME);
    let note = format!("rights of {user} that no ArangoPermission declares were taken away: {list}");
    context.event(resource, EventType::Warning, "UndeclaredRevoked", note).await;
    if raised {
        let note = format!("a wider right applies again, so that a level may have risen: {list}");
        context.event(resource, EventType::Warning, "RightsRaised", note).await;
    }
}
