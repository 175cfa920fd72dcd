//! Who asks, and what is decided before any handler runs (reference: the gate).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, StatusCode, header};

use super::{
    Call, Model, Now, Phase, Request,
    answer::Failure,
    path::Target,
    state::{Level, SYSTEM},
    token::{self, Claims, Subject},
};

/// As many tokens as one coordinator remembers; then it forgets them all and checks them again.
const TOKENS_MAX: usize = 16_384;

/// Who a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// A token of the deployment itself, or anybody while authentication is off.
    Superuser,
    /// A user. A token that was seen before outlives him, so he may be gone.
    User(String),
    /// Nobody that could be believed.
    Nobody,
}

/// The credentials of a request, judged.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) who: Who,
    /// The user name of Basic credentials, whether or not they are right.
    claimed: Option<String>,
    /// What the token says, if one came and was believed.
    pub(super) token: Option<Claims>,
}

impl Caller {
    /// Nobody.
    fn nobody(claimed: Option<String>) -> Self {
        Self { who: Who::Nobody, claimed, token: None }
    }

    /// The deployment itself.
    pub(super) fn superuser() -> Self {
        Self { who: Who::Superuser, claimed: None, token: None }
    }

    /// The user's name, for logs and for questions about oneself.
    pub(super) fn name(&self) -> Option<&str> {
        if let Who::User(name) = &self.who { Some(name) } else { None }
    }
}

