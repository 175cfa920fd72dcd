//! The model: a request, the moment, and the state in; an answer and the new state out. No I/O, no clock, no
//! randomness, no logging.

mod access_tokens; // access tokens, which stand for passwords
mod answer; // envelopes, errors, standard texts
mod batches; // several documents at once, and whole collections
mod cluster; // health, endpoints, numberOfServers, other servers
mod collections; // collections
mod config; // what kind of deployment it is
mod databases; // list, create, drop
mod documents; // single documents
mod gate; // who asks, and what is decided before any handler
mod headers; // what every answer carries
mod info; // version, engine, status, roles, licence, statistics
mod javascript; // tasks and programs
mod jobs; // answers that are fetched later
mod listing; // one user's rights on everything, written as a stream
mod login; // /_open/auth and the secrets behind it
mod maintenance; // of the supervision and of single servers
mod metrics; // what Prometheus reads
mod names; // what may be a name
mod path; // prefixes, segments, queries
mod permissions; // levels: read, grant, revoke
mod routes; // path to handler
mod rules; // effective levels
mod state; // databases and users
mod token; // JSON Web Tokens
mod types; // requests and answers
mod users; // accounts

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use http::{Method, StatusCode};
use serde_json::{Value, json};

pub use access_tokens::AccessToken;
pub use config::{Config, Topology};
pub use rules::{collection_level, database_level};
pub use state::{Collection, Database, DatabaseOptions, Entry, Level, Password, State, Targets, User};
pub use types::{Now, Request, Response};

use answer::{Answer, Failure};
use gate::Caller;
use path::Target;

/// What a coordinator is busy with; anything but `Serving` answers 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It works.
    #[default]
    Serving,
    /// It starts.
    Starting,
    /// It starts, a little later: bootstrap maintenance.
    Bootstrapping,
    /// It shuts down.
    Stopping,
}

/// An ArangoDB deployment in memory. `Debug` shows no secret: neither passwords nor tokens.
#[derive(Clone)]
pub struct Model {
    config: Config,
    state: State,
    phases: Vec<Phase>,
    /// Since when a coordinator is known to be away.
    away: Vec<Option<f64>>,
    /// Tokens that were checked before, per coordinator.
    tokens: Vec<HashMap<String, token::Claims>>,
    /// How long requests wait at a coordinator before they are looked at, in seconds.
    queue_times: Vec<f64>,
    /// Answers that are fetched later.
    jobs: jobs::Jobs,
    /// Tokens that were issued earlier have ended.
    expired_before: Now,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("config", &self.config)
            .field("state", &self.state)
            .field("phases", &self.phases)
            .finish_non_exhaustive()
    }
}

/// One request on its way through a handler.
struct Call<'a> {
    request: &'a Request,
    target: &'a Target,
    caller: &'a Caller,
    coordinator: usize,
    now: Now,
}

impl Call<'_> {
    /// The body as JSON.
    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.request.body).ok()
    }

    /// The method.
    fn method(&self) -> &Method {
        &self.request.method
    }
}

impl Model {
    /// A fresh deployment: the database `_system` and the user root.
    pub fn new(config: Config) -> Self {
        let root = Password::new(config.seed, state::ROOT, &config.root_password);
        let coordinators = config.coordinators();
        Self {
            state: State::new(root),
            phases: vec![Phase::Serving; coordinators],
            away: vec![None; coordinators],
            tokens: vec![HashMap::new(); coordinators],
            queue_times: vec![0.0; coordinators],
            jobs: jobs::Jobs::default(),
            expired_before: Now::default(),
            config,
        }
    }

    /// Answers one request.
    pub fn handle(&mut self, request: &Request, now: Now) -> Response {
        let coordinator = request.coordinator.min(self.tokens.len().saturating_sub(1));
        let caller = self.authenticate(request, coordinator, now);
        self.respond(request, &caller, coordinator, now)
    }

    /// Answers one request as the coordinator does while it is busy with something else.
    pub fn handle_in_phase(&mut self, request: &Request, now: Now, phase: Phase) -> Response {
        let place = request.coordinator.min(self.phases.len().saturating_sub(1));
        let usual = std::mem::replace(&mut self.phases[place], phase);
        let response = self.handle(request, now);
        self.phases[place] = usual;
        response
    }

    /// Answers one request with this error in place of what its handler would say; what is decided before any handler
    /// is decided as ever.
    pub fn handle_failing(
        &mut self,
        request: &Request,
        now: Now,
        status: StatusCode,
        number: u16,
        message: &'static str,
    ) -> Response {
        let coordinator = request.coordinator.min(self.tokens.len().saturating_sub(1));
        let caller = self.authenticate(request, coordinator, now);
        let refused = Target::parse(&request.path_and_query)
            .and_then(|target| self.gate(request, &target, &caller, coordinator));
        let failure = refused.err().unwrap_or_else(|| Failure::with(status, number, message));
        headers::finish(request, &caller, Err(failure), self.queue_time(coordinator))
    }

    /// Whether the credentials of a request are believed; always while authentication is off.
    pub fn is_authenticated(&mut self, request: &Request, now: Now) -> bool {
        let coordinator = request.coordinator.min(self.tokens.len().saturating_sub(1));
        self.authenticate(request, coordinator, now).who != gate::Who::Nobody
    }

    /// Answers one request as if a superuser's token came with it. For seeding and looking.
    pub fn handle_as_superuser(&mut self, request: &Request, now: Now) -> Response {
        self.respond(request, &Caller::superuser(), 0, now)
    }

