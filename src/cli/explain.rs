//! `explain`: the level that a user has, the right that gives it, and the manifest that declares the right.

mod declared;

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use serde::Serialize;

use self::declared::{Declaration, Declared};
use super::{
    deployment::DeploymentArgs,
    output::{self, Mark, OutputArgs, Rows, plain},
};
use crate::{
    arango::{Class, Client, Error, Mode, Pool, What},
    core::{
        CollectionName, DatabaseName, Level, Rights, Scope, UserName,
        explain::{self, Explanation, Outcome, Right},
    },
};

/// Say which access level a user has on a database or a collection, and which of his rights gives it.
///
/// All rights that could give it are shown, the more exact ones first, with what becomes of each. What they come to is
/// compared with the server's own answer. With -f, --kubeconfig or --context it is said which resource declares each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator explain alice shop            what alice may do in the database shop, and why
  arango-operator explain alice shop orders     the same of a collection
  arango-operator explain alice shop -f manifests/    and in which file that right is declared
  arango-operator explain alice shop --context kind-dev   and by which object of that cluster
  arango-operator explain alice shop -o json | jq .level

Exit codes: 0 it was explained, 1 an error that was printed, or the server answers otherwise, 2 wrong usage")]
pub(super) struct ExplainArgs {
    /// Whose level
    #[arg(value_parser = UserName::parse)]
    #[arg(value_name = "USER")]
    name: UserName,
    /// On which database, or in which one the collection is
    #[arg(value_parser = DatabaseName::parse)]
    database: DatabaseName,
    /// On which collection
    #[arg(value_parser = CollectionName::parse)]
    collection: Option<CollectionName>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

/// The result, as JSON has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    user: String,
    database: String,
    collection: Option<String>,
    level: Level,
    /// Where the winning right stands.
    by: Option<String>,
    /// Which resources declare it; nothing where no manifests were given.
    declared: Option<Vec<Declaration>>,
    reachable: bool,
    /// What the server says to the same question.
    server: Level,
    rights: Vec<Row>,
    remarks: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    right: String,
    level: Option<Level>,
    outcome: &'static str,
    declared: Option<Vec<Declaration>>,
}

/// What the server knows of it.
struct Found {
    rights: Rights,
    active: bool,
    database_exists: bool,
    read_only: bool,
    /// Its own answer to the question.
    level: Level,
}

