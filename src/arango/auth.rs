//! The connection's own login. One token serves all coordinators and all requests; however many requests find
//! it missing or refused at the same moment, one login is sent.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose};
use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::Error;

/// How old a token has to be before a 401 is held against it. 401/11 is also the answer for a missing right
/// (reference: the gate), so this bounds what requests without rights cost: one login in this time.
const MOMENT: Duration = Duration::from_secs(1);

/// A token is renewed when this part of its lifetime is over.
const RENEW_AFTER: f64 = 0.8;

/// How long a token lives that is signed here. It is signed again before that is over.
const SIGNED_LIFETIME: Duration = Duration::from_secs(300);

/// How the connection logs in. `Debug` shows the user, nothing secret.
#[derive(Clone, Default)]
pub enum Auth {
    /// Not at all: a server without authentication.
    #[default]
    None,
    /// User and password with every request. A user name with a colon can't be sent this way.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// User and password once, for a token (reference: authentication, login).
    Jwt {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// As the deployment itself, by tokens signed here: it may do everything, also in read-only mode (reference:
    /// authentication, check of a token).
    Superuser {
        /// The secret that the deployment signs its tokens with.
        secret: SecretSlice<u8>,
    },
    /// As a user, by tokens signed here: nobody has to know his password.
    Signed {
        /// The secret that the deployment signs its tokens with.
        secret: SecretSlice<u8>,
        /// The user.
        user: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Jwt { user, .. } => f.debug_struct("Jwt").field("user", user).finish_non_exhaustive(),
            Self::Superuser { .. } => f.write_str("Superuser"),
            Self::Signed { user, .. } => f.debug_struct("Signed").field("user", user).finish_non_exhaustive(),
        }
    }
}

impl Auth {
    /// The header that never changes, if there is one.
    fn fixed(&self) -> Result<Option<HeaderValue>, Error> {
        let Self::Basic { user, password } = self else { return Ok(None) };
        if user.contains(':') {
            let problem = format!("the user name {user:?} has a colon; use the method JWT");
            return Err(Error::Unusable(problem));
        }
        let pair = format!("{user}:{}", password.expose_secret());
        header(&format!("Basic {}", general_purpose::STANDARD.encode(pair))).map(Some)
    }
}

