//! `/_open/auth`, and what administrators may see and do about authentication.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Call, Model, OK,
    answer::{Answer, Failure, bare, done, result},
    gate::Who,
    token,
};

impl Model {
    /// A token for a password (reference: authentication, login).
    pub(super) fn login(&self, call: &Call<'_>) -> Answer {
        if !self.config.authentication {
            return Err(Failure::missing(404));
        }
        if call.method() != Method::POST {
            return Err(Failure::method());
        }
        let body = call.json().ok_or_else(|| Failure::bad(600))?;
        let invalid = || Failure::with(StatusCode::BAD_REQUEST, 400, "invalid JSON");
        let password = body["password"].as_str().ok_or_else(invalid)?;
        let user = match &body["username"] {
            // Access tokens stand for a password without a name; there are none here.
            Value::Null => "",
            Value::String(user) => user,
            _ => return Err(invalid()),
        };
        if !self.password_matches(user, password) {
            return Err(Failure::with(StatusCode::UNAUTHORIZED, 401, "Wrong credentials"));
        }
        let jwt = token::login(&self.config.jwt_secret, user, call.now, self.expired_before);
        let jwt = jwt.ok_or_else(|| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, 4))?;
        bare(&json!({"jwt": jwt}))
    }

    /// Harmless here: nothing is cached that a write wouldn't renew.
    pub(super) fn auth_reload(&self, call: &Call<'_>) -> Answer {
        if !matches!(*call.method(), Method::GET | Method::POST) {
            return Err(Failure::method());
        }
        if !self.is_admin(call.caller) {
            return Err(Failure::new(StatusCode::FORBIDDEN, 403));
        }
        done(OK)
    }

    /// The fingerprints of the secrets; there is one and it can't be reloaded.
    pub(super) fn secrets(&self, call: &Call<'_>) -> Answer {
        if !matches!(*call.method(), Method::GET | Method::POST) {
            return Err(Failure::method());
        }
        if call.caller.who != Who::Superuser {
            return Err(Failure::new(StatusCode::FORBIDDEN, 403));
        }
        let hash = hex::encode(Sha256::digest(&self.config.jwt_secret));
        result(OK, &json!({"active": {"sha256": hash}, "passive": []}))
    }
}
