//! How maintenance is looked at and switched.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::{
    arango::{self, Cluster, Supervision},
    core::{
        Hold, Reason,
        maintenance::{Action, Seen},
    },
    reconcile::outcome::of_error,
};

/// Longest time of one switch. The client gives the supervision a little less.
const LIMIT: Duration = Duration::from_secs(300);

/// One thing that has a maintenance of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The supervision of the whole deployment.
    Supervision,
    /// A DB-Server, as the annotation names it.
    Server(String),
}

/// One switch that was decided.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// What is switched.
    pub(super) subject: Subject,
    /// Its id, if it is a DB-Server.
    pub(super) id: String,
    /// To what.
    pub(super) action: Action,
    /// When that was decided.
    pub(super) begun: Timestamp,
}

/// What came of a switch.
#[derive(Debug, Clone)]
pub(super) struct Done {
    /// What was to be switched.
    pub(super) step: Step,
    /// How it ended.
    pub(super) result: Result<(), Failure>,
}

/// A switch that failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// What is said of it.
    pub(super) hold: Hold,
    /// Whether it may have been carried out all the same.
    pub(super) may_have_run: bool,
}

/// Who switches.
#[derive(Debug, Clone)]
pub(super) enum Switch {
    /// We, through the coordinators.
    Coordinators(Cluster),
}

impl Switch {
    /// Whether the supervision is in maintenance. Until when, no server tells (reference: cluster, maintenance).
    pub(super) async fn supervision(&self) -> Result<Seen, arango::Error> {
        let Self::Coordinators(cluster) = self;
        let on = cluster.supervision().await? == Supervision::Maintenance;
        Ok(Seen { on, until: None })
    }

    /// Whether a DB-Server is, by its id.
    pub(super) async fn server(&self, id: &str) -> Result<Seen, arango::Error> {
        let Self::Coordinators(cluster) = self;
        let maintenance = cluster.server_maintenance(id).await?;
        Ok(Seen { on: maintenance.is_some(), until: maintenance.and_then(|maintenance| maintenance.until) })
    }

    /// Carries one switch out. Of the supervision this takes up to two minutes.
    pub(super) async fn carry_out(&self, step: Step) -> Done {
        let result = match timeout(LIMIT, self.switch(&step)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure {
                may_have_run: error.may_have_run() || error.class() == arango::Class::Unreachable,
                hold: of_error(&error, &step.doing()),
            }),
            Err(_) => Err(Failure {
                may_have_run: true,
                hold: Hold::new(
                    Reason::ServerUnavailable,
                    format!("could not {}: no answer within {LIMIT:?}; trying again", step.doing()),
                ),
            }),
        };
        Done { step, result }
    }

    async fn switch(&self, step: &Step) -> Result<(), arango::Error> {
        let Self::Coordinators(cluster) = self;
        match (&step.subject, step.action) {
            (Subject::Supervision, Action::On(lasting)) => cluster.stop_supervision(lasting).await.map(drop),
            (Subject::Supervision, Action::Off) => cluster.start_supervision().await,
            (Subject::Server(_), Action::On(lasting)) => {
                cluster.set_server_maintenance(&step.id, Some(lasting)).await
            }
            (Subject::Server(_), Action::Off) => cluster.set_server_maintenance(&step.id, None).await,
        }
    }
}

impl Step {
    fn doing(&self) -> String {
        let to = match self.action {
            Action::On(_) => "on",
            Action::Off => "off",
        };
        match &self.subject {
            Subject::Supervision => format!("switch maintenance of the supervision {to}"),
            Subject::Server(name) => format!("switch maintenance of the DB-Server {name} {to}"),
        }
    }
}
