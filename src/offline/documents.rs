//! The few requests to collections and documents that keep a record (ArangoDB's documentation: collections, documents,
//! cursors).

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::RecordError;
use crate::arango::{Class, Client, Error, Request, What};

/// More than there can be in one answer; what is left over would be asked for piece by piece.
const BATCH: usize = 1_000_000;

/// The number of a key that is there already.
const UNIQUE: u32 = 1210;
/// The number of a revision that is another one by now.
const CONFLICT: u32 = 1200;
/// The number of a document that is not there.
const MISSING: u32 = 1202;

/// One collection in `_system`.
#[derive(Debug, Clone)]
pub(super) struct Documents {
    client: Client,
    name: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor<T> {
    result: Vec<T>,
    has_more: bool,
}

/// What a write says of one document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    #[serde(rename = "_rev")]
    revision: Option<String>,
    error_num: Option<u32>,
    #[serde(default)]
    error_message: String,
}

impl Documents {
    pub(super) fn new(client: Client, name: &'static str) -> Self {
        Self { client, name }
    }

    /// All documents; none where there is no such collection.
    pub(super) async fn all<T: DeserializeOwned>(&self) -> Result<Vec<T>, RecordError> {
        let body = json!({
            "query": "FOR one IN @@collection RETURN one",
            "bindVars": {"@collection": self.name},
            "batchSize": BATCH,
        });
        // It reads and no more, so it may be sent again.
        let request = Request::new(Method::POST, "/_db/_system/_api/cursor").body(body);
        let request = request.repeat(crate::arango::Repeat::Safe);
        let cursor: Cursor<T> = match self.client.call(request).await {
            Err(error) if error.class() == Class::Missing(What::Collection) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
            Ok(answer) => read(&answer.body)?,
        };
        if cursor.has_more { Err(RecordError::TooLong(BATCH)) } else { Ok(cursor.result) }
    }

    /// Makes the collection, unless it is there.
    pub(super) async fn make(&self) -> Result<(), Error> {
        let body = json!({"name": self.name, "type": 2});
        let made =
            self.client.call(Request::new(Method::POST, "/_db/_system/_api/collection").body(body)).await;
        match made {
            Err(error) if error.class() != Class::Exists => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes new documents and such that replace one of that revision, and gives the revisions that they have now.
    pub(super) async fn write<T: Serialize>(
        &self,
        new: bool,
        documents: &[T],
    ) -> Result<Vec<String>, RecordError> {
        let path = format!("/_db/_system/_api/document/{}?waitForSync=true&ignoreRevs=false", self.name);
        let method = if new { Method::POST } else { Method::PUT };
        let answers = self.several(method, path, json!(documents)).await?;
        let revision = |answer: Answered| answer.revision.ok_or(RecordError::NotUnderstood);
        answers.into_iter().map(|answer| refused(&answer).map_or_else(|| revision(answer), Err)).collect()
    }

    /// Removes documents of these keys and revisions. What is gone already is fine.
    pub(super) async fn remove(&self, which: &[(String, String)]) -> Result<(), RecordError> {
        let path = format!("/_db/_system/_api/document/{}?waitForSync=true&ignoreRevs=false", self.name);
        let which: Vec<_> = which.iter().map(|(key, rev)| json!({"_key": key, "_rev": rev})).collect();
        let answers = self.several(Method::DELETE, path, Value::Array(which)).await?;
        let gone = |answer: &&Answered| answer.error_num != Some(MISSING);
        answers.iter().filter(gone).find_map(refused).map_or(Ok(()), Err)
    }

    async fn several(&self, method: Method, path: String, body: Value) -> Result<Vec<Answered>, RecordError> {
        let asked = body.as_array().map_or(0, Vec::len);
        let answer = self.client.call(Request::new(method, path).body(body)).await?;
        let answers: Vec<Answered> = read(&answer.body)?;
        if answers.len() == asked { Ok(answers) } else { Err(RecordError::NotUnderstood) }
    }
}

fn refused(answer: &Answered) -> Option<RecordError> {
    Some(match answer.error_num? {
        UNIQUE | CONFLICT | MISSING => RecordError::Changed,
        number => RecordError::Refused(number, crate::arango::quoted(&answer.error_message, 200)),
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(body).map_err(|_| RecordError::NotUnderstood)
}
