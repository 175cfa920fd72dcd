//! One look at the maintenance of an ArangoCluster: what is there, what is to be said, what is to be switched.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{CONDITION, Done, Entry, MAINTENANCE, SERVERS, Step, Subject, Switch};
use crate::{
    arango::{Health, MemberRole},
    core::{
        Hold, Reason,
        condition::{ConditionStatus, Said},
        hold::Standing,
        maintenance::{Decision, Memory, Note, Seen, Target, decide, knows_seconds, parse_servers},
    },
    kinds::cluster::{
        crd::{ArangoCluster, ClusterStatus},
        status::{Maintained, MaintainedServer, Maintenance, Mode},
    },
    operator::{clusters::connections::Connected, context::Context, watching::index::Id},
    reconcile::outcome::of_error,
};

/// DB-Servers that are asked at the same time.
const AT_ONCE: usize = 8;
/// How long a DB-Server's maintenance may not be seen yet (reference: cluster, DB-Server maintenance).
const VISIBLE: Duration = Duration::from_secs(10);

/// What a look gives.
#[derive(Debug, Default)]
pub struct Looked {
    /// For the status.
    pub status: Option<Maintenance>,
    /// The condition.
    pub said: Option<Said>,
    /// When to look again.
    pub again: Option<Duration>,
    /// Whether switches are under way.
    pub running: bool,
    pub(super) steps: Vec<Step>,
    pub(super) switch: Option<Switch>,
    /// How many results the status has taken in.
    pub(super) taken: usize,
}

/// What annotations ask for: of the supervision, and of DB-Servers by name.
struct Asked {
    supervision: Option<String>,
    servers: Result<BTreeMap<String, String>, String>,
}

impl Asked {
    fn of(cluster: &ArangoCluster) -> Self {
        if cluster.metadata.deletion_timestamp.is_some() {
            // What goes asks for nothing any more.
            return Self { supervision: None, servers: Ok(BTreeMap::new()) };
        }
        let annotation = |name| cluster.annotations().get(name).map(|value: &String| value.trim());
        Self {
            supervision: annotation(MAINTENANCE).map(str::to_owned),
            servers: annotation(SERVERS).map_or_else(|| Ok(BTreeMap::new()), parse_servers),
        }
    }

    fn is_nothing(&self) -> bool {
        self.supervision.is_none() && self.servers.as_ref().is_ok_and(BTreeMap::is_empty)
    }
}

/// What is known before the look.
struct Before {
    status: Option<Maintenance>,
    memories: BTreeMap<Subject, Memory>,
    running: bool,
    taken: usize,
    failed: BTreeMap<Subject, Hold>,
    retry: Option<Duration>,
    said: Option<Said>,
}

impl Before {
    /// Out of the status, and of what has ended since.
    fn of(status: Option<&Maintenance>, entry: &Entry) -> Self {
        let mut memories = BTreeMap::new();
        if let Some(status) = status {
            let servers = status.servers.iter();
            let servers = servers.map(|server| (Subject::Server(server.id.clone()), &server.maintained));
            for (subject, maintained) in servers.chain([(Subject::Supervision, &status.supervision)]) {
                memories.extend(maintained.memory().map(|memory| (subject, memory)));
            }
        }
        for Done { step, result } in &entry.done {
            let Some(memory) = memories.remove(&step.subject) else { continue };
            let memory = match result {
                Ok(()) => memory.switched(step.action, step.begun),
                Err(failure) if failure.may_have_run => Some(memory),
                Err(_) => Some(memory.failed()),
            };
            memories.extend(memory.map(|memory| (step.subject.clone(), memory)));
        }
        Self {
            status: status.cloned(),
            memories,
            running: entry.running,
            taken: entry.done.len(),
            failed: entry.failed.clone(),
            retry: entry.retry.and_then(|at| at.checked_duration_since(Instant::now())),
            said: entry.said.clone(),
        }
    }
}

/// What was found out about one subject.
struct Found {
    subject: Subject,
    shown: Maintained,
    memory: Option<Memory>,
    note: Option<Note>,
}

