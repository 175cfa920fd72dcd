//! The typed client: one method per thing that is asked of a deployment. Names come in parsed, answers go out
//! typed; what carries the requests is a [`Transport`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{
    Error, Request, Response, Transport,
    answers::{
        Availability, CollectionInfo, Engine, Envelope, Id, LoginAnswer, Role, RoleAnswer, Status, UserInfo,
        UserRow, Version,
    },
    rights::Listing,
    settle::Effect,
};
use crate::core::{CollectionName, DatabaseName, Level, Rights, Scope, UserName, balance::affinity_of};

/// Users, rights and databases are global, and the system database is where each of them can be reached.
pub(super) const DATABASE: &str = "/_db/_system/_api/database";
pub(super) const USER: &str = "/_db/_system/_api/user";

/// A client for one deployment. Cheap to clone; clones share connections and login.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    affinity: Option<u64>,
    coordinator: Option<usize>,
}

/// How a database is created (reference: databases, create). What is absent is the server's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// `flexible` or `single`; the server takes any other value for `flexible`.
    pub sharding: Option<String>,
    /// How many copies new collections have.
    pub replication_factor: Option<u32>,
    /// How many copies a write waits for.
    pub write_concern: Option<u32>,
}

/// A user to create. The password is not optional: without one the server would set an empty one.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The password.
    pub password: &'a SecretString,
    /// Whether the user may log in.
    pub active: bool,
    /// Arbitrary data beside the user.
    pub extra: Map<String, Value>,
}

/// What changes of a user; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// The new password.
    pub password: Option<SecretString>,
    /// Whether the user may log in.
    pub active: Option<bool>,
    /// Keys to set. The server merges them deeply, so a key can't be removed this way.
    pub extra: Option<Map<String, Value>>,
}

/// What a login says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The password is the user's.
    Taken,
    /// It isn't, or there is no such user, or he is not active.
    Refused,
    /// The server has no authentication: it says so with 404, from 3.12.6 on with something that is no token
    /// (reference: authentication, login).
    NotNeeded,
}

impl Client {
    /// A client over a transport, a [`super::Pool`] most of the time.
    pub fn new(transport: impl Transport + 'static) -> Self {
        Self::over(Arc::new(transport))
    }

    /// A client over a shared transport.
    pub fn over(transport: Arc<dyn Transport>) -> Self {
        Self { transport, affinity: None, coordinator: None }
    }

    /// The same client for what concerns one server user: all of it goes through one coordinator while that
    /// works, because the others see a change of a user only a moment later (reference: users, consistency).
    #[must_use]
    pub fn for_user(&self, user: &UserName) -> Self {
        Self { affinity: Some(affinity_of("user", user.as_str())), ..self.clone() }
    }

    /// The same client for what concerns one database: the look before a drop and the drop see the same.
    #[must_use]
    pub fn for_database(&self, database: &DatabaseName) -> Self {
        Self { affinity: Some(affinity_of("database", database.as_str())), ..self.clone() }
    }

    /// The same client for one coordinator alone, by its place in the list of endpoints.
    #[must_use]
    pub fn at(&self, coordinator: usize) -> Self {
        Self { coordinator: Some(coordinator), ..self.clone() }
    }

    /// Sends any request; an answer of any status is `Ok`.
    pub async fn send(&self, mut request: Request) -> Result<Response, Error> {
        request.affinity = request.affinity.or(self.affinity);
        request.coordinator = request.coordinator.or(self.coordinator);
        self.transport.send(request).await
    }

    /// Waits, by the transport's clock.
    pub async fn pause(&self, time: Duration) {
        self.transport.pause(time).await;
    }

    /// Sends any request and refuses an answer that is no success.
    pub async fn call(&self, request: Request) -> Result<Response, Error> {
        let (method, path) = (request.method.clone(), request.path.clone());
        let response = self.send(request).await?;
        if response.status.is_success() {
            return Ok(response);
        }
        Err(Error::answer(method, path, response.status, &response.body))
    }

    /// Asks for a path and reads the JSON of its answer.
    pub async fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Result<T, Error> {
        let request = Request::new(Method::GET, path);
        let path = request.path.clone();
        let response = self.call(request).await?;
        serde_json::from_slice(&response.body)
            .map_err(|error| Error::not_understood(Method::GET, path, &error))
    }

    /// All databases, whoever may use them (reference: databases, list all).
    pub async fn databases(&self) -> Result<BTreeSet<DatabaseName>, Error> {
        let names: Envelope<Vec<String>> = self.get(DATABASE).await?;
        Ok(names.result.into_iter().map(DatabaseName::from_server).collect())
    }

