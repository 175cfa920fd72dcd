//! The matrix as data: every user's level on every database, where it comes from, and what of it is to be looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    arango::UserInfo,
    core::{
        DatabaseName, Level, Rights, Scope, UserName,
        explain::{self, Right},
        glob::Glob,
    },
};

/// The result, as JSON has it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The databases that were selected, in order.
    pub(super) databases: Vec<DatabaseName>,
    /// The users who were selected, in order.
    pub(super) users: Vec<Row>,
}

/// One user.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) user: UserName,
    pub(super) active: bool,
    /// What is to be looked at.
    pub(super) remarks: Vec<Remark>,
    /// His levels on the wildcards.
    pub(super) wildcards: Wildcards,
    /// His level on each database that was selected.
    pub(super) levels: BTreeMap<DatabaseName, Cell>,
}

/// What reaches databases and collections without levels of their own; nothing where there is no right.
#[derive(Debug, Serialize)]
pub(super) struct Wildcards {
    #[serde(rename = "*")]
    pub(super) any: Option<Level>,
    #[serde(rename = "*/*")]
    pub(super) everywhere: Option<Level>,
}

/// One user on one database.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) level: Level,
    /// The place of the right that gives it; nothing if none does.
    pub(super) by: Option<String>,
    /// Whether that is the database itself.
    #[serde(skip)]
    pub(super) is_own: bool,
    /// Collections with a level of their own, `*` for all others.
    pub(super) collections: BTreeMap<String, Level>,
}

/// Something about a user that an auditor asks about.
#[derive(Debug, Serialize)]
pub(super) struct Remark {
    pub(super) mark: Mark,
    /// A sentence about it.
    pub(super) text: String,
}

/// What it is; the words are those of the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Mark {
    Administrator,
    SystemReader,
    WildcardWrite,
    WildcardRead,
    AllCollections,
    NoRights,
    InactiveWithRights,
}

impl Mark {
    /// In a word or two.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::SystemReader => "_system ro",
            Self::WildcardWrite => "* rw",
            Self::WildcardRead => "* ro",
            Self::AllCollections => "*/*",
            Self::NoRights => "no rights",
            Self::InactiveWithRights => "inactive",
        }
    }

    /// Whether it is shown in the alarm's colour: a right that changes what it wasn't given for.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::Administrator | Self::WildcardWrite | Self::AllCollections)
    }
}

impl Report {
    /// The matrix of what was selected. What is said about a user looks at all of his rights.
    pub(super) fn new(
        selection: &Selection,
        databases: &BTreeSet<DatabaseName>,
        users: BTreeMap<UserName, (UserInfo, Rights)>,
    ) -> Self {
        let selected: Vec<_> =
            databases.iter().filter(|name| selection.has_database(name)).cloned().collect();
        let users = users.into_iter().map(|(user, (info, rights))| {
            let levels = selected.iter().map(|name| (name.clone(), Cell::new(&rights, name))).collect();
            let any = rights.entry(&Scope::Any);
            Row {
                user,
                active: info.active,
                remarks: remarks(&rights, databases, info.active),
                wildcards: Wildcards {
                    any: any.level,
                    everywhere: any.collections.get(&Scope::Any).copied(),
                },
                levels,
            }
        });
        Self { users: users.collect(), databases: selected }
    }
}

impl Cell {
    fn new(rights: &Rights, database: &DatabaseName) -> Self {
        let explained = explain::database(rights, database);
        let winner = explained.winner();
        let by = winner.map(|right| match right {
            Right::Any => "*".to_owned(),
            Right::System => DatabaseName::SYSTEM.to_owned(),
            _ => database.to_string(),
        });
        let entry = rights.entry(&Scope::Named(database.clone()));
        let collections = entry.collections.into_iter().map(|(name, level)| (name.to_string(), level));
        Self {
            level: explained.level,
            by,
            is_own: winner == Some(Right::Database),
            collections: collections.collect(),
        }
    }
}

/// What is to be looked at, the widest first.
fn remarks(rights: &Rights, databases: &BTreeSet<DatabaseName>, active: bool) -> Vec<Remark> {
    let any = rights.entry(&Scope::Any);
    let system = explain::database(rights, &DatabaseName::system());
    let mut said = Vec::new();
    let mut say = |mark, text: String| said.push(Remark { mark, text });
    if system.level == Level::Rw {
        let by = if system.winner() == Some(Right::Any) { ", by the right on *" } else { "" };
        say(Mark::Administrator, format!("rw on _system{by}: makes and removes users, rights and databases"));
    } else if rights.entry(&Scope::Named(DatabaseName::system())).level == Some(Level::Ro) {
        say(
            Mark::SystemReader,
            "ro on _system, which reaches every database without a level of its own".into(),
        );
    }
    match any.level {
        Some(Level::Rw) => say(Mark::WildcardWrite, "rw on every database without a level of its own".into()),
        Some(Level::Ro) => say(Mark::WildcardRead, "ro on every database without a level of its own".into()),
        Some(Level::None) | None => {}
    }
    if let Some(level) = any.collections.get(&Scope::Any) {
        let text = format!("{level} on the collections of every database that can be reached");
        say(Mark::AllCollections, text);
    }
    let has_rights = databases.iter().any(|name| explain::database(rights, name).level > Level::None);
    if !has_rights {
        say(Mark::NoRights, "no right on any database: unused?".into());
    } else if !active {
        say(Mark::InactiveWithRights, "nobody can log in as this user, and yet there are rights".into());
    }
    said
}

/// Which users and databases are shown; all if there is no pattern.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) users: Vec<Glob>,
    pub(super) databases: Vec<Glob>,
}

impl Selection {
    pub(super) fn has_user(&self, name: &UserName) -> bool {
        matches(&self.users, name.as_str())
    }

    pub(super) fn has_database(&self, name: &DatabaseName) -> bool {
        matches(&self.databases, name.as_str())
    }
}

fn matches(globs: &[Glob], name: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob.matches(name))
}