/// Looks at the maintenance of an ArangoCluster. `probed`: the deployment was asked about itself just now, and so about
/// this too, even if no annotation asks for anything.
pub async fn look_after(
    context: &Context,
    id: &Id,
    cluster: &ArangoCluster,
    status: &ClusterStatus,
    connected: Result<&Connected, &Hold>,
    probed: bool,
) -> Looked {
    let asked = Asked::of(cluster);
    let before = context.maintenance.with(id, |entry| Before::of(status.maintenance.as_ref(), entry));
    let is_idle = asked.is_nothing() && before.memories.is_empty();
    if is_idle && before.status.is_none() && !probed && !before.running {
        return Looked { taken: before.taken, ..Looked::default() };
    }
    if before.running {
        // What is under way is waited for, and its end wakes.
        let switching = || Note {
            status: ConditionStatus::Unknown,
            reason: Reason::MaintenanceSwitching,
            message: "maintenance is being switched".to_owned(),
        };
        let said = before.said.or_else(|| say(vec![switching()]));
        return Looked { status: before.status, said, running: true, ..Looked::default() };
    }
    let connected = match connected {
        Ok(connected) => connected,
        Err(hold) => return unknown(before, is_idle, hold),
    };
    let Some(members) = connected.inspection.cluster.lock().clone() else {
        return unsupported(&before, &asked);
    };
    let switch = match &cluster.spec.deployment_ref {
        None => Switch::Coordinators(members),
        Some(reference) => Switch::KubeArangodb(members, Id::new(&id.namespace, &reference.name)),
    };
    let seen = match switch.supervision(context).await {
        Ok(seen) => seen,
        Err(hold) => return unknown(before, is_idle, &hold),
    };

    let version = status.deployment.as_ref().and_then(|deployment| deployment.version.as_deref());
    let target = Target {
        name: "the supervision".to_owned(),
        effect: "there is NO automatic failover in the whole cluster",
        period: context.maintenance.period,
        seconds: knows_seconds(version),
        ends: switch.ends(),
        visible: Duration::ZERO,
    };
    let mut plan = Plan { before: &before, steps: Vec::new(), again: Vec::new(), now: now() };
    let supervision = plan.decide(&target, Subject::Supervision, "", asked.supervision.as_deref(), seen);
    let mut notes: Vec<Note> = supervision.note.into_iter().collect();
    if let Some(message) = switch.pending(context).await
        && (supervision.memory.is_some() || asked.supervision.is_some())
    {
        notes =
            vec![Note { status: ConditionStatus::Unknown, reason: Reason::MaintenanceSwitching, message }];
    }
    let mut servers = Vec::new();
    match &asked.servers {
        Ok(wanted) => {
            for found in look_at_servers(&mut plan, connected, &switch, wanted, target.period).await {
                notes.extend(found.note);
                if let Subject::Server(id) = found.subject
                    && (found.memory.is_some() || found.shown.mode == Mode::On)
                {
                    servers.push(MaintainedServer { id, maintained: found.shown });
                }
            }
        }
        Err(problem) => {
            notes.push(Note {
                status: ConditionStatus::False,
                reason: Reason::Invalid,
                message: format!("the annotation {SERVERS} is not obeyed: {problem}"),
            });
            servers = before.status.iter().flat_map(|status| status.servers.clone()).collect();
        }
    }
    let Plan { steps, again, now, .. } = plan;
    let is_normal = supervision.memory.is_none() && supervision.shown.mode == Mode::Off && servers.is_empty();
    let until = |at: &Timestamp| Duration::try_from(now.duration_until(*at)).unwrap_or_default();
    let again = again.iter().map(until).min();
    Looked {
        status: (!is_normal).then_some(Maintenance { supervision: supervision.shown, servers }),
        said: say(notes),
        // Times are whole seconds: a little after, not a little before.
        again: again.map(|again| again + Duration::from_millis(200)).into_iter().chain(before.retry).min(),
        running: !steps.is_empty(),
        steps,
        switch: Some(switch),
        taken: before.taken,
    }
}

/// What is decided bit by bit.
struct Plan<'a> {
    before: &'a Before,
    steps: Vec<Step>,
    again: Vec<Timestamp>,
    now: Timestamp,
}

impl Plan<'_> {
    fn decide(
        &mut self,
        target: &Target,
        subject: Subject,
        id: &str,
        asked: Option<&str>,
        seen: Seen,
    ) -> Found {
        let memory = self.before.memories.get(&subject).cloned();
        let Decision { memory: decided, action, mut note, again } =
            decide(target, asked, memory.clone(), seen, self.now);
        self.again.extend(again);
        let mut memory = match action {
            Some(action) if self.before.retry.is_none() => {
                let step = Step { subject: subject.clone(), id: id.to_owned(), action, begun: self.now };
                self.steps.push(step);
                decided
            }
            // It failed a moment ago: what is not begun is not remembered as begun.
            Some(_) => match memory {
                Some(memory) if Some(&*memory.value) == asked || asked.is_none() => Some(memory),
                _ => decided.map(Memory::failed),
            },
            None => decided,
        };
        if let (Some(_), Some(failed)) = (action, self.before.failed.get(&subject)) {
            let status = if seen.on { ConditionStatus::True } else { ConditionStatus::Unknown };
            note = Some(Note { status, reason: failed.reason, message: failed.message.clone() });
        }
        if asked.is_none() && action.is_none() {
            memory = None;
        }
        let shown = Maintained::new(seen.on, seen.until, memory.as_ref());
        Found { subject, shown, memory, note }
    }
}

