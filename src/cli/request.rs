//! `request`: any request through the pool.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use http::Method;

use super::connection::ConnectionArgs;
use crate::{
    arango::{Client, Pool, Request},
    core::{DatabaseName, encode_segment},
};

/// Send any request to a deployment.
///
/// The status goes to standard error, the body to standard output.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 the server answered with a success, 1 anything else, 2 wrong usage")]
pub struct RequestArgs {
    /// GET, POST, PUT, PATCH, DELETE, …
    method: String,
    /// Path and query, percent-encoded: `/_api/version?details=true`
    path: String,
    /// The body, JSON; `@FILE` reads a file, `@-` standard input
    #[arg(short, long, value_name = "BODY")]
    data: Option<String>,
    /// The database, put before the path as `/_db/NAME`
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Send it as this user, by a token signed with the deployment's secret: see --jwt-secret-file
    #[arg(long = "as", value_name = "USER")]
    as_user: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Sends the request and prints the answer.
pub async fn run(args: RequestArgs) -> anyhow::Result<ExitCode> {
    let method = Method::from_bytes(args.method.to_ascii_uppercase().as_bytes())
        .with_context(|| format!("{:?} is no HTTP method", args.method))?;
    let request = Request::new(method, path(&args.path, args.database.as_deref())?);
    let request = match args.data.as_deref().map(body).transpose()? {
        Some(body) => request.body(body),
        None => request,
    };
    let connection = match &args.as_user {
        Some(user) => args.connection.connection_as(user)?,
        None => args.connection.connection()?,
    };
    let answer = Client::new(Pool::new(connection)?).send(request).await?;
    eprintln!("{}", answer.status);
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.body)?;
    if !answer.body.is_empty() && !answer.body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(if answer.status.as_u16() < 400 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The path with its database, and with a leading slash.
fn path(path: &str, database: Option<&str>) -> anyhow::Result<String> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let prefix = match database {
        // A name under which the server keeps something may be older than today's rules: only NFC matters.
        Some(name) => match DatabaseName::parse(name) {
            Ok(name) => format!("/_db/{}", name.encoded()),
            Err(_) if name.starts_with('_') => format!("/_db/{}", encode_segment(name)),
            Err(error) => return Err(error.into()),
        },
        None => String::new(),
    };
    Ok(format!("{prefix}{slash}{path}"))
}

/// The body: as given, from a file, or from standard input.
fn body(data: &str) -> anyhow::Result<serde_json::Value> {
    let text = match data.strip_prefix('@') {
        None => data.to_owned(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("can't read standard input")?;
            text
        }
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("can't read {file}"))?,
    };
    // The text may hold a password, so only the place of the mistake is told.
    serde_json::from_str(&text).map_err(|error| {
        anyhow::anyhow!("the body is no JSON, see line {} column {}", error.line(), error.column())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_put_before_the_path() {
        assert_eq!(path("/_api/version?x=1", None).unwrap(), "/_api/version?x=1");
        assert_eq!(path("_api/version", Some("cafe\u{301}")).unwrap(), "/_db/caf%C3%A9/_api/version");
        assert!(path("/x", Some("a/b")).is_err());
    }

    #[test]
    fn a_body_that_is_no_json_is_not_quoted() {
        let error = body("canary").unwrap_err();
        assert!(!format!("{error:#} {error:?}").contains("canary"));
    }
}
