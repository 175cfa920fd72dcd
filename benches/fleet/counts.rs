//! What the two servers count of what is asked of them: neither takes the operator's word for it.

use anyhow::{Context, Result};
use arango_operator::kinds::schema::GROUP;
use kube::Client;
use serde_json::Value;

const REQUESTS: &str = "apiserver_request_total";
const REQUEST_SECONDS: &str = "apiserver_request_duration_seconds_sum";
const ETCD_SECONDS: &str = "etcd_request_duration_seconds_sum";

/// What counts beside the resources of our group.
const OTHERS: [&str; 3] = ["secrets", "events", "namespaces"];
const WRITES: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];

/// Requests up to a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// That changed a resource of ours, a Secret or an Event. Not the renewals of the Lease.
    pub(crate) kube_writes: f64,
    /// That read or listed them; a watch counts when it ends, and not as one of these.
    pub(crate) kube_reads: f64,
    /// The seconds that the API server took for all those writes together.
    pub(crate) write_seconds: f64,
    /// And those of them that it waited for etcd, reads of ours included.
    pub(crate) etcd_seconds: f64,
    /// Of all coordinators, logins included.
    pub(crate) arango: f64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            kube_writes: self.kube_writes - before.kube_writes,
            kube_reads: self.kube_reads - before.kube_reads,
            write_seconds: self.write_seconds - before.write_seconds,
            etcd_seconds: self.etcd_seconds - before.etcd_seconds,
            arango: self.arango - before.arango,
        }
    }
}

/// Asks the API server what it counts of reads and writes.
pub(crate) async fn of_api_server(client: &Client) -> Result<Counts> {
    let text = client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?;
    let mut counts = Counts::default();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once('{') else { continue };
        if !matches!(name, REQUESTS | REQUEST_SECONDS | ETCD_SECONDS) {
            continue;
        }
        let (labels, value) = rest.rsplit_once(' ').context("a sample has a value")?;
        let value: f64 = value.parse().context("a sample is a number")?;
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        if label("group") != Some(GROUP) && !OTHERS.iter().any(|other| label("resource") == Some(other)) {
            continue;
        }
        match (name, label("verb")) {
            (ETCD_SECONDS, _) => counts.etcd_seconds += value,
            (REQUESTS, Some("GET" | "LIST")) => counts.kube_reads += value,
            (REQUESTS, Some(verb)) if WRITES.contains(&verb) => counts.kube_writes += value,
            (REQUEST_SECONDS, Some(verb)) if WRITES.contains(&verb) => counts.write_seconds += value,
            _ => {}
        }
    }
    Ok(counts)
}

/// Asks a stand-in's control port how many requests came.
pub(crate) async fn of_stand_in(http: &reqwest::Client, control: &str) -> Result<f64> {
    let answer = http.get(format!("{control}/requests?last=0")).send().await?.error_for_status()?;
    let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
    answer["total"].as_f64().context("it says how many came")
}
