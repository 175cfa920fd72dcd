//! Texts with a few values in them. No engine: names in `$(…)`, three ways to write a value, `$$` for a dollar, and
//! nothing else. What is put in is never read again, so a value that looks like a name stays as it is.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986 is escaped: good anywhere in a URL, the password included.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How much of a wrong name is repeated, in characters.
const SHOWN: usize = 32;

/// A value that a text may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The user's name.
    Username,
    /// His password.
    Password,
    /// The first coordinator, `scheme://host:port`.
    Endpoint,
    /// All coordinators, with commas between.
    Endpoints,
    /// The host of the first.
    Host,
    /// The port of the first.
    Port,
    /// The database.
    Database,
    /// The first coordinator with the database in the path.
    Uri,
}

impl Variable {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Username,
        Self::Password,
        Self::Endpoint,
        Self::Endpoints,
        Self::Host,
        Self::Port,
        Self::Database,
        Self::Uri,
    ];

    /// As a text names it, and as the key of a Secret.
    pub fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Password => "password",
            Self::Endpoint => "endpoint",
            Self::Endpoints => "endpoints",
            Self::Host => "host",
            Self::Port => "port",
            Self::Database => "database",
            Self::Uri => "uri",
        }
    }
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is.
    Plain,
    /// Percent-encoded.
    Url,
    /// As between the quotes of a JSON string.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Variable, Form),
}

/// A text that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Why a text can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct TemplateError {
    /// Where it begins, in characters from 1.
    pub position: usize,
    /// What is wrong and what to write instead.
    pub problem: String,
}

/// Why a text can't be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritten {
    /// There is no such value.
    Missing(Variable),
    /// It would be longer than allowed.
    TooLong,
}

impl Template {
    /// Reads a text, once from its start to its end.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            let from = &rest[at + 1..];
            if let Some(after) = from.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let refuse = |problem| {
                let before = text.len() - from.len() - 1;
                Err(TemplateError { position: text[..before].chars().count() + 1, problem })
            };
            let Some(inside) = from.strip_prefix('(') else {
                return refuse("a $ that begins no name; write $$ for a dollar".to_owned());
            };
            let Some((name, after)) = inside.split_once(')') else {
                return refuse("$( is not closed; write $$( for a dollar and a parenthesis".to_owned());
            };
            match value(name) {
                Some(part) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part);
                }
                None => return refuse(unknown(name)),
            }
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The values that it names.
    pub fn variables(&self) -> impl Iterator<Item = Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(variable, _) => Some(*variable),
        })
    }

    /// Writes it out, in at most `max` bytes.
    pub fn render<'v>(
        &self,
        max: usize,
        value: impl Fn(Variable) -> Option<&'v str>,
    ) -> Result<String, Unwritten> {
        let mut written = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => written.push_str(text),
                Part::Value(variable, form) => {
                    form.write(value(*variable).ok_or(Unwritten::Missing(*variable))?, &mut written);
                }
            }
            if written.len() > max {
                return Err(Unwritten::TooLong);
            }
        }
        Ok(written)
    }
}

fn value(inside: &str) -> Option<Part> {
    let (name, form) = match inside.split_once('|') {
        None => (inside, Form::Plain),
        Some((name, "url")) => (name, Form::Url),
        Some((name, "json")) => (name, Form::Json),
        Some(_) => return None,
    };
    let variable = Variable::ALL.into_iter().find(|variable| variable.name() == name)?;
    Some(Part::Value(variable, form))
}

fn unknown(inside: &str) -> String {
    let names: Vec<_> = Variable::ALL.iter().map(|variable| variable.name()).collect();
    // Escaped: a status is shown in terminals.
    let shown: String = inside.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if inside.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!(
        "$({shown}{more}) is not known; the names are {}, each also with |url or |json behind it",
        names.join(", ")
    )
}

