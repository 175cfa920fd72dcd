//! `stand-in`: the in-memory ArangoDB as a program.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::ArgAction;
use tokio::signal::unix::{SignalKind, signal};

use crate::stand_in::{
    Config, FaultRule, Options, StandIn, Tls,
    fault::{duration, help},
};

/// The longest secret that a server takes, in bytes.
const SECRET_MAX: usize = 64;

/// Run an in-memory ArangoDB 3.12 that answers over HTTP. Everything in it is gone when it ends.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Prints one line `coordinator N URL` for each coordinator when it accepts connections; then, as far as \
                  they are asked for, `ca FILE` and `control URL`.

Examples:
  ARANGO_ROOT_PASSWORD=secret arango-operator stand-in
  arango-operator stand-in --single --listen 127.0.0.1:0 --root-password secret

Exit codes: 0 ended by SIGINT or SIGTERM, 1 an error that was printed, 2 wrong usage"
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
    /// How many requests all coordinators together work on at once, while others wait. Without it they work on all.
    #[arg(long, value_name = "N")]
    at_once: Option<NonZeroU32>,
    /// Whether credentials are asked for.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    authentication: bool,
    /// Something that goes wrong from the start: `hang coordinator=2 next=3`. Repeatable.
    #[arg(long, value_name = "FAULT", long_help = fail_help())]
    fail: Vec<FaultRule>,
    /// Where faults, the request log and tokens can be looked at and changed while it runs: a loopback address, as
    /// there is no password. Port 0: a free port. `curl` on the printed URL says what is there.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    control: Option<SocketAddr>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// TLS on every coordinator's port.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
struct TlsArgs {
    /// Speak TLS, with a certificate that is made for localhost and the loopback addresses unless one is given.
    #[arg(long)]
    tls: bool,
    /// A file with the certificate, and those between it and its authority, in PEM. Implies --tls.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// A file with the certificate's private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where to write what clients have to trust, in PEM. Implies --tls. Without it a file is made whose name is printed,
    /// and which is removed at the end.
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert")]
    tls_ca_file: Option<PathBuf>,
    /// Take only clients with a certificate of the authority in this file, in PEM. Implies --tls.
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
}

/// What `--fail` takes, at length.
fn fail_help() -> String {
    format!(
        "Something that goes wrong from the start: `hang coordinator=2 next=3`. Repeatable.\n\n{}",
        help()
    )
}

/// Reads an address of this machine that no other one reaches.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "it isn't ADDRESS:PORT; try 127.0.0.1:0".to_owned())?;
    let refused = "the control port has no password and so takes loopback addresses only; try 127.0.0.1:0";
    if address.ip().is_loopback() { Ok(address) } else { Err(refused.to_owned()) }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

impl TlsArgs {
    fn tls(&self, address: IpAddr) -> Result<Option<Tls>> {
        let (certificate, clients) = (self.tls_cert.as_ref(), self.tls_client_ca.as_ref());
        let tls = match (certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Tls::given(read(certificate)?, read(key)?),
            _ if self.tls || clients.is_some() || self.tls_ca_file.is_some() => Tls::self_made(address)?,
            _ => return Ok(None),
        };
        Ok(Some(match clients {
            Some(path) => tls.with_client_authority(read(path)?),
            None => tls,
        }))
    }

    /// Writes what clients have to trust. A file that nobody named is removed when what comes back is dropped.
    fn write_authority(&self, tls: &Tls) -> Result<(PathBuf, Option<tempfile::TempPath>)> {
        let (path, made) = if let Some(path) = &self.tls_ca_file {
            (path.clone(), None)
        } else {
            let file = tempfile::Builder::new().prefix("arango-stand-in-ca-").suffix(".pem").tempfile()?;
            (file.path().to_owned(), Some(file.into_temp_path()))
        };
        fs::write(&path, &tls.authority).with_context(|| format!("can't write {}", path.display()))?;
        Ok((path, made))
    }
}

impl Args {
    fn options(&self) -> Result<Options> {
        let seed = rand::random();
        let mut config =
            if self.single { Config::single(seed) } else { Config::cluster(self.coordinators.into(), seed) };
        // Random, and not derived from the seed: ids are public and follow from it.
        config.jwt_secret = rand::random::<[u8; 32]>().to_vec();
        if let Some(path) = &self.jwt_secret_file {
            let secret = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            config.jwt_secret = secret.trim_ascii().to_vec();
            if config.jwt_secret.is_empty() || config.jwt_secret.len() > SECRET_MAX {
                bail!("the secret in {} must have 1 to {SECRET_MAX} bytes", path.display());
            }
        }
        if let Some(id) = &self.cluster_id {
            config.cluster_id.clone_from(id);
        }
        config.admin_execute = self.allow_admin_execute;
        config.authentication = self.authentication;
        config.root_password = self.root_password.clone().unwrap_or_else(|| {
            super::screen::tell(
                "warning: the password of root is empty; set it with --root-password or ARANGO_ROOT_PASSWORD",
            );
            String::new()
        });
        let tls = self.tls.tls(self.listen.ip())?;
        Ok(Options {
            listen: self.listen,
            config,
            delay: self.delay,
            at_once: self.at_once,
            tls,
            faults: self.fail.clone(),
        })
    }
}

/// Runs until SIGINT or SIGTERM.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let options = args.options()?;
    tokio::runtime::Runtime::new()?.block_on(async {
        // Before the first line is printed: whoever reads it may send the signal at once.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let made = options.tls.clone().filter(|_| args.tls.tls_cert.is_none());
        let stand_in = StandIn::start(options).await?;
        // Kept until the end, which removes the file.
        let authority = made.map(|tls| args.tls.write_authority(&tls)).transpose()?;
        let control = match args.control {
            Some(address) => Some(stand_in.start_control(address).await?),
            None => None,
        };
        for (n, endpoint) in stand_in.endpoints().iter().enumerate() {
            super::output::say(format_args!("coordinator {} {endpoint}", n + 1));
        }
        if let Some((path, _)) = &authority {
            super::output::say(format_args!("ca {}", path.display()));
        }
        if let Some(address) = control {
            super::output::say(format_args!("control http://{address}"));
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
    fn the_control_port_is_for_this_machine_alone() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:80").is_ok());
        for bad in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "localhost:1", "127.0.0.1"] {
            assert!(loopback(bad).is_err(), "{bad}");
        }
    }
}
