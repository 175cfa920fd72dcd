//! Waiting: always for something that is named, and never longer than a limit.

use std::{fmt::Debug, time::Duration};

pub(crate) use super::within::within;

/// How long something that takes well below a second on an idle machine may take on a busy one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is good, as long as is patient enough.
pub(crate) async fn eventually<T, E: Debug>(what: &str, question: impl AsyncFnMut() -> Result<T, E>) -> T {
    within(PATIENCE, what, question).await.0
}
