//! One coordinator's connections: accepted, served, and closed together.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::{StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    model::Request,
    server::{Served, Shared},
};

/// The longest body that is read; a real server takes a gigabyte.
const BODY_MAX: usize = 64 << 20;

/// How long to wait after a connection that couldn't be accepted.
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_millis(50);

/// Accepts connections until one of the tokens is cancelled: `stop` lets requests end, `abort` doesn't.
pub(super) async fn accept(
    listener: TcpListener,
    coordinator: usize,
    shared: Arc<Shared>,
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
                    let connection = serve(stream, coordinator, Arc::clone(&shared), graceful.watcher());
                    connections.spawn(connection);
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

async fn serve(
    stream: TcpStream,
    coordinator: usize,
    shared: Arc<Shared>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are small and awaited: they shouldn't wait for more bytes. Where that can't be set, it is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, coordinator, Arc::clone(&shared)));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().auto_date_header(false).timer(TokioTimer::new());
    builder.http2().auto_date_header(false).timer(TokioTimer::new()).max_concurrent_streams(1000);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // A connection that breaks is the client's affair; a real server says nothing about it either.
    let _ = watcher.watch(connection).await;
}

async fn answer(request: http::Request<Incoming>, coordinator: usize, shared: Arc<Shared>) -> Served {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), BODY_MAX).await else {
        let mut response = http::Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let request = Request { coordinator, method: parts.method, path_and_query, headers: parts.headers, body };
    let answer = shared.answer(request).await;
    let mut response = http::Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if parts.version == Version::HTTP_2 {
        // HTTP/2 has no such header.
        response.headers_mut().remove(header::CONNECTION);
    }
    Ok(response)
}
