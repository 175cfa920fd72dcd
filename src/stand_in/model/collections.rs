//! `/_api/collection`: as much as rights need, and counts.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, object, result},
    gate::Who,
    names,
    state::{Collection, Level},
};

/// The server's own id inside globally unique ids.
const SERVER: &str = "h5C3DDE5391BF";

impl Model {
    pub(super) fn collection_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        match (call.method(), rest) {
            (&Method::GET, []) => self.list_collections(call),
            (&Method::GET, [name]) => {
                let (name, collection) = self.readable(call, name)?;
                object(OK, self.summary(name, collection))
            }
            (&Method::GET, [name, "properties"]) => {
                let (name, collection) = self.readable(call, name)?;
                object(OK, self.properties(name, collection))
            }
            (&Method::GET, [name, "count"]) => {
                let (name, collection) = self.readable(call, name)?;
                let mut properties = self.properties(name, collection);
                properties["count"] = collection.documents.len().into();
                object(OK, properties)
            }
            (&Method::POST, []) => self.create_collection(call),
            (&Method::PUT, [name, "truncate"]) => self.truncate(call, name),
            (&Method::DELETE, [name]) => self.drop_collection(call, name),
            (&Method::GET | &Method::DELETE | &Method::PUT, [_, ..]) => Err(Failure::missing(404)),
            (&Method::POST, _) => Err(Failure::bad(601)),
            _ => Err(Failure::method()),
        }
    }

    /// Only what the caller may read; `_users` is hidden from every user (reference: collections, list).
    fn list_collections(&self, call: &Call<'_>) -> Answer {
        let name = &call.target.database;
        let without_system = call.target.flag("excludeSystem");
        let database = self.state.databases.get(name).ok_or_else(|| Failure::missing(1228))?;
        let shown = database.collections.iter().filter(|(collection, _)| {
            let visible = self.level_on(call.caller, name, collection) > Level::None;
            visible && !(without_system && collection.starts_with('_'))
        });
        let shown: Vec<Value> = shown.map(|(name, collection)| self.summary(name, collection)).collect();
        result(OK, &shown)
    }

    /// A collection that the caller may read.
    pub(super) fn readable(&self, call: &Call<'_>, name: &str) -> Result<(&str, &Collection), Failure> {
        let database = &call.target.database;
        let found = self.state.collection(database, name).ok_or_else(|| Failure::missing(1203))?;
        if self.level_on(call.caller, database, found.0) < Level::Ro {
            return Err(Failure::forbidden());
        }
        Ok(found)
    }

    fn create_collection(&mut self, call: &Call<'_>) -> Answer {
        let body = call.json().ok_or_else(|| Failure::bad(600))?;
        let database = &call.target.database;
        if self.level(call.caller, database) < Level::Rw {
            // Where only read-only mode is in the way, it is said (reference: temporary errors).
            let configured = call.caller.name().map(|user| self.state.database_level(user, database));
            let only_mode = configured == Some(Level::Rw);
            return Err(if only_mode { Failure::read_only() } else { Failure::forbidden() });
        }
        let name = body["name"].as_str().ok_or_else(|| Failure::bad(1208))?;
        let system = body["isSystem"].as_bool().unwrap_or(false);
        names::collection(&self.config, name, system)?;
        if self.state.collection(database, name).is_some_and(|(found, _)| found == name) {
            return Err(Failure::new(StatusCode::CONFLICT, 1207));
        }
        let kind = if body["type"] == 3 { 3 } else { 2 };
        let collection = Collection::new(self.state.id(), kind, system);
        // The object's own id comes from the same counter.
        self.state.id();
        let answer = object(OK, self.properties(name, &collection));
        if let Some(database) = self.state.databases.get_mut(database) {
            let collections = &mut std::sync::Arc::make_mut(database).collections;
            collections.insert(name.to_owned(), collection);
        }
        answer
    }

    /// Removes all documents.
    fn truncate(&mut self, call: &Call<'_>, name: &str) -> Answer {
        let name = self.writable(call, name)?;
        self.collection_to_change(call, &name)?.documents.clear();
        let (name, collection) = self.readable(call, &name)?;
        object(OK, self.summary(name, collection))
    }

    /// Whatever right is missing, the number is 11 here.
    fn drop_collection(&mut self, call: &Call<'_>, name: &str) -> Answer {
        let database = &call.target.database;
        let (name, collection) =
            self.state.collection(database, name).ok_or_else(|| Failure::missing(1203))?;
        let (name, id) = (name.to_owned(), collection.id);
        let superuser = call.caller.who == Who::Superuser;
        if self.level(call.caller, database) < Level::Rw
            || self.level_on(call.caller, database, &name) < Level::Rw
        {
            return Err(Failure::forbidden());
        }
        // ASSUMED: a system collection goes only when the request says that it means one.
        if name.starts_with('_') && !(call.target.flag("isSystem") || superuser) {
            return Err(Failure::forbidden());
        }
        self.state.drop_collection(database, &name);
        object(OK, json!({"id": id.to_string()}))
    }

    fn summary(&self, name: &str, collection: &Collection) -> Value {
        json!({
            "id": collection.id.to_string(), "name": name, "status": 3, "type": collection.kind,
            "isSystem": collection.system, "globallyUniqueId": self.unique(name, collection),
        })
    }

    fn unique(&self, name: &str, collection: &Collection) -> String {
        match (collection.system, self.config.is_cluster()) {
            (true, false) => name.to_owned(),
            (false, false) => format!("{SERVER}/{}", collection.id),
            (_, true) => format!("c{}/", collection.id),
        }
    }

    fn properties(&self, name: &str, collection: &Collection) -> Value {
        let mut properties = json!({
            "writeConcern": 1, "waitForSync": false, "usesRevisionsAsDocumentIds": true, "syncByRevision": true,
            "supportsRBAC": true, "statusString": "loaded", "isSmartChild": false, "schema": null,
            "cacheEnabled": false, "internalValidatorType": 0, "computedValues": null,
            "keyOptions": {"allowUserKeys": true, "type": "traditional", "lastValue": 0},
            "objectId": (collection.id + 1).to_string(),
        });
        if let (Value::Object(properties), Value::Object(summary)) =
            (&mut properties, self.summary(name, collection))
        {
            properties.extend(summary);
        }
        properties
    }
}
