//! One coordinator's connections: accepted, served, and closed together.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    encoding::{self, Unreadable},
    model::{Request, Response},
    shared::{Outcome, Shared, bare},
};

/// The longest body that is read, packed or unpacked; a real server takes a gigabyte.
const BODY_MAX: usize = 64 << 20;

/// The longest path with its query (reference: generic failures).
const PATH_MAX: usize = 16 << 10;

/// How long to wait after a connection that couldn't be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// One coordinator's end of every connection.
#[derive(Clone)]
pub(super) struct Server {
    /// Which coordinator it is, counted from 0.
    pub(super) coordinator: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) tls: Option<TlsAcceptor>,
}

/// The answer is kept back on purpose: a fault.
#[derive(Debug, thiserror::Error)]
#[error("a fault")]
struct Lost;

impl Server {
    /// Accepts connections until one of the tokens is cancelled: `stop` lets requests end, `abort` doesn't.
    pub(super) async fn accept(
        self,
        listener: TcpListener,
        stop: CancellationToken,
        abort: CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        let graceful = GracefulShutdown::new();
        loop {
            tokio::select! {
                () = abort.cancelled() => break,
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(self.clone().open(stream, graceful.watcher(), stop.clone()));
                    }
                    // Gone before it was accepted; or no file descriptor is left, and then others must end first.
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                },
            }
        }
        drop(listener);
        if !abort.is_cancelled() {
            tokio::select! {
                () = abort.cancelled() => {}
                () = graceful.shutdown() => {}
            }
        }
        connections.shutdown().await;
    }

    async fn open(self, stream: TcpStream, watcher: Watcher, stop: CancellationToken) {
        // Answers are small and awaited: they shouldn't wait for more bytes. Where that can't be set, it is only slower.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.serve(stream, watcher).await,
            Some(acceptor) => {
                // Whoever doesn't agree on TLS is told so by it, and is gone.
                let agreed = timeout(HANDSHAKE, acceptor.accept(stream));
                if let Some(Ok(Ok(stream))) = stop.run_until_cancelled(agreed).await {
                    self.serve(stream, watcher).await;
                }
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, watcher: Watcher) {
        let service = service_fn(move |request| {
            let server = self.clone();
            async move { server.answer(request).await }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().auto_date_header(false).timer(TokioTimer::new());
        builder.http2().auto_date_header(false).timer(TokioTimer::new()).max_concurrent_streams(1000);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        // A connection that breaks is the client's affair; a real server says nothing about it either.
        let _ = watcher.watch(connection).await;
    }

    async fn answer(&self, request: http::Request<Incoming>) -> Result<http::Response<Body>, Lost> {
        let (parts, body) = request.into_parts();
        let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        if path_and_query.len() > PATH_MAX {
            return Ok(response(bare(StatusCode::URI_TOO_LONG), Body::from));
        }
        let body = to_bytes(Body::new(body), BODY_MAX).await.map_err(|_| Unreadable::TooLarge);
        let (body, unreadable) = match body.and_then(|body| encoding::plain(&parts.headers, body, BODY_MAX)) {
            Ok(body) => (body, None),
            Err(unreadable) => (Bytes::new(), Some(unreadable)),
        };
        let coordinator = self.coordinator;
        let request =
            Request { coordinator, method: parts.method, path_and_query, headers: parts.headers, body };
        let mut response = match self.shared.answer(request, unreadable).await {
            Outcome::Nothing => return Err(Lost),
            Outcome::Answer(answer) => response(answer, Body::from),
            // Where there is no body, the answer would be whole.
            Outcome::Half(answer) if answer.body.is_empty() => return Err(Lost),
            Outcome::Half(answer) => response(answer, |body| half(&body)),
        };
        if parts.version == Version::HTTP_2 {
            // HTTP/2 has no such header.
            response.headers_mut().remove(header::CONNECTION);
        }
        Ok(response)
    }
}

fn response(answer: Response, body: impl FnOnce(Bytes) -> Body) -> http::Response<Body> {
    let mut response = http::Response::new(body(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// The first half of a body, after which the connection breaks. Between the two the half is given time to go out.
fn half(body: &Bytes) -> Body {
    let half = body.slice(..body.len().div_ceil(2));
    let broken = stream::once(async {
        tokio::task::yield_now().await;
        Err(Lost)
    });
    Body::from_stream(stream::once(async { Ok(half) }).chain(broken))
}
