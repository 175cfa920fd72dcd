//! The deployment under test, and the bytes that go to it and come back.

use std::{collections::BTreeMap, env, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use arango_operator::stand_in::{Fault, FaultRule, Options, StandIn};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Certificate, Client, Method, Url, redirect::Policy};
use serde_json::{Value, json};

use crate::case::{Need, Shape};

/// Longer than a coordinator polls for supervision maintenance (reference: maintenance).
const TIMEOUT: Duration = Duration::from_secs(150);

/// How late a coordinator of the stand-in learns what another one wrote, where it does.
const LATE: Duration = Duration::from_millis(300);

/// A deployment, with the accounts that the suite needs.
pub(crate) struct Server {
    /// One server or a cluster.
    pub(crate) shape: Shape,
    /// As `/_api/version` says it.
    pub(crate) version: String,
    /// Its coordinators; one at least.
    pub(crate) endpoints: Vec<String>,
    /// An administrator's name, normally root.
    pub(crate) root: String,
    /// His password.
    pub(crate) password: String,
    /// The secret that signs tokens, if it is known.
    secret: Option<Vec<u8>>,
    /// The stand-in, if it is one.
    pub(crate) stand_in: Option<StandIn>,
    clients: Clients,
}

/// The same for HTTP/1.1 and for HTTP/2 by prior knowledge.
#[derive(Clone)]
pub(crate) struct Clients {
    one: Client,
    two: Client,
}

impl Clients {
    /// Follows no redirect, keeps no cookie, and knows no proxy. Trusts the certificates of `ARANGO_CA_FILE`, else
    /// the system's.
    pub(crate) fn new() -> Result<Self> {
        let trusted = match env::var("ARANGO_CA_FILE") {
            Ok(file) => {
                let pem = std::fs::read(&file).with_context(|| format!("can't read {file}"))?;
                Some(
                    Certificate::from_pem_bundle(&pem)
                        .with_context(|| format!("no certificates in {file}"))?,
                )
            }
            Err(_) => None,
        };
        let builder = || {
            let builder = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT);
            match &trusted {
                Some(trusted) => builder.tls_certs_only(trusted.clone()),
                None => builder,
            }
        };
        Ok(Self { one: builder().http1_only().build()?, two: builder().http2_prior_knowledge().build()? })
    }
}

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) endpoint: String,
    pub(crate) method: Method,
    /// The path and the query, exactly as they go out.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) http2: bool,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The body, if it is JSON.
    pub(crate) json: Option<Value>,
    /// Whether HEAD was asked.
    pub(crate) to_head: bool,
}

impl Request {
    /// The request as a line for a shell. Credentials are named, not shown.
    pub(crate) fn curl(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let method = match self.method {
            Method::HEAD => "-I".to_owned(),
            ref method => format!("-X {method}"),
        };
        let mut line = format!("curl {method} {}", quoted(&format!("{}{}", self.endpoint, self.path)));
        if self.http2 {
            line.push_str(" --http2-prior-knowledge");
        }
        for (name, value) in &self.headers {
            let value = match value.split_once(' ') {
                Some((scheme, _)) if name == "authorization" => format!("{scheme} …"),
                _ => value.clone(),
            };
            line += " -H ";
            line += &quoted(&format!("{name}: {value}"));
        }
        if let Some(body) = &self.body {
            let body = match std::str::from_utf8(body) {
                Ok(text) => format!(" -d {}", quoted(text)),
                Err(_) => format!(" --data-binary @<(base64 -d <<<{})", STANDARD.encode(body)),
            };
            line.push_str(&body);
        }
        line
    }
}

impl Server {
    /// A fresh stand-in: a single server or three coordinators.
    pub(crate) async fn stand_in(shape: Shape, clients: Clients) -> Result<Self> {
        let password = "the root password";
        let options = match shape {
            Shape::Single => Options::single(password),
            Shape::Cluster => Options::cluster(3, password),
        };
        let (version, secret) = (options.config.version.clone(), options.config.jwt_secret.clone());
        let stand_in = StandIn::start(options).await?;
        Ok(Self {
            shape,
            version,
            endpoints: stand_in.endpoints(),
            root: "root".to_owned(),
            password: password.to_owned(),
            secret: Some(secret),
            stand_in: Some(stand_in),
            clients,
        })
    }

    /// Three coordinators of which each sees late what the others wrote, as those of a real cluster do.
    pub(crate) async fn late_stand_in(clients: Clients) -> Result<Self> {
        let server = Self::stand_in(Shape::Cluster, clients).await?;
        if let Some(stand_in) = &server.stand_in {
            let fault = Fault::Stale { time: LATE };
            stand_in.add_fault(FaultRule::new(fault)).await?;
        }
        Ok(server)
    }

