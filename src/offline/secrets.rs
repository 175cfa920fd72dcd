//! Secrets in a rehearsal: what the operator would find or make in its cluster is pretended to be there.

use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use secrecy::SecretString;

use crate::{
    core::Hold,
    reconcile::{Generated, Secrets, Version},
};

/// Those that were given, and some that are only pretended.
pub(super) struct Pretended<S> {
    given: S,
    names: Mutex<Vec<String>>,
    /// Whether a password may be made up: whoever carries the plan out has a place to keep it.
    makes: bool,
}

impl<S: Secrets> Pretended<S> {
    pub(super) fn new(given: S, makes: bool) -> Self {
        Self { given, names: Mutex::default(), makes }
    }

    /// From here on there is a Secret of that name.
    pub(super) fn pretend(&self, name: &str) {
        self.names.lock().push(name.to_owned());
    }

    fn is_pretended(&self, name: &str) -> bool {
        self.names.lock().iter().any(|pretended| pretended == name)
    }
}

fn version() -> Version {
    ("pretended".to_owned(), String::new())
}

impl<S: Secrets> Secrets for Pretended<S> {
    fn version(&self, name: &str) -> Option<Version> {
        self.given.version(name).or_else(|| self.is_pretended(name).then(version))
    }

    fn read<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<(SecretString, Version), Hold>> {
        if self.is_pretended(name) {
            // It goes no further than the rehearsal.
            return std::future::ready(Ok(("pretended".into(), version()))).boxed();
        }
        self.given.read(name, key)
    }

    fn generate<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        user: &'a str,
        length: u32,
    ) -> BoxFuture<'a, Result<(), Hold>> {
        if self.makes && self.given.version(name).is_none() {
            self.pretend(name);
            return std::future::ready(Ok(())).boxed();
        }
        self.given.generate(name, key, user, length)
    }

    fn generated<'a>(&'a self, name: &'a str, key: &'a str) -> BoxFuture<'a, Result<Generated, Hold>> {
        self.given.generated(name, key)
    }

    fn propose<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        since: &'a Generated,
        length: u32,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        self.given.propose(name, key, since, length)
    }

    fn promote<'a>(
        &'a self,
        name: &'a str,
        key: &'a str,
        since: &'a Generated,
        rotated: &'a str,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        self.given.promote(name, key, since, rotated)
    }
}
