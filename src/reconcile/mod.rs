//! The one flow of all kinds and of both the operator and the command line:
//!
//! desired (pure) → observe → plan (pure) → allow (pure) → execute → outcome (pure)
//!
//! [`drive`] is the only code that executes a plan. What differs between its callers is handed in: where passwords
//! come from ([`Secrets`]) and where a claim and a record are stored ([`Journal`]).

pub mod logins;
pub mod outcome;
mod read_only;
mod server;
pub mod snapshot;
mod standing;

use std::future::Future;

use futures::future::BoxFuture;
use secrecy::SecretString;

pub use self::{
    outcome::Outcome,
    server::{Identity, IsThere, Server},
    snapshot::{Look, Part},
    standing::{Deployments, Mode},
};
use crate::{
    core::{
        Access, Consent, DriftPolicy, Hold, Origin, Reason, Risk,
        access::Case,
        drift,
        policy::{Allowed, allow, deny},
    },
    kinds::{ExecuteError, Execution, Kind, Marked},
};

/// UID and resource version of a Secret.
pub type Version = (String, String);

/// The Secrets of a resource's own namespace.
pub trait Secrets: Send + Sync {
    /// The version of a Secret, without reading its body; nothing if there is no such Secret.
    fn version(&self, name: &str) -> Option<Version>;

    /// Reads one key, and the version that the value is of.
    fn read<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<(SecretString, Version), Hold>>;

    /// Makes a password of `length` letters and digits for `user` and stores it in a new Secret. One that exists and
    /// is the same owner's is kept; anybody else's is refused.
    fn generate<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        user: &'a str,
        length: u32,
    ) -> BoxFuture<'a, Result<(), Hold>>;

    /// What a generated Secret of the same owner says beside its password.
    fn generated<'a>(&'a self, name: &'a str, key: &'a str) -> BoxFuture<'a, Result<Generated, Hold>>;

    /// Makes another password and stores it beside the one of `key`, unless the Secret changed since.
    fn propose<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        since: &'a Generated,
        length: u32,
    ) -> BoxFuture<'a, Result<Generated, Hold>>;

    /// Puts the password beside it in the place of `key`'s, and notes which wish that fulfils, unless the Secret
    /// changed since.
    fn promote<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        since: &'a Generated,
        rotated: &'a str,
    ) -> BoxFuture<'a, Result<Generated, Hold>>;
}

/// A generated Secret, as far as it is about replacing its password.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The next password, if one is there.
    pub next: Option<SecretString>,
    /// The wish for another password that was fulfilled last.
    pub rotated: Option<String>,
    /// The version that this is of.
    pub version: Version,
}

/// Where a resource's claim is stored before the first write, and its records in between.
pub trait Journal<K: Kind>: Send {
    /// What went wrong with it.
    type Error: Send;

