//! How the commands that take manifests are told where they are, and which deployment they are about.

use std::{fmt, path::PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::connection::ConnectionArgs;
use crate::{
    arango::Connection,
    core::Id,
    manifests::{self, Complaint, Given, Manifests, Options, Source},
};

/// The namespace of resources that name none.
const NAMESPACE: &str = "default";

/// Where the manifests are, and what is to be known beside them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Manifests")]
pub struct ManifestArgs {
    /// Files and folders with manifests in YAML or JSON (folders with all that is in them), or `-` for standard input:
    /// what `kustomize build` and `helm template` print is taken as it is. Repeatable
    #[arg(short = 'f', long = "filename", value_name = "PATH", num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// The namespace of resources that name none [default: `default`]; of a cluster, only what is in that namespace
    #[arg(short, long, env = "ARANGO_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// Only what is declared through that ArangoCluster, where the manifests name several
    #[arg(long, env = "ARANGO_CLUSTER", value_name = "[NAMESPACE/]NAME")]
    pub cluster: Option<String>,
    /// A key of a Secret that is not among the manifests, from an environment variable or a file:
    /// `shop/alice/password=env:ALICE_PASSWORD`, `alice/password=file:alice.txt`. Repeatable
    #[arg(long = "secret", value_name = "[NAMESPACE/]NAME/KEY=env:VAR|file:PATH")]
    pub secrets: Vec<Given>,
    /// A kubeconfig: what the resources name (ArangoCluster, Secrets, labels of namespaces) is taken from that cluster,
    /// and without -f the resources themselves
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: its current one]; without --kubeconfig, of the one that kubectl takes
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// The deployment that manifests are about.
#[derive(Debug)]
pub struct Target {
    /// How it is reached.
    pub connection: Connection,
    /// The account that logs in; nothing for a superuser.
    pub account: Option<String>,
    /// The ArangoCluster whose resources are meant; nothing if no resource names one.
    pub cluster: Option<Id>,
}

impl ManifestArgs {
    /// Reads and checks the manifests, and takes what a cluster is to give.
    ///
    /// # Errors
    ///
    /// Nothing was named, all that is wrong with what is there ([`Refused`]), or the cluster can't be asked.
    pub async fn read(&self) -> anyhow::Result<Manifests> {
        let sources: Vec<_> = self.files.iter().map(|path| Source::of(path)).collect();
        let client = self.client().await?;
        let namespace = self.namespace.as_deref();
        let options =
            Options { namespace: namespace.unwrap_or(NAMESPACE).to_owned(), secrets: self.secrets.clone() };
        let mut manifests = match &client {
            Some(client) if sources.is_empty() => {
                let mut manifests = Manifests::list(client, namespace).await?;
                manifests.give(&options).map_err(Refused)?;
                manifests
            }
            None if sources.is_empty() => {
                bail!(
                    "no manifests are given; name files or folders with -f, - for standard input, or a cluster with \
                     --kubeconfig or --context"
                )
            }
            _ => manifests::read(&sources, &options).map_err(Refused)?,
        };
        if let Some(client) = &client {
            manifests.complete(client).await?;
        }
        Ok(manifests)
    }

    /// The deployment: as the flags say, if they name an endpoint; else as the ArangoCluster among the manifests does.
    ///
    /// # Errors
    ///
    /// The manifests are about several, or about one that nothing says how to reach.
    pub async fn target(&self, manifests: &Manifests, flags: &ConnectionArgs) -> anyhow::Result<Target> {
        let cluster = manifests.select(self.cluster.as_deref()).map_err(|one| Refused(vec![one]))?;
        if flags.names_endpoint() {
            return Ok(Target { connection: flags.connection()?, account: flags.account(), cluster });
        }
        let id = cluster.ok_or_else(|| {
            anyhow!("nothing says which deployment is meant; use --endpoint or ARANGO_ENDPOINT, or add an ArangoCluster")
        })?;
        let declared = manifests.cluster(&id).with_context(|| {
            format!(
                "the ArangoCluster {id} is not among the manifests; add it with its Secret, or use --endpoint or \
                 ARANGO_ENDPOINT"
            )
        })?;
        let named =
            |hold: crate::core::Hold| anyhow!("ArangoCluster {id} ({}): {}", declared.at, hold.message);
        let reach = manifests.reach(declared).map_err(named)?;
        let keys = manifests.keys(&id.namespace);
        let (auth, account) = reach.auth(&keys).await.map_err(named)?;
        let tls = reach.tls(&keys).await.map_err(named)?;
        let connection = reach.connection(&declared.resource.spec, auth, tls).map_err(named)?;
        Ok(Target { connection, account, cluster: Some(id.clone()) })
    }

    /// The cluster that is named, if one is.
    async fn client(&self) -> anyhow::Result<Option<Client>> {
        if self.kubeconfig.is_none() && self.context.is_none() {
            return Ok(None);
        }
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = kubeconfig.context("can't read the kubeconfig")?;
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let client = Client::try_from(config.context("the kubeconfig can't be used")?);
        Ok(Some(client.context("the kubeconfig can't be used")?))
    }
}

/// All that is wrong with manifests.
#[derive(Debug)]
pub struct Refused(pub Vec<Complaint>);

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(complaints) = self;
        match complaints.len() {
            1 => f.write_str("the manifests are refused")?,
            count => write!(f, "the manifests are refused for {count} reasons")?,
        }
        complaints.iter().try_for_each(|complaint| write!(f, "\n\n{complaint}"))
    }
}
