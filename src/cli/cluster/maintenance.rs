//! `cluster maintenance`: shows and changes whether there is failover, in the whole cluster or to one DB-Server.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, error::ErrorKind};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{Common, cluster, in_order, named};
use crate::{
    arango::{Class, Cluster, Error, Health, Member, MemberRole, ServerMaintenance, Supervision},
    cli::{
        duration,
        output::{self, Format, Mark, Rows},
        screen::Screen,
    },
    core::balance::jittered,
};

/// How long maintenance lasts if nothing else is said.
const HOUR: Duration = Duration::from_secs(3600);
/// How long a change of a DB-Server is waited for until the agency shows it.
const VISIBLE: Duration = Duration::from_secs(10);
/// How often it is asked meanwhile.
const ASK: Duration = Duration::from_millis(500);
/// What is said while there is no maintenance.
const WORKS: &str = "The supervision works: what a failed server did is given to others.\n";

/// Show, begin or end maintenance: of the supervision, or of one DB-Server.
///
/// While the supervision is in maintenance there is NO automatic failover in the whole cluster. While a DB-Server is,
/// it takes over nothing in a failover. Either ends by itself. Needs an administrator.
#[derive(Debug, Args)]
#[command(
    after_help = "A change of the supervision is answered when it is done: after 1 s at the earliest, 120 s at the \
                        latest.

Examples:
  arango-operator cluster maintenance                                    what is
  arango-operator cluster maintenance 90m                                no failover for that long
  arango-operator cluster maintenance off
  arango-operator cluster maintenance on --server DBServer0001 --for 10m

Exit codes: 0 done, 1 an error that was printed, 2 wrong usage"
)]
pub(super) struct MaintenanceArgs {
    /// `on` (for an hour), `off`, or how long: `90m`, `2h`, or seconds. Shows what is if left out
    #[arg(value_name = "on|off|DURATION", value_parser = state)]
    state: Option<State>,
    /// About this DB-Server alone, by id or short name: `PRMR-…`, `DBServer0001`
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// How long, if it begins: another way to write DURATION
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse_seconds)]
    lasting: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

/// What is wanted, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    On,
    Off,
    For(Duration),
}

fn state(text: &str) -> Result<State, String> {
    match text {
        "on" => Ok(State::On),
        "off" => Ok(State::Off),
        _ => duration::parse_seconds(text).map(State::For),
    }
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To see what is.
    Look,
    /// Maintenance for so long.
    Begin(Duration),
    /// No maintenance.
    End,
}

fn wish(state: Option<State>, lasting: Option<Duration>) -> Result<Wish, &'static str> {
    match (state, lasting) {
        (None, None) => Ok(Wish::Look),
        (Some(State::Off), None) => Ok(Wish::End),
        (Some(State::On), None) => Ok(Wish::Begin(HOUR)),
        (Some(State::For(duration)), None) | (None | Some(State::On), Some(duration)) => {
            Ok(Wish::Begin(duration))
        }
        (Some(State::Off), Some(_)) => Err("what ends has no duration; leave --for out"),
        (Some(State::For(_)), Some(_)) => Err("the duration is given twice; leave --for out"),
    }
}

/// The supervision, as JSON has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    supervision: String,
    /// Only after a change: the server doesn't tell it when asked.
    until: Option<Timestamp>,
    /// Only if it was asked what is.
    #[serde(skip_serializing_if = "Option::is_none")]
    db_servers: Option<Vec<ServerShown>>,
}

/// A DB-Server, as JSON has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerShown {
    id: String,
    short_name: Option<String>,
    mode: String,
    until: Option<Timestamp>,
}

impl ServerShown {
    fn new(id: &str, member: &Member, maintenance: Option<ServerMaintenance>) -> Self {
        let (mode, until) = match maintenance {
            Some(maintenance) => (maintenance.mode, maintenance.until),
            None => ("normal".to_owned(), None),
        };
        Self { id: id.to_owned(), short_name: member.short_name.clone(), mode, until }
    }
}

