//! A crowd that reads and changes rights at the same time finds the state whole.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, dead_code)]

#[path = "../benches/stand_in/load.rs"]
mod load;

use std::time::{Duration, Instant};

use futures::future::try_join_all;

const USERS: usize = 200;
const WRITES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crowd_changes_at_once_is_neither_torn_nor_lost() {
    load::open_files(4 * USERS as u64 + 200).unwrap();
    let stand_in = load::stand_in(USERS).await.unwrap();
    let endpoints = stand_in.endpoints();
    // Ends by its count; the moment is only there so that it ends at all.
    let until = Instant::now() + Duration::from_secs(120);
    let crowd = (0..USERS).map(|n| {
        let endpoints = endpoints.clone();
        tokio::spawn(async move { load::change(n, &endpoints, WRITES, until).await })
    });
    for (n, changed) in try_join_all(crowd).await.unwrap().into_iter().enumerate() {
        let (wanted, times) = changed.unwrap();
        assert_eq!(times.len(), 3 * WRITES);
        load::check(&stand_in, n, &wanted).unwrap();
    }
    assert_eq!(stand_in.requests(), (3 * USERS * WRITES) as u64);
}