/// Looks at the DB-Servers that are asked for, and at those that are remembered.
async fn look_at_servers(
    plan: &mut Plan<'_>,
    connected: &Connected,
    switch: &Switch,
    wanted: &BTreeMap<String, String>,
    period: Duration,
) -> Vec<Found> {
    let remembered = plan.before.memories.keys().filter_map(|subject| match subject {
        Subject::Server(name) => Some(name),
        Subject::Supervision => None,
    });
    let shown = plan.before.status.iter().flat_map(|status| status.servers.iter().map(|server| &server.id));
    let names: BTreeSet<String> = wanted.keys().chain(remembered).chain(shown).cloned().collect();
    if names.is_empty() {
        return Vec::new();
    }
    let health = connected.inspection.health(connected.last_tick()).await.and_then(Result::ok);
    let looks = names.into_iter().map(async |name| {
        let seen = match identify(health.as_deref(), &name) {
            Ok(id) => match switch.server(&id).await {
                Ok(seen) => Ok((id, seen)),
                Err(error) => Err(of_error(&error, &format!("ask about the maintenance of {name}"))),
            },
            Err(problem) => Err(Hold::invalid(problem)),
        };
        (name, seen)
    });
    let mut seen: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).collect().await;
    seen.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut found = Vec::new();
    for (name, seen) in seen {
        let asked = wanted.get(&name).map(String::as_str);
        let subject = Subject::Server(name.clone());
        match seen {
            Ok((id, seen)) => {
                let target = Target {
                    name: format!("the DB-Server {name}"),
                    effect: "it takes over nothing in a failover",
                    period,
                    seconds: true,
                    ends: true,
                    visible: VISIBLE,
                };
                found.push(plan.decide(&target, subject, &id, asked, seen));
            }
            Err(hold) => {
                let memory = plan.before.memories.get(&subject).cloned().filter(|_| asked.is_some());
                let note =
                    Note { status: ConditionStatus::Unknown, reason: hold.reason, message: hold.message };
                let shown = Maintained::new(false, None, memory.as_ref());
                found.push(Found { subject, shown, memory, note: asked.map(|_| note) });
            }
        }
    }
    found
}

/// The id of a DB-Server that is named by id or short name. Where the health can't be seen, the name is believed.
fn identify(health: Option<&Health>, name: &str) -> Result<String, String> {
    let Some(health) = health else { return Ok(name.to_owned()) };
    match health.find(name) {
        Some((id, member)) if member.role == Some(MemberRole::DbServer) => Ok(id.to_owned()),
        Some(_) => Err(format!(
            "{name} in the annotation {SERVERS} is no DB-Server, and only those have a maintenance of their own"
        )),
        None => {
            let known: Vec<_> = health.with_role(&MemberRole::DbServer).map(|(id, _)| id).take(16).collect();
            Err(format!(
                "there is no DB-Server {name}, which the annotation {SERVERS} names; there are {}",
                known.join(", ")
            ))
        }
    }
}

/// The server can't be asked: what is remembered stays.
fn unknown(before: Before, is_idle: bool, hold: &Hold) -> Looked {
    let note = Note {
        status: ConditionStatus::Unknown,
        reason: hold.reason,
        message: format!("whether anything is in maintenance is not known: {}", hold.message),
    };
    let said = if is_idle { None } else { say(vec![note]) };
    Looked { status: before.status, said, ..Looked::default() }
}

/// A single server has no supervision.
fn unsupported(before: &Before, asked: &Asked) -> Looked {
    let note = Note {
        status: ConditionStatus::False,
        reason: Reason::MaintenanceUnsupported,
        message: "a single server has no supervision and so no maintenance; nothing is switched. Remove the annotation"
            .to_owned(),
    };
    let said = if asked.is_nothing() { None } else { say(vec![note]) };
    Looked { said, taken: before.taken, ..Looked::default() }
}

/// One condition for all that is to be said: the worst gives the reason.
fn say(mut notes: Vec<Note>) -> Option<Said> {
    let rank = |note: &Note| match (note.reason.standing(), note.reason) {
        (Standing::NeedsAPerson, _) => 0,
        (Standing::Waits, _) => 1,
        (Standing::Good, Reason::LongRunning) => 2,
        (Standing::Good, Reason::MaintenanceOn) => 3,
        (Standing::Good, _) => 4,
    };
    notes.sort_by_key(rank);
    let reason = notes.first()?.reason;
    let any = |status| notes.iter().any(|note| note.status == status);
    let status = [ConditionStatus::True, ConditionStatus::Unknown].into_iter().find(|status| any(*status));
    let message = notes.iter().map(|note| note.message.as_str()).collect::<Vec<_>>().join("; ");
    Some(Said { type_: CONDITION, status: status.unwrap_or(ConditionStatus::False), reason, message })
}

fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
