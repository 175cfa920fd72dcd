//! `run`: the operator.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{ValueEnum, builder::NonEmptyStringValueParser};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{lease::LeaseArgs, screen::may_colour};
use crate::{
    arango::Route,
    core::selector::Selector,
    operator::{self, End, Settings},
    traces::Traces,
};

/// The exit code of one that led and lost the lease.
const DEPOSED: u8 = 3;

/// Run the operator: watch the resources of a Kubernetes cluster and keep ArangoDB as they declare.
///
/// Kubernetes is found as kubectl finds it (KUBECONFIG, ~/.kube/config), or by the `ServiceAccount` of the pod. Ends
/// on SIGTERM and SIGINT, after what is under way.
///
/// Of several replicas one acts, the one that holds the Lease; the others know all that is there and wait. One that loses
/// the Lease while it acts ends at once, and is to be started again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arango-operator run                                      for the current context of kubectl
  arango-operator run --namespace shop --leader-election false --log debug

Exit codes: 0 ended as told, 1 an error that was printed, 2 wrong usage, 3 the Lease was lost")]
pub struct RunArgs {
    /// Watch this namespace only. Repeat it, or separate by commas, for several. All namespaces if left out.
    #[arg(long, env = "ARANGO_OPERATOR_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    namespace: Vec<String>,
    /// Who this operator is in the marks that it leaves with users: another operator's are never touched. The UID of the
    /// namespace kube-system if left out; with --namespace, that of the first one.
    #[arg(long, env = "ARANGO_OPERATOR_INSTANCE", value_name = "TEXT", value_parser = instance)]
    instance: Option<String>,
    /// Take ArangoClusters in this namespace only. Repeat it, or separate by commas, for several. Those elsewhere don't
    /// count: nothing connects, and their status says so. All count if left out.
    #[arg(long, env = "ARANGO_OPERATOR_CLUSTER_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    cluster_namespace: Vec<String>,
    /// Look after the ArangoClusters whose labels this selects, as in kubectl get --selector, and after whatever refers to
    /// them: several installations of the operator share a fleet so. All others are left alone as if they weren't there. All
    /// are looked after if left out.
    #[arg(long, env = "ARANGO_OPERATOR_SELECTOR", value_name = "SELECTOR")]
    selector: Option<Selector>,
    #[command(flatten)]
    lease: LeaseArgs,
    /// Connect elsewhere for endpoints with that HOST and PORT, as curl's --connect-to does: for names that are not known
    /// where the operator runs, or for forwarded ports. Certificates and all else stay those of the endpoint.
    /// Repeatable.
    #[arg(
        long,
        env = "ARANGO_OPERATOR_CONNECT_TO",
        value_name = "HOST:PORT:TO_HOST:TO_PORT",
        value_delimiter = ','
    )]
    connect_to: Vec<Route>,
    /// Where /livez and /readyz are served.
    #[arg(long, env = "ARANGO_OPERATOR_HEALTH_ADDR", value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    health_addr: SocketAddr,
    /// Where /metrics is served.
    #[arg(
        long,
        env = "ARANGO_OPERATOR_METRICS_ADDR",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    metrics_addr: SocketAddr,
    /// How long maintenance that an annotation sets to `on` is asked of a server at a time: so long after the operator has
    /// ended it ends by itself. It is renewed at half of it. Servers before 3.12 know an hour only.
    #[arg(
        long,
        env = "ARANGO_OPERATOR_MAINTENANCE_PERIOD",
        value_name = "DURATION",
        default_value = "60m",
        value_parser = super::duration::parse_seconds
    )]
    maintenance_period: Duration,
    /// What is logged: error, warn, info, debug, trace, or a filter such as `info,arango_operator=debug`.
    #[arg(
        long,
        env = "ARANGO_OPERATOR_LOG",
        value_name = "FILTER",
        default_value = "info,kube_runtime=warn"
    )]
    log: String,
    /// How it is logged.
    #[arg(long, env = "ARANGO_OPERATOR_LOG_FORMAT", value_name = "FORMAT", default_value = "pretty")]
    log_format: LogFormat,
    /// Send traces to this OpenTelemetry collector, by OTLP over HTTP: the address before /v1/traces, such as
    /// <http://collector:4318>. The variables of OpenTelemetry's specification count as well (`OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` and others). Needs a program that is built with the feature `otlp`.
    #[arg(long, env = "ARANGO_OPERATOR_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// How lines are logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// A line for people.
    #[value(alias = "text")]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Runs the command.
pub async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let filter = filter(&args.log)?;
    let traces = Traces::start(args.otlp_endpoint.as_deref())?;
    let lines = fmt::layer().with_ansi(may_colour(&std::io::stderr())).with_writer(std::io::stderr);
    let lines = match args.log_format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let spans = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(spans).init();
    Traces::tell(traces.as_ref());

    let config = kube::Config::infer().await.context(
        "no Kubernetes cluster is configured; set KUBECONFIG, or run in a pod with a ServiceAccount",
    )?;
    let client = client(config)?;
    let stop = CancellationToken::new();
    tokio::spawn(cancel_on_signal(stop.clone())?);
    let (identity, lease, election) = args.lease.settings(args.selector.as_ref());
    let settings = Settings {
        identity,
        election,
        namespaces: args.namespace,
        instance: args.instance,
        cluster_namespaces: args.cluster_namespace,
        selector: args.selector,
        lease,
        routes: args.connect_to,
        health: args.health_addr,
        metrics: args.metrics_addr,
        maintenance_period: args.maintenance_period,
    };
    let ended = operator::run(client, settings, stop, |addresses| {
        super::output::say(format_args!("health http://{}", addresses.health));
        super::output::say(format_args!("metrics http://{}", addresses.metrics));
    })
    .await;
    if let Ok(End::Deposed(lost)) = &ended {
        error!(%lost, "the lease is lost: this replica ends, and begins nothing before it does");
    }
    if let Some(traces) = traces {
        traces.stop().await;
    }
    match ended.context("could not serve health and metrics")? {
        End::AsTold => Ok(ExitCode::SUCCESS),
        End::Deposed(_) => Ok(ExitCode::from(DEPOSED)),
    }
}

/// A text that can be told from others by those who read a mark.
fn instance(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_plain) {
        return Err("it has to be 1 to 64 letters, digits and -_.:/".to_owned());
    }
    Ok(text.to_owned())
}

/// What is logged.
pub(super) fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| format!("--log {text:?} is not a filter"))
}

/// A client that leaves repeating to us: kube's own goes on for minutes.
pub fn client(mut config: kube::Config) -> anyhow::Result<kube::Client> {
    config.default_retry = false;
    kube::Client::try_from(config).context("could not make a Kubernetes client")
}

/// Cancels on the first SIGTERM or SIGINT.
fn cancel_on_signal(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    })
}
