//! `stand-in`: the in-memory ArangoDB as a program.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::ArgAction;
use tokio::signal::unix::{SignalKind, signal};

use crate::stand_in::{Config, Options, StandIn};

/// The longest secret that a server takes, in bytes.
const SECRET_MAX: usize = 64;

/// Run an in-memory ArangoDB 3.12 that answers over HTTP. Everything in it is gone when it ends.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints one line `coordinator N URL` for each coordinator when it accepts connections.\n\
                        Exit codes: 0 ended by SIGINT or SIGTERM, 1 an error that was printed, 2 wrong usage."
)]
pub(super) struct Args {
    /// How many coordinators the cluster has.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    coordinators: u16,
    /// A single server instead of a cluster.
    #[arg(long, conflicts_with = "coordinators")]
    single: bool,
    /// Have `POST /_admin/execute`, which runs programs of the form `return JSON`.
    #[arg(long)]
    allow_admin_execute: bool,
    /// Where the first coordinator listens; the others take the ports after it. Port 0: a free port for each.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8529")]
    listen: SocketAddr,
    /// The password of root. Without it the password is empty.
    #[arg(long, value_name = "PASSWORD", env = "ARANGO_ROOT_PASSWORD", hide_env_values = true)]
    root_password: Option<String>,
    /// A file with the secret that signs tokens. Without it the secret is random.
    #[arg(long, value_name = "FILE")]
    jwt_secret_file: Option<PathBuf>,
    /// The id of the cluster. Without it the id is random.
    #[arg(long, value_name = "ID")]
    cluster_id: Option<String>,
    /// How long a request waits before it is answered: `5ms`, `2s`.
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = duration)]
    delay: Duration,
    /// Whether credentials are asked for.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    authentication: bool,
}

/// Reads a duration: a number and `ms`, `s`, or `m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} doesn't start with a number; try 5ms"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!("{text:?} has no unit that is known; try 5ms, 2s or 1m")),
    }
}

impl Args {
    fn options(self) -> Result<Options> {
        let seed = rand::random();
        let mut config =
            if self.single { Config::single(seed) } else { Config::cluster(self.coordinators.into(), seed) };
        // Random, and not derived from the seed: ids are public and follow from it.
        config.jwt_secret = rand::random::<[u8; 32]>().to_vec();
        if let Some(path) = self.jwt_secret_file {
            let secret = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
            config.jwt_secret = secret.trim_ascii().to_vec();
            if config.jwt_secret.is_empty() || config.jwt_secret.len() > SECRET_MAX {
                bail!("the secret in {} must have 1 to {SECRET_MAX} bytes", path.display());
            }
        }
        if let Some(id) = self.cluster_id {
            config.cluster_id = id;
        }
        config.admin_execute = self.allow_admin_execute;
        config.authentication = self.authentication;
        config.root_password = self.root_password.unwrap_or_else(|| {
            eprintln!(
                "warning: the password of root is empty; set it with --root-password or ARANGO_ROOT_PASSWORD"
            );
            String::new()
        });
        Ok(Options { listen: self.listen, config, delay: self.delay })
    }
}

/// Runs until SIGINT or SIGTERM.
pub(super) fn run(args: Args) -> Result<ExitCode> {
    let options = args.options()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        // Before the first line is printed: whoever reads it may send the signal at once.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let stand_in = StandIn::start(options).await?;
        for (n, endpoint) in stand_in.endpoints().iter().enumerate() {
            println!("coordinator {} {endpoint}", n + 1);
        }
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stand_in.stop().await?;
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert!(duration("5").is_err());
        assert!(duration("ms").is_err());
    }
}
