//! One thing at a time: a user, a database, a level, a collection's count.

use serde::Deserialize;
use serde_json::Value;

use super::{Class, Client, Error, UserInfo, What, answers::Envelope};
use crate::core::{CollectionName, DatabaseName, Level, Scope, UserName};

/// A database's properties (reference: databases, current). A single server has no options.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseInfo {
    /// The id, digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is `_system`.
    pub is_system: bool,
    /// `single`, or empty for `flexible`.
    #[serde(default)]
    pub sharding: Option<String>,
    /// How many copies new collections have.
    #[serde(default)]
    pub replication_factor: Option<CopyCount>,
    /// How many copies a write waits for.
    #[serde(default)]
    pub write_concern: Option<u32>,
}

/// How many copies there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub enum CopyCount {
    /// So many.
    Count(u64),
    /// One on every DB-Server: `"satellite"`, or 0 as some versions write it.
    Satellite,
}

impl From<Value> for CopyCount {
    fn from(value: Value) -> Self {
        match value.as_u64() {
            Some(count) if count > 0 => Self::Count(count),
            _ => Self::Satellite,
        }
    }
}

impl Client {
    /// One user; `None` if there is none (reference: users, get). Needs an administrator or the user himself.
    pub async fn user(&self, user: &UserName) -> Result<Option<UserInfo>, Error> {
        let path = format!("/_db/_system/_api/user/{}", user.encoded());
        found(self.get(path).await, What::User)
    }

    /// A database's properties; `None` if there is none that the connection's user may know of.
    pub async fn database(&self, database: &DatabaseName) -> Result<Option<DatabaseInfo>, Error> {
        let path = format!("/_db/{}/_api/database/current", database.encoded());
        let answer: Result<Envelope<DatabaseInfo>, _> = self.get(path).await;
        Ok(found(answer, What::Database)?.map(|answer| answer.result))
    }

    /// A user's level on a database, fallbacks included, as configured: read-only mode doesn't cap it (reference:
    /// permissions, one level). The database need not exist. A user who doesn't exist has `none`.
    pub async fn level(&self, user: &UserName, database: &Scope<DatabaseName>) -> Result<Level, Error> {
        self.level_at(user, &database.encoded()).await
    }

    /// The same on a collection. Whether the database's own level lets him reach it is not in it.
    pub async fn collection_level(
        &self,
        user: &UserName,
        database: &Scope<DatabaseName>,
        collection: &Scope<CollectionName>,
    ) -> Result<Level, Error> {
        self.level_at(user, &format!("{}/{}", database.encoded(), collection.encoded())).await
    }

    async fn level_at(&self, user: &UserName, place: &str) -> Result<Level, Error> {
        let path = format!("/_db/_system/_api/user/{}/database/{place}?configured=true", user.encoded());
        Ok(self.get::<Envelope<Level>>(path).await?.result)
    }

    /// How many documents a collection has (reference: collections, count).
    pub async fn count(&self, database: &DatabaseName, collection: &CollectionName) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let path = format!("/_db/{}/_api/collection/{}/count", database.encoded(), collection.encoded());
        Ok(self.get::<Count>(path).await?.count)
    }
}

/// `None` for what is missing.
fn found<T>(answer: Result<T, Error>, what: What) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.class() == Class::Missing(what) => Ok(None),
        Err(error) => Err(error),
    }
}
