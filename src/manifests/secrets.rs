//! Secrets without a cluster: those among the manifests, and those that are named on the command line. They are never
//! written, and what is in them is never printed.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{FutureExt, future::BoxFuture};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::complaint::Complaint;
use crate::{
    core::{Hold, Id, Reason},
    kinds::cluster::reach::Keys,
    reconcile::{Generated, Secrets, Version},
};

/// One key of a Secret that is not among the manifests: `NAMESPACE/NAME/KEY=env:VAR` or `…=file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The namespace of the Secret; that of resources which name none if left out.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// Where the value is.
    pub from: From,
}

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// In an environment variable.
    Env(String),
    /// In a file; one line break at its end doesn't count.
    File(PathBuf),
}

impl std::str::FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What stands behind the = may be the secret itself, by mistake.
        let wrong = || "write NAMESPACE/NAME/KEY=env:VARIABLE or NAME/KEY=file:PATH".to_owned();
        let (place, from) = text.split_once('=').ok_or_else(wrong)?;
        let from = match from.split_once(':') {
            Some(("env", name)) if !name.is_empty() => From::Env(name.to_owned()),
            Some(("file", path)) if !path.is_empty() => From::File(path.into()),
            _ => return Err(wrong()),
        };
        let parts: Vec<_> = place.split('/').collect();
        let (namespace, name, key) = match parts[..] {
            [name, key] => (None, name, key),
            [namespace, name, key] => (Some(namespace), name, key),
            _ => return Err(wrong()),
        };
        if name.is_empty() || key.is_empty() || namespace == Some("") {
            return Err(wrong());
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned(), key: key.to_owned(), from })
    }
}

impl Given {
    /// Reads the value.
    pub(super) fn value(&self) -> Result<SecretSlice<u8>, Complaint> {
        let Self { name, key, .. } = self;
        let complaint = |message: String| Complaint::new(format!("--secret {name}/{key}: {message}"));
        let value = match &self.from {
            From::Env(variable) => match std::env::var_os(variable) {
                Some(value) => value.into_encoded_bytes(),
                None => {
                    return Err(complaint(format!("the environment variable {variable} is not set"))
                        .remedy("export it, or name a file with file:PATH"));
                }
            },
            From::File(path) => {
                let mut value = std::fs::read(path)
                    .map_err(|error| complaint(format!("can't read {}: {error}", path.display())))?;
                if value.ends_with(b"\n") {
                    value.pop();
                    if value.ends_with(b"\r") {
                        value.pop();
                    }
                }
                value
            }
        };
        if value.is_empty() {
            return Err(complaint("the value is empty".to_owned()).remedy("an empty password is never set"));
        }
        Ok(value.into())
    }
}

/// One Secret.
#[derive(Default)]
pub(super) struct Secret {
    /// Its type, if it names one.
    pub(super) type_: Option<String>,
    /// What is in it, by key.
    pub(super) data: BTreeMap<String, SecretSlice<u8>>,
}

/// All Secrets that are there.
#[derive(Default)]
pub(super) struct SecretStore {
    secrets: BTreeMap<Id, Secret>,
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.secrets.keys()).finish()
    }
}

impl SecretStore {
    /// Takes a Secret, if there is none of that name yet.
    pub(super) fn put(&mut self, id: Id, secret: Secret) -> bool {
        let is_new = !self.secrets.contains_key(&id);
        if is_new {
            self.secrets.insert(id, secret);
        }
        is_new
    }

    pub(super) fn is_there(&self, id: &Id) -> bool {
        self.secrets.contains_key(id)
    }

    pub(super) fn has(&self, id: &Id, key: &str) -> bool {
        self.secrets.get(id).is_some_and(|secret| secret.data.contains_key(key))
    }

    /// What is given on the command line counts before what is among the manifests.
    pub(super) fn give(&mut self, id: Id, key: &str, value: SecretSlice<u8>) {
        self.secrets.entry(id).or_default().data.insert(key.to_owned(), value);
    }
}

/// The value of a key of `data`.
pub(super) fn decoded(text: &str) -> Option<SecretSlice<u8>> {
    // Line breaks in it are left out, as kubectl does.
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(text).ok().map(Into::into)
}

