//! The pool of coordinators: a request's turn, its login, its answer. Which coordinator is asked, and which next, is in
//! [`super::dispatch`].

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use http::StatusCode;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, error::Elapsed, sleep, timeout_at},
};
use tracing::{Instrument, debug, debug_span, warn};

use super::{
    Connection, Endpoint, Error, Reason, Request, Response, Transport,
    auth::{Authenticator, Credentials},
    client::login_request,
    connect::Coordinator,
    exchange::kind_of,
    probe,
    token::Token,
    turns::Turns,
};
use crate::core::balance::{Balancer, Pick, Wish, jittered};

/// How often a write-write conflict is sent again (reference: general rules, write-write conflicts).
const CONFLICTS_MAX: u32 = 3;
/// Longest wait before the first repetition of a conflict; it doubles.
const CONFLICT_DELAY: Duration = Duration::from_millis(50);

/// What is known of one coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorState {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Whether it works, as far as requests and probes have shown; taken for granted at first.
    pub reachable: bool,
    /// What was wrong when it was set aside.
    pub message: Option<String>,
}

/// The coordinators of one deployment. Cheap to clone; clones are the same pool.
#[derive(Debug, Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) coordinators: Vec<Arc<Coordinator>>,
    balancer: Mutex<Balancer>,
    started: Instant,
    turns: Turns,
    login: Authenticator,
    timeout: Duration,
    pub(super) patience: Duration,
    pub(super) max_answer: usize,
    unverified: bool,
    pub(super) states: watch::Sender<Vec<CoordinatorState>>,
    /// Tells the prober that there is something to probe.
    wake: Arc<Notify>,
    prober: OnceLock<AbortHandle>,
}

impl Pool {
    /// A pool that has sent nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] if there is no endpoint, or a certificate, key, secret or user name can't be used.
    pub fn new(mut connection: Connection) -> Result<Self, Error> {
        if connection.endpoints.is_empty() {
            return Err(Error::Unusable("no endpoint is given; name at least one coordinator".to_owned()));
        }
        let unverified =
            connection.tls.insecure_skip_verify && connection.endpoints.iter().any(Endpoint::is_tls);
        if unverified {
            let endpoints: Vec<String> = connection.endpoints.iter().map(Endpoint::to_string).collect();
            warn!(
                endpoints = endpoints.join(","),
                "certificates are not verified: whoever is on the way can read the login and change any answer"
            );
        }
        let states = connection.endpoints.iter().map(|endpoint| CoordinatorState {
            endpoint: endpoint.clone(),
            reachable: true,
            message: None,
        });
        let states = watch::Sender::new(states.collect());
        let endpoints = std::mem::take(&mut connection.endpoints);
        let coordinators = endpoints
            .into_iter()
            .map(|endpoint| Ok(Arc::new(Coordinator::new(endpoint, &connection)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Self {
            inner: Arc::new(Inner {
                balancer: Mutex::new(Balancer::new(coordinators.len(), connection.load_balancing)),
                coordinators,
                started: Instant::now(),
                turns: Turns::new(connection.max_concurrent),
                login: Authenticator::new(connection.auth)?,
                timeout: connection.timeout,
                patience: connection.patience,
                max_answer: connection.max_answer,
                unverified,
                states,
                wake: Arc::new(Notify::new()),
                prober: OnceLock::new(),
            }),
        })
    }

    /// What is known of each coordinator, in the order of the endpoints.
    pub fn coordinators(&self) -> Vec<CoordinatorState> {
        self.inner.states.borrow().clone()
    }

    /// Changes when a coordinator is set aside or taken back, and only then.
    pub fn watch(&self) -> watch::Receiver<Vec<CoordinatorState>> {
        self.inner.states.subscribe()
    }

    /// How many requests may be under way at once just now: what is found to do the deployment good, and never more than
    /// [`Connection::max_concurrent`].
    pub fn limit(&self) -> usize {
        self.inner.turns.limit()
    }

    /// Whether certificates are taken unseen, because [`super::Tls::insecure_skip_verify`] asks for it and an
    /// endpoint speaks TLS. Logged as a warning once, when the pool is made; for callers that have another place to say it.
    pub fn is_unverified(&self) -> bool {
        self.inner.unverified
    }

    /// With another time within which one refused token is renewed once.
    #[cfg(test)]
    pub(super) fn with_moment(mut self, moment: Duration) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.login.moment = moment;
        }
        self
    }
}

