//! `/_api/database`: list, create with first users, drop with their grants.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    Call, Model, OK, Password,
    answer::{Answer, Failure, result},
    gate::Who,
    names,
    state::{ANY, DatabaseOptions, Level, SYSTEM, User},
};

/// A member of `users` in a request that creates a database.
struct NewUser {
    name: String,
    password: String,
    active: bool,
    extra: Map<String, Value>,
}

impl Model {
    pub(super) fn database_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        match *call.method() {
            Method::GET => self.read_databases(call, rest),
            Method::POST => self.create_database(call, rest),
            Method::DELETE => self.drop_database(call, rest),
            _ => Err(Failure::method()),
        }
    }

    fn read_databases(&self, call: &Call<'_>, rest: &[&str]) -> Answer {
        match rest {
            // Everybody who reaches `_system` sees every database (reference: databases, list).
            [] => {
                in_system(call)?;
                result(OK, &self.databases().collect::<Vec<_>>())
            }
            ["user"] => {
                let sees = |name: &&str| self.level(call.caller, name) > Level::None;
                result(OK, &self.databases().filter(sees).collect::<Vec<_>>())
            }
            ["current"] => self.current_database(call),
            [_] => Err(Failure::bad(10)),
            _ => Err(Failure::bad(400)),
        }
    }

    fn current_database(&self, call: &Call<'_>) -> Answer {
        let name = &call.target.database;
        let database = self.state.databases.get(name).ok_or_else(|| Failure::missing(1228))?;
        let mut answer = json!({
            "id": database.id.to_string(), "name": name, "isSystem": name == SYSTEM, "path": "none",
        });
        if self.config.is_cluster() {
            answer["sharding"] = database.options.sharding.clone().into();
            answer["replicationFactor"] = database.options.replication_factor.clone();
            answer["writeConcern"] = database.options.write_concern.into();
        }
        result(OK, &answer)
    }

    fn create_database(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        in_system(call)?;
        let body = call.json().filter(|_| rest.is_empty()).ok_or_else(|| Failure::bad(400))?;
        let Value::String(name) = &body["name"] else { return Err(Failure::bad(1208)) };
        self.check_database_right(call)?;
        let (id, options) = self.options(&body["options"])?;
        let users = first_users(&body["users"])?;
        names::database(&self.config, name)?;
        if self.state.databases.contains_key(name) {
            return Err(Failure::new(StatusCode::CONFLICT, 1207));
        }
        if let Some(max) = self.config.databases_max.filter(|max| self.state.databases.len() >= *max) {
            let message = format!(
                "unable to create additional database because it would exceed the configured maximum number of \
                 databases ({max})"
            );
            return Err(Failure::with(StatusCode::BAD_REQUEST, 32, message));
        }
        self.state.create_database(name, id, options);
        for user in users {
            self.add_first_user(name, user);
        }
        result(StatusCode::CREATED, &true)
    }

    /// An existing user keeps his password and his state, and gains the rights (reference: databases, create).
    fn add_first_user(&mut self, database: &str, new: NewUser) {
        if !self.state.users.contains_key(&new.name) {
            let mut user = User::new(Password::new(self.config.seed, &new.name, &new.password));
            user.active = new.active;
            self.state.users.insert(new.name.clone(), user.into());
        }
        if let Some(user) = self.state.user_mut(&new.name) {
            if !new.extra.is_empty() {
                user.extra = new.extra;
            }
            user.grant_database(database, Level::Rw);
            user.grant_collection(database, ANY, Level::Rw);
        }
    }

    fn drop_database(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        in_system(call)?;
        let [name] = rest else { return Err(Failure::bad(400)) };
        self.check_database_right(call)?;
        if *name == SYSTEM {
            // ASSUMED: the number.
            return Err(Failure::forbidden());
        }
        if !self.state.databases.contains_key(*name) {
            return Err(Failure::missing(1228));
        }
        self.state.drop_database(name);
        result(OK, &true)
    }

    fn check_database_right(&self, call: &Call<'_>) -> Result<(), Failure> {
        if !self.is_admin(call.caller) {
            return Err(Failure::forbidden());
        }
        if self.state.read_only && call.caller.who != Who::Superuser {
            return Err(Failure::with(StatusCode::FORBIDDEN, 11, "server is in read-only mode"));
        }
        Ok(())
    }

    /// Reads the options. A single server takes a cluster's options and ignores them; wrong types silently become
    /// the defaults.
    fn options(&self, options: &Value) -> Result<(Option<u64>, DatabaseOptions), Failure> {
        if !options.is_null() && !options.is_object() {
            return Err(Failure::with(StatusCode::BAD_REQUEST, 400, "invalid options slice"));
        }
        let id = match &options["id"] {
            Value::Null => None,
            Value::Number(id) => Some(id.as_u64().ok_or_else(|| Failure::bad(1221))?),
            Value::String(id) => Some(id.parse().map_err(|_| Failure::bad(1221))?),
            _ => return Err(Failure::bad(1221)),
        };
        let mut read = DatabaseOptions::default();
        if options["sharding"] == "single" {
            "single".clone_into(&mut read.sharding);
        }
        match &options["replicationFactor"] {
            Value::Number(factor) if factor.is_u64() => {
                read.replication_factor = options["replicationFactor"].clone();
            }
            Value::String(text) if text == "satellite" => read.replication_factor = text.clone().into(),
            _ => {}
        }
        if let Some(concern) = options["writeConcern"].as_u64().filter(|concern| *concern > 0) {
            read.write_concern = concern;
        }
        if let (true, Some(factor)) = (self.config.is_cluster(), read.replication_factor.as_u64()) {
            // ASSUMED: numbers and texts; the reference knows the status and the bounds.
            let servers = self.config.db_server_ids.len() as u64;
            if factor == 0 || factor > servers.min(10) || read.write_concern > factor {
                return Err(Failure::bad(10));
            }
        }
        Ok((id, read))
    }
}

/// Most of this route exists in `_system` alone.
fn in_system(call: &Call<'_>) -> Result<(), Failure> {
    if call.target.database == SYSTEM { Ok(()) } else { Err(Failure::new(StatusCode::FORBIDDEN, 1230)) }
}

/// Reads `users`. An empty name is skipped, a wrong type refuses the whole request, `password` is no key here.
fn first_users(users: &Value) -> Result<Vec<NewUser>, Failure> {
    let invalid = || Failure::with(StatusCode::BAD_REQUEST, 400, "invalid users slice");
    let users = match users {
        Value::Null => return Ok(Vec::new()),
        Value::Array(users) => users,
        _ => return Err(invalid()),
    };
    let mut read = Vec::with_capacity(users.len());
    for user in users {
        // A key that is there must be a text: `null` isn't one.
        let name = user.get("username").or(user.get("user")).and_then(Value::as_str).ok_or_else(invalid)?;
        let password = user.get("passwd").map_or(Some(""), Value::as_str).ok_or_else(invalid)?;
        if name.is_empty() {
            continue;
        }
        read.push(NewUser {
            name: name.to_owned(),
            password: password.to_owned(),
            active: user["active"].as_bool().unwrap_or(true),
            extra: user["extra"].as_object().cloned().unwrap_or_default(),
        });
    }
    Ok(read)
}
