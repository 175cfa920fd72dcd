//! What people ask of the operator by annotations on one resource.

use std::collections::BTreeMap;

use crate::core::{Hold, Reason, condition::cut};

/// `"true"`: the resource is left alone, and so is what it declares. Deleted meanwhile, it goes and its object stays.
pub const PAUSED: &str = "arango-operator.dev/paused";
/// Any text: another one than the last asks for a pass now, with a fresh look at the server. The status repeats it.
pub const RECONCILE_AT: &str = "arango-operator.dev/reconcile-at";
/// `"true"`: a resource that is being deleted goes at once, and nothing is asked of the server.
pub const RELEASE: &str = "arango-operator.dev/release";

/// Longest text of [`RECONCILE_AT`] that the status repeats, in bytes.
const ECHO_MAX: usize = 256;

/// The wishes of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
    /// Whether it is paused.
    pub paused: bool,
    /// Whether its deletion shall not touch the server.
    pub release: bool,
}

impl Asks {
    /// Reads the annotations. What is neither `true` nor `false` is refused: whoever writes `paused: "yes"` means
    /// something, and the other meaning may cost data.
    pub fn of(annotations: &BTreeMap<String, String>) -> Result<Self, Hold> {
        let flag = |name: &str| match annotations.get(name).map(|value| value.trim()) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Hold::invalid(format!(
                "the annotation {name} is {:?}; set it to \"true\", or to \"false\", or remove it",
                cut(other, 64)
            ))),
        };
        Ok(Self { paused: flag(PAUSED)?, release: flag(RELEASE)? })
    }

    /// Why nothing is done, if it is paused.
    pub fn pause(self) -> Result<(), Hold> {
        if !self.paused {
            return Ok(());
        }
        let message = format!(
            "paused by the annotation {PAUSED}: nothing is compared or changed; going on when it is removed"
        );
        Err(Hold::new(Reason::Paused, message))
    }
}

/// The text of [`RECONCILE_AT`], as far as the status repeats it.
pub fn reconcile_at(annotations: &BTreeMap<String, String>) -> Option<String> {
    let text = annotations.get(RECONCILE_AT)?.trim();
    (!text.is_empty()).then(|| cut(text, ECHO_MAX).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(annotations: &[(&str, &str)]) -> Result<Asks, Hold> {
        let pairs = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Asks::of(&pairs.collect())
    }

    #[test]
    fn nothing_is_asked_by_default_and_false_is_no() {
        assert_eq!(asks(&[]).unwrap(), Asks::default());
        assert_eq!(asks(&[(PAUSED, "false"), (RELEASE, "false")]).unwrap(), Asks::default());
        assert!(asks(&[(PAUSED, "true")]).unwrap().paused);
        assert!(asks(&[(RELEASE, " true ")]).unwrap().release);
    }

    #[test]
    fn what_is_neither_yes_nor_no_is_refused_with_what_to_write() {
        for name in [PAUSED, RELEASE] {
            for value in ["yes", "True", "1", ""] {
                let hold = asks(&[(name, value)]).unwrap_err();
                assert_eq!(hold.reason, Reason::Invalid);
                assert!(hold.message.contains(name) && hold.message.contains("\"true\""), "{hold}");
            }
        }
    }

    #[test]
    fn a_long_text_is_repeated_in_part() {
        let annotations = BTreeMap::from([(RECONCILE_AT.to_owned(), "é".repeat(1000))]);
        assert_eq!(reconcile_at(&annotations).unwrap().len(), ECHO_MAX);
    }
}