/// Runs the command.
pub(super) async fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (target, manifests) = args.deployment.target_and_manifests().await?;
    let declared = manifests.map(|manifests| Declared::of(&manifests, target.cluster.as_ref(), &args.name));
    let found = find(&Client::new(Pool::new(target.connection)?), args).await?;
    let explained = match &args.collection {
        None => explain::database(&found.rights, &args.database),
        Some(collection) => explain::collection(&found.rights, &args.database, collection),
    };
    let report = Report::new(args, &found, &explained, declared.as_ref());
    output::print(args.output.output, &report, |colours| people(&report, colours))?;
    Ok(if report.server == report.level { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(client: &Client, args: &ExplainArgs) -> anyhow::Result<Found> {
    let (user, database) = (&args.name, &args.database);
    let client = client.for_user(user);
    let Some(info) = client.user(user).await.map_err(|error| denied(error, user))? else {
        bail!("there is no user {:?} on this deployment; `arango-operator matrix` lists all", user.as_str());
    };
    let level = async {
        let scope = Scope::Named(database.clone());
        match &args.collection {
            None => client.level(user, &scope).await,
            Some(collection) => {
                client.collection_level(user, &scope, &Scope::Named(collection.clone())).await
            }
        }
    };
    let (rights, level, databases) = futures::join!(all_rights(&client, user), level, client.databases());
    let mut rights = rights.map_err(|error| denied(error, user))?;
    // Who may not list the databases is told nothing about this one.
    let database_exists = databases.map_or(true, |all| all.contains(database));
    if !database_exists {
        // A right on a missing database is kept, and in no listing. Where the level is not what the others give, there
        // must be one.
        let scope = Scope::Named(database.clone());
        let level = client.level(user, &scope).await.map_err(|error| denied(error, user))?;
        if level != rights.effective(&scope) {
            rights.0.entry(scope).or_default().level = Some(level);
        }
    }
    Ok(Found {
        rights,
        active: info.active,
        database_exists,
        read_only: client.mode().await.is_ok_and(|mode| mode == Mode::ReadOnly),
        level: level.map_err(|error| denied(error, user))?,
    })
}

/// All rights of a user. That on `*/*` is in no listing and is asked for; where it gives no more than the one on `*`, the
/// answer may as well be about that one, and nothing depends on it.
pub(super) async fn all_rights(client: &Client, user: &UserName) -> Result<Rights, Error> {
    let (rights, everywhere) = futures::try_join!(client.rights(user), client.wildcard_of_wildcard(user))?;
    let mut rights = rights;
    let any = rights.0.entry(Scope::Any).or_default();
    if everywhere > any.level.unwrap_or(Level::None) {
        any.collections.insert(Scope::Any, everywhere);
    }
    rights.0.retain(|_, entry| !entry.is_empty());
    Ok(rights)
}

/// What to do about a refusal.
fn denied(error: Error, user: &UserName) -> anyhow::Error {
    let name = user.as_str();
    match error.class() {
        Class::Missing(What::User) => anyhow!("the user {name:?} was deleted at this moment"),
        Class::Denied => anyhow!(
            "the rights of {name:?} are shown to administrators (rw on _system) and to himself; choose another account \
             with --user ({error})"
        ),
        _ => error.into(),
    }
}

impl Report {
    fn new(args: &ExplainArgs, found: &Found, explained: &Explanation, declared: Option<&Declared>) -> Self {
        let collection = args.collection.as_ref();
        let name = |right| named(right, &args.database, collection);
        let who = |right| declared.map(|declared| declared.on(right, &args.database, collection));
        let row = |it: &explain::Candidate| Row {
            right: name(it.right),
            level: it.level,
            outcome: word(it.outcome),
            declared: who(it.right),
        };
        let mut report = Self {
            user: args.name.to_string(),
            database: args.database.to_string(),
            collection: args.collection.as_ref().map(ToString::to_string),
            level: explained.level,
            by: explained.winner().map(name),
            declared: explained.winner().map_or_else(|| declared.map(|_| Vec::new()), who),
            reachable: explained.reachable,
            server: found.level,
            rights: explained.candidates.iter().map(row).collect(),
            remarks: Vec::new(),
        };
        report.remarks = report.remarks(found, explained);
        if let Some(count) = declared.map(|declared| declared.unknown).filter(|count| *count > 0) {
            report.remarks.push(format!(
                "not looked at, since a resource that they name is not among the manifests: {count} of the \
                 ArangoPermissions"
            ));
        }
        report
    }

    fn remarks(&self, found: &Found, explained: &Explanation) -> Vec<String> {
        let Self { user, database, .. } = self;
        let mut said = Vec::new();
        if found.level != self.level {
            said.push(format!(
                "the server itself says {}: somebody may have changed the rights at this moment; ask again",
                found.level
            ));
        }
        if !found.database_exists {
            said.push(format!("there is no database {database}; this is what would hold if there was"));
        }
        if !explained.reachable && self.level > Level::None {
            said.push(format!(
                "{user} can't get at it all the same: without a level on the database {database} every request is refused"
            ));
        }
        if database == DatabaseName::SYSTEM && self.collection.is_none() && self.level == Level::Rw {
            said.push("rw on _system is the administrator's right: users, rights, all databases".to_owned());
        }
        if !found.active {
            said.push(format!("{user} is not active: nobody can log in as him"));
        }
        if found.read_only {
            said.push("the server is in read-only mode: until it ends, rw is ro".to_owned());
        }
        said
    }
}

/// A right as the server's paths and our manifests write it.
fn named(right: Right, database: &DatabaseName, collection: Option<&CollectionName>) -> String {
    let collection = collection.map_or("*", CollectionName::as_str);
    match right {
        Right::Collection => format!("{database}/{collection}"),
        Right::Collections => format!("{database}/*"),
        Right::Database => database.to_string(),
        Right::Everywhere => "*/*".to_owned(),
        Right::Any => "*".to_owned(),
        Right::System => DatabaseName::SYSTEM.to_owned(),
        Right::Fixed => "(built in)".to_owned(),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Wins => "wins",
        Outcome::Same => "same",
        Outcome::Lower => "lower",
        Outcome::Behind => "behind",
        Outcome::Absent => "absent",
    }
}

/// Who declares the winning right, as the end of a sentence.
fn declared_by(report: &Report) -> String {
    match report.declared.as_deref() {
        None => String::new(),
        Some([]) => ", which no manifest declares".to_owned(),
        Some(all) => {
            let all: Vec<_> = all.iter().map(|by| by.named(Some(report.level))).collect();
            format!(", declared by {}", all.join(" and "))
        }
    }
}

fn people(report: &Report, colours: bool) -> String {
    let Report { user, database, level, .. } = report;
    let place = match &report.collection {
        None => format!("the database {database}"),
        Some(collection) => format!("the collection {collection} of {database}"),
    };
    let by = match &report.by {
        Some(right) if right == "(built in)" => "ArangoDB gives everybody this level there".to_owned(),
        Some(right) => format!("by his right on {right}{}", declared_by(report)),
        None => "none of his rights reaches it".to_owned(),
    };
    let mut text = format!("{}\n\n", plain(&format!("{user} has {level} on {place}: {by}.")));
    let header = ["right on", "level", "", "declared by"];
    let shown = if report.declared.is_some() { 4 } else { 3 };
    let mut rows = Rows::new(header.into_iter().take(shown));
    for row in &report.rights {
        let said = match row.outcome {
            "wins" => "gives the level",
            "same" => "says the same",
            "lower" => "a higher one wins",
            "behind" => "what is more exact decides alone",
            _ => "not set",
        };
        let level = row.level.map(|level| level.to_string());
        let declared = row.declared.iter().flatten().map(|by| by.named(row.level)).collect::<Vec<_>>();
        let declared = (!declared.is_empty()).then(|| declared.join("; "));
        let cells = [Some(row.right.clone()), level, Some(said.to_owned()), declared];
        rows.add(Mark::Plain, cells.into_iter().take(shown));
    }
    text += &rows.render(colours);
    for remark in &report.remarks {
        text += &plain(&format!("note: {remark}"));
        text.push('\n');
    }
    text
}
