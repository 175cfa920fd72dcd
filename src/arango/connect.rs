//! One HTTP client per coordinator: settings of the connection, TLS, name resolution, and one request over it.

use std::{error::Error as _, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use reqwest::{
    Certificate, Identity,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use secrecy::{ExposeSecret, SecretSlice};
use tokio::time::{Instant, timeout_at};

use super::{Endpoint, Error, Request, Response, endpoint::is_link_local};

/// An idle connection is dropped before the server (300 s) or a balancer between (60 s, often) does it: a
/// request on a connection that is just being closed is a lost answer.
const IDLE: Duration = Duration::from_secs(25);
/// Idle connections kept to one coordinator.
const IDLE_MAX: usize = 32;
/// How long sent bytes may stay unconfirmed: a host that vanished is noticed before the request's time is up.
const UNCONFIRMED: Duration = Duration::from_secs(10);

/// How servers are trusted and how we show ourselves to them.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates in PEM: if given, these alone are trusted, else the system's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and its key in PEM.
    pub identity: Option<SecretSlice<u8>>,
    /// Trusts every certificate.
    pub insecure_skip_verify: bool,
}

/// One coordinator.
pub(super) struct Coordinator {
    pub(super) endpoint: Endpoint,
    http: reqwest::Client,
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
    pub(super) fn new(endpoint: Endpoint, tls: &Tls, connect_timeout: Duration) -> Result<Self, Error> {
        let unusable = |what: &str| Error::Unusable(format!("{endpoint}: {what}"));
        // No proxy from the environment: the operator's network position is an administrator's decision.
        // No redirects: one would carry the login to wherever it points.
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("arango-operator/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .connect_timeout(connect_timeout)
            .dns_resolver(Guarded);
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
        Ok(Self { endpoint, http })
    }

    /// Sends a request and reads its answer whole, up to `limit` bytes and until `until`.
    pub(super) async fn send(
        &self,
        index: usize,
        request: &Request,
        login: Option<&HeaderValue>,
        until: Instant,
        limit: usize,
    ) -> Result<Response, Failure> {
        let Some(url) = self.endpoint.url(&request.path) else {
            let problem = format!("{:?} is no path that arrives as it is", request.path);
            return Err(Failure::Final(Error::Unusable(problem)));
        };
        let mut outgoing = self.http.request(request.method.clone(), url);
        outgoing = outgoing.header(header::ACCEPT, "application/json");
        if let Some(login) = login {
            outgoing = outgoing.header(header::AUTHORIZATION, login);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.json(body);
        }
        let exchange = async {
            let mut answer = outgoing.send().await.map_err(|error| {
                if error.is_connect() { Failure::NeverSent(why(error)) } else { Failure::Lost(why(error)) }
            })?;
            let too_large = || {
                let (method, path) = (request.method.clone(), request.path.clone());
                Failure::Final(Error::TooLarge { method, path, limit })
            };
            let announced = answer.content_length().unwrap_or(0);
            if announced > limit as u64 {
                return Err(too_large());
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(|error| Failure::Lost(why(error)))? {
                if body.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Response { status: answer.status(), body: Bytes::from(body), coordinator: index })
        };
        timeout_at(until, exchange).await.unwrap_or(Err(Failure::Slow))
    }
}

/// What a connection said, causes included, without the URL.
fn why(error: reqwest::Error) -> String {
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
    text
}

/// Resolves names as the system does, less the addresses that are never asked: a name may point anywhere.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.filter(|address| !is_link_local(address.ip())).collect();
            if addresses.is_empty() {
                return Err("the name has no address that may be asked".into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
