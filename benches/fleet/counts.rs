//! What the two servers count of what is asked of them: neither takes the operator's word for it.

use anyhow::{Context, Result};
use arango_operator::kinds::schema::GROUP;
use kube::Client;
use serde_json::Value;

/// Requests up to a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// That changed a resource of ours, a Secret or an Event. Not the renewals of the Lease.
    pub(crate) kube_writes: f64,
    /// That read or listed them; a watch counts when it ends, and not as one of these.
    pub(crate) kube_reads: f64,
    /// Of all coordinators, logins included.
    pub(crate) arango: f64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            kube_writes: self.kube_writes - before.kube_writes,
            kube_reads: self.kube_reads - before.kube_reads,
            arango: self.arango - before.arango,
        }
    }
}

/// Asks the API server for its count of reads and writes.
pub(crate) async fn of_api_server(client: &Client) -> Result<(f64, f64)> {
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    let (mut reads, mut writes) = (0.0, 0.0);
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        let (labels, value) = line.rsplit_once(' ').context("a sample has a value")?;
        let label = |name: &str| labels.split_once(&format!("{name}=\""))?.1.split('"').next();
        let is_ours = label("group") == Some(GROUP)
            || matches!(label("resource"), Some("secrets" | "events" | "namespaces"));
        let value: f64 = value.parse().context("a sample is a number")?;
        match label("verb") {
            Some("GET" | "LIST") if is_ours => reads += value,
            Some("POST" | "PUT" | "PATCH" | "APPLY" | "DELETE" | "DELETECOLLECTION") if is_ours => {
                writes += value;
            }
            _ => {}
        }
    }
    Ok((reads, writes))
}

/// Asks a stand-in's control port how many requests came.
pub(crate) async fn of_stand_in(http: &reqwest::Client, control: &str) -> Result<f64> {
    let answer = http.get(format!("{control}/requests?last=0")).send().await?.error_for_status()?;
    let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
    answer["total"].as_f64().context("it says how many came")
}
