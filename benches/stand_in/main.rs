//! How many requests the stand-in answers in a second, and whether its state stays whole while a crowd changes it.
//!
//! `cargo bench --bench stand_in [-- SECONDS]`: server and clients share this process and this machine.

mod load;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use load::{Connection, Times, check, user};

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

struct Figures {
    what: String,
    elapsed: Duration,
    times: Times,
}

impl Figures {
    fn new(what: impl Into<String>, elapsed: Duration, mut times: Times) -> Self {
        times.sort_unstable();
        Self { what: what.into(), elapsed, times }
    }

    #[allow(clippy::cast_precision_loss)] // far below 2^52
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// A row of the table: what, how many, how many a second, how long half and 99 % of them took at most.
    fn row(&self) -> String {
        let quantile = |percent: usize| {
            let time = self.times.get(self.times.len() * percent / 100).copied().unwrap_or_default();
            time.as_secs_f64() * 1e3
        };
        let (count, rate, half, most) = (self.times.len(), self.rate(), quantile(50), quantile(99));
        format!("| {:<40} | {count:>8} | {rate:>8.0} | {half:>6.1} | {most:>6.1} |", self.what)
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
        let begin = Instant::now();
        let until = begin + Duration::from_secs(seconds);
        let tasks = connections.into_iter().enumerate().map(|(n, connection)| {
            tokio::spawn(load::read(connection, path.replace("USER", &user(n)), until))
        });
        let read: Result<Vec<_>> = try_join_all(tasks).await?.into_iter().collect();
        let elapsed = begin.elapsed();
        let (kept, times): (Vec<_>, Vec<_>) = read?.into_iter().unzip();
        connections = kept;
        figures.push(Figures::new(what, elapsed, times.concat()));
    }
    drop(connections);

    let begin = Instant::now();
    let until = begin + Duration::from_secs(seconds);
    let tasks = (0..USERS).map(|n| {
        let endpoints = endpoints.clone();
        tokio::spawn(async move { load::change(n, &endpoints, usize::MAX, until).await })
    });
    let changed: Result<Vec<_>> = try_join_all(tasks).await?.into_iter().collect();
    let elapsed = begin.elapsed();
    let (wanted, times): (Vec<_>, Vec<_>) = changed?.into_iter().unzip();
    for (n, wanted) in wanted.iter().enumerate() {
        check(&stand_in, n, wanted)?;
    }
    let target = figures.iter().all(|figures| figures.rate() > TARGET);
    figures.push(Figures::new("a third writes, each checked by two reads", elapsed, times.concat()));

    println!("{USERS} users, a connection each, 3 coordinators, clients and server on the same cores:\n");
    println!("| {:<40} | requests | a second | p50 ms | p99 ms |", "what");
    println!("| {:-<40} | -------: | -------: | -----: | -----: |", "");
    figures.iter().for_each(|figures| println!("{}", figures.row()));
    println!("\nThe state is what {USERS} users were told: nothing torn, nothing lost.");
    println!("Reads above {TARGET:.0} a second: {}.", if target { "yes" } else { "NO" });
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
