//! A way to the API server on which things go wrong: answers that others give, answers that never come, watches that end,
//! and a look at the request during which the operator is to be killed. Clear text, on a loopback address; who asks is
//! the administrator.

use std::{collections::BTreeMap, convert::Infallible, io, net::SocketAddr, sync::Arc};

use axum::body::{Body, to_bytes};
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::Client;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

use crate::step::Trouble;

/// Longest body that is looked at as a whole.
const BODY_MAX: usize = 16 << 20;

/// The way.
#[derive(Clone)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    pub(crate) url: String,
}

struct Shared {
    client: Client,
    state: Mutex<State>,
    /// Ends with it when the proxy does.
    ended: CancellationToken,
}

#[derive(Default)]
struct State {
    /// What is wrong, and with how many requests more.
    troubles: Vec<(Trouble, u64)>,
    /// Whoever waits for a request of that kind.
    trap: Option<Arc<Trap>>,
    /// Cancelled when watches are cut.
    watches: CancellationToken,
    open_watches: u64,
    /// How often what went wrong.
    hits: BTreeMap<Trouble, u64>,
    cut: u64,
}

/// A request that never gets an answer.
pub(crate) struct Trap {
    method: Method,
    what: String,
    done: bool,
    sprung: Notify,
}

impl Trap {
    /// Returns when a request is in it.
    pub(crate) async fn sprung(&self) {
        self.sprung.notified().await;
    }
}

/// No answer: the connection closes.
#[derive(Debug, thiserror::Error)]
#[error("cut off")]
struct CutOff;

impl Proxy {
    /// Opens it.
    pub(crate) async fn start(client: Client) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { client, state: Mutex::default(), ended: CancellationToken::new() });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some(Ok((connection, _))) = serving.ended.run_until_cancelled(listener.accept()).await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    let ended = shared.ended.clone();
                    let answer = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { shared.answer(request).await }
                    });
                    let server = hyper::server::conn::http1::Builder::new();
                    let serve = server.serve_connection(TokioIo::new(connection), answer);
                    // An error is what was wanted: the connection is closed.
                    drop(ended.run_until_cancelled(serve).await);
                });
            }
        });
        Self { shared, url }
    }

    /// Has so many requests go wrong.
    pub(crate) fn trouble(&self, trouble: Trouble, count: u64) {
        self.shared.state.lock().troubles.push((trouble, count));
    }

    /// Ends all watches in the middle.
    pub(crate) fn cut_watches(&self) {
        let mut state = self.shared.state.lock();
        std::mem::take(&mut state.watches).cancel();
        state.cut += state.open_watches;
    }

    /// The next request of that kind is caught. One trap at a time.
    pub(crate) fn set_trap(&self, method: &str, what: &str, done: bool) -> Arc<Trap> {
        let method = method.parse().unwrap();
        let trap = Arc::new(Trap { method, what: what.to_owned(), done, sprung: Notify::new() });
        self.shared.state.lock().trap = Some(Arc::clone(&trap));
        trap
    }

    /// Nobody waits for a request any more.
    pub(crate) fn clear_trap(&self) {
        self.shared.state.lock().trap = None;
    }

    /// All is well again.
    pub(crate) fn clear(&self) {
        let mut state = self.shared.state.lock();
        state.troubles.clear();
        state.trap = None;
    }

    /// How often what went wrong so far, and how many watches were cut.
    pub(crate) fn hits(&self) -> (BTreeMap<Trouble, u64>, u64) {
        let state = self.shared.state.lock();
        (state.hits.clone(), state.cut)
    }

    /// Closes it.
    pub(crate) fn end(&self) {
        self.shared.ended.cancel();
    }
}

