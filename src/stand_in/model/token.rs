//! JSON Web Tokens: HS256 over the deployment's secret.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde_json::{Value, json};

use super::Now;

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A user by name; whether he exists is another question.
    User(String),
    /// The deployment itself.
    Superuser,
}

/// What a token that was signed with the secret says.
#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) subject: Subject,
    /// When it ends; a token without an end lives as long as the secret.
    pub(super) expires: Option<f64>,
    /// When it was issued, if it says so.
    pub(super) issued: Option<f64>,
    /// The only paths that it may be used for, if it says so.
    pub(super) allowed_paths: Option<Vec<String>>,
}

impl Claims {
    /// Whether the token has ended, by itself or because all that were issued before a moment have.
    pub(super) fn expired(&self, now: Now, expired_before: Now) -> bool {
        self.expires.is_some_and(|end| end <= now.0)
            || self.issued.is_some_and(|issued| issued < expired_before.0)
    }
}

/// Signs claims.
pub(super) fn sign(secret: &[u8], claims: &Value) -> Option<String> {
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&header), encode(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).ok()?;
    Some(format!("{message}.{signature}"))
}

/// The token that a login gives; it lives for so many seconds. Right after all tokens were ended, `iat` is that very
/// moment with its fraction, so that tokens of the same second are told apart.
pub(super) fn login(
    secret: &[u8],
    user: &str,
    now: Now,
    lifetime: u32,
    expired_before: Now,
) -> Option<String> {
    let issued = now.seconds();
    let ends = issued.saturating_add(lifetime.into());
    let mut claims = json!({"preferred_username": user, "iss": "arangodb", "iat": issued, "exp": ends});
    if issued == expired_before.seconds() {
        claims["iat"] = expired_before.0.into();
    }
    sign(secret, &claims)
}

/// Checks a token's form, signature and issuer. Its end and its user are the caller's to check: both change with
/// time while the token stays the same.
pub(super) fn verify(secret: &[u8], token: &str) -> Option<Claims> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, body) = message.split_once('.')?;
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let header = part(header)?;
    if header["alg"] != "HS256" || header["typ"] != "JWT" {
        return None;
    }
    let key = DecodingKey::from_secret(secret);
    if !crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256).unwrap_or(false) {
        return None;
    }
    let body = part(body)?;
    claims(&body)
}

/// Reads a token's body (reference: authentication, check of a token).
fn claims(body: &Value) -> Option<Claims> {
    if body["iss"] != "arangodb" {
        return None;
    }
    // A claim that is there and `null` isn't absent: it has the wrong type.
    let subject = match body.get("preferred_username") {
        // The user wins where both are given.
        Some(Value::String(name)) if !name.is_empty() => Subject::User(name.clone()),
        None if body.get("server_id").is_some() => Subject::Superuser,
        _ => return None,
    };
    let expires = match body.get("exp") {
        None => None,
        Some(Value::Number(end)) => Some(end.as_f64()?),
        _ => return None,
    };
    let allowed_paths = match body.get("allowed_paths") {
        None => None,
        // An empty array, another type or an element of another type spoils the whole token.
        Some(Value::Array(paths)) if !paths.is_empty() => {
            Some(paths.iter().map(|path| path.as_str().map(str::to_owned)).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(Claims { subject, expires, issued: body["iat"].as_f64(), allowed_paths })
}