impl Form {
    fn write(self, value: &str, to: &mut String) {
        match self {
            Self::Plain => to.push_str(value),
            Self::Url => to.extend(utf8_percent_encode(value, URL)),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                to.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: usize = 1 << 20;

    fn rendered(text: &str) -> String {
        let value = |variable| match variable {
            Variable::Username => Some("alice"),
            Variable::Password => Some("a b/\"$(host)\"\n"),
            Variable::Database => Some("größe"),
            Variable::Uri => None,
            _ => Some("x"),
        };
        Template::parse(text).unwrap().render(MAX, value).unwrap()
    }

    #[test]
    fn values_are_written_as_they_are_or_for_a_url_or_for_json() {
        assert_eq!(rendered("$(username)@$(host):$(port)"), "alice@x:x");
        assert_eq!(rendered("$(password|url)"), "a%20b%2F%22%24%28host%29%22%0A");
        assert_eq!(rendered("{\"p\": \"$(password|json)\"}"), "{\"p\": \"a b/\\\"$(host)\\\"\\n\"}");
        assert_eq!(rendered("$(database)$(database|url)"), "größegr%C3%B6%C3%9Fe");
        assert_eq!(rendered("costs $$5, $$(username), $$$(username)"), "costs $5, $(username), $alice");
        assert_eq!(rendered(""), "");
    }

    #[test]
    fn whatever_else_follows_a_dollar_is_refused_with_its_position() {
        for (text, position, part) in [
            ("$", 1, "write $$"),
            ("ab$HOME", 3, "write $$"),
            ("größe $(", 7, "not closed"),
            ("$(username", 1, "not closed"),
            ("$(user)", 1, "$(user) is not known"),
            ("$(Username)", 1, "is not known"),
            ("$( username)", 1, "is not known"),
            ("$(username|base64)", 1, "|url or |json"),
            ("$(username|url|json)", 1, "is not known"),
            ("$$$(username)$()", 14, "$() is not known"),
            ("$($(username))", 1, "is not known"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.position, position, "{text}: {error}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let long = Template::parse(&format!("$({})", "x".repeat(10_000))).unwrap_err();
        assert!(long.to_string().len() < 300, "{long}");
    }

    #[test]
    fn a_value_that_is_not_there_and_a_text_that_grows_too_long_are_said() {
        let uri = Template::parse("$(uri)").unwrap();
        assert_eq!(uri.render(MAX, |_| None), Err(Unwritten::Missing(Variable::Uri)));
        assert_eq!(uri.render(3, |_| Some("abcd")), Err(Unwritten::TooLong));
        assert_eq!(uri.render(4, |_| Some("abcd")), Ok("abcd".to_owned()));
    }

    proptest! {
        /// Nothing of a value is ever taken for a name, whatever it looks like.
        #[test]
        fn what_is_put_in_is_not_read_again(value in ".{0,40}", before in "[^$]{0,10}", after in "[^$]{0,10}") {
            for value in [value.clone(), format!("$(host){value}"), format!("{value}$")] {
                let template = Template::parse(&format!("{before}$(password){after}")).unwrap();
                let written = template.render(MAX, |_| Some(&value)).unwrap();
                prop_assert_eq!(written, format!("{before}{value}{after}"));
            }
        }

        #[test]
        fn json_and_url_can_be_read_back(value in any::<String>()) {
            let write = |text| Template::parse(text).unwrap().render(MAX, |_| Some(&value)).unwrap();
            let json: String = serde_json::from_str(&write("\"$(password|json)\"")).unwrap();
            prop_assert_eq!(&json, &value);
            let url = write("$(password|url)");
            prop_assert!(url.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)));
            let read = percent_encoding::percent_decode_str(&url).decode_utf8().unwrap();
            prop_assert_eq!(&*read, &value);
        }

        /// Any text is read or refused; a text of which every dollar is doubled stands for itself.
        #[test]
        fn every_text_has_an_answer(text in ".{0,60}") {
            match Template::parse(&text) {
                Ok(template) => {
                    let written = template.render(MAX, |_| Some("")).unwrap();
                    prop_assert!(written.len() <= text.len());
                }
                Err(error) => prop_assert!(error.position >= 1 && error.position <= text.chars().count()),
            }
            let doubled = Template::parse(&text.replace('$', "$$")).unwrap();
            prop_assert_eq!(doubled.render(MAX, |_| None).unwrap(), text);
        }
    }
}
