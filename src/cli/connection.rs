//! How the commands that talk to a server are told which one, and as whom.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum, builder::FalseyValueParser};
use secrecy::{SecretSlice, SecretString};

use super::duration;
use crate::{
    arango::{Auth, Connection, Endpoint},
    core::balance::LoadBalancing,
};

/// The server and the login.
///
/// There is no flag for the password: arguments are seen by everybody on the machine.
#[derive(Debug, Clone, Args)]
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
    #[arg(long, env = "ARANGO_PASSWORD_FILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How the connection logs in
    #[arg(long, env = "ARANGO_AUTH", value_enum, default_value_t = Method::Jwt)]
    auth: Method,
    /// A file with the secret that the deployment signs tokens with, white space around it left out: for `--auth
    /// superuser`, and for `--as` where a command has it
    #[arg(long, env = "ARANGO_JWT_SECRET_FILE", value_name = "FILE")]
    jwt_secret_file: Option<PathBuf>,
    /// A file with the certificates in PEM that are trusted instead of the system's
    #[arg(long, env = "ARANGO_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// A file with our own certificate in PEM, and with its key unless that has a file of its own
    #[arg(long, env = "ARANGO_CLIENT_CERTIFICATE_FILE", value_name = "FILE")]
    client_certificate_file: Option<PathBuf>,
    /// A file with the key of our own certificate in PEM
    #[arg(long, env = "ARANGO_CLIENT_KEY_FILE", value_name = "FILE", requires = "client_certificate_file")]
    client_key_file: Option<PathBuf>,
    /// Trust every certificate: whoever is in between can read and change everything, the password included
    #[arg(long, env = "ARANGO_INSECURE_SKIP_VERIFY", value_parser = FalseyValueParser::new())]
    insecure_skip_verify: bool,
    /// How long a request may take, with login and other coordinators: `500ms`, `30s`, `2m`
    #[arg(
        long,
        env = "ARANGO_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = duration::parse
    )]
    timeout: Duration,
    /// How requests are spread over several coordinators
    #[arg(long, env = "ARANGO_LOAD_BALANCING", value_enum, default_value_t = Spread::RoundRobin)]
    load_balancing: Spread,
}

/// How the connection logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// User and password once, for a token
    Jwt,
    /// User and password with every request
    Basic,
    /// Tokens signed here with the deployment's own secret: as the deployment itself, which may do everything
    Superuser,
}

/// [`LoadBalancing`] as the command line spells it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spread {
    RoundRobin,
    Random,
}

impl ConnectionArgs {
    /// The settings, read from flags, environment and files.
    pub fn connection(&self) -> anyhow::Result<Connection> {
        let auth = match self.auth {
            Method::Jwt => Auth::Jwt { user: self.user.clone(), password: self.password()? },
            Method::Basic => Auth::Basic { user: self.user.clone(), password: self.password()? },
            Method::Superuser => {
                Auth::Superuser { secret: self.jwt_secret().context("--auth superuser signs tokens")? }
            }
        };
        self.connection_with(auth)
    }

    /// The account that the connection is made with; nothing for the deployment itself.
    pub fn account(&self) -> Option<String> {
        (self.auth != Method::Superuser).then(|| self.user.clone())
    }

    /// Whether an endpoint is given.
    pub fn has_endpoints(&self) -> bool {
        self.endpoints.iter().any(|text| !text.trim().is_empty())
    }

    /// The settings as a user whose password nobody has to know: by a token signed with the deployment's secret.
    pub fn connection_as(&self, user: &str) -> anyhow::Result<Connection> {
        let secret = self.signing_secret()?;
        self.connection_with(Auth::SignedAs { secret, user: user.to_owned() })
    }

    /// The secret that such a token is signed with.
    pub(super) fn signing_secret(&self) -> anyhow::Result<SecretSlice<u8>> {
        self.jwt_secret().context("--as signs a token")
    }

    fn connection_with(&self, auth: Auth) -> anyhow::Result<Connection> {
        let texts: Vec<_> =
            self.endpoints.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        if texts.is_empty() {
            bail!(
                "no endpoint is given; use --endpoint or ARANGO_ENDPOINT, or name an ArangoCluster with -f, --kubeconfig \
                 or --context"
            );
        }
        if self.timeout.is_zero() {
            bail!("a request needs some time; give a --timeout that is not zero");
        }
        let endpoints = texts.into_iter().map(Endpoint::parse).collect::<Result<_, _>>()?;
        let mut connection = Connection::new(endpoints, auth);
        connection.load_balancing = match self.load_balancing {
            Spread::RoundRobin => LoadBalancing::RoundRobin,
            Spread::Random => LoadBalancing::Random,
        };
        connection.timeout = self.timeout;
        connection.connect_timeout = connection.connect_timeout.min(self.timeout);
        connection.tls.ca = self.ca_file.as_deref().map(bytes).transpose()?;
        connection.tls.identity = self.identity()?;
        connection.tls.insecure_skip_verify = self.insecure_skip_verify;
        if self.insecure_skip_verify {
            super::screen::tell(
                "warning: certificates are not verified (--insecure-skip-verify): whoever is in between can read \
                 and change everything",
            );
        }
        Ok(connection)
    }

    /// Who logs in, unless it signs tokens itself.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Whether it signs tokens itself instead of logging in.
    pub(super) fn is_superuser(&self) -> bool {
        self.auth == Method::Superuser
    }

    /// Whether it sends the password with every request.
    pub(super) fn is_basic(&self) -> bool {
        self.auth == Method::Basic
    }

    /// Our certificate and its key, one after the other.
    fn identity(&self) -> anyhow::Result<Option<SecretSlice<u8>>> {
        let Some(certificate) = &self.client_certificate_file else { return Ok(None) };
        let mut pem = bytes(certificate)?;
        if let Some(key) = &self.client_key_file {
            pem.push(b'\n');
            pem.extend(bytes(key)?);
        }
        Ok(Some(pem.into()))
    }

    fn jwt_secret(&self) -> anyhow::Result<SecretSlice<u8>> {
        let path = self.jwt_secret_file.as_deref().context(
            "name the file of the deployment's secret with --jwt-secret-file or ARANGO_JWT_SECRET_FILE",
        )?;
        let secret = bytes(path)?.trim_ascii().to_vec();
        if secret.is_empty() {
            bail!("there is no secret in {}", path.display());
        }
        Ok(secret.into())
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

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read {}", path.display()))
}