/// The scheme in lower case and the credentials.
fn authorization(headers: &HeaderMap) -> Option<(String, &str)> {
    let (scheme, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some((scheme.to_ascii_lowercase(), rest.trim()))
}

impl Model {
    /// Judges the credentials.
    pub(super) fn authenticate(&mut self, request: &Request, coordinator: usize, now: Now) -> Caller {
        if !self.config.authentication {
            return Caller::superuser();
        }
        match authorization(&request.headers) {
            Some((scheme, text)) if scheme == "basic" => self.basic(text, now),
            Some((scheme, text)) if scheme == "bearer" => match self.token(text, coordinator, now) {
                Some(claims) => {
                    let who = match &claims.subject {
                        Subject::User(name) => Who::User(name.clone()),
                        Subject::Superuser => Who::Superuser,
                    };
                    Caller { who, claimed: None, token: Some(claims) }
                }
                None => Caller::nobody(None),
            },
            _ => Caller::nobody(None),
        }
    }

    /// Basic: split at the first colon; the user must exist, be active, and have this password or access token.
    fn basic(&self, text: &str, now: Now) -> Caller {
        let Some(text) = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
            return Caller::nobody(None);
        };
        let Some((name, password)) = text.split_once(':') else { return Caller::nobody(None) };
        let claimed = Some(name.to_owned());
        match self.credentials(name, password, now) {
            Some(user) => Caller { who: Who::User(user), claimed, token: None },
            None => Caller::nobody(claimed),
        }
    }

    /// A token: remembered by its text until it ends. Neither the password nor `active` count, and a user who was
    /// removed since stays authenticated (reference: authentication, check of a token).
    fn token(&mut self, text: &str, coordinator: usize, now: Now) -> Option<Claims> {
        let tokens = self.tokens.get_mut(coordinator)?;
        if let Some(claims) = tokens.get(text) {
            if !claims.expired(now, self.expired_before) {
                return Some(claims.clone());
            }
            tokens.remove(text);
            return None;
        }
        let claims = token::verify(&self.config.jwt_secret, text)?;
        let known = match &claims.subject {
            Subject::User(name) => self.state.users.contains_key(name),
            Subject::Superuser => true,
        };
        if !known || claims.expired(now, self.expired_before) {
            return None;
        }
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(text.to_owned(), claims.clone());
        Some(claims)
    }

    /// Decides whether a handler may run at all. The order is the server's.
    pub(super) fn gate(
        &self,
        request: &Request,
        target: &Target,
        caller: &Caller,
        coordinator: usize,
    ) -> Result<(), Failure> {
        let unavailable = |text: &'static str| Err(Failure::with(StatusCode::SERVICE_UNAVAILABLE, 503, text));
        match self.phases.get(coordinator).copied().unwrap_or_default() {
            Phase::Serving => {}
            Phase::Stopping => return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, 30)),
            // ASSUMED: the public availability route answers like Basic does while a server starts.
            Phase::Starting
                if caller.claimed.is_some()
                    || !self.config.authentication
                    || is_availability(&target.path) =>
            {
                return unavailable("service unavailable due to startup");
            }
            Phase::Starting => return Err(unauthorized()),
            Phase::Bootstrapping => {
                return unavailable("service unavailable due to startup or maintenance mode");
            }
        }
        if !self.state.databases.contains_key(&target.database) {
            // Names can't be guessed: only who would have access to such a database learns that it is missing.
            let level = self.level(caller, &target.database);
            let visible = level > Level::None;
            return Err(if visible { Failure::missing(1228) } else { unauthorized() });
        }
        if let Some(Claims { allowed_paths: Some(paths), .. }) = &caller.token
            && !paths.contains(&target.path)
        {
            return Err(unauthorized());
        }
        if self.level(caller, &target.database) > Level::None || is_open(request, target, caller) {
            return Ok(());
        }
        Err(unauthorized())
    }

    /// The effective level of a caller on a database, capped in read-only mode.
    pub(super) fn level(&self, caller: &Caller, database: &str) -> Level {
        match &caller.who {
            Who::Superuser => Level::Rw,
            Who::User(name) => self.state.capped(self.state.database_level(name, database)),
            Who::Nobody => Level::None,
        }
    }

    /// The effective level of a caller on a collection, capped in read-only mode.
    pub(super) fn level_on(&self, caller: &Caller, database: &str, collection: &str) -> Level {
        match &caller.who {
            Who::Superuser => Level::Rw,
            Who::User(name) => self.state.capped(self.state.collection_level(name, database, collection)),
            Who::Nobody => Level::None,
        }
    }

    /// Whether the caller is an administrator by configuration. Enough for reading, also in read-only mode.
    ///
    /// ASSUMED: the reference says that administrators' writes fail in read-only mode, not that their reads do.
    pub(super) fn is_admin(&self, caller: &Caller) -> bool {
        match &caller.who {
            Who::Superuser => true,
            Who::User(name) => self.state.database_level(name, SYSTEM) == Level::Rw,
            Who::Nobody => false,
        }
    }

    /// Refuses whoever is no administrator, for routes that show or change the server itself.
    pub(super) fn for_administrators(&self, call: &Call<'_>) -> Result<(), Failure> {
        if self.is_admin(call.caller) { Ok(()) } else { Err(Failure::hidden()) }
    }

    /// Whether the server's insides are hidden from this caller.
    pub(super) fn hides_from(&self, call: &Call<'_>) -> bool {
        self.config.harden && !self.is_admin(call.caller)
    }

    /// Whether the caller may change users, databases and rights now: in read-only mode only the superuser may.
    pub(super) fn may_administrate(&self, caller: &Caller) -> bool {
        self.level(caller, SYSTEM) == Level::Rw
    }
}

fn unauthorized() -> Failure {
    Failure::with(StatusCode::UNAUTHORIZED, 11, "not authorized to execute this request")
}

fn is_availability(path: &str) -> bool {
    path == "/_admin/server/availability"
}

/// The paths that need less than a right on the database.
fn is_open(request: &Request, target: &Target, caller: &Caller) -> bool {
    let path = target.path.as_str();
    // Paths of Foxx services, as `--server.authentication-system-only` is on by default.
    if path == "/" || !path.starts_with("/_") {
        return true;
    }
    if path.starts_with("/_open/") || path.starts_with("/_admin/aardvark/") || is_availability(path) {
        return true;
    }
    if caller.who != Who::Nobody {
        // ASSUMED: the list of one's own databases is open under every prefix, not under `_system` alone.
        return path == "/_api/cluster/endpoints"
            || path.starts_with("/_api/user/")
            || path.starts_with("/_api/token/")
            || path.trim_end_matches('/') == "/_api/database/user";
    }
    // A check of one's own password, also with a wrong one in the header; the slash after the name counts.
    request.method == Method::POST
        && caller.claimed.as_deref().is_some_and(|name| {
            matches!(&target.segments[..], [api, user, asked, ..] if api == "_api" && user == "user" && asked == name)
                && path.matches('/').count() > 3
        })
}
