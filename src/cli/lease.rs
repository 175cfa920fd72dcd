//! The flags of leader election.

use std::time::Duration;

use clap::{ArgAction, builder::NonEmptyStringValueParser};

use crate::{core::lease::Terms, operator::lease::Election};

/// Longest name of a process.
const IDENTITY_MAX: usize = 128;

/// Which of several replicas acts.
#[derive(Debug, clap::Args)]
pub(super) struct LeaseArgs {
    /// Whether several replicas may run, of which one acts: the one that holds the Lease. Without it nothing keeps two
    /// operators apart that work on the same resources.
    #[arg(
        long,
        env = "ARANGO_OPERATOR_LEADER_ELECTION",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set
    )]
    leader_election: bool,
    /// The name of the Lease. Operators for different namespaces that run in one namespace need different ones.
    #[arg(long, env = "ARANGO_OPERATOR_LEASE_NAME", value_name = "NAME", default_value = "arango-operator", value_parser = NonEmptyStringValueParser::new())]
    lease_name: String,
    /// The namespace of the Lease. `POD_NAMESPACE` if left out, else the namespace of the pod's `ServiceAccount` or of the
    /// kubeconfig's context.
    #[arg(long, env = "ARANGO_OPERATOR_LEASE_NAMESPACE", value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    lease_namespace: Option<String>,
    /// How long a Lease that is not renewed is left alone, 5s to 5m. So long after a replica was killed another one takes
    /// over, and a bit less than that may the API server be away before the one that leads gives up.
    #[arg(
        long,
        env = "ARANGO_OPERATOR_LEASE_DURATION",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration
    )]
    lease_duration: Duration,
    /// The name of this process, in the Lease and in the `User-Agent` of its requests to ArangoDB. No other process may have
    /// the same. `POD_NAME` if left out, else the name of the host, with a random part.
    #[arg(long, env = "ARANGO_OPERATOR_IDENTITY", value_name = "TEXT", value_parser = identity)]
    identity: Option<String>,
}

impl LeaseArgs {
    /// The name of this process, and which Lease decides whether it acts.
    pub(super) fn settings(self) -> (String, Option<Election>) {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let identity = self.identity.unwrap_or_else(|| {
            let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
            unique(&variable("POD_NAME").unwrap_or_else(host))
        });
        let election = self.leader_election.then(|| Election {
            namespace: self.lease_namespace.or_else(|| variable("POD_NAMESPACE")),
            name: self.lease_name,
            duration: self.lease_duration,
        });
        (identity, election)
    }
}

/// A name that no other process has, and no other life of this one.
fn unique(name: &str) -> String {
    let name: String = name.chars().filter(|c| is_plain(*c)).take(IDENTITY_MAX - 9).collect();
    format!("{name}_{:08x}", rand::random::<u32>())
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.:/".contains(c)
}

/// A name that fits into a Lease and a header.
fn identity(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > IDENTITY_MAX || !text.chars().all(is_plain) {
        return Err(format!("it has to be 1 to {IDENTITY_MAX} letters, digits and -_.:/"));
    }
    Ok(text.to_owned())
}

/// Whole seconds within the bounds.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = super::duration::parse_seconds(text)?;
    if !(Terms::MIN..=Terms::MAX).contains(&duration) {
        return Err("it has to be 5s to 5m".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_another_one_in_every_life_and_fits_into_a_header() {
        let (one, other) = (unique("opérator (1)"), unique("opérator (1)"));
        assert_ne!(one, other);
        assert!(one.starts_with("oprator1_") && identity(&one).is_ok(), "{one}");
        assert!(identity(&unique(&"x".repeat(300))).is_ok());
    }

    #[test]
    fn what_is_no_name_and_no_duration_is_refused() {
        for text in ["", "a b", "a(b)", "ä", &"x".repeat(129)] {
            assert!(identity(text).is_err(), "{text}");
        }
        assert_eq!(duration("10"), Ok(Terms::DEFAULT));
        for text in ["4s", "301s", "5500ms", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
