//! Requests to the collector. They run on the program's own runtime: the batches are made on a thread that has none.

use std::{env, fs, time::Duration};

use anyhow::Context;
use futures::future::BoxFuture;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use parking_lot::Mutex;
use reqwest::{Certificate, redirect, retry};
use tokio::runtime::Handle;

use crate::arango::why;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes. It says how many spans were not taken, at most.
const ANSWER_MAX: usize = 64 << 10;

/// The collector.
#[derive(Debug)]
pub(super) struct Collector {
    http: reqwest::Client,
    runtime: Handle,
    /// Why the last request had no answer.
    why: Mutex<String>,
}

impl Collector {
    /// As with ArangoDB: no proxy of the environment's, and no redirect, which would carry the headers elsewhere.
    pub(super) fn new(tls: bool) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("arango-operator/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .http1_only()
            .timeout(TIMEOUT);
        let variables = ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
        let named = variables.into_iter().find_map(|name| Some((name, env::var_os(name)?)));
        if !tls {
            // Nothing to verify, so the system's certificates aren't read either.
            builder = builder.tls_certs_only([]);
        } else if let Some((variable, path)) = named {
            let pem = fs::read(&path).with_context(|| format!("{variable}: {}", path.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .with_context(|| format!("{variable}: {} has no certificate in PEM", path.display()))?;
            builder = builder.tls_certs_only(certificates);
        }
        let http = builder.build().map_err(why).map_err(anyhow::Error::msg)?;
        Ok(Self { http, runtime: Handle::try_current()?, why: Mutex::default() })
    }

    /// Why the last request had no answer.
    pub(super) fn why(&self) -> String {
        self.why.lock().clone()
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'b>(
        &'a self,
        mut request: Request<Bytes>,
    ) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
    {
        // They may hold a login.
        request.headers_mut().values_mut().for_each(|value| value.set_sensitive(true));
        let http = self.http.clone();
        let exchange = self.runtime.spawn(async move {
            let mut answer = http.execute(request.try_into()?).await?;
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > ANSWER_MAX {
                    body.clear();
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = answer.status();
            *response.headers_mut() = std::mem::take(answer.headers_mut());
            Ok::<_, reqwest::Error>(response)
        });
        Box::pin(async move {
            let outcome = exchange.await?;
            *self.why.lock() = match &outcome {
                Ok(response) => format!("it answers {}", response.status()),
                Err(_) => String::new(),
            };
            outcome.map_err(|error| {
                let text = why(error);
                self.why.lock().clone_from(&text);
                text.into()
            })
        })
    }
}
