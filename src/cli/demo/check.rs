//! Whether the server holds what was declared: asked over HTTP, without the operator.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use kube::ResourceExt;
use secrecy::SecretString;
use serde::Deserialize;

use super::kubernetes::{self, Resources};
use crate::{
    arango::{Auth, Client, Connection, Endpoint, Pool},
    core::{DatabaseName, Level, Rights, Scope, UserName},
    kinds::{
        Kind,
        database::Database,
        permission::{self, Permission},
        user::{self, User},
    },
};

/// What a server holds, as far as the resources declare such things.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) databases: BTreeSet<DatabaseName>,
    pub(super) users: BTreeMap<UserName, HeldUser>,
}

/// A user and his rights.
#[derive(Debug)]
pub(super) struct HeldUser {
    pub(super) active: bool,
    pub(super) rights: Rights,
}

/// A client that logs in as somebody.
pub(super) fn client(endpoints: &[String], user: &str, password: SecretString) -> Result<Client> {
    let endpoints = endpoints.iter().map(|endpoint| Endpoint::parse(endpoint)).collect::<Result<_, _>>()?;
    let auth = Auth::Jwt { user: user.to_owned(), password };
    Ok(Client::new(Pool::new(Connection::new(endpoints, auth))?))
}

/// Reads everything back.
pub(super) async fn read(root: &Client) -> Result<Held> {
    let databases = root.databases().await?;
    let mut users = BTreeMap::new();
    for (name, info) in root.users().await? {
        let rights = root.rights(&name).await?;
        users.insert(name, HeldUser { active: info.active, rights });
    }
    Ok(Held { databases, users })
}

/// What is not as declared, a sentence each.
pub(super) fn compare(resources: &Resources, held: &Held) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for database in &resources.databases {
        let desired = Database::desired(database, resources)?;
        if !held.databases.contains(&desired.name) {
            wrong.push(format!("the database {} is not there", desired.name));
        }
    }
    for user in &resources.users {
        let user::plan::Desired { name, active, .. } = User::desired(user, resources)?;
        match held.users.get(&name) {
            None => wrong.push(format!("the user {name} is not there")),
            Some(user) if user.active != active => {
                wrong.push(format!("the user {name} has active {}, declared is {active}", user.active));
            }
            Some(_) => {}
        }
    }
    for permission in &resources.permissions {
        wrong.extend(differences(&Permission::desired(permission, resources)?, held));
    }
    Ok(wrong)
}

/// What of a row is not as declared.
fn differences(declared: &permission::plan::Desired, held: &Held) -> Vec<String> {
    let permission::plan::Desired { user, database, access, collections, .. } = declared;
    let entry = held.users.get(user).map(|user| user.rights.entry(database)).unwrap_or_default();
    let mut wrong = Vec::new();
    if access.is_some() && entry.level != *access {
        wrong.push(format!("{user} has {} on {database}, declared is {}", said(entry.level), said(*access)));
    }
    for (collection, level) in collections {
        let is = entry.collections.get(collection).copied();
        if is != Some(*level) {
            wrong.push(format!("{user} has {} on {database}/{collection}, declared is {level}", said(is)));
        }
    }
    wrong
}

fn said(level: Option<Level>) -> String {
    level.map_or_else(|| "no level".to_owned(), |level| level.to_string())
}

/// Logs in as every user whose password is in a Secret, and compares the databases that he sees with what his
/// rights come to. Returns how many logged in.
pub(super) async fn log_in(
    kubernetes: &kube::Client,
    endpoints: &[String],
    resources: &Resources,
    held: &Held,
) -> Result<usize> {
    let mut count = 0;
    for user in &resources.users {
        let user::plan::Desired { name, active: true, password: Some(source) } =
            User::desired(user, resources)?
        else {
            continue;
        };
        let namespace = user.namespace().unwrap_or_default();
        let password = kubernetes::secret(kubernetes, &namespace, &source.secret).await?;
        let sees = databases_of(endpoints, &name, password)
            .await
            .with_context(|| format!("{name} can't log in with the password in {}", source.secret.name))?;
        let may: BTreeSet<_> =
            held.databases.iter().filter(|database| level(held, &name, database) > Level::None).collect();
        if sees.iter().collect::<BTreeSet<_>>() != may {
            bail!("{name} sees the databases {sees:?}, by his rights it should be {may:?}");
        }
        count += 1;
    }
    Ok(count)
}

/// The databases that a user sees himself.
async fn databases_of(
    endpoints: &[String],
    user: &UserName,
    password: SecretString,
) -> Result<BTreeSet<DatabaseName>> {
    #[derive(Deserialize)]
    struct Databases {
        result: Vec<String>,
    }
    let client = client(endpoints, user.as_str(), password)?;
    let Databases { result } = client.get("/_db/_system/_api/database/user").await?;
    Ok(result.into_iter().map(DatabaseName::from_server).collect())
}

/// The level that holds for a user on a database.
pub(super) fn level(held: &Held, user: &UserName, database: &DatabaseName) -> Level {
    let rights = held.users.get(user).map(|user| &user.rights);
    rights.map_or(Level::None, |rights| rights.effective(&Scope::Named(database.clone())))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;
    use crate::core::Entry;

    fn resources() -> Resources {
        let database = json!({
            "metadata": {"name": "shop"}, "spec": {"clusterRef": {"name": "prod"}},
        });
        let user = json!({"metadata": {"name": "app"}, "spec": {"clusterRef": {"name": "prod"}}});
        let permission = json!({
            "metadata": {"name": "row"},
            "spec": {
                "clusterRef": {"name": "prod"}, "userRef": {"name": "app"}, "databaseRef": {"name": "shop"},
                "access": "rw", "collections": {"*": "ro"},
            },
        });
        let typed = |mut value: serde_json::Value, kind: &str| {
            value["apiVersion"] = json!("arango-operator.dev/v1alpha1");
            value["kind"] = json!(kind);
            value
        };
        Resources {
            clusters: Vec::new(),
            databases: vec![from_value(typed(database, "ArangoDatabase")).unwrap()],
            users: vec![from_value(typed(user, "ArangoUser")).unwrap()],
            permissions: vec![from_value(typed(permission, "ArangoPermission")).unwrap()],
        }
    }

    #[test]
    fn what_is_missing_or_different_is_said() {
        let (app, shop) = (UserName::parse("app").unwrap(), DatabaseName::parse("shop").unwrap());
        let mut held = Held { databases: BTreeSet::new(), users: BTreeMap::new() };
        assert_eq!(
            compare(&resources(), &held).unwrap(),
            [
                "the database shop is not there",
                "the user app is not there",
                "app has no level on shop, declared is rw",
                "app has no level on shop/*, declared is ro",
            ]
        );
        held.databases.insert(shop.clone());
        let entry = Entry { level: Some(Level::Rw), collections: [(Scope::Any, Level::Ro)].into() };
        let rights = Rights([(Scope::Named(shop), entry)].into());
        held.users.insert(app.clone(), HeldUser { active: false, rights });
        assert_eq!(
            compare(&resources(), &held).unwrap(),
            ["the user app has active false, declared is true"]
        );
        held.users.get_mut(&app).unwrap().active = true;
        assert!(compare(&resources(), &held).unwrap().is_empty());
    }
}
