//! What came of a plan or of its carrying out: what is printed as JSON, and what tables are made of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    core::{self, Because, Reason, Step, Verdict, plan::verb},
    kinds::{Kind, Notable},
};

/// A plan: what would be done to one deployment, in the order in which it would be.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The deployment, by its endpoints.
    pub endpoints: Vec<String>,
    /// The set that keeps a record of what it declares; absent where none is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The objects about which there is something to say. One that is as declared is only counted.
    pub objects: Vec<Entry>,
    /// How many there are of what.
    pub summary: Summary,
}

/// How many objects are in which state, and how many actions there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Objects that were looked at.
    pub objects: usize,
    /// Objects that are as declared.
    pub in_order: usize,
    /// Objects that something is done to.
    pub changing: usize,
    /// Objects that wait for something that may come by itself.
    pub waiting: usize,
    /// Objects that a person has to do something about.
    pub held: usize,
    /// Objects of the set that are declared no longer, and left alone without --prune.
    pub undeclared: usize,
    /// Objects that were planned and not come to, because somebody said stop.
    pub left: usize,
    /// Actions on all objects.
    pub actions: usize,
    /// Actions that take something away, raise a right or change a password.
    pub risky: usize,
}

/// One object on the deployment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The kind of the resource that declares it.
    pub kind: &'static str,
    /// The namespace of that resource.
    pub namespace: String,
    /// The name of that resource.
    pub name: String,
    /// The object in words, with its name on the server; absent where the manifest doesn't lead to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Where it is declared: file, line and column. Absent where it is declared no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What becomes of it.
    pub state: State,
    /// What is done, in this order.
    pub actions: Vec<Action>,
    /// Why it waits or is held: a reason of the list in docs/conditions.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What else is worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is there now, by names and values; only of objects that something is done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<BTreeMap<String, String>>,
    /// What is there afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<BTreeMap<String, String>>,
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is as declared.
    InOrder,
    /// Something is done, and then it is as declared.
    Changes,
    /// It waits for something that may come by itself; what can be done is done.
    Waits,
    /// A person has to do something; what can be done is done.
    Held,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// create, delete, update, grant, revoke, restore, generate, forget or other.
    pub verb: &'static str,
    /// The action as a sentence without subject.
    pub action: String,
    /// Why it is done.
    pub because: String,
    /// What it may cost.
    pub risk: Risk,
}

/// What an action may cost somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Risk {
    /// Nothing.
    None,
    /// Takes an account or a right away.
    Removes,
    /// Takes an explicit none away, so that a wider right applies, which may be higher.
    RaisesRights,
    /// Gives a right on *, which reaches every database without a level of its own, or on _system, which makes an
    /// administrator.
    WideRight,
    /// Changes a password: whoever uses the old one is shut out.
    Password,
    /// Destroys data.
    DestroysData,
}

impl Risk {
    /// In words; nothing where there is none.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Removes => Some("takes away"),
            Self::RaisesRights => Some("may raise rights"),
            Self::WideRight => Some("wide right"),
            Self::Password => Some("changes a password"),
            Self::DestroysData => Some("DESTROYS DATA"),
        }
    }
}

impl Action {
    /// A step that is to be seen; nothing for bookkeeping, which changes nothing that anybody could see.
    pub(super) fn of<K: Kind>(step: &Step<K::Action>) -> Option<Self> {
        let is_shown = match step.because {
            Because::Bookkeeping => false,
            Because::Interrupted => K::is_on_server(&step.action),
            _ => true,
        };
        let action = step.action.to_string();
        let risk = match (step.risk, K::stands_out(&step.action)) {
            (core::Risk::DestroysData, _) => Risk::DestroysData,
            (core::Risk::RaisesRights, _) => Risk::RaisesRights,
            (core::Risk::Removes, _) => Risk::Removes,
            (core::Risk::None, Some(Notable::Password)) => Risk::Password,
            (core::Risk::None, Some(Notable::WideRight)) => Risk::WideRight,
            (core::Risk::None, None) => Risk::None,
        };
        let because = match step.because {
            Because::Deleted => "no manifest declares it any more".to_owned(),
            other => other.to_string(),
        };
        is_shown.then(|| Self { verb: verb(&action), action, because, risk })
    }
}

/// What waits for something that comes by itself also where nobody keeps watch; whatever else is missing is missing
/// in what was given.
const WAITS: &[Reason] = &[
    Reason::UserMissing,
    Reason::DatabaseMissing,
    Reason::CollectionMissing,
    Reason::Paused,
    Reason::ServerReadOnly,
];

impl Entry {
    /// Says what a verdict says.
    pub(super) fn judge(&mut self, verdict: &Verdict) {
        self.state = match verdict.reason {
            Reason::Ready if self.actions.is_empty() => State::InOrder,
            Reason::Ready => State::Changes,
            reason if WAITS.contains(&reason) => State::Waits,
            _ => State::Held,
        };
        if !verdict.is_ready() {
            self.reason = Some(verdict.reason.to_string());
            // There is no status to look into.
            self.message = Some(verdict.message.replace(" (see status.pending)", ""));
        }
        let remarks = verdict.also.iter().filter(|said| !said.is_true() && said.reason != verdict.reason);
        self.notes.extend(remarks.map(|said| format!("{}: {}", said.reason, said.message)));
    }

    /// Whether there is anything to say of it.
    pub(super) fn is_worth_a_line(&self) -> bool {
        self.state != State::InOrder || !self.notes.is_empty()
    }
}

impl Summary {
    /// Counts one more.
    pub(super) fn count(&mut self, entry: &Entry) {
        self.objects += 1;
        match entry.state {
            State::InOrder => self.in_order += 1,
            State::Changes => {}
            State::Waits => self.waiting += 1,
            State::Held => self.held += 1,
        }
        self.changing += usize::from(!entry.actions.is_empty());
        self.actions += entry.actions.len();
        self.risky += entry.actions.iter().filter(|action| action.risk != Risk::None).count();
    }
}