    /// Creates a database, with no user and no right in it (reference: databases, create).
    ///
    /// If the answer is lost, the listing tells: a database of that name is there, and that is a success, though who
    /// made it, and with which options, can't be told. If a second of looks doesn't find it, it is sent once more.
    /// [`Error::Lost`] is left only where the looks fail, too.
    pub async fn create_database(
        &self,
        database: &DatabaseName,
        options: &DatabaseOptions,
    ) -> Result<(), Error> {
        let mut body_options = Map::new();
        if let Some(sharding) = &options.sharding {
            body_options.insert("sharding".into(), json!(sharding));
        }
        if let Some(factor) = options.replication_factor {
            body_options.insert("replicationFactor".into(), json!(factor));
        }
        if let Some(concern) = options.write_concern {
            body_options.insert("writeConcern".into(), json!(concern));
        }
        let body = json!({"name": database.as_str(), "options": body_options});
        self.create(body, Effect::Database(database)).await
    }

    /// Drops a database with all that is in it; its explicit rights go from every user with it (reference:
    /// databases, drop).
    ///
    /// Sent once. If the answer is lost and the database is gone, that is a success. If it is still there, the error
    /// stands: whether what is there now may be dropped is another decision.
    pub async fn drop_database(&self, database: &DatabaseName) -> Result<(), Error> {
        let path = format!("{DATABASE}/{}", database.encoded());
        self.remove(path, Effect::NoDatabase(database)).await
    }

    /// All users, inactive ones too (reference: users, list). Needs an administrator.
    pub async fn users(&self) -> Result<BTreeMap<UserName, UserInfo>, Error> {
        let users: Envelope<Vec<UserRow>> = self.get(USER).await?;
        let info =
            |UserRow { user, active, extra }| (UserName::from_server(user), UserInfo { active, extra });
        Ok(users.result.into_iter().map(info).collect())
    }

    /// Creates a user without any right (reference: users, create).
    ///
    /// If the answer is lost, a look tells: a user with this `active`, this `extra` and, by a login, this password is
    /// the one that was to be, and that is a success. If a second of looks finds nobody of the name, it is sent once
    /// more; the server keeps names unique, so there is never a second user. Somebody else of that name is left alone,
    /// and the error stands. So it does for a user who is not active or a server without authentication, where
    /// a login proves nothing.
    pub async fn create_user(&self, user: &UserName, new: &NewUser<'_>) -> Result<(), Error> {
        let mut body = json!({
            "user": user.as_str(),
            "passwd": new.password.expose_secret(),
            "active": new.active,
        });
        if !new.extra.is_empty() {
            body["extra"] = Value::Object(new.extra.clone());
        }
        self.create(body, Effect::User(user, new)).await
    }

    /// Changes a user by PATCH, which keeps rights and whatever is not named. PUT is never sent: it would take
    /// all rights away (reference: users, replace resets grants; users, update).
    pub async fn update_user(&self, user: &UserName, change: &UserChange) -> Result<(), Error> {
        let mut body = Map::new();
        if let Some(password) = &change.password {
            body.insert("passwd".into(), json!(password.expose_secret()));
        }
        if let Some(active) = change.active {
            body.insert("active".into(), json!(active));
        }
        if let Some(extra) = &change.extra {
            body.insert("extra".into(), Value::Object(extra.clone()));
        }
        let request = Request::new(Method::PATCH, user_path(user)).body(Value::Object(body));
        self.call(request).await.map(drop)
    }

    /// Deletes a user with all his rights (reference: users, delete).
    ///
    /// Sent once. If the answer is lost and he is gone, that is a success. If somebody of that name is still there, the
    /// error stands: it may be a new one.
    pub async fn delete_user(&self, user: &UserName) -> Result<(), Error> {
        self.remove(user_path(user), Effect::NoUser(user)).await
    }

    /// A user's explicit rights on what exists (reference: permissions, full listing). A missing user is
    /// [`super::What::User`]. Rights on databases that don't exist and the one on `*/*` are not in the listing.
    /// A wildcard level `none` counts as no entry: the server doesn't tell the two apart, and they mean the same.
    pub async fn rights(&self, user: &UserName) -> Result<Rights, Error> {
        let listing: Listing = self.get(format!("{}/database?full=true", user_path(user))).await?;
        Ok(listing.result)
    }

    /// The level on every collection of every database without an entry of its own, `*/*`, which no listing
    /// shows (reference: permissions, one level). `configured=true` because read-only mode would show `rw` as
    /// `ro`. Without an entry `*/*` this is what the wildcard database gives.
    pub async fn wildcard_of_wildcard(&self, user: &UserName) -> Result<Level, Error> {
        let path = format!("{}/database/*/*?configured=true", user_path(user));
        Ok(self.get::<Envelope<Level>>(path).await?.result)
    }

    /// Sets a database level; collection levels stay (reference: permissions, grant database). The database
    /// need not exist.
    pub async fn grant_database(
        &self,
        user: &UserName,
        database: &Scope<DatabaseName>,
        level: Level,
    ) -> Result<(), Error> {
        self.grant(format!("{}/database/{}", user_path(user), database.encoded()), level).await
    }