impl Transport for Pool {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        // Unique in this process: what one request says, its login and its repetitions included, has the same.
        static REQUESTS: AtomicU64 = AtomicU64::new(1);
        let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let span = debug_span!("request", id, method = %request.method, path = %request.path);
        async move {
            let began = Instant::now();
            let outcome = self.inner.send(&request, began + self.inner.time_of(&request)).await;
            let millis = began.elapsed().as_millis();
            match &outcome {
                Ok(answer) => debug!(
                    status = answer.status.as_u16(),
                    coordinator = answer.coordinator,
                    bytes = answer.body.len(),
                    millis,
                    "answer"
                ),
                Err(error) => debug!(millis, %error, "no answer"),
            }
            outcome
        }
        .instrument(span)
        .boxed()
    }
}

impl Inner {
    /// A whole request: turn, login, answer; one renewal of the login, some repetitions of a conflict.
    async fn send(self: &Arc<Self>, request: &Request, deadline: Instant) -> Result<Response, Error> {
        let turn = if request.aside {
            None
        } else {
            let turn = self.turns.take(deadline).await;
            Some(turn.ok_or_else(|| self.timed_out(request, false))?)
        };
        let mut token = None;
        if request.authenticated {
            let mint = async || self.log_in(deadline).await;
            let outcome = timeout_at(deadline, self.login.token(mint)).await;
            token = Some(self.logged_in(request, outcome)?);
        }
        let mut renewed = false;
        let mut conflicts = 0;
        loop {
            let header = token.as_ref().and_then(|token| token.header());
            let sent = Instant::now();
            let response = self.dispatch(request, header, deadline).await?;
            if let Some(turn) = &turn {
                turn.answered(kind_of(request), sent);
            }
            match (response.status, &token) {
                // The gate runs before everything else, so nothing was done and any request may be repeated. Either the
                // token is no good any more, or the coordinator is starting and knows nobody: a probe tells, and
                // the repetition goes to another one meanwhile.
                (StatusCode::UNAUTHORIZED, Some(refused)) if !renewed && self.login.has_tokens() => {
                    renewed = true;
                    self.suspected(response.coordinator);
                    let mint = async || self.log_in(deadline).await;
                    let outcome = timeout_at(deadline, self.login.renewed(refused, mint)).await;
                    match self.logged_in(request, outcome)? {
                        Some(fresh) => token = Some(fresh),
                        None if request.coordinator.is_none() && self.coordinators.len() > 1 => {}
                        None => return Ok(response),
                    }
                }
                // The loser of two writers has written nothing (reference: general rules, write-write conflicts).
                (StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED, _)
                    if conflicts < CONFLICTS_MAX && response.error_num() == Some(1200) =>
                {
                    let delay = jittered(CONFLICT_DELAY * 2_u32.pow(conflicts), rand::random());
                    conflicts += 1;
                    if Instant::now() + delay >= deadline {
                        return Ok(response);
                    }
                    sleep(delay).await;
                }
                _ => return Ok(response),
            }
        }
    }

