//! The laws, for any kind that says what the server should be in the end.

use std::{fmt, sync::Arc};

use arango_operator::{
    core::{Because, DriftPolicy, Reason, Step},
    kinds::Kind,
    reconcile::{Look, Outcome, Server},
    stand_in::Model,
};
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestCaseError},
};
use serde_json::json;

use super::{
    generate::{self, Change, SECRETS, normal},
    world::{Cut, Stored, World, anew, desired},
};

pub(crate) type Result = std::result::Result<(), TestCaseError>;

/// A kind whose end is known, told a second time and independently of its plan.
pub(crate) trait Law: Kind {
    /// The server once these specs were declared one after the other.
    fn declared(before: Model, history: &[Self::Resource]) -> Model;
    /// The server once the resource with these specs is deleted, with consent.
    fn removed(before: Model, history: &[Self::Resource]) -> Model;
    /// Whether the change is about something that the resource declares.
    fn claims(resource: &Self::Resource, change: &Change) -> bool;
}

/// A server, and the specs that a resource has one after the other.
pub(crate) struct Story<K: Law> {
    pub(crate) server: Model,
    pub(crate) history: Vec<K::Resource>,
    /// One process, which never reads again what it has read, or a new one for every pass.
    pub(crate) keeps: bool,
}

/// A story of these specs on any server.
pub(crate) fn story<K: Law>(
    specs: impl Strategy<Value = Vec<K::Resource>>,
) -> impl Strategy<Value = Story<K>> {
    let parts = (generate::server(), specs, any::<bool>());
    parts.prop_map(|(server, history, keeps)| Story { server, history, keeps })
}

impl<K: Law> fmt::Debug for Story<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = |resource: &K::Resource| json!(resource)["spec"].to_string();
        let specs: Vec<_> = self.history.iter().map(spec).collect();
        let normal = normal(&self.server);
        writeln!(f, "rights {:?}, users {:?},", normal.rights, normal.users.keys())?;
        writeln!(f, "databases {:?},", normal.databases)?;
        write!(f, "specs {specs:?}, keeps {}", self.keeps)
    }
}

impl<K: Law> Story<K> {
    /// The same story, told with one process or with many.
    pub(crate) fn keeping(&self, keeps: bool) -> Self {
        Self { server: self.server.clone(), history: self.history.clone(), keeps }
    }
}

/// A story on its way.
pub(crate) struct Run<K: Law> {
    pub(crate) world: Arc<World>,
    pub(crate) stored: Stored<K>,
    server: Option<Server>,
    keeps: bool,
}

impl<K: Law> Run<K> {
    pub(crate) fn new(story: &Story<K>) -> Self {
        Self::with_instance(story, None)
    }

    /// A story on a server whose users are marked.
    pub(crate) fn marking(story: &Story<K>) -> Self {
        Self::with_instance(story, Some("here"))
    }

    fn with_instance(story: &Story<K>, instance: Option<&'static str>) -> Self {
        let world = World::with_instance(story.server.clone(), SECRETS, instance);
        let stored = Stored::new(story.history[0].clone());
        Self { world, stored, server: None, keeps: story.keeps }
    }

    fn server(&mut self) -> (Server, Look) {
        match self.server.take() {
            Some(server) if self.keeps => (server, self.world.remembering()),
            _ => (self.world.server(), anew()),
        }
    }

    pub(crate) fn pass(&mut self, cut: Option<Cut>) -> Option<Outcome<K>> {
        let (server, look) = self.server();
        let outcome = self.stored.pass(&self.world, &server, look, cut);
        // A process that died has forgotten what it knew.
        self.server = outcome.is_some().then_some(server);
        outcome
    }

    pub(crate) fn delete(&mut self, cut: Option<Cut>) -> Option<Outcome<K>> {
        let (server, look) = self.server();
        let outcome = self.stored.delete(&self.world, &server, look, cut);
        self.server = outcome.is_ok().then_some(server);
        outcome.ok().flatten()
    }

    /// Declares one spec after the other, each until it is settled.
    pub(crate) fn declare(&mut self, history: &[K::Resource]) {
        for resource in history {
            self.stored.resource = resource.clone();
            self.pass(None).unwrap();
        }
    }
}

