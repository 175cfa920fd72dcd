//! kube-arangodb's own switch for supervision maintenance, `spec.database.maintenance`. Whatever is switched on the
//! coordinators of an `ArangoDeployment` directly is undone by kube-arangodb, or renewed by it for hours (kube-arangodb
//! reference, section 6).

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{ArangoDeployment, Context, Id};
use crate::{
    core::{
        Hold, Reason,
        kube_arangodb::{Deployment, GROUP, KIND, VERSION},
    },
    crash::{self, Point},
};

/// As whom the field is written, and so who owns it.
const MANAGER: &str = "arango-operator";

/// Why the switch was not set.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// Somebody else keeps the field as it is, and was not overruled.
    #[error("spec.database.maintenance of the ArangoDeployment is kept by {manager:?}")]
    Refused {
        /// The field manager.
        manager: String,
    },
    /// The operator has no right to it.
    #[error("the operator may not patch ArangoDeployments; an administrator applies deploy/kube-arangodb")]
    Forbidden,
    /// There is no such `ArangoDeployment`, or it is another one by now, or it is going away.
    #[error("{0}")]
    Absent(Hold),
    /// The API server.
    #[error("could not write to Kubernetes: {0}")]
    Kube(Box<kube::Error>),
}

impl SwitchError {
    /// Whether it may be set all the same.
    pub fn may_have_run(&self) -> bool {
        matches!(self, Self::Kube(_))
    }
}

impl From<SwitchError> for Hold {
    fn from(error: SwitchError) -> Self {
        let (reason, next) = match &error {
            SwitchError::Absent(hold) => return hold.clone(),
            SwitchError::Refused { .. } => (
                Reason::MaintenanceRefused,
                "it is never overruled: have that manager switch, or make it leave the field alone; trying again",
            ),
            SwitchError::Forbidden => (Reason::AccessDenied, "trying again"),
            SwitchError::Kube(_) => (Reason::Retry, "trying again"),
        };
        Self::new(reason, format!("{error}; {next}"))
    }
}

/// Sets the switch of the `ArangoDeployment`. Off is an explicit `false`: what is left out is filled in again from what
/// was accepted before, and stays on. That kube-arangodb follows is seen later, in [`Deployment::maintenance`].
///
/// # Errors
///
/// Why it was not set. It is never forced.
pub async fn switch(context: &Context, id: &Id, on: bool) -> Result<(), SwitchError> {
    let Deployment { uid, maintenance, .. } =
        context.arango_deployments.find(id).await.map_err(SwitchError::Absent)?;
    if maintenance.declared == Some(on) {
        return Ok(());
    }
    let api: Api<ArangoDeployment> = context.api(&id.namespace);
    // By its UID, so that one that is gone is not made anew by the patch: it would be an order for servers.
    let patch = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": {"name": id.name.to_string(), "uid": uid},
        "spec": {"database": {"maintenance": on}},
    });
    match api.patch_metadata(&id.name, &PatchParams::apply(MANAGER), &Patch::Apply(patch)).await {
        Ok(_) => {
            crash::at(Point::MaintenanceDeclared);
            context.metrics.wrote(KIND, "spec");
            Ok(())
        }
        Err(error) => Err(meaning(error)),
    }
}

fn meaning(error: kube::Error) -> SwitchError {
    let kube::Error::Api(status) = &error else { return SwitchError::Kube(Box::new(error)) };
    let gone = || {
        let message =
            "the ArangoDeployment is gone, or another one of the same name is in its place; looking again";
        SwitchError::Absent(Hold::new(Reason::ReferenceMissing, message))
    };
    match status.code {
        403 => SwitchError::Forbidden,
        404 => gone(),
        409 => {
            let causes = status.details.iter().flat_map(|details| &details.causes);
            let mut managers = causes.filter(|cause| cause.reason == "FieldManagerConflict");
            match managers.find_map(|cause| manager(&cause.message)) {
                Some(manager) => SwitchError::Refused { manager },
                None => gone(),
            }
        }
        _ => SwitchError::Kube(Box::new(error)),
    }
}

/// The manager in `conflict with "NAME" using GROUP/VERSION`, where the rest may be missing.
fn manager(message: &str) -> Option<String> {
    let name = message.strip_prefix("conflict with \"")?;
    let end = name.find('"')?;
    Some(name[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_is_read_out_of_a_conflict() {
        for message in [
            "conflict with \"argocd-controller\" using database.arangodb.com/v1",
            "conflict with \"argocd-controller\"",
        ] {
            assert_eq!(manager(message).as_deref(), Some("argocd-controller"));
        }
        assert_eq!(manager("something else"), None);
    }
}
