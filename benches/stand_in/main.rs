//! How many requests the stand-in answers in a second, and whether its state stays whole while a crowd changes it.
//!
//! `cargo bench --bench stand_in [-- SECONDS]`: server and clients share this process and this machine.

mod load;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use load::{Connection, Times, check, user};
use rustix::time::{ClockId, clock_gettime};

const USERS: usize = 1000;
/// What the reads are to reach, in requests a second on two cores.
const TARGET: f64 = 20_000.0;

/// What each user reads.
const READS: [(&str, &str); 4] = [
    ("the version", "/_api/version"),
    ("one own level", "/_api/user/USER/database/shop-1"),
    ("own levels", "/_api/user/USER/database"),
    ("own configured levels", "/_api/user/USER/database?full=true"),
];

/// How much time has passed, and how much of it this process had a core.
#[derive(Clone, Copy)]
struct Clock {
    wall: Instant,
    cpu: Duration,
}

impl Clock {
    fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self { wall: Instant::now(), cpu: cpu.try_into().unwrap_or_default() }
    }
}

struct Figures {
    what: String,
    elapsed: Duration,
    /// Of all cores together, of clients and server together.
    cpu: Duration,
    times: Times,
}

impl Figures {
    fn new(what: impl Into<String>, begin: Clock, mut times: Times) -> Self {
        let now = Clock::now();
        times.sort_unstable();
        Self {
            what: what.into(),
            elapsed: now.wall - begin.wall,
            cpu: now.cpu.saturating_sub(begin.cpu),
            times,
        }
    }

    #[allow(clippy::cast_precision_loss)] // far below 2^52
    fn count(&self) -> f64 {
        self.times.len() as f64
    }

    /// How many of the machine's cores it had, which others may use as well.
    fn cores(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// How many requests two cores answer in a second by what one cost.
    fn on_two_cores(&self) -> f64 {
        2.0 * self.count() / self.cpu.as_secs_f64()
    }

    /// A row of the table: what, how many, how many a second, how many cores were had for it, how many it would be on
    /// two, and how long half and 99 % of them took at most.
    fn row(&self) -> String {
        let quantile = |percent: usize| {
            let time = self.times.get(self.times.len() * percent / 100).copied().unwrap_or_default();
            time.as_secs_f64() * 1e3
        };
        let (rate, half, most) = (self.count() / self.elapsed.as_secs_f64(), quantile(50), quantile(99));
        let (what, count, cores, two) = (&self.what, self.times.len(), self.cores(), self.on_two_cores());
        format!(
            "| {what:<22} | {count:>8} | {rate:>8.0} | {cores:>5.2} | {two:>12.0} | {half:>6.1} | {most:>6.1} |"
        )
    }
}

async fn run(seconds: u64) -> Result<bool> {
    load::open_files(4 * USERS as u64 + 100)?;
    let stand_in = load::stand_in(USERS).await?;
    let endpoints = stand_in.endpoints();
    let mut figures = Vec::new();

    let open = (0..USERS).map(|n| {
        let (endpoint, name) = (&endpoints[n % endpoints.len()], user(n));
        async move { Connection::open(endpoint, &name, &name).await }
    });
    let mut connections = try_join_all(open).await?;
    for (what, path) in READS {
        let begin = Clock::now();
        let until = begin.wall + Duration::from_secs(seconds);
        let tasks = connections.into_iter().enumerate().map(|(n, connection)| {
            tokio::spawn(load::read(connection, path.replace("USER", &user(n)), until))
        });
        let read: Result<Vec<_>> = try_join_all(tasks).await?.into_iter().collect();
        let (kept, times): (Vec<_>, Vec<_>) = read?.into_iter().unzip();
        connections = kept;
        figures.push(Figures::new(what, begin, times.concat()));
    }
    drop(connections);

    let begin = Clock::now();
    let until = begin.wall + Duration::from_secs(seconds);
    let tasks = (0..USERS).map(|n| {
        let endpoints = endpoints.clone();
        tokio::spawn(async move { load::change(n, &endpoints, usize::MAX, until).await })
    });
    let changed: Result<Vec<_>> = try_join_all(tasks).await?.into_iter().collect();
    let (wanted, times): (Vec<_>, Vec<_>) = changed?.into_iter().unzip();
    let target = figures.iter().all(|figures| figures.on_two_cores() > TARGET);
    figures.push(Figures::new("a third of them writes", begin, times.concat()));
    for (n, wanted) in wanted.iter().enumerate() {
        check(&stand_in, n, wanted)?;
    }

    println!("{USERS} users, a connection each, 3 coordinators, clients and server on the same cores:\n");
    println!("| {:<22} | requests | a second | cores | on two cores | p50 ms | p99 ms |", "what");
    println!("| {:-<22} | -------: | -------: | ----: | -----------: | -----: | -----: |", "");
    for figures in &figures {
        println!("{}", figures.row());
    }
    println!("\nThe state is what {USERS} users were told: nothing torn, nothing lost.");
    println!("Every read above {TARGET:.0} a second on two cores: {}.", if target { "yes" } else { "NO" });
    stand_in.stop().await?;
    Ok(target)
}

fn main() -> Result<()> {
    // Cargo passes `--bench`; a number is the length of each phase.
    let seconds = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let seconds =
        seconds.map_or(Ok(5), |text| text.parse()).context("the length of a phase is a number of seconds")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(seconds)).map(drop)
}
