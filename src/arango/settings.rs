//! What a pool has to be told.

use std::{sync::Arc, time::Duration};

use secrecy::SecretSlice;

use super::{Auth, Endpoint, Gate, Observer, Route};
use crate::core::balance::LoadBalancing;

/// How a deployment is reached.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The coordinators, or one single server.
    pub endpoints: Vec<Endpoint>,
    /// How requests are spread over them.
    pub load_balancing: LoadBalancing,
    /// The login.
    pub auth: Auth,
    /// Trust in TLS.
    pub tls: Tls,
    /// Where connections go instead; the first that fits an endpoint counts. None by default.
    pub routes: Arc<[Route]>,
    /// The time of a whole request: waiting for its turn, logging in, moving on and repeating included.
    pub timeout: Duration,
    /// The time for one connection to come about.
    pub connect_timeout: Duration,
    /// How long a coordinator may be silent on a request before it is probed. Only if it doesn't answer the probe
    /// either does the request go elsewhere: slow answers are waited for.
    pub patience: Duration,
    /// Most requests at the same time. Where more at once only take longer, fewer are sent ([`super::Pool::limit`]).
    pub max_concurrent: usize,
    /// Longest answer that is read, in bytes.
    pub max_answer: usize,
    /// Who is told of every exchange.
    pub observer: Option<Arc<dyn Observer>>,
    /// Who is asked before every request whether it may begin; nobody by default.
    pub gate: Option<Arc<dyn Gate>>,
    /// Who asks, as the server is told in `User-Agent` behind the program's name and version: visible ASCII without
    /// parentheses. Nothing by default.
    pub agent: Option<String>,
}

impl Connection {
    /// The defaults for some endpoints and a login: 30 s for a request, of which 3 s for a connection and 1 s of
    /// patience; 32 requests at the same time; answers up to 256 MiB.
    pub fn new(endpoints: Vec<Endpoint>, auth: Auth) -> Self {
        Self {
            endpoints,
            load_balancing: LoadBalancing::default(),
            auth,
            tls: Tls::default(),
            routes: Arc::default(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(3),
            patience: Duration::from_secs(1),
            max_concurrent: 32,
            max_answer: 256 << 20,
            observer: None,
            gate: None,
            agent: None,
        }
    }
}

/// How servers are trusted and how we show ourselves to them.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificates in PEM: if given, these alone are trusted, else the system's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate and its key in PEM.
    pub identity: Option<SecretSlice<u8>>,
    /// Trusts every certificate. The pool says so: once in the log, and by [`super::Pool::is_unverified`].
    pub insecure_skip_verify: bool,
}
