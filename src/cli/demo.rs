//! `demo`: the whole thing on one machine. [`steps`] is the list of what it does; [`Stage`] is what is running.

mod check; // does the server hold what was declared?
mod kubernetes; // definitions and manifests applied, resources read
mod manifests; // examples/quickstart, embedded
mod report; // tables and lines to copy
mod stage; // what was started, and how it ends

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tracing_subscriber::EnvFilter;

use self::{
    check::Held,
    kubernetes::Resources,
    report::{Running, Style},
    stage::Stage,
};
use super::screen::{Screen, may_colour};

/// How long a step with the API server may take, whatever is waited for in it: longer than its own limits.
const SETUP: Duration = Duration::from_secs(90);
/// How long reading everything back may take.
const READ_BACK: Duration = Duration::from_secs(30);

/// See it all on this machine: a Kubernetes control plane, three ArangoDB coordinators (in memory), the operator,
/// and the manifests of examples/quickstart.
///
/// Leaves everything running until Ctrl-C, then ends it and removes its data. Nothing outside is touched: neither a
/// Kubernetes cluster that you have nor a server. The first run builds the control plane's programs, which takes
/// minutes and needs Go; with `KUBEBUILDER_ASSETS` set to a folder with etcd and kube-apiserver it needs neither.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  arango-operator demo                            until Ctrl-C
  arango-operator demo --kubeconfig demo.yaml     and kubectl --kubeconfig demo.yaml works beside it
  arango-operator demo --once                     check and end, as in a pipeline

Exit codes: 0 all was Ready and read back (and, without --once, ended by Ctrl-C), 1 an error that was printed, 2 wrong \
usage")]
pub struct DemoArgs {
    /// Check, print, end. Don't leave anything running.
    #[arg(long)]
    once: bool,
    /// Also write the administrator's kubeconfig to this new file; it is removed at the end.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where the first coordinator listens; the others take the next ports. Left out: 127.0.0.1:8529, or free ports if
    /// that one or one of the next two is taken.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// What is logged of the operator: error, warn, info, debug, trace, or a filter such as
    /// `info,arango_operator=debug`.
    #[arg(long, env = "ARANGO_OPERATOR_LOG", value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// Runs the command.
pub async fn run(args: DemoArgs) -> Result<ExitCode> {
    let screen = Arc::new(Screen::new());
    let filter = super::run::filter(&args.log)?;
    let mut stop = Stop::new()?;
    let mut stage = Stage::default();
    let mut interrupted = false;
    let outcome = tokio::select! {
        outcome = steps(&args, filter, &mut stage, &screen) => outcome,
        () = stop.asked() => {
            interrupted = true;
            Err(anyhow!("interrupted before everything was Ready"))
        }
    };
    let outcome = match outcome {
        Ok(()) if !args.once => tokio::select! {
            failure = stage.failed() => Err(failure),
            () = stop.asked() => Ok(()),
        },
        outcome => outcome,
    };
    screen.draw("ending …");
    let ended = tokio::select! {
        ended = stage.end() => ended,
        () = stop.asked() => Err(anyhow!("not waited for the end of everything; it ends by itself")),
    };
    match &ended {
        Ok(true) => screen.done("ended; the data is removed"),
        // Its start was broken off, and it is not there to be waited for.
        Ok(false) if interrupted => {
            screen.say("the control plane's processes and data are gone within seconds");
        }
        _ => screen.end_line(),
    }
    outcome.and(ended).map(|_| ExitCode::SUCCESS)
}

/// The demo.
async fn steps(args: &DemoArgs, filter: EnvFilter, stage: &mut Stage, screen: &Arc<Screen>) -> Result<()> {
    let begin = Instant::now();
    stage.start_control_plane(args.kubeconfig.as_deref(), screen).await?;
    log(filter, screen);
    stage.start_stand_in(args.listen, screen).await?;
    let client = stage.client().await?;

    screen.draw("installing the definitions of the resources");
    let count = within(SETUP, "installing the definitions", kubernetes::install_crds(&client)).await?;
    screen.done(format_args!("{count} custom resource definitions are installed"));

    stage.start_operator(client.clone(), screen).await?;

    let objects = manifests::quickstart(&stage.endpoints(), stage.root_password())?;
    let applied = Instant::now();
    within(SETUP, "applying examples/quickstart", kubernetes::apply(&client, &objects, screen)).await?;
    screen.done(format_args!("examples/quickstart is applied: {} objects", objects.len()));

    let ready = kubernetes::wait_until_ready(&client, screen);
    let resources = within(SETUP, "waiting for the resources", ready).await?;
    let seconds = applied.elapsed().as_secs_f64();
    screen
        .done(format_args!("{} resources are Ready, {seconds:.1} s after the first", resources.rows().len()));

    let held = read_back(stage, &client, &resources, screen).await?;
    screen.done(format_args!("all done in {:.1} s", begin.elapsed().as_secs_f64()));
    print(args, stage, &resources, &held)
}

/// Reads from a coordinator what the resources declare, as root and as each user.
async fn read_back(
    stage: &Stage,
    client: &kube::Client,
    resources: &Resources,
    screen: &Screen,
) -> Result<Held> {
    let endpoints = stage.endpoints();
    let reading = async {
        screen.draw("reading everything back");
        let root = check::client(&endpoints, "root", stage.root_password().into())?;
        let held = check::read(&root).await.context("the coordinators could not be read as root")?;
        let wrong = check::compare(resources, &held)?;
        if !wrong.is_empty() {
            bail!("the resources are Ready, but the server holds something else: {}", wrong.join("; "));
        }
        let logins = check::log_in(client, &endpoints, resources, &held).await?;
        screen.done(format_args!(
            "read back over HTTP: {} databases, {} users and {} rights are as declared, {logins} users can log in",
            resources.databases.len(),
            resources.users.len(),
            resources.permissions.len(),
        ));
        Ok(held)
    };
    within(READ_BACK, "reading everything back", reading).await
}

/// A limit for what somebody else has to answer.
async fn within<T>(limit: Duration, what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| {
        bail!("{what} took longer than {} s: is the machine busy? Try again", limit.as_secs())
    })
}

/// Tables, and lines to copy.
fn print(args: &DemoArgs, stage: &Stage, resources: &Resources, held: &Held) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let style = Style { colours: may_colour(&out) };
    writeln!(out, "\n{}", report::resources(resources, &style))?;
    writeln!(out, "{}", report::matrix(held, &style))?;
    if !args.once {
        let plane = stage.plane()?;
        let running = Running {
            kubeconfig: plane.kubeconfig_path(),
            kubectl: plane.kubectl(),
            endpoints: stage.endpoints(),
            root_password: stage.root_password(),
            metrics: stage.metrics(),
        };
        writeln!(out, "{}", report::invitation(&running, &style))?;
        writeln!(out, "Everything is running. Ctrl-C ends it and removes its data.")?;
    }
    Ok(out.flush()?)
}

/// The operator's own words go to standard error, past the line that is redrawn. Not before the control plane is up:
/// until then every look at it fails, as it should, and kube calls that an error.
fn log(filter: EnvFilter, screen: &Arc<Screen>) {
    let screen = Arc::clone(screen);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(may_colour(&std::io::stderr()))
        .with_writer(move || screen.stderr())
        .init();
}

/// SIGINT and SIGTERM. Listened to from the start, so that neither ends the process before the rest is ended.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
