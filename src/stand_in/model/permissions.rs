//! `/_api/user/{user}/database…`: levels read, granted, revoked.

use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, done, envelope, result},
    listing::{Effective, Full},
    state::{ANY, Level, ROOT, SYSTEM},
};

/// The text that protects root's right, with the server's two blanks.
const ROOT_COLLECTIONS: &str = "Cannot lower access level of 'root' to  a system collection";

impl Model {
    pub(super) fn list_levels(&self, call: &Call<'_>, user: &str) -> Answer {
        self.may_read(call, user)?;
        let user = self.existing(user)?;
        if call.target.flag("full") {
            result(OK, &Full { user, state: &self.state })
        } else {
            // ASSUMED: read-only mode doesn't cap this list; only the question for one level is known to be capped.
            result(OK, &Effective { user, state: &self.state })
        }
    }

    /// One effective level. Neither the database nor the collection need exist, and nor does the user (ASSUMED: he
    /// has none).
    pub(super) fn read_level(
        &self,
        call: &Call<'_>,
        user: &str,
        database: &str,
        collection: Option<&str>,
    ) -> Answer {
        self.may_read(call, user)?;
        let level = match collection {
            None => self.state.database_level(user, database),
            Some(collection) => {
                let name = self.state.collection(database, collection).map_or(collection, |(name, _)| name);
                self.state.collection_level(user, database, name)
            }
        };
        // `configured` switches the cap of read-only mode off; it doesn't mean "explicit only".
        let level = if call.target.flag("configured") { level } else { self.state.capped(level) };
        result(OK, &level.as_str())
    }

    pub(super) fn grant_database(&mut self, call: &Call<'_>, user: &str, database: &str) -> Answer {
        self.must_administrate(call)?;
        let level = wanted(call)?;
        let account = self.existing_mut(user)?;
        if user == ROOT && database == SYSTEM && level != Level::Rw {
            return Err(refused("Cannot lower access level of 'root' to _system"));
        }
        account.grant_database(database, level);
        account.keep_root_rights(user);
        granted(database.to_owned(), level)
    }

    /// Removes the whole entry with its collection levels, and is done also where there was none.
    pub(super) fn revoke_database(&mut self, call: &Call<'_>, user: &str, database: &str) -> Answer {
        self.must_administrate(call)?;
        let account = self.existing_mut(user)?;
        if user == ROOT && database == SYSTEM {
            return Err(refused("Cannot remove access level of 'root' to _system"));
        }
        account.grants.remove(database);
        done(StatusCode::ACCEPTED)
    }

    pub(super) fn grant_collection(
        &mut self,
        call: &Call<'_>,
        user: &str,
        database: &str,
        collection: &str,
    ) -> Answer {
        self.must_administrate(call)?;
        let name = self.granted_collection(database, collection)?;
        let level = wanted(call)?;
        let account = self.existing_mut(user)?;
        if name.starts_with('_') {
            let message = "Cannot set rights for system collections";
            return Err(Failure::with(StatusCode::BAD_REQUEST, 10, message));
        }
        if user == ROOT && database == SYSTEM && name == ANY && level != Level::Rw {
            return Err(refused(ROOT_COLLECTIONS));
        }
        account.grant_collection(database, &name, level);
        granted(format!("{database}/{collection}"), level)
    }

    pub(super) fn revoke_collection(
        &mut self,
        call: &Call<'_>,
        user: &str,
        database: &str,
        collection: &str,
    ) -> Answer {
        self.must_administrate(call)?;
        let name = self.granted_collection(database, collection)?;
        let account = self.existing_mut(user)?;
        if user == ROOT && database == SYSTEM && name == ANY {
            return Err(refused(ROOT_COLLECTIONS));
        }
        account.revoke_collection(database, &name);
        done(StatusCode::ACCEPTED)
    }

    /// The collection that a grant is about: it must exist, also for revoking. The database wildcard goes with the
    /// collection wildcard only.
    fn granted_collection(&self, database: &str, collection: &str) -> Result<String, Failure> {
        if database == ANY {
            if collection == ANY {
                return Ok(ANY.to_owned());
            }
            return Err(Failure::with(StatusCode::BAD_REQUEST, 10, "Invalid database / collection pair"));
        }
        if !self.state.databases.contains_key(database) {
            return Err(Failure::missing(1228));
        }
        if collection == ANY {
            return Ok(ANY.to_owned());
        }
        let (name, _) = self.state.collection(database, collection).ok_or_else(|| Failure::missing(1203))?;
        Ok(name.to_owned())
    }
}

fn refused(message: &'static str) -> Failure {
    Failure::with(StatusCode::FORBIDDEN, 11, message)
}

/// Reads `{"grant": …}`. The empty text means none.
fn wanted(call: &Call<'_>) -> Result<Level, Failure> {
    let body = call.json().unwrap_or_default();
    match body["grant"].as_str() {
        None => Err(Failure::bad(10)),
        Some("rw") => Ok(Level::Rw),
        Some("ro") => Ok(Level::Ro),
        Some("none" | "") => Ok(Level::None),
        Some(_) => {
            let message = "expecting access type 'rw', 'ro' or 'none'";
            Err(Failure::with(StatusCode::BAD_REQUEST, 10, message))
        }
    }
}

fn granted(key: String, level: Level) -> Answer {
    envelope(OK, Map::from_iter([(key, Value::from(level.as_str()))]))
}