/// The resource that a path is about, with its subresource: `arangousers/status`.
fn what(path: &str) -> String {
    let mut parts = path.trim_start_matches('/').split('/');
    let skipped = if parts.next() == Some("apis") { 2 } else { 1 };
    let mut parts = parts.skip(skipped).peekable();
    if parts.peek() == Some(&"namespaces") {
        parts.nth(1);
    }
    let resource = parts.next().unwrap_or_default();
    match parts.nth(1) {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource.to_owned(),
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, CutOff> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let is_watch = parts.method == Method::GET && path.contains("watch=true");
        let trap = self.caught(&parts.method, parts.uri.path());
        let trouble = if trap.is_none() && !is_watch { self.troubled(&parts.method) } else { None };
        match trouble {
            Some(Trouble::Conflict) => return Ok(refusal(StatusCode::CONFLICT, "Conflict")),
            Some(Trouble::TooMany) => return Ok(refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests")),
            Some(Trouble::Error) => return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
            Some(Trouble::Refuse) => return Err(CutOff),
            Some(Trouble::Drop) | None => {}
        }
        let bytes = to_bytes(Body::new(body), BODY_MAX).await.map_err(|_| CutOff)?;
        if let Some(trap) = trap.as_ref().filter(|trap| !trap.done) {
            return spring(trap).await;
        }
        let mut upstream = Request::builder().method(parts.method).uri(path);
        for name in [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT] {
            if let Some(value) = parts.headers.get(&name) {
                upstream = upstream.header(name, value);
            }
        }
        let upstream = upstream.body(kube::client::Body::from(bytes)).map_err(|_| CutOff)?;
        let answer = self.client.send(upstream).await.map_err(|_| CutOff)?;
        let (parts, body) = answer.into_parts();
        let body = Body::new(body);
        if is_watch && parts.status.is_success() {
            return Ok(Response::from_parts(parts, self.watched(body)));
        }
        let bytes = to_bytes(body, usize::MAX).await.map_err(|_| CutOff)?;
        if let Some(trap) = trap {
            return spring(&trap).await;
        }
        if trouble == Some(Trouble::Drop) {
            return Err(CutOff);
        }
        Ok(Response::from_parts(parts, Body::from(bytes)))
    }

    /// A stream that ends badly when watches are cut.
    fn watched(&self, body: Body) -> Body {
        let cut = {
            let mut state = self.state.lock();
            state.open_watches += 1;
            state.watches.clone()
        };
        let events = body.into_data_stream().map(|bytes| bytes.map_err(io::Error::other));
        let end = stream::once(async { Err(io::Error::other(CutOff)) });
        Body::from_stream(events.take_until(cut.cancelled_owned()).chain(end))
    }

    fn caught(&self, method: &Method, path: &str) -> Option<Arc<Trap>> {
        let mut state = self.state.lock();
        let fits = |trap: &mut Arc<Trap>| trap.method == *method && trap.what == what(path);
        state.trap.take_if(fits)
    }

    fn troubled(&self, method: &Method) -> Option<Trouble> {
        let mut state = self.state.lock();
        let fits = |trouble: Trouble| trouble != Trouble::Conflict || !method.is_safe();
        let at = state.troubles.iter().position(|(trouble, _)| fits(*trouble))?;
        let trouble = state.troubles[at].0;
        state.troubles[at].1 -= 1;
        if state.troubles[at].1 == 0 {
            state.troubles.remove(at);
        }
        *state.hits.entry(trouble).or_default() += 1;
        Some(trouble)
    }
}

/// Says that the request is caught. Its client is killed meanwhile, and with it this connection ends.
async fn spring(trap: &Trap) -> Result<Response<Body>, CutOff> {
    trap.sprung.notify_one();
    match std::future::pending::<Infallible>().await {}
}

/// An answer as the API server would give it.
fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    let code = status.as_u16();
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        "message": "the storm says so",
    });
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_it_is_about() {
        let paths = [
            (
                "/apis/arango-operator.dev/v1alpha1/namespaces/a/arangousers/alice/status",
                "arangousers/status",
            ),
            ("/apis/arango-operator.dev/v1alpha1/namespaces/a/arangousers/alice", "arangousers"),
            ("/apis/arango-operator.dev/v1alpha1/arangousers", "arangousers"),
            ("/api/v1/namespaces/a/secrets/b", "secrets"),
            ("/apis/coordination.k8s.io/v1/namespaces/default/leases/x", "leases"),
        ];
        for (path, about) in paths {
            assert_eq!(what(path), about, "{path}");
        }
    }
}
