//! The users of a server, as they are known between a listing and the next.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    arango::{self, Client, UserInfo},
    core::UserName,
    reconcile::{Part, snapshot},
};

/// The users of a server (reference: users, list).
#[derive(Debug)]
pub struct Users;

impl Part for Users {
    type Key = ();
    type Value = BTreeMap<UserName, Known>;

    fn rest(users: &Self::Value) -> Duration {
        snapshot::rest(users.len())
    }

    async fn read(client: &Client, (): &()) -> Result<Self::Value, arango::Error> {
        let users = client.users().await?;
        Ok(users.into_iter().map(|(name, info)| (name, Known::of(&info))).collect())
    }
}

/// A user as a listing tells of him. There are as many as the deployment has, so what is beside him is kept as a text: as a tree
/// it would be ten times as large.
#[derive(Debug, Clone)]
pub struct Known {
    active: bool,
    /// An object in JSON; nothing for an empty one.
    extra: Box<str>,
}

impl Known {
    pub(super) fn of(info: &UserInfo) -> Self {
        let text = |extra| serde_json::to_string(extra).unwrap_or_default();
        let extra = if info.extra.is_empty() { String::new() } else { text(&info.extra) };
        Self { active: info.active, extra: extra.into() }
    }

    pub(super) fn info(&self) -> UserInfo {
        // Our own text: an empty one alone is no object.
        UserInfo { active: self.active, extra: serde_json::from_str(&self.extra).unwrap_or_default() }
    }
}
