//! Plan and apply without Kubernetes: the operator's own flow over manifests, once as a rehearsal and once for good.
//!
//! A plan is a rehearsal of apply. Both run [`crate::reconcile::drive`] for each manifest, kind after kind, over one
//! [`crate::reconcile::Server`]. In a rehearsal nothing that would change something leaves the machine
//! ([`crate::arango::Rehearsal`]), and what was planned is seen by all that comes after. What nobody's status remembers
//! is in a [`Record`], which the deployment itself keeps.

mod carry_out;
mod documents;
mod loss;
mod pass;
mod record;
mod removal;
mod report;
mod scene;
mod secrets;

pub use self::{
    carry_out::{Progress, Rehearsed, carry_out, rehearse},
    loss::with_data,
    record::{COLLECTION, Record, RecordError},
    report::{Action, Entry, Report, Risk, State, Summary},
    scene::Scene,
};
