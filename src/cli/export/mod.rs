//! `export`: a deployment as manifests.

mod document;
mod files;
mod manifests;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use futures::{StreamExt, TryStreamExt, stream};

use self::{
    document::Document,
    manifests::{Found, Style},
};
use super::{
    connection::ConnectionArgs, deployment::DeploymentArgs, explain::all_rights, manifests::PlaceArgs,
    output, screen::Screen,
};
use crate::{
    arango::{Class, Client, Error, Pool, What},
    core::{DatabaseName, Id, UserName, glob::Glob},
    kinds::schema::{ClusterRef, LocalRef},
};

/// Questions that are asked at the same time.
const AT_ONCE: usize = 8;

/// What the ArangoCluster is called that the manifests name, if nothing is said.
const CLUSTER: &str = "arangodb";

/// Write what is on a deployment as manifests: databases, users and their rights.
///
/// Nothing is changed. Applied, they are adopted as they are: the operator has nothing to write, and with deletionPolicy Retain
/// nothing goes when they do. There is no password among them, so that users keep theirs. What can't be declared is
/// named in comments.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("where").args(["file", "split"]),
    after_help = "\
Examples:
  arango-operator export                                 everything, to read
  arango-operator export --namespace shop --cluster prod --split shop/
  arango-operator export --databases 'shop*' --users 'shop-*' --output shop.yaml
  arango-operator export --with-cluster | kubectl apply -f -
  arango-operator export --context kind-dev --cluster databases/prod   by a connection of a cluster

Exit codes: 0 it was written, 1 an error that was printed, 2 wrong usage"
)]
pub(super) struct ExportArgs {
    /// Databases whose names are like this, and the rights on them: `*` stands for any characters, `?` for one. Rights
    /// on the wildcard and on _system are among them where the pattern fits these names. Repeatable. All if left out
    #[arg(long, value_name = "GLOB")]
    databases: Vec<String>,
    /// Users whose names are like this, and their rights. Repeatable. All if left out
    #[arg(long, value_name = "GLOB")]
    users: Vec<String>,
    #[command(flatten)]
    without: Without,
    /// Also write the ArangoCluster, with the endpoints of this connection. Its Secrets are yours to make; comments say how
    #[arg(long)]
    with_cluster: bool,
    /// Write into this file instead of printing
    #[arg(long = "output", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write one file per object into this folder
    #[arg(long, value_name = "FOLDER")]
    split: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long, requires = "where")]
    force: bool,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

/// Kinds that are left out.
#[derive(Debug, Args)]
struct Without {
    /// Leave databases out; rights name theirs
    #[arg(long)]
    no_databases: bool,
    /// Leave users out; rights name theirs
    #[arg(long)]
    no_users: bool,
    /// Leave rights out
    #[arg(long)]
    no_permissions: bool,
}

