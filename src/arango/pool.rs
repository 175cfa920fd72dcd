//! The pool of coordinators: which one is asked, when the next one is, who waits and for how long.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::AbortHandle,
    time::{Instant, error::Elapsed, sleep, timeout_at},
};
use tracing::debug;

use super::{
    Connection, Endpoint, Error, Reason, Repeat, Request, Response, Transport,
    auth::{Authenticator, Token},
    client::login_request,
    connect::{Coordinator, Failure},
    probe,
};
use crate::core::balance::{Balancer, jittered};

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
    coordinators: Vec<Coordinator>,
    balancer: Mutex<Balancer>,
    started: Instant,
    permits: Semaphore,
    login: Authenticator,
    timeout: Duration,
    max_answer: usize,
    states: watch::Sender<Vec<CoordinatorState>>,
    /// Tells the prober that there is something to probe.
    pub(super) wake: Arc<Notify>,
    prober: OnceLock<AbortHandle>,
}

/// What an answer says about the coordinator that gave it (reference: general rules, temporary errors).
enum Verdict {
    /// It serves.
    Serves,
    /// It serves, but not this request now, of which nothing was run.
    Full,
    /// It is starting or stopping.
    Away {
        /// Whether the request may have been run nevertheless.
        may_have_run: bool,
    },
}

impl Verdict {
    fn of(response: &Response) -> Self {
        match (response.status, response.error_num()) {
            (StatusCode::SERVICE_UNAVAILABLE, Some(503 | 38)) => Self::Away { may_have_run: false },
            // Without a number it is a proxy's answer, and 30 may come out of a handler.
            (StatusCode::SERVICE_UNAVAILABLE, Some(30) | None) => Self::Away { may_have_run: true },
            (StatusCode::SERVICE_UNAVAILABLE, Some(21003))
            | (StatusCode::PRECONDITION_FAILED, Some(21004)) => Self::Full,
            _ => Self::Serves,
        }
    }
}