    /// Stores the claim, if the resource needs one: called before the first write to the server.
    fn begin(
        &mut self,
        origin: Origin,
        memory: &K::Memory,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Stores the memory durably: called after a step that asks for it and before the next one.
    fn save(&mut self, memory: &K::Memory) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What one pass is about.
#[derive(Debug)]
pub struct Target<'a, K: Kind> {
    /// The declared object.
    pub desired: &'a K::Desired,
    /// What is remembered of it.
    pub memory: K::Memory,
    /// How it came to belong to the resource; nothing before the first pass.
    pub origin: Option<Origin>,
    /// The consent to its removal, if the resource is being deleted.
    pub deleting: Option<Consent>,
    /// Whether the claim is stored already.
    pub begun: bool,
    /// What is done about a difference. A deletion is carried out in any case: whoever calls decides on it.
    pub policy: DriftPolicy,
    /// What may be done through the ArangoCluster.
    pub access: &'a Access,
}

/// One pass over one resource.
#[allow(clippy::too_many_lines, reason = "the steps of one pass, in their order")]
pub async fn drive<K: Kind, J: Journal<K>>(
    server: &Server,
    secrets: &dyn Secrets,
    look: Look,
    target: Target<'_, K>,
    journal: &mut J,
) -> Result<Outcome<K>, J::Error> {
    let Target { desired, mut memory, mut origin, deleting, mut begun, policy, access } = target;
    let mut owned = origin.is_some();
    let mut outcome = Outcome::new(memory.clone(), origin);
    if let Some(hold) = K::protected(desired, server.account.as_deref()) {
        return Ok(outcome.held_by(hold));
    }
    // Writes to one server user form one queue; the look is inside, so that no plan is older than the last write.
    let _turn = match K::writes_to(desired) {
        Some(user) => Some(server.turn(user).await),
        None => None,
    };

    let plan = async |look| {
        let found = K::observe(server, secrets, look, desired).await?;
        let plan = match deleting {
            None => K::plan(desired, &found, &memory),
            Some(_) => K::removal(desired, &found, &memory),
        };
        // What was claimed to be made and was made by somebody else is adopted like anything that is found.
        let marked = by_mark::<K>(desired, &found, &memory, origin, deleting);
        let adopts = K::exists(&found) && (!owned || matches!(marked, Ok(Some(_))));
        let mut allowed = allow(plan, deleting);
        let mut denied = None;
        let waits = allowed.plan.steps.is_empty() && allowed.plan.hold.is_some();
        // What is there and not owned is owned after this pass, even by one that only waits.
        if access.is_restricted() && (adopts || !waits) {
            let before = K::rights(server, look, desired, access, adopts).await?;
            let mut after = before.clone();
            allowed.plan.steps.iter().for_each(|step| K::leads_to(&step.action, &mut after));
            let subject = K::subject(desired);
            let case = Case { subject, adopts, deleting: deleting.is_some(), before: &before, after: &after };
            denied = deny(&mut allowed, access.judge(&case));
        }
        Ok((found, marked, allowed, denied))
    };
    let observes = deleting.is_none() && policy == DriftPolicy::Observe;
    let looked = match plan(look).await {
        // What is taken away may take along what came since the look: such a plan is made again from a closer one.
        Ok((_, _, allowed, _)) if !look.removing && !observes && allowed.takes_away() => {
            plan(Look { removing: true, ..look }).await
        }
        other => other,
    };
    let (found, marked, mut allowed, denied) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            let doing = format!("look at the {}", K::describe(desired));
            return Ok(outcome.held_by(read_only::explain(server, look, &error, &doing).await));
        }
    };
    let existed = K::exists(&found);
    outcome.existed = existed;
    outcome.denied = denied;
    match marked {
        Err(hold) => return Ok(outcome.held_by(hold)),
        Ok(Some(claimed)) => {
            // Who may not take it over owns nothing.
            origin = outcome.denied.is_none().then_some(claimed);
            (begun, owned) = (false, false);
            outcome.origin = origin;
        }
        Ok(None) => {}
    }
    let remarks = K::remarks(desired, &found, &memory);
    if let Some(reason) = withheld::<K>(server, look, observes, &allowed).await {
        if let Some(hold) = &outcome.denied {
            outcome.verdict = hold.clone().into();
        } else {
            outcome.withhold(&K::describe(desired), allowed.plan, reason, remarks);
        }
        return Ok(outcome);
    }
    if deleting.is_none()
        && !begun
        && existed
        && writes::<K>(&allowed)
        && let Err(hold) = server.may_take_over(&K::describe(desired))
    {
        return Ok(outcome.held_by(hold));
    }
    if allowed.takes_away()
        && let Err(hold) = server.may_take_away().await
    {
        allowed.stop_before_taking_away(hold);
    }
    let origin = origin.unwrap_or(if existed { Origin::Adopted } else { Origin::Created });
    outcome.held = allowed.held;
    let mut hold = allowed.plan.hold;

    for step in allowed.plan.steps {
        let durable = K::must_be_remembered(&step.action);
        if !begun && !durable {
            journal.begin(origin, &memory).await?;
            begun = true;
        }
        match K::execute(server, secrets, &step.action, &mut memory).await {
            Ok(Execution::Done) => outcome.touched |= K::is_on_server(&step.action),
            Ok(Execution::NotYet(reason)) => {
                hold.get_or_insert(reason);
                continue;
            }
            Err(error) => {
                outcome.touched |= error.leaves_open();
                let doing = step.action.to_string();
                hold = Some(match error {
                    ExecuteError::Server(error) => read_only::explain(server, look, &error, &doing).await,
                    ExecuteError::Held(hold) => hold,
                });
                break;
            }
        }
        // A resource that owns is remembered by its status, which a claim alone would not change.
        if durable && (begun || owned) {
            journal.save(&memory).await?;
        } else if durable {
            journal.begin(origin, &memory).await?;
            begun = true;
        }
        outcome.raised_rights |= step.risk == Risk::RaisesRights;
        outcome.done.push(step);
    }

    outcome.memory = memory;
    if let Some(hold) = hold {
        // Held before anything of it was there or made: the resource does not own it.
        let owns = (outcome.existed || outcome.touched) && outcome.denied.is_none();
        outcome.origin = outcome.origin.or(owns.then_some(origin));
        outcome.verdict = hold.into();
    } else {
        outcome.origin = Some(origin);
        outcome.verdict = drift::in_place(&K::describe(desired), remarks);
    }
    Ok(outcome)
}

/// What an object's mark says of whose it is: that it is not ours, or that it has to be claimed anew. What was claimed to
/// be made, and was made by somebody else before we came to it, is adopted, or let go.
fn by_mark<K: Kind>(
    desired: &K::Desired,
    found: &K::Observed,
    memory: &K::Memory,
    origin: Option<Origin>,
    deleting: Option<Consent>,
) -> Result<Option<Origin>, Hold> {
    match (K::marked(desired, found, memory), origin, deleting) {
        (Marked::Others(hold), ..) | (Marked::Siblings(hold), None, _) => Err(hold),
        (Marked::Unmade, Some(Origin::Created), Some(_)) => {
            let message = format!("the {} was made by somebody else", K::describe(desired));
            Err(Hold::new(Reason::Conflict, message))
        }
        (Marked::Unmade, Some(Origin::Created), None) => Ok(Some(Origin::Adopted)),
        _ => Ok(None),
    }
}

/// Why nothing may be written now, if so.
async fn withheld<K: Kind>(
    server: &Server,
    look: Look,
    observes: bool,
    allowed: &Allowed<K::Action>,
) -> Option<Reason> {
    if observes {
        Some(Reason::ActionsPending)
    } else if writes::<K>(allowed) && read_only::is_on(server, look).await {
        Some(Reason::ServerReadOnly)
    } else {
        None
    }
}

/// Whether anything of it would be written to the server.
fn writes<K: Kind>(allowed: &Allowed<K::Action>) -> bool {
    allowed.plan.steps.iter().any(|step| K::is_on_server(&step.action))
}
