//! What was found on a server, as manifests. The same found, the same manifests: nothing here asks, draws or knows the time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::{self, Document};
use crate::{
    arango::{CopyCount, DatabaseInfo, UserInfo},
    core::{
        CollectionName, DatabaseName, Entry, Id, RemovalPolicy, Rights, Scope, UserName,
        resource_name::{plain, unique},
    },
    kinds::{
        database::{
            self,
            crd::{ArangoDatabaseSpec, DatabaseDeletionPolicy, DatabaseOptions, Sharding},
        },
        permission::{self, crd::ArangoPermissionSpec},
        schema::{ClusterRef, LocalRef},
        user::{extra, mark},
    },
};

/// Longest names that the schemas take, in characters.
const NAME_MAX: usize = 256;
/// Most collections of a row.
const COLLECTIONS_MAX: usize = 1024;

/// What was found, only what was selected.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) databases: BTreeMap<DatabaseName, DatabaseInfo>,
    pub(super) users: BTreeMap<UserName, UserInfo>,
    pub(super) rights: BTreeMap<UserName, Rights>,
    /// The account of the connection, which an operator with the same one would not manage.
    pub(super) account: Option<UserName>,
}

/// How it is to be written.
#[derive(Debug)]
pub(super) struct Style {
    pub(super) namespace: Option<String>,
    pub(super) cluster: ClusterRef,
}

/// The manifests, and sentences about what isn't among them.
#[derive(Debug, Default)]
pub(super) struct Export {
    pub(super) documents: Vec<Document>,
    pub(super) left_out: Vec<String>,
}

impl Found {
    /// All of it as manifests, databases before users before rights, each kind by name.
    pub(super) fn export(&self, style: &Style) -> anyhow::Result<Export> {
        let mut export = Export::default();
        let databases = self.databases(style, &mut export)?;
        let users = self.users(style, &mut export)?;
        self.permissions(style, &databases, &users, &mut export)?;
        Ok(export)
    }

    /// Gives the resource's name of each database that is among them.
    fn databases(&self, style: &Style, export: &mut Export) -> anyhow::Result<BTreeMap<String, String>> {
        let mut fine = BTreeMap::new();
        for (name, info) in &self.databases {
            if name.is_system() {
                continue;
            }
            let (options, remark) = options(info);
            let spec = ArangoDatabaseSpec {
                cluster_ref: style.cluster.clone(),
                name: Some(name.to_string()),
                options: None,
                deletion_policy: None,
                drift: None,
            };
            match database::plan::desired(&spec, name.as_str()) {
                Ok(desired) if desired.name == *name => {
                    drop(fine.insert(name.to_string(), (options, remark)));
                }
                Ok(_) => export.leave_out(format!("the database {name}: its name is not Unicode NFC")),
                Err(hold) => export.leave_out(format!("the database {name}: {}", hold.message)),
            }
        }
        let names = unique(&fine.keys().cloned().collect());
        let mut documents = Vec::new();
        for (name, (options, remark)) in fine {
            let made = &names[&name];
            let spec = document::Database {
                cluster_ref: &style.cluster,
                name: (*made != name).then_some(&name),
                options,
                deletion_policy: DatabaseDeletionPolicy::Retain,
            };
            let place = (style.namespace.as_deref(), made.as_str());
            documents.push(document::write("ArangoDatabase", "databases", place, remark.as_slice(), spec)?);
        }
        export.add(documents);
        Ok(names)
    }

    /// Gives the resource's name of each user who is among them.
    fn users(&self, style: &Style, export: &mut Export) -> anyhow::Result<BTreeMap<String, String>> {
        let mut fine = BTreeMap::new();
        for (name, info) in &self.users {
            match self.unmanaged(name, Some(info)) {
                Some(why) => export.leave_out(format!("the user {name} with all rights: {why}")),
                None => drop(fine.insert(name.to_string(), info)),
            }
        }
        let names = unique(&fine.keys().cloned().collect());
        let mut documents = Vec::new();
        for (name, info) in fine {
            let made = &names[&name];
            let (extra, remarks) = declared(&info.extra);
            let spec = document::User {
                cluster_ref: &style.cluster,
                name: (*made != name).then_some(&name),
                active: (!info.active).then_some(false),
                extra,
                deletion_policy: RemovalPolicy::Retain,
            };
            let place = (style.namespace.as_deref(), made.as_str());
            documents.push(document::write("ArangoUser", "users", place, &remarks, spec)?);
        }
        export.add(documents);
        Ok(names)
    }

    /// Why a user can't be declared.
    fn unmanaged(&self, name: &UserName, info: Option<&UserInfo>) -> Option<String> {
        if name.as_str() == UserName::ROOT {
            return Some("every deployment's own account is never managed".to_owned());
        }
        if self.account.as_ref() == Some(name) {
            return Some(
                "an operator that connects with the same account as this export doesn't manage it".to_owned(),
            );
        }
        if name.as_str().chars().count() > NAME_MAX {
            return Some(format!("a declared name has at most {NAME_MAX} characters"));
        }
        let mark = info.and_then(|info| info.extra.get(mark::KEY)).filter(|mark| !mark.is_null())?;
        let part = |name: &str| mark[name].as_str().unwrap_or("?");
        let resource = Id::new(part("namespace"), part("name"));
        Some(format!(
            "the ArangoUser {resource} of the operator {} looks after him already",
            part("instance")
        ))
    }

