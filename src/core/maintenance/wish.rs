//! What the annotations about maintenance say.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::core::{condition::cut, duration};

/// The longest duration: what is to last longer has no end that anybody remembers, and is `on`.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);
/// The most DB-Servers in one annotation.
pub const SERVERS_MAX: usize = 64;
/// The longest id of a server, in bytes.
pub const ID_MAX: usize = 64;
/// The longest value that is read, in bytes; what is longer is none of the forms.
pub const VALUE_MAX: usize = 64;

/// What is wanted of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Maintenance for as long as this is wanted.
    On,
    /// No maintenance, whoever began it.
    Off,
    /// Maintenance for so long, from when this is first seen.
    For(Duration),
    /// Maintenance until then.
    Until(Timestamp),
}

impl Wish {
    /// Reads a value: `on`, `off`, a duration in whole seconds such as `45m`, or an end time as RFC 3339 has it.
    ///
    /// # Errors
    ///
    /// It is none of them; a sentence says so and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" => return Ok(Self::On),
            "off" => return Ok(Self::Off),
            _ if text.len() > VALUE_MAX => {}
            _ => {
                if let Ok(end) = text.parse() {
                    return Ok(Self::Until(end));
                }
                match duration::parse(text) {
                    Ok(lasting) if lasting > LONGEST => {
                        return Err(format!(
                            "{text:?} is longer than 31d; write \"on\" if it shall have no end"
                        ));
                    }
                    Ok(lasting) if !lasting.is_zero() && lasting.subsec_nanos() == 0 => {
                        return Ok(Self::For(lasting));
                    }
                    _ => {}
                }
            }
        }
        Err(format!(
            "{:?} is neither \"on\" nor \"off\", nor a duration such as \"45m\", nor an end time such as \
             \"2026-11-21T18:00:00Z\"",
            cut(text, VALUE_MAX)
        ))
    }

    /// When it is over, if it was first seen at `since`; nothing for what has no end.
    pub fn end(self, since: Timestamp) -> Option<Timestamp> {
        match self {
            Self::On | Self::Off => None,
            Self::For(lasting) => Some(after(since, lasting)),
            Self::Until(end) => Some(end),
        }
    }
}

/// Reads what is wanted of single DB-Servers: `SERVER=VALUE, SERVER=VALUE`, by server.
///
/// # Errors
///
/// A part is none; a sentence says which and what to write. All or nothing: half of an annotation is not what was meant.
pub fn parse_servers(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut servers = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let pair = part.split_once('=').map(|(server, value)| (server.trim(), value.trim()));
        let Some((server, value)) = pair.filter(|(server, _)| is_id(server)) else {
            return Err(format!(
                "{:?} does not name a DB-Server and what is wanted of it; write \"PRMR-1234=30m, PRMR-5678=on\"",
                cut(part, VALUE_MAX)
            ));
        };
        Wish::parse(value).map_err(|problem| format!("{server}: {problem}"))?;
        if servers.insert(server.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{server} is in it twice"));
        }
    }
    if servers.len() > SERVERS_MAX {
        return Err(format!("it names {} DB-Servers; at most {SERVERS_MAX} can be in it", servers.len()));
    }
    Ok(servers)
}

fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= ID_MAX && text.chars().all(plain)
}

/// So long after a moment; the end of all time where there is nothing after it.
pub(super) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The time from one moment to another; none if the other is earlier.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(from.duration_until(to)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_on_off_a_duration_or_an_end_time() {
        assert_eq!(Wish::parse("on"), Ok(Wish::On));
        assert_eq!(Wish::parse("off"), Ok(Wish::Off));
        assert_eq!(Wish::parse("45m"), Ok(Wish::For(Duration::from_secs(2700))));
        assert_eq!(Wish::parse("1h30m"), Ok(Wish::For(Duration::from_secs(5400))));
        let end = "2026-11-21T18:00:00Z".parse().unwrap();
        assert_eq!(Wish::parse("2026-11-21T18:00:00Z"), Ok(Wish::Until(end)));
        assert_eq!(Wish::parse("2026-11-21T19:00:00+01:00"), Ok(Wish::Until(end)));
    }

    #[test]
    fn nonsense_is_told_with_what_to_write_instead() {
        for text in [
            "",
            "ON",
            "true",
            "yes",
            "45",
            "0m",
            "500ms",
            "-5m",
            "2026-11-21",
            "18:00",
            "2026-11-21T18:00:00",
        ] {
            let problem = Wish::parse(text).unwrap_err();
            assert!(
                problem.contains("\"45m\"") && problem.contains("2026-11-21T18:00:00Z"),
                "{text}: {problem}"
            );
        }
        assert!(Wish::parse("32d").unwrap_err().contains("31d"));
        assert!(Wish::parse(&"9".repeat(100_000)).unwrap_err().len() < 300);
    }

    #[test]
    fn servers_are_read_all_or_none() {
        let servers = parse_servers(" PRMR-1=30m,PRMR-2 = on , ").unwrap();
        assert_eq!(servers["PRMR-1"], "30m");
        assert_eq!(servers["PRMR-2"], "on");
        assert!(parse_servers("").unwrap().is_empty());
        for (text, part) in [
            ("PRMR-1", "PRMR-1"),
            ("=on", "PRMR-1234=30m"),
            ("a/b=on", "PRMR-1234=30m"),
            ("PRMR-1=on,PRMR-1=off", "twice"),
            ("PRMR-1=on,PRMR-2=soon", "PRMR-2: \"soon\""),
        ] {
            let problem = parse_servers(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
        let many: Vec<_> = (0..=SERVERS_MAX).map(|n| format!("PRMR-{n}=on")).collect();
        assert!(parse_servers(&many.join(",")).unwrap_err().contains("65"));
    }

    #[test]
    fn the_end_of_all_time_is_no_overflow() {
        assert_eq!(after(Timestamp::MAX, Duration::MAX), Timestamp::MAX);
        assert_eq!(between(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
    }
}
