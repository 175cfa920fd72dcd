//! One HTTP client per coordinator: its settings, TLS, name resolution, and one request over it.

use std::{error::Error as _, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use reqwest::{
    Certificate, Identity,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{
    Connection, Endpoint, Error, Gate, Observer, Request, Response, Route, address::refused, error::quoted,
    exchange::Exchange,
};

/// An idle connection is dropped before the server (300 s) or a balancer between (60 s, often) does it: a
/// request on a connection that is just being closed is a lost answer.
const IDLE: Duration = Duration::from_secs(25);
/// Idle connections kept to one coordinator.
const IDLE_MAX: usize = 32;
/// Longest refusal that is read, in bytes: an error of ArangoDB is a line.
const REFUSAL_MAX: usize = 64 << 10;
/// Longest word of a connection about itself that is repeated, in characters.
const WHY_MAX: usize = 400;
/// How long sent bytes may stay unconfirmed: a host that vanished is noticed before the request's time is up.
const UNCONFIRMED: Duration = Duration::from_secs(10);

/// One coordinator.
pub(super) struct Coordinator {
    pub(super) endpoint: Endpoint,
    http: reqwest::Client,
    /// The endpoint as a text.
    name: String,
    observer: Option<Arc<dyn Observer>>,
    gate: Option<Arc<dyn Gate>>,
    /// What the server is told of whom it was asked as, where connections go elsewhere.
    host: Option<HeaderValue>,
}

/// An answer, and for how long the coordinator doesn't want to be asked again, if it says so.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) retry_after: Option<Duration>,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// No connection came about, so nothing was sent.
    NeverSent(String),
    /// The connection broke after the request was handed to it.
    Lost(String),
    /// The time was over.
    Slow,
    /// Another coordinator would do no better.
    Final(Error),
}

impl Coordinator {
    /// One of the coordinators of a connection.
    pub(super) fn new(endpoint: Endpoint, connection: &Connection) -> Result<Self, Error> {
        let Connection { tls, routes, observer, gate, .. } = connection;
        let unusable = |what: &str| Error::Unusable(format!("{endpoint}: {what}"));
        let route = routes.iter().find(|route| route.is_for(&endpoint)).cloned();
        let host = route.as_ref().map(|_| format!("{}:{}", endpoint.host(), endpoint.port()));
        let host = host.map(HeaderValue::try_from).transpose().map_err(|_| unusable("no valid host"))?;
        // No proxy from the environment: the operator's network position is an administrator's decision.
        // No redirects: one would carry the login to wherever it points.
        // HTTP/1.1, though the server speaks HTTP/2 too: there, all requests to a coordinator share one connection,
        // so that one that breaks loses every answer under way instead of one (and a lost answer to a write is
        // what costs), a long listing holds up the short answers behind it, and the server serves it all
        // from one of its I/O threads. With the few requests at a time that a pool lets through, connections are cheap.
        let mut builder = reqwest::Client::builder()
            .user_agent(agent(connection.agent.as_deref()))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .connect_timeout(connection.connect_timeout)
            .dns_resolver(Guarded(route));
        #[cfg(target_os = "linux")]
        {
            builder = builder.tcp_user_timeout(UNCONFIRMED);
        }
        if !endpoint.is_tls() {
            // Nothing to verify, so the system's certificates aren't read either.
            builder = builder.tls_certs_only([]);
        } else if let Some(ca) = &tls.ca {
            let certificates = Certificate::from_pem_bundle(ca)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| unusable("the CA has no certificate in PEM"))?;
            builder = builder.tls_certs_only(certificates);
        }
        if endpoint.is_tls() {
            if let Some(identity) = &tls.identity {
                let identity = Identity::from_pem(identity.expose_secret())
                    .map_err(|_| unusable("the client certificate or its key is no PEM"))?;
                builder = builder.identity(identity);
            }
            builder = builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify);
        }
        let http = builder.build().map_err(|error| unusable(&why(error)))?;
        let name = endpoint.to_string();
        Ok(Self { endpoint, http, name, observer: observer.clone(), gate: gate.clone(), host })
    }

    /// Sends a request and reads its answer whole, up to `limit` bytes and until `until`.
    pub(super) async fn send(
        &self,
        index: usize,
        request: &Request,
        login: Option<&HeaderValue>,
        until: Instant,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let Some(mut url) = self.endpoint.url(&request.path) else {
            let problem = format!(
                "{:?} would arrive as another path; percent-encode it, without segments of dots alone",
                request.path
            );
            return Err(Failure::Final(Error::Unusable(problem)));
        };
        if self.host.is_some() {
            // A port in the URL would be taken before the one that the route leads to.
            let _ = url.set_port(None);
        }
        let mut outgoing = self.http.request(request.method.clone(), url);
        outgoing = outgoing.header(header::ACCEPT, "application/json");
        if let Some(host) = &self.host {
            outgoing = outgoing.header(header::HOST, host);
        }
        if let Some(login) = login {
            outgoing = outgoing.header(header::AUTHORIZATION, login);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        if self.gate.as_ref().is_some_and(|gate| !gate.is_open()) {
            return Err(Failure::Final(Error::NotAllowed));
        }
        let mut told = Exchange::begin(request, &self.name, self.observer.as_ref());
        let exchange = async {
            let mut answer = outgoing.send().await.map_err(|error| {
                if error.is_connect() { Failure::NeverSent(why(error)) } else { Failure::Lost(why(error)) }
            })?;
            let too_large = || {
                let (method, path) = (request.method.clone(), request.path.clone());
                Failure::Final(Error::TooLarge { method, path, limit })
            };
            let status = answer.status();
            // What refuses is read as far as an error of ArangoDB could go; whatever is longer says nothing.
            let limit = if status.is_success() { limit } else { limit.min(REFUSAL_MAX) };
            let announced = answer.content_length().unwrap_or(0);
            if announced > limit as u64 && status.is_success() {
                return Err(too_large());
            }
            let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(retry_after);
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(|error| Failure::Lost(why(error)))? {
                if body.len() + chunk.len() <= limit {
                    body.extend_from_slice(&chunk);
                } else if status.is_success() {
                    return Err(too_large());
                } else {
                    body.clear();
                    break;
                }
            }
            let body = Bytes::from(body);
            Ok(Answer { response: Response { status, body, coordinator: index }, retry_after })
        };
        let exchange = exchange.instrument(told.span.clone());
        let outcome = timeout_at(until, exchange).await.unwrap_or(Err(Failure::Slow));
        told.status = outcome.as_ref().ok().map(|answer| answer.response.status);
        outcome
    }
}

