//! The model against the reference's sentences.

mod access_tokens; // tokens that stand for passwords
mod answers; // headers, bodies, methods, paths
mod cluster; // other servers, maintenance
mod databases; // names, first users, dropping
mod documents; // collections and what is in them
mod gate; // who gets in
mod levels; // resolution, granting, revoking
mod naive; // effective levels by another rule
mod properties; // what holds after any requests
mod server; // metrics, jobs, tasks, what may be configured
mod users; // accounts

use http::StatusCode;
use serde_json::{Value, json};

use super::{Config, Level, Model, Now, Request, Response};

const NOW: Now = Now(1_800_000_000.0);
const PASSWORD: &str = "root's";

/// A cluster with one coordinator, where root's password is [`PASSWORD`].
fn model() -> Model {
    Model::new(Config { root_password: PASSWORD.to_owned(), ..Config::cluster(1, 1) })
}

impl Model {
    /// Asks as root.
    fn root(&mut self, request: Request) -> Response {
        self.handle(&request.basic("root", PASSWORD), NOW)
    }

    /// Asks as a user whose password is his name.
    fn by(&mut self, user: &str, request: Request) -> Response {
        self.handle(&request.basic(user, user), NOW)
    }

    /// Asks without credentials.
    fn nobody(&mut self, request: &Request) -> Response {
        self.handle(request, NOW)
    }

    /// Makes a user whose password is his name.
    fn add_user(&mut self, user: &str) {
        let response = self.root(Request::post("/_api/user", &json!({"user": user, "passwd": user})));
        assert_eq!(response.status, StatusCode::CREATED);
    }

    fn add_database(&mut self, name: &str) {
        let response = self.root(Request::post("/_api/database", &json!({"name": name})));
        assert_eq!(response.status, StatusCode::CREATED);
    }

    fn add_collection(&mut self, database: &str, name: &str) {
        let path = format!("/_db/{database}/_api/collection");
        let response = self.root(Request::post(path, &json!({"name": name})));
        assert_eq!(response.status, StatusCode::OK);
    }

    /// Grants as root: on `database`, or on `database/collection`.
    fn grant(&mut self, user: &str, what: &str, level: &str) -> Response {
        self.root(Request::put(format!("/_api/user/{user}/database/{what}"), &json!({"grant": level})))
    }

    /// Revokes as root.
    fn revoke(&mut self, user: &str, what: &str) -> Response {
        self.root(Request::delete(format!("/_api/user/{user}/database/{what}")))
    }

    /// The level that the server shows.
    fn shown(&mut self, user: &str, what: &str) -> Value {
        self.root(Request::get(format!("/_api/user/{user}/database/{what}"))).json()["result"].take()
    }

    /// The text of a new access token of a user, made by himself.
    fn add_access_token(&mut self, user: &str, name: &str, valid_until: f64) -> String {
        let body = json!({"name": name, "valid_until": valid_until});
        let response = self.by(user, Request::post(format!("/_api/token/{user}"), &body));
        assert_eq!(response.status, StatusCode::OK, "{}", response.json());
        response.json()["token"].as_str().unwrap().to_owned()
    }

    /// A token of a user, made as a login makes it.
    fn log_in(&mut self, user: &str) -> String {
        let body = json!({"username": user, "password": user});
        let response = self.nobody(&Request::post("/_open/auth", &body));
        assert_eq!(response.status, StatusCode::OK);
        response.json()["jwt"].as_str().unwrap().to_owned()
    }
}

/// A model of this configuration where root's password is [`PASSWORD`].
fn configured(config: Config) -> Model {
    Model::new(Config { root_password: PASSWORD.to_owned(), ..config })
}

/// Asserts status and errorNum.
#[track_caller]
fn is(response: &Response, status: u16, number: u64) {
    assert_eq!((response.status.as_u16(), response.error_num()), (status, number), "{}", response.json());
}
