//! What an answer must be.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    pattern::{Names, differences, fill, short},
    server::Answer,
};

/// The answers that count as right; one where the server's behaviour is known.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Expect(pub(crate) Vec<Variant>);

/// One answer that counts as right.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variant {
    /// The status; that of `error`, else 200, if it isn't said.
    status: Option<u16>,
    /// `STATUS/ERRORNUM`.
    error: Option<String>,
    /// The pattern of `errorMessage`.
    message: Option<Value>,
    /// The pattern of the body; it may hold more.
    answer: Option<Value>,
    /// The pattern of the body, which holds nothing else at any depth.
    exactly: Option<Value>,
    /// The pattern of `result` in the usual envelope: `error`, `code` and nothing else.
    result: Option<Value>,
    /// Patterns of response headers; several values of one are joined by a newline.
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    /// The pattern of a body that isn't JSON.
    text: Option<Value>,
    /// The body is empty.
    #[serde(default)]
    empty: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Self(vec![Variant::default()])
    }
}

impl TryFrom<Value> for Expect {
    type Error = anyhow::Error;

    fn try_from(value: Value) -> Result<Self> {
        let variants = match value {
            Value::Array(all) => all,
            one => vec![one],
        };
        variants.into_iter().map(Variant::read).collect::<Result<_>>().map(Self)
    }
}

impl Variant {
    /// `200`, `403/11`, or an object.
    fn read(value: Value) -> Result<Self> {
        let variant: Self = match value {
            Value::Number(_) => Self { status: serde_json::from_value(value)?, ..Self::default() },
            Value::String(text) => Self { error: Some(text), ..Self::default() },
            other => serde_json::from_value(other.clone()).with_context(|| format!("in {other}"))?,
        };
        variant.codes()?;
        Ok(variant)
    }

    /// The status and the error number.
    fn codes(&self) -> Result<(u16, Option<u64>)> {
        let Some(error) = &self.error else { return Ok((self.status.unwrap_or(200), None)) };
        let codes = error.split_once('/').with_context(|| format!("{error:?} isn't STATUS/ERRORNUM"))?;
        Ok((codes.0.parse()?, Some(codes.1.parse()?)))
    }

    /// How the answer differs.
    fn differences(&self, answer: &Answer, names: &Names) -> Result<Vec<String>> {
        let (status, error) = self.codes()?;
        let mut found = Vec::new();
        if answer.status != status {
            found.push(format!("status: expected {status}, got {}", answer.status));
        }
        let body = answer.json.as_ref();
        let mut body_is = |pattern: &Value, exact: bool| -> Result<()> {
            found.extend(differences(&fill(pattern, names)?, body, exact));
            Ok(())
        };
        if let Some(number) = error {
            body_is(&json!({"errorNum": number}), false)?;
        }
        if let Some(message) = &self.message {
            body_is(&json!({"errorMessage": message}), false)?;
        }
        if let Some(pattern) = &self.answer {
            body_is(pattern, false)?;
        }
        if let Some(pattern) = &self.exactly {
            body_is(pattern, true)?;
        }
        if let Some(result) = &self.result {
            body_is(&json!({"error": false, "code": status, "result": result}), false)?;
            let more = body.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str());
            let more = more.filter(|key| !["error", "code", "result"].contains(key));
            found.extend(more.map(|key| format!("/{key}: expected nothing beside `result`")));
        }
        for (name, pattern) in &self.headers {
            let value = answer.headers.get(name).map(|value| Value::from(value.as_str()));
            let wrong = differences(&fill(pattern, names)?, value.as_ref(), false);
            found.extend(wrong.into_iter().map(|difference| format!("header {name}: {difference}")));
        }
        if let Some(pattern) = &self.text {
            let text = Value::from(String::from_utf8_lossy(&answer.body).as_ref());
            found.extend(differences(&fill(pattern, names)?, Some(&text), false));
        }
        if self.empty && !answer.body.is_empty() {
            found.push("the body: expected none".to_owned());
        }
        if !self.empty && self.text.is_none() {
            found.extend(envelope(answer));
        }
        Ok(found)
    }
}

/// What every answer with a JSON object keeps: an error says what it is in four keys, a success never has a number.
fn envelope(answer: &Answer) -> Vec<String> {
    if answer.to_head {
        let wrong = if answer.body.is_empty() { None } else { Some("HEAD: expected no body".to_owned()) };
        return wrong.into_iter().collect();
    }
    let code = answer.status;
    if code >= 400 {
        let error = json!({"error": true, "code": code, "errorNum": "$number", "errorMessage": "$string"});
        return differences(&error, answer.json.as_ref(), false);
    }
    let Some(Value::Object(members)) = &answer.json else { return Vec::new() };
    let right = [("error", Some(json!(false))), ("code", Some(json!(code))), ("errorNum", None)];
    let wrong = right.iter().filter_map(|(key, right)| {
        let value = members.get(*key).filter(|value| Some(*value) != right.as_ref())?;
        Some(format!("/{key}: a success of {code} says {value}"))
    });
    wrong.collect()
}

impl Expect {
    /// How the answer differs from each variant; nothing if it is one of them.
    pub(crate) fn differences(&self, answer: &Answer, names: &Names) -> Result<Vec<String>> {
        let mut reports = Vec::new();
        for (n, variant) in self.0.iter().enumerate() {
            let found = variant.differences(answer, names)?;
            if found.is_empty() {
                return Ok(found);
            }
            let title = if self.0.len() > 1 { format!("variant {}: ", n + 1) } else { String::new() };
            reports.extend(found.into_iter().map(|difference| format!("{title}{difference}")));
        }
        Ok(reports)
    }
}

impl Answer {
    /// The answer in one line.
    pub(crate) fn shown(&self) -> String {
        match &self.json {
            Some(body) => format!("{} {}", self.status, short(body)),
            None => format!("{} {}", self.status, short(&String::from_utf8_lossy(&self.body).into())),
        }
    }
}
