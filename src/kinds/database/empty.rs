//! Whether a database is empty: only a complete look can tell.

use crate::{
    arango::{Client, CollectionInfo},
    core::{CollectionName, DatabaseName, Hold, Reason, Scope, UserName},
    kinds::ExecuteError,
};

/// System collections with what people put there: graphs, AQL functions, Foxx services. The others hold what the server
/// itself needs.
const COUNTED: [&str; 3] = ["_graphs", "_aqlfunctions", "_apps"];

/// As many collections are named.
const NAMED: usize = 3;

/// Fails unless the database is empty beyond doubt: no collection but the server's own, and nothing in those of them
/// that hold what people made. Whatever keeps the look from being complete is an error too; a 401, 403 or 404 is no
/// proof of anything.
///
/// `account` is the connection's own; without one it is a superuser, or nobody has to log in.
pub(super) async fn is_empty(
    client: &Client,
    account: Option<&str>,
    database: &DatabaseName,
) -> Result<(), ExecuteError> {
    if let Some(account) = account {
        sees_everything(client, account, database).await?;
    }
    let collections = client.collections(database).await?;
    let (system, own): (Vec<_>, Vec<_>) = collections.into_iter().partition(is_of_the_server);
    if !own.is_empty() {
        let what = match own.len() {
            1 => format!("the collection {}", own[0].name),
            n => format!("{n} collections ({})", list(own.iter().map(|collection| &collection.name))),
        };
        return Err(not_empty(database, &what).into());
    }
    for CollectionInfo { name, .. } in system.iter().filter(|c| COUNTED.contains(&c.name.as_str())) {
        let count = client.count(database, name).await?;
        if count > 0 {
            return Err(not_empty(database, &format!("{count} documents in {name}")).into());
        }
    }
    Ok(())
}

/// Whether an account sees all collections of a database that it may drop. One with `rw` on `_system` does (reference:
/// permissions, resolution: wildcards only raise), unless entries of its own for that database hide some.
async fn sees_everything(
    client: &Client,
    account: &str,
    database: &DatabaseName,
) -> Result<(), ExecuteError> {
    let account = UserName::from_server(account.to_owned());
    let rights = client.rights(&account).await?;
    if rights.entry(&Scope::Named(database.clone())).is_empty() {
        return Ok(());
    }
    Err(Hold::new(
        Reason::DeletionBlocked,
        format!(
            "CannotLook: the connection's account {account} has rights of its own on the database {database}, which may \
             hide collections from it, so it can't be told whether the database is empty; revoke them, or set \
             deletionPolicy to Delete or Retain; looking again"
        ),
    )
    .into())
}

/// By the flag and by the name: a collection that has only one of the two was made by somebody.
fn is_of_the_server(collection: &CollectionInfo) -> bool {
    collection.is_system && collection.name.is_system()
}

fn not_empty(database: &DatabaseName, what: &str) -> Hold {
    Hold::new(
        Reason::DeletionBlocked,
        format!(
            "NotEmpty: the database {database} has {what} and goes only when it is empty (deletionPolicy: \
             DeleteIfEmpty); remove what is in it, or set deletionPolicy to Delete to lose it or to Retain to leave it; \
             looking again"
        ),
    )
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a CollectionName>) -> String {
    let more = if names.len() > NAMED { ", …" } else { "" };
    names.take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ") + more
}
