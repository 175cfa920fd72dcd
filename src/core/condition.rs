//! Conditions as the Kubernetes API conventions have them, and the status that all managed kinds share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Hold, Origin, Reason, hold::Standing};

/// Longest message of a condition, in bytes. The schema allows what `metav1.Condition` allows; we stay well below.
const MESSAGE_MAX: usize = 1024;

/// `metav1.Condition`, with bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Type of the condition.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one word out of a closed list.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// Why, in one sentence that says what happens next.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When the status last changed.
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The generation of the spec that this is about.
    #[serde(default)]
    pub observed_generation: i64,
}

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// So it is.
    True,
    /// It is not so.
    False,
    /// Not known, or not yet.
    Unknown,
}

/// The condition type `Ready`.
pub const READY: &str = "Ready";
/// The condition type `Stalled`, which kstatus reads: nothing will change until a person acts.
pub const STALLED: &str = "Stalled";

/// The condition type `InSync`: whether what is declared and what is there are the same. Absent while that isn't known.
pub const IN_SYNC: &str = "InSync";
/// The condition type `Effective`: False while a wider right keeps a level that is there from taking effect. Absent
/// otherwise.
pub const EFFECTIVE: &str = "Effective";

/// What a pass found, to be said in the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The reason of `Ready`.
    pub reason: Reason,
    /// The sentence.
    pub message: String,
    /// Conditions beside `Ready` and `Stalled`.
    pub also: Vec<Said>,
    /// What would be done and isn't, in the order in which it would be, each in one short sentence.
    pub pending: Vec<String>,
}

impl Verdict {
    /// What is declared is there.
    pub fn ready(message: impl Into<String>) -> Self {
        Hold::new(Reason::Ready, message).into()
    }

    /// Whether it is `Ready=True`.
    pub fn is_ready(&self) -> bool {
        self.reason == Reason::Ready
    }
}

impl From<Hold> for Verdict {
    fn from(Hold { reason, message, .. }: Hold) -> Self {
        Self { reason, message, also: Vec::new(), pending: Vec::new() }
    }
}

/// One condition to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Type of the condition.
    pub type_: &'static str,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in one sentence that says what happens next.
    pub message: String,
}

impl Said {
    /// Whether it is said to be so.
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

impl Verdict {
    /// `Ready`, `Stalled` where a person must act, and what is said beside.
    pub fn said(&self) -> impl Iterator<Item = Said> {
        let said = |type_, status| Said { type_, status, reason: self.reason, message: self.message.clone() };
        let (ready, stalled) = match self.reason.standing() {
            Standing::Good => (ConditionStatus::True, None),
            Standing::Waits => (ConditionStatus::Unknown, None),
            Standing::NeedsAPerson => (ConditionStatus::False, Some(said(STALLED, ConditionStatus::True))),
        };
        [said(READY, ready)].into_iter().chain(stalled).chain(self.also.iter().cloned())
    }
}

/// The conditions as they are written; those that are not said go. A condition whose status stays keeps its transition
/// time, so that saying the same again gives equal conditions and nothing is written.
pub fn conditions(
    old: &[Condition],
    said: impl IntoIterator<Item = Said>,
    generation: i64,
    now: &str,
) -> Vec<Condition> {
    let write = |Said { type_, status, reason, message }: Said| {
        let before = old.iter().find(|before| before.type_ == type_ && before.status == status);
        Condition {
            type_: type_.to_owned(),
            status,
            reason: reason.as_str().to_owned(),
            message: cut(&message, MESSAGE_MAX).to_owned(),
            last_transition_time: before.map_or(now, |before| &before.last_transition_time).to_owned(),
            observed_generation: generation,
        }
    };
    said.into_iter().map(write).collect()
}

/// The longest start of `text` of at most `max` bytes that ends at a character's end.
pub fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

/// The status of every kind that declares something on a server. `M` is what the kind has to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status<M> {
    /// The generation of the spec that the last pass looked at; -1 before the first.
    #[serde(default = "never")]
    pub observed_generation: i64,
    /// Ready; Stalled while a person must act; `InSync`; and of a permission, Effective while it is not.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The object's name on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub name: Option<String>,
    /// Created or Adopted. Present once the resource owns the object on the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The deployment that origin and what is remembered are about. On another one they say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub deployment: Option<String>,
    /// The annotation arango-operator.dev/reconcile-at that the last pass obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reconcile_at: Option<String>,
    /// What the operator would do on the server and doesn't: the drift policy is Observe, or the server takes no
    /// writes. In the order in which it would be done; at most 32 entries, the last of which says how many more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 512)))]
    pub pending: Vec<String>,
    /// What the kind remembers between passes.
    #[serde(flatten)]
    pub memory: M,
}

fn never() -> i64 {
    -1
}

impl<M: Default> Default for Status<M> {
    fn default() -> Self {
        Self {
            observed_generation: never(),
            conditions: Vec::new(),
            name: None,
            origin: None,
            deployment: None,
            reconcile_at: None,
            pending: Vec::new(),
            memory: M::default(),
        }
    }
}

impl<M> Status<M> {
    /// Whether the drift policy kept the last pass from doing something.
    pub fn is_pending(&self) -> bool {
        self.conditions.iter().any(|c| c.type_ == READY && c.reason == Reason::ActionsPending.as_str())
    }

    /// Whether the last pass found everything in place, for that generation of the spec.
    pub fn was_ready(&self, generation: i64) -> bool {
        self.observed_generation == generation
            && self.conditions.iter().any(|c| c.type_ == READY && c.status == ConditionStatus::True)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_verdict_later_changes_nothing() {
        let verdict = Verdict::ready("there");
        let first = conditions(&[], verdict.said(), 1, "2026-01-01T00:00:00Z");
        assert_eq!(conditions(&first, verdict.said(), 1, "2026-01-02T00:00:00Z"), first);
    }

    #[test]
    fn a_verdict_that_needs_a_person_is_stalled_for_kstatus() {
        let verdict = Verdict::from(Hold::new(Reason::Conflict, "x"));
        let list = conditions(&[], verdict.said(), 1, "2026-01-01T00:00:00Z");
        assert_eq!(list[0].status, ConditionStatus::False);
        assert_eq!((list[1].type_.as_str(), list[1].status), (STALLED, ConditionStatus::True));
        let waiting = conditions(
            &list,
            Verdict::from(Hold::new(Reason::UserMissing, "x")).said(),
            1,
            "2026-01-01T00:00:00Z",
        );
        assert_eq!((waiting.len(), waiting[0].status), (1, ConditionStatus::Unknown));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
