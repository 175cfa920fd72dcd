//! `cluster status`: what kind of deployment it is, and who of it answers.

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use clap::Args;
use futures::future::join_all;
use serde::Serialize;
use tokio::time::timeout;

use super::Common;
use crate::{
    arango::{Client, Cluster, Deployment, Endpoint, Error, Health, License, Mode, Pool, Supervision},
    cli::output::{self, Mark, Rows, plain},
};

/// How long an endpoint has to say whether it is available: one that hangs shall not hold up what the others tell.
const LOOK: Duration = Duration::from_secs(5);

/// Show what kind of deployment it is, and how each endpoint answers. A single server has a status too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator cluster status
  arango-operator cluster status -o json | jq -r .version

Exit codes: 0 the deployment answered, be it through one endpoint alone, 1 an error that was printed, 2 wrong usage")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    common: Common,
}

/// The result, as JSON has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    mode: &'static str,
    deployment_id: Option<String>,
    version: Option<String>,
    edition: Option<String>,
    engine: String,
    role: &'static str,
    server_mode: String,
    read_only: bool,
    license: Option<LicenseReport>,
    supervision: Option<String>,
    endpoints: Vec<EndpointReport>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LicenseReport {
    status: Option<String>,
    expires: Option<String>,
    disk_used: Option<u64>,
    disk_limit: Option<u64>,
    limit_reached: Option<bool>,
}

/// One endpoint that was named, be it a coordinator or the single server.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointReport {
    endpoint: String,
    reachable: bool,
    server_id: Option<String>,
    version: Option<String>,
    availability: Option<String>,
    message: Option<String>,
}

/// Runs the command.
pub(super) async fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let connection = args.common.deployment.target().await?.connection;
    let endpoints = connection.endpoints.clone();
    let client = Client::new(Pool::new(connection)?);
    let report = report(&client, &endpoints).await?;
    output::print(args.common.output.output, &report, |colours| people(&report, colours))?;
    Ok(ExitCode::SUCCESS)
}

async fn report(client: &Client, endpoints: &[Endpoint]) -> Result<Report, Error> {
    let deployment = client.deployment().await?;
    let cluster = match &deployment {
        Deployment::Cluster(cluster) => Some(cluster),
        Deployment::Single => None,
    };
    let looks =
        endpoints.iter().enumerate().map(|(n, endpoint)| look(client.at(n), endpoint, cluster.is_some()));
    let (version, engine, mode, license, told, mut endpoints) = tokio::join!(
        client.version(),
        client.engine(),
        client.mode(),
        client.license(),
        of_cluster(cluster),
        join_all(looks),
    );
    let (version, mode, (health, supervision)) = (version?, mode?, told?);
    if let Some(health) = &health {
        for endpoint in &mut endpoints {
            endpoint.compare(health);
        }
    }
    Ok(Report {
        mode: if cluster.is_some() { "cluster" } else { "single" },
        deployment_id: health.and_then(|health| health.cluster_id),
        version: version.version,
        edition: version.license,
        engine: engine?,
        role: if cluster.is_some() { "COORDINATOR" } else { "SINGLE" },
        server_mode: mode.as_str().to_owned(),
        read_only: mode == Mode::ReadOnly,
        license: unless_refused(license)?.map(LicenseReport::from),
        supervision: supervision.map(|supervision| supervision.as_str().to_owned()),
        endpoints,
    })
}

/// What it knows of its servers, and whether its supervision works, as far as the account may know.
async fn of_cluster(cluster: Option<&Cluster>) -> Result<(Option<Health>, Option<Supervision>), Error> {
    let Some(cluster) = cluster else { return Ok((None, None)) };
    let (health, supervision) = tokio::join!(cluster.health(), cluster.supervision());
    Ok((unless_refused(health)?, unless_refused(supervision)?))
}

