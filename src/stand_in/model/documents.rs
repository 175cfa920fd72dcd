//! `/_api/document`: single documents, put in, read and removed. Enough to tell an empty collection from a used one,
//! and to see what a level on a collection allows.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    Call, Model,
    answer::{Answer, Failure, Reply, bytes},
    batches::answered,
    state::{Collection, Level},
};

/// What a key may hold beside letters and digits.
const KEY_MARKS: &[u8] = b"_-:.@()+,=;$!*'%";
/// The longest key, in bytes.
const KEY_MAX: usize = 254;

impl Model {
    pub(super) fn document_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        match (call.method(), rest) {
            (&Method::POST, [collection]) => self.insert(call, collection),
            (&Method::GET | &Method::HEAD, [collection, key]) => {
                let (_, collection) = self.readable(call, collection)?;
                let document = collection.documents.get(*key).ok_or_else(|| Failure::missing(1202))?;
                let headers = vec![etag(document)];
                Ok(Reply { body: bytes(document), headers, ..Reply::default() })
            }
            (&Method::DELETE, [collection, key]) => self.remove(call, collection, key),
            (&Method::PUT, [collection]) => self.replace_several(call, collection),
            (&Method::DELETE, [collection]) => self.remove_several(call, collection),
            (&Method::GET | &Method::HEAD | &Method::POST | &Method::DELETE, _) => Err(Failure::bad(400)),
            // ASSUMED: single documents are neither replaced nor updated here; a real server does both.
            (&Method::PUT | &Method::PATCH, _) => Err(Failure::new(StatusCode::NOT_IMPLEMENTED, 9)),
            _ => Err(Failure::method()),
        }
    }

    /// The name of a collection whose documents the caller may change. Who may read it at least is told so by the
    /// number 1004 (reference: permissions, meaning of levels; read-only mode counts as `ro`).
    pub(super) fn writable(&self, call: &Call<'_>, name: &str) -> Result<String, Failure> {
        let database = &call.target.database;
        let (name, _) = self.state.collection(database, name).ok_or_else(|| Failure::missing(1203))?;
        match self.level_on(call.caller, database, name) {
            Level::Rw => Ok(name.to_owned()),
            Level::Ro => Err(Failure::read_only()),
            Level::None => Err(Failure::forbidden()),
        }
    }

    fn insert(&mut self, call: &Call<'_>, collection: &str) -> Answer {
        let body = call.json().ok_or_else(|| Failure::bad(600))?;
        let collection = self.writable(call, collection)?;
        let status = written(call);
        let Value::Array(several) = body else {
            let mut answer = self.insert_one(call, &collection, body)?;
            let location = format!("/_db/{}/_api/document/{}", call.target.database, text(&answer, "_id"));
            let mut headers = vec![etag(&answer)];
            headers.extend(HeaderValue::from_str(&location).ok().map(|value| (header::LOCATION, value)));
            if call.target.flag("silent") {
                answer = json!({});
            }
            return Ok(Reply { status, body: bytes(&answer), headers, ..Reply::default() });
        };
        let answers = several.into_iter().map(|document| self.insert_one(call, &collection, document));
        Ok(answered(status, answers.collect(), call.target.flag("silent")))
    }

    fn insert_one(&mut self, call: &Call<'_>, name: &str, document: Value) -> Result<Value, Failure> {
        let Value::Object(mut document) = document else { return Err(Failure::bad(1227)) };
        let key = match document.get("_key") {
            None => self.state.id().to_string(),
            Some(Value::String(key)) if is_key(key) => key.clone(),
            Some(_) => return Err(Failure::bad(1221)),
        };
        let revision = format!("_r{:08x}--", self.state.id());
        let collection = self.collection_to_change(call, name)?;
        if collection.documents.contains_key(&key) {
            return Err(Failure::new(StatusCode::CONFLICT, 1210));
        }
        let mut answer = json!({"_id": format!("{name}/{key}"), "_key": key, "_rev": revision});
        if let Value::Object(own) = &answer {
            document.extend(own.clone());
        }
        if call.target.flag("returnNew") {
            answer["new"] = Value::Object(document.clone());
        }
        collection.documents.insert(key, Value::Object(document));
        Ok(answer)
    }

    fn remove(&mut self, call: &Call<'_>, name: &str, key: &str) -> Answer {
        let name = self.writable(call, name)?;
        let collection = self.collection_to_change(call, &name)?;
        let document = collection.documents.remove(key).ok_or_else(|| Failure::missing(1202))?;
        let own = ["_id", "_key", "_rev"].map(|key| (key.to_owned(), document[key].clone()));
        Ok(Reply { status: written(call), body: bytes(&Map::from_iter(own)), ..Reply::default() })
    }

    /// A collection by its name, to change it.
    pub(super) fn collection_to_change(
        &mut self,
        call: &Call<'_>,
        name: &str,
    ) -> Result<&mut Collection, Failure> {
        self.state.collection_mut(&call.target.database, name).ok_or_else(|| Failure::missing(1203))
    }
}

/// A write that was waited for is 201, another one 202.
pub(super) fn written(call: &Call<'_>) -> StatusCode {
    if call.target.flag("waitForSync") { StatusCode::CREATED } else { StatusCode::ACCEPTED }
}

fn text<'a>(document: &'a Value, key: &str) -> &'a str {
    document[key].as_str().unwrap_or_default()
}

fn etag(document: &Value) -> (HeaderName, HeaderValue) {
    let revision = HeaderValue::from_str(&format!("\"{}\"", text(document, "_rev")));
    (header::ETAG, revision.unwrap_or(HeaderValue::from_static("\"\"")))
}

/// Whether a document may have this key.
fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || KEY_MARKS.contains(&byte);
    (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(allowed)
}
