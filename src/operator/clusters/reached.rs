//! What whoever names an ArangoCluster finds of it.

use std::sync::Arc;

use super::connections::{Connected, KIND};
use crate::{
    core::{Hold, Reason},
    operator::{context::Context, watching::index::Id},
};

/// What is known of an ArangoCluster at one moment.
#[derive(Debug)]
pub enum Reached {
    /// Nobody has looked at it yet, or asked which deployment it leads to. After a start that is so for a moment, and what was
    /// Ready before must not be said to be waiting: its next look wakes the resource.
    Unknown,
    /// It can't be used, for that reason.
    Not(Hold),
    /// It is known which deployment answers.
    Connected(Arc<Connected>),
}

/// Looks at it once: what is asked twice may be two answers.
pub fn reached(context: &Context, cluster: &Id) -> Reached {
    // Before the connection: it may be made in between, and whoever has not found it must not say that it was tried in vain.
    let was_tried = context.was_tried(cluster);
    let is_there = context.find(KIND, cluster).is_some();
    if let Some(connected) = context.connection(cluster) {
        // A deployment that is known has no trouble, so this comes first as well.
        let trouble = connected.trouble();
        return match (connected.server.standing(), trouble) {
            (Some(_), _) => Reached::Connected(connected),
            (None, Some(trouble)) => Reached::Not(trouble),
            (None, None) => Reached::Unknown,
        };
    }
    let Id { namespace, name } = cluster;
    let message = match is_there {
        true if !was_tried => return Reached::Unknown,
        true => {
            format!("the ArangoCluster {name} is not connected yet (see its status); going on when it is")
        }
        false => format!(
            "the ArangoCluster {name} does not exist in the namespace {namespace} yet; going on when it does"
        ),
    };
    Reached::Not(Hold::new(Reason::ClusterMissing, message))
}
