//! What came of a pass, and the one table from errors to what a person is told. Pure.

use crate::{
    arango::{Class, Error, What},
    core::{Because, Hold, Origin, Plan, Reason, Risk, Step, Verdict, condition::Said, drift},
    kinds::Kind,
};

/// What came of a pass.
#[derive(Debug)]
pub struct Outcome<K: Kind> {
    /// What is said in the conditions.
    pub verdict: Verdict,
    /// What is to be remembered.
    pub memory: K::Memory,
    /// How the object came to belong to the resource, once it does.
    pub origin: Option<Origin>,
    /// Whether the object was there when the pass began.
    pub existed: bool,
    /// Whether the server was changed, or may have been.
    pub touched: bool,
    /// The steps that were carried out, in order.
    pub done: Vec<Step<K::Action>>,
    /// The steps that were held back for want of consent.
    pub held: Vec<Step<K::Action>>,
    /// Whether a removal may have raised somebody's rights.
    pub raised_rights: bool,
    /// What the ArangoCluster doesn't lend though the plan needs it, so that it was not carried out.
    pub denied: Option<Hold>,
}

impl<K: Kind> Outcome<K> {
    /// The same where nothing was done, and why.
    pub(super) fn held_by(self, hold: Hold) -> Self {
        Self { verdict: hold.into(), ..self }
    }

    pub(super) fn new(memory: K::Memory, origin: Option<Origin>) -> Self {
        let verdict = Hold::new(Reason::Pending, "").into();
        Self {
            verdict,
            memory,
            origin,
            existed: false,
            touched: false,
            done: Vec::new(),
            held: Vec::new(),
            raised_rights: false,
            denied: None,
        }
    }

    /// Leaves a plan undone for that reason. Nobody becomes an owner by looking: origin and memory stay.
    pub(super) fn withhold(&mut self, what: &str, plan: Plan<K::Action>, reason: Reason, remarks: Vec<Said>) {
        // Bookkeeping goes with other steps, and alone it changes nothing that anybody could see.
        let is_shown = |step: &&Step<K::Action>| match step.because {
            Because::Bookkeeping => false,
            Because::Interrupted => K::is_on_server(&step.action),
            _ => true,
        };
        let actions: Vec<_> = plan.steps.iter().filter(is_shown).map(sentence).collect();
        self.verdict = match plan.hold {
            _ if !actions.is_empty() => drift::withheld(reason, what, actions),
            Some(hold) => hold.into(),
            None => drift::in_place(what, remarks),
        };
    }
}

/// A step as people read it before it is done.
fn sentence<A: std::fmt::Display>(step: &Step<A>) -> String {
    match step.risk {
        Risk::RaisesRights => format!("{}, whereupon a wider right applies that may be higher", step.action),
        Risk::None | Risk::Removes | Risk::DestroysData => step.action.to_string(),
    }
}

/// What an error means for a resource. `doing` says what was attempted: "create the database shop".
pub fn of_error(error: &Error, doing: &str) -> Hold {
    let (reason, next) = match error.class() {
        Class::Unreachable => (Reason::ServerUnavailable, advice(&error.to_string())),
        Class::Timeout | Class::Busy => (Reason::ServerUnavailable, "trying again"),
        Class::ReadOnly => (Reason::ServerReadOnly, "going on when it takes writes again"),
        // ArangoDB says 404 with a number; a proxy or another web server doesn't.
        Class::Missing(What::Other) if error.error_num().is_none() => {
            (Reason::ServerUnavailable, "is it an ArangoDB that answers there? trying again")
        }
        Class::Missing(What::User) => (Reason::UserMissing, "looking again"),
        Class::Missing(What::Database) => (Reason::DatabaseMissing, "looking again"),
        Class::Missing(What::Collection) => (Reason::CollectionMissing, "looking again"),
        Class::Missing(What::Other) | Class::Exists | Class::Conflict => (Reason::Retry, "trying again"),
        Class::Denied | Class::LoginRefused => (
            Reason::AccessDenied,
            "the connection's account needs rw on _system and a right password; trying again at the next interval",
        ),
        Class::Unexpected if matches!(error, Error::NotUnderstood { .. }) => {
            (Reason::Refused, "is it an ArangoDB that answers there? trying again at the next interval")
        }
        Class::Invalid | Class::Unexpected => (
            Reason::Refused,
            "change the resource, or see the operator's log; trying again at the next interval",
        ),
    };
    Hold::new(reason, format!("could not {doing}: {error}; {next}"))
}

/// What a connection says when something on the way to a server is configured wrongly, and what to do about it. It is
/// waited for all the same: the other side may be what changes.
const ADVICE: &[(&str, &str)] = &[
    (
        "not valid for name",
        "name the server in spec.endpoints of the ArangoCluster as its certificate does; trying again",
    ),
    (
        "invalid peer certificate",
        "spec.tls.caRef of the ArangoCluster must name the authority that signed the server's certificate; trying again",
    ),
    ("InvalidContentType", "it seems to speak http:// and not https://; trying again"),
    ("invalid HTTP version", "it seems to speak https:// and not http://; trying again"),
];

fn advice(said: &str) -> &'static str {
    ADVICE.iter().find(|(part, _)| said.contains(part)).map_or("trying again", |(_, advice)| advice)
}
