//! `/_api/token/{user}`: access tokens, each of which stands for a user's password (reference: users, access tokens).

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Call, Model, Now,
    answer::{Answer, Failure, bare},
    state::User,
};

/// How every access token begins.
const VERSION: &str = "v1.";

/// One access token. Its text is shown once and then kept as a digest only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its number among the user's tokens, counted from 1.
    pub id: u64,
    /// What the user calls it; no other token of his has this name.
    pub name: String,
    /// When it ends, in seconds since 1970.
    pub valid_until: i64,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
    /// The beginning and the end of its text.
    pub fingerprint: String,
    digest: [u8; 32],
}

/// What the text of a token says: user, end, creation, and something random.
#[derive(Serialize, Deserialize)]
struct Content {
    u: String,
    e: i64,
    c: i64,
    r: String,
}

impl AccessToken {
    fn active(&self, now: Now) -> bool {
        self.valid_until > now.seconds()
    }

    fn shown(&self, now: Now) -> Value {
        json!({
            "id": self.id, "name": self.name, "valid_until": self.valid_until, "created_at": self.created_at,
            "fingerprint": self.fingerprint, "active": self.active(now),
        })
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Whose token a text claims to be.
fn owner(text: &str) -> Option<String> {
    let content: Content = serde_json::from_slice(&hex::decode(text.strip_prefix(VERSION)?).ok()?).ok()?;
    Some(content.u)
}

impl User {
    /// Makes a token and returns it with its text. What stands for chance follows from the seed and the moment.
    fn make_token(
        &mut self,
        seed: u64,
        user: &str,
        name: &str,
        valid_until: i64,
        now: Now,
    ) -> (AccessToken, String) {
        self.tokens_made += 1;
        let random = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(self.tokens_made.to_le_bytes())
            .chain_update(now.0.to_le_bytes())
            .chain_update(user)
            .finalize();
        let created_at = now.seconds();
        let content = Content { u: user.to_owned(), e: valid_until, c: created_at, r: hex::encode(random) };
        let text = format!("{VERSION}{}", hex::encode(serde_json::to_vec(&content).unwrap_or_default()));
        let fingerprint = format!("v1...{}", &text[text.len() - 6..]);
        let name = name.to_owned();
        let token = AccessToken {
            id: self.tokens_made,
            name,
            valid_until,
            created_at,
            fingerprint,
            digest: digest(&text),
        };
        self.tokens.push(token.clone());
        (token, text)
    }
}

impl Model {
    /// The user for whom these credentials stand. An access token may be the password, and then the name may be
    /// empty, because the token holds it.
    pub(super) fn credentials(&self, name: &str, password: &str, now: Now) -> Option<String> {
        if self.password_matches(name, password) {
            return Some(name.to_owned());
        }
        let owner = owner(password).filter(|owner| name.is_empty() || name == owner)?;
        let user = self.user(&owner).filter(|user| user.active)?;
        let digest = digest(password);
        user.tokens.iter().any(|token| token.digest == digest && token.active(now)).then_some(owner)
    }

    pub(super) fn token_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        let missing = |what: &'static str| Failure::with(StatusCode::BAD_REQUEST, 400, what);
        let [user, rest @ ..] = rest else { return Err(missing("path parameter 'user' is missing")) };
        // ASSUMED: read-only mode doesn't matter here.
        self.may_read(call, user)?;
        match (call.method(), rest) {
            (&Method::GET, _) => {
                let tokens = self.existing(user)?.tokens.iter();
                bare(&json!({"tokens": tokens.map(|token| token.shown(call.now)).collect::<Vec<_>>()}))
            }
            (&Method::POST, _) => self.create_token(call, user),
            (&Method::DELETE, [id]) => {
                let tokens = &mut self.existing_mut(user)?.tokens;
                let place = tokens.iter().position(|token| Ok(token.id) == id.parse());
                // ASSUMED: the number.
                tokens.remove(place.ok_or_else(|| Failure::missing(404))?);
                // ASSUMED: an empty object. Empty JSON it can't be: arangojs reads it, and so do its tests.
                bare(&json!({}))
            }
            (&Method::DELETE, _) => Err(missing("path parameter 'id' is missing")),
            // As with users, 400 with errorNum 405.
            _ => Err(Failure::bad(405)),
        }
    }

    fn create_token(&mut self, call: &Call<'_>, name: &str) -> Answer {
        let body = call.json().filter(Value::is_object).ok_or_else(|| Failure::bad(10))?;
        let seed = self.config.seed;
        let user = self.existing_mut(name)?;
        // ASSUMED: an empty name is refused, and with this number.
        let called = body["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| Failure::bad(10))?;
        if user.tokens.iter().any(|token| token.name == called) {
            // ASSUMED: the number; 409 is known.
            return Err(Failure::new(StatusCode::CONFLICT, 1207));
        }
        // ASSUMED: without an end it counts as 0, so that such a token has ended when it is made.
        let valid_until = Now(body["valid_until"].as_f64().unwrap_or_default()).seconds();
        let (token, text) = user.make_token(seed, name, called, valid_until, call.now);
        let mut shown = token.shown(call.now);
        shown["token"] = text.into();
        bare(&shown)
    }
}
