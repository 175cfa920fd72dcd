//! Whose turn it is: how many requests to a deployment are under way at once. How many there may be is decided by
//! [`Limiter`]; here are its clock and its queue.

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::core::limit::{Limiter, Ticket};

/// The turns of one deployment. Who waits for one gets it in the order of asking.
pub(super) struct Turns {
    semaphore: Semaphore,
    state: Mutex<State>,
}

struct State {
    limiter: Limiter,
    /// The permits that there are, taken or not.
    permits: usize,
    under_way: usize,
}

/// A request's turn; over when it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    permit: Option<SemaphorePermit<'a>>,
    ticket: Ticket,
}

impl Turns {
    /// At most so many at once, and at least one.
    pub(super) fn new(allowed: usize) -> Self {
        let limiter = Limiter::new(allowed.min(Semaphore::MAX_PERMITS));
        let permits = limiter.limit();
        Self {
            semaphore: Semaphore::new(permits),
            state: Mutex::new(State { limiter, permits, under_way: 0 }),
        }
    }

    /// Waits for a turn. `None` if it doesn't come in time.
    pub(super) async fn take(&self, deadline: Instant) -> Option<Turn<'_>> {
        // The semaphore is never closed, so only the time can be over.
        let permit = timeout_at(deadline, self.semaphore.acquire()).await.ok()?.ok()?;
        let state = &mut *self.state.lock();
        state.under_way += 1;
        let ticket = state.limiter.begin(state.under_way);
        Some(Turn { turns: self, permit: Some(permit), ticket })
    }

    /// The deployment says that it is full.
    pub(super) fn full(&self) {
        self.state.lock().limiter.full();
    }

    /// How many may be under way at once just now.
    pub(super) fn limit(&self) -> usize {
        self.state.lock().limiter.limit()
    }
}

impl Turn<'_> {
    /// The request was answered, sent at that time. `kind`: as for [`Limiter::answered`].
    pub(super) fn answered(&self, kind: u64, sent: Instant) {
        self.turns.state.lock().limiter.answered(self.ticket, kind, sent.elapsed());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let state = &mut *self.turns.state.lock();
        state.under_way -= 1;
        let limit = state.limiter.limit();
        if limit > state.permits {
            self.turns.semaphore.add_permits(limit - state.permits);
            state.permits = limit;
        } else if limit < state.permits
            && let Some(permit) = self.permit.take()
        {
            // One at a time, as they come back: nobody's turn is cut short.
            permit.forget();
            state.permits -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use futures::future::join_all;

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_none() {
        let turns = Turns::new(1);
        let mine = turns.take(Instant::now()).await.unwrap();
        assert!(turns.take(Instant::now() + Duration::from_millis(5)).await.is_none());
        drop(mine);
        assert!(turns.take(Instant::now()).await.is_some());
    }

    #[tokio::test]
    async fn no_permit_is_lost_whatever_happens_to_requests() {
        let turns = Turns::new(16);
        for round in 0..300_u64 {
            let taken =
                join_all((0..16).map(|_| turns.take(Instant::now() + Duration::from_millis(1)))).await;
            if round % 7 == 0 {
                turns.full();
            }
            for (place, turn) in taken.into_iter().flatten().enumerate() {
                if place % 3 > 0 {
                    turn.answered(round % 5, Instant::now());
                }
            }
            let state = turns.state.lock();
            assert_eq!((state.under_way, state.permits), (0, turns.semaphore.available_permits()));
            assert!((4..=16).contains(&state.permits));
        }
    }
}
