//! A plan: the ordered steps from what is observed to what is desired.

use std::fmt;

/// What a step may cost somebody. [`allow`](super::policy::allow) decides on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// Brings something declared about, or bookkeeping of our own.
    None,
    /// Takes something of ours away again: an account, a right.
    Removes,
    /// Takes an explicit `none` away, so that a wildcard applies again and a level may rise.
    RaisesRights,
    /// Destroys data.
    DestroysData,
}

/// Why a step is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Declared, and not there.
    Missing,
    /// There, and different from what is declared.
    Differs,
    /// The Secret that holds the password has another version than the one last set.
    SecretChanged,
    /// Declared earlier by this resource, and no longer.
    NoLongerDeclared,
    /// The resource is being deleted.
    Deleted,
    /// An earlier plan was interrupted here.
    Interrupted,
    /// Bookkeeping that makes the steps after it safe to interrupt.
    Bookkeeping,
}

impl Because {
    /// Whether such a step, planned for a resource that was in sync, repairs what somebody changed by hand.
    pub fn is_drift(self) -> bool {
        matches!(self, Self::Missing | Self::Differs)
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "declared but missing",
            Self::Differs => "differs from what is declared",
            Self::SecretChanged => "the Secret changed",
            Self::NoLongerDeclared => "no longer declared",
            Self::Deleted => "the resource is being deleted",
            Self::Interrupted => "interrupted earlier",
            Self::Bookkeeping => "bookkeeping",
        })
    }
}

/// One action and why it is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<A> {
    /// What to do.
    pub action: A,
    /// Why.
    pub because: Because,
    /// What it may cost.
    pub risk: Risk,
}

/// What an action does, in one word out of a closed list, by the first word of its sentence.
pub fn verb(action: &str) -> &'static str {
    match action.split(' ').next().unwrap_or_default() {
        "create" => "create",
        "delete" | "drop" => "delete",
        "set" | "activate" | "deactivate" | "replace" => "update",
        "grant" => "grant",
        "revoke" => "revoke",
        "put" => "restore",
        "generate" => "generate",
        _ => "other",
    }
}

/// Ordered steps, and what keeps the rest from happening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<A> {
    /// Carried out in this order; the first failure ends the pass.
    pub steps: Vec<Step<A>>,
    /// What the resource waits for, or why it can't go on, once the steps are done.
    pub hold: Option<super::Hold>,
}

impl<A> Default for Plan<A> {
    fn default() -> Self {
        Self { steps: Vec::new(), hold: None }
    }
}

impl<A> Plan<A> {
    /// Adds a step without risk.
    pub fn push(&mut self, action: A, because: Because) {
        self.push_risky(action, because, Risk::None);
    }

    /// Adds a step that may cost somebody something.
    pub fn push_risky(&mut self, action: A, because: Because, risk: Risk) {
        self.steps.push(Step { action, because, risk });
    }

    /// A plan that does nothing because it can't.
    pub fn held(hold: super::Hold) -> Self {
        Self { steps: Vec::new(), hold: Some(hold) }
    }

    /// Whether there is nothing to do and nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.hold.is_none()
    }
}
