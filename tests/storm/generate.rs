//! Steps from a seed. The same seed gives the same steps, on every machine.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::step::{At, ByHand, Level, Object, Place, Policy, Row, Step, Trouble, User};

/// How many steps there are between two calms, about.
const CALM: usize = 16;

/// Requests in whose middle the operator is killed, and what leads to them.
const ARANGO: [(&str, &str, Cause); 9] = [
    ("POST", "/_api/database", Cause::Database),
    ("DELETE", "/_api/database/", Cause::DeleteDatabase),
    ("POST", "/_api/user", Cause::User),
    ("PATCH", "/_api/user/", Cause::Change),
    ("DELETE", "/_api/user/", Cause::DeleteUserOrRow),
    ("PUT", "/_api/user/", Cause::Row),
    ("GET", "/_api/user", Cause::Look),
    ("GET", "/_api/database", Cause::Look),
    ("POST", "/_open/auth", Cause::Expire),
];

/// The same of Kubernetes.
const KUBE: [(&str, &str, Cause); 8] = [
    ("PATCH", "arangodatabases", Cause::Database),
    ("PUT", "arangodatabases/status", Cause::Database),
    ("PATCH", "arangousers", Cause::User),
    ("PUT", "arangousers/status", Cause::Change),
    ("PATCH", "arangopermissions", Cause::Row),
    ("PUT", "arangopermissions/status", Cause::Row),
    ("PATCH", "secrets", Cause::Rotate),
    ("PUT", "leases", Cause::Look),
];

/// What leads to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Database,
    DeleteDatabase,
    User,
    Change,
    DeleteUserOrRow,
    Row,
    Look,
    Rotate,
    Expire,
}

/// So many steps, and a calm at the end.
pub(crate) fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut draw = Draw(StdRng::seed_from_u64(seed));
    let mut steps = Vec::with_capacity(count + 1);
    // Something to lose.
    for place in [Place::Own, Place::Tenant] {
        for n in 0..place.size() {
            steps.push(Step::Database(place, n, draw.policy()));
            steps.push(draw.user(place, n));
            steps.push(draw.row(place, n, n));
        }
    }
    while steps.len() < count {
        if draw.one_in(CALM) {
            steps.push(Step::Calm);
        } else if draw.one_in(2) {
            draw.kill(&mut steps);
        } else if draw.one_in(3) {
            let fault = draw.fault();
            steps.push(fault);
        } else {
            let act = draw.act();
            steps.push(act);
        }
    }
    steps.push(Step::Calm);
    steps
}

struct Draw(StdRng);

impl Draw {
    fn one_in(&mut self, count: usize) -> bool {
        self.0.random_range(0..count) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices.choose(&mut self.0).unwrap().clone()
    }

    fn place(&mut self) -> Place {
        self.of(&[Place::Own, Place::Own, Place::Tenant])
    }

    fn number(&mut self, place: Place) -> u8 {
        self.0.random_range(0..place.size())
    }

    fn policy(&mut self) -> Policy {
        self.of(&[Policy::Delete, Policy::Retain, Policy::DeleteIfEmpty, Policy::DeleteIfEmpty])
    }

    fn user(&mut self, place: Place, n: u8) -> Step {
        let user = User {
            // By the number, so that a Secret is either everybody's or ours.
            generated: n % 2 == 1,
            active: !self.one_in(6),
            team: self.0.random_range(0..4),
            policy: self.of(&[Policy::Delete, Policy::Delete, Policy::Retain]),
        };
        Step::User(place, n, user)
    }

    fn row(&mut self, place: Place, user: u8, database: u8) -> Step {
        let row = Row {
            access: self.of(&[Level::Rw, Level::Ro, Level::None]),
            collections: self.of(&[None, Some(Level::Ro), Some(Level::Rw)]),
            policy: self.of(&[Policy::Delete, Policy::Delete, Policy::Retain]),
        };
        Step::Row(place, user, database, row)
    }

    fn object(&mut self) -> Object {
        let place = self.place();
        let (user, database) = (self.number(place), self.number(place));
        self.of(&[
            Object::Database(place, database),
            Object::User(place, user),
            Object::Row(place, user, database),
            Object::Row(place, user, user),
        ])
    }

    /// Something that leads to such a request, as far as one can know here.
    fn cause(&mut self, cause: Cause, steps: &mut Vec<Step>) {
        let place = self.place();
        let (n, other) = (self.number(place), self.number(place));
        match cause {
            Cause::Database => {
                steps.push(Step::Delete(Object::Database(place, n)));
                let policy = self.policy();
                steps.push(Step::Database(place, n, policy));
            }
            Cause::DeleteDatabase => {
                steps.push(Step::Database(place, n, Policy::Delete));
                steps.push(Step::Delete(Object::Database(place, n)));
            }
            Cause::User => {
                steps.push(Step::Delete(Object::User(place, n)));
                let user = self.user(place, n);
                steps.push(user);
            }
            Cause::Change => {
                let (user, password) = (self.user(place, n), Step::Password(place, n));
                let change = self.of(&[user, password]);
                steps.push(change);
            }
            Cause::DeleteUserOrRow => {
                let objects =
                    [Object::User(place, n), Object::Row(place, n, other), Object::Row(place, n, n)];
                let object = self.of(&objects);
                steps.push(Step::Delete(object));
            }
            Cause::Row => {
                let row = self.row(place, n, other);
                steps.push(row);
                let row = self.row(place, n, n);
                steps.push(row);
            }
            Cause::Look => {
                let object = Object::User(place, n);
                steps.push(Step::Look(object));
            }
            Cause::Rotate => steps.push(Step::Rotate(place, 1)),
            Cause::Expire => {
                steps.push(Step::ExpireTokens);
                steps.push(Step::Look(Object::User(place, n)));
            }
        }
    }

