//! What `plan` and `apply` have in common: manifests, a deployment, and what is remembered there.

use std::{sync::Arc, time::Instant};

use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::{
    arango::{Client, Pool, Rehearsal, Transport},
    cli::{
        connection::ConnectionArgs,
        manifests::{ManifestArgs, Target},
        screen,
    },
    core::Id,
    kinds::Viewpoint,
    manifests::Manifests,
    offline::{self, Entry, Record, Rehearsed, Report, Scene},
    reconcile::Server,
};

/// Longest name of a set, in bytes.
const SET_MAX: usize = 128;

/// Manifests, and where they are applied.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct StageArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Keep a record on the deployment of what these manifests declare, under this name: one for each repository that is
    /// applied there. What another set declares is then left alone
    #[arg(long, env = "ARANGO_SET", value_name = "NAME", help_heading = "Record", value_parser = set)]
    pub(in crate::cli) set: Option<String>,
    /// Remove what the set declared when it was last applied and declares no longer, as far as its deletion policy says so
    #[arg(long, requires = "set", help_heading = "Record")]
    prune: bool,
    /// Take over objects that this other set declares
    #[arg(long, value_name = "NAME", requires = "set", help_heading = "Record", value_parser = set)]
    take_over: Option<String>,
}

/// Reads the name of a set.
fn set(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if text.is_empty() || text.len() > SET_MAX || !text.chars().all(fits) {
        return Err(format!("a set has a name of 1 to {SET_MAX} letters, digits and -_./:@"));
    }
    Ok(text.to_owned())
}

/// Everything that a plan is made of.
pub(in crate::cli) struct Stage {
    manifests: Manifests,
    transport: Arc<dyn Transport>,
    account: Option<String>,
    endpoints: Vec<String>,
    clusters: Vec<Id>,
    record: Record,
    prunes: bool,
    take_over: Option<String>,
}

impl Stage {
    /// Reads the manifests, connects, and reads what is remembered.
    pub(in crate::cli) async fn enter(args: &StageArgs) -> anyhow::Result<Self> {
        let manifests = args.manifests.read().await?;
        for remark in manifests.remarks() {
            screen::tell(remark);
        }
        let Target { connection, account, cluster } =
            args.manifests.target(&manifests, &args.connection).await?;
        let clusters = cluster.into_iter().collect();
        let endpoints = connection.endpoints.iter().map(ToString::to_string).collect();
        let transport: Arc<dyn Transport> = Arc::new(Pool::new(connection)?);
        let record = Record::load(Client::over(Arc::clone(&transport)), args.set.clone()).await?;
        let (prunes, take_over) = (args.prune, args.take_over.clone());
        Ok(Self { manifests, transport, account, endpoints, clusters, record, prunes, take_over })
    }

    /// A client that is in earnest.
    pub(in crate::cli) fn client(&self) -> Client {
        Client::over(Arc::clone(&self.transport))
    }

    fn scene<'a>(&'a self, server: &'a Server, viewpoint: Viewpoint, shows: bool) -> Scene<'a> {
        Scene {
            server,
            manifests: &self.manifests,
            clusters: &self.clusters,
            record: &self.record,
            viewpoint,
            shows,
            prunes: self.prunes,
            take_over: self.take_over.as_deref(),
            since: Instant::now(),
        }
    }

    /// Makes the plan.
    pub(in crate::cli) async fn rehearse(
        &self,
        viewpoint: Viewpoint,
        shows: bool,
    ) -> anyhow::Result<Rehearsed> {
        let client = Client::over(Arc::new(Rehearsal::new(Arc::clone(&self.transport))));
        let server = Server::new(client, self.account.clone()).rehearsing();
        let scene = self.scene(&server, viewpoint, shows);
        Ok(offline::rehearse(&scene, self.endpoints.clone()).await?)
    }

    /// Carries a plan out.
    pub(in crate::cli) async fn carry_out(
        &self,
        rehearsed: Rehearsed,
        stop: &CancellationToken,
        progress: &(dyn Fn(&Entry) + Sync),
    ) -> anyhow::Result<Report> {
        let server = Server::new(self.client(), self.account.clone());
        let scene = self.scene(&server, Viewpoint::CommandLine, false);
        Ok(offline::carry_out(&scene, rehearsed, stop, progress).await?)
    }
}
