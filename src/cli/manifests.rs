//! How the commands that take manifests are told where they are.

use std::{fmt, path::PathBuf};

use anyhow::bail;
use clap::Args;

use crate::manifests::{self, Complaint, Given, Manifests, Options, Source};

/// Where the manifests are, and what is to be known beside them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Manifests")]
pub struct ManifestArgs {
    /// Files and folders with manifests in YAML or JSON (folders with all that is in them), or `-` for standard input:
    /// what `kustomize build` and `helm template` print is taken as it is. Repeatable
    #[arg(short = 'f', long = "filename", value_name = "PATH", num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// The namespace of resources that name none
    #[arg(short, long, env = "ARANGO_NAMESPACE", default_value = "default", value_name = "NAME")]
    pub namespace: String,
    /// Only what is declared through that ArangoCluster, where the manifests name several
    #[arg(long, env = "ARANGO_CLUSTER", value_name = "[NAMESPACE/]NAME")]
    pub cluster: Option<String>,
    /// A key of a Secret that is not among the manifests, from an environment variable or a file:
    /// `shop/alice/password=env:ALICE_PASSWORD`, `alice/password=file:alice.txt`. Repeatable
    #[arg(long = "secret", value_name = "[NAMESPACE/]NAME/KEY=env:VAR|file:PATH")]
    pub secrets: Vec<Given>,
}

impl ManifestArgs {
    /// Reads and checks the manifests.
    ///
    /// # Errors
    ///
    /// Nothing was named, or all that is wrong with what is there ([`Refused`]).
    #[allow(clippy::unused_async, reason = "a cluster is asked for them as well")]
    pub async fn read(&self) -> anyhow::Result<Manifests> {
        let sources: Vec<_> = self.files.iter().map(|path| Source::of(path)).collect();
        if sources.is_empty() {
            bail!("no manifests are given; name files or folders with -f, or - for standard input");
        }
        let options = Options { namespace: self.namespace.clone(), secrets: self.secrets.clone() };
        Ok(manifests::read(&sources, &options).map_err(Refused)?)
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
