//! The connection's own login. One token serves all coordinators and all requests; however many requests find
//! it missing or refused at the same moment, one login is sent. Where the deployment's secret is known, none is sent at
//! all: tokens are signed here.

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
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::Error;

/// A token that was renewed because of a 401 is not renewed again within this time, however often it is refused.
/// 401/11 is also the answer for a missing right (reference: the gate), so this bounds what requests without rights
/// cost: one login in this time.
const MOMENT: Duration = Duration::from_secs(1);

/// A token is renewed when this part of its lifetime is over.
const RENEW_AFTER: f64 = 0.8;

/// How long a token lives that is signed here. Whoever steals one has it for no longer.
const SIGNED_LIFETIME: Duration = Duration::from_secs(60);
/// The longest secret that servers take (reference: authentication, JWT check).
const SECRET_MAX: usize = 64;
/// Who we are in superuser tokens. Servers take any value.
const SERVER_ID: &str = "arango-operator";

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
    /// As the superuser, by tokens that are signed here with the deployment's JWT secret and live for a minute. No
    /// right and no read-only mode binds him (reference: authentication, JWT check). The clocks of this machine and
    /// the servers may differ by less than that minute.
    Superuser {
        /// What is in the servers' `--server.jwt-secret-keyfile`: 1 to 64 bytes.
        // ASSUMED: white space around it is no part of it, so that a line break at the end of a file does no harm.
        secret: SecretSlice<u8>,
    },
    /// As some user without his password, by tokens that are signed in the same way.
    SignedAs {
        /// The secret, as for [`Auth::Superuser`].
        secret: SecretSlice<u8>,
        /// The user. One who doesn't exist is answered 401; one who is not active is taken all the same.
        user: String,
    },
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Jwt { user, .. } => f.debug_struct("Jwt").field("user", user).finish_non_exhaustive(),
            Self::Superuser { .. } => f.debug_struct("Superuser").finish_non_exhaustive(),
            Self::SignedAs { user, .. } => {
                f.debug_struct("SignedAs").field("user", user).finish_non_exhaustive()
            }
        }
    }
}

/// Where a new token comes from.
pub(super) enum Credentials<'a> {
    /// None is needed.
    None,
    /// A login with user and password.
    Password(&'a str, &'a SecretString),
    /// Here it is.
    Signed(Result<Token, Error>),
}

impl Auth {
    /// The token that never changes, if it is of that kind.
    fn fixed(&self) -> Result<Option<Token>, Error> {
        match self {
            Self::None => Ok(Some(Token::none())),
            Self::Basic { user, .. } if user.contains(':') => {
                let problem = format!("the user name {user:?} has a colon; use the method JWT");
                Err(Error::Unusable(problem))
            }
            Self::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose_secret());
                let header = header(&format!("Basic {}", general_purpose::STANDARD.encode(pair)))?;
                Ok(Some(Token { header: Some(header), ..Token::none() }))
            }
            Self::Jwt { .. } => Ok(None),
            Self::Superuser { secret } | Self::SignedAs { secret, .. } => {
                match secret.expose_secret().trim_ascii().len() {
                    1..=SECRET_MAX => Ok(None),
                    length => Err(Error::Unusable(format!(
                        "the JWT secret has {length} bytes; it has to be 1 to {SECRET_MAX}"
                    ))),
                }
            }
        }
    }
}

/// Signs a token for a user, or for the superuser.
fn sign(secret: &SecretSlice<u8>, user: Option<&str>) -> Result<Token, Error> {
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
    /// Whether it came in the place of one that was refused.
    replaces: bool,
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
        Ok(Self {
            fixed: auth.fixed()?.map(Arc::new),
            auth,
            current: Mutex::new(None),
            flight: tokio::sync::Mutex::new(None),
            ended: AtomicU64::new(0),
            moment: MOMENT,
        })
    }

    /// Where a new token comes from.
    pub(super) fn credentials(&self) -> Credentials<'_> {
        match &self.auth {
            Auth::None | Auth::Basic { .. } => Credentials::None,
            Auth::Jwt { user, password } => Credentials::Password(user, password),
            Auth::Superuser { secret } => Credentials::Signed(sign(secret, None)),
            Auth::SignedAs { secret, user } => Credentials::Signed(sign(secret, Some(user))),
        }
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

    /// Whether there are tokens at all, which end and can be renewed.
    pub(super) fn has_tokens(&self) -> bool {
        self.fixed.is_none()
    }

    /// After a 401 with `refused`: the token to repeat the request with, or `None` if it was renewed only just now
    /// and can't be the reason.
    pub(super) async fn renewed<F>(&self, refused: &Arc<Token>, mint: F) -> Result<Option<Arc<Token>>, Error>
    where
        F: AsyncFnOnce() -> Result<Token, Error>,
    {
        let current = self.current.lock().clone();
        match current {
            Some(current) if !Arc::ptr_eq(&current, refused) => Ok(Some(current)),
            _ if refused.replaces && refused.minted.elapsed() < self.moment => Ok(None),
            _ => {
                let replacing = async || Ok(Token { replaces: true, ..mint().await? });
                self.fly(replacing).await.map(Some)
            }
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
                // The other one's time was over; this one may have some left.
                (Some((_, Error::TimedOut { .. })), _) => {}
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

    #[test]
    fn a_secret_that_no_server_takes_is_refused() {
        for secret in ["", " \n", &"x".repeat(65)] {
            let auth = Auth::Superuser { secret: secret.as_bytes().to_vec().into() };
            assert!(Authenticator::new(auth).is_err(), "{secret:?}");
        }
    }

    #[tokio::test]
    async fn those_who_waited_for_a_login_whose_time_ran_out_log_in_themselves() {
        let login = Authenticator::new(Auth::Jwt { user: "a".into(), password: "b".into() }).unwrap();
        let (began, mut begins) = tokio::sync::oneshot::channel();
        let slow = async || {
            began.send(()).unwrap();
            tokio::task::yield_now().await;
            let (method, path) = (http::Method::POST, String::new());
            Err(Error::TimedOut { method, path, after: Duration::ZERO, sent: true })
        };
        let waiter = async {
            (&mut begins).await.unwrap();
            login.token(async || Ok(Token::none())).await
        };
        let (slow, waiter) = tokio::join!(login.token(slow), waiter);
        assert!(slow.is_err() && waiter.is_ok());
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
