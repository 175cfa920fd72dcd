//! Asks coordinators that are suspect or set aside whether they serve, so that no request has to find it out.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::stream::{FuturesUnordered, StreamExt};
use http::{Method, StatusCode};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Request,
    connect::{Answer, Coordinator, Failure},
    pool::Inner,
};

/// The time of one probe. With the longest delay between two of them it stays below the five seconds in which
/// recovery has to be seen.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// The answer is a few words (reference: information, availability).
const ANSWER_MAX: usize = 64 << 10;

/// Probes whatever is due until the pool is gone. Each probe goes by itself: one that hangs keeps nobody waiting.
pub(super) async fn run(pool: Weak<Inner>, wake: Arc<Notify>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            for (index, coordinator) in pool.begin_probes() {
                under_way.push(async move { (index, ask(index, &coordinator).await) });
            }
            pool.next_probe()
        };
        tokio::select! {
            Some((index, found)) = under_way.next() => {
                let Some(pool) = pool.upgrade() else { return };
                pool.probed(index, found);
            }
            () = async { match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            } } => {}
            // Another one may be due earlier now.
            () = wake.notified() => {}
        }
    }
}

/// Whether it serves. This path is open, so the probe carries no login; one that starts refuses it even so (reference:
/// the gate).
async fn ask(index: usize, coordinator: &Coordinator) -> Result<(), String> {
    let request = Request::new(Method::GET, "/_admin/server/availability").anonymous();
    let until = Instant::now() + PROBE_TIME;
    match coordinator.send(index, &request, None, until, ANSWER_MAX).await {
        Ok(Answer { response, .. })
            if response.status.is_server_error() || response.status == StatusCode::UNAUTHORIZED =>
        {
            Err(format!("it answers {}", response.status))
        }
        Ok(_) => Ok(()),
        Err(Failure::NeverSent(why) | Failure::Lost(why)) => Err(why),
        Err(Failure::Slow) => Err(format!("no answer within {PROBE_TIME:?}")),
        Err(Failure::Final(error)) => Err(error.to_string()),
    }
}
