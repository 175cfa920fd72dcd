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
    core::{Id, resource_name::is_subdomain},
    manifests::{self, Complaint, Given, Manifests, Options, Source},
};

/// The namespace of resources that name none.
const NAMESPACE: &str = "default";

/// What stands above these flags in a help.
pub(super) const HEADING: &str = "Manifests and Kubernetes";

/// Where the manifests are.
#[derive(Debug, Clone, Args)]
pub struct ManifestArgs {
    /// Files and folders with manifests in YAML or JSON (folders with all that is in them), or `-` for standard input:
    /// what `kustomize build` and `helm template` print is taken as it is. Repeatable
    #[arg(short = 'f', long = "filename", value_name = "PATH", num_args = 1.., help_heading = HEADING)]
    pub files: Vec<PathBuf>,
    /// What is to be known beside them.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// What is to be known beside manifests: which of them are meant, and the cluster that has what is not among them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = HEADING)]
pub struct PlaceArgs {
    /// The namespace of resources that name none [default: `default`]; of a cluster, only what is in that namespace; of
    /// an export, where it is to be applied [default there: none is written]
    #[arg(short, long, env = "ARANGO_NAMESPACE", value_name = "NAME", value_parser = resource_name)]
    pub namespace: Option<String>,
    /// The ArangoCluster that is meant, where there are several; of an export, the one that it names [default there:
    /// `arangodb`]
    #[arg(long, env = "ARANGO_CLUSTER", value_name = "[NAMESPACE/]NAME", value_parser = cluster_name)]
    pub cluster: Option<String>,
    /// A key of a Secret that is not among the manifests, from an environment variable or a file:
    /// `shop/alice/password=env:ALICE_PASSWORD`, `alice/password=file:alice.txt`. Repeatable
    #[arg(long = "secret", value_name = "[NAMESPACE/]NAME/KEY=env:VAR|file:PATH")]
    pub secrets: Vec<Given>,
    /// A kubeconfig: what is named (ArangoCluster, its Secrets, labels of namespaces) is taken from that cluster, and
    /// without -f the resources themselves
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: its current one]; without --kubeconfig, of the one that kubectl takes
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Reads the name of an object in Kubernetes.
fn resource_name(name: &str) -> Result<String, String> {
    if is_subdomain(name) {
        return Ok(name.to_owned());
    }
    Err("a name in Kubernetes has small letters, digits, dashes and dots, with a letter or digit at both ends".to_owned())
}

/// Reads the name of an ArangoCluster.
fn cluster_name(text: &str) -> Result<String, String> {
    let (namespace, name) = text.split_once('/').map_or((None, text), |(space, name)| (Some(space), name));
    namespace.into_iter().chain([name]).try_for_each(|name| resource_name(name).map(drop))?;
    Ok(text.to_owned())
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
        let client = self.place.client().await?;
        let mut manifests = self.place.read(&self.files, client.as_ref(), true).await?;
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
        self.place.target(manifests, flags).await
    }
}

impl PlaceArgs {
    /// Reads and checks manifests; without files, the ArangoClusters of a cluster, and its resources if they are wanted.
    pub(super) async fn read(
        &self,
        files: &[PathBuf],
        client: Option<&Client>,
        wants_resources: bool,
    ) -> anyhow::Result<Manifests> {
        let sources: Vec<_> = files.iter().map(|path| Source::of(path)).collect();
        let namespace = self.namespace.as_deref();
        let options =
            Options { namespace: namespace.unwrap_or(NAMESPACE).to_owned(), secrets: self.secrets.clone() };
        if !sources.is_empty() {
            return Ok(manifests::read(&sources, &options).map_err(Refused)?);
        }
        let Some(client) = client else {
            bail!(
                "no manifests are given; name files or folders with -f, - for standard input, or a cluster with \
                 --kubeconfig or --context"
            )
        };
        let mut manifests =
            if wants_resources { Manifests::list(client, namespace).await? } else { Manifests::live() };
        // Where nothing is declared yet, there may be a connection nevertheless.
        if manifests.is_empty() || self.cluster.is_some() {
            manifests.add_clusters(client, namespace, self.cluster.as_deref()).await?;
        }
        manifests.give(&options).map_err(Refused)?;
        Ok(manifests)
    }

    /// The ArangoCluster that is meant; nothing if there is none.
    pub(super) fn select(&self, manifests: &Manifests) -> anyhow::Result<Option<Id>> {
        Ok(manifests.select(self.cluster.as_deref()).map_err(|one| Refused(vec![one]))?)
    }

