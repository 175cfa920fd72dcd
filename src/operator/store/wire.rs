//! What goes over the wire with a write of a status, both ways: no more than is read.

use std::borrow::Cow;

use kube::{Resource, api::ObjectMeta};
use serde::{Deserialize, Serialize};

/// A status as it is sent. Of an object the API server takes nothing else on this way, whatever is sent; that the version is
/// still the one that is named says that nothing else has changed either.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent<'a, S> {
    api_version: Cow<'a, str>,
    kind: Cow<'a, str>,
    metadata: Named<'a>,
    status: &'a S,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    uid: Option<&'a str>,
    resource_version: Option<&'a str>,
}

impl<'a, S> Sent<'a, S> {
    /// The status of an object.
    pub(super) fn new<R: Resource<DynamicType = ()>>(meta: &'a ObjectMeta, status: &'a S) -> Self {
        Self {
            api_version: R::api_version(&()),
            kind: R::kind(&()),
            metadata: Named {
                namespace: meta.namespace.as_deref(),
                name: meta.name.as_deref(),
                uid: meta.uid.as_deref(),
                resource_version: meta.resource_version.as_deref(),
            },
            status,
        }
    }
}

/// What is read of the answer.
#[derive(Deserialize)]
pub(super) struct Written {
    pub(super) metadata: Version,
}

/// The version that an object has since.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) resource_version: String,
}
