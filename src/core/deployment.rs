//! Which deployment is behind an ArangoCluster: its identity, and whether a person knows that it is another one.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Id;

/// On an ArangoCluster: the id of the deployment that may stand in the place of the one before.
pub const ACCEPT: &str = "arango-operator.dev/accept-deployment";

/// How much of the digest of endpoints is kept, in bytes.
const DIGEST: usize = 12;

/// The identity of a deployment that has none of its own, as a single server: where it is. Neither order nor scheme nor
/// repetition of the endpoints matters. Two names of one server give two identities, which nobody could tell apart.
pub fn of_endpoints<'a>(endpoints: impl IntoIterator<Item = (&'a str, u16)>) -> String {
    let mut places: Vec<_> =
        endpoints.into_iter().map(|(host, port)| format!("{}:{port}", host.to_ascii_lowercase())).collect();
    places.sort_unstable();
    places.dedup();
    let digest = Sha256::digest(places.join(","));
    format!("endpoints-{}", hex::encode(&digest[..DIGEST]))
}

/// The deployment that a person knows an ArangoCluster to lead to, and the one that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The one that is known.
    pub accepted: Arc<str>,
    /// The one that answers.
    pub found: Arc<str>,
}

impl Standing {
    /// The first one that ever answered is accepted; each further one only by a person's word, which names it.
    pub fn new(accepted: Option<&str>, found: &str, accept: Option<&str>) -> Self {
        let found: Arc<str> = found.into();
        let accepted = match accepted {
            Some(accepted) if accept.map(str::trim) != Some(&*found) => accepted.into(),
            _ => Arc::clone(&found),
        };
        Self { accepted, found }
    }

    /// What is said of a deployment that is not accepted, with what to do.
    pub fn explain(&self, cluster: &Id) -> String {
        let Self { accepted, found } = self;
        format!(
            "the ArangoCluster {cluster} leads to the deployment {found}, and it led to {accepted} before: nothing is \
             taken away or taken over there until this is meant to be so; set its annotation {ACCEPT} to {found}, or put its endpoints \
             right"
        )
    }

    /// Whether the one that answers is the one that is known.
    pub fn is_accepted(&self) -> bool {
        self.accepted == self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_endpoints_is_where_they_are_and_nothing_else() {
        let one = of_endpoints([("a.example", 8529), ("B.example", 8530)]);
        assert_eq!(one, of_endpoints([("b.example", 8530), ("A.example", 8529), ("a.example", 8529)]));
        assert_ne!(one, of_endpoints([("a.example", 8529)]));
        assert_ne!(of_endpoints([("a", 1), ("b", 2)]), of_endpoints([("a", 2), ("b", 1)]));
        assert_eq!(one.len(), "endpoints-".len() + 2 * DIGEST);
    }

    #[test]
    fn the_first_deployment_is_accepted_and_another_only_by_its_name() {
        let stand = |accepted, found, accept| Standing::new(accepted, found, accept);
        assert!(stand(None, "a", None).is_accepted());
        assert!(stand(Some("a"), "a", Some("b")).is_accepted());
        for accept in [None, Some("a"), Some(""), Some("c")] {
            let standing = stand(Some("a"), "b", accept);
            assert_eq!((&*standing.accepted, &*standing.found), ("a", "b"), "{accept:?}");
        }
        assert_eq!(&*stand(Some("a"), "b", Some(" b ")).accepted, "b");
    }
}
