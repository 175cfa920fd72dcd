//! What must always hold, and what must hold once everything works again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use arango_operator::stand_in::{LogEntry, Model as Server, Request, StandIn, model as state};
use http::Method;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DynamicObject, ListParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    model::Left,
    step::{Level, Object, Place},
    storm::{Storm, now},
    user::{LIMIT, again, api},
};

/// A calm that is longer is told of, with what it waited for.
const SLOW: Duration = Duration::from_secs(20);

/// Faults that are no single event.
pub(crate) const LASTING: [&str; 3] = ["delay", "stale", "refuse"];

/// The collection with data.
pub(crate) const DATA: &str = "precious";
/// Databases that are not ours.
pub(crate) const THEIRS: [&str; 2] = ["theirs-0", "theirs-1"];
/// Users that are not ours.
const THEM: [&str; 2] = ["them-0", "them-1"];

/// What is not ours, as it was in the beginning.
#[derive(Debug, PartialEq)]
pub(crate) struct Theirs {
    users: Vec<Option<state::User>>,
    collections: Vec<Vec<String>>,
}

impl Theirs {
    /// Makes it.
    pub(crate) fn make(server: &StandIn) -> Self {
        for (database, user) in THEIRS.iter().zip(THEM) {
            let requests = [
                Request::post("/_api/database", &json!({"name": database})),
                Request::post(format!("/_db/{database}/_api/collection"), &json!({"name": DATA})),
                Request::post("/_api/user", &json!({"user": user, "passwd": "theirs", "extra": {"a": 1}})),
                Request::put(format!("/_api/user/{user}/database/{database}"), &json!({"grant": "rw"})),
                Request::put(
                    format!("/_api/user/{user}/database/{database}/{DATA}"),
                    &json!({"grant": "ro"}),
                ),
            ];
            assert!(requests.iter().all(|request| Storm::by_hand(server, request)));
        }
        server.with_model(|model| Self::look(model))
    }

    fn look(model: &Server) -> Self {
        let collections = |database: &&str| model.collections(database).map(str::to_owned).collect();
        Self {
            users: THEM.iter().map(|user| model.user(user).cloned()).collect(),
            collections: THEIRS.iter().map(collections).collect(),
        }
    }
}

/// The object that has that name on the server.
fn named(name: &str) -> Option<Object> {
    let (place, rest) = name.split_once('-')?;
    let place = [Place::Own, Place::Tenant].into_iter().find(|known| known.prefix() == place)?;
    let number = rest.get(1..)?.parse().ok()?;
    match rest.get(..1)? {
        "d" => Some(Object::Database(place, number)),
        "u" => Some(Object::User(place, number)),
        _ => None,
    }
}

fn level(level: Level) -> state::Level {
    match level {
        Level::None => state::Level::None,
        Level::Ro => state::Level::Ro,
        Level::Rw => state::Level::Rw,
    }
}