    /// The deployment that manifests are about.
    pub(super) async fn target(
        &self,
        manifests: &Manifests,
        flags: &ConnectionArgs,
    ) -> anyhow::Result<Target> {
        let cluster = self.select(manifests)?;
        if flags.has_endpoints() {
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
        let connection = reach.ungated(&declared.resource.spec, auth, tls).map_err(named)?;
        Ok(Target { connection, account, cluster: Some(id.clone()) })
    }

    /// Whether a cluster is named.
    pub(super) fn names_a_cluster(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// The cluster that is named, if one is.
    pub(super) async fn client(&self) -> anyhow::Result<Option<Client>> {
        if !self.names_a_cluster() {
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arango::Auth;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        manifests: ManifestArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
    }

    const SHOP: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: prod-root}
stringData: {username: admin, password: canary}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoCluster
metadata: {name: prod}
spec:
  endpoints: [http://a.example:1, http://b.example:2]
  auth: {secretRef: {name: prod-root}, method: Basic}
  requests: {timeout: 7s, maxConcurrent: 3}
---
apiVersion: arango-operator.dev/v1alpha1
kind: ArangoDatabase
metadata: {name: shop}
spec: {clusterRef: {name: prod}}
";

    async fn target(text: &str, flags: &[&str]) -> anyhow::Result<Target> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, text)?;
        let path = file.path().to_string_lossy().into_owned();
        let line = Line::try_parse_from([&["x", "-f", &path], flags].concat())?;
        let manifests = line.manifests.read().await?;
        line.manifests.target(&manifests, &line.connection).await
    }

    #[tokio::test]
    async fn the_connection_is_that_of_the_arangocluster_unless_flags_say_another() {
        let Target { connection, account, cluster } = target(SHOP, &[]).await.unwrap();
        let endpoints: Vec<_> = connection.endpoints.iter().map(ToString::to_string).collect();
        assert_eq!(endpoints, ["http://a.example:1", "http://b.example:2"]);
        assert_eq!((connection.timeout.as_secs(), connection.max_concurrent), (7, 3));
        assert!(matches!(&connection.auth, Auth::Basic { user, .. } if user == "admin"));
        assert_eq!((account.as_deref(), cluster), (Some("admin"), Some(Id::new("default", "prod"))));

        let flags = target(SHOP, &["--endpoint", "http://c.example:3", "--user", "me"]).await.unwrap();
        assert_eq!(flags.connection.endpoints[0].to_string(), "http://c.example:3");
        assert_eq!((flags.account.as_deref(), flags.cluster), (Some("me"), Some(Id::new("default", "prod"))));
    }

    #[tokio::test]
    async fn what_is_missing_for_a_connection_is_named() {
        let said = async |text: String| format!("{:#}", target(&text, &[]).await.unwrap_err());
        let (secret, rest) = SHOP.split_once("---\n").unwrap();
        let without_secret = said(rest.to_owned()).await;
        assert!(without_secret.contains("--secret default/prod-root/username=env:"), "{without_secret}");
        let without_cluster = said(rest.split_once("---\n").unwrap().1.to_owned()).await;
        assert!(
            without_cluster.contains("ArangoCluster default/prod is not among the manifests"),
            "{without_cluster}"
        );
        assert!(said(secret.to_owned()).await.contains("nothing says which deployment"));
        let kube_arangodb =
            SHOP.replace("endpoints: [http://a.example:1, http://b.example:2]", "deploymentRef: {name: d}");
        assert!(said(kube_arangodb).await.contains("known to its cluster alone"));
        let empty = said(SHOP.replace("canary", "''")).await;
        assert!(empty.contains("empty password"), "{empty}");
    }

    #[tokio::test]
    async fn all_that_is_wrong_is_said_in_one_error() {
        let wrong =
            SHOP.replace("kind: ArangoDatabase", "kind: ArangoDatabas").replace("timeout: 7s", "timeout: 7d");
        let said = format!("{:#}", target(&wrong, &[]).await.unwrap_err());
        assert!(said.starts_with("the manifests are refused for 2 reasons\n\n"), "{said}");
        assert!(said.contains(":12:23: ArangoCluster prod: spec.requests.timeout must match"), "{said}");
        assert!(said.contains(":15:7: ArangoDatabas shop: no matches for kind"), "{said}");
    }
}