/// Failures are kept beside the tests.
pub(crate) fn config() -> ProptestConfig {
    let file = FileFailurePersistence::Direct("tests/laws.proptest-regressions");
    let default = ProptestConfig::default();
    // However many cases are asked for: some changes change nothing, and some stories wait.
    let max_global_rejects = default.cases.saturating_mul(8);
    ProptestConfig { failure_persistence: Some(Box::new(file)), max_global_rejects, ..default }
}

fn same(found: &Model, expected: &Model) -> Result {
    prop_assert_eq!(normal(found), normal(expected));
    Ok(())
}

fn actions<K: Kind>(outcome: &Outcome<K>) -> Vec<&Step<K::Action>> {
    outcome.done.iter().filter(|step| step.because != Because::Bookkeeping).collect()
}

/// After one pass the server is as declared, whatever was declared before, and nothing else changed; the next
/// pass does nothing.
pub(crate) fn converges<K: Law>(story: &Story<K>) -> Result {
    let mut run = Run::new(story);
    run.declare(&story.history);
    let expected = K::declared(story.server.clone(), &story.history);
    same(&run.world.now(), &expected)?;
    is_quiet(&mut run)
}

/// What is in order is left alone: no step, no write, no new memory, and the same verdict.
fn is_quiet<K: Law>(run: &mut Run<K>) -> Result {
    let before = run.stored.remembered();
    run.world.written();
    let state = run.world.now();
    let outcome = run.pass(None).unwrap();
    prop_assert!(outcome.done.is_empty(), "{:?}", outcome.done);
    prop_assert_eq!(&before, &run.stored.remembered());
    prop_assert!(state.state() == run.world.now().state());
    let written = run.world.written();
    if outcome.verdict.is_ready() {
        prop_assert!(written.is_empty(), "{:?}", written);
        prop_assert!(outcome.origin.is_some());
    }
    Ok(())
}

/// Under Observe nothing is written, anywhere, and nobody becomes an owner; what is pending is what Correct then does.
pub(crate) fn observes<K: Law>(story: &Story<K>) -> Result {
    let mut run = Run::new(&story.keeping(false));
    let (last, earlier) = story.history.split_last().unwrap();
    run.declare(earlier);
    run.world.written();
    let passwords = run.world.secrets.passwords.lock().clone();
    let (before, remembered) = (run.world.now(), run.stored.remembered());

    run.stored.resource = last.clone();
    run.stored.policy = DriftPolicy::Observe;
    let observed = run.pass(None).unwrap();
    prop_assert!(run.world.written().is_empty());
    prop_assert!(before.state() == run.world.now().state());
    prop_assert_eq!(&passwords, &*run.world.secrets.passwords.lock());
    prop_assert!(observed.done.is_empty());
    prop_assert_eq!(&remembered, &run.stored.remembered());

    run.stored.policy = DriftPolicy::Correct;
    let outcome = run.pass(None).unwrap();
    let (pending, done) = (&observed.verdict.pending, actions(&outcome));
    prop_assert_eq!(pending.is_empty(), observed.verdict.reason != Reason::ActionsPending);
    for step in &done {
        // The sentence may go on with what the step costs.
        let action = step.action.to_string();
        prop_assert!(pending.iter().any(|told| told.starts_with(&action)), "{} in {:?}", action, pending);
    }
    if outcome.verdict.is_ready() {
        prop_assert_eq!(done.len(), pending.len());
        same(&run.world.now(), &K::declared(story.server.clone(), &story.history))
    } else {
        Ok(())
    }
}

/// A kept snapshot, amended by our own writes, says what a fresh read says.
pub(crate) fn remembers_truly<K: Law>(story: &Story<K>, cuts: &[Cut]) -> Result {
    let mut run = Run::new(&story.keeping(true));
    for (resource, cut) in story.history.iter().zip(cuts.iter().map(Some).chain(std::iter::repeat(None))) {
        run.stored.resource = resource.clone();
        run.pass(cut.map(|cut| Cut { dies: false, ..*cut }));
        let known = observed::<K>(&mut run, resource);
        let (fresh, look) = (run.world.server(), anew());
        let read = futures::executor::block_on(K::observe(
            &fresh,
            &run.world.secrets,
            look,
            &desired::<K>(resource),
        ));
        prop_assert_eq!(known, read.ok());
    }
    Ok(())
}

