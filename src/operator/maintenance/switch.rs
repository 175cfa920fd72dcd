//! How maintenance is looked at and switched.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use crate::{
    arango::{self, Cluster, Supervision},
    core::{
        Hold, Reason,
        maintenance::{Action, Seen, knows_seconds},
    },
    operator::{
        context::Context,
        index::Id,
        kube_arangodb::maintenance::{SwitchError, switch},
    },
    reconcile::outcome::of_error,
};

/// Longest time of one switch. The client gives the supervision a little less.
const LIMIT: Duration = Duration::from_secs(300);

/// How long what was told to kube-arangodb may not be seen yet.
const SEEN: Duration = Duration::from_secs(10);

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
    /// kube-arangodb, which would undo what we switch: its own switch is set. Single DB-Servers have none there.
    KubeArangodb {
        /// The coordinators.
        cluster: Cluster,
        /// Knows of the `ArangoDeployment`s.
        context: Arc<Context>,
        /// Which one it is.
        id: Id,
    },
}

impl Switch {
    fn cluster(&self) -> &Cluster {
        let (Self::Coordinators(cluster) | Self::KubeArangodb { cluster, .. }) = self;
        cluster
    }

    /// Whether it can be asked for a number of seconds.
    pub(super) fn knows_seconds(&self, version: Option<&str>) -> bool {
        matches!(self, Self::Coordinators(_)) && knows_seconds(version)
    }

    /// How long a switch of the supervision may not be seen yet.
    pub(super) fn visible(&self) -> Duration {
        match self {
            Self::Coordinators(_) => Duration::ZERO,
            Self::KubeArangodb { .. } => SEEN,
        }
    }

    /// Whether the supervision is in maintenance. Until when, no server tells (reference: cluster, maintenance). Where
    /// kube-arangodb switches, what it was told counts as well: it follows when it has nothing else to do.
    pub(super) async fn supervision(&self) -> Result<Seen, Hold> {
        let told = match self {
            Self::Coordinators(_) => false,
            Self::KubeArangodb { context, id, .. } => {
                context.arango_deployments.find(id).await?.maintenance.declared == Some(true)
            }
        };
        let supervision = self.cluster().supervision().await;
        let supervision =
            supervision.map_err(|error| of_error(&error, "ask whether the supervision is in maintenance"))?;
        Ok(Seen { on: told || supervision == Supervision::Maintenance, until: None })
    }

    /// Whether a DB-Server is, by its id.
    pub(super) async fn server(&self, id: &str) -> Result<Seen, arango::Error> {
        let maintenance = self.cluster().server_maintenance(id).await?;
        Ok(Seen { on: maintenance.is_some(), until: maintenance.and_then(|maintenance| maintenance.until) })
    }

    /// Carries one switch out. Of the supervision this takes up to two minutes.
    pub(super) async fn carry_out(&self, step: Step) -> Done {
        let doing = step.doing();
        let late = || Failure {
            may_have_run: true,
            hold: Hold::new(
                Reason::ServerUnavailable,
                format!("could not {doing}: no answer within {LIMIT:?}; trying again"),
            ),
        };
        let result = timeout(LIMIT, self.switch(&step, &doing)).await.unwrap_or_else(|_| Err(late()));
        Done { step, result }
    }

    async fn switch(&self, step: &Step, doing: &str) -> Result<(), Failure> {
        let cluster = self.cluster();
        let switched = match (&step.subject, step.action, self) {
            (Subject::Supervision, action, Self::KubeArangodb { context, id, .. }) => {
                let on = matches!(action, Action::On(_));
                return switch(context, id, on).await.map_err(|error| Failure::of_switch(&error, doing));
            }
            (Subject::Supervision, Action::On(lasting), _) => {
                cluster.stop_supervision(lasting).await.map(drop)
            }
            (Subject::Supervision, Action::Off, _) => cluster.start_supervision().await,
            (Subject::Server(_), Action::On(lasting), _) => {
                cluster.set_server_maintenance(&step.id, Some(lasting)).await
            }
            (Subject::Server(_), Action::Off, _) => cluster.set_server_maintenance(&step.id, None).await,
        };
        switched.map_err(|error| Failure {
            may_have_run: error.may_have_run() || error.class() == arango::Class::Unreachable,
            hold: of_error(&error, doing),
        })
    }
}

impl Failure {
    fn of_switch(error: &SwitchError, doing: &str) -> Self {
        let (reason, next) = match error {
            SwitchError::Refused { .. } => (Reason::MaintenanceRefused, "it is not overruled; trying again"),
            SwitchError::Forbidden => (Reason::AccessDenied, "trying again"),
            SwitchError::Absent(hold) => return Self { may_have_run: false, hold: hold.clone() },
            SwitchError::Kube(_) => (Reason::Retry, "trying again"),
        };
        let may_have_run = matches!(error, SwitchError::Kube(_));
        Self { may_have_run, hold: Hold::new(reason, format!("could not {doing}: {error}; {next}")) }
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
