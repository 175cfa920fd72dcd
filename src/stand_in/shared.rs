//! What all connections share, and the way of one request through it: faults, model, log.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore};

use super::{
    encoding::Unreadable,
    fault::{Decision, End, Fault, Faults, Seen},
    log::{LogEntry, RequestLog},
    model::{Model, Now, Phase, Request, Response},
    replicas::{Moment, Replicas},
};

/// Longest name of a client that is kept, in characters.
const AGENT_MAX: usize = 200;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) replicas: Mutex<Replicas>,
    log: Mutex<RequestLog>,
    /// Told whenever the log has grown.
    logged: Notify,
    pub(super) faults: Mutex<Faults>,
    /// How long the work on every request takes at least.
    delay: Duration,
    /// How many are worked on at once; others wait in a row.
    places: Semaphore,
}

/// What a connection does with a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It sends this.
    Answer(Response),
    /// It sends this as far as the middle of the body, and closes.
    Half(Response),
    /// It closes.
    Nothing,
}

/// A request's line in the log: written once, at the latest when the request is given up.
struct Line<'a> {
    shared: &'a Shared,
    entry: Option<LogEntry>,
}

impl Line<'_> {
    /// Writes what became of the request; later calls say nothing new.
    fn write(&mut self, answer: Option<&Response>) {
        let Some(mut entry) = self.entry.take() else { return };
        entry.time = now();
        entry.status = answer.map(|answer| answer.status);
        entry.user = answer.and_then(|answer| answer.user.clone());
        self.shared.log.lock().push(entry);
        self.shared.logged.notify_waiters();
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.write(None);
    }
}

/// The wall clock, which the model doesn't have.
pub(super) fn now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Now(since.unwrap_or_default().as_secs_f64())
}

impl Shared {
    pub(super) fn new(model: Model, delay: Duration, at_once: Option<NonZeroU32>) -> Self {
        let at_once = at_once.and_then(|at_once| usize::try_from(at_once.get()).ok());
        Self {
            replicas: Mutex::new(Replicas::new(model)),
            log: Mutex::default(),
            logged: Notify::new(),
            faults: Mutex::default(),
            delay,
            places: Semaphore::new(
                at_once.map_or(Semaphore::MAX_PERMITS, |at_once| at_once.min(Semaphore::MAX_PERMITS)),
            ),
        }
    }