    /// A token: signed here, or from one login through whichever coordinator works (reference: authentication,
    /// login).
    async fn log_in(self: &Arc<Self>, deadline: Instant) -> Result<Token, Error> {
        #[derive(Deserialize)]
        struct Login {
            jwt: String,
        }
        let (user, password) = match self.login.credentials() {
            Credentials::Password(user, password) => (user, password),
            Credentials::Signed(token) => return token,
            Credentials::None => return Ok(Token::none()),
        };
        let request = login_request(user, password);
        let response = self.dispatch(&request, None, deadline).await?;
        let (method, path, status) = (request.method.clone(), request.path.clone(), response.status);
        match status {
            StatusCode::OK => {
                let login: Login = serde_json::from_slice(&response.body)
                    .map_err(|error| Error::not_understood(method, path, &error))?;
                Token::new(&login.jwt)
            }
            // Authentication is switched off.
            StatusCode::NOT_FOUND => Ok(Token::none()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Error::login_refused(user.to_owned(), status, &response.body))
            }
            _ => Err(Error::answer(method, path, status, &response.body)),
        }
    }

    /// Where a request goes that has been to `tried` already. A wait is told as the moment when it is over.
    pub(super) fn pick(&self, request: &Request, tried: &[usize]) -> Result<Option<usize>, Instant> {
        let wish = match (request.coordinator, request.affinity) {
            (Some(only), _) => Wish::Only(only),
            (None, Some(affinity)) => Wish::Affinity(affinity),
            (None, None) => Wish::Any,
        };
        match self.balancer.lock().pick(wish, tried, self.started.elapsed(), rand::random()) {
            Pick::Ask(index) => Ok(Some(index)),
            Pick::Nobody => Ok(None),
            Pick::Wait(until) => Err(self.started + until),
        }
    }

    /// It answered: taken back, if it was set aside.
    pub(super) fn served(&self, index: usize) {
        self.report(index, None, |balancer, _| balancer.served(index));
    }

    /// It answered that it is full, and maybe for how long.
    pub(super) fn full(&self, index: usize, told: Option<Duration>) {
        self.turns.full();
        self.report(index, None, |balancer, now| balancer.full(index, told, now, rand::random()));
    }

    /// It does not serve: set aside and probed.
    pub(super) fn failed(self: &Arc<Self>, index: usize, why: &str) {
        self.report(index, Some(why), |balancer, now| balancer.failed(index, now, rand::random()));
        self.start_probing();
    }

    /// Something is odd: a probe shall tell.
    pub(super) fn suspected(self: &Arc<Self>, index: usize) {
        self.balancer.lock().suspected(index, self.started.elapsed());
        self.start_probing();
    }

    /// What a probe found.
    pub(super) fn probed(&self, index: usize, found: Result<(), String>) {
        match found {
            Ok(()) => self.report(index, None, |balancer, _| balancer.probe_answered(index)),
            Err(why) => self
                .report(index, Some(&why), |balancer, now| balancer.probe_failed(index, now, rand::random())),
        }
    }

    /// Reports to the balancer, and to everybody who watches if that changes something. The lock is held until it
    /// is told, so that two reports can't be told in the wrong order.
    fn report(
        &self,
        index: usize,
        problem: Option<&str>,
        report: impl FnOnce(&mut Balancer, Duration) -> bool,
    ) {
        let mut balancer = self.balancer.lock();
        if !report(&mut balancer, self.started.elapsed()) {
            return;
        }
        self.states.send_if_modified(|states| {
            let Some(state) = states.get_mut(index) else { return false };
            state.reachable = problem.is_none();
            state.message = problem.map(str::to_owned);
            debug!(coordinator = %state.endpoint, reachable = state.reachable, problem, "coordinator");
            true
        });
    }

    fn start_probing(self: &Arc<Self>) {
        self.prober.get_or_init(|| {
            let prober = probe::run(Arc::downgrade(self), Arc::clone(&self.wake));
            tokio::spawn(prober).abort_handle()
        });
        self.wake.notify_one();
    }

    /// When the next probe is due.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.balancer.lock().next_probe().map(|at| self.started + at)
    }

    /// Those to probe now; each has to be told to [`Self::probed`].
    pub(super) fn begin_probes(&self) -> Vec<(usize, Arc<Coordinator>)> {
        let due = self.balancer.lock().begin_probes(self.started.elapsed());
        due.into_iter().filter_map(|i| Some((i, Arc::clone(self.coordinators.get(i)?)))).collect()
    }

    /// Why nobody could be asked: what this request saw, and what was seen before of those that it didn't ask.
    pub(super) fn unreachable(&self, request: &Request, seen: &[(usize, String)]) -> Error {
        let states = self.states.borrow();
        let meant = |i: &usize| request.coordinator.is_none_or(|only| only == *i);
        let reasons = states.iter().enumerate().filter(|(i, _)| meant(i)).filter_map(|(i, state)| {
            let seen = seen.iter().find(|(index, _)| *index == i).map(|(_, why)| why);
            let why = seen.or(state.message.as_ref())?.clone();
            Some(Reason { coordinator: state.endpoint.to_string(), why })
        });
        Error::Unreachable(reasons.collect())
    }

    /// A login that took all the time is no word about the request itself, which was not sent.
    fn logged_in<T>(
        &self,
        request: &Request,
        outcome: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, Error> {
        match outcome {
            Err(_) | Ok(Err(Error::TimedOut { .. })) => Err(self.timed_out(request, false)),
            Ok(outcome) => outcome,
        }
    }

    pub(super) fn timed_out(&self, request: &Request, sent: bool) -> Error {
        let (method, path) = (request.method.clone(), request.path.clone());
        Error::TimedOut { method, path, after: self.time_of(request), sent }
    }

    fn time_of(&self, request: &Request) -> Duration {
        request.timeout.unwrap_or(self.timeout)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(prober) = self.prober.get() {
            prober.abort();
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("coordinators", &*self.states.borrow()).finish_non_exhaustive()
    }
}
