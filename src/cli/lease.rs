//! The flags of leader election.

use std::time::Duration;

use clap::{ArgAction, builder::NonEmptyStringValueParser};

use crate::{
    core::{lease::Terms, selector::Selector},
    operator::{lease::Election, rbac::NAME},
};

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
    /// The name of the Lease, which is also that of this installation. Operators for different namespaces that run in one
    /// namespace need different ones. If left out: arango-operator, with a selector arango-operator- and a digest of it, so
    /// that the replicas of one selector share a Lease and those of another have their own.
    #[arg(long, env = "ARANGO_OPERATOR_LEASE_NAME", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    lease_name: Option<String>,
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
    /// The name of this process, namespace and name of the Lease, and the Lease if it decides whether this process acts.
    pub(super) fn settings(
        self,
        selector: Option<&Selector>,
    ) -> (String, (Option<String>, String), Option<Election>) {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let identity = self.identity.unwrap_or_else(|| {
            let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
            unique(&variable("POD_NAME").unwrap_or_else(host))
        });
        let namespace = self.lease_namespace.or_else(|| variable("POD_NAMESPACE"));
        let name = self.lease_name.unwrap_or_else(|| lease_of(selector));
        let lease = (namespace, name);
        let election = self.leader_election.then(|| {
            let (namespace, name) = lease.clone();
            Election { namespace, name, duration: self.lease_duration }
        });
        (identity, lease, election)
    }
}

/// The Lease of whoever takes what that selects.
fn lease_of(selector: Option<&Selector>) -> String {
    selector.map_or_else(|| NAME.to_owned(), |selector| format!("{NAME}-{}", selector.digest()))
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
    fn those_that_take_the_same_share_a_lease_and_no_others_do() {
        let lease = |selector: &str| lease_of(Some(&selector.parse().unwrap()));
        assert_eq!(lease("shard in (a,b),!old"), lease("!old,shard in (b, a)"));
        let all = [lease_of(None), lease("shard=a"), lease("shard=b"), lease("shard notin (a,b)")];
        assert_eq!(all[0], "arango-operator");
        assert_eq!(all[1], "arango-operator-3d8dfb268d");
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
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
