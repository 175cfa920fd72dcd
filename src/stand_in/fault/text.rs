//! Rules as people write them: `NAME key=value …`, or the same keys as a JSON object. One reader for both.

use std::{collections::BTreeMap, fmt, fmt::Write as _, str::FromStr, time::Duration};

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::{Fault, FaultRule, KEYS, KINDS, Kind, LIMITS, REFUSE};

/// The longest time that a rule may name.
const TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads a duration such as `5ms`, `2s` or `1m`, up to a day.
///
/// # Errors
///
/// It is none; a sentence says why.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = crate::core::duration::parse(text)?;
    if duration > TIME_MAX { Err(format!("{text:?} is more than a day")) } else { Ok(duration) }
}

fn shown(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

/// What can be written, for `--help` and for whoever asks the control port.
pub fn help() -> String {
    let mut help = String::from("Faults:\n");
    for Kind { name, says, .. } in &KINDS {
        // Writing into a text can't fail, here and below.
        let _ = writeln!(help, "  {name:<12} {says}");
    }
    for (title, keys) in [("What some of them take", &KEYS[..]), ("Limits", &LIMITS[..])] {
        let _ = writeln!(help, "{title}:");
        for (key, says) in keys {
            let _ = writeln!(help, "  {:<12} {says}", format!("{key}="));
        }
    }
    help
}

/// What was written, key by key; whatever nobody takes is a mistake.
struct Written(BTreeMap<String, String>);

impl Written {
    fn take<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let Some(text) = self.0.remove(key) else { return Ok(None) };
        read(&text).map(Some).map_err(|error| format!("{key}: {error}"))
    }

    fn need<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
        self.take(key, read)?.ok_or_else(|| format!("{key}= is missing, such as {key}=200ms"))
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

fn whole(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text:?} is no number from 1 up"))
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0);
    number.ok_or_else(|| format!("{text:?} is no number above 0 and up to 1, such as 0.25"))
}

fn status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse().ok().filter(|status: &StatusCode| status.as_u16() >= 400);
    status.ok_or_else(|| format!("{text:?} is no HTTP status from 400 up"))
}

/// A token, as RFC 9110 has it, in capitals as every method that is known is written.
fn method(text: &str) -> Result<Method, String> {
    text.to_ascii_uppercase().parse().map_err(|_| format!("{text:?} is no HTTP method"))
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(format!("{text:?} doesn't start with /")) }
}

fn rule(mut written: Written) -> Result<FaultRule, String> {
    let name = written.0.remove("fault").ok_or("which fault? Its name is missing")?;
    let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        format!("{name:?} is no fault; there are {}", names.join(", "))
    })?;
    let limits = LIMITS.iter().map(|(key, _)| *key);
    let taken: Vec<_> = limits
        .filter(|key| name != REFUSE || matches!(*key, "coordinator" | "for"))
        .chain(kind.keys.iter().copied())
        .collect();
    if let Some(key) = written.0.keys().find(|key| !taken.contains(&key.as_str())) {
        return Err(format!("{name} takes {}, but not {key}", taken.join(", ")));
    }
    let fault = match kind.name {
        "hang" => Fault::Hang,
        "delay" => Fault::Delay {
            time: written.need("time", duration)?,
            jitter: written.take("jitter", duration)?.unwrap_or_default(),
        },
        "drop" => Fault::Drop,
        "cut" => Fault::Cut,
        "starting" => Fault::Starting,
        "maintenance" => Fault::Maintenance,
        "stopping" => Fault::Stopping,
        "queue-full" => Fault::QueueFull,
        "error" => Fault::Error,
        "html" => Fault::Html { status: written.take("status", status)?.unwrap_or(StatusCode::BAD_GATEWAY) },
        "conflict" => Fault::Conflict,
        "stale" => Fault::Stale { time: written.need("time", duration)? },
        _ => Fault::Refuse,
    };
    let coordinator = written.take("coordinator", whole)?;
    Ok(FaultRule {
        fault,
        coordinator: coordinator.map(|number| usize::try_from(number - 1).unwrap_or(usize::MAX)),
        method: written.take("method", method)?,
        path: written.take("path", path)?,
        next: written.take("next", whole)?,
        share: written.take("share", share)?.unwrap_or(1.0),
        lasting: written.take("for", duration)?,
        effect: written.take("effect", truth)?,
        retry_after: written.take("retry-after", |text| {
            text.parse().map_err(|_| format!("{text:?} is no number of seconds"))
        })?,
    })
}

impl FromStr for FaultRule {
    type Err = String;

    /// Reads `NAME key=value …`. The error is a sentence.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or("which fault? Its name is missing")?;
        let mut written = BTreeMap::from([("fault".to_owned(), name.to_owned())]);
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no key=value"))?;
            if written.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("{key} is there twice"));
            }
        }
        rule(Written(written))
    }
}

impl FaultRule {
    /// Reads a JSON object with the same keys, and with the fault's name under `fault`; or a JSON text.
    ///
    /// # Errors
    ///
    /// It is no rule; a sentence says why.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let object = match value {
            Value::String(text) => return text.parse(),
            Value::Object(object) => object,
            _ => return Err("a fault is an object or a text".to_owned()),
        };
        // What is given as null isn't given; so a listed rule can be sent back.
        let given = object.iter().filter(|(_, value)| !value.is_null());
        let pairs = given.map(|(key, value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => Ok((key.clone(), value.to_string())),
            _ => Err(format!("{key} must be a text or a number")),
        });
        rule(Written(pairs.collect::<Result<_, _>>()?))
    }

    /// What it takes to write it, without what goes without saying.
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let (time, jitter) = match self.fault {
            Fault::Delay { time, jitter } => (Some(time), Some(jitter).filter(|jitter| !jitter.is_zero())),
            Fault::Stale { time } => (Some(time), None),
            _ => (None, None),
        };
        let status =
            if let Fault::Html { status } = self.fault { Some(status.as_str().to_owned()) } else { None };
        let effect = self.effect.map(|effect| if effect { "yes" } else { "no" }.to_owned());
        let pairs = [
            ("time", time.map(shown)),
            ("jitter", jitter.map(shown)),
            ("status", status),
            ("effect", effect),
            ("retry-after", self.retry_after.map(|seconds| seconds.to_string())),
            ("coordinator", self.coordinator.map(|index| index.saturating_add(1).to_string())),
            ("method", self.method.as_ref().map(Method::to_string)),
            ("path", self.path.clone()),
            ("next", self.next.map(|next| next.to_string())),
            ("share", Some(self.share).filter(|share| *share < 1.0).map(|share| share.to_string())),
            ("for", self.lasting.map(shown)),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// As JSON, in the form that [`FaultRule::from_json`] reads.
    pub fn to_json(&self) -> Map<String, Value> {
        let name = ("fault".to_owned(), self.fault.name().into());
        let value = |text: String| text.parse::<serde_json::Number>().map_or(Value::from(text), Value::from);
        let pairs = self.pairs().into_iter().map(|(key, text)| (key.to_owned(), value(text)));
        [name].into_iter().chain(pairs).collect()
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.name())?;
        self.pairs().iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}