/// What a server is told of who asks.
fn agent(who: Option<&str>) -> String {
    let program = concat!("arango-operator/", env!("CARGO_PKG_VERSION"));
    who.map_or_else(|| program.to_owned(), |who| format!("{program} ({who})"))
}

/// `Retry-After`: seconds, or a date. One that is over is no wait, one that can't be read is none told.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(date.timestamp().duration_since(jiff::Timestamp::now()).try_into().unwrap_or(Duration::ZERO))
}

/// What a connection said, causes included, without the URL.
pub(crate) fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some layers repeat their cause's words.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    quoted(&text, WHY_MAX)
}

/// Resolves names as the system does, or as the route says, less the addresses that are never asked: a name may point
/// anywhere.
struct Guarded(Option<Route>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let target = match &self.0 {
            Some(route) => route.target(),
            None => (name.as_str().to_owned(), 0),
        };
        Box::pin(async move {
            let found = tokio::net::lookup_host(target).await?;
            Ok(Box::new(allowed(found)?.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be asked; an error if there is none.
fn allowed(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, &'static str> {
    let addresses: Vec<SocketAddr> = found.filter(|address| refused(address.ip()).is_none()).collect();
    if addresses.is_empty() { Err("the name has no address that may be asked") } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_to_a_link_local_address_alone_is_not_asked() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (local, other) = (address("169.254.169.254:80"), address("10.0.0.1:80"));
        assert_eq!(allowed([local, other, address("[fe80::1]:80")].into_iter()), Ok(vec![other]));
        assert!(allowed([local].into_iter()).is_err());
    }

    #[test]
    fn the_time_of_a_retry_is_read_in_seconds_and_as_a_date() {
        let read = |text: &str| retry_after(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = read("Fri, 31 Dec 2100 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(1 << 30), "{far:?}");
        assert_eq!([read("soon"), read("-1"), read("")], [None; 3]);
    }
}
