//! `/_api/user`: accounts. Rights are in `permissions`.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    Call, Model, OK, Password,
    answer::{Answer, Failure, Reply, done, object, result},
    state::{ROOT, User},
};

impl Model {
    pub(super) fn user_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        match (call.method(), rest) {
            (&Method::GET, []) => self.list_users(call),
            (&Method::GET, [user]) => self.read_user(call, user),
            (&Method::GET, [user, "database"]) => self.list_levels(call, user),
            (&Method::GET, [user, "database", database]) => self.read_level(call, user, database, None),
            (&Method::GET, [user, "database", database, collection]) => {
                self.read_level(call, user, database, Some(collection))
            }
            (&Method::GET, [user, "config"]) => self.read_config(call, user, None),
            (&Method::GET, [user, "config", key]) => self.read_config(call, user, Some(key)),
            (&Method::POST, []) => self.create_user(call),
            (&Method::POST, [user]) => self.check_password(call, user),
            (&Method::PUT, [user]) => self.replace_user(call, user),
            (&Method::PUT, [user, "database", database]) => self.grant_database(call, user, database),
            (&Method::PUT, [user, "database", database, collection]) => {
                self.grant_collection(call, user, database, collection)
            }
            (&Method::PUT | &Method::DELETE, [user, "config", key]) => {
                self.write_config(call, user, Some(key))
            }
            (&Method::DELETE, [user, "config"]) => self.write_config(call, user, None),
            (&Method::PATCH, [user]) => self.update_user(call, user),
            (&Method::DELETE, [user]) => self.remove_user(call, user),
            (&Method::DELETE, [user, "database", database]) => self.revoke_database(call, user, database),
            (&Method::DELETE, [user, "database", database, collection]) => {
                self.revoke_collection(call, user, database, collection)
            }
            (&Method::GET | &Method::POST | &Method::PUT | &Method::PATCH | &Method::DELETE, _) => {
                Err(Failure::bad(10))
            }
            // This route has its own way of saying it: 400 with errorNum 405.
            _ => Err(Failure::bad(405)),
        }
    }

    /// Whether the caller is this user or an administrator: enough for reading.
    pub(super) fn may_read(&self, call: &Call<'_>, user: &str) -> Result<(), Failure> {
        if call.caller.name() == Some(user) || self.is_admin(call.caller) {
            return Ok(());
        }
        Err(Failure::hidden())
    }

    /// Whether the caller may change this account: himself or an administrator.
    fn may_change(&self, call: &Call<'_>, user: &str) -> Result<(), Failure> {
        // ASSUMED: in read-only mode nobody changes himself either.
        let himself = call.caller.name() == Some(user) && !self.state.read_only;
        if himself || self.may_administrate(call.caller) { Ok(()) } else { Err(Failure::forbidden()) }
    }

    /// Whether the caller may change accounts and rights.
    pub(super) fn must_administrate(&self, call: &Call<'_>) -> Result<(), Failure> {
        if self.may_administrate(call.caller) { Ok(()) } else { Err(Failure::forbidden()) }
    }

    pub(super) fn existing(&self, user: &str) -> Result<&User, Failure> {
        self.user(user).ok_or_else(|| Failure::missing(1703))
    }

    pub(super) fn existing_mut(&mut self, user: &str) -> Result<&mut User, Failure> {
        self.state.user_mut(user).ok_or_else(|| Failure::missing(1703))
    }

    fn list_users(&self, call: &Call<'_>) -> Answer {
        self.for_administrators(call)?;
        let users = self.state.users.iter();
        let users: Vec<Value> = users.map(|(name, user)| shown(name, user)).collect();
        result(OK, &users)
    }

    fn read_user(&self, call: &Call<'_>, name: &str) -> Answer {
        self.may_read(call, name)?;
        object(OK, shown(name, self.existing(name)?))
    }

    fn create_user(&mut self, call: &Call<'_>) -> Answer {
        // ASSUMED: bad JSON and a body that isn't an object are refused with 600, before the right is looked at.
        let body = call.json().filter(Value::is_object).ok_or_else(|| Failure::bad(600))?;
        self.must_administrate(call)?;
        let name = body["user"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| Failure::bad(1700))?;
        if self.state.users.contains_key(name) {
            return Err(Failure::new(StatusCode::CONFLICT, 1702));
        }
        let user = self.built(name, &body);
        let answer = object(StatusCode::CREATED, shown(name, &user));
        self.state.users.insert(name.to_owned(), user.into());
        answer
    }

    /// A brand-new user from a body; wrong types count as absent.
    fn built(&self, name: &str, body: &Value) -> User {
        let mut user =
            User::new(Password::new(self.config.seed, name, body["passwd"].as_str().unwrap_or_default()));
        user.active = body["active"].as_bool().unwrap_or(true);
        user.extra = body["extra"].as_object().cloned().unwrap_or_default();
        user
    }

    /// Replacing builds a new user: an absent password is empty, and all grants go (reference: users, replace).
    fn replace_user(&mut self, call: &Call<'_>, name: &str) -> Answer {
        self.may_change(call, name)?;
        let body = body_or_empty(call)?;
        self.existing(name)?;
        let mut user = self.built(name, &body);
        user.keep_root_rights(name);
        let answer = object(OK, shown(name, &user));
        self.state.users.insert(name.to_owned(), user.into());
        answer
    }

    fn update_user(&mut self, call: &Call<'_>, name: &str) -> Answer {
        self.may_change(call, name)?;
        let body = body_or_empty(call)?;
        let seed = self.config.seed;
        let user = self.existing_mut(name)?;
        if let Some(password) = body["passwd"].as_str() {
            user.password = Password::new(seed, name, password);
        }
        if let Some(active) = body["active"].as_bool() {
            user.active = active;
        }
        if let Some(extra) = body["extra"].as_object() {
            merge(&mut user.extra, extra);
        }
        object(OK, shown(name, user))
    }

    fn remove_user(&mut self, call: &Call<'_>, name: &str) -> Answer {
        self.must_administrate(call)?;
        if name == ROOT {
            return Err(Failure::forbidden());
        }
        self.state.users.remove(name).ok_or_else(|| Failure::missing(1703))?;
        done(StatusCode::ACCEPTED)
    }

    /// A wrong password, an unknown user and an inactive one look the same: 404 (reference: users, check).
    fn check_password(&self, call: &Call<'_>, name: &str) -> Answer {
        // ASSUMED: as for creating a user.
        let body = call.json().filter(Value::is_object).ok_or_else(|| Failure::bad(600))?;
        if !self.password_matches(name, body["passwd"].as_str().unwrap_or_default()) {
            return Err(Failure::missing(1703));
        }
        result(OK, &true)
    }

    fn read_config(&self, call: &Call<'_>, name: &str, key: Option<&str>) -> Answer {
        self.may_read(call, name)?;
        let config = &self.existing(name)?.config;
        let value = match key {
            Some(key) => config.get(key).cloned().unwrap_or_default(),
            None if config.is_empty() => Value::Null,
            None => Value::Object(config.clone()),
        };
        result(OK, &value)
    }

    fn write_config(&mut self, call: &Call<'_>, name: &str, key: Option<&str>) -> Answer {
        self.may_change(call, name)?;
        let value = match *call.method() {
            Method::PUT => body_or_empty(call)?.get("value").cloned(),
            _ => None,
        };
        let config = &mut self.existing_mut(name)?.config;
        match (key, value) {
            (Some(key), Some(value)) => drop(config.insert(key.to_owned(), value)),
            (Some(key), None) => drop(config.remove(key)),
            (None, _) => config.clear(),
        }
        // ASSUMED: the answer has no body.
        Ok(Reply::default())
    }
}

/// A user as answers show him.
fn shown(name: &str, user: &User) -> Value {
    json!({"user": name, "active": user.active, "extra": user.extra})
}

/// PUT and PATCH: an empty body is legal, bad JSON is errorNum 10.
fn body_or_empty(call: &Call<'_>) -> Result<Value, Failure> {
    if call.request.body.is_empty() {
        return Ok(json!({}));
    }
    call.json().filter(Value::is_object).ok_or_else(|| Failure::bad(10))
}

/// `extra` is merged at every depth. ASSUMED: a `null` is kept as a value.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}
