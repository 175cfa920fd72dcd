//! Faults: what goes wrong on demand, for which requests, and for how long.
//!
//! A rule is data, as text (`hang coordinator=2 next=3`) or built in code; [`decide`](table::Faults::decide) is pure:
//! rules, a request, the moment and dice in, a decision out. What is decided is done elsewhere.

mod table; // the rules in force; decides
mod text; // rules as text and as JSON

#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{Method, StatusCode};

pub use text::{duration, help};

pub(super) use table::{Active, Decision, End, Faults, Seen};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The port is closed, and so are all its connections: new ones are refused.
    Refuse,
    /// The request is taken and never answered. The connection closes when the fault is removed.
    Hang,
    /// The answer comes later.
    Delay {
        /// How much later.
        time: Duration,
        /// As much more or less, evenly spread.
        jitter: Duration,
    },
    /// The connection is closed in place of an answer (with HTTP/2: the stream).
    Drop,
    /// Half of the answer's body comes, then the connection is closed (with HTTP/2: the stream).
    Cut,
    /// 503/503: the server starts (reference: temporary errors). Without HTTP Basic it is 401/11 then.
    Starting,
    /// 503/503: startup maintenance.
    Maintenance,
    /// 503/30: the server shuts down.
    Stopping,
    /// 503/21003: the queue is full.
    QueueFull,
    /// 500/4: an internal error.
    Error,
    /// A page, as a proxy in front of the server would send.
    Html {
        /// The page's HTTP status.
        status: StatusCode,
    },
    /// 409/1200 to a change of a user or his rights (reference: write-write conflicts on users).
    Conflict,
    /// The coordinator sees what others wrote only after this time; what it wrote itself it sees at once
    /// (reference: users, consistency).
    Stale {
        /// How late it learns.
        time: Duration,
    },
}

/// A fault with its limits: without any it hits every request to every coordinator until it is removed.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// The one coordinator that it hits, counted from 0. (Text and JSON count from 1, as the program prints them.)
    pub coordinator: Option<usize>,
    /// The one method that it hits.
    pub method: Option<Method>,
    /// What the path must begin with, as it came or without its `/_db/…`.
    pub path: Option<String>,
    /// How many requests it hits.
    pub next: Option<u64>,
    /// The share of requests that it hits, above 0 and up to 1.
    pub share: f64,
    /// How long it lasts.
    pub lasting: Option<Duration>,
    /// Whether the request does its work before the fault hits. Without it: yes where an answer gets lost on its
    /// way (drop, cut), else no.
    pub effect: Option<bool>,
    /// The `retry-after` header of an answer that the fault gives, in seconds. `ArangoDB` sends none; proxies do.
    pub retry_after: Option<u32>,
}

impl FaultRule {
    /// A fault without limits.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            coordinator: None,
            method: None,
            path: None,
            next: None,
            share: 1.0,
            lasting: None,
            effect: None,
            retry_after: None,
        }
    }

    /// For this coordinator alone, counted from 0.
    #[must_use]
    pub fn on(mut self, coordinator: usize) -> Self {
        self.coordinator = Some(coordinator);
        self
    }

    /// For this method alone.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// For paths that begin like this.
    #[must_use]
    pub fn path(mut self, prefix: impl Into<String>) -> Self {
        self.path = Some(prefix.into());
        self
    }

    /// For so many requests.
    #[must_use]
    pub fn next(mut self, requests: u64) -> Self {
        self.next = Some(requests);
        self
    }

    /// For this share of the requests.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// For so long.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasting = Some(time);
        self
    }

    /// With the request's work done before, or not.
    #[must_use]
    pub fn effect(mut self, effect: bool) -> Self {
        self.effect = Some(effect);
        self
    }

    /// Whether the request does its work before the fault hits.
    fn has_effect(&self) -> bool {
        self.effect.unwrap_or(matches!(self.fault, Fault::Drop | Fault::Cut))
    }
}

/// A kind of fault as people write it.
struct Kind {
    name: &'static str,
    /// What it takes beside the limits.
    keys: &'static [&'static str],
    says: &'static str,
}

/// The limits, which every fault takes. Only [`Fault::Refuse`] hits connections and so takes but two of them.
const LIMITS: [(&str, &str); 6] = [
    ("coordinator", "this one alone, counted from 1 as they are printed"),
    ("method", "this method alone"),
    ("path", "paths that begin like this, with or without their /_db/NAME"),
    ("next", "so many requests"),
    ("share", "this share of the requests, such as 0.25"),
    ("for", "for so long, such as 500ms, 10s, 2m"),
];

/// What faults take beside the limits, some of them.
const KEYS: [(&str, &str); 5] = [
    ("time", "of delay and stale: how long"),
    ("jitter", "of delay: as much more or less, at random"),
    ("status", "of html: the HTTP status (502)"),
    ("effect", "yes or no: whether the request does its work before (drop: yes; others: no)"),
    ("retry-after", "of 503, 500 and html: that header, in seconds"),
];

const REFUSE: &str = "refuse";

const ANSWER: &[&str] = &["effect", "retry-after"];

const KINDS: [Kind; 13] = [
    Kind { name: REFUSE, keys: &[], says: "connections are refused, open ones are closed" },
    Kind { name: "hang", keys: &["effect"], says: "taken, never answered" },
    Kind { name: "delay", keys: &["time", "jitter"], says: "answered later" },
    Kind { name: "drop", keys: &["effect"], says: "done, but the connection closes in place of an answer" },
    Kind { name: "cut", keys: &[], says: "done, but the connection closes half-way through the answer" },
    Kind { name: "starting", keys: ANSWER, says: "503, errorNum 503: the server starts" },
    Kind { name: "maintenance", keys: ANSWER, says: "503, errorNum 503: startup or maintenance mode" },
    Kind { name: "stopping", keys: ANSWER, says: "503, errorNum 30: shutdown in progress" },
    Kind { name: "queue-full", keys: ANSWER, says: "503, errorNum 21003: queue is full" },
    Kind { name: "error", keys: ANSWER, says: "500, errorNum 4: internal error" },
    Kind {
        name: "html",
        keys: &["status", "effect", "retry-after"],
        says: "a page, as a proxy would send it",
    },
    Kind { name: "conflict", keys: &[], says: "409, errorNum 1200 to changes of users and their rights" },
    Kind { name: "stale", keys: &["time"], says: "what another coordinator wrote is seen later" },
];

impl Fault {
    /// Its name in texts and logs.
    pub fn name(self) -> &'static str {
        let index = match self {
            Self::Refuse => 0,
            Self::Hang => 1,
            Self::Delay { .. } => 2,
            Self::Drop => 3,
            Self::Cut => 4,
            Self::Starting => 5,
            Self::Maintenance => 6,
            Self::Stopping => 7,
            Self::QueueFull => 8,
            Self::Error => 9,
            Self::Html { .. } => 10,
            Self::Conflict => 11,
            Self::Stale { .. } => 12,
        };
        KINDS[index].name
    }
}
