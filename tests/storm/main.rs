//! A storm: users do what users do, at random, while the operator is killed in the middle of its requests, coordinators die,
//! hang and lie, and the API server and etcd crash. What is declared must be there afterwards, what is not ours must never be
//! touched, nothing may be dropped that nobody said may go, and nothing may be stuck.
//!
//! `cargo test --test storm -- --nocapture`; not a part of `cargo test`. Each seed is printed, and gives the same steps again:
//!
//! | variable | |
//! | --- | --- |
//! | `STORM_SEED` | this seed alone |
//! | `STORM_REPLICAS` | so many replicas of the operator (1) |
//! | `STORM_STEPS` | so many steps in each storm |
//! | `STORM_KILLS`, `STORM_MINUTES` | storms with new seeds until the operator was killed so often, for that long at most |
//! | `STORM_REPLAY` | the steps of that file, as they are printed when a storm fails |
//! | `STORM_TRACE` | each step is printed when it begins |
//! | `STORM_SHRINK` | minutes for making a failing storm shorter (5; 0 for none) |
//!
//! What is a matter of time is not the same in each run: which requests a fault hits, and where exactly a kill falls.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod check;
mod generate;
mod keeper;
mod model;
mod proxy;
mod replicas;
mod report;
mod shrink;
mod step;
mod storm;
#[path = "../support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the helpers of the tests of the operator, of which these need only some"
)]
mod support;
mod user;

use std::{
    env, fs,
    time::{Duration, Instant},
};

use arango_operator::{
    control_plane::{ControlPlane, Options},
    stand_in::Request,
};
use http::Method;
use serde_json::json;
use tokio::{
    sync::{Mutex, MutexGuard, OnceCell},
    time::timeout,
};

use self::{
    report::Report,
    step::{Level, Object, Place, Policy, Row, Step, User},
    storm::{ROOT_PASSWORD, Storm},
};

/// How long a storm is where nobody says.
const STEPS: usize = 60;
/// The same with several replicas, where each kill takes as long as a Lease.
const STEPS_OF_REPLICAS: usize = 40;
/// Longer than any step's own limits.
const STEP: Duration = Duration::from_secs(300);
/// How much of the operator's log is shown with a failure.
const LOG_LINES: usize = 60;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

/// A violation, and after how many steps it was seen.
struct Violation {
    after: usize,
    what: String,
}

/// Carries the steps out. Tells the figures, and what was violated.
async fn carry_out(
    plane: &mut ControlPlane,
    seed: u64,
    replicas: usize,
    steps: &[Step],
) -> (Report, Option<Violation>) {
    let mut storm = match Storm::prepare(plane, seed, replicas).await {
        Ok(storm) => storm,
        Err(what) => return (Report::default(), Some(Violation { after: 0, what })),
    };
    let (begun, mut violation) = (Instant::now(), None);
    for (number, step) in steps.iter().enumerate() {
        if env::var_os("STORM_TRACE").is_some() {
            eprintln!("{:>7.1?} {number} {step:?}", begun.elapsed());
        }
        let done = timeout(STEP, storm.step(step)).await;
        if let Err(what) = done.unwrap_or_else(|_| Err(format!("{step:?} did not end within {STEP:?}"))) {
            violation = Some(Violation { after: number + 1, what });
            break;
        }
    }
    if violation.is_none()
        && let Err(what) = storm.all_goes().await
    {
        violation = Some(Violation { after: steps.len(), what });
    }
    if violation.is_some() {
        let log = fs::read_to_string(storm.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        eprintln!("the operators' log ends:\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"));
    }
    (storm.end().await, violation)
}

/// The same; a failure is made shorter, and told in a way in which it can be repeated.
async fn holds(plane: &mut ControlPlane, seed: u64, replicas: usize, steps: &[Step]) -> Report {
    eprintln!("STORM_SEED={seed} STORM_STEPS={} STORM_REPLICAS={replicas}", steps.len());
    let (report, violation) = carry_out(plane, seed, replicas, steps).await;
    eprintln!("{report}");
    let Some(Violation { after, what }) = violation else { return report };
    eprintln!("VIOLATED after {after} steps: {what}");
    let steps = &steps[..after];
    let file = env::temp_dir().join(format!("storm-{seed}.steps"));
    fs::write(&file, step::written(steps)).unwrap();
    eprintln!("STORM_REPLAY={} has the steps", file.display());
    let minutes = number("STORM_SHRINK").unwrap_or(5);
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let is_pause =
        |step: &Step| matches!(step, Step::Calm | Step::Wait(_) | Step::Look(_) | Step::Maintenance(_));
    let is_secret = |step: &Step| matches!(step, Step::Password(..) | Step::Rotate(..));
    let is_by_hand = |step: &Step| matches!(step, Step::ByHand(..) | Step::Grant(_) | Step::Fill(..));
    let is_row = |step: &Step| matches!(step, Step::Row(..));
    let is_user = |step: &Step| matches!(step, Step::User(..) | Step::Row(..));
    let sorts: [&dyn Fn(&Step) -> bool; 7] = [
        &Step::is_fault,
        &is_pause,
        &is_secret,
        &is_by_hand,
        &|step| matches!(step, Step::Pause(..)),
        &is_user,
        &is_row,
    ];
    let shorter = shrink::shrink(steps, &sorts, until, async |steps| {
        let mut steps = steps.to_vec();
        steps.push(Step::Calm);
        carry_out(plane, seed, replicas, &steps).await.1.is_some()
    })
    .await;
    panic!(
        "seed {seed}: {what}\n{} of {} steps are left:\n{}",
        shorter.len(),
        steps.len(),
        step::written(&shorter)
    );
}

