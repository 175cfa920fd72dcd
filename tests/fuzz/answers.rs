//! What a server answers: anything, to everything that it is asked.

use std::{collections::BTreeSet, time::Duration};

use arango_operator::{
    arango::{
        Client, Cluster, DatabaseOptions, Deployment, Error, NewUser, Request, Response, Transport,
        UserChange,
    },
    core::{CollectionName, DatabaseName, UserName, level::Level, name::Scope},
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http::StatusCode;
use serde_json::Map;

use crate::mutated::holds;

/// Longest text of an error: a path, and what may be quoted from a server.
const ERROR_MAX: usize = 1_000;

/// A server that says the same to everybody. It is a coordinator where it is asked for its role, so that more is asked.
struct Parrot {
    status: StatusCode,
    body: Bytes,
}

impl Transport for Parrot {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        let body = if request.path.ends_with("/role") {
            Bytes::from_static(br#"{"role": "COORDINATOR", "mode": "default"}"#)
        } else {
            self.body.clone()
        };
        let status = if request.path.ends_with("/role") { StatusCode::OK } else { self.status };
        Box::pin(async move { Ok(Response { status, body, coordinator: 0 }) })
    }

    fn pause(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[test]
fn answers() {
    let seeds = &[
        r#"{"error": false, "code": 200, "result": ["_system", "shop", "cafe\u0301"]}"#,
        r#"{"error": false, "code": 200, "result": [{"user": "root", "active": true, "extra": {"a": {"b": 1}}}]}"#,
        r#"{"error": false, "result": {"_system": {"permission": "rw", "collections": {"*": "undefined"}}, "*": {"permission": "none"}}}"#,
        r#"{"error": false, "code": 200, "result": "rw"}"#,
        r#"{"error": true, "code": 401, "errorNum": 11, "errorMessage": "not authorized\u001b[31m"}"#,
        r#"{"server": "arango", "license": "enterprise", "version": "3.12.5", "details": {"mode": "server"}}"#,
        r#"{"jwt": "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NjM3NjYyMDB9.c2ln", "id": "CRDN-1", "mode": "readonly"}"#,
        r#"{"Health": {"PRMR-1": {"Role": "DBServer", "Status": "GOOD", "LastAckedTime": 0.1}}, "ClusterId": "c", "endpoints": []}"#,
        r#"{"name": "mmfiles", "time": 1763766200.5, "status": "Maintenance", "count": -1, "upgrading": true}"#,
        r#"{"result": {"name": "shop", "replicationFactor": "satellite", "writeConcern": 1, "sharding": ""}}"#,
    ];
    holds("answers", seeds, |input| {
        let (status, body) = match input.split_first() {
            Some((first, rest)) if *first != b'{' => (200 + u16::from(*first) * 2 % 400, rest),
            _ => (200, input),
        };
        let status = StatusCode::from_u16(status).map_err(|error| error.to_string())?;
        let body = Bytes::copy_from_slice(body);
        let client = Client::new(Parrot { status, body });
        // Nothing in it waits for anything.
        everything(&client).now_or_never().ok_or("it waits")?
    });
}

async fn everything(client: &Client) -> Result<(), String> {
    let (database, user) = (DatabaseName::parse("shop").unwrap(), UserName::parse("alice").unwrap());
    let (scope, collection) = (Scope::Named(database.clone()), CollectionName::parse("orders").unwrap());
    let password = "a password".to_owned().into();
    let new = NewUser { password: &password, active: true, extra: Map::new() };
    is_fit(client.databases().await)?;
    is_fit(client.database(&database).await)?;
    is_fit(client.create_database(&database, &DatabaseOptions::default()).await)?;
    is_fit(client.drop_database(&database).await)?;
    is_fit(client.users().await)?;
    is_fit(client.user(&user).await)?;
    is_fit(client.create_user(&user, &new).await)?;
    is_fit(client.update_user(&user, &UserChange { active: Some(false), ..UserChange::default() }).await)?;
    is_fit(client.delete_user(&user).await)?;
    is_fit(client.rights(&user).await)?;
    is_fit(client.level(&user, &scope).await)?;
    is_fit(client.wildcard_of_wildcard(&user).await)?;
    is_fit(client.grant_database(&user, &scope, Level::Rw).await)?;
    is_fit(client.revoke_database(&user, &scope).await)?;
    is_fit(client.collections(&database).await)?;
    is_fit(client.count(&database, &collection).await)?;
    is_fit(client.version().await)?;
    is_fit(client.role().await)?;
    is_fit(client.server_id().await)?;
    is_fit(client.status().await)?;
    is_fit(client.availability().await)?;
    is_fit(client.engine().await)?;
    is_fit(client.mode().await)?;
    is_fit(client.license().await)?;
    is_fit(client.time().await)?;
    is_fit(client.log_in(&user, &password).await)?;
    is_fit(client.verify_password(&user, &password).await)?;
    let deployment = client.deployment().await;
    if let Ok(Deployment::Cluster(cluster)) = &deployment {
        of_a_cluster(cluster).await?;
    }
    is_fit(deployment.map(drop))
}

async fn of_a_cluster(cluster: &Cluster) -> Result<(), String> {
    is_fit(cluster.health().await)?;
    is_fit(cluster.id().await)?;
    is_fit(cluster.endpoints().await)?;
    is_fit(cluster.targets().await)?;
    is_fit(cluster.statistics("PRMR-1").await)?;
    is_fit(cluster.supervision().await)?;
    is_fit(cluster.stop_supervision(Duration::from_secs(60)).await)?;
    is_fit(cluster.server_maintenance("PRMR-1").await)
}

/// Whatever it means, what is said of it is short, and nothing that a terminal obeys.
fn is_fit<T>(answer: Result<T, Error>) -> Result<(), String> {
    let Err(error) = answer else { return Ok(()) };
    let _ = (error.class(), error.may_have_run(), error.error_num());
    let (said, shown) = (error.to_string(), format!("{error:?}"));
    let bad: BTreeSet<_> =
        said.chars().filter(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c)).collect();
    if !bad.is_empty() || said.len() > ERROR_MAX || shown.len() > 2 * ERROR_MAX {
        return Err(format!("{} bytes, {bad:?}: {said:?}", said.len()));
    }
    Ok(())
}
