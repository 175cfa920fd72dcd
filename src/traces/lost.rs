//! Spans that nobody took, and when that is said.

use std::time::{Duration, Instant};

/// How often it is said that spans are lost.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// Spans that were lost since it was said.
#[derive(Debug, Default)]
pub(super) struct Lost {
    spans: usize,
    said: Option<Instant>,
}

impl Lost {
    /// Adds some; how many there are, if it is time to say so.
    pub(super) fn add(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans += spans;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < SAID_EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.spans))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_said_once_a_minute_and_counted_in_between() {
        let mut lost = Lost::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(lost.add(3, at(0)), Some(3));
        assert_eq!(lost.add(4, at(1)), None);
        assert_eq!(lost.add(5, at(59)), None);
        assert_eq!(lost.add(1, at(60)), Some(10));
        assert_eq!(lost.add(1, at(61)), None);
    }
}
