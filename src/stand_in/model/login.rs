//! `/_open/auth`, its renewal, and what administrators may see and do about authentication.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Call, Config, Model, OK,
    answer::{Answer, Failure, bare, done, result},
    gate::Who,
    token::{self, Claims, Subject},
};

/// A token with fewer seconds left is renewed.
const RENEWED_BELOW: f64 = 150.0;

impl Model {
    /// A token for a password or an access token (reference: authentication, login).
    pub(super) fn login(&self, call: &Call<'_>) -> Answer {
        if call.method() != Method::POST {
            return Err(Failure::method());
        }
        if !self.config.authentication {
            return bare(&without_authentication());
        }
        let body = call.json().ok_or_else(|| Failure::bad(600))?;
        let invalid = || Failure::with(StatusCode::BAD_REQUEST, 400, "invalid JSON");
        let password = body["password"].as_str().ok_or_else(invalid)?;
        let user = match &body["username"] {
            Value::String(user) => user,
            // An access token needs no name beside it; a name of another type counts as none.
            _ => "",
        };
        let user = self.credentials(user, password, call.now);
        let user = user.ok_or_else(|| Failure::with(StatusCode::UNAUTHORIZED, 401, "Wrong credentials"))?;
        bare(&json!({"jwt": self.issue(&user, call)?}))
    }

    /// Another token for one that ends soon; nothing for one that doesn't. Neither Basic nor a superuser is renewed.
    pub(super) fn renew(&self, call: &Call<'_>) -> Answer {
        if call.method() != Method::POST {
            return Err(Failure::method());
        }
        if !self.config.authentication {
            return bare(&without_authentication());
        }
        let Some(Claims { subject: Subject::User(user), expires, .. }) = &call.caller.token else {
            return Err(Failure::missing(1703));
        };
        match expires {
            Some(end) if end - call.now.0 < RENEWED_BELOW => bare(&json!({"jwt": self.issue(user, call)?})),
            _ => bare(&json!({})),
        }
    }

    fn issue(&self, user: &str, call: &Call<'_>) -> Result<String, Failure> {
        let Config { jwt_secret, session_timeout, .. } = &self.config;
        let jwt = token::login(jwt_secret, user, call.now, *session_timeout, self.expired_before);
        jwt.ok_or_else(|| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, 4))
    }

    /// Harmless here: nothing is cached that a write wouldn't renew.
    pub(super) fn auth_reload(&self, call: &Call<'_>) -> Answer {
        if !matches!(*call.method(), Method::GET | Method::POST) {
            return Err(Failure::method());
        }
        self.for_administrators(call)?;
        done(OK)
    }

    /// The fingerprints of the secrets; there is one and it can't be reloaded.
    pub(super) fn secrets(&self, call: &Call<'_>) -> Answer {
        if !matches!(*call.method(), Method::GET | Method::POST) {
            return Err(Failure::method());
        }
        if call.caller.who != Who::Superuser {
            // ASSUMED: the number.
            return Err(Failure::hidden());
        }
        let hash = hex::encode(Sha256::digest(&self.config.jwt_secret));
        result(OK, &json!({"active": {"sha256": hash}, "passive": []}))
    }
}

/// What `/_open/auth` says while authentication is off: the handler is there since 3.12.6 and answers with something
/// that every request may carry. The documentation still says 404.
fn without_authentication() -> Value {
    json!({"jwt": "invalid"})
}