/// `None` for what the server answers but doesn't tell: to this account, or at all.
fn unless_refused<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(told) => Ok(Some(told)),
        Err(Error::Answer(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How one endpoint answers. `client` leads to that one alone.
async fn look(client: Client, endpoint: &Endpoint, in_cluster: bool) -> EndpointReport {
    let report = EndpointReport { endpoint: endpoint.to_string(), ..EndpointReport::default() };
    let available = match timeout(LOOK, client.availability()).await {
        Ok(Ok(available)) => available,
        Err(_) => {
            return EndpointReport { message: Some(format!("no answer within {LOOK:?}")), ..report };
        }
        Ok(Err(error)) => {
            let (reachable, message) = match error {
                Error::Answer(answer) if answer.message.is_empty() => (true, answer.status.to_string()),
                Error::Answer(answer) => (true, format!("{}: {}", answer.status, answer.message)),
                Error::Unreachable(reasons) => {
                    (false, reasons.into_iter().map(|reason| reason.why).collect::<Vec<_>>().join("; "))
                }
                error => (false, error.to_string()),
            };
            return EndpointReport { reachable, message: Some(message), ..report };
        }
    };
    let id = async { if in_cluster { client.server_id().await.map(Some) } else { Ok(None) } };
    let (id, version) = tokio::join!(id, client.version());
    let problem = id.as_ref().err().or(version.as_ref().err()).map(ToString::to_string);
    EndpointReport {
        reachable: true,
        availability: available.mode,
        server_id: id.unwrap_or_default(),
        version: version.unwrap_or_default().version,
        message: problem,
        ..report
    }
}

impl EndpointReport {
    /// Says so if the server is none of the cluster's: the endpoints lead to two deployments then.
    fn compare(&mut self, health: &Health) {
        if self.server_id.as_ref().is_some_and(|id| !health.servers.contains_key(id)) {
            let stranger =
                "it is none of the servers of this cluster; all endpoints have to lead to one deployment";
            self.message = Some(stranger.to_owned());
        }
    }
}

impl From<License> for LicenseReport {
    fn from(license: License) -> Self {
        let License { status, expires, disk_used, disk_limit, limit_reached } = license;
        let expires = expires.map(|end| end.to_string());
        Self { status, expires, disk_used, disk_limit, limit_reached }
    }
}

fn people(report: &Report, colours: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: Option<String>| {
        let value = value.map_or_else(|| "-".to_owned(), |value| plain(&value));
        let _ = writeln!(text, " {name:<24} {value}");
    };
    line("mode", Some(report.mode.to_owned()));
    line("role", Some(report.role.to_owned()));
    line("id", report.deployment_id.clone());
    let version =
        [&report.version, &report.edition].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    line("version", Some(version).filter(|version| !version.is_empty()));
    line("engine", Some(report.engine.clone()));
    line("licence", report.license.as_ref().map(licence));
    line("writes", Some(if report.read_only { "refused: read-only mode" } else { "taken" }.to_owned()));
    if report.mode == "cluster" {
        let supervision = match report.supervision.as_deref() {
            Some("Normal") => "off".to_owned(),
            Some("Maintenance") => "on: there is no automatic failover".to_owned(),
            Some(other) => other.to_owned(),
            None => "not told to this account; an administrator's is".to_owned(),
        };
        line("supervision maintenance", Some(supervision));
    }
    let mut rows = Rows::new(["endpoint", "reachable", "server id", "version", "availability"]);
    let mut messages = String::new();
    for one in &report.endpoints {
        let mark = if one.message.is_none() { Mark::Plain } else { Mark::Alarm };
        let reachable = if one.reachable { "yes" } else { "no" };
        let cells = [
            Some(one.endpoint.clone()),
            Some(reachable.to_owned()),
            one.server_id.clone(),
            one.version.clone(),
            one.availability.clone(),
        ];
        rows.add(mark, cells);
        if let Some(message) = &one.message {
            let _ = writeln!(messages, "\n{}: {}", one.endpoint, plain(message));
        }
    }
    format!("{text}\n{}{messages}", rows.render(colours))
}

fn licence(license: &LicenseReport) -> String {
    let mut text = license.status.clone().unwrap_or_else(|| "not told".to_owned());
    if let Some(expires) = &license.expires {
        let _ = write!(text, ", expires {expires}");
    }
    if let (Some(used), Some(limit)) = (license.disk_used, license.disk_limit) {
        let _ = write!(text, ", {} of {} on disk", output::bytes(used), output::bytes(limit));
    }
    text
}
