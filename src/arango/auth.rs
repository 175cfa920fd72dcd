//! The connection's own login. One token serves all coordinators and all requests; however many requests find
//! it missing or refused at the same moment, one login is sent. Where the deployment's secret is known, none is sent at
//! all: tokens are signed here.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::time::Instant;

use super::{
    Error,
    token::{Token, header, sign},
};

/// A token that was renewed because of a 401 is not renewed again within this time, however often it is refused.
/// 401/11 is also the answer for a missing right (reference: the gate), so this bounds what requests without rights
/// cost: one login in this time.
const MOMENT: Duration = Duration::from_secs(1);

/// The longest secret that servers take (reference: authentication, JWT check).
const SECRET_MAX: usize = 64;

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
                (Some((_, Error::TimedOut { .. })), _) | (None, None) => {}
                (Some((_, error)), _) => return Err(error.clone()),
                (None, Some(token)) => return Ok(token),
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
    fn a_colon_in_a_user_name_is_refused_for_basic() {
        let auth = Auth::Basic { user: "a:b".into(), password: "canary".into() };
        let error = Authenticator::new(auth).err().unwrap();
        assert!(error.to_string().contains("colon"));
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