fn observed<K: Law>(run: &mut Run<K>, resource: &K::Resource) -> Option<K::Observed> {
    let (server, look) = run.server();
    let desired = desired::<K>(resource);
    let observed = futures::executor::block_on(K::observe(&server, &run.world.secrets, look, &desired));
    run.server = Some(server);
    observed.ok()
}

/// All but the last spec of a story are declared; the passes over the last one are cut off.
fn cut_off<K: Law>(story: &Story<K>, cuts: &[Cut]) -> Run<K> {
    let mut run = Run::new(story);
    let (last, earlier) = story.history.split_last().unwrap();
    run.declare(earlier);
    run.stored.resource = last.clone();
    for cut in cuts {
        run.pass(Some(*cut));
    }
    run
}

/// Cut off anywhere, any number of times, the resource ends where it would have ended without.
pub(crate) fn survives<K: Law>(story: &Story<K>, cuts: &[Cut]) -> Result {
    let mut run = cut_off(story, cuts);
    run.pass(None).unwrap();
    same(&run.world.now(), &K::declared(story.server.clone(), &story.history))?;
    is_quiet(&mut run)
}

/// Cut off anywhere while it is deleted, the same is gone as without, and nothing else.
pub(crate) fn deletion_survives<K: Law>(story: &Story<K>, cuts: &[Cut]) -> Result {
    let mut run = Run::new(story);
    run.declare(&story.history);
    let declared = run.world.now();
    let (origin, _) = run.stored.remembered();
    let consents = K::consent(&run.stored.resource, origin) == arango_operator::core::Consent::Remove;
    for cut in cuts {
        run.delete(Some(*cut));
    }
    let outcome = run.delete(None);
    let all = outcome.as_ref().is_none_or(|outcome| outcome.verdict.is_ready());
    prop_assert!(all, "{:?}", outcome.map(|outcome| outcome.verdict));
    if consents && origin.is_some() {
        same(&run.world.now(), &K::removed(story.server.clone(), &story.history))
    } else {
        same(&run.world.now(), &declared)
    }
}

/// A deletion that interrupts a pass takes away what that pass had set, and nothing that nobody declared.
pub(crate) fn hands_off_when_deleted_in_between<K: Law>(story: &Story<K>, cuts: &[Cut]) -> Result {
    let mut run = cut_off(story, cuts);
    run.delete(None);
    let removed = K::removed(story.server.clone(), &story.history);
    // Ends that differ only by what the resource claims are all right: which of them depends on the cut.
    let (found, removed) = (normal(&run.world.now()), normal(&removed));
    for (subject, level) in &removed.rights {
        prop_assert_eq!(found.rights.get(subject), Some(level), "{:?} was lost", subject);
    }
    for user in removed.users.keys() {
        prop_assert!(found.users.contains_key(user));
    }
    for database in removed.databases.keys() {
        prop_assert!(found.databases.contains_key(database));
    }
    Ok(())
}

/// One change inside the claim is undone by exactly one action; one outside is left alone.
pub(crate) fn sees<K: Law>(story: &Story<K>, change: &Change) -> Result {
    let mut run = Run::new(&story.keeping(false));
    run.declare(&story.history);
    let resource = story.history.last().unwrap();
    let outcome = run.pass(None).unwrap();
    prop_assume!(outcome.verdict.is_ready());
    let before = run.world.now();
    change.make(&mut run.world.model.lock());
    let after = run.world.now();
    prop_assume!(normal(&before) != normal(&after));
    run.world.written();

    let outcome = run.pass(None).unwrap();
    prop_assert!(outcome.verdict.is_ready());
    if K::claims(resource, change) {
        prop_assert_eq!(actions(&outcome).len(), 1, "{:?}", outcome.done);
        prop_assert!(actions(&outcome)[0].because.is_drift());
        prop_assert_eq!(run.world.written().len(), 1);
        same(&run.world.now(), &before)
    } else {
        prop_assert!(outcome.done.is_empty(), "{:?}", outcome.done);
        prop_assert!(run.world.written().is_empty());
        same(&run.world.now(), &after)
    }
}