impl Pool {
    /// A pool that has sent nothing yet.
    pub fn new(connection: Connection) -> Result<Self, Error> {
        if connection.endpoints.is_empty() {
            return Err(Error::Unusable("no endpoint is given; name at least one coordinator".to_owned()));
        }
        let states = connection.endpoints.iter().map(|endpoint| CoordinatorState {
            endpoint: endpoint.clone(),
            reachable: true,
            message: None,
        });
        let states = watch::Sender::new(states.collect());
        let coordinators = connection
            .endpoints
            .into_iter()
            .map(|endpoint| Coordinator::new(endpoint, &connection.tls, connection.connect_timeout))
            .collect::<Result<Vec<_>, _>>()?;
        let permits = connection.max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            inner: Arc::new(Inner {
                balancer: Mutex::new(Balancer::new(coordinators.len(), connection.load_balancing)),
                coordinators,
                started: Instant::now(),
                permits: Semaphore::new(permits),
                login: Authenticator::new(connection.auth)?,
                timeout: connection.timeout,
                max_answer: connection.max_answer,
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

    /// With another age from which on a 401 is held against a token.
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
        async move {
            let began = Instant::now();
            let outcome = self.inner.send(&request, began + self.inner.time_of(&request)).await;
            let millis = began.elapsed().as_millis();
            let (method, path) = (&request.method, &request.path);
            match &outcome {
                Ok(answer) => debug!(
                    %method, path, status = answer.status.as_u16(), coordinator = answer.coordinator,
                    bytes = answer.body.len(), millis, "answer"
                ),
                Err(error) => debug!(%method, path, millis, %error, "no answer"),
            }
            outcome
        }
        .boxed()
    }
}

impl Inner {
    /// A whole request: turn, login, answer; one renewal of the login, some repetitions of a conflict.
    async fn send(self: &Arc<Self>, request: &Request, deadline: Instant) -> Result<Response, Error> {
        // The semaphore is never closed, so only the time can be over.
        let Ok(Ok(_permit)) = timeout_at(deadline, self.permits.acquire()).await else {
            return Err(self.timed_out(request, false));
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
            let response = self.dispatch(request, header, deadline).await?;
            match (response.status, &token) {
                // The gate runs before everything else, so nothing was done and any request may be repeated.
                (StatusCode::UNAUTHORIZED, Some(refused)) if !renewed => {
                    renewed = true;
                    let mint = async || self.log_in(deadline).await;
                    let outcome = timeout_at(deadline, self.login.renewed(refused, mint)).await;
                    match self.logged_in(request, outcome)? {
                        Some(fresh) => token = Some(fresh),
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

    /// Asks one coordinator after the other until one answers.
    async fn dispatch(
        self: &Arc<Self>,
        request: &Request,
        login: Option<&HeaderValue>,
        deadline: Instant,
    ) -> Result<Response, Error> {
        if request.coordinator.is_some_and(|only| only >= self.coordinators.len()) {
            return Err(Error::Unusable("there is no coordinator at that place of the list".to_owned()));
        }
        let safe = request.repeat == Repeat::Safe;
        let mut tried = Vec::new();
        let mut reasons = Vec::new();
        let mut last = None;
        let mut sent = false;
        while let Some(index) = self.pick(request, &tried) {
            let Some(coordinator) = self.coordinators.get(index) else { break };
            tried.push(index);
            let now = Instant::now();
            // A turn or a login that came at the last moment is too late: nothing is sent after the deadline.
            if now >= deadline {
                return Err(self.timed_out(request, sent));
            }
            // One that hangs shall not use up the time of the others, if they may be asked after it.
            let more = safe && request.coordinator.is_none() && tried.len() < self.coordinators.len();
            let until = if more { now + deadline.saturating_duration_since(now) / 2 } else { deadline };
            let why = match coordinator.send(index, request, login, until, self.max_answer).await {
                Ok(response) => match Verdict::of(&response) {
                    Verdict::Serves => {
                        self.answered(index);
                        return Ok(response);
                    }
                    Verdict::Full => {
                        last = Some(response);
                        continue;
                    }
                    Verdict::Away { may_have_run } => {
                        self.failed(index, "it is starting or stopping");
                        if may_have_run && !safe {
                            return Ok(response);
                        }
                        last = Some(response);
                        continue;
                    }
                },
                Err(Failure::NeverSent(why)) => {
                    self.failed(index, &why);
                    why
                }
                Err(Failure::Lost(why)) => {
                    self.suspected(index);
                    if !safe {
                        let (method, path) = (request.method.clone(), request.path.clone());
                        let coordinator = coordinator.endpoint.to_string();
                        return Err(Error::Lost { method, path, coordinator, why });
                    }
                    sent = true;
                    why
                }
                Err(Failure::Slow) => {
                    self.suspected(index);
                    sent = true;
                    if !safe || Instant::now() >= deadline {
                        return Err(self.timed_out(request, true));
                    }
                    "no answer in its share of the time".to_owned()
                }
                Err(Failure::Final(error)) => return Err(error),
            };
            reasons.push(Reason { coordinator: coordinator.endpoint.to_string(), why });
        }
        last.ok_or(Error::Unreachable(reasons))
    }

    /// One login through whichever coordinator works (reference: authentication, login).
    async fn log_in(self: &Arc<Self>, deadline: Instant) -> Result<Token, Error> {
        #[derive(Deserialize)]
        struct Login {
            jwt: String,
        }
        if let Some(token) = self.login.sign() {
            return token;
        }
        let Some((user, password)) = self.login.login() else { return Ok(Token::none()) };
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

    fn pick(&self, request: &Request, tried: &[usize]) -> Option<usize> {
        match request.coordinator {
            Some(only) => tried.is_empty().then_some(only),
            None => self.balancer.lock().pick(request.affinity, tried, rand::random()),
        }
    }

    /// It answered: taken back, if it was set aside.
    pub(super) fn answered(&self, index: usize) {
        // The lock is held until the change is told, so that two reports can't be told in the wrong order.
        let mut balancer = self.balancer.lock();
        if balancer.answered(index) {
            self.tell(index, None);
        }
    }

    /// It does not serve: set aside and probed.
    pub(super) fn failed(self: &Arc<Self>, index: usize, why: &str) {
        let mut balancer = self.balancer.lock();
        if balancer.failed(index, self.started.elapsed(), rand::random()) {
            self.tell(index, Some(why.to_owned()));
        }
        drop(balancer);
        self.start_probing();
    }

    fn suspected(self: &Arc<Self>, index: usize) {
        self.balancer.lock().suspected(index);
        self.start_probing();
    }

    fn tell(&self, index: usize, message: Option<String>) {
        self.states.send_if_modified(|states| {
            let Some(state) = states.get_mut(index) else { return false };
            let reachable = message.is_none();
            debug!(coordinator = %state.endpoint, reachable, message, "coordinator");
            *state = CoordinatorState { endpoint: state.endpoint.clone(), reachable, message };
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

    /// Those to probe now.
    pub(super) fn due(&self) -> Vec<(usize, &Coordinator)> {
        let due = self.balancer.lock().due(self.started.elapsed());
        due.into_iter().filter_map(|i| Some((i, self.coordinators.get(i)?))).collect()
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

    fn timed_out(&self, request: &Request, sent: bool) -> Error {
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
