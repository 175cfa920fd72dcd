//! What a person who waits is told.

use std::{fmt, time::Duration};

/// One step on the way to a running control plane; its `Display` is a line for a person.
///
/// [`Progress::Building`] and [`Progress::Waiting`] are repeated about once a second with a growing `elapsed`, so that
/// a terminal can redraw one line; a log prints each only now and then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Another process builds the programs; this one waits for it.
    Waiting {
        /// For how long already.
        elapsed: Duration,
    },
    /// A program is being built.
    Building {
        /// The program.
        tool: &'static str,
        /// Its version.
        version: String,
        /// How long it usually takes on a small machine.
        usual: &'static str,
        /// For how long already.
        elapsed: Duration,
    },
    /// A program was built.
    Built {
        /// The program.
        tool: &'static str,
        /// Its version.
        version: String,
        /// How long it took.
        elapsed: Duration,
    },
    /// The components are being started.
    Starting,
    /// The API server answers.
    Ready {
        /// How long the start took, without the building.
        elapsed: Duration,
    },
}

impl Progress {
    /// Whether this step was told before with a smaller `elapsed`: a terminal redraws its line, a log leaves it out.
    pub fn is_repetition(&self) -> bool {
        matches!(self, Self::Waiting { elapsed } | Self::Building { elapsed, .. } if !elapsed.is_zero())
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { elapsed } => {
                write!(
                    f,
                    "waiting for another process that builds the control plane's programs … {}",
                    Took(*elapsed)
                )
            }
            Self::Building { tool, version, usual, elapsed } => write!(
                f,
                "building {tool} {version} from source, once per machine (about {usual}) … {}",
                Took(*elapsed)
            ),
            Self::Built { tool, version, elapsed } => {
                write!(f, "built {tool} {version} in {}", Took(*elapsed))
            }
            Self::Starting => f.write_str("starting etcd and kube-apiserver"),
            Self::Ready { elapsed } => write!(f, "control plane ready in {:.1} s", elapsed.as_secs_f64()),
        }
    }
}

/// A duration as people say it.
struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..60 => write!(f, "{seconds} s"),
            seconds => write!(f, "{} min {} s", seconds / 60, seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn building(seconds: u64) -> Progress {
        let elapsed = Duration::from_secs(seconds);
        Progress::Building { tool: "kube-apiserver", version: "v1.2.3".into(), usual: "2 minutes", elapsed }
    }

    #[test]
    fn says_what_is_built_and_for_how_long() {
        let text = "building kube-apiserver v1.2.3 from source, once per machine (about 2 minutes) … ";
        assert_eq!(building(45).to_string(), format!("{text}45 s"));
        assert_eq!(building(161).to_string(), format!("{text}2 min 41 s"));
    }

    #[test]
    fn only_the_first_of_a_kind_is_no_repetition() {
        assert!(!building(0).is_repetition());
        assert!(building(1).is_repetition());
        assert!(!Progress::Starting.is_repetition());
    }
}