    /// The log, which doesn't grow meanwhile.
    pub(super) fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock()
    }

    /// Returns when the log counts so many requests.
    pub(super) async fn logged(&self, count: u64) {
        loop {
            // From before the look, so that nothing is missed between the look and the wait.
            let grown = self.logged.notified();
            if self.log().count() >= count {
                return;
            }
            grown.await;
        }
    }

    /// Takes one request to its end. Where its body couldn't be read, `unreadable` says why.
    pub(super) async fn answer(&self, request: Request, unreadable: Option<Unreadable>) -> Outcome {
        let decision = self.decide(&request);
        let entry = LogEntry {
            time: Now::default(),
            came: now(),
            coordinator: request.coordinator,
            user: None,
            agent: agent(&request.headers),
            method: request.method.clone(),
            path: request.path_and_query.clone(),
            status: None,
            fault: decision.name(),
        };
        let mut line = Line { shared: self, entry: Some(entry) };
        let place = self.places.acquire().await;
        let delay = self.delay + decision.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let done = match &decision.end {
            Some(end) if !end.effect => None,
            _ => Some(self.work(&request, &decision, unreadable)),
        };
        // The effect is there already: whoever is asked meanwhile shows it.
        if let Some(takes) = done.as_ref().map(|done| done.takes).filter(|takes| !takes.is_zero()) {
            tokio::time::sleep(takes).await;
        }
        drop(place);
        let Some(end) = &decision.end else { return sent(done, &mut line) };
        match end.fault {
            Fault::Hang => {
                line.write(None);
                end.removed.cancelled().await;
                Outcome::Nothing
            }
            Fault::Cut => match sent(done, &mut line) {
                Outcome::Answer(response) => Outcome::Half(response),
                other => other,
            },
            Fault::Drop => Outcome::Nothing,
            fault => {
                // What the server refuses by itself doesn't come as far as its handlers, but every answer comes
                // through a proxy.
                let is_refusal = |done: &Response| !done.status.is_success();
                let refused = done.filter(|done| is_refusal(done) && !matches!(fault, Fault::Html { .. }));
                sent(Some(refused.unwrap_or_else(|| self.faulty(&request, end))), &mut line)
            }
        }
    }

    fn decide(&self, request: &Request) -> Decision {
        let mut faults = self.faults.lock();
        if faults.rules().is_empty() {
            return Decision::default();
        }
        let path = request.path_and_query.as_str();
        let seen = Seen { coordinator: request.coordinator, method: &request.method, path };
        faults.decide(&seen, Instant::now(), rand::random)
    }

    /// The model's answer.
    fn work(&self, request: &Request, decision: &Decision, unreadable: Option<Unreadable>) -> Response {
        let longest_lag = self.faults.lock().longest_lag();
        let moment = Moment { now: now(), at: Instant::now(), lag: decision.stale, longest_lag };
        let mut replicas = self.replicas.lock();
        let model = &mut replicas.model;
        let packed = request.headers.contains_key(header::CONTENT_ENCODING);
        match unreadable {
            Some(Unreadable::TooLarge) => bare(StatusCode::PAYLOAD_TOO_LARGE),
            // ASSUMED: the status; the number and the text are the server's, which by default unpacks nothing of
            // strangers (`--http.handle-content-encoding-for-unauthenticated-requests`).
            _ if packed && !model.is_authenticated(request, moment.now) => {
                let text = "support for handling Content-Encoding headers is turned off for unauthenticated requests";
                model.handle_failing(request, moment.now, StatusCode::FORBIDDEN, 11, text)
            }
            // ASSUMED: the status and the number.
            Some(Unreadable::Corrupt(text)) => {
                model.handle_failing(request, moment.now, StatusCode::BAD_REQUEST, 10, text)
            }
            None => replicas.handle(request, moment),
        }
    }

    /// The answer that a fault gives.
    fn faulty(&self, request: &Request, end: &End) -> Response {
        let mut replicas = self.replicas.lock();
        let model = &mut replicas.model;
        let now = now();
        let mut failing = |status, number, text| model.handle_failing(request, now, status, number, text);
        let mut response = match end.fault {
            Fault::QueueFull => failing(StatusCode::SERVICE_UNAVAILABLE, 21003, "queue is full"),
            Fault::Error => failing(StatusCode::INTERNAL_SERVER_ERROR, 4, "internal error"),
            Fault::Conflict => failing(StatusCode::CONFLICT, 1200, "conflict"),
            Fault::Maintenance => model.handle_in_phase(request, now, Phase::Bootstrapping),
            Fault::Stopping => model.handle_in_phase(request, now, Phase::Stopping),
            Fault::Html { status } => page(status),
            // The others don't answer and don't come here.
            _ => model.handle_in_phase(request, now, Phase::Starting),
        };
        if let Some(seconds) = end.retry_after {
            response.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What the client calls itself.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(AGENT_MAX).collect())
}

/// Ends a request with its answer.
fn sent(answer: Option<Response>, line: &mut Line<'_>) -> Outcome {
    line.write(answer.as_ref());
    answer.map_or(Outcome::Nothing, Outcome::Answer)
}

/// An answer without a body, as the server gives before it knows what is asked.
pub(super) fn bare(status: StatusCode) -> Response {
    Response { status, headers: HeaderMap::new(), body: Bytes::new(), user: None, takes: Duration::ZERO }
}

/// What a proxy says when it doesn't get through.
fn page(status: StatusCode) -> Response {
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html")),
        (header::SERVER, HeaderValue::from_static("nginx")),
    ]);
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Response { status, headers, body: body.into(), user: None, takes: Duration::ZERO }
}
