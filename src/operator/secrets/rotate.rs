//! The writes to a generated Secret while its password is replaced: the next one beside it, then in its place. Only
//! Secrets that are ours for this very resource, only where nobody wrote since we looked, and only the keys that are
//! meant: others, labels and annotations of other people stay.

use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{NamespaceSecrets, missing, password};
use crate::{
    core::{Hold, Reason},
    crash::{self, Point},
    reconcile::Generated,
};

/// What is added to the key of a password for the key of the next one.
const NEXT: &str = "-next";

/// Says on a Secret of ours which wish for another password was fulfilled last.
const ROTATED: &str = "arango-operator.dev/rotated";

impl NamespaceSecrets<'_> {
    /// What there is beside the password.
    pub(super) async fn look_into(&self, name: &str, key: &str) -> Result<Generated, Hold> {
        let secret = self.fetch(name).await?.ok_or_else(|| missing(name, key))?;
        let owner = self.owner.as_ref().map(|(owner, _)| owner);
        let owner = owner.ok_or_else(|| Hold::invalid("a password can only be replaced for a resource"))?;
        self.keep(owner, &secret)?;
        Ok(told(&secret, key))
    }

    /// Writes another password beside the one of that key.
    pub(super) async fn add_next(
        &self,
        name: &str,
        key: &str,
        since: &Generated,
        length: u32,
    ) -> Result<Generated, Hold> {
        let next = STANDARD.encode(password(length));
        let data = json!({format!("{key}{NEXT}"): next});
        self.change(Point::PasswordProposed, (name, key), since, json!({}), data).await
    }

    /// Puts it in the place of that key's.
    pub(super) async fn move_next(
        &self,
        name: &str,
        key: &str,
        since: &Generated,
        rotated: &str,
    ) -> Result<Generated, Hold> {
        let next = since.next.as_ref().ok_or_else(|| missing(name, &format!("{key}{NEXT}")))?;
        let next = STANDARD.encode(next.expose_secret());
        let data = json!({key: next, format!("{key}{NEXT}"): null});
        let annotations = json!({ROTATED: rotated});
        self.change(Point::PasswordPromoted, (name, key), since, annotations, data).await
    }

    /// `done`: the place right behind it.
    async fn change(
        &self,
        done: Point,
        (name, key): (&str, &str),
        since: &Generated,
        annotations: Value,
        data: Value,
    ) -> Result<Generated, Hold> {
        let (uid, resource_version) = &since.version;
        let metadata = json!({"uid": uid, "resourceVersion": resource_version, "annotations": annotations});
        let patch = Patch::Merge(json!({"metadata": metadata, "data": data}));
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), self.namespace);
        let secret = api.patch(name, &PatchParams::default(), &patch).await.map_err(|error| {
            Hold::new(Reason::Retry, format!("could not write the Secret {name}: {error}; trying again"))
        })?;
        crash::at(done);
        self.context.metrics.wrote("ArangoUser", "secret");
        self.learn(&secret);
        Ok(told(&secret, key))
    }
}

fn told(secret: &Secret, key: &str) -> Generated {
    let next = secret.data.as_ref().and_then(|data| data.get(&format!("{key}{NEXT}")));
    let text = |ByteString(bytes): &ByteString| String::from_utf8(bytes.clone()).ok();
    let next = next.and_then(text).filter(|next| !next.is_empty()).map(SecretString::from);
    let meta = &secret.metadata;
    Generated {
        next,
        rotated: secret.annotations().get(ROTATED).cloned(),
        version: (meta.uid.clone().unwrap_or_default(), meta.resource_version.clone().unwrap_or_default()),
    }
}
