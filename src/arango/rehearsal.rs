//! A transport that asks and never changes: reads and logins go to the server, writes are answered here as the server
//! would, were nothing in their way. What comes of a plan is found out by carrying it out over this.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::json;

use super::{Class, Client, Error, Request, Response, Transport, What};
use crate::core::{CollectionName, DatabaseName};

/// Stands before a real transport.
pub struct Rehearsal {
    real: Arc<dyn Transport>,
    /// The collections of the databases that were asked for, for a level on one that doesn't exist is refused
    /// (reference: permissions, grant collection); nothing where there is no such database.
    collections: Mutex<BTreeMap<DatabaseName, Arc<tokio::sync::OnceCell<Known>>>>,
}

/// The collections of a database; nothing where there is no such database.
type Known = Option<BTreeSet<CollectionName>>;

/// What a write comes to.
enum Write {
    /// A success.
    Done(StatusCode),
    /// A level on a collection of a database, both by their names as they stand in the path.
    Level(String, String),
}

impl Rehearsal {
    /// Nothing was asked yet.
    pub fn new(real: Arc<dyn Transport>) -> Self {
        Self { real, collections: Mutex::default() }
    }

    /// The answer to a level on a collection: the server's own refusal where the collection, or its database, is
    /// missing. A database that the rehearsal itself has made has no collections either.
    async fn level(&self, database: String, collection: String) -> Result<(StatusCode, u16), Error> {
        let database = DatabaseName::from_server(decoded(&database));
        let collection = CollectionName::from_server(decoded(&collection));
        let client = Client::over(Arc::clone(&self.real));
        let known = Arc::clone(self.collections.lock().entry(database.clone()).or_default());
        let known = known.get_or_try_init(async || match client.collections(&database).await {
            Ok(all) => Ok(Some(all.into_iter().map(|collection| collection.name).collect())),
            Err(error) if error.class() == Class::Missing(What::Database) => Ok(None),
            Err(error) => Err(error),
        });
        Ok(match known.await? {
            Some(all) if all.contains(&collection) => (StatusCode::OK, 0),
            _ => (StatusCode::NOT_FOUND, 1203),
        })
    }
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// What a request would change; nothing if it only asks.
fn write(request: &Request) -> Option<Write> {
    let path = request.path.split('?').next().unwrap_or_default();
    let is_login = path == "/_open/auth";
    match request.method {
        Method::GET | Method::HEAD | Method::OPTIONS => None,
        Method::POST if is_login => None,
        Method::POST => Some(Write::Done(StatusCode::CREATED)),
        Method::DELETE => Some(Write::Done(StatusCode::ACCEPTED)),
        Method::PUT => {
            let segments: Vec<_> = path.split('/').collect();
            match segments[..] {
                ["", "_db", "_system", "_api", "user", _, "database", database, collection]
                    if database != "*" && collection != "*" =>
                {
                    Some(Write::Level(database.to_owned(), collection.to_owned()))
                }
                _ => Some(Write::Done(StatusCode::OK)),
            }
        }
        _ => Some(Write::Done(StatusCode::OK)),
    }
}

impl Transport for Rehearsal {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async move {
            let (status, number) = match write(&request) {
                None => return self.real.send(request).await,
                Some(Write::Done(status)) => (status, 0),
                Some(Write::Level(database, collection)) => self.level(database, collection).await?,
            };
            let body = if status.is_success() {
                json!({"error": false, "code": status.as_u16(), "result": true})
            } else {
                let message = "collection or view not found";
                json!({"error": true, "code": status.as_u16(), "errorNum": number, "errorMessage": message})
            };
            Ok(Response { status, body: Bytes::from(body.to_string()), coordinator: 0 })
        })
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.real.pause(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what comes through, and answers every question with an empty list.
    #[derive(Default)]
    struct Real(Mutex<Vec<String>>);

    impl Transport for Real {
        fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
            self.0.lock().push(format!("{} {}", request.method, request.path));
            let body = Bytes::from_static(br#"{"error":false,"code":200,"result":[]}"#);
            Box::pin(std::future::ready(Ok(Response { status: StatusCode::OK, body, coordinator: 0 })))
        }
    }

    #[tokio::test]
    async fn questions_and_logins_go_through_and_no_write_does() {
        let real = Arc::new(Real::default());
        let client = Client::over(Arc::new(Rehearsal::new(Arc::clone(&real) as Arc<dyn Transport>)));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            client.call(Request::new(method, "/_db/_system/_api/user/a/database/b")).await.unwrap();
        }
        assert_eq!(*real.0.lock(), [""; 0]);
        client.call(Request::new(Method::GET, "/_api/version")).await.unwrap();
        client.call(Request::new(Method::POST, "/_open/auth")).await.unwrap();
        assert_eq!(*real.0.lock(), ["GET /_api/version", "POST /_open/auth"]);
    }

    #[tokio::test]
    async fn a_level_on_a_collection_that_is_not_there_is_refused_and_asked_for_once_per_database() {
        let real = Arc::new(Real::default());
        let client = Client::over(Arc::new(Rehearsal::new(Arc::clone(&real) as Arc<dyn Transport>)));
        for collection in ["c", "d"] {
            let path = format!("/_db/_system/_api/user/a/database/b/{collection}");
            let error = client.call(Request::new(Method::PUT, path)).await.unwrap_err();
            assert_eq!(error.class(), Class::Missing(What::Collection));
        }
        client.call(Request::new(Method::PUT, "/_db/_system/_api/user/a/database/b/*")).await.unwrap();
        assert_eq!(*real.0.lock(), ["GET /_db/b/_api/collection"]);
    }
}
