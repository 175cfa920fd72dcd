//! A server that counts requests and can be cut off, and what survives a crash: claim, status and Secrets.

use std::{collections::BTreeMap, sync::Arc, time::Duration, time::Instant};

use arango_operator::{
    arango::{Client, Error, Request, Response, Transport},
    core::{Access, DriftPolicy, Hold, Id, Origin, Reason},
    kinds::{Kind, Lookup, Place},
    reconcile::{Generated, Identity, Journal, Look, Outcome, Secrets, Server, Target, Version, drive},
    stand_in::{self, Model, Now},
};
use futures::{executor::block_on, future::BoxFuture};
use http::Method;
use parking_lot::Mutex;
use secrecy::SecretString;

/// Where a pass is cut off: at which of its events, requests and stores alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// How many events go well before.
    pub(crate) after: usize,
    /// Whether the event itself is carried out, and only its answer is lost.
    pub(crate) carried_out: bool,
    /// Whether the process dies, so that nothing else of the pass survives; otherwise it sees an error.
    pub(crate) dies: bool,
}

enum Fate {
    Fine,
    CarriedOut,
    Not,
}

#[derive(Default)]
struct Fuse {
    cut: Option<Cut>,
    events: usize,
}

impl Fuse {
    fn next(&mut self) -> Fate {
        let event = self.events;
        self.events += 1;
        match self.cut {
            Some(cut) if event == cut.after && cut.carried_out => Fate::CarriedOut,
            // What is dead stays dead; an error is over with the next request.
            Some(cut) if event == cut.after || (event > cut.after && cut.dies) => Fate::Not,
            _ => Fate::Fine,
        }
    }
}

/// A deployment, the Secrets of one namespace, and a count of what was asked.
pub(crate) struct World {
    pub(crate) model: Mutex<Model>,
    pub(crate) secrets: Vault,
    fuse: Arc<Mutex<Fuse>>,
    writes: Mutex<Vec<String>>,
    began: Instant,
    /// Who the operator is in the marks that it leaves; nothing if it leaves none.
    instance: Option<&'static str>,
}

/// The next password, and the wish that was fulfilled last.
type Replaced = (Option<String>, Option<String>);

/// The Secrets of one namespace: by name, the password and how often it was written.
#[derive(Default)]
pub(crate) struct Vault {
    pub(crate) passwords: Mutex<BTreeMap<String, (String, u32)>>,
    /// By name, what a rotation left there.
    pub(crate) replaced: Mutex<BTreeMap<String, Replaced>>,
    fuse: Arc<Mutex<Fuse>>,
}

#[derive(Clone)]
struct Wire(Arc<World>);

fn lost(request: &Request, carried_out: bool) -> Error {
    let (method, path) = (request.method.clone(), request.path.clone());
    if carried_out {
        Error::Lost { method, path, coordinator: "c".into(), why: "cut".into() }
    } else {
        Error::Unreachable(Vec::new())
    }
}

