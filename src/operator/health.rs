//! `/livez`, `/readyz` and `/metrics`.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::context::Context;

/// Serves health and metrics, on one address or two, until told to stop. Returns where.
pub async fn serve(
    context: &Arc<Context>,
    health: SocketAddr,
    metrics: SocketAddr,
    stop: &CancellationToken,
) -> std::io::Result<(SocketAddr, SocketAddr)> {
    let ready = {
        let context = Arc::clone(context);
        move || async move {
            if context.is_stopping() {
                (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
            } else if !*context.synced.borrow() {
                (StatusCode::SERVICE_UNAVAILABLE, "waiting for the caches\n")
            } else if !context.lead.could_look() {
                // It would never take over: a rollout must not go on to the replica that leads.
                (StatusCode::SERVICE_UNAVAILABLE, "the Lease could not be read yet\n")
            } else {
                (StatusCode::OK, "ok\n")
            }
        }
    };
    let probes = Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(ready));
    let text = {
        let context = Arc::clone(context);
        move || async move {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([("content-type", kind)], context.metrics.scrape(&context))
        }
    };
    let numbers = Router::new().route("/metrics", get(text));
    if health == metrics && health.port() != 0 {
        let at = listen(health, probes.merge(numbers), stop).await?;
        return Ok((at, at));
    }
    Ok((listen(health, probes, stop).await?, listen(metrics, numbers, stop).await?))
}

async fn listen(at: SocketAddr, router: Router, stop: &CancellationToken) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(at).await?;
    let at = listener.local_addr()?;
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
    Ok(at)
}