/// A header that no `Debug` shows.
fn header(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Error::Unusable("the login can't be written as a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a login gave.
pub(super) struct Token {
    /// The header; `None` where the server has no authentication.
    header: Option<HeaderValue>,
    minted: Instant,
    /// From here on it is worth renewing, while it is still good.
    renew_at: Option<Instant>,
    /// From here on it is no good.
    ends: Option<Instant>,
}

impl Token {
    /// A token as the server sent it.
    pub(super) fn new(jwt: &str) -> Result<Self, Error> {
        let minted = Instant::now();
        let left =
            expiry(jwt).and_then(|exp| exp.checked_sub(SystemTime::now().duration_since(UNIX_EPOCH).ok()?));
        // A token that is over when it is new means that the clocks differ: then only a 401 tells.
        let left = left.filter(|left| *left > MOMENT);
        let ends = left.and_then(|left| minted.checked_add(left));
        let renew_at = left.and_then(|left| minted.checked_add(left.mul_f64(RENEW_AFTER)));
        Ok(Self { header: Some(header(&format!("bearer {jwt}"))?), minted, renew_at, ends })
    }

    /// For a server that has no authentication: nothing is sent, and nothing ends.
    pub(super) fn none() -> Self {
        Self { header: None, minted: Instant::now(), renew_at: None, ends: None }
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

/// Keeps the token of one deployment.
pub(super) struct Authenticator {
    auth: Auth,
    fixed: Option<Arc<Token>>,
    current: Mutex<Option<Arc<Token>>>,
    /// Held while a login is under way. What it keeps is the last refusal, so that those who waited for it,
    /// and those who come a moment later, share it.
    flight: tokio::sync::Mutex<Option<(Instant, Error)>>,
    /// How many logins have ended.
    ended: AtomicU64,
    pub(super) moment: Duration,
}

impl Authenticator {
    pub(super) fn new(auth: Auth) -> Result<Self, Error> {
        let fixed = match (&auth, auth.fixed()?) {
            (Auth::Jwt { .. } | Auth::Superuser { .. } | Auth::Signed { .. }, _) => None,
            (_, header) => Some(Arc::new(Token { header, ..Token::none() })),
        };
        Ok(Self {
            auth,
            fixed,
            current: Mutex::new(None),
            flight: tokio::sync::Mutex::new(None),
            ended: AtomicU64::new(0),
            moment: MOMENT,
        })
    }

    /// Who logs in for a token, if anybody does.
    pub(super) fn login(&self) -> Option<(&str, &SecretString)> {
        match &self.auth {
            Auth::Jwt { user, password } => Some((user, password)),
            _ => None,
        }
    }

    /// A token signed here, if that is how the connection logs in.
    pub(super) fn sign(&self) -> Option<Result<Token, Error>> {
        let (secret, mut claims) = match &self.auth {
            Auth::Superuser { secret } => (secret, json!({"server_id": "arango-operator"})),
            Auth::Signed { secret, user } => (secret, json!({"preferred_username": user})),
            _ => return None,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        claims["iss"] = "arangodb".into();
        claims["iat"] = now.as_secs().into();
        claims["exp"] = (now + SIGNED_LIFETIME).as_secs().into();
        let key = EncodingKey::from_secret(secret.expose_secret());
        let unusable = |_| Error::Unusable("no token can be signed with the secret".to_owned());
        Some(
            jsonwebtoken::encode(&Header::default(), &claims, &key)
                .map_err(unusable)
                .and_then(|jwt| Token::new(&jwt)),
        )
    }

    /// The token to send now. `mint` logs in; it is called at most once, and not at all if somebody else's
    /// login ended while this one waited.
    pub(super) async fn token<F>(&self, mint: F) -> Result<Arc<Token>, Error>
    where
        F: AsyncFnOnce() -> Result<Token, Error>,
    {
        if let Some(fixed) = &self.fixed {
            return Ok(Arc::clone(fixed));
        }
        let now = Instant::now();
        let current = self.current.lock().clone();
        match current.filter(|token| token.ends.is_none_or(|ends| now < ends)) {
            None => self.fly(mint).await,
            Some(token) if token.renew_at.is_none_or(|at| now < at) => Ok(token),
            // It is still good: one renews it, the others go on with it, and a failure can wait.
            Some(token) => match self.flight.try_lock() {
                Err(_) => Ok(token),
                Ok(mut flight) => Ok(self.mint(&mut flight, mint).await.unwrap_or(token)),
            },
        }
    }

    /// After a 401 with `refused`: the token to repeat the request with, or `None` if the 401 stands, because
    /// no token was involved or the token is so new that it can't be the reason.
    pub(super) async fn renewed<F>(&self, refused: &Arc<Token>, mint: F) -> Result<Option<Arc<Token>>, Error>
    where
        F: AsyncFnOnce() -> Result<Token, Error>,
    {
        if self.fixed.is_some() {
            return Ok(None);
        }
        let current = self.current.lock().clone();
        match current {
            Some(current) if !Arc::ptr_eq(&current, refused) => Ok(Some(current)),
            _ if refused.minted.elapsed() < self.moment => Ok(None),
            _ => self.fly(mint).await.map(Some),
        }
    }

    /// Logs in, or waits for the login that is under way and shares what it gives.
    async fn fly<F>(&self, mint: F) -> Result<Arc<Token>, Error>
    where
        F: AsyncFnOnce() -> Result<Token, Error>,
    {
        let before = self.ended.load(Ordering::Acquire);
        let mut flight = self.flight.lock().await;
        if self.ended.load(Ordering::Acquire) != before {
            match (&*flight, self.current.lock().clone()) {
                (Some((_, error)), _) => return Err(error.clone()),
                (None, Some(token)) => return Ok(token),
                (None, None) => {}
            }
        }
        self.mint(&mut flight, mint).await
    }

    async fn mint<F>(&self, flight: &mut Option<(Instant, Error)>, mint: F) -> Result<Arc<Token>, Error>
    where
        F: AsyncFnOnce() -> Result<Token, Error>,
    {
        // A refused password is not tried again by every request that comes by.
        if let Some((at, error @ Error::LoginRefused { .. })) = &*flight
            && at.elapsed() < self.moment
        {
            return Err(error.clone());
        }
        let outcome = mint().await.map(Arc::new);
        match &outcome {
            Ok(token) => {
                *self.current.lock() = Some(Arc::clone(token));
                *flight = None;
            }
            Err(error) => *flight = Some((Instant::now(), error.clone())),
        }
        self.ended.fetch_add(1, Ordering::Release);
        outcome
    }
}

#[cfg(test)]
mod unit {
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
    fn a_colon_in_a_user_name_is_refused_for_basic() {
        let auth = Auth::Basic { user: "a:b".into(), password: "canary".into() };
        let error = Authenticator::new(auth).err().unwrap();
        assert!(error.to_string().contains("colon"));
    }

    #[tokio::test]
    async fn a_token_near_its_end_is_renewed_by_one_and_used_by_the_others() {
        let login = Authenticator::new(Auth::Jwt { user: "a".into(), password: "b".into() }).unwrap();
        let now = Instant::now();
        let hour = Duration::from_secs(3600);
        let old = Arc::new(Token { renew_at: Some(now), ends: Some(now + hour), ..Token::none() });
        *login.current.lock() = Some(Arc::clone(&old));
        let failing = async || Err(Error::Unreachable(Vec::new()));
        assert!(Arc::ptr_eq(&login.token(failing).await.unwrap(), &old), "a failed renewal can wait");
        {
            let _under_way = login.flight.lock().await;
            let unused = async || Err(Error::Unreachable(Vec::new()));
            assert!(Arc::ptr_eq(&login.token(unused).await.unwrap(), &old), "nobody waits for a renewal");
        }
        let fresh = login.token(async || Ok(Token::none())).await.unwrap();
        assert!(!Arc::ptr_eq(&fresh, &old));
        // One that is over is never sent, even if no other can be had.
        *login.current.lock() = Some(Arc::new(Token { ends: Some(now), ..Token::none() }));
        login.token(failing).await.err().unwrap();
    }
}