impl Transport for Wire {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        Box::pin(async move {
            let fate = self.0.fuse.lock().next();
            if matches!(fate, Fate::Not) {
                return Err(lost(&request, false));
            }
            if request.method != Method::GET {
                self.0.writes.lock().push(format!("{} {}", request.method, request.path));
            }
            let mut sent = stand_in::Request::new(request.method.clone(), request.path.clone());
            if let Some(body) = &request.body {
                sent = sent.json(body);
            }
            let answer = self.0.model.lock().handle_as_superuser(&sent, Now(1.8e9));
            if matches!(fate, Fate::CarriedOut) {
                return Err(lost(&request, true));
            }
            Ok(Response { status: answer.status, body: answer.body, coordinator: 0 })
        })
    }

    fn pause(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl World {
    pub(crate) fn new(model: Model, passwords: &[(&str, &str)]) -> Arc<Self> {
        Self::with_instance(model, passwords, None)
    }

    /// The same with an operator that leaves marks, or without.
    pub(crate) fn with_instance(
        model: Model,
        passwords: &[(&str, &str)],
        instance: Option<&'static str>,
    ) -> Arc<Self> {
        let fuse = Arc::<Mutex<Fuse>>::default();
        let passwords = passwords.iter().map(|(name, value)| ((*name).to_owned(), ((*value).to_owned(), 1)));
        let (passwords, replaced) = (Mutex::new(passwords.collect()), Mutex::default());
        let secrets = Vault { passwords, replaced, fuse: Arc::clone(&fuse) };
        Arc::new(Self {
            model: Mutex::new(model),
            secrets,
            fuse,
            writes: Mutex::default(),
            began: Instant::now(),
            instance,
        })
    }

    /// What an operator knows that has just started.
    pub(crate) fn server(self: &Arc<Self>) -> Server {
        let server = Server::new(Client::new(Wire(Arc::clone(self))), Some("operator".to_owned()));
        match self.instance {
            Some(instance) => server
                .identified(Identity { instance: instance.to_owned(), is_there: Box::new(|_, _| false) }),
            None => server,
        }
    }

    /// The server as it is.
    pub(crate) fn now(&self) -> Model {
        self.model.lock().clone()
    }

    /// The requests since the last call that were not reads.
    pub(crate) fn written(&self) -> Vec<String> {
        std::mem::take(&mut *self.writes.lock())
    }

    /// A look that takes whatever was read since the world began.
    pub(crate) fn remembering(&self) -> Look {
        Look { since: self.began, removing: false }
    }

    fn arm(&self, cut: Option<Cut>) {
        *self.fuse.lock() = Fuse { cut, events: 0 };
    }
}

impl Vault {
    fn told(&self, name: &str) -> Result<Generated, Hold> {
        let (next, rotated) = self.replaced.lock().get(name).cloned().unwrap_or_default();
        let version = self.version(name).ok_or_else(|| missing(name))?;
        Ok(Generated { next: next.map(SecretString::from), rotated, version })
    }

    /// Changes a Secret that nobody has changed since.
    fn change(
        &self,
        name: &str,
        since: &Generated,
        change: impl FnOnce(&mut (String, u32), &mut (Option<String>, Option<String>)),
    ) -> Result<Generated, Hold> {
        let fate = self.fuse.lock().next();
        let cut = || Hold::new(Reason::Retry, "cut");
        if matches!(fate, Fate::Not) || self.version(name).as_ref() != Some(&since.version) {
            return Err(cut());
        }
        {
            let (mut passwords, mut replaced) = (self.passwords.lock(), self.replaced.lock());
            let secret = passwords.get_mut(name).unwrap();
            change(secret, replaced.entry(name.to_owned()).or_default());
            secret.1 += 1;
        }
        if matches!(fate, Fate::CarriedOut) { Err(cut()) } else { self.told(name) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.passwords.lock().get(name).map(|(value, _)| value.clone())
    }
}

fn missing(name: &str) -> Hold {
    Hold::new(Reason::SecretMissing, format!("the Secret {name} does not exist yet"))
}

impl Secrets for Vault {
    fn version(&self, name: &str) -> Option<Version> {
        self.passwords.lock().get(name).map(|(_, version)| (name.to_owned(), version.to_string()))
    }

    fn read<'a>(&'a self, name: &'a str, _: &'a str) -> BoxFuture<'a, Result<(SecretString, Version), Hold>> {
        Box::pin(async move {
            let value = self.get(name).ok_or_else(|| missing(name))?;
            Ok((value.into(), self.version(name).ok_or_else(|| missing(name))?))
        })
    }

    fn generate<'a>(
        &'a self,
        name: &'a str,
        _: &'a str,
        user: &'a str,
        length: u32,
    ) -> BoxFuture<'a, Result<(), Hold>> {
        Box::pin(async move {
            let fate = self.fuse.lock().next();
            let cut = || Hold::new(Reason::Retry, "cut");
            if matches!(fate, Fate::Not) {
                return Err(cut());
            }
            let value = (format!("{user} has {length}"), 1);
            self.passwords.lock().entry(name.to_owned()).or_insert(value);
            if matches!(fate, Fate::CarriedOut) { Err(cut()) } else { Ok(()) }
        })
    }

    fn generated<'a>(&'a self, name: &'a str, _: &'a str) -> BoxFuture<'a, Result<Generated, Hold>> {
        Box::pin(async move { self.told(name) })
    }

    fn propose<'a>(
        &'a self,
        name: &'a str,
        _: &'a str,
        since: &'a Generated,
        length: u32,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        Box::pin(async move {
            self.change(name, since, |(value, version), (next, _)| {
                *next = Some(format!("{value}, number {version} of {length}"));
            })
        })
    }

    fn promote<'a>(
        &'a self,
        name: &'a str,
        _: &'a str,
        since: &'a Generated,
        rotated: &'a str,
    ) -> BoxFuture<'a, Result<Generated, Hold>> {
        Box::pin(async move {
            self.change(name, since, |(value, _), (next, fulfilled)| {
                *value = next.take().unwrap();
                *fulfilled = Some(rotated.to_owned());
            })
        })
    }
}

/// What Kubernetes has of a resource: as the operator's own store keeps it.
#[derive(Debug)]
pub(crate) struct Stored<K: Kind> {
    pub(crate) resource: K::Resource,
    pub(crate) policy: DriftPolicy,
    finalizer: bool,
    claim: Option<(Origin, K::Memory)>,
    status: Option<(Option<Origin>, K::Memory)>,
}

/// The process died.
#[derive(Debug)]
pub(crate) struct Dead;

struct Store<'a, K: Kind> {
    stored: &'a mut Stored<K>,
    fuse: &'a Mutex<Fuse>,
}

impl<K: Kind> Store<'_, K> {
    fn store(&mut self, store: impl FnOnce(&mut Stored<K>)) -> Result<(), Dead> {
        let fate = self.fuse.lock().next();
        if !matches!(fate, Fate::Not) {
            store(self.stored);
        }
        if matches!(fate, Fate::Fine) { Ok(()) } else { Err(Dead) }
    }
}

