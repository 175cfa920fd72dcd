//! `request`: any request through the pool.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use http::Method;

use super::{deployment::DeploymentArgs, output, screen::tell};
use crate::{
    arango::{Client, Pool, Request},
    core::{DatabaseName, encode_segment},
};

/// Send any request to a deployment.
///
/// The status goes to standard error, the body to standard output; with `-o json` both are one document.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator request GET /_api/version
  arango-operator request POST /_api/database -d '{\"name\": \"shop\"}'
  arango-operator request GET /_api/collection --database shop --as alice
  arango-operator request GET /_api/user -o json | jq .status

Exit codes: 0 the server answered with a success, 1 anything else, 2 wrong usage")]
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
    /// In which form the answer is printed
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Form::Body)]
    output: Form,
    #[command(flatten)]
    deployment: DeploymentArgs,
}

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Its body as it is, the status on standard error
    Body,
    /// One JSON document with status and body; docs/commands.md has the keys
    Json,
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
        Some(user) => args.deployment.connection_as(user).await?,
        None => args.deployment.target().await?.connection,
    };
    let answer = Client::new(Pool::new(connection)?).send(request).await?;
    let code = if answer.status.as_u16() < 400 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.output == Form::Json {
        // What is no JSON is shown as the text that it is, as far as it is one.
        let body = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| serde_json::Value::from(String::from_utf8_lossy(&answer.body)));
        let json = serde_json::json!({"status": answer.status.as_u16(), "body": body});
        output::print(output::Format::Json, &json, |_| String::new())?;
        return Ok(code);
    }
    tell(answer.status);
    let mut out = std::io::stdout().lock();
    out.write_all(&answer.body)?;
    if !answer.body.is_empty() && !answer.body.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(code)
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
