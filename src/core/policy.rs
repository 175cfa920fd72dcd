//! What may be done: consent to deletion, and the one decision about a plan's steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Because, Hold, Plan, Risk, Step};

/// How an object on the server came to belong to a resource. Decided by the observation before the first write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Origin {
    /// It was not there; the operator made it.
    Created,
    /// It was there already.
    Adopted,
}

/// What is done about a difference between what is declared and what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum DriftPolicy {
    /// It is put right.
    #[default]
    Correct,
    /// It is said, and nothing is written.
    Observe,
}

/// Whether what a deleted resource declared is removed from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It stays.
    Keep,
    /// It is removed, data included.
    Remove,
}

/// The consent of a user or a permission: said in the spec, else by origin.
pub fn consent_by_origin(policy: Option<RemovalPolicy>, origin: Option<Origin>) -> Consent {
    match (policy, origin) {
        (Some(RemovalPolicy::Delete), Some(_)) | (None, Some(Origin::Created)) => Consent::Remove,
        // Without an origin the resource never reconciled: it does not own, so it never deletes.
        (_, None) | (Some(RemovalPolicy::Retain), _) | (None, Some(Origin::Adopted)) => Consent::Keep,
    }
}

/// What happens on the server when the resource is deleted: Delete removes what it declared, Retain leaves it. If left
/// out, Delete for what the operator created, Retain for what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum RemovalPolicy {
    /// Removed from the server with the resource.
    Delete,
    /// Left on the server.
    Retain,
}

/// The steps of a plan that may be carried out, and those that may not.
#[derive(Debug)]
pub struct Allowed<A> {
    /// To be carried out.
    pub plan: Plan<A>,
    /// Held back for want of consent.
    pub held: Vec<Step<A>>,
}

impl<A> Allowed<A> {
    /// Whether something is taken away.
    pub fn takes_away(&self) -> bool {
        self.plan.steps.iter().any(|step| step.risk != Risk::None)
    }

    /// Leaves out the first step that takes something away, the bookkeeping for it, and whatever comes after.
    pub fn stop_before_taking_away(&mut self, hold: Hold) {
        let steps = &mut self.plan.steps;
        let Some(mut end) = steps.iter().position(|step| step.risk != Risk::None) else { return };
        while end > 0 && steps[end - 1].because == Because::Bookkeeping {
            end -= 1;
        }
        self.held.extend(steps.split_off(end));
        self.plan.hold = Some(hold);
    }
}

/// Splits a plan by what the resource consents to.
///
/// A resource that stays consents to everything that its spec asks for, but never to the destruction of data. A
/// resource that goes consents to what its deletion policy says, and to the end of what was interrupted.
pub fn allow<A>(plan: Plan<A>, deleting: Option<Consent>) -> Allowed<A> {
    let may = |step: &Step<A>| match deleting {
        None => step.risk != Risk::DestroysData,
        // What an earlier plan left half done is brought to its end in any case.
        Some(Consent::Keep) => step.because == Because::Interrupted,
        Some(Consent::Remove) => true,
    };
    let Plan { steps, hold } = plan;
    let (steps, held) = steps.into_iter().partition(may);
    Allowed { plan: Plan { steps, hold }, held }
}

/// Takes out of a plan what a judgement refuses, which is all of it: what is left is the end of what was interrupted,
/// because no right is lost for a refusal. Tells what was refused.
pub fn deny<A>(allowed: &mut Allowed<A>, judgement: Result<(), Hold>) -> Option<Hold> {
    let hold = judgement.err()?;
    allowed.plan.steps.retain(|step| step.because == Because::Interrupted);
    allowed.plan.hold = Some(hold.clone());
    Some(hold)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(risk: Risk) -> Plan<&'static str> {
        let mut plan = Plan::default();
        plan.push_risky("act", Because::Missing, risk);
        plan
    }

    #[test]
    fn nothing_is_destroyed_while_the_resource_stays() {
        assert!(allow(plan(Risk::DestroysData), None).plan.steps.is_empty());
        assert_eq!(allow(plan(Risk::RaisesRights), None).plan.steps.len(), 1);
    }

    #[test]
    fn a_deletion_without_consent_does_nothing_at_all() {
        for risk in [Risk::None, Risk::Removes, Risk::RaisesRights, Risk::DestroysData] {
            assert!(allow(plan(risk), Some(Consent::Keep)).plan.steps.is_empty());
            assert_eq!(allow(plan(risk), Some(Consent::Remove)).plan.steps.len(), 1);
        }
    }

    #[test]
    fn a_refusal_leaves_nothing_but_the_end_of_what_was_interrupted() {
        let mut plan = plan(Risk::None);
        plan.push("put back", Because::Interrupted);
        let mut allowed = allow(plan, None);
        assert_eq!(deny(&mut allowed, Ok(())), None);
        assert_eq!(allowed.plan.steps.len(), 2);
        assert_eq!(deny(&mut allowed, Err(Hold::invalid("no"))), Some(Hold::invalid("no")));
        let left: Vec<_> = allowed.plan.steps.iter().map(|step| step.action).collect();
        assert_eq!((left, allowed.plan.hold), (vec!["put back"], Some(Hold::invalid("no"))));
    }

    #[test]
    fn what_takes_nothing_away_goes_on_until_something_would() {
        let mut plan = Plan::default();
        plan.push("grant", Because::Missing);
        plan.push("record", Because::Bookkeeping);
        plan.push_risky("revoke", Because::NoLongerDeclared, Risk::Removes);
        plan.push("restore", Because::NoLongerDeclared);
        let mut allowed = allow(plan, None);
        assert!(allowed.takes_away());
        let hold = Hold::new(super::super::Reason::DeploymentChanged, "not now");
        allowed.stop_before_taking_away(hold.clone());
        let left: Vec<_> = allowed.plan.steps.iter().map(|step| step.action).collect();
        assert_eq!((left, allowed.held.len()), (vec!["grant"], 3));
        assert_eq!(allowed.plan.hold, Some(hold));
        assert!(!allowed.takes_away());
    }

    #[test]
    fn a_resource_that_never_reconciled_never_deletes() {
        assert_eq!(consent_by_origin(Some(RemovalPolicy::Delete), None), Consent::Keep);
    }

    #[test]
    fn what_was_adopted_stays_unless_the_spec_says_otherwise() {
        assert_eq!(consent_by_origin(None, Some(Origin::Adopted)), Consent::Keep);
        assert_eq!(consent_by_origin(Some(RemovalPolicy::Delete), Some(Origin::Adopted)), Consent::Remove);
        assert_eq!(consent_by_origin(None, Some(Origin::Created)), Consent::Remove);
    }
}
