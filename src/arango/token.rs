//! A token: read for when it ends, or signed here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose};
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::Error;

/// A token is renewed when this part of its lifetime is over.
const RENEW_AFTER: f64 = 0.8;

/// One that lives shorter than this is taken for one that ended.
const LIFETIME_MIN: Duration = Duration::from_secs(1);

/// How long a token lives that is signed here. Whoever steals one has it for no longer.
const SIGNED_LIFETIME: Duration = Duration::from_secs(60);
/// Longest token that is taken, in bytes. It goes along with every request.
const LENGTH_MAX: usize = 16 << 10;
/// Who we are in superuser tokens. Servers take any value.
const SERVER_ID: &str = "arango-operator";

/// What a login gave.
pub(super) struct Token {
    /// The header; `None` where the server has no authentication.
    pub(super) header: Option<HeaderValue>,
    pub(super) minted: Instant,
    /// From here on it is worth renewing, while it is still good.
    pub(super) renew_at: Option<Instant>,
    /// From here on it is no good.
    pub(super) ends: Option<Instant>,
    /// Whether it came in the place of one that was refused.
    pub(super) replaces: bool,
}

impl Token {
    /// A token as the server sent it.
    pub(super) fn new(jwt: &str) -> Result<Self, Error> {
        if jwt.is_empty() || jwt.len() > LENGTH_MAX {
            let problem =
                format!("the login gave a token of {} bytes; it has to be 1 to {LENGTH_MAX}", jwt.len());
            return Err(Error::Unusable(problem));
        }
        let minted = Instant::now();
        let left =
            expiry(jwt).and_then(|exp| exp.checked_sub(SystemTime::now().duration_since(UNIX_EPOCH).ok()?));
        // A token that is over when it is new means that the clocks differ: then only a 401 tells.
        let left = left.filter(|left| *left > LIFETIME_MIN);
        let ends = left.and_then(|left| minted.checked_add(left));
        let renew_at = left.and_then(|left| minted.checked_add(left.mul_f64(RENEW_AFTER)));
        let header = Some(header(&format!("bearer {jwt}"))?);
        Ok(Self { header, minted, renew_at, ends, replaces: false })
    }

    /// For a server that has no authentication: nothing is sent, and nothing ends.
    pub(super) fn none() -> Self {
        Self { header: None, minted: Instant::now(), renew_at: None, ends: None, replaces: false }
    }

    /// The header to send.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.header.as_ref()
    }
}

/// `exp` of the payload, in whole or broken seconds since 1970 (reference: authentication, JWT check). The
/// signature is the server's business.
fn expiry(jwt: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Payload {
        exp: Option<f64>,
    }
    let payload =
        general_purpose::URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let payload: Payload = serde_json::from_slice(&payload).ok()?;
    Duration::try_from_secs_f64(payload.exp?).ok()
}

/// Signs a token for a user, or for the superuser.
pub(super) fn sign(secret: &SecretSlice<u8>, user: Option<&str>) -> Result<Token, Error> {
    let unusable = || Error::Unusable("no token can be signed; look at this machine's clock".to_owned());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| unusable())?;
    let exp = (now + SIGNED_LIFETIME).as_secs();
    // No `iat`: it would be one more moment for two clocks to differ about.
    let claims = match user {
        Some(user) => json!({"iss": "arangodb", "preferred_username": user, "exp": exp}),
        None => json!({"iss": "arangodb", "server_id": SERVER_ID, "exp": exp}),
    };
    let key = EncodingKey::from_secret(secret.expose_secret().trim_ascii());
    let jwt = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|_| unusable())?;
    Token::new(&jwt)
}

/// A header that no `Debug` shows.
pub(super) fn header(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::Unusable("the login can't be written as a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_and_its_absence_is_none() {
        let jwt = |payload: &str| format!("e30.{}.sig", general_purpose::URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(expiry(&jwt(r#"{"exp":1537900279}"#)), Some(Duration::from_secs(1_537_900_279)));
        assert_eq!(expiry(&jwt(r#"{"exp":1.5,"iat":0}"#)), Some(Duration::from_millis(1500)));
        for odd in [jwt(r#"{"iss":"arangodb"}"#), jwt(r#"{"exp":-1}"#), jwt("?"), "x".into(), String::new()] {
            assert_eq!(expiry(&odd), None, "{odd}");
        }
    }

    #[test]
    fn a_signed_token_says_who_and_ends_within_a_minute() {
        let secret = SecretSlice::from(b"the secret\n".to_vec());
        for (user, who) in [(None, json!("arango-operator")), (Some("alice"), json!("alice"))] {
            let token = sign(&secret, user).unwrap();
            let header = token.header().unwrap();
            assert!(header.is_sensitive());
            let jwt = header.to_str().unwrap().strip_prefix("bearer ").unwrap();
            let (mut validation, key) =
                (jsonwebtoken::Validation::new(Algorithm::HS256), b"the secret".as_slice());
            validation.set_issuer(&["arangodb"]);
            let key = jsonwebtoken::DecodingKey::from_secret(key);
            let claims = jsonwebtoken::decode::<serde_json::Value>(jwt, &key, &validation).unwrap().claims;
            let claim = if user.is_some() { "preferred_username" } else { "server_id" };
            assert_eq!((&claims[claim], claims.as_object().unwrap().len()), (&who, 3));
            let left = token.ends.unwrap().saturating_duration_since(Instant::now());
            assert!(left <= SIGNED_LIFETIME && left > SIGNED_LIFETIME / 2, "{left:?}");
            assert!(token.renew_at < token.ends);
        }
    }
}