    fn respond(&mut self, request: &Request, caller: &Caller, coordinator: usize, now: Now) -> Response {
        let answer = self.answer(request, caller, coordinator, now);
        headers::finish(request, caller, answer, self.queue_time(coordinator))
    }

    fn answer(&mut self, request: &Request, caller: &Caller, coordinator: usize, now: Now) -> Answer {
        if request.method == Method::OPTIONS {
            return Ok(headers::options(request));
        }
        if !METHODS.contains(&request.method) {
            return Ok(headers::unknown_method());
        }
        let target = &Target::parse(&request.path_and_query)?;
        self.gate(request, target, caller, coordinator)?;
        if !headers::waits(request, self.queue_time(coordinator)) {
            return Err(Failure::new(StatusCode::PRECONDITION_FAILED, 21004));
        }
        let answer = self.route(&Call { request, target, caller, coordinator, now });
        self.jobs.put_off(answer, jobs::wanted(request))
    }

    fn queue_time(&self, coordinator: usize) -> f64 {
        self.queue_times.get(coordinator).copied().unwrap_or_default()
    }

    /// The whole state, for comparing before with after.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Puts another state in the place of this one, and the other way round.
    pub fn swap_state(&mut self, state: &mut State) {
        std::mem::swap(&mut self.state, state);
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of the databases.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        self.state.databases.keys().map(String::as_str)
    }

    /// The names of a database's collections, system collections included; none where the database is missing.
    pub fn collections(&self, database: &str) -> impl Iterator<Item = &str> {
        let database = self.state.databases.get(database);
        database.into_iter().flat_map(|database| database.collections.keys().map(String::as_str))
    }

    /// The names of the users.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.state.users.keys().map(String::as_str)
    }

    /// One user.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.state.users.get(name).map(Arc::as_ref)
    }

    /// The configured grants of a user, those on missing databases included.
    pub fn grants(&self, user: &str) -> Option<&BTreeMap<String, Entry>> {
        self.user(user).map(|user| &user.grants)
    }

    /// The effective level of a user on a database, read-only mode apart.
    pub fn effective_database_level(&self, user: &str, database: &str) -> Level {
        self.state.database_level(user, database)
    }

    /// The effective level of a user on a collection, read-only mode apart.
    pub fn effective_collection_level(&self, user: &str, database: &str, collection: &str) -> Level {
        self.state.collection_level(user, database, collection)
    }

    /// Whether this user exists, is active, and has this password.
    pub fn password_matches(&self, user: &str, password: &str) -> bool {
        self.user(user).is_some_and(|user| user.active && user.password.matches(password))
    }

    /// A token that the deployment's secret signs.
    pub fn sign(&self, claims: &Value) -> Option<String> {
        token::sign(&self.config.jwt_secret, claims)
    }

    /// A superuser's token that ends at this moment, or never.
    pub fn superuser_token(&self, expires: Option<Now>) -> Option<String> {
        let mut claims = json!({"iss": "arangodb", "server_id": "stand-in"});
        if let Some(expires) = expires {
            claims["exp"] = expires.seconds().into();
        }
        self.sign(&claims)
    }

    /// Puts a user's grants in place as they are, past every check of the routes: for seeding histories that the
    /// routes don't allow any more, such as grants on collections that are gone. `false` where there is no such user.
    pub fn set_grants(&mut self, user: &str, grants: BTreeMap<String, Entry>) -> bool {
        self.state.user_mut(user).map(|user| user.grants = grants).is_some()
    }

    /// Sets what a coordinator is busy with.
    pub fn set_phase(&mut self, coordinator: usize, phase: Phase) {
        if let Some(slot) = self.phases.get_mut(coordinator) {
            *slot = phase;
        }
    }

    /// Says that a coordinator is away since a moment, or that it is there: what `health` shows of it.
    pub fn set_away(&mut self, coordinator: usize, since: Option<Now>) {
        if let Some(slot) = self.away.get_mut(coordinator) {
            *slot = since.map(|now| now.0);
        }
        // A process that comes back has forgotten the tokens that it checked.
        if let Some(tokens) = self.tokens.get_mut(coordinator).filter(|_| since.is_some()) {
            tokens.clear();
        }
    }

    /// Sets how long requests wait at a coordinator, in seconds. It answers so, and refuses requests that aren't ready
    /// to wait so long (reference: headers); that they do wait is up to whoever sends the answer.
    pub fn set_queue_time(&mut self, coordinator: usize, seconds: f64) {
        if let Some(slot) = self.queue_times.get_mut(coordinator) {
            *slot = seconds;
        }
    }

    /// Says where the coordinators listen, as `host:port`: what `endpoints` and `health` show.
    pub fn set_addresses(&mut self, addresses: Vec<String>) {
        self.config.addresses = addresses;
    }

    /// Makes it another cluster, as when its addresses come to lead to one that holds a copy of the data.
    pub fn set_cluster_id(&mut self, id: &str) {
        id.clone_into(&mut self.config.cluster_id);
    }

    /// Ends every token that was issued before this moment. One that doesn't say when it was issued (`iat`) goes on.
    pub fn expire_tokens(&mut self, now: Now) {
        self.expired_before = now;
    }

    /// Empties what coordinators remember of tokens, as a restart of all of them would.
    pub fn forget_tokens(&mut self) {
        self.tokens.iter_mut().for_each(HashMap::clear);
    }
}

/// The methods that some handler takes.
const METHODS: [Method; 6] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD];

/// 200.
const OK: StatusCode = StatusCode::OK;
