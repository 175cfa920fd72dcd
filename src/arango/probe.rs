//! Asks coordinators that were set aside whether they are back, so that no request has to find it out.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::future::join_all;
use http::Method;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Request,
    connect::{Coordinator, Failure},
    pool::Inner,
};

/// The time of one probe. With the longest delay between two of them it stays below the five seconds in which
/// recovery has to be seen.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// The answer is a few words (reference: information, availability).
const ANSWER_MAX: usize = 64 << 10;

/// Probes whatever is due until the pool is gone.
pub(super) async fn run(pool: Weak<Inner>, wake: Arc<Notify>) {
    loop {
        let Some(next) = pool.upgrade().map(|pool| pool.next_probe()) else { return };
        match next {
            None => wake.notified().await,
            Some(at) => tokio::select! {
                () = sleep_until(at) => {
                    let Some(pool) = pool.upgrade() else { return };
                    probe(&pool).await;
                }
                // Another one may be due earlier now.
                () = wake.notified() => {}
            },
        }
    }
}

async fn probe(pool: &Arc<Inner>) {
    let probes = pool.due().into_iter().map(|(index, coordinator)| async move {
        match ask(index, coordinator).await {
            Ok(()) => pool.answered(index),
            Err(why) => pool.failed(index, &why),
        }
    });
    join_all(probes).await;
}

/// Whether it serves. This path is open, so the probe carries no login.
async fn ask(index: usize, coordinator: &Coordinator) -> Result<(), String> {
    let request = Request::new(Method::GET, "/_admin/server/availability").anonymous();
    let until = Instant::now() + PROBE_TIME;
    match coordinator.send(index, &request, None, until, ANSWER_MAX).await {
        Ok(answer) if answer.status.is_server_error() => Err(format!("it answers {}", answer.status)),
        Ok(_) => Ok(()),
        Err(Failure::NeverSent(why) | Failure::Lost(why)) => Err(why),
        Err(Failure::Slow) => Err(format!("no answer within {PROBE_TIME:?}")),
        Err(Failure::Final(error)) => Err(error.to_string()),
    }
}
