//! Patterns of JSON, and the places in them that are filled in.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

/// What stands for any value of a kind.
const KINDS: [&str; 8] = ["string", "number", "boolean", "array", "object", "any", "absent", "date"];
/// What takes an argument, as the only key of an object.
const OPERATORS: [&str; 7] = ["contains", "without", "each", "one_of", "not", "exactly", "unordered"];

/// What `$name` stands for.
pub(crate) type Names = BTreeMap<String, Value>;

/// Fills in every `$name` in texts and keys; `$$` is a dollar. A text that is nothing but a name becomes the value
/// with its type. The words of patterns stay.
pub(crate) fn fill(value: &Value, names: &Names) -> Result<Value> {
    Ok(match value {
        Value::String(text) => match text.strip_prefix('$').and_then(|name| names.get(name)) {
            Some(value) => value.clone(),
            None => Value::String(fill_text(text, names)?),
        },
        Value::Array(all) => Value::Array(all.iter().map(|one| fill(one, names)).collect::<Result<_>>()?),
        Value::Object(all) => {
            let pairs = all.iter().map(|(key, value)| Ok((fill_text(key, names)?, fill(value, names)?)));
            Value::Object(pairs.collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

/// The same for a text that stays one.
pub(crate) fn fill_text(text: &str, names: &Names) -> Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        rest = tail;
        match names.get(name) {
            _ if name.is_empty() && tail.starts_with('$') => {
                filled.push('$');
                rest = &tail[1..];
            }
            Some(Value::String(value)) => filled.push_str(value),
            Some(value) => filled.push_str(&value.to_string()),
            None if KINDS.contains(&name) || OPERATORS.contains(&name) => {
                filled.push('$');
                filled.push_str(name);
            }
            None => bail!(
                "{text:?} names ${name}, which is neither kept by an earlier step nor a word of patterns"
            ),
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Where a value isn't as the pattern says. An object may hold more than the pattern names, unless `exact`.
pub(crate) fn differences(pattern: &Value, value: Option<&Value>, exact: bool) -> Vec<String> {
    let mut found = Vec::new();
    compare(pattern, value, "", exact, &mut found);
    found
}

/// Whether a value is as the pattern says.
pub(crate) fn matches(pattern: &Value, value: &Value) -> bool {
    differences(pattern, Some(value), false).is_empty()
}

fn compare(pattern: &Value, value: Option<&Value>, at: &str, exact: bool, found: &mut Vec<String>) {
    let place = if at.is_empty() { "the whole" } else { at };
    let differs = |got: &Value| format!("{place}: expected {pattern}, got {}", short(got));
    let Some(value) = value else {
        if pattern != "$absent" {
            found.push(format!("{place}: expected {pattern}, but there is nothing"));
        }
        return;
    };
    if let Some(kind) = pattern.as_str().and_then(|text| text.strip_prefix('$')).filter(|k| KINDS.contains(k))
    {
        if !is(kind, value) {
            found.push(differs(value));
        }
        return;
    }
    if let Value::Object(pattern) = pattern {
        return members(pattern, value, at, exact, found);
    }
    match (pattern, value) {
        (Value::Array(patterns), Value::Array(values)) if patterns.len() == values.len() => {
            for (n, (pattern, value)) in patterns.iter().zip(values).enumerate() {
                compare(pattern, Some(value), &format!("{at}/{n}"), exact, found);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ if pattern == value => {}
        _ => found.push(differs(value)),
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "any" => true,
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "date" => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        // What is there isn't absent.
        _ => false,
    }
}

/// An object: each `$word` says something of the whole value, and every other key something of a member.
fn members(pattern: &Map<String, Value>, value: &Value, at: &str, exact: bool, found: &mut Vec<String>) {
    let word = |key: &str| key.strip_prefix('$').is_some_and(|word| OPERATORS.contains(&word));
    for (key, argument) in pattern.iter().filter(|(key, _)| word(key)) {
        operate(&key[1..], argument, value, at, exact, found);
    }
    if pattern.keys().all(|key| word(key)) && !pattern.is_empty() {
        return;
    }
    let Value::Object(value) = value else {
        let place = if at.is_empty() { "the whole" } else { at };
        return found.push(format!("{place}: expected an object, got {}", short(value)));
    };
    for (key, pattern) in pattern.iter().filter(|(key, _)| !word(key)) {
        compare(pattern, value.get(key), &format!("{at}/{key}"), exact, found);
    }
    for (key, value) in value.iter().filter(|(key, _)| exact && !pattern.contains_key(*key)) {
        found.push(format!("{at}/{key}: expected nothing, got {}", short(value)));
    }
}

fn operate(word: &str, argument: &Value, value: &Value, at: &str, exact: bool, found: &mut Vec<String>) {
    let some = |pattern: &Value| match (value, pattern) {
        (Value::Array(all), _) => all.iter().any(|one| differences(pattern, Some(one), exact).is_empty()),
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        _ => false,
    };
    let arguments = argument.as_array().map_or(std::slice::from_ref(argument), Vec::as_slice);
    let place = if at.is_empty() { "the whole" } else { at };
    match word {
        "contains" => {
            let missing = arguments.iter().filter(|pattern| !some(pattern));
            found.extend(missing.map(|pattern| format!("{place}: expected {pattern} in {}", short(value))));
        }
        "without" => {
            let there = arguments.iter().filter(|pattern| some(pattern));
            found.extend(there.map(|pattern| format!("{place}: expected no {pattern} in {}", short(value))));
        }
        "each" => {
            let empty = Map::new();
            let (list, map) = (value.as_array(), value.as_object().unwrap_or(&empty));
            let list = list.into_iter().flatten().enumerate().map(|(n, one)| (n.to_string(), one));
            let all: Vec<_> = list.chain(map.iter().map(|(key, one)| (key.clone(), one))).collect();
            if all.is_empty() {
                found.push(format!("{place}: expected members, got {}", short(value)));
            }
            for (key, one) in all {
                compare(argument, Some(one), &format!("{at}/{key}"), exact, found);
            }
        }
        "one_of" => {
            if !arguments.iter().any(|pattern| differences(pattern, Some(value), exact).is_empty()) {
                found.push(format!("{place}: expected one of {argument}, got {}", short(value)));
            }
        }
        "not" => {
            if differences(argument, Some(value), exact).is_empty() {
                found.push(format!("{place}: expected anything but {argument}"));
            }
        }
        "exactly" => compare(argument, Some(value), at, true, found),
        // "unordered": each of the patterns has its own element, and nothing is left.
        _ => {
            let mut left: Vec<&Value> = value.as_array().into_iter().flatten().collect();
            for pattern in arguments {
                match left.iter().position(|one| differences(pattern, Some(one), exact).is_empty()) {
                    Some(n) => drop(left.remove(n)),
                    None => found.push(format!("{place}: expected {pattern} in {}", short(value))),
                }
            }
            found.extend(left.into_iter().map(|one| format!("{place}: {} is too much", short(one))));
        }
    }
}

/// A value in one line that somebody will read to its end.
pub(crate) fn short(value: &Value) -> String {
    const CHARACTERS: usize = 400;
    let text = value.to_string();
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
