//! Waiting: always for something that is named, and never longer than a limit.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

/// How long something that takes well below a second on an idle machine may take on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a question is repeated that can't be watched.
const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is good. A bad answer says why, and the last one is told when the time is over.
pub(crate) async fn eventually<T, E: Debug>(what: &str, question: impl AsyncFnMut() -> Result<T, E>) -> T {
    within(PATIENCE, what, question).await.0
}

/// The same within a limit of its own. Tells how long it took.
pub(crate) async fn within<T, E: Debug>(
    limit: Duration,
    what: &str,
    mut question: impl AsyncFnMut() -> Result<T, E>,
) -> (T, Duration) {
    let begin = Instant::now();
    let mut last = None;
    loop {
        // A question that hangs must not outlive the limit either.
        let left = limit.saturating_sub(begin.elapsed()).max(POLL);
        match timeout(left, question()).await {
            Ok(Ok(answer)) => return (answer, begin.elapsed()),
            Ok(Err(why)) => last = Some(why),
            Err(_) => {}
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}; at last: {last:?}");
        sleep(POLL).await;
    }
}
