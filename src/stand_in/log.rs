//! Which requests came and what became of them, as far back as memory allows.

use std::collections::VecDeque;

use http::{Method, StatusCode};

use super::model::Now;

/// How many requests the log remembers.
const ENTRIES_MAX: usize = 100_000;

/// One request. Without bodies and all other headers: both may hold secrets.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// When it was answered, or when it was sure that it would not be.
    pub time: Now,
    /// When it came.
    pub came: Now,
    /// Which coordinator was asked, counted from 0.
    pub coordinator: usize,
    /// Who asked, if he was believed; none for the superuser.
    pub user: Option<String>,
    /// What the client calls itself (`User-Agent`), cut.
    pub agent: Option<String>,
    /// The method.
    pub method: Method,
    /// The path with its query, as it came.
    pub path: String,
    /// The status of the answer; none where no answer was sent: it hung, was dropped, or the client went away.
    pub status: Option<StatusCode>,
    /// The name of the fault that it met.
    pub fault: Option<&'static str>,
}

impl LogEntry {
    /// Whether it was answered with a success, as far as the log knows.
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }
}

/// The last requests, and how many there were in all.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    entries: VecDeque<LogEntry>,
    count: u64,
}

impl RequestLog {
    pub(super) fn push(&mut self, entry: LogEntry) {
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.iter()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
