//! Who this operator is in the marks that users carry: the same after every start, another one in another cluster.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use std::sync::Arc;
use tracing::{info, warn};

use super::context::Context;
use crate::{
    core::backoff,
    kinds::{Kind, user::User},
    reconcile::{Identity, Server},
};

/// The namespace that every Kubernetes cluster has and never loses.
const KUBE_SYSTEM: &str = "kube-system";

/// The first wait after a failure; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Finds out who we are: what a person said, else the UID of kube-system. An operator for some namespaces may
/// not read that; it is known by the UID of the first of them. Nothing is decided before.
pub(super) async fn learn(context: &Context, said: Option<String>) {
    let instance = match said {
        Some(instance) => instance,
        None => uid(context, context.namespaces.first().map_or(KUBE_SYSTEM, String::as_str)).await,
    };
    info!(instance, "users on servers are marked with this");
    // Called once.
    drop(context.instance.set(instance));
}

async fn uid(context: &Context, namespace: &str) -> String {
    let api: Api<Namespace> = Api::all(context.client.clone());
    let mut failures = 0;
    loop {
        match api.get(namespace).await {
            Ok(Namespace { metadata, .. }) => return metadata.uid.unwrap_or_default(),
            Err(error) => {
                let remedy = "nothing is done before; allow it, or set --instance";
                warn!(%error, namespace, "can't read the namespace to learn who this operator is: {remedy}");
            }
        }
        tokio::time::sleep(backoff::delay(failures, RETRY, RETRY_MAX, rand::random())).await;
        failures = failures.saturating_add(1);
    }
}

/// Has the users of a server carry our mark.
pub(super) fn identified(server: Server, context: &Arc<Context>) -> Server {
    let Some(instance) = context.instance.get().cloned() else { return server };
    let context = Arc::downgrade(context);
    server.identified(Identity {
        instance,
        is_there: Box::new(move |resource, user| {
            // One that we can't see may be there.
            context.upgrade().is_none_or(|context| {
                let watched = &context.namespaces;
                (!watched.is_empty() && !watched.iter().any(|ours| **ours == *resource.namespace))
                    || context
                        .find(User::NAME, resource)
                        .is_some_and(|found| found.place.name == user.as_str())
            })
        }),
    })
}
