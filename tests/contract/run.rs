//! Runs one case: what is given, the steps, and the removal of whatever came of them.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    case::{Case, Credentials, Keep, Step, Who},
    pattern::{Names, fill, fill_text, matches},
    server::{Answer, Request, Server, basic},
};

/// How long something may take that reaches other servers late.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the names of everything start with, so that leftovers of a killed run can be told.
const PREFIX: &str = "contract-";

/// What a step answered of which no source is sure: the case, the step, the question and the answer.
pub(crate) type Finding = (String, usize, String, String);

/// One case on one server.
pub(crate) struct Run<'a> {
    server: &'a Server,
    case: &'a Case,
    /// What `$name` stands for: `p` is the prefix, `password` the password of the given users, `root` the account;
    /// `past`, `nearly` and `soon` are moments a minute ago, in 100 seconds and in ten minutes.
    names: Names,
    tokens: BTreeMap<String, String>,
    findings: Vec<Finding>,
}

impl<'a> Run<'a> {
    /// Runs a case to its end, and removes what it made even if it failed.
    pub(crate) async fn run(server: &'a Server, case: &'a Case) -> Result<Vec<Finding>> {
        let now = jiff::Timestamp::now().as_second();
        let names = [
            ("p", format!("{PREFIX}{:08x}", rand::random::<u32>()).into()),
            ("password", format!("{:016x}", rand::random::<u64>()).into()),
            ("root", server.root.as_str().into()),
            ("past", (now - 60).into()),
            ("nearly", (now + 100).into()),
            ("soon", (now + 600).into()),
        ];
        let names = names.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut run = Run { server, case, names, tokens: BTreeMap::new(), findings: Vec::new() };
        let before = server.stand_in.as_ref().map(|it| it.with_model(|model| model.state().clone()));
        let steps = run.whole().await;
        let undone = run.steps(&case.finally, "finally, step").await;
        let removed = run.remove().await.context("while removing what the case made");
        // The first failure says most; a later one often follows from it.
        steps.and(undone).and(removed)?;
        if let (Some(stand_in), Some(before)) = (&server.stand_in, before) {
            let mut after = stand_in.with_model(|model| model.state().clone());
            after.next_id = before.next_id;
            ensure!(after == before, "the case left something behind: {after:?}");
        }
        Ok(run.findings)
    }

    fn name(&self, name: &str) -> String {
        let own = name.starts_with(['_', '*']);
        if own { name.to_owned() } else { format!("{}-{name}", self.text("p")) }
    }

    fn text(&self, name: &str) -> &str {
        self.names[name].as_str().unwrap_or_default()
    }

    async fn whole(&mut self) -> Result<()> {
        self.given().await.context("while making what is given")?;
        self.steps(&self.case.steps, "step").await
    }

    async fn given(&self) -> Result<()> {
        let given = &self.case.given;
        for name in &given.databases {
            self.server.ask("POST /_api/database", Some(json!({"name": self.name(name)}))).await?;
        }
        for place in &given.collections {
            let (database, collection) = place.split_once('/').context("a collection needs its database")?;
            let send = format!("POST /_db/{}/_api/collection", self.name(database));
            self.server.ask(&send, Some(json!({"name": collection}))).await?;
        }
        for (user, grants) in &given.users {
            let name = self.name(user);
            let body = json!({"user": name, "passwd": self.text("password")});
            self.server.ask("POST /_api/user", Some(body)).await?;
            for (place, level) in grants {
                let send = format!("PUT /_api/user/{name}/database/{}", self.name(place));
                self.server.ask(&send, Some(json!({"grant": level}))).await?;
            }
        }
        Ok(())
    }

