//! The client against the stand-in as a cluster of three coordinators, one of which is in trouble. What it cost is
//! counted in the stand-in's own log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::time::Duration;

use arango_operator::{
    arango::{Auth, Client, Connection, Endpoint, Pool},
    core::{DatabaseName, UserName},
    stand_in::{LogEntry, Options, StandIn},
};

mod client {
    mod failover;
    mod login;
    mod lost;
    mod tls;
}

/// root's password everywhere.
const ROOT: &str = "root's";
/// The coordinator that is in trouble.
const TROUBLED: usize = 1;
/// For whatever has to happen soon; a test that needs it all is broken.
const SOON: Duration = Duration::from_secs(20);
const AVAILABILITY: &str = "/_admin/server/availability";

async fn cluster() -> StandIn {
    StandIn::start(Options::cluster(3, ROOT)).await.unwrap()
}

fn root() -> Auth {
    Auth::Jwt { user: "root".to_owned(), password: ROOT.into() }
}

fn connection(stand_in: &StandIn, auth: Auth) -> Connection {
    let endpoints = stand_in.endpoints().iter().map(|url| Endpoint::parse(url).unwrap()).collect();
    Connection { patience: Duration::from_millis(200), ..Connection::new(endpoints, auth) }
}

fn pool(stand_in: &StandIn, auth: Auth) -> Pool {
    Pool::new(connection(stand_in, auth)).unwrap()
}

fn client(stand_in: &StandIn) -> Client {
    Client::new(pool(stand_in, root()))
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn database(name: &str) -> DatabaseName {
    DatabaseName::parse(name).unwrap()
}

/// The requests so far, probes left out.
fn requests(stand_in: &StandIn) -> Vec<LogEntry> {
    stand_in.request_log().into_iter().filter(|entry| entry.path != AVAILABILITY).collect()
}

/// How many requests came to the troubled coordinator in vain, and how many probes it had.
fn wasted(stand_in: &StandIn) -> (usize, usize) {
    let log = stand_in.request_log();
    let mine = |entry: &&LogEntry| entry.coordinator == TROUBLED;
    let (probes, requests): (Vec<_>, Vec<_>) =
        log.iter().filter(mine).partition(|entry| entry.path == AVAILABILITY);
    (requests.into_iter().filter(|entry| entry.fault.is_some()).count(), probes.len())
}
