//! What a file of cases says. `docs/contract.md` explains the words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::expect::Expect;

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Topic {
    /// What the file is about, in a sentence.
    pub(crate) about: String,
    /// Its cases.
    pub(crate) cases: Vec<Case>,
}

/// A kind of deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shape {
    /// One server.
    Single,
    /// Coordinators.
    Cluster,
}

/// What the runner must have for a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Need {
    /// The secret that signs tokens.
    Secret,
    /// Two endpoints at least.
    Coordinators,
}

/// A promise of the server, and the requests that show whether it is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The promise: one sentence, unique within its file.
    #[serde(rename = "case")]
    pub(crate) title: String,
    /// The only shape that it is about; without it, both.
    pub(crate) only: Option<Shape>,
    /// The first version that keeps it, as `3.12`.
    pub(crate) since: Option<String>,
    /// What the runner must have for it.
    #[serde(default)]
    pub(crate) needs: Vec<Need>,
    /// It changes what others see (server mode, maintenance) or would do harm if the promise were broken: it runs
    /// alone, and on a real server only when that was asked for.
    #[serde(default)]
    pub(crate) disruptive: bool,
    /// What is there before the first step.
    #[serde(default)]
    pub(crate) given: Given,
    /// The requests in their order.
    pub(crate) steps: Vec<Step>,
    /// Requests that are sent afterwards whatever happened, such as those that undo a mode.
    #[serde(default)]
    pub(crate) finally: Vec<Step>,
}

/// What root makes before the first step. Names get the prefix, unless they start with `_` or `*`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    /// Databases.
    #[serde(default)]
    pub(crate) databases: Vec<String>,
    /// Collections as `DATABASE/COLLECTION`.
    #[serde(default)]
    pub(crate) collections: Vec<String>,
    /// Users and their levels by `DATABASE` or `DATABASE/COLLECTION`. Their password is the case's.
    #[serde(default)]
    pub(crate) users: BTreeMap<String, BTreeMap<String, String>>,
}

/// Whose credentials a request carries.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Who {
    /// `root`, `nobody`, `superuser`; else a user of `given`, or `NAME:PASSWORD` with another password.
    Name(String),
    /// Anything else.
    Other(Credentials),
}

impl Default for Who {
    fn default() -> Self {
        Self::Name("root".to_owned())
    }
}

/// Credentials that are spelt out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Credentials {
    /// The token that a user of `given` (or `root`) gets when he logs in; asked for once in a case.
    Token(String),
    /// HTTP Basic with this text, `NAME:PASSWORD`.
    Basic(String),
    /// This token.
    Bearer(String),
    /// A token with these claims, signed with the deployment's secret.
    Claims(Value),
}

/// One request and what must be answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// `METHOD PATH`; the path goes out exactly as it is written.
    pub(crate) send: String,
    /// Who asks.
    #[serde(default, rename = "as")]
    pub(crate) who: Who,
    /// Headers beside the credentials.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body as JSON.
    pub(crate) body: Option<Value>,
    /// The body as it is.
    pub(crate) text: Option<String>,
    /// The body as base64.
    pub(crate) bytes: Option<String>,
    /// 2 for clear-text HTTP/2 by prior knowledge.
    pub(crate) http: Option<u8>,
    /// Which endpoint is asked, counted from 1. The first unless the case is about several.
    #[serde(default = "first")]
    pub(crate) coordinator: usize,
    /// The only shape on which the step is taken.
    pub(crate) only: Option<Shape>,
    /// The first version on which the step is taken.
    pub(crate) since: Option<String>,
    /// Asked again for a while until the answer is as expected: what reaches other servers late.
    #[serde(default)]
    pub(crate) eventually: bool,
    /// What no source is sure of. All variants that are named count as right.
    pub(crate) unconfirmed: Option<String>,
    /// The answer; status 200 if nothing is said.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// What later steps may name, by its place in the answer.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, Keep>,
}

fn first() -> usize {
    1
}

/// Where to find something in an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Keep {
    /// A JSON pointer.
    At(String),
    /// The first key of an object whose value looks like this.
    Key {
        /// The object, as a JSON pointer.
        key_of: String,
        /// The pattern of the value.
        #[serde(rename = "where")]
        like: Value,
    },
}

/// Whether a version such as `3.12.10` is this one, such as `3.12`, or later.
pub(crate) fn reaches(version: &str, since: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split(['.', '-']).map_while(|part| part.parse().ok()).collect() };
    numbers(version) >= numbers(since)
}

impl Case {
    /// Whether the case says anything about such a deployment.
    pub(crate) fn applies(&self, shape: Shape, version: &str) -> bool {
        applies(self.only, self.since.as_deref(), shape, version)
    }
}

impl Step {
    /// Whether the step is taken on such a deployment.
    pub(crate) fn applies(&self, shape: Shape, version: &str) -> bool {
        applies(self.only, self.since.as_deref(), shape, version)
    }
}

fn applies(only: Option<Shape>, since: Option<&str>, shape: Shape, version: &str) -> bool {
    only.is_none_or(|only| only == shape) && since.is_none_or(|since| reaches(version, since))
}