    /// Takes a database's whole entry away, **its collection levels with it** (reference: permissions, revoke
    /// database). A success also if there was none.
    pub async fn revoke_database(
        &self,
        user: &UserName,
        database: &Scope<DatabaseName>,
    ) -> Result<(), Error> {
        let path = format!("{}/database/{}", user_path(user), database.encoded());
        self.call(Request::new(Method::DELETE, path)).await.map(drop)
    }

    /// Sets a collection level; database and collection must exist, unless wildcards (reference: permissions,
    /// grant collection).
    pub async fn grant_collection(
        &self,
        user: &UserName,
        database: &Scope<DatabaseName>,
        collection: &Scope<CollectionName>,
        level: Level,
    ) -> Result<(), Error> {
        self.grant(collection_path(user, database, collection), level).await
    }

    /// Takes a collection level away (reference: permissions, revoke collection). A missing collection is an
    /// error here too.
    pub async fn revoke_collection(
        &self,
        user: &UserName,
        database: &Scope<DatabaseName>,
        collection: &Scope<CollectionName>,
    ) -> Result<(), Error> {
        let path = collection_path(user, database, collection);
        self.call(Request::new(Method::DELETE, path)).await.map(drop)
    }

    /// The collections of a database that the connection's user may see (reference: information, collections).
    pub async fn collections(&self, database: &DatabaseName) -> Result<Vec<CollectionInfo>, Error> {
        let path = format!("/_db/{}/_api/collection", database.encoded());
        Ok(self.get::<Envelope<Vec<CollectionInfo>>>(path).await?.result)
    }

    /// The server's version (reference: information, version).
    pub async fn version(&self) -> Result<Version, Error> {
        self.get("/_db/_system/_api/version").await
    }

    /// What kind of server answers (reference: information, server role).
    pub async fn role(&self) -> Result<Role, Error> {
        Ok(self.get::<RoleAnswer>("/_db/_system/_admin/server/role").await?.role)
    }

    /// The id of the coordinator that answers; a single server has none and answers 500 (reference:
    /// information, server id).
    pub async fn server_id(&self) -> Result<String, Error> {
        Ok(self.get::<Id>("/_db/_system/_admin/server/id").await?.id)
    }

    /// How the server is, as much as it tells (reference: information, status).
    pub async fn status(&self) -> Result<Status, Error> {
        self.get("/_db/_system/_admin/status").await
    }

    /// Whether the server takes requests; needs no login (reference: information, availability).
    pub async fn availability(&self) -> Result<Availability, Error> {
        let request = Request::new(Method::GET, "/_admin/server/availability").anonymous();
        let response = self.call(request).await?;
        // Only the status counts; a body that can't be read says nothing against the server.
        Ok(serde_json::from_slice(&response.body).unwrap_or_default())
    }

    /// The name of the storage engine (reference: information, engine).
    pub async fn engine(&self) -> Result<String, Error> {
        Ok(self.get::<Engine>("/_db/_system/_api/engine").await?.name)
    }

    /// Logs in as a user, beside the connection's own login (reference: authentication, login). The token is thrown
    /// away. A user who is not active is refused.
    pub async fn log_in(&self, user: &UserName, password: &SecretString) -> Result<Login, Error> {
        let request = login_request(user.as_str(), password);
        let (method, path) = (request.method.clone(), request.path.clone());
        let response = self.send(request).await?;
        match response.status {
            StatusCode::OK => {
                // A success without a token is no login: something else answers there.
                serde_json::from_slice::<LoginAnswer>(&response.body)
                    .map(|answer| if answer.is_token() { Login::Taken } else { Login::NotNeeded })
                    .map_err(|error| Error::not_understood(method, path, &error))
            }
            StatusCode::UNAUTHORIZED => Ok(Login::Refused),
            StatusCode::NOT_FOUND => Ok(Login::NotNeeded),
            status => Err(Error::answer(method, path, status, &response.body)),
        }
    }

    /// Whether a password is proven to be a user's. An inactive user is `false` too, and so is everybody on a server
    /// without authentication.
    pub async fn verify_password(&self, user: &UserName, password: &SecretString) -> Result<bool, Error> {
        Ok(self.log_in(user, password).await? == Login::Taken)
    }

    async fn grant(&self, path: String, level: Level) -> Result<(), Error> {
        let body = json!({"grant": level.as_str()});
        self.call(Request::new(Method::PUT, path).body(body)).await.map(drop)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("affinity", &self.affinity).finish_non_exhaustive()
    }
}

/// The login, for one's own token and to check somebody's password (reference: authentication, login).
pub(super) fn login_request(user: &str, password: &SecretString) -> Request {
    let body = json!({"username": user, "password": password.expose_secret()});
    Request::new(Method::POST, "/_open/auth").body(body).anonymous()
}

pub(super) fn user_path(user: &UserName) -> String {
    format!("{USER}/{}", user.encoded())
}

fn collection_path(
    user: &UserName,
    database: &Scope<DatabaseName>,
    collection: &Scope<CollectionName>,
) -> String {
    format!("{}/database/{}/{}", user_path(user), database.encoded(), collection.encoded())
}
