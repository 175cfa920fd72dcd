//! `/_api/document/{collection}` with several documents: replaced and removed, each for itself; and `/_api/cursor` for the
//! one query that reads a whole collection.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, Reply, bytes, object},
    documents::written,
};

/// How many of each kind of error there were among several documents, as `number:count,…`.
const ERROR_CODES: HeaderName = HeaderName::from_static("x-arango-error-codes");

impl Model {
    /// Puts documents in the place of those with their keys. A wrong one doesn't keep the others from it.
    pub(super) fn replace_several(&mut self, call: &Call<'_>, collection: &str) -> Answer {
        let Some(Value::Array(several)) = call.json() else { return Err(Failure::bad(600)) };
        let collection = self.writable(call, collection)?;
        let answers = several.into_iter().map(|document| self.replace_one(call, &collection, document));
        Ok(answered(written(call), answers.collect(), false))
    }

    fn replace_one(&mut self, call: &Call<'_>, name: &str, document: Value) -> Result<Value, Failure> {
        let Value::Object(mut document) = document else { return Err(Failure::bad(1227)) };
        let key = document.get("_key").and_then(Value::as_str).ok_or_else(|| Failure::bad(1221))?.to_owned();
        let before = self.revision(call, name, &key, document.get("_rev"))?;
        let revision = format!("_r{:08x}--", self.state.id());
        let mut own = json!({"_id": format!("{name}/{key}"), "_key": key, "_rev": revision});
        if let Value::Object(own) = &own {
            document.extend(own.clone());
        }
        self.collection_to_change(call, name)?.documents.insert(key, Value::Object(document));
        own["_oldRev"] = before;
        Ok(own)
    }

    /// Removes documents by their keys. A wrong one doesn't keep the others from it.
    pub(super) fn remove_several(&mut self, call: &Call<'_>, collection: &str) -> Answer {
        let Some(Value::Array(several)) = call.json() else { return Err(Failure::bad(600)) };
        let collection = self.writable(call, collection)?;
        let answers = several.into_iter().map(|which| self.remove_one(call, &collection, &which));
        // Another status than for the other writes (documentation: remove multiple documents).
        let status = if call.target.flag("waitForSync") { OK } else { StatusCode::ACCEPTED };
        Ok(answered(status, answers.collect(), false))
    }

    fn remove_one(&mut self, call: &Call<'_>, name: &str, which: &Value) -> Result<Value, Failure> {
        let key = which.as_str().or_else(|| which["_key"].as_str()).ok_or_else(|| Failure::bad(1221))?;
        let revision = self.revision(call, name, key, which.get("_rev"))?;
        self.collection_to_change(call, name)?.documents.remove(key);
        Ok(json!({"_id": format!("{name}/{key}"), "_key": key, "_rev": revision}))
    }

    /// The revision of a document that is to be changed. With `ignoreRevs=false` it must be the given one, if one is
    /// given.
    fn revision(
        &self,
        call: &Call<'_>,
        name: &str,
        key: &str,
        given: Option<&Value>,
    ) -> Result<Value, Failure> {
        let (_, collection) =
            self.state.collection(&call.target.database, name).ok_or_else(|| Failure::missing(1203))?;
        let document = collection.documents.get(key).ok_or_else(|| Failure::missing(1202))?;
        let found = document["_rev"].clone();
        let minds = call.target.parameter("ignoreRevs").is_some_and(|value| value == "false");
        if minds && given.is_some_and(|given| *given != found) {
            return Err(Failure::new(StatusCode::PRECONDITION_FAILED, 1200));
        }
        Ok(found)
    }

    /// ASSUMED: no query is understood but the one that returns a collection whole, and all of it is in the first batch.
    pub(super) fn cursor_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        if (call.method(), rest) != (&Method::POST, &[][..]) {
            return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, 9));
        }
        let body = call.json().ok_or_else(|| Failure::bad(600))?;
        let words: Vec<_> = body["query"].as_str().unwrap_or_default().split_whitespace().collect();
        let ["FOR", one, "IN", "@@collection", "RETURN", returned] = words[..] else {
            return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, 9));
        };
        // An unbound parameter, and a name that was not declared (documentation: AQL errors).
        let name = body["bindVars"]["@collection"].as_str().ok_or_else(|| Failure::bad(1551))?;
        if one != returned {
            return Err(Failure::missing(1203));
        }
        let (_, collection) = self.readable(call, name)?;
        let result: Vec<_> = collection.documents.values().collect();
        object(StatusCode::CREATED, json!({"result": result, "hasMore": false, "cached": false, "extra": {}}))
    }
}

/// One answer for each document, or for each that failed, and how many of each error there were.
pub(super) fn answered(status: StatusCode, answers: Vec<Result<Value, Failure>>, silent: bool) -> Reply {
    let mut errors = BTreeMap::<u16, usize>::new();
    let each = answers.into_iter().map(|answer| {
        answer.unwrap_or_else(|failure| {
            *errors.entry(failure.number).or_default() += 1;
            json!({"error": true, "errorNum": failure.number, "errorMessage": failure.message})
        })
    });
    let mut answers: Vec<_> = each.collect();
    if silent {
        answers.retain(|answer| answer["error"] == true);
    }
    let errors: Vec<String> = errors.iter().map(|(number, count)| format!("{number}:{count}")).collect();
    let errors = HeaderValue::from_str(&errors.join(",")).ok().filter(|errors| !errors.is_empty());
    let headers = errors.map(|errors| (ERROR_CODES, errors)).into_iter().collect();
    Reply { status, body: bytes(&answers), headers, ..Reply::default() }
}
