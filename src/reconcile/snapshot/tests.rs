use std::{
    collections::VecDeque,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{
    FutureExt,
    channel::oneshot,
    executor::block_on,
    future::{BoxFuture, join_all},
};
use http::StatusCode;

use super::*;
use crate::arango::{Request, Response, Transport};

/// A body, or why there is none.
type Told = Result<Vec<u8>, Error>;

/// A list of databases that is answered when the test says so.
#[derive(Default)]
struct Slow {
    asked: AtomicUsize,
    answers: Mutex<VecDeque<oneshot::Receiver<Told>>>,
    /// How long was waited in between.
    paused: Mutex<Vec<Duration>>,
}

struct Wire(Arc<Slow>);

impl Transport for Wire {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, Error>> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.0.answers.lock().pop_front().expect("no more answers");
        Box::pin(async move {
            let body = Bytes::from(answer.await.expect("the test answers")?);
            Ok(Response { status: StatusCode::OK, body, coordinator: 0 })
        })
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.0.paused.lock().push(time);
        Box::pin(std::future::ready(()))
    }
}

struct List;

impl Part for List {
    type Key = ();
    type Value = Vec<String>;

    async fn read(client: &Client, (): &()) -> Result<Vec<String>, Error> {
        client.get("/list").await
    }
}

type Answer = oneshot::Sender<Told>;

fn server(answers: usize) -> (Client, Arc<Slow>, Vec<Answer>) {
    let (senders, receivers): (Vec<_>, VecDeque<_>) = (0..answers).map(|_| oneshot::channel()).unzip();
    let slow = Arc::new(Slow { answers: Mutex::new(receivers), ..Slow::default() });
    (Client::new(Wire(Arc::clone(&slow))), slow, senders)
}

fn list(names: &[&str]) -> Vec<u8> {
    serde_json::to_vec(names).unwrap()
}

/// Whoever reads in most tests.
static READER: LazyLock<Reader> = LazyLock::new(Reader::default);

async fn read(snapshot: &Snapshot, client: &Client, since: Instant) -> Result<Vec<String>, Error> {
    read_as(&READER, snapshot, client, since).await
}

async fn read_as(
    reader: &Reader,
    snapshot: &Snapshot,
    client: &Client,
    since: Instant,
) -> Result<Vec<String>, Error> {
    snapshot.read::<List, _>((reader, client), &(), since, Clone::clone).await
}

/// A listing of everything.
struct Long;

impl Part for Long {
    type Key = ();
    type Value = Vec<String>;

    fn rest(names: &Vec<String>) -> Duration {
        Duration::from_secs(600) * u32::try_from(names.len()).unwrap()
    }

    async fn read(client: &Client, (): &()) -> Result<Vec<String>, Error> {
        client.get("/list").await
    }
}

#[test]
fn a_long_listing_rests_before_it_is_read_again_and_a_short_one_does_not() {
    let (snapshot, reader) = (Snapshot::default(), Reader::default());
    let (client, slow, answers) = server(4);
    for (answer, names) in answers.into_iter().zip([&[][..], &["a"], &["a", "b"], &[]]) {
        answer.send(Ok(list(names))).unwrap();
    }
    let read = || {
        let now = Instant::now();
        block_on(snapshot.read::<Long, _>((&reader, &client), &(), now, Vec::len)).unwrap()
    };
    assert_eq!((read(), read()), (0, 1));
    assert!(slow.paused.lock().is_empty(), "nobody waits after an empty one");
    read();
    read();
    let paused = slow.paused.lock();
    let minutes: Vec<_> = paused.iter().map(|time| time.as_secs().div_ceil(60)).collect();
    assert_eq!(minutes, [10, 20], "as long as what was found is");
}

#[test]
fn many_who_ask_at_once_share_one_read() {
    let (client, slow, mut answers) = server(1);
    let snapshot = Snapshot::default();
    let since = Instant::now();
    let mut waiting = Box::pin(join_all((0..20).map(|_| read(&snapshot, &client, since))));
    assert!(waiting.as_mut().now_or_never().is_none(), "all wait");
    answers.remove(0).send(Ok(list(&["a"]))).unwrap();
    assert!(block_on(waiting).into_iter().all(|found| found.unwrap() == ["a"]));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn an_error_is_told_to_all_who_waited_for_it_and_to_nobody_after() {
    let (client, slow, mut answers) = server(2);
    let snapshot = Snapshot::default();
    let since = Instant::now();
    let mut waiting = Box::pin(join_all((0..5).map(|_| read(&snapshot, &client, since))));
    assert!(waiting.as_mut().now_or_never().is_none(), "all wait");
    answers.remove(0).send(Err(Error::Unusable("away".into()))).unwrap();
    assert!(block_on(waiting).into_iter().all(|found| found.is_err()));
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);

    answers.remove(0).send(Ok(list(&["a"]))).unwrap();
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["a"]);
}

#[test]
fn what_is_old_enough_is_read_again_and_what_is_fresh_is_not() {
    let (client, slow, answers) = server(2);
    let snapshot = Snapshot::default();
    for (answer, name) in answers.into_iter().zip(["old", "new"]) {
        answer.send(Ok(list(&[name]))).unwrap();
    }
    let before = Instant::now();
    assert_eq!(block_on(read(&snapshot, &client, before)).unwrap(), ["old"]);
    assert_eq!(block_on(read(&snapshot, &client, before)).unwrap(), ["old"]);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 1);
    let later = before + Duration::from_hours(1);
    assert_eq!(block_on(read(&snapshot, &client, later)).unwrap(), ["new"]);
}