    fn kill(&mut self, steps: &mut Vec<Step>) {
        let done = self.one_in(2);
        let (at, cause) = match self.0.random_range(0..10) {
            0 => (At::Once, Cause::Change),
            1..=5 => {
                let (method, path, cause) = self.of(&ARANGO);
                (At::Arango { method: method.to_owned(), path: path.to_owned(), done }, cause)
            }
            _ => {
                let (method, what, cause) = self.of(&KUBE);
                (At::Kube { method: method.to_owned(), what: what.to_owned(), done }, cause)
            }
        };
        steps.push(Step::Kill(at));
        self.cause(cause, steps);
    }

    fn fault(&mut self) -> Step {
        let few = self.0.random_range(2..=20);
        let arango = [
            "hang coordinator=2 for=2s",
            "hang share=0.2 next=3 for=3s effect=yes",
            "drop share=0.3 for=6s",
            "drop method=POST share=0.7 for=6s",
            "drop method=PUT share=0.7 for=6s",
            "cut share=0.4 for=6s",
            "starting coordinator=1 for=2s",
            "stopping share=0.4 for=5s effect=yes",
            "queue-full share=0.6 for=4s",
            "error share=0.4 for=4s",
            "html share=0.3 for=4s",
            "conflict share=0.7 for=6s",
            "stale time=1s for=4s",
            "delay time=200ms jitter=150ms for=3s",
            "refuse coordinator=3 for=2s",
        ];
        let troubles = [Trouble::Conflict, Trouble::TooMany, Trouble::Error, Trouble::Refuse, Trouble::Drop];
        match self.0.random_range(0..24) {
            0..=9 => Step::Arango(self.of(&arango).to_owned()),
            10..=11 => Step::Coordinator(self.0.random_range(0..3), self.0.random_range(200..2500)),
            12 => Step::ExpireTokens,
            13..=17 => Step::Trouble(self.of(&troubles), few),
            18..=20 => Step::CutWatches,
            21 => self.of(&[Step::Stop(300), Step::Stop(1500), Step::Stop(7000)]),
            22 => self.of(&[Step::Clock(3600), Step::Clock(-3600), Step::Clock(7), Step::Deposed]),
            _ => self.of(&[Step::CrashApiServer, Step::CrashEtcd, Step::CutWatches]),
        }
    }

    fn act(&mut self) -> Step {
        let (place, object) = (self.place(), self.object());
        let (n, other) = (self.number(place), self.number(place));
        let level = self.of(&[Level::None, Level::Ro, Level::Rw]);
        match self.0.random_range(0..34) {
            0..=3 => Step::Database(place, n, self.policy()),
            4..=7 => self.user(place, n),
            8..=12 => self.row(place, n, other),
            13..=15 => Step::Delete(object),
            16..=17 => Step::Password(place, n),
            18..=19 => Step::Rotate(place, 1),
            20..=21 => Step::Pause(object, self.one_in(2)),
            22 => Step::Look(object),
            23 => Step::Maintenance(self.one_in(2)),
            24 => {
                if self.one_in(3) {
                    Step::DeleteNamespace
                } else {
                    Step::Look(object)
                }
            }
            25..=28 => Step::Fill(place, n),
            29 => Step::Grant(self.of(&[n, 3])),
            30..=31 => Step::ByHand(Object::Row(place, n, other), ByHand::Level(level)),
            32 => Step::ByHand(Object::User(place, n), self.of(&[ByHand::Password, ByHand::Gone])),
            _ => Step::Wait(self.0.random_range(50..1500)),
        }
    }
}

/// A seed that nobody chose.
pub(crate) fn any_seed() -> u64 {
    rand::rng().next_u64() % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_steps_again_and_another_one_others() {
        assert_eq!(steps(1, 300), steps(1, 300));
        assert_ne!(steps(1, 300), steps(2, 300));
    }

    #[test]
    fn every_kind_of_step_comes_up_and_a_calm_ends_it() {
        let all = steps(3, 5000);
        let name = |step: &Step| {
            let text = format!("{step:?}");
            text.split(['(', ' ']).next().unwrap().to_owned()
        };
        let names: std::collections::BTreeSet<_> = all.iter().map(name).collect();
        assert_eq!(names.len(), 26, "{names:?}");
        assert_eq!(all.last(), Some(&Step::Calm));
        let kills = all.iter().filter(|step| matches!(step, Step::Kill(_))).count();
        assert!(kills * 4 > 1000, "{kills} of {}", all.len());
    }
}