/// Runs the command.
pub(super) async fn run(args: &MaintenanceArgs) -> anyhow::Result<ExitCode> {
    let wish = wish(args.state, args.lasting).unwrap_or_else(|problem| {
        clap::Error::raw(ErrorKind::ArgumentConflict, format!("{problem}\n")).exit()
    });
    let client = args.common.deployment.client().await?;
    let cluster = cluster(&client, "supervision and no maintenance").await?;
    let format = args.common.output.output;
    match (&args.server, wish) {
        (None, Wish::Look) => show(&cluster, format).await?,
        (None, Wish::Begin(duration)) => stop(&cluster, duration, format).await?,
        (None, Wish::End) => start(&cluster, format).await?,
        (Some(name), wish) => server(&cluster, name, wish, format).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(cluster: &Cluster, format: Format) -> anyhow::Result<()> {
    let (supervision, health) = tokio::try_join!(cluster.supervision(), cluster.health())?;
    let asked = db_servers(&health).map(async |(id, member)| {
        cluster.server_maintenance(id).await.map(|maintenance| ServerShown::new(id, member, maintenance))
    });
    let servers = try_join_all(asked).await?;
    let shown =
        Shown { supervision: supervision.as_str().to_owned(), until: None, db_servers: Some(servers) };
    output::print(format, &shown, |colours| people(&shown, &supervision, colours))
}

fn people(shown: &Shown, supervision: &Supervision, colours: bool) -> String {
    let mut rows = Rows::new(["DB-Server", "short name", "mode", "until"]);
    for server in shown.db_servers.iter().flatten() {
        let mark = if server.mode == "normal" { Mark::Plain } else { Mark::Alarm };
        let until = server.until.map(|until| until.to_string());
        rows.add(
            mark,
            [Some(server.id.clone()), server.short_name.clone(), Some(server.mode.clone()), until],
        );
    }
    let sentence = match supervision {
        Supervision::Normal => WORKS.to_owned(),
        Supervision::Maintenance => {
            "The supervision is in maintenance: there is NO automatic failover in the whole cluster.\n\
             The server doesn't tell until when; `cluster maintenance off` ends it now.\n"
                .to_owned()
        }
        Supervision::Other(word) => format!("The supervision says {:?}.\n", output::plain(word)),
    };
    format!("{sentence}\n{}", rows.render(colours))
}

async fn stop(cluster: &Cluster, duration: Duration, format: Format) -> anyhow::Result<()> {
    let stopping = cluster.stop_supervision(duration);
    let told = Screen::new().wait("waiting until the supervision has stopped, 120 s at most", stopping).await;
    let told = told.map_err(explained)?;
    let until = told.map_or_else(|| after(duration), Ok)?;
    let shown = Shown { supervision: "Maintenance".to_owned(), until: Some(until), db_servers: None };
    output::print(format, &shown, |_| {
        format!(
            "The supervision is in maintenance until {until}. Until then there is NO automatic failover in the whole \
             cluster.\n\
             It begins again by itself; `cluster maintenance off` ends it now, repeating this command extends it.\n"
        )
    })
}

async fn start(cluster: &Cluster, format: Format) -> anyhow::Result<()> {
    let starting = cluster.start_supervision();
    let done = Screen::new().wait("waiting until the supervision works again, 120 s at most", starting).await;
    done.map_err(explained)?;
    let shown = Shown { supervision: "Normal".to_owned(), until: None, db_servers: None };
    output::print(format, &shown, |_| WORKS.to_owned())
}

/// What an error means for who waits for the supervision.
fn explained(error: Error) -> anyhow::Error {
    match error.class() {
        Class::Timeout => anyhow::Error::new(error).context(
            "the supervision did not follow in time; it may do so yet, which `cluster maintenance` shows",
        ),
        Class::Invalid => anyhow::Error::new(error).context(
            "the duration was refused; servers before 3.12 know `on`, which is an hour, and `off` only",
        ),
        _ => error.into(),
    }
}

/// When something ends that begins now.
fn after(duration: Duration) -> anyhow::Result<Timestamp> {
    let end = jiff::SignedDuration::try_from(duration).ok();
    let end = end.and_then(|duration| Timestamp::now().checked_add(duration).ok());
    let end = end.context("the duration is longer than any calendar")?;
    Ok(end.round(jiff::Unit::Second)?)
}

fn db_servers(health: &Health) -> impl Iterator<Item = (&str, &Member)> {
    in_order(health).into_iter().filter(|(_, member)| member.role == Some(MemberRole::DbServer))
}

/// Shows or changes the maintenance of one DB-Server.
async fn server(cluster: &Cluster, name: &str, wish: Wish, format: Format) -> anyhow::Result<()> {
    let health = cluster.health().await?;
    let Some((id, member)) = health.find(name) else {
        let known: Vec<_> = db_servers(&health).map(|(id, member)| named(id, member)).collect();
        bail!("there is no server {name:?}; the DB-Servers are {}", known.join(", "));
    };
    if member.role != Some(MemberRole::DbServer) {
        bail!("{} is no DB-Server; only those have a maintenance of their own", named(id, member));
    }
    let before = cluster.server_maintenance(id).await?;
    let duration = if let Wish::Begin(duration) = wish { Some(duration) } else { None };
    let now = if wish == Wish::Look {
        before
    } else {
        cluster.set_server_maintenance(id, duration).await?;
        let seen = visible(cluster, id, duration.is_some(), before);
        Screen::new().wait("waiting until the change is seen, 10 s at most", seen).await?
    };
    let shown = ServerShown::new(id, member, now);
    let who = named(id, member);
    output::print(format, &shown, |_| match (shown.mode.as_str(), shown.until) {
        ("normal", _) => format!("{who} is not in maintenance: it takes part in failover.\n"),
        (mode, until) => {
            let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
            let mode = output::plain(mode);
            format!("{who} is in {mode}{until}: it takes over nothing in a failover meanwhile.\n")
        }
    })
}

/// Asks until the agency shows the change (reference: cluster, DB-Server maintenance).
async fn visible(
    cluster: &Cluster,
    id: &str,
    wanted: bool,
    before: Option<ServerMaintenance>,
) -> anyhow::Result<Option<ServerMaintenance>> {
    let began = Instant::now();
    loop {
        let now = cluster.server_maintenance(id).await?;
        // Maintenance that was on already shows another end when it is extended.
        if now.is_some() == wanted && (!wanted || now != before) {
            return Ok(now);
        }
        if began.elapsed() > VISIBLE {
            if now.is_some() == wanted {
                return Ok(now);
            }
            bail!("the server took the change, but after {VISIBLE:?} it can't be seen yet; look again later");
        }
        sleep(jittered(ASK, rand::random())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_a_look_a_beginning_or_an_end() {
        let minute = Duration::from_secs(60);
        let typed = |text: &str| Some(state(text).unwrap());
        assert_eq!(wish(None, None), Ok(Wish::Look));
        assert_eq!(wish(typed("on"), None), Ok(Wish::Begin(HOUR)));
        assert_eq!(wish(typed("off"), None), Ok(Wish::End));
        for (state, lasting) in
            [(typed("60"), None), (typed("1m"), None), (None, Some(minute)), (typed("on"), Some(minute))]
        {
            assert_eq!(wish(state, lasting), Ok(Wish::Begin(minute)), "{state:?}");
        }
        assert!(wish(typed("off"), Some(minute)).is_err());
        assert!(wish(typed("2m"), Some(minute)).is_err());
        assert!(state("ON").is_err() && state("0").is_err() && state("1.5h").is_err());
    }
}
