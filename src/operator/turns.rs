//! Begins passes as the queue says and tells it of their ends. Every pass is a task of its own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{
    context::Context,
    watching::{index::Ref, wake::Again},
};
use crate::core::queue::Urgency;

/// After a pass that broke off.
const BROKEN: Duration = Duration::from_secs(60);

/// One pass over one resource of a kind, which was asked for at that time, if it was.
pub type Pass = Box<dyn Fn(Ref, Option<std::time::Instant>) -> BoxFuture<'static, Again> + Send + Sync>;

/// How passes are made, by kind.
pub type Passes = HashMap<&'static str, Pass>;

/// Tells the queue that a pass has ended, however it ended.
struct Ending {
    context: Arc<Context>,
    resource: Ref,
    again: Again,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.context.wakes.end(&self.resource, self.again);
    }
}

/// Begins passes from the moment on that they may begin until it is told to stop, and waits for their ends.
pub async fn run(context: Arc<Context>, passes: Passes, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    if stop.run_until_cancelled(context.wait_for_turn()).await.is_some() {
        while !stop.is_cancelled() {
            while let Some((resource, asked)) = context.wakes.begin() {
                let again = Some((BROKEN, Urgency::Comparison));
                let mut ending = Ending { context: Arc::clone(&context), resource, again };
                let Some(pass) = passes.get(ending.resource.kind) else { continue };
                let pass = pass(ending.resource.clone(), asked);
                tasks.spawn(async move {
                    let again = pass.await;
                    let ending = &mut ending;
                    ending.again = again;
                });
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = context.wakes.changed() => {}
                Some(ended) = tasks.join_next() => if let Err(broken) = ended {
                    error!(%broken, "a pass broke off; trying again in {}s", BROKEN.as_secs());
                },
            }
        }
    }
    let (waiting, since) = (tasks.len(), Instant::now());
    while tasks.join_next().await.is_some() {}
    info!(passes = waiting, millis = since.elapsed().as_millis(), "no pass is under way any more");
}
