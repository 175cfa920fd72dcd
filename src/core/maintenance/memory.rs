//! What is remembered of maintenance between two looks, and across an end of the operator.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Action,
    wish::{Wish, after},
};

/// How far a value has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum Phase {
    /// Nothing was switched yet: the server can't be reached, or it is on by somebody else.
    Waiting,
    /// It is being switched on, or was when the operator ended.
    Switching,
    /// The operator switched it on.
    Held,
    /// Done; nothing more is switched for this value.
    Over,
    /// Somebody keeps switching it off; nothing more is switched for this value.
    Undone,
}

/// What is remembered of a target, in the status of its ArangoCluster. Times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// The annotation that is obeyed.
    pub value: String,
    /// When that was first seen.
    pub since: Timestamp,
    /// How far it has come.
    pub phase: Phase,
    /// When the operator last switched it on.
    pub switched: Option<Timestamp>,
    /// When the server ends by itself what the operator switched on.
    pub lease_until: Option<Timestamp>,
    /// How often it was found off shortly after.
    pub undone: u32,
}

impl Memory {
    /// A value is seen for the first time. What we hold already goes on being ours.
    pub(super) fn begin(value: &str, before: Option<&Self>, now: Timestamp) -> Self {
        let held = before.filter(|before| before.holds(now));
        Self {
            value: value.to_owned(),
            since: now,
            phase: if held.is_some() { Phase::Held } else { Phase::Waiting },
            switched: held.and_then(|held| held.switched),
            lease_until: held.and_then(|held| held.lease_until),
            undone: 0,
        }
    }

    /// Whether maintenance that is seen now is what we switched on.
    pub fn holds(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Held | Phase::Switching) && self.lease_until.is_some_and(|end| now < end)
    }

    /// When it ends, as far as can be said: the value's own end, or what was asked of the server.
    pub fn until(&self) -> Option<Timestamp> {
        let end = Wish::parse(&self.value).ok().and_then(|wish| wish.end(self.since));
        let held = matches!(self.phase, Phase::Held | Phase::Switching);
        end.or_else(|| self.lease_until.filter(|_| held))
    }

    /// What is remembered once a switch that was decided at `begun` has been carried out. Nothing, if it was switched off
    /// because nobody asks any more: the same value, written again, begins again.
    #[must_use]
    pub fn switched(self, action: Action, begun: Timestamp) -> Option<Self> {
        let lasting = match action {
            Action::On(lasting) => lasting,
            Action::Off => {
                let wish = Wish::parse(&self.value).ok()?;
                let is_done = wish == Wish::Off || wish.end(self.since).is_some_and(|end| end <= begun);
                return is_done.then(|| self.over());
            }
        };
        let (switched, lease_until) = (Some(begun), Some(after(begun, lasting)));
        Some(Self { phase: Phase::Held, switched, lease_until, ..self })
    }

    pub(super) fn over(self) -> Self {
        Self { phase: Phase::Over, switched: None, lease_until: None, ..self }
    }

    /// What is remembered once a switch has failed and certainly did nothing.
    #[must_use]
    pub fn failed(self) -> Self {
        if self.phase == Phase::Switching { self.lost() } else { self }
    }

    /// Nothing of it is ours any more.
    pub(super) fn lost(self) -> Self {
        let phase = match self.phase {
            Phase::Switching | Phase::Held => Phase::Waiting,
            other => other,
        };
        Self { phase, switched: None, lease_until: None, ..self }
    }
}
