//! How the commands that talk to a server are told which one, and as whom.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use secrecy::SecretString;

use crate::{
    arango::{Auth, Client, Connection, Endpoint, Pool},
    core::balance::LoadBalancing,
};

/// The server and the login.
///
/// There is no flag for the password: arguments are seen by everybody on the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArgs {
    /// A coordinator, or a single server: `http://host:8529` or `https://host:8529`. Repeatable, or comma separated
    // The help doesn't show the variable's value: some put a password into such URLs.
    #[arg(
        long = "endpoint",
        env = "ARANGO_ENDPOINT",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL"
    )]
    endpoints: Vec<String>,
    /// The user to log in as
    #[arg(long, env = "ARANGO_USER", default_value = "root", value_name = "NAME")]
    user: String,
    /// A file with the password, one line break at its end left out [else: the environment variable
    /// `ARANGO_PASSWORD`; else an empty password]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with the certificates in PEM that are trusted instead of the system's
    #[arg(long, env = "ARANGO_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How requests are spread over several coordinators
    #[arg(long, value_enum, default_value_t = Spread::RoundRobin)]
    load_balancing: Spread,
}

/// [`LoadBalancing`] as the command line spells it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spread {
    RoundRobin,
    Random,
}

impl ConnectionArgs {
    /// Whether an endpoint was given at all.
    pub fn is_given(&self) -> bool {
        !self.endpoints.is_empty()
    }

    /// The settings, read from flags, environment and files.
    pub fn connection(&self) -> anyhow::Result<Connection> {
        if !self.is_given() {
            anyhow::bail!("no endpoint is given; use --endpoint or ARANGO_ENDPOINT");
        }
        let endpoints = self.endpoints.iter().map(|text| Endpoint::parse(text)).collect::<Result<_, _>>()?;
        let auth = Auth::Jwt { user: self.user.clone(), password: self.password()? };
        let mut connection = Connection::new(endpoints, auth);
        connection.load_balancing = match self.load_balancing {
            Spread::RoundRobin => LoadBalancing::RoundRobin,
            Spread::Random => LoadBalancing::Random,
        };
        if let Some(path) = &self.ca_file {
            let ca = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
            connection.tls.ca = Some(ca);
        }
        Ok(connection)
    }

    /// A client over a pool of its own.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(Pool::new(self.connection()?)?))
    }

    fn password(&self) -> anyhow::Result<SecretString> {
        let Some(path) = &self.password_file else {
            return Ok(std::env::var("ARANGO_PASSWORD").unwrap_or_default().into());
        };
        let mut text =
            std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        // Editors and `echo` add one line break; whatever else is there is the password.
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text.into())
    }
}
