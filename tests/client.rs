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

/// `docs/client.md` promises what tests hold; a test that was renamed would leave an empty promise.
#[test]
fn every_test_that_the_page_of_the_client_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/client.md")).unwrap();
    let mut sources = String::new();
    for folder in ["src/arango", "src/arango/tests", "src/core/balance", "tests/client"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    // Names of tests are sentences: many words.
    let named: Vec<&str> =
        page.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 3).collect();
    assert!(named.len() > 20, "the page names its tests");
    let missing: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