/// The Secrets of one namespace.
pub(super) struct GivenSecrets<'m> {
    pub(super) store: &'m SecretStore,
    pub(super) namespace: &'m str,
}

impl GivenSecrets<'_> {
    /// The value of a key.
    fn get(&self, name: &str, key: &str) -> Result<&SecretSlice<u8>, Hold> {
        let Some(secret) = self.store.secrets.get(&Id::new(self.namespace, name)) else {
            return Err(self.missing(name, key, "is not among the manifests"));
        };
        if let Some(type_) =
            secret.type_.as_deref().filter(|type_| crate::operator::secrets::is_refused(type_))
        {
            return Err(Hold::invalid(format!(
                "the Secret {name} has the type {type_}, which is never read; put the value into one of the type Opaque"
            )));
        }
        secret.data.get(key).ok_or_else(|| self.missing(name, key, "is among the manifests without that key"))
    }

    fn missing(&self, name: &str, key: &str, what: &str) -> Hold {
        let namespace = self.namespace;
        Hold::new(
            Reason::SecretMissing,
            format!(
                "the Secret {name} with the key {key} {what} (namespace {namespace}); give it with --secret \
                 {namespace}/{name}/{key}=env:VARIABLE or =file:PATH"
            ),
        )
    }

    fn not_written<T>(&self, name: &str, key: &str) -> Result<T, Hold> {
        let namespace = self.namespace;
        Err(Hold::invalid(format!(
            "the password in the Secret {name} would be generated, and without Kubernetes there is no place to keep it; \
             make one and give it with --secret {namespace}/{name}/{key}=env:VARIABLE or =file:PATH"
        )))
    }
}

/// Never the version that a status remembers: what is in a manifest now is compared by logging in.
fn version() -> Version {
    ("manifest".to_owned(), String::new())
}

impl Keys for GivenSecrets<'_> {
    async fn text(&self, name: &str, key: &str) -> Result<SecretString, Hold> {
        text_of(name, key, self.get(name, key)?)
    }

    async fn bytes(&self, name: &str, key: &str) -> Result<SecretSlice<u8>, Hold> {
        Ok(self.get(name, key)?.clone())
    }

    async fn all(&self, name: &str) -> Result<Vec<u8>, Hold> {
        let secret = self.store.secrets.get(&Id::new(self.namespace, name));
        let values = secret.into_iter().flat_map(|secret| secret.data.values());
        let values: Vec<_> = values.map(|value| value.expose_secret().to_vec()).collect();
        Ok(values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>().join(&b'\n'))
    }
}

fn text_of(name: &str, key: &str, value: &SecretSlice<u8>) -> Result<SecretString, Hold> {
    let text = String::from_utf8(value.expose_secret().to_vec()).map_err(|_| {
        Hold::invalid(format!("the key {key} of the Secret {name} is not UTF-8 text; put text there"))
    })?;
    Ok(text.into())
}

impl Secrets for GivenSecrets<'_> {
    fn version(&self, name: &str) -> Option<Version> {
        self.store.secrets.contains_key(&Id::new(self.namespace, name)).then(version)
    }

    fn read<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<(SecretString, Version), Hold>> {
        let text = self.get(name, key).and_then(|value| Ok((text_of(name, key, value)?, version())));
        async { text }.boxed()
    }

    fn generate<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        _: &'a str,
        _: u32,
    ) -> BoxFuture<'a, Result<(), Hold>> {
        // One that is given is kept.
        let kept = self.get(name, key).map(|_| ()).or_else(|_| self.not_written(name, key));
        async { kept }.boxed()
    }

    fn generated<'a>(&'a self, name: &'a str, key: &'a str) -> BoxFuture<'a, Result<Generated, Hold>> {
        let kept = self.get(name, key).map(|_| Generated { next: None, rotated: None, version: version() });
        async { kept }.boxed()
    }

    fn propose<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        _: &'a Generated,
        _: u32,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        let refused = self.not_written(name, key);
        async { refused }.boxed()
    }

    fn promote<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        _: &'a Generated,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        let refused = self.not_written(name, key);
        async { refused }.boxed()
    }
}
