//! A label selector as `kubectl get --selector` takes it: taken apart, held against labels, and written in one form whatever
//! its order was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use sha2::{Digest, Sha256};

/// Longest value of a label, and longest name of its key.
const NAME_MAX: usize = 63;
/// Longest prefix of a key.
const PREFIX_MAX: usize = 253;
/// How much of the digest is kept, in bytes.
const DIGEST: usize = 5;

/// A label selector that selects by at least one requirement. All of them have to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(BTreeSet<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    In(BTreeSet<String>),
    /// Also met where there is no such label.
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Whether it selects what has these labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|Requirement { key, rule }| {
            let value = labels.get(key);
            match rule {
                Rule::In(values) => value.is_some_and(|value| values.contains(value)),
                Rule::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Rule::Exists => value.is_some(),
                Rule::DoesNotExist => value.is_none(),
            }
        })
    }

    /// A short text that stays the same for the same selector in every release, whatever its order; letters and digits.
    pub fn digest(&self) -> String {
        hex::encode(&Sha256::digest(self.to_string())[..DIGEST])
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Requirement { key, rule }) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let list =
                |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
            match rule {
                Rule::In(values) if values.len() == 1 => write!(f, "{comma}{key}={}", list(values))?,
                Rule::NotIn(values) if values.len() == 1 => write!(f, "{comma}{key}!={}", list(values))?,
                Rule::In(values) => write!(f, "{comma}{key} in ({})", list(values))?,
                Rule::NotIn(values) => write!(f, "{comma}{key} notin ({})", list(values))?,
                Rule::Exists => write!(f, "{comma}{key}")?,
                Rule::DoesNotExist => write!(f, "{comma}!{key}")?,
            }
        }
        Ok(())
    }
}

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; write it as for kubectl get --selector: shard=a, shard!=a, shard in (a,b), shard notin (a,b), shard, !shard, or several with commas between them"
)]
pub struct NoSelector(String);

impl FromStr for Selector {
    type Err = NoSelector;

    fn from_str(text: &str) -> Result<Self, NoSelector> {
        if text.trim().is_empty() {
            return Err(NoSelector("it selects everything, which is what is done without it".to_owned()));
        }
        parts(text).into_iter().map(requirement).collect::<Result<_, _>>().map(Self).map_err(NoSelector)
    }
}

/// Split at the commas that are in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c| {
        inside = (inside || c == '(') && c != ')';
        c == ',' && !inside
    })
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let text = text.trim();
    let (key, rule) = if let Some((key, value)) = text.split_once("!=") {
        (key, Rule::NotIn(values(value)?))
    } else if let Some((key, value)) = text.split_once('=') {
        (key, Rule::In(values(value.strip_prefix('=').unwrap_or(value))?))
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Rule::DoesNotExist)
    } else if let Some((words, list)) = text.split_once('(') {
        let list = list
            .strip_suffix(')')
            .ok_or_else(|| format!("{text:?} has no closing parenthesis at its end"))?;
        let all = list.split(',').map(value).collect::<Result<_, _>>()?;
        match words.trim().split_once(char::is_whitespace) {
            Some((key, word)) if word.trim() == "in" => (key, Rule::In(all)),
            Some((key, word)) if word.trim() == "notin" => (key, Rule::NotIn(all)),
            _ => return Err(format!("{text:?} has neither in nor notin before its parenthesis")),
        }
    } else {
        (text, Rule::Exists)
    };
    Ok(Requirement { key: self::key(key)?, rule })
}

fn values(text: &str) -> Result<BTreeSet<String>, String> {
    Ok([value(text)?].into())
}

/// Letters, digits and `-_.`, the first and the last a letter or digit.
fn is_name(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    text.len() <= NAME_MAX
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && ends.into_iter().all(|end| end.is_some_and(|c| c.is_ascii_alphanumeric()))
}

fn key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let is_domain = |prefix: &str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        !prefix.is_empty() && prefix.len() <= PREFIX_MAX && prefix.chars().all(is_plain)
    };
    if is_name(name) && prefix.is_none_or(is_domain) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} can't be the key of a label"))
}

fn value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || is_name(text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} can't be the value of a label"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    fn selects(text: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        selector(text).matches(&labels)
    }

    #[test]
    fn it_selects_what_kubectl_selects() {
        let shard_a = [("shard", "a"), ("example.org/tier", "")];
        for text in [
            "shard=a",
            "shard==a",
            " shard = a ",
            "shard in (a,b)",
            "shard in (a)",
            "shard notin (b, c)",
            "shard!=b",
            "shard",
            "!other",
            "other!=a",
            "other notin (a,b)",
            "example.org/tier=",
            "example.org/tier in (,x)",
            "shard,!other,shard notin (b,c),shard in (a,b)",
        ] {
            assert!(selects(text, &shard_a), "{text}");
        }
        for text in
            ["shard=b", "shard!=a", "shard in (b,c)", "shard notin (a)", "other", "!shard", "shard,other"]
        {
            assert!(!selects(text, &shard_a), "{text}");
        }
        for (text, taken) in
            [("!shard", true), ("shard notin (a,b)", true), ("shard", false), ("shard=a", false)]
        {
            assert_eq!(selects(text, &[]), taken, "{text} where there is no label");
        }
    }

    #[test]
    fn the_order_in_which_it_is_written_makes_no_difference() {
        let one = selector("!old,shard in (b,a),tier=gold");
        let other = selector("tier in (gold),shard in ( a , b , a ),!old");
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.to_string(), "!old,shard in (a,b),tier=gold");
        assert_eq!(selector(&one.to_string()), one);
        // It is in the name of a Lease, which must not change with a release.
        assert_eq!(selector("shard=a").digest(), "3d8dfb268d");
    }

    #[test]
    fn what_is_no_selector_is_refused_with_what_is_wrong() {
        for (text, wrong) in [
            ("", "selects everything"),
            ("  ", "selects everything"),
            ("shard=a,", "\"\" can't be the key"),
            ("shard=a b", "\"a b\" can't be the value"),
            ("-shard", "\"-shard\" can't be the key"),
            ("a/b/c", "can't be the key"),
            ("/shard", "can't be the key"),
            ("shard in a", "\"shard in a\" can't be the key"),
            ("shard in (a", "no closing parenthesis"),
            ("shard of (a)", "neither in nor notin"),
            ("shard in (a) b", "no closing parenthesis"),
            ("shard=a=b", "\"a=b\" can't be the value"),
            ("shard>1", "\"shard>1\" can't be the key"),
        ] {
            let complaint = text.parse::<Selector>().unwrap_err().to_string();
            assert!(complaint.contains(wrong) && complaint.contains("kubectl"), "{text}: {complaint}");
        }
        assert!("x".repeat(64).parse::<Selector>().is_err());
    }
}