/// The one control plane, for one test after the other: nobody else's is to crash.
async fn plane() -> MutexGuard<'static, ControlPlane> {
    static PLANE: OnceCell<Mutex<ControlPlane>> = OnceCell::const_new();
    let start = async || {
        let plane = ControlPlane::start(Options::default(), &|_| {}).await.unwrap();
        support::plane::install(&plane).await;
        Mutex::new(plane)
    };
    PLANE.get_or_init(start).await.lock().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_never_happen_is_seen_when_it_happens() {
    let mut plane = plane().await;
    let mut storm = Storm::prepare(&mut plane, 0, 1).await.unwrap();
    let shop = Object::Database(Place::Own, 0);
    let row = Row { access: Level::Rw, collections: None, policy: Policy::Delete };
    let user = User { generated: false, active: true, team: 0, policy: Policy::Delete };
    let declared = [
        Step::Database(Place::Own, 0, Policy::Delete),
        Step::Fill(Place::Own, 0),
        Step::User(Place::Own, 0, user),
        Step::Row(Place::Own, 0, 0, row),
        Step::Calm,
    ];
    for step in declared {
        storm.step(&step).await.unwrap();
    }
    storm.step(&Step::Fill(Place::Own, 0)).await.unwrap();

    let them = |team: u8| Request::patch("/_api/user/them-0", &json!({"extra": {"a": team}}));
    Storm::by_hand(&storm.server, &them(2));
    assert!(storm.nothing_forbidden().unwrap_err().contains("not ours was changed"));
    Storm::by_hand(&storm.server, &them(1));
    storm.nothing_forbidden().unwrap();

    // Nobody is there to put right what follows.
    storm.operator_ends().await;
    assert!(storm.complaint().await.unwrap().is_none());
    let level = Request::put("/_api/user/own-u0/database/own-d0", &json!({"grant": "ro"}));
    Storm::by_hand(&storm.server, &level);
    assert!(storm.complaint().await.unwrap().unwrap().contains("own-u0-own-d0 is"));
    Storm::by_hand(&storm.server, &Request::delete("/_api/user/own-u0"));
    assert!(storm.complaint().await.unwrap().unwrap().contains("the user own-u0 is not there"));

    let endpoint = storm.server.endpoints()[0].clone();
    let send = async |method: Method, path: &str| {
        let url = format!("{endpoint}{path}");
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.request(method, url).basic_auth("root", Some(ROOT_PASSWORD)).send().await.unwrap();
    };
    send(Method::PATCH, "/_api/user/them-1").await;
    assert!(storm.nothing_forbidden().unwrap_err().contains("a request about what is not ours"));
    send(Method::DELETE, "/_api/database/own-d0").await;
    assert!(storm.nothing_forbidden().unwrap_err().contains("nobody had said that own-d0 may go"));
    assert!(storm.nothing_forbidden().unwrap_err().contains("the data of own-d0 is lost"));
    assert!(storm.complaint().await.unwrap().unwrap().contains("the database own-d0 is not there"));
    storm.model.filled.remove(&shop);
    storm.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_falls_nothing_is_lost_nothing_is_stuck_and_what_is_declared_is_there() {
    let mut plane = plane().await;
    let replicas = number("STORM_REPLICAS").map_or(1, |replicas| usize::try_from(replicas).unwrap());
    if let Ok(file) = env::var("STORM_REPLAY") {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        holds(&mut plane, 0, replicas, &step::read(&text).unwrap()).await;
        return;
    }
    let steps = number("STORM_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    let kills = number("STORM_KILLS");
    let until = number("STORM_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let mut seeds = match number("STORM_SEED") {
        Some(seed) => vec![seed],
        None => vec![generate::any_seed()],
    };
    let mut all = Report::default();
    let mut storms = 0;
    while let Some(seed) = (!seeds.is_empty()).then(|| seeds.remove(0)) {
        all.add(&holds(&mut plane, seed, replicas, &generate::steps(seed, steps)).await);
        storms += 1;
        let is_enough = kills.is_none_or(|kills| all.kills() >= kills);
        let is_over =
            until.map_or(is_enough, |until| Instant::now() >= until || (kills.is_some() && is_enough));
        if seeds.is_empty() && !is_over {
            seeds.push(generate::any_seed());
        }
    }
    eprintln!("{storms} storms, no violation; all of them:\n{all}");
    if let Some(kills) = kills.filter(|_| until.is_none()) {
        assert!(all.kills() >= kills);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_replicas_never_two_are_at_work_whatever_falls() {
    if env::var_os("STORM_REPLAY").is_some() || env::var_os("STORM_REPLICAS").is_some() {
        return;
    }
    let mut plane = plane().await;
    let seed = number("STORM_SEED").unwrap_or_else(generate::any_seed);
    let report = holds(&mut plane, seed, 3, &generate::steps(seed, STEPS_OF_REPLICAS)).await;
    assert!(report.kills() == 0 || report.hands > 0, "whoever was killed was followed by another one");
}
