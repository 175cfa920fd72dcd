//! Durations as people write them.

use std::time::Duration;

/// Units with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration: whole numbers, each with its unit `ms`, `s`, `m`, `h` or `d`: `5ms`, `90s`, `1h30m`.
///
/// # Errors
///
/// It is none; a sentence says why and what to write instead.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut millis = 0_u64;
    let mut rest = text;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        if number.is_empty() {
            return Err(format!("{text:?} is no duration, a number and its unit; try 5ms, 2s or 1h30m"));
        }
        let letters = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, next) = after.split_at(letters);
        let length = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length);
        let length =
            length.ok_or_else(|| format!("{text:?} has no unit that is known; try 5ms, 2s or 1m"))?;
        millis = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(length)?.checked_add(millis))
            .ok_or_else(|| format!("{text:?} is too long"))?;
        if next.is_empty() {
            return Ok(Duration::from_millis(millis));
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(parse("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("1d"), Ok(Duration::from_secs(86_400)));
        for text in [
            "5",
            "ms",
            "1.5s",
            "-1s",
            "",
            "1h30",
            "2H",
            "1 s",
            "5µs",
            "99999999999999999999s",
            "999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