/// Runs the command.
pub(super) async fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let target = args.deployment.target().await?;
    if let (true, Some(id)) = (args.with_cluster, &target.cluster) {
        bail!(
            "the ArangoCluster {id} is there already, since the connection is taken from it; leave --with-cluster out"
        );
    }
    let place = &args.deployment.place;
    let cluster = cluster_ref(place, target.cluster.as_ref());
    let style = Style { namespace: place.namespace.clone(), cluster };
    let client = Client::new(Pool::new(target.connection)?);
    let found = find(&client, args, target.account).await?;
    let mut export = found.export(&style)?;
    if args.with_cluster {
        export.documents.insert(0, written_cluster(&style, &args.deployment.connection)?);
    }
    match (&args.split, &args.file) {
        (Some(folder), _) => files::split(folder, &export, args.force)?,
        (None, Some(file)) => files::one(file, &export, args.force)?,
        (None, None) => output::write(&files::text(&export))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The ArangoCluster that the manifests name: the one that the connection is from, else the one that is meant.
fn cluster_ref(place: &PlaceArgs, from: Option<&Id>) -> ClusterRef {
    if let Some(Id { namespace, name }) = from {
        let other = place.namespace.as_deref() != Some(&**namespace);
        return ClusterRef { name: name.to_string(), namespace: other.then(|| namespace.to_string()) };
    }
    let text = place.cluster.as_deref().unwrap_or(CLUSTER);
    let (namespace, name) = text.split_once('/').map_or((None, text), |(space, name)| (Some(space), name));
    ClusterRef { name: name.to_owned(), namespace: namespace.map(str::to_owned) }
}

/// Reads what was selected.
async fn find(client: &Client, args: &ExportArgs, account: Option<String>) -> anyhow::Result<Found> {
    let databases: Vec<_> = args.databases.iter().map(|glob| Glob::normalised(glob)).collect();
    let users: Vec<_> = args.users.iter().map(|glob| Glob::new(glob)).collect();
    let is = |globs: &[Glob], name: &str| globs.is_empty() || globs.iter().any(|glob| glob.matches(name));
    let (names, mut infos) = futures::try_join!(client.databases(), client.users()).map_err(|error| {
        let hint = match error.class() {
            Class::Denied => {
                "an export takes an administrator (rw on _system); choose another account with --user"
            }
            _ => "could not read the deployment",
        };
        anyhow::Error::new(error).context(hint)
    })?;
    infos.retain(|name, _| is(&users, name.as_str()));
    let mut found = Found { account: account.map(UserName::from_server), ..Found::default() };
    if !args.without.no_databases {
        let names = names.into_iter().filter(|name| is(&databases, name.as_str())).collect();
        found.databases =
            each("databases", names, async |name: &DatabaseName| client.database(name).await).await?;
    }
    if !args.without.no_permissions {
        let names: Vec<UserName> = infos.keys().cloned().collect();
        let rights = each("users", names, async |user: &UserName| {
            match all_rights(&client.for_user(user), user).await {
                Err(error) if error.class() == Class::Missing(What::User) => Ok(None),
                other => other.map(Some),
            }
        });
        found.rights = rights.await?;
        for rights in found.rights.values_mut() {
            rights.0.retain(|scope, _| is(&databases, scope.as_str()));
        }
    }
    if !args.without.no_users {
        found.users = infos;
    }
    Ok(found)
}

/// Asks the same about each, some at a time. Who is gone meanwhile isn't there.
async fn each<K: Ord, T>(
    what: &str,
    names: Vec<K>,
    ask: impl AsyncFn(&K) -> Result<Option<T>, Error>,
) -> Result<BTreeMap<K, T>, Error> {
    let (screen, all, ask) = (Screen::new(), names.len(), &ask);
    let asked = stream::iter(names).map(|name| async move {
        let found = ask(&name).await?;
        Ok::<_, Error>(found.map(|found| (name, found)))
    });
    let mut asked = asked.buffer_unordered(AT_ONCE);
    let (mut found, mut done) = (BTreeMap::new(), 0);
    while let Some(one) = asked.try_next().await? {
        done += 1;
        screen.draw(format_args!("{done} of {all} {what}"));
        found.extend(one);
    }
    screen.clear();
    Ok(found)
}

/// The ArangoCluster, as this connection reaches the deployment.
fn written_cluster(style: &Style, connection: &ConnectionArgs) -> anyhow::Result<Document> {
    let ClusterRef { name, namespace } = &style.cluster;
    let namespace = namespace.as_deref().or(style.namespace.as_deref());
    let (spec, secrets) = connection.as_cluster(name).context("--with-cluster")?;
    let place = namespace.map(|space| format!(" --namespace {space}")).unwrap_or_default();
    let comments: Vec<_> =
        secrets.iter().map(|secret| format!("kubectl create secret generic{place} {secret}")).collect();
    document::write("ArangoCluster", "", (namespace, name), &comments, spec)
}

impl ConnectionArgs {
    /// The spec of an ArangoCluster that connects as we do, and the Secrets that it wants.
    fn as_cluster(&self, name: &str) -> anyhow::Result<(document::Cluster, Vec<String>)> {
        let connection = self.connection()?;
        let endpoints = connection.endpoints.iter().map(ToString::to_string).collect();
        let reference = |end: &str| Some(LocalRef { name: format!("{name}-{end}") });
        let mut secrets = Vec::new();
        let auth = if self.is_superuser() {
            secrets.push(format!("{name}-jwt --from-file=token=FILE"));
            document::Auth { jwt_secret_ref: reference("jwt"), ..document::Auth::default() }
        } else {
            let user = super::output::plain(self.user());
            secrets.push(format!("{name}-login --from-literal=username='{user}' --from-file=password=FILE"));
            let method = self.is_basic().then_some(crate::kinds::cluster::crd::AuthMethod::Basic);
            document::Auth { secret_ref: reference("login"), method, ..document::Auth::default() }
        };
        let has_ca = connection.tls.ca.is_some();
        let has_certificate = connection.tls.identity.is_some();
        if has_ca {
            secrets.push(format!("{name}-ca --from-file=ca.crt=FILE"));
        }
        if has_certificate {
            secrets.push(format!("{name}-client --from-file=tls.crt=FILE --from-file=tls.key=FILE"));
        }
        let tls = document::Tls {
            ca_ref: has_ca.then(|| document::Ca { kind: "Secret", name: format!("{name}-ca") }),
            client_certificate_secret_ref: if has_certificate { reference("client") } else { None },
            insecure_skip_verify: connection.tls.insecure_skip_verify,
        };
        let says_nothing = !has_ca && !has_certificate && !tls.insecure_skip_verify;
        Ok((document::Cluster { endpoints, auth, tls: (!says_nothing).then_some(tls) }, secrets))
    }
}
