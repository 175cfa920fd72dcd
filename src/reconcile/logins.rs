//! When which user's password is verified by a login, and what came of it: whether somebody changed it by hand can't be
//! read from a server, only tried.
//!
//! Each user is due once in an interval, the first time between one and two intervals after he was first seen, so that
//! a start logs nobody in and the users of a deployment don't come together. A refusal is repeated after
//! [`AGAIN`] before it counts, and one that counts makes later ones rarer, should setting the password not help. All
//! times are handed in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{Version, snapshot::SETTLING};
use crate::core::{Id, UserName, backoff};

/// How long after a refusal the login is repeated before anything is done.
pub const AGAIN: Duration = SETTLING;

/// A user whom nobody has looked at for so many intervals is nobody's business any more: his resource is gone or paused.
const FORGOTTEN: f64 = 3.0;

/// How often the time to the next login of a user is doubled at most, after refusals that setting the password did not end.
const DOUBLED_MAX: u32 = 6;

/// A login to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Who logs in.
    pub user: UserName,
    /// The resource that declares him.
    pub resource: Id,
    /// The Secret that his password is in.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// The version of the Secret that was set on the server.
    pub version: Version,
}

#[derive(Debug)]
struct Entry {
    due: Due,
    at: Instant,
    /// When a pass last found him in order.
    seen: Instant,
    /// Refused once, and to be tried again.
    doubted: bool,
    /// Refused twice.
    refused: bool,
    /// How often that was so, without a success in between.
    times: u32,
}

/// The logins of one deployment. One entry a user at most.
#[derive(Debug)]
pub struct Logins {
    interval: Duration,
    users: Mutex<HashMap<UserName, Entry>>,
}

impl Logins {
    /// Nobody is logged in yet. `interval` is the deployment's.
    pub fn new(interval: Duration) -> Self {
        Self { interval, users: Mutex::default() }
    }

    /// A pass found a user whose password is managed and who may log in.
    pub fn saw(&self, due: Due, now: Instant, random: f64) {
        let first = now + self.first(random);
        let mut users = self.users.lock();
        let entry = users.entry(due.user.clone()).or_insert_with(|| Entry {
            due: due.clone(),
            at: first,
            seen: now,
            doubted: false,
            refused: false,
            times: 0,
        });
        if entry.due != due {
            // Another password: what was tried says nothing about it.
            *entry = Entry { due, at: first, seen: now, doubted: false, refused: false, times: entry.times };
        }
        entry.seen = now;
    }

    /// A pass found that he has no password to verify.
    pub fn forget(&self, user: &UserName) {
        self.users.lock().remove(user);
    }

    /// We set his password: what was tried before says nothing any more, and other coordinators learn of it later.
    pub fn was_set(&self, user: &UserName) {
        if let Some(entry) = self.users.lock().get_mut(user) {
            let first = self.first(rand::random());
            entry.at = Instant::now() + first * (1 << entry.times.saturating_sub(1).min(DOUBLED_MAX));
            entry.doubted = false;
            entry.refused = false;
        }
    }

    /// A login of ours was refused just now, which is believed without a second one.
    pub fn refuse(&self, due: Due, now: Instant) {
        let entry = Entry { due: due.clone(), at: now, seen: now, doubted: false, refused: true, times: 1 };
        self.users.lock().insert(due.user, entry);
    }

    /// Whether his password was changed by somebody else, as far as logins tell.
    pub fn is_refused(&self, user: &UserName) -> bool {
        self.users.lock().get(user).is_some_and(|entry| entry.refused)
    }

    /// Whose turn it is, or when the next one's is; nothing if there is nobody.
    pub fn next(&self, now: Instant) -> Option<Result<Due, Instant>> {
        let mut users = self.users.lock();
        let limit = self.interval.mul_f64(FORGOTTEN);
        users.retain(|_, entry| entry.at > now || now.duration_since(entry.seen) <= limit);
        let first = users.values().filter(|entry| !entry.refused).min_by_key(|entry| entry.at)?;
        Some(if first.at <= now { Ok(first.due.clone()) } else { Err(first.at) })
    }

    /// What a login said, or nothing if it said nothing. Whether a pass must look after the user now.
    pub fn answered(&self, due: &Due, taken: Option<bool>, now: Instant, random: f64) -> bool {
        let mut users = self.users.lock();
        // Set anew while we asked.
        let Some(entry) = users.get_mut(&due.user).filter(|entry| entry.due == *due && entry.at <= now)
        else {
            return false;
        };
        let later = backoff::jitter(self.interval, random);
        match taken {
            Some(false) if !entry.doubted => {
                entry.doubted = true;
                entry.at = now + AGAIN;
            }
            Some(false) => {
                entry.doubted = false;
                entry.refused = true;
                entry.times = entry.times.saturating_add(1);
                return true;
            }
            Some(true) => {
                entry.doubted = false;
                entry.times = 0;
                entry.at = now + later;
            }
            None => {
                entry.doubted = false;
                entry.at = now + later;
            }
        }
        false
    }