    fn permissions(
        &self,
        style: &Style,
        databases: &BTreeMap<String, String>,
        users: &BTreeMap<String, String>,
        export: &mut Export,
    ) -> anyhow::Result<()> {
        let mut rows = BTreeMap::new();
        for (user, rights) in &self.rights {
            // Said of the user already.
            if self.unmanaged(user, self.users.get(user)).is_some() {
                continue;
            }
            for (database, entry) in &rights.0 {
                match row(user, database, entry) {
                    Ok(()) => drop(rows.insert((user.as_str(), database.as_str()), entry)),
                    Err(why) => export.leave_out(format!("the rights of {user} on {database}: {why}")),
                }
            }
        }
        let title = |(user, database): (&str, &str)| {
            let user = users.get(user).cloned().unwrap_or_else(|| plain(user));
            let database = match database {
                "*" => "any",
                DatabaseName::SYSTEM => "system",
                other => databases.get(other).map_or(other, String::as_str),
            };
            // Neither is a name of Kubernetes as it stands, so that two which come to the same are told apart.
            format!("{user}-{database}")
        };
        let names = row_names(rows.keys().map(|row| (*row, title(*row))));
        let mut documents = Vec::new();
        for ((user, database), entry) in rows {
            let (user_name, database_name) = (users.get(user), databases.get(database));
            let collections = entry.collections.iter().map(|(name, level)| (name.to_string(), *level));
            let spec = document::Permission {
                cluster_ref: &style.cluster,
                user_ref: user_name.map(|name| LocalRef { name: name.clone() }),
                user: user_name.is_none().then_some(user),
                database_ref: database_name.map(|name| LocalRef { name: name.clone() }),
                database: database_name.is_none().then_some(database),
                access: entry.level,
                collections: collections.collect(),
                deletion_policy: RemovalPolicy::Retain,
            };
            let place = (style.namespace.as_deref(), names[&(user, database)].as_str());
            documents.push(document::write("ArangoPermission", "permissions", place, &[], spec)?);
        }
        export.add(documents);
        Ok(())
    }
}

impl Export {
    fn leave_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    /// Those of one kind, by their names.
    fn add(&mut self, mut documents: Vec<Document>) {
        documents.sort();
        self.documents.extend(documents);
    }
}

/// A name for each row, all different: what the user's and the database's come to, and where that is the same, a digest of
/// both behind it.
fn row_names<'a>(
    rows: impl Iterator<Item = ((&'a str, &'a str), String)>,
) -> BTreeMap<(&'a str, &'a str), String> {
    let rows: Vec<_> = rows.map(|(row, title)| (row, plain_or_same(title))).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, title) in &rows {
        *counts.entry(title).or_default() += 1;
    }
    let telling = |(user, database): (&str, &str), title: &str| {
        if counts[title] == 1 { title.to_owned() } else { format!("{title} {user}\0{database}") }
    };
    let told: Vec<_> = rows.iter().map(|(row, title)| (*row, telling(*row, title))).collect();
    let names = unique(&told.iter().map(|(_, title)| title.clone()).collect::<BTreeSet<_>>());
    told.into_iter().map(|(row, title)| (row, names[&title].clone())).collect()
}

/// A title that is a name already, or made one.
fn plain_or_same(title: String) -> String {
    if crate::core::resource_name::is_subdomain(&title) { title } else { plain(&title) }
}

/// Whether a row can be declared.
fn row(user: &UserName, database: &Scope<DatabaseName>, entry: &Entry) -> Result<(), String> {
    if entry.collections.len() > COLLECTIONS_MAX {
        return Err(format!("a row declares at most {COLLECTIONS_MAX} collections"));
    }
    let long = |name: &&Scope<CollectionName>| name.as_str().chars().count() > NAME_MAX;
    if let Some(name) = entry.collections.keys().find(long) {
        return Err(format!("the name of the collection {name} has more than {NAME_MAX} characters"));
    }
    let spec = ArangoPermissionSpec {
        cluster_ref: ClusterRef { name: String::new(), namespace: None },
        user_ref: None,
        user: Some(user.to_string()),
        database_ref: None,
        database: Some(database.to_string()),
        access: entry.level,
        collections: entry.collections.iter().map(|(name, level)| (name.to_string(), *level)).collect(),
        deletion_policy: None,
        drift: None,
    };
    permission::plan::desired(&spec, user.as_str(), database.as_str()).map(drop).map_err(|hold| hold.message)
}

/// The options that differ from what a server gives by itself, and what of them can't be declared.
fn options(info: &DatabaseInfo) -> (Option<DatabaseOptions>, Option<String>) {
    let mut remark = None;
    let replication_factor = match info.replication_factor {
        Some(CopyCount::Count(count @ 2..=10)) => u32::try_from(count).ok(),
        Some(CopyCount::Count(0..=1)) | None => None,
        Some(CopyCount::Count(count)) => {
            remark = Some(format!("The replication factor {count} of new collections can't be declared."));
            None
        }
        Some(CopyCount::Satellite) => {
            remark = Some("That new collections are satellites can't be declared.".to_owned());
            None
        }
    };
    let options = DatabaseOptions {
        sharding: (info.sharding.as_deref() == Some("single")).then_some(Sharding::Single),
        replication_factor,
        write_concern: info.write_concern.filter(|concern| (2..=10).contains(concern)),
    };
    ((options != DatabaseOptions::default()).then_some(options), remark)
}

/// What of a user's `extra` can be declared, and what can't.
fn declared(there: &Map<String, Value>) -> (Map<String, Value>, Vec<String>) {
    let mut remarks = Vec::new();
    let mut fine = Map::new();
    // A null is nothing: a key that was there.
    for (key, value) in there.iter().filter(|(key, value)| *key != mark::KEY && !value.is_null()) {
        let mut with = fine.clone();
        with.insert(key.clone(), value.clone());
        match extra::check(&with) {
            Ok(()) => fine = with,
            Err(hold) => {
                remarks.push(format!("The key {key:?} of extra is left alone: with it, {}.", hold.message));
            }
        }
    }
    (fine, remarks)
}