    /// The server that the environment names, if it names one.
    pub(crate) async fn real(clients: Clients) -> Result<Option<Self>> {
        let Ok(endpoints) = env::var("ARANGO_ENDPOINT") else { return Ok(None) };
        let endpoints = endpoints.split([',', ' ']).filter(|endpoint| !endpoint.is_empty());
        let secret = match env::var("ARANGO_JWT_SECRET_FILE") {
            Ok(file) => Some(std::fs::read(&file).with_context(|| format!("can't read {file}"))?),
            Err(_) => None,
        };
        let mut server = Self {
            shape: Shape::Single,
            version: String::new(),
            endpoints: endpoints.map(|endpoint| endpoint.trim_end_matches('/').to_owned()).collect(),
            root: env::var("ARANGO_USER").unwrap_or_else(|_| "root".to_owned()),
            password: env::var("ARANGO_PASSWORD").unwrap_or_default(),
            secret: secret.map(|secret| secret.trim_ascii().to_vec()),
            stand_in: None,
            clients,
        };
        ensure!(!server.endpoints.is_empty(), "ARANGO_ENDPOINT names no endpoint");
        let open = server.request("GET /_api/version")?;
        let open = server.send(&Request { headers: BTreeMap::new(), ..open }).await?;
        ensure!(open.status == 401, "the suite needs a server that asks for credentials: {}", open.shown());
        let role = server.ask("GET /_admin/server/role", None).await?;
        server.shape = match role["role"].as_str() {
            Some("SINGLE") => Shape::Single,
            Some("COORDINATOR") => Shape::Cluster,
            other => bail!("a server in the role {other:?} can't be tested"),
        };
        let version = server.ask("GET /_api/version", None).await?;
        version["version"]
            .as_str()
            .context("the server doesn't say its version")?
            .clone_into(&mut server.version);
        Ok(Some(server))
    }

    /// Whether the runner has what a case needs.
    pub(crate) fn has(&self, need: Need) -> bool {
        match need {
            Need::Secret => self.secret.is_some(),
            Need::Coordinators => self.endpoints.len() > 1,
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String> {
        let secret = self.secret.as_ref().context("the case doesn't say that it needs the secret")?;
        let key = EncodingKey::from_secret(secret);
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)?)
    }

    /// A request of root to the first coordinator, from `METHOD PATH`.
    pub(crate) fn request(&self, send: &str) -> Result<Request> {
        let (method, path) = send.split_once(' ').with_context(|| format!("{send:?} isn't METHOD PATH"))?;
        Ok(Request {
            endpoint: self.endpoints[0].clone(),
            method: method.parse()?,
            path: path.to_owned(),
            headers: BTreeMap::from([("authorization".to_owned(), basic(&self.root, &self.password))]),
            body: None,
            http2: false,
        })
    }

    /// What root does besides the steps of a case: it must succeed.
    pub(crate) async fn ask(&self, send: &str, body: Option<Value>) -> Result<Value> {
        let request = Request { body: body.map(|body| body.to_string().into_bytes()), ..self.request(send)? };
        let answer = self.send(&request).await?;
        ensure!(answer.status < 400, "{}\n    answered {}", request.curl(), answer.shown());
        Ok(answer.json.unwrap_or_default())
    }

    /// Asks once.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer> {
        let url: Url = format!("{}{}", request.endpoint, request.path).parse()?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let sent = format!("{}{query}", url.path());
        ensure!(sent == request.path, "{:?} would go out as {sent:?}", request.path);
        let client = if request.http2 { &self.clients.two } else { &self.clients.one };
        let mut builder = client.request(request.method.clone(), url);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let response = builder.send().await.with_context(|| request.curl())?;
        let status = response.status().as_u16();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.to_string())
                .and_modify(|values| *values = format!("{values}\n{value}"))
                .or_insert_with(|| value.into_owned());
        }
        let body = response.bytes().await?.to_vec();
        let (json, to_head) = (serde_json::from_slice(&body).ok(), request.method == Method::HEAD);
        Ok(Answer { status, headers, body, json, to_head })
    }

    /// The token that a login gives.
    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Result<String> {
        let answer =
            self.ask("POST /_open/auth", Some(json!({"username": user, "password": password}))).await?;
        Ok(answer["jwt"].as_str().context("a login gave no token")?.to_owned())
    }
}

/// The header value of HTTP Basic.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
