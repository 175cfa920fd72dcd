//! How maintenance is looked at and switched.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::operator::{context::Context, kube_arangodb::maintenance as kube_arangodb, watching::index::Id};
use crate::{
    arango::{self, Cluster, Supervision},
    core::{
        Hold, Reason,
        maintenance::{Action, Seen},
    },
    crash::{self, Point},
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
    /// kube-arangodb, as its `ArangoDeployment` says: what is switched past it is undone by it.
    KubeArangodb(Cluster, Id),
}

impl Switch {
    /// Whether the supervision is in maintenance. Until when, no server tells (reference: cluster, maintenance).
    pub(super) async fn supervision(&self, context: &Context) -> Result<Seen, Hold> {
        let on = match self {
            Self::Coordinators(cluster) => {
                let asked = cluster.supervision().await;
                let doing = "ask whether the supervision is in maintenance";
                asked.map_err(|error| of_error(&error, doing))? == Supervision::Maintenance
            }
            Self::KubeArangodb(_, deployment) => {
                context.arango_deployments.find(deployment).await?.maintenance.declared == Some(true)
            }
        };
        Ok(Seen { on, until: None })
    }

    /// What kube-arangodb has still to do, as a sentence; nothing where it has done it, or has nothing to do.
    pub(super) async fn pending(&self, context: &Context) -> Option<String> {
        let Self::KubeArangodb(_, deployment) = self else { return None };
        context.arango_deployments.find(deployment).await.ok()?.maintenance.pending()
    }

    /// Whether what is switched on ends by itself after the time that was asked for.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Self::Coordinators(_))
    }

    /// Whether a DB-Server is, by its id.
    pub(super) async fn server(&self, id: &str) -> Result<Seen, arango::Error> {
        let (Self::Coordinators(cluster) | Self::KubeArangodb(cluster, _)) = self;
        let maintenance = cluster.server_maintenance(id).await?;
        Ok(Seen { on: maintenance.is_some(), until: maintenance.and_then(|maintenance| maintenance.until) })
    }

    /// Carries one switch out. Of the supervision this takes up to two minutes.
    pub(super) async fn carry_out(&self, context: &Context, step: Step) -> Done {
        let switch = async {
            match self {
                Self::Coordinators(cluster) => through(cluster, &step).await.map_err(|error| Failure {
                    may_have_run: error.may_have_run() || error.class() == arango::Class::Unreachable,
                    hold: of_error(&error, &step.doing()),
                }),
                Self::KubeArangodb(_, deployment) => by_kube_arangodb(context, deployment, &step).await,
            }
        };
        let result = match timeout(LIMIT, switch).await {
            Ok(result) => result,
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
}

async fn through(cluster: &Cluster, step: &Step) -> Result<(), arango::Error> {
    match (&step.subject, step.action) {
        (Subject::Supervision, Action::On(lasting)) => drop(cluster.stop_supervision(lasting).await?),
        (Subject::Supervision, Action::Off) => cluster.start_supervision().await?,
        (Subject::Server(_), Action::On(lasting)) => {
            cluster.set_server_maintenance(&step.id, Some(lasting)).await?;
        }
        (Subject::Server(_), Action::Off) => cluster.set_server_maintenance(&step.id, None).await?,
    }
    crash::at(Point::MaintenanceSwitched);
    Ok(())
}

async fn by_kube_arangodb(context: &Context, deployment: &Id, step: &Step) -> Result<(), Failure> {
    if let Subject::Server(name) = &step.subject {
        let message = format!(
            "kube-arangodb runs the DB-Server {name}, has no switch for its maintenance, and undoes it; nothing is \
             switched. Remove it from the annotation"
        );
        return Err(Failure { hold: Hold::new(Reason::MaintenanceRefused, message), may_have_run: false });
    }
    let switched = kube_arangodb::switch(context, deployment, step.action != Action::Off).await;
    switched.map_err(|error| Failure { may_have_run: error.may_have_run(), hold: error.into() })
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