    /// The first login of a user. Late enough for every coordinator to know the password.
    fn first(&self, random: f64) -> Duration {
        self.interval.mul_f64(1.0 + random).max(SETTLING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(100);

    fn due(name: &str, version: &str) -> Due {
        Due {
            user: UserName::parse(name).unwrap(),
            resource: Id::new("shop", name),
            secret: "s".to_owned(),
            key: name.to_owned(),
            version: ("uid".to_owned(), version.to_owned()),
        }
    }

    /// One user, seen now; and the moment when his login is due.
    fn one() -> (Logins, Due, Instant) {
        let (logins, alice, now) = (Logins::new(INTERVAL), due("alice", "1"), Instant::now());
        logins.saw(alice.clone(), now, 0.5);
        assert_eq!(
            logins.next(now),
            Some(Err(now + INTERVAL.mul_f64(1.5))),
            "not before an interval is over"
        );
        (logins, alice, now + INTERVAL.mul_f64(1.5))
    }

    #[test]
    fn a_password_that_is_taken_is_tried_again_after_an_interval() {
        let (logins, alice, at) = one();
        assert_eq!(logins.next(at), Some(Ok(alice.clone())));
        assert!(!logins.answered(&alice, Some(true), at, 0.5));
        assert_eq!(logins.next(at), Some(Err(at + INTERVAL)));
    }

    #[test]
    fn one_refusal_is_tried_again_after_a_moment_and_two_count() {
        let (logins, alice, at) = one();
        assert!(!logins.answered(&alice, Some(false), at, 0.5));
        assert!(!logins.is_refused(&alice.user), "nothing is written for one refusal");
        assert_eq!(logins.next(at), Some(Err(at + AGAIN)));
        assert!(logins.answered(&alice, Some(false), at + AGAIN, 0.5));
        assert!(logins.is_refused(&alice.user));
        assert_eq!(
            logins.next(at + AGAIN),
            None,
            "refused logins are audited: no third before it is set again"
        );
        logins.was_set(&alice.user);
        assert!(!logins.is_refused(&alice.user));
    }

    #[test]
    fn a_refusal_that_does_not_come_again_and_an_answer_that_says_nothing_are_forgotten() {
        for answer in [Some(true), None] {
            let (logins, alice, at) = one();
            logins.answered(&alice, Some(false), at, 0.5);
            assert!(!logins.answered(&alice, answer, at + AGAIN, 0.5));
            let later = at + AGAIN + INTERVAL;
            assert!(!logins.answered(&alice, Some(false), later, 0.5), "the first of two again");
        }
    }

    #[test]
    fn what_was_tried_says_nothing_about_another_password() {
        let (logins, alice, at) = one();
        logins.answered(&alice, Some(false), at, 0.5);
        logins.answered(&alice, Some(false), at + AGAIN, 0.5);
        logins.saw(due("alice", "2"), at + AGAIN, 0.0);
        assert!(!logins.is_refused(&alice.user));
        assert!(
            !logins.answered(&alice, Some(false), at + 10 * INTERVAL, 0.5),
            "an answer about the one before"
        );
        assert_eq!(logins.next(at + AGAIN), Some(Err(at + AGAIN + INTERVAL)));
    }

    #[test]
    fn where_setting_it_does_not_help_it_is_tried_ever_more_seldom() {
        let (logins, alice, mut at) = one();
        let mut waits = Vec::new();
        for _ in 0..4 {
            logins.answered(&alice, Some(false), at, 0.5);
            logins.answered(&alice, Some(false), at + AGAIN, 0.5);
            let before = Instant::now();
            logins.was_set(&alice.user);
            at = logins.next(before).unwrap().unwrap_err();
            waits.push((at - before).as_secs() / INTERVAL.as_secs());
        }
        for (wait, least) in waits.iter().zip([1, 2, 4, 8]) {
            assert!(*wait >= least && *wait <= 2 * least, "{waits:?}");
        }
    }

    #[test]
    fn whom_nobody_looks_after_any_more_is_not_logged_in() {
        let (logins, alice, at) = one();
        assert_eq!(logins.next(at + 4 * INTERVAL), None);
        logins.saw(alice.clone(), at, 0.5);
        logins.forget(&alice.user);
        assert_eq!(logins.next(at + 4 * INTERVAL), None);
    }
}