/// A read is on its way while something is written; then its answer, from before the write, arrives.
fn overtaken(write: impl FnOnce(&Snapshot)) -> (Vec<String>, Snapshot, Client, Vec<Answer>) {
    let (client, _, mut answers) = server(2);
    let snapshot = Snapshot::default();
    let since = Instant::now();
    let mut waiting = Box::pin(read(&snapshot, &client, since));
    assert!(waiting.as_mut().now_or_never().is_none(), "it waits");
    write(&snapshot);
    answers.remove(0).send(Ok(list(&["before"]))).unwrap();
    let found = block_on(waiting).unwrap();
    (found, snapshot, client, answers)
}

#[test]
fn our_own_write_is_laid_over_a_read_that_began_before_it() {
    let (found, ..) = overtaken(|snapshot| snapshot.amend::<List>(&(), |all| all.push("ours".into())));
    assert_eq!(found, ["before", "ours"]);
}

#[test]
fn what_our_write_put_in_place_holds_against_late_reads_and_earlier_writes() {
    let (found, ..) = overtaken(|snapshot| {
        snapshot.amend::<List>(&(), |all| all.push("earlier".into()));
        snapshot.put::<List>(&READER, &(), vec!["made anew".into()]);
        snapshot.amend::<List>(&(), |all| all.push("later".into()));
    });
    assert_eq!(found, ["made anew", "later"]);
}

#[test]
fn a_read_that_began_before_a_part_was_forgotten_is_not_kept() {
    let since = Instant::now();
    let (_, snapshot, client, mut answers) = overtaken(|snapshot| {
        snapshot.amend::<List>(&(), |all| all.push("earlier".into()));
        snapshot.forget::<List>(&());
    });
    answers.remove(0).send(Ok(list(&["after"]))).unwrap();
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["after"]);
}

#[test]
fn another_connection_reads_for_itself_and_knows_what_was_written_through_this_one() {
    let (client, slow, mut answers) = server(3);
    let (snapshot, other) = (Snapshot::default(), Reader::default());
    let since = Instant::now();
    answers.remove(0).send(Ok(list(&["all"]))).unwrap();
    answers.remove(0).send(Err(Error::Unusable("away".into()))).unwrap();
    answers.remove(0).send(Ok(list(&["part"]))).unwrap();
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["all"]);
    assert!(block_on(read_as(&other, &snapshot, &client, since)).is_err());
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["all"], "no business of this one");
    snapshot.amend::<List>(&(), |all| all.push("written".into()));
    let seen = block_on(read_as(&other, &snapshot, &client, since)).unwrap();
    assert_eq!(seen, ["part", "written"], "whatever a stale coordinator says");
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["all", "written"]);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 3);

    drop(other);
    let third = Reader::default();
    let cell = snapshot.table::<List>().cell(&());
    cell.known.lock().view(&third);
    assert_eq!(cell.known.lock().views.len(), 2, "what was known to a connection goes with it");
}

#[test]
fn what_is_written_to_all_is_laid_over_each_once_and_in_the_order_of_the_writes() {
    let (client, _, answers) = server(2);
    let snapshot = Snapshot::default();
    let since = Instant::now();
    for (answer, names) in answers.into_iter().zip([&["a"][..], &["late"]]) {
        answer.send(Ok(list(names))).unwrap();
    }
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["a"]);
    let add = |name: &'static str| move |all: &mut Vec<String>| all.push(name.to_owned());
    snapshot.amend_all::<List>(add("b"));
    snapshot.amend::<List>(&(), add("c"));
    snapshot.amend_all::<List>(add("d"));
    let all = ["a", "b", "c", "d"];
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), all);
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), all, "once");
    // Another coordinator may not show them yet.
    let found = block_on(read(&snapshot, &client, Instant::now())).unwrap();
    assert_eq!(found, ["late", "b", "c", "d"]);
}

#[test]
fn what_was_written_to_all_before_a_part_was_put_or_forgotten_is_not_laid_over_it() {
    let (client, _, answers) = server(1);
    let snapshot = Snapshot::default();
    let since = Instant::now();
    snapshot.amend_all::<List>(|all| all.push("before".into()));
    snapshot.put::<List>(&READER, &(), vec!["made anew".into()]);
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["made anew"]);
    snapshot.forget::<List>(&());
    answers.into_iter().for_each(|answer| answer.send(Ok(list(&["read"]))).unwrap());
    assert_eq!(block_on(read(&snapshot, &client, Instant::now())).unwrap(), ["read"]);
}

#[test]
fn what_nobody_asks_for_is_given_up_and_what_somebody_waits_for_is_not() {
    let (client, slow, mut answers) = server(2);
    let snapshot = Snapshot::default();
    let since = Instant::now();
    let later = |seconds| Instant::now() + Duration::from_secs(seconds);
    answers.remove(0).send(Ok(list(&["a"]))).unwrap();
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["a"]);
    let table = snapshot.table::<List>();
    table.tidy(Instant::now());
    assert_eq!(block_on(read(&snapshot, &client, since)).unwrap(), ["a"], "asked for a moment ago");
    table.tidy(later(60));
    assert!(table.cells.lock().is_empty());

    // What was written is known for as long as a read may be older.
    snapshot.amend::<List>(&(), |all| all.push("ours".into()));
    table.tidy(later(60));
    let mut waiting = Box::pin(read(&snapshot, &client, since));
    assert!(waiting.as_mut().now_or_never().is_none(), "it waits");
    table.tidy(later(600));
    answers.remove(0).send(Ok(list(&["before"]))).unwrap();
    assert_eq!(block_on(waiting).unwrap(), ["before", "ours"]);
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    table.tidy(later(600));
    assert!(table.cells.lock().is_empty() && snapshot.wrote_to::<List>(&()).is_none());
}
