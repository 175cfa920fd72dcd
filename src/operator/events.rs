//! Publishing Events.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tracing::warn;

use crate::{
    core::condition::cut,
    crash::{self, Point},
};

/// How long publishing an Event may take: it is never waited for longer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest note of an Event, in bytes (the API server's limit is 1 kB).
const NOTE_MAX: usize = 1000;

/// Publishes Events.
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// As this operator.
    pub fn new(client: Client) -> Self {
        let reporter = Reporter {
            controller: "arango-operator.dev/operator".to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Publishes an Event, and tells whether it is. Never fails a pass: an Event that can't be published is logged.
    pub async fn publish<K>(&self, object: &K, type_: EventType, reason: &str, note: &str) -> bool
    where
        K: Resource<DynamicType = ()>,
    {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(cut(note, NOTE_MAX).to_owned()),
            action: action(note),
            secondary: None,
        };
        let reference = object.object_ref(&());
        match tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => {
                crash::at(Point::EventTold);
                return true;
            }
            Ok(Err(error)) => {
                warn!(%error, reason, object = object.name_any(), "could not publish an Event");
            }
            Err(_) => warn!(reason, object = object.name_any(), "publishing an Event took too long"),
        }
        false
    }
}

/// The action of an Event with that note. kube's recorder tells Events of one object apart by reason and action and never
/// by note: a second repair within six minutes would only be counted, under the text of the first.
fn action(note: &str) -> String {
    let mut hasher = DefaultHasher::new();
    note.hash(&mut hasher);
    format!("Reconcile-{:016x}", hasher.finish())
}

/// The kind's name as a label.
pub fn kind_of<K: Resource<DynamicType = ()>>() -> &'static str {
    match K::kind(&()) {
        std::borrow::Cow::Borrowed(kind) => kind,
        std::borrow::Cow::Owned(_) => "other",
    }
}
