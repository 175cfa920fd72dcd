//! A database that goes only when it is empty.

use std::sync::Arc;

use arango_operator::{
    arango::{Client, Error, Request, Response, Transport},
    core::{DatabaseName, Level, Reason},
    kinds::{ExecuteError, Kind, database::Database, database::plan::Action, schema::NoMemory},
    reconcile::Server,
    stand_in::{self, Model, Now},
};
use futures::{executor::block_on, future::BoxFuture};
use parking_lot::Mutex;
use proptest::{option, prelude::*, sample::select};
use serde_json::json;

use super::{
    generate::{ask, create_collection, create_database, create_user, segment, set_level},
    law,
    world::Vault,
};

const ACCOUNT: &str = "operator";
const DATABASE: &str = "données ✨ 'a+b' %2F";

/// Asks the model as the account.
#[derive(Clone)]
struct AsAccount(Arc<Mutex<Model>>);

impl Transport for AsAccount {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        let sent = stand_in::Request::new(request.method, request.path).basic(ACCOUNT, "its password");
        let answer = self.0.lock().handle(&sent, Now(1.8e9));
        Box::pin(std::future::ready(Ok(Response {
            status: answer.status,
            body: answer.body,
            coordinator: 0,
        })))
    }

    fn pause(&self, _: std::time::Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What is in the database, and what the account may see of it.
#[derive(Debug, Clone)]
struct Case {
    collection: bool,
    document_in: Option<&'static str>,
    rights: Vec<(&'static str, Option<&'static str>, Option<Level>)>,
}

impl Case {
    fn model(&self) -> Model {
        let mut model = Model::new(stand_in::Config::cluster(3, 1));
        create_database(&mut model, DATABASE);
        create_user(&mut model, ACCOUNT, "its password", true);
        set_level(&mut model, ACCOUNT, "_system", None, Some(Level::Rw));
        if self.collection {
            create_collection(&mut model, DATABASE, "orders");
        }
        if let Some(collection) = self.document_in {
            let path = format!("/_db/{}/_api/document/{collection}", segment(DATABASE));
            ask(&mut model, &stand_in::Request::post(path, &json!({"_key": "x"})));
        }
        for (database, collection, level) in &self.rights {
            set_level(&mut model, ACCOUNT, database, *collection, *level);
        }
        model
    }

    fn has_something(&self) -> bool {
        self.collection || self.document_in.is_some()
    }
}

fn case() -> impl Strategy<Value = Case> {
    let level = option::weighted(0.9, select(vec![Level::None, Level::Ro, Level::Rw]));
    let databases = prop_oneof![3 => Just(DATABASE), 1 => select(vec!["*", "_system"])];
    let right = (databases, option::of(select(vec!["*", "orders", "_graphs"])), level);
    let rights = prop::collection::vec(right, 0..4);
    let document_in = option::weighted(0.3, select(vec!["_graphs", "_aqlfunctions", "_apps"]));
    (any::<bool>(), document_in, rights).prop_map(|(collection, document_in, rights)| Case {
        collection,
        document_in,
        rights,
    })
}

/// Tries to drop the database if it is empty; whether it is still there.
fn attempt(case: &Case) -> (Result<(), ExecuteError>, bool) {
    let model = Arc::new(Mutex::new(case.model()));
    let server = Server::new(Client::new(AsAccount(Arc::clone(&model))), Some(ACCOUNT.to_owned()));
    let action = Action::DropIfEmpty(DatabaseName::parse(DATABASE).unwrap());
    let done = block_on(Database::execute(&server, &Vault::default(), &action, &mut NoMemory {}));
    let there = model.lock().databases().any(|name| name == DATABASE);
    (done.map(drop), there)
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn a_database_with_anything_in_it_is_not_taken_for_empty_whatever_the_account_may_see(case in case()) {
        let (done, there) = attempt(&case);
        prop_assert_eq!(there, done.is_err(), "{:?}", done);
        prop_assert!(there || !case.has_something(), "dropped with something in it");
        if let Err(ExecuteError::Held(hold)) = done {
            prop_assert_eq!(hold.reason, Reason::DeletionBlocked);
        }
    }
}

#[test]
fn an_empty_database_goes_with_an_account_that_sees_everything() {
    let case = Case { collection: false, document_in: None, rights: Vec::new() };
    let (done, there) = attempt(&case);
    assert!(done.is_ok() && !there, "{done:?}");
}
