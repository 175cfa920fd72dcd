//! Our own writes to what was read, for as long as a read may be older than they are.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::SETTLING;

/// How long our own writes are kept to be applied to late reads: longer than any read may take.
const REMEMBERED: Duration = Duration::from_secs(180);

/// Does to a value what was done on the server.
pub(super) type Amendment<V> = Box<dyn Fn(&mut V) + Send + Sync>;

/// Whether no read under way can be older than what was written then.
pub(super) fn is_old(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) > REMEMBERED
}

/// The writes to one thing, in their order.
pub(super) struct Writes<V> {
    kept: VecDeque<(Instant, Amendment<V>)>,
    /// Those that are not kept any more are among them.
    made: u64,
}

impl<V> Default for Writes<V> {
    fn default() -> Self {
        Self { kept: VecDeque::new(), made: 0 }
    }
}

impl<V> Writes<V> {
    /// Adds one. `for_good`: those before it are kept however old they are.
    pub(super) fn push(&mut self, now: Instant, amendment: Amendment<V>, for_good: bool) {
        while !for_good && self.kept.front().is_some_and(|(at, _)| is_old(*at, now)) {
            self.kept.pop_front();
        }
        if self.kept.is_empty() {
            // Mostly there is one, and never another.
            self.kept.reserve_exact(1);
        }
        self.kept.push_back((now, amendment));
        self.made += 1;
    }

    /// Gives up those that no read needs any more, and the room that they took.
    pub(super) fn prune(&mut self, now: Instant) {
        self.kept.retain(|(at, _)| !is_old(*at, now));
        self.kept.shrink_to_fit();
    }

    /// Gives up all.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// When the last one was made; nothing if that is long ago.
    pub(super) fn last(&self) -> Option<Instant> {
        self.kept.back().map(|(at, _)| *at)
    }

    /// How many there were.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Those after so many of them; nothing if one of these isn't kept any more.
    pub(super) fn since(&self, made: u64) -> Option<impl Iterator<Item = &Amendment<V>>> {
        let new = usize::try_from(self.made - made).ok()?;
        let known = self.kept.len().checked_sub(new)?;
        Some(self.kept.range(known..).map(|(_, amendment)| amendment))
    }

    /// Those that a read that began then may not show; all, where none shows any.
    pub(super) fn over(
        &self,
        started: Instant,
        for_good: bool,
    ) -> impl Iterator<Item = (Instant, &Amendment<V>)> {
        let unseen = move |at: Instant| for_good || started < at + SETTLING;
        self.kept.iter().filter(move |(at, _)| unseen(*at)).map(|(at, amendment)| (*at, amendment))
    }
}

/// Two lists as one, in the order of their times.
pub(super) fn in_order<'a, V: 'a>(
    one: impl Iterator<Item = (Instant, &'a Amendment<V>)>,
    other: impl Iterator<Item = (Instant, &'a Amendment<V>)>,
) -> impl Iterator<Item = &'a Amendment<V>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let first = match (one.peek(), other.peek()) {
            (Some((at, _)), Some((than, _))) => at <= than,
            (one, _) => one.is_some(),
        };
        if first { one.next() } else { other.next() }
    })
    .map(|(_, amendment)| amendment)
}
