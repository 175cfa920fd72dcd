//! Which requests were answered, as far back as memory allows.

use std::collections::VecDeque;

use http::{Method, StatusCode};

use super::model::Now;

/// How many requests the log remembers.
const ENTRIES_MAX: usize = 100_000;

/// One answered request. Without headers and bodies: both may hold secrets.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// When it was answered.
    pub time: Now,
    /// Which coordinator was asked, counted from 0.
    pub coordinator: usize,
    /// Who asked, if he was believed; none for the superuser.
    pub user: Option<String>,
    /// The method.
    pub method: Method,
    /// The path with its query, as it came.
    pub path: String,
    /// The status of the answer.
    pub status: StatusCode,
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

    pub(super) fn entries(&self) -> Vec<LogEntry> {
        self.entries.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
