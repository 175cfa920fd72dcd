//! How the commands that look at a deployment are told which one: by flags, or by an ArangoCluster, among manifests or in
//! a cluster.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::{
    connection::ConnectionArgs,
    manifests::{HEADING, PlaceArgs, Target},
};
use crate::{
    arango::{Auth, Client, Connection, Pool},
    manifests::Manifests,
};

/// Which deployment is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct DeploymentArgs {
    /// A file or a folder with manifests, or `-` for standard input, as `plan` takes them: the connection is that of the
    /// ArangoCluster among them. Repeatable
    // Not several at once as with `plan`: there may be other words behind it.
    #[arg(short = 'f', long = "filename", value_name = "PATH", help_heading = HEADING)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
}

impl DeploymentArgs {
    /// Whether manifests or a cluster are named.
    fn has_manifests(&self) -> bool {
        !self.files.is_empty() || self.place.names_a_cluster()
    }

    /// The deployment, and how it is reached. Of a cluster no more is read than that takes.
    ///
    /// # Errors
    ///
    /// None is named, or two are: which of them is meant can't be told.
    pub(super) async fn target(&self) -> anyhow::Result<Target> {
        if !self.has_manifests() {
            return self.by_flags();
        }
        if self.connection.has_endpoints() {
            bail!(
                "two deployments are named, one by --endpoint or ARANGO_ENDPOINT and one by -f, --kubeconfig or \
                 --context; leave one of the two out"
            );
        }
        Ok(self.read(false).await?.0)
    }

    /// The deployment, and what is declared about it where manifests or a cluster are named. Here an endpoint counts
    /// before an ArangoCluster, as in a plan.
    ///
    /// # Errors
    ///
    /// As above, and what is wrong with the manifests.
    pub(super) async fn target_and_manifests(&self) -> anyhow::Result<(Target, Option<Manifests>)> {
        if !self.has_manifests() {
            return Ok((self.by_flags()?, None));
        }
        let (target, manifests) = self.read(true).await?;
        Ok((target, Some(manifests)))
    }

    /// A client over a pool of its own.
    pub(super) async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(Pool::new(self.target().await?.connection)?))
    }

    /// The connection as a user whose password nobody has to know: by a token signed with the deployment's secret, that
    /// of the ArangoCluster where it has it.
    pub(super) async fn connection_as(&self, user: &str) -> anyhow::Result<Connection> {
        if !self.has_manifests() {
            return self.connection.connection_as(user);
        }
        let mut connection = self.target().await?.connection;
        let secret = match connection.auth {
            Auth::Superuser { secret } => secret,
            _ => self.connection.signing_secret()?,
        };
        connection.auth = Auth::SignedAs { secret, user: user.to_owned() };
        Ok(connection)
    }

    fn by_flags(&self) -> anyhow::Result<Target> {
        let flags = &self.connection;
        Ok(Target { connection: flags.connection()?, account: flags.account(), cluster: None })
    }

    async fn read(&self, wants_resources: bool) -> anyhow::Result<(Target, Manifests)> {
        let client = self.place.client().await?;
        let mut manifests = self.place.read(&self.files, client.as_ref(), wants_resources).await?;
        if let Some(client) = &client
            && !self.connection.has_endpoints()
            && let Some(cluster) = self.place.select(&manifests)?
        {
            manifests.complete_connections(client, &[cluster]).await?;
        }
        Ok((self.place.target(&manifests, &self.connection).await?, manifests))
    }
}
