//! A server of a few lines that answers as a test tells it to, and counts.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::arango::Endpoint;

/// What probes ask for.
pub(super) const AVAILABILITY: &str = "/_admin/server/availability";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    pub(super) body: Value,
}

/// What to do with it.
pub(super) enum Reply {
    Json(u16, Value),
    /// Status, one header, raw body.
    Raw(u16, &'static str, Vec<u8>),
    /// An ArangoDB error with one header.
    Error(u16, &'static str, u32),
    /// Promises more than it sends, and closes the connection.
    Half,
    /// A success after a while.
    Late(Duration, Value),
    /// Closes the connection without an answer.
    Hangup,
    /// Never answers.
    Silence,
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running server; dropped, its port is closed and so are its connections.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    tls: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: AbortHandle,
    gone: oneshot::Receiver<()>,
}

impl Server {
    pub(super) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), handler).await
    }

    pub(super) async fn at(
        address: SocketAddr,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with(address, None, handler).await
    }

    pub(super) async fn with_tls(
        config: ServerConfig,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::with("127.0.0.1:0".parse().unwrap(), Some(TlsAcceptor::from(Arc::new(config))), handler).await
    }

    async fn with(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let is_tls = tls.is_some();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (handler, log): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&seen));
        let (end, gone) = oneshot::channel();
        let task = tokio::spawn(async move {
            let _end = end;
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, handler, log) = (tls.clone(), Arc::clone(&handler), Arc::clone(&log));
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, handler, log).await,
                        Some(tls) => serve(tls.accept(stream).await.ok()?, handler, log).await,
                    }
                });
            }
        });
        Self { address, tls: is_tls, seen, task: task.abort_handle(), gone }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let scheme = if self.tls { "https" } else { "http" };
        Endpoint::parse(&format!("{scheme}://{}", self.address)).unwrap()
    }

    /// The requests so far, probes left out.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock();
        seen.iter().filter(|seen| seen.path != AVAILABILITY).cloned().collect()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }

    pub(super) fn probes(&self) -> usize {
        self.seen.lock().iter().filter(|seen| seen.path == AVAILABILITY).count()
    }

    /// Stops it and waits until its port is closed.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        drop((&mut self.gone).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An endpoint on which nobody listens.
pub(super) async fn closed() -> Endpoint {
    let server = Server::start(|_| Reply::Hangup).await;
    let endpoint = server.endpoint();
    server.stop().await;
    endpoint
}

/// An ArangoDB error.
pub(super) fn error(status: u16, number: u32) -> Reply {
    Reply::Error(status, "x-nothing: 1", number)
}

pub(super) fn ok(result: impl Into<Value>) -> Reply {
    Reply::Json(200, json!({"error": false, "code": 200, "result": result.into()}))
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Seen>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let seen = read(&mut stream).await?;
        let reply = handler(&seen);
        log.lock().push(seen);
        let (status, header, body) = match reply {
            Reply::Json(status, body) => (status, "content-type: application/json", body.to_string().into()),
            Reply::Raw(status, header, body) => (status, header, body),
            Reply::Error(status, header, number) => {
                let message = "said by the test";
                let body = json!(
                    {"error": true, "code": status, "errorNum": number, "errorMessage": message}
                );
                (status, header, body.to_string().into())
            }
            Reply::Late(time, result) => {
                tokio::time::sleep(time).await;
                let body = json!({"error": false, "code": 200, "result": result});
                (200, "content-type: application/json", body.to_string().into())
            }
            Reply::Half => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"resu").await.ok()?;
                stream.flush().await.ok()?;
                return None;
            }
            Reply::Hangup => return None,
            Reply::Silence => std::future::pending().await,
        };
        let reason = StatusCode::from_u16(status).ok()?;
        let length = body.len();
        let framing = if header.starts_with("transfer-encoding") {
            String::new()
        } else {
            format!("content-length: {length}\r\n")
        };
        let head = format!("HTTP/1.1 {reason}\r\n{header}\r\n{framing}\r\n");
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(&body).await.ok()?;
        stream.flush().await.ok()?;
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.parse().ok()?, first.next()?.to_owned());
    let header = |name: &str| {
        let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Seen { method, path, authorization: header("authorization"), body })
}
