//! Waiting within a limit: for something that is named, and that can't be watched.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

/// How often a question is repeated that can't be watched.
const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is good. A bad answer says why, and the last one is told when the time is over. Tells how long
/// it took.
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