impl Storm<'_> {
    /// Whether what a resource declares is on the server in some way.
    pub(crate) fn is_on_server(&self, object: Object) -> bool {
        self.server.with_model(|model| match object {
            Object::Database(..) => model.databases().any(|name| name == object.name()),
            Object::User(..) => model.user(&object.name()).is_some(),
            Object::Row(place, user, database) => {
                let grants = model.grants(&Object::User(place, user).name());
                let database = Object::Database(place, database).name();
                // Rights on databases that are gone are none.
                model.databases().any(|name| name == database)
                    && grants
                        .and_then(|grants| grants.get(&database))
                        .is_some_and(|row| row.level.is_some() || !row.collections.is_empty())
            }
        })
    }

    /// Whether a database has data.
    pub(crate) fn has_data(&self, database: &str) -> bool {
        self.server.with_model(|model| model.collections(database).any(|collection| collection == DATA))
    }

    /// What may never happen has not happened.
    pub(crate) fn nothing_forbidden(&mut self) -> Result<(), String> {
        let log = self.server.take_requests();
        self.report.requests += log.len() as u64;
        self.replicas.note(&log);
        // Those two are met by every request in their time, and are counted when they begin.
        let hit = log.iter().filter_map(|entry| entry.fault).filter(|name| !LASTING.contains(name));
        hit.for_each(|name| self.report.fault(name, 1));
        for entry in log.iter().filter(|entry| entry.method != Method::GET) {
            self.was_allowed(entry)?;
        }
        let theirs = self.server.with_model(|model| Theirs::look(model));
        if theirs != self.theirs {
            return Err(format!("what is not ours was changed: {theirs:?}"));
        }
        for database in &self.model.filled {
            let name = database.name();
            if !self.has_data(&name) {
                return Err(format!("the data of {name} is lost"));
            }
        }
        Ok(())
    }

    /// Nothing is dropped or deleted without consent, and no request is about what is not ours.
    fn was_allowed(&self, entry: &LogEntry) -> Result<(), String> {
        let path = entry.path.strip_prefix("/_db/_system").unwrap_or(&entry.path);
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<_> = path.trim_start_matches('/').split('/').collect();
        let revoked = entry.method == Method::DELETE
            && matches!(parts[..], ["_api", "user", user, "database", _] if named(user).is_some_and(Object::revokes));
        if !revoked && parts.iter().any(|part| THEIRS.contains(part) || THEM.contains(part)) {
            return Err(format!("a request about what is not ours: {entry:?}"));
        }
        let ["_api", "database" | "user", name] = parts[..] else { return Ok(()) };
        let consented = || named(name).is_some_and(|object| self.model.may_go(object, entry.came.0));
        if entry.method == Method::DELETE && !consented() {
            return Err(format!("nobody had said that {name} may go: {entry:?}"));
        }
        Ok(())
    }

    /// Ends all faults, and waits until everything is as it is declared.
    pub(crate) async fn calm(&mut self) -> Result<(), String> {
        self.clear().await?;
        let begun = Instant::now();
        let mut last = None;
        loop {
            let Some(complaint) = self.complaint().await? else { break };
            self.nothing_forbidden()?;
            if begun.elapsed() > LIMIT {
                return Err(format!("not in order within {LIMIT:?}: {complaint}"));
            }
            last = Some(complaint);
            sleep(Duration::from_millis(100)).await;
        }
        let took = begun.elapsed();
        self.replicas.one_at_a_time()?;
        self.report.calms += 1;
        if took > self.report.longest_calm {
            self.report.longest_calm = took;
        }
        if took > SLOW {
            eprintln!("in order only after {took:.1?}; until then {}", last.unwrap_or_default());
        }
        Ok(())
    }

    /// What is not as it is declared.
    pub(crate) async fn complaint(&self) -> Result<Option<String>, String> {
        let mut found = BTreeMap::new();
        for place in [Place::Own, Place::Tenant] {
            for kind in ["ArangoDatabase", "ArangoUser", "ArangoPermission"] {
                let api = api(&self.client, self.namespace(place), kind);
                let list = again("list", async || api.list(&ListParams::default()).await).await?;
                let name = |object: &DynamicObject| object.metadata.name.clone().unwrap_or_default();
                found.extend(list.items.into_iter().map(|object| ((kind, name(&object)), object)));
            }
        }
        for object in self.model.declared() {
            let Some(resource) = found.remove(&(object.kind(), object.name())) else {
                return Ok(Some(format!("the resource {} is gone", object.name())));
            };
            if let Some(complaint) = self.complaint_of(object, &resource).await? {
                return Ok(Some(format!("{complaint}: {}", resource.data["status"])));
            }
        }
        for object in &self.model.blocked {
            let resource = found.remove(&(object.kind(), object.name()));
            if let Some(complaint) = resource.and_then(|resource| says_blocked(&resource)) {
                return Ok(Some(complaint));
            }
        }
        if let Some(((kind, name), resource)) = found.into_iter().next() {
            let meta = resource.metadata;
            let why = format!("{:?} {}", meta.finalizers, resource.data["status"]);
            return Ok(Some(format!("the {kind} {name} was deleted and is still there: {why}")));
        }
        Ok(self.complaint_of_the_rest())
    }

    async fn complaint_of(&self, object: Object, resource: &DynamicObject) -> Result<Option<String>, String> {
        let name = object.name();
        let is_row = matches!(object, Object::Row(..));
        if !self.model.acts_on(object) || (is_row && !self.model.can_be_checked(object)) {
            return Ok(None);
        }
        let status = &resource.data["status"];
        let is_ready = ready(resource)["status"] == "True"
            && status["observedGeneration"].as_i64() == resource.metadata.generation;
        if !is_ready {
            return Ok(Some(format!("{name} is not Ready")));
        }
        Ok(match object {
            Object::Database(..) => {
                (!self.is_on_server(object)).then(|| format!("the database {name} is not there"))
            }
            Object::User(..) => self.complaint_of_user(object, status).await?,
            Object::Row(place, user, database) => {
                let row = self.model.rows[&object];
                let grants = self.server.with_model(|model| {
                    model.grants(&Object::User(place, user).name()).cloned().unwrap_or_default()
                });
                let found =
                    grants.get(&Object::Database(place, database).name()).cloned().unwrap_or_default();
                let collections = row.collections.map(|on_all| ("*".to_owned(), level(on_all)));
                let expected = state::Entry {
                    level: Some(level(row.access)),
                    collections: collections.into_iter().collect(),
                };
                (found != expected).then(|| format!("{name} is {found:?} and not {expected:?}"))
            }
        })
    }

    async fn complaint_of_user(&self, object: Object, status: &Value) -> Result<Option<String>, String> {
        let (name, declared) = (object.name(), self.model.users[&object]);
        let Some(user) = self.server.with_model(|model| model.user(&name).cloned()) else {
            return Ok(Some(format!("the user {name} is not there")));
        };
        let team = format!("team-{}", declared.team);
        if user.active != declared.active || user.extra.get("team") != Some(&json!(team)) {
            return Ok(Some(format!("the user {name} is not as declared: {} {:?}", user.active, user.extra)));
        }
        let password = if declared.generated {
            let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace(object.place()));
            let secret = format!("{name}-password");
            let found = again("read a Secret", async || api.get_opt(&secret).await).await?;
            let data = found.and_then(|found| found.data).unwrap_or_default();
            if data.contains_key("password-next") {
                return Ok(Some(format!("the password of {name} is not replaced to the end")));
            }
            let password = data.get("password").map(|value| value.0.clone()).unwrap_or_default();
            String::from_utf8(password).unwrap()
        } else {
            self.password(object)
        };
        // A password that was changed by hand is found by a login, and who may not log in can't.
        if declared.active && !user.password.matches(&password) {
            return Ok(Some(format!("{name} can't log in with what his Secret says")));
        }
        let wish = self.model.wishes.get(&object);
        if wish.is_some_and(|wish| status["rotated"] != json!(wish)) {
            return Ok(Some(format!("the wish {wish:?} is not fulfilled")));
        }
        Ok(None)
    }

    /// What is left, what nobody declares, and what is not of a resource.
    fn complaint_of_the_rest(&self) -> Option<String> {
        for (object, left) in &self.model.left {
            let there = self.is_on_server(*object);
            let name = object.name();
            match left {
                Left::There if !there => return Some(format!("{name} was to stay, and is gone")),
                Left::Gone if there => return Some(format!("{name} was to go, and is there")),
                _ => {}
            }
        }
        self.server.with_model(|model| {
            for user in &self.model.granted {
                let grants = model.grants(&user.name());
                let kept = grants.and_then(|grants| grants.get(THEIRS[0])).and_then(|row| row.level);
                let is_right = if user.revokes() {
                    kept.is_none() || !self.model.acts_on(*user)
                } else {
                    kept == Some(state::Level::Ro)
                };
                if !is_right {
                    return Some(format!("the right of {} that nobody declares is {kept:?}", user.name()));
                }
            }
            let known = THEIRS.iter().map(|name| (*name).to_owned()).chain(["_system".to_owned()]);
            let known: BTreeSet<String> = known.collect();
            let strange = |name: &&str| !known.contains(*name) && named(name).is_none();
            if let Some(name) = model.databases().find(strange) {
                return Some(format!("nobody declares the database {name}"));
            }
            let maintained = model.state().maintenance_until.is_some_and(|until| until > now());
            (maintained != self.model.maintenance).then(|| format!("maintenance is {maintained}"))
        })
    }
}

fn ready(resource: &DynamicObject) -> &Value {
    let conditions = resource.data["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or(&Value::Null)
}

/// What is wrong with a resource whose deletion is blocked, if it doesn't say so.
fn says_blocked(resource: &DynamicObject) -> Option<String> {
    let name = resource.metadata.name.clone().unwrap_or_default();
    (ready(resource)["reason"] != "DeletionBlocked").then(|| {
        format!(
            "{name} has data, is deleted, and doesn't say that this is blocked: {}",
            resource.data["status"]
        )
    })
}
