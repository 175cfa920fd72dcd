//! Durations as they are typed and as they are shown.

use std::time::Duration;

pub(super) use crate::core::duration::parse;

/// Reads a time in which a server shall do something: at least a second, and whole seconds. A bare number counts
/// seconds.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let bare = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let duration = if bare { parse(&format!("{text}s"))? } else { parse(text)? };
    if duration.is_zero() || duration.subsec_nanos() > 0 {
        return Err(format!("{text:?} is no whole number of seconds from 1 on"));
    }
    Ok(duration)
}

/// Shows a duration by its two largest units: `3 d 4 h`, `1 m 5 s`, `12 s`.
pub(super) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(first).take(2).enumerate();
    let shown = shown.filter(|(n, (count, _))| *n == 0 || *count > 0);
    shown.map(|(_, (count, unit))| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_counts_seconds_where_seconds_are_asked_for() {
        assert_eq!(parse_seconds("7200"), Ok(Duration::from_secs(7200)));
        assert_eq!(parse_seconds("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_seconds("2000ms"), Ok(Duration::from_secs(2)));
        for text in ["0", "0h", "500ms", "1500ms", "", "ten"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_by_its_two_largest_units() {
        for (seconds, shown) in
            [(0, "0 s"), (59, "59 s"), (65, "1 m 5 s"), (3600, "1 h"), (3605, "1 h"), (273_600, "3 d 4 h")]
        {
            assert_eq!(show(Duration::from_secs(seconds)), shown);
        }
    }
}
