//! `matrix`: who may do what in which database.

mod page;
mod report;
mod table;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{anyhow, bail};
use clap::{Args, ValueEnum};
use futures::{StreamExt, TryStreamExt, stream};

use self::report::{Report, Selection};
use super::{
    deployment::DeploymentArgs,
    explain::all_rights,
    manifests::Target,
    output::{self, Format},
    screen::Screen,
};
use crate::{
    arango::{Class, Client, Error, Pool, UserInfo, What},
    core::{Rights, UserName, glob::Glob},
};

/// Users whose rights are asked for at the same time.
const AT_ONCE: usize = 8;
/// Most cells of a page: a browser takes that many at once and stays quick.
const CELLS_MAX: usize = 250_000;

/// Show the level that each user has on each database, and mark what is wide or unused.
///
/// `ro (*)` comes from the right on the wildcard, `ro (_system)` from the one there, and not from one on the database
/// itself. `+2` says that there are two rights on collections there besides. Marked are: administrators (rw on
/// _system), rights on the wildcards, accounts without any right, and inactive ones with rights.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator matrix                                  everybody, on everything
  arango-operator matrix --users 'shop-*' --databases shop       a part of it
  arango-operator matrix -o html > rights.html            one page for a browser, without network
  arango-operator matrix -o json | jq -r '.users[] | select(.remarks != []).user'

Exit codes: 0 it was printed, 1 an error that was printed, 2 wrong usage")]
pub(super) struct MatrixArgs {
    /// Users whose names are like this: `*` stands for any characters, `?` for one. Repeatable. All if left out
    #[arg(long, value_name = "GLOB")]
    users: Vec<String>,
    /// Databases whose names are like this. Repeatable. All if left out
    #[arg(long, value_name = "GLOB")]
    databases: Vec<String>,
    /// In which form the result is printed; docs/commands.md has the keys of the JSON
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Form::Table)]
    output: Form,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people; on a terminal in parts that are as wide as it is
    Table,
    /// One JSON document; keys stay from release to release, new ones may come
    Json,
    /// One page for a browser that needs nothing else: with a search, light and dark
    Html,
}

/// Runs the command.
pub(super) async fn run(args: &MatrixArgs) -> anyhow::Result<ExitCode> {
    let selection = Selection {
        users: args.users.iter().map(|glob| Glob::new(glob)).collect(),
        databases: args.databases.iter().map(|glob| Glob::normalised(glob)).collect(),
    };
    let Target { connection, account, .. } = args.deployment.target().await?;
    let client = Client::new(Pool::new(connection)?);
    let (databases, infos) = futures::try_join!(client.databases(), client.users())
        .map_err(|error| denied(error, account.as_deref().unwrap_or_default()))?;
    let infos: Vec<_> = infos.into_iter().filter(|(user, _)| selection.has_user(user)).collect();
    let users = rights(&client, infos).await?;
    let report = Report::new(&selection, &databases, users);
    match args.output {
        Form::Table => output::print(Format::Table, &report, |colours| table::render(&report, colours))?,
        Form::Json => output::print(Format::Json, &report, |_| String::new())?,
        Form::Html => {
            let cells = report.users.len() * report.databases.len();
            if cells > CELLS_MAX {
                bail!(
                    "{} users on {} databases are too much for a page, which takes {CELLS_MAX} cells; choose some with \
                     --users or --databases, or use -o json",
                    report.users.len(),
                    report.databases.len()
                );
            }
            output::write(&page::render(&report, &jiff::Timestamp::now()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The rights of all these users, one listing and one question for `*/*` each. Who is deleted meanwhile isn't there.
async fn rights(
    client: &Client,
    infos: Vec<(UserName, UserInfo)>,
) -> Result<BTreeMap<UserName, (UserInfo, Rights)>, Error> {
    let (screen, all) = (Screen::new(), infos.len());
    let asked = stream::iter(infos).map(|(user, info)| async move {
        match all_rights(&client.for_user(&user), &user).await {
            Ok(rights) => Ok(Some((user, (info, rights)))),
            Err(error) if error.class() == Class::Missing(What::User) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let mut asked = asked.buffer_unordered(AT_ONCE);
    let mut found = BTreeMap::new();
    let mut done = 0;
    while let Some(user) = asked.try_next().await? {
        done += 1;
        screen.draw(format_args!("{done} of {all} users"));
        found.extend(user);
    }
    screen.clear();
    Ok(found)
}

/// What to do about a refusal.
fn denied(error: Error, account: &str) -> anyhow::Error {
    match error.class() {
        Class::Denied => anyhow!(
            "the rights of all users are shown to administrators (rw on _system) only, which {account:?} is not; choose \
             another account with --user ({error})"
        ),
        _ => error.into(),
    }
}