impl<K: Kind> Journal<K> for Store<'_, K> {
    type Error = Dead;

    async fn begin(&mut self, origin: Origin, memory: &K::Memory) -> Result<(), Dead> {
        if self.stored.status.as_ref().and_then(|(recorded, _)| *recorded).is_some_and(|it| it != origin) {
            return self.store(|stored| stored.status.as_mut().unwrap().0 = Some(origin));
        }
        let holds = K::holds(&self.stored.resource, Some(origin), memory);
        if !holds && *memory == K::Memory::default() && self.stored.claim.is_none() {
            return Ok(());
        }
        self.store(|stored| {
            stored.finalizer |= holds;
            stored.claim = Some((origin, memory.clone()));
        })
    }

    async fn save(&mut self, memory: &K::Memory) -> Result<(), Dead> {
        if K::is_unfinished(memory) && !self.stored.finalizer {
            self.store(|stored| stored.finalizer = true)?;
        }
        self.store(|stored| {
            let origin = stored.remembered().0;
            stored.status = Some((origin, memory.clone()));
        })
    }
}

/// No resource can be referred to, and of every object on the server somebody says that he declares it.
struct Others;

impl Lookup for Others {
    fn find(&self, _: &str, _: &str) -> Option<Place> {
        None
    }

    fn declarer(&self, _: &Id, object: &str) -> Option<String> {
        Some(format!("the declarer of {object}"))
    }
}

/// The spec, read.
pub(crate) fn desired<K: Kind>(resource: &K::Resource) -> K::Desired {
    K::desired(resource, &Others).unwrap()
}

impl<K: Kind> Stored<K> {
    pub(crate) fn new(resource: K::Resource) -> Self {
        Self { resource, policy: DriftPolicy::Correct, finalizer: false, claim: None, status: None }
    }

    /// Whose it is, and what is remembered.
    pub(crate) fn remembered(&self) -> (Option<Origin>, K::Memory) {
        let recorded = self.status.as_ref().and_then(|(origin, memory)| Some(((*origin)?, memory)));
        let claimed = self.claim.as_ref().map(|(origin, memory)| (*origin, memory));
        if let Some((origin, memory)) = recorded.or(claimed) {
            return (Some(origin), memory.clone());
        }
        (None, self.status.as_ref().map(|(_, memory)| memory.clone()).unwrap_or_default())
    }

    /// One pass, as the operator makes it. Whole, or cut off; a pass that died tells nothing.
    pub(crate) fn pass(
        &mut self,
        world: &World,
        server: &Server,
        look: Look,
        cut: Option<Cut>,
    ) -> Option<Outcome<K>> {
        let desired = desired::<K>(&self.resource);
        let (origin, memory) = self.remembered();
        let begun = self.finalizer && origin.is_some();
        let (policy, access) = (self.policy, &Access::All);
        let target = Target { desired: &desired, memory, origin, deleting: None, begun, policy, access };
        let outcome = self.drive(world, server, look, target, cut)?;
        if outcome.origin.is_some() {
            self.finalizer = K::holds(&self.resource, outcome.origin, &outcome.memory);
        }
        self.status = Some((outcome.origin, outcome.memory.clone()));
        Some(outcome)
    }

    /// One pass of a resource that is being deleted. `Ok(None)`: released without a look. `Err`: died.
    pub(crate) fn delete(
        &mut self,
        world: &World,
        server: &Server,
        look: Look,
        cut: Option<Cut>,
    ) -> Result<Option<Outcome<K>>, Dead> {
        let (origin, memory) = self.remembered();
        if !self.finalizer || origin.is_none() {
            return Ok(None);
        }
        let desired = K::remembered(&self.resource, &memory).unwrap_or_else(|| desired::<K>(&self.resource));
        let deleting = Some(K::consent(&self.resource, origin));
        let (policy, access) = (self.policy, &Access::All);
        let target = Target { desired: &desired, memory, origin, deleting, begun: true, policy, access };
        let look = Look { removing: true, ..look };
        let outcome = self.drive(world, server, look, target, cut).ok_or(Dead)?;
        self.status = Some((origin, outcome.memory.clone()));
        Ok(Some(outcome))
    }

    fn drive(
        &mut self,
        world: &World,
        server: &Server,
        look: Look,
        target: Target<'_, K>,
        cut: Option<Cut>,
    ) -> Option<Outcome<K>> {
        world.arm(cut);
        let mut store = Store { stored: self, fuse: &world.fuse };
        let outcome = block_on(drive::<K, _>(server, &world.secrets, look, target, &mut store));
        let died = cut.is_some_and(|cut| cut.dies && world.fuse.lock().events > cut.after);
        world.arm(None);
        outcome.ok().filter(|_| !died)
    }
}

/// A look that takes nothing that was read before.
pub(crate) fn anew() -> Look {
    // The clock may stand still between two passes.
    std::thread::sleep(Duration::from_nanos(1));
    Look { since: Instant::now(), removing: false }
}