    async fn steps(&mut self, steps: &[Step], title: &str) -> Result<()> {
        for (n, step) in steps.iter().enumerate() {
            if step.applies(self.server.shape, &self.server.version) {
                let done = self.step(step, n + 1).await;
                done.with_context(|| format!("{title} {}: {}", n + 1, step.send))?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step, number: usize) -> Result<()> {
        let request = self.request(step).await?;
        let begin = Instant::now();
        let answer = loop {
            let answer = self.server.send(&request).await?;
            let differences = step.expect.differences(&answer, &self.names)?;
            if differences.is_empty() {
                break answer;
            }
            ensure!(
                step.eventually && begin.elapsed() < PATIENCE,
                "not as expected\n  {}\n    {}\n  got {}",
                self.without_secrets(&request.curl()),
                differences.join("\n    "),
                self.without_secrets(&answer.shown()),
            );
            sleep(Duration::from_millis(rand::random_range(100..300))).await;
        };
        if let Some(question) = &step.unconfirmed {
            let shown = answer.shown().replace(self.text("p"), "$p");
            let finding = (self.case.title.clone(), number, question.clone(), self.without_secrets(&shown));
            self.findings.push(finding);
        }
        for (name, keep) in &step.keep {
            let value = kept(&answer, keep, &self.names)
                .with_context(|| format!("nothing to keep as ${name} in {}", answer.shown()))?;
            self.names.insert(name.clone(), value);
        }
        Ok(())
    }

    async fn request(&mut self, step: &Step) -> Result<Request> {
        let mut headers = BTreeMap::new();
        if let Some(credentials) = self.credentials(&step.who).await? {
            headers.insert("authorization".to_owned(), credentials);
        }
        for (name, value) in &step.headers {
            headers.insert(name.to_ascii_lowercase(), fill_text(value, &self.names)?);
        }
        let body = match (&step.body, &step.text, &step.bytes) {
            (Some(body), None, None) => Some(fill(body, &self.names)?.to_string().into_bytes()),
            (None, Some(text), None) => Some(fill_text(text, &self.names)?.into_bytes()),
            (None, None, Some(bytes)) => Some(STANDARD.decode(bytes)?),
            (None, None, None) => None,
            _ => bail!("a request has one body"),
        };
        let endpoint = step.coordinator.checked_sub(1).and_then(|n| self.server.endpoints.get(n));
        Ok(Request {
            endpoint: endpoint.context("there is no such coordinator")?.clone(),
            headers,
            body,
            http2: step.http == Some(2),
            ..self.server.request(&fill_text(&step.send, &self.names)?)?
        })
    }

    async fn credentials(&mut self, who: &Who) -> Result<Option<String>> {
        let server = self.server;
        let credentials = match who {
            Who::Name(name) if name == "nobody" => return Ok(None),
            Who::Name(name) if name == "superuser" => {
                let claims = json!({"iss": "arangodb", "server_id": "contract", "exp": self.names["soon"]});
                format!("bearer {}", server.sign(&claims)?)
            }
            Who::Name(name) => {
                let (name, password) = self.account(name)?;
                basic(&name, &password)
            }
            Who::Other(Credentials::Token(name)) => {
                if !self.tokens.contains_key(name) {
                    let (user, password) = self.account(name)?;
                    self.tokens.insert(name.clone(), server.log_in(&user, &password).await?);
                }
                format!("bearer {}", self.tokens[name])
            }
            Who::Other(Credentials::Basic(text)) => {
                format!("Basic {}", STANDARD.encode(fill_text(text, &self.names)?))
            }
            Who::Other(Credentials::Bearer(token)) => format!("bearer {}", fill_text(token, &self.names)?),
            Who::Other(Credentials::Claims(claims)) => {
                format!("bearer {}", server.sign(&fill(claims, &self.names)?)?)
            }
        };
        Ok(Some(credentials))
    }

    /// The name and the password behind `root`, `NAME` or `NAME:PASSWORD`.
    fn account(&self, name: &str) -> Result<(String, String)> {
        if name == "root" {
            return Ok((self.server.root.clone(), self.server.password.clone()));
        }
        let (name, password) = match name.split_once(':') {
            Some((name, password)) => (name, fill_text(password, &self.names)?),
            None => (name, self.text("password").to_owned()),
        };
        ensure!(name.chars().all(char::is_alphanumeric), "{name:?} is no name of a user");
        Ok((self.name(name), password))
    }

    /// Removes every database, user and collection of `_system` whose name has the case's prefix.
    async fn remove(&self) -> Result<()> {
        let server = self.server;
        let prefix = self.text("p");
        for (list, key) in
            [("/_api/database", None), ("/_api/user", Some("user")), ("/_api/collection", Some("name"))]
        {
            let answer = server.ask(&format!("GET {list}"), None).await?;
            for entry in answer["result"].as_array().context("a list has no result")? {
                let name = key.map_or(entry, |key| &entry[key]).as_str().context("a name is no text")?;
                if name.starts_with(prefix) {
                    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
                    server.ask(&format!("DELETE {list}/{name}"), None).await?;
                }
            }
        }
        Ok(())
    }

    /// A report without passwords and tokens.
    fn without_secrets(&self, text: &str) -> String {
        let secrets = [self.server.password.as_str(), self.text("password")];
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"));
        let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !".-_".contains(c));
        words
            .map(
                |word| {
                    if is_token(word) { format!("…{}", &word[word.len() - 1..]) } else { word.to_owned() }
                },
            )
            .collect()
    }
}

/// Whether a word starts like a JSON Web Token or an access token, up to the character that ends it.
fn is_token(word: &str) -> bool {
    let ends = word.ends_with(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric());
    ends && (word.starts_with("eyJ") || word.starts_with("v1.7b"))
}

fn kept(answer: &Answer, keep: &Keep, names: &Names) -> Result<Value> {
    let body = answer.json.as_ref().context("the answer is no JSON")?;
    match keep {
        Keep::At(pointer) => {
            let pointer = fill_text(pointer, names)?;
            body.pointer(&pointer).cloned().with_context(|| format!("nothing at {pointer}"))
        }
        Keep::Key { key_of, like } => {
            let like = fill(like, names)?;
            let members = body.pointer(key_of).and_then(Value::as_object);
            let found = members.into_iter().flatten().find(|(_, value)| matches(&like, value));
            Ok(found.context("no member is like that")?.0.as_str().into())
        }
    }
}
