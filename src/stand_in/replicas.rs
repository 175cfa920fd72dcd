//! What each coordinator sees: the model's state, or while a fault makes it late, an older one.
//!
//! A coordinator keeps users in a cache that is loaded as a whole: after a write of its own at once, after writes of
//! others when it hears of them (reference: users, consistency). So what it sees is the newest state that it wrote
//! itself or that is old enough.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use http::Method;

use super::model::{Model, Now, Request, Response, State};

/// How many old states are kept; with more writes than that within a lag, the lag is shorter.
const VERSIONS_MAX: usize = 1000;

/// The state after a write.
#[derive(Debug)]
struct Version {
    at: Instant,
    /// The coordinator that wrote; none for what was there before the first write.
    writer: Option<usize>,
    state: State,
}

/// The model, and its past where somebody still has to see it.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) model: Model,
    /// Empty while no fault makes a coordinator late.
    versions: VecDeque<Version>,
}

/// When a request is answered, and how late its coordinator is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Now,
    pub(super) at: Instant,
    /// How late this coordinator is.
    pub(super) lag: Option<Duration>,
    /// How late any coordinator may be: so long the past is kept.
    pub(super) longest_lag: Option<Duration>,
}

impl Replicas {
    pub(super) fn new(model: Model) -> Self {
        Self { model, versions: VecDeque::new() }
    }

    /// Answers a request as its coordinator sees the state.
    ///
    /// ASSUMED: a change that comes to a late coordinator is refused as far as what that one sees refuses it, and is
    /// otherwise made to the true state; the conflict that its old revision would be is a fault of its own.
    pub(super) fn handle(&mut self, request: &Request, moment: Moment) -> Response {
        let Some(longest_lag) = moment.longest_lag else {
            self.versions.clear();
            return self.model.handle(request, moment.now);
        };
        if let Some(response) = moment.lag.and_then(|lag| self.as_seen(request, moment, lag)) {
            return response;
        }
        let before = self.model.state().clone();
        let response = self.model.handle(request, moment.now);
        if *self.model.state() != before {
            self.remember(before, request.coordinator, moment.at, longest_lag);
        }
        response
    }

    /// The answer that follows from an old state alone, if this coordinator sees one: every read, and every refusal.
    fn as_seen(&mut self, request: &Request, moment: Moment, lag: Duration) -> Option<Response> {
        let seen = self.seen(request.coordinator, moment.at, lag)?;
        let mut state = self.versions[seen].state.clone();
        self.model.swap_state(&mut state);
        let response = self.model.handle(request, moment.now);
        self.model.swap_state(&mut state);
        let unchanged = state == self.versions[seen].state;
        let is_read = match request.method {
            Method::GET | Method::HEAD | Method::OPTIONS => true,
            // A login, or a check of a password: what a POST creates would be seen.
            Method::POST => unchanged,
            _ => false,
        };
        (is_read || !response.status.is_success()).then_some(response)
    }

    /// The place of the state that a coordinator sees; none where that is the true one.
    fn seen(&self, coordinator: usize, at: Instant, lag: Duration) -> Option<usize> {
        let is_seen = |version: &Version| {
            version.writer.is_none_or(|writer| writer == coordinator) || version.at + lag <= at
        };
        let place = self.versions.iter().rposition(is_seen).unwrap_or_default();
        (place + 1 < self.versions.len()).then_some(place)
    }

    fn remember(&mut self, before: State, writer: usize, at: Instant, longest_lag: Duration) {
        if self.versions.is_empty() {
            self.versions.push_back(Version { at, writer: None, state: before });
        }
        let state = self.model.state().clone();
        self.versions.push_back(Version { at, writer: Some(writer), state });
        let everybody_sees = |version: &Version| version.at + longest_lag <= at;
        while self.versions.len() > VERSIONS_MAX || self.versions.get(1).is_some_and(everybody_sees) {
            self.versions.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;
    use crate::stand_in::Config;

    const LAG: Duration = Duration::from_secs(2);
    const PASSWORD: &str = "secret";

    /// Three coordinators, of which the ones that are asked late see everything 2 s late.
    struct World {
        replicas: Replicas,
        begin: Instant,
    }

    impl World {
        fn new() -> Self {
            let config = Config { root_password: PASSWORD.to_owned(), ..Config::cluster(3, 1) };
            Self { replicas: Replicas::new(Model::new(config)), begin: Instant::now() }
        }

        fn send(&mut self, seconds: u64, coordinator: usize, request: Request) -> (StatusCode, Value) {
            let at = self.begin + Duration::from_secs(seconds);
            let moment = Moment { now: Now(1e9), at, lag: Some(LAG), longest_lag: Some(LAG) };
            let response = self.replicas.handle(&request.coordinator(coordinator), moment);
            (response.status, response.json())
        }

        fn root(&mut self, seconds: u64, coordinator: usize, request: Request) -> (StatusCode, Value) {
            self.send(seconds, coordinator, request.basic("root", PASSWORD))
        }

        fn create(&mut self, seconds: u64, coordinator: usize, user: &str) -> StatusCode {
            let body = json!({"user": user, "passwd": "old"});
            self.root(seconds, coordinator, Request::post("/_api/user", &body)).0
        }

        /// Which of the three know this user.
        fn known(&mut self, seconds: u64, user: &str) -> [bool; 3] {
            let path = format!("/_api/user/{user}");
            [0, 1, 2].map(|n| self.root(seconds, n, Request::get(path.as_str())).0 == StatusCode::OK)
        }
    }

    #[test]
    fn the_writer_sees_its_write_at_once_and_the_others_when_the_lag_is_over() {
        let mut world = World::new();
        assert_eq!(world.create(0, 1, "alice"), StatusCode::CREATED);
        assert_eq!(world.known(0, "alice"), [false, true, false]);
        assert_eq!(world.known(1, "alice"), [false, true, false]);
        assert_eq!(world.known(2, "alice"), [true, true, true]);
    }

    #[test]
    fn a_write_of_its_own_lets_a_coordinator_see_everything() {
        let mut world = World::new();
        world.create(0, 0, "alice");
        world.create(1, 1, "bob");
        assert_eq!(world.known(1, "alice"), [true, true, false]);
        assert_eq!(world.known(1, "bob"), [false, true, false]);
        assert_eq!(world.known(2, "alice"), [true; 3]);
        assert_eq!(world.known(2, "bob"), [false, true, false]);
        assert_eq!(world.known(3, "bob"), [true; 3]);
    }

    #[test]
    fn the_gate_believes_an_old_password_and_an_old_right() {
        let mut world = World::new();
        world.create(0, 0, "alice");
        let grant = |level: &str| Request::put("/_api/user/alice/database/_system", &json!({"grant": level}));
        let version = |password: &str| Request::get("/_api/version").basic("alice", password);
        world.root(0, 0, grant("rw"));
        assert_eq!(world.send(9, 1, version("old")).0, StatusCode::OK);
        world.root(9, 0, Request::patch("/_api/user/alice", &json!({"passwd": "new"})));
        assert_eq!(world.send(9, 1, version("old")).0, StatusCode::OK);
        assert_eq!(world.send(9, 1, version("new")).0, StatusCode::UNAUTHORIZED);
        let login = Request::post("/_open/auth", &json!({"username": "alice", "password": "old"}));
        assert_eq!(world.send(9, 1, login).0, StatusCode::OK, "a login doesn't let it see more");
        assert_eq!(world.send(10, 1, version("old")).0, StatusCode::OK);
        assert_eq!(world.send(11, 1, version("old")).0, StatusCode::UNAUTHORIZED);
        world.root(20, 0, grant("none"));
        assert_eq!(world.send(20, 0, version("new")).0, StatusCode::UNAUTHORIZED);
        assert_eq!(world.send(20, 1, version("new")).0, StatusCode::OK);
        assert_eq!(world.send(22, 1, version("new")).0, StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn databases_come_and_go_late_as_well() {
        let mut world = World::new();
        world.root(0, 0, Request::post("/_api/database", &json!({"name": "shop"})));
        let current = || Request::get("/_db/shop/_api/database/current");
        assert_eq!(world.root(0, 0, current()).0, StatusCode::OK);
        assert_eq!(world.root(0, 1, current()).0, StatusCode::NOT_FOUND);
        assert_eq!(world.root(2, 1, current()).0, StatusCode::OK);
        world.root(3, 0, Request::delete("/_api/database/shop"));
        assert_eq!(world.root(3, 1, current()).0, StatusCode::OK);
        assert_eq!(world.root(5, 1, current()).0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_late_write_is_refused_by_what_is_seen_and_else_made_to_the_truth() {
        let mut world = World::new();
        world.create(0, 0, "alice");
        let grant = || Request::put("/_api/user/alice/database/x", &json!({"grant": "ro"}));
        assert_eq!(world.root(0, 1, grant()).0, StatusCode::NOT_FOUND, "it doesn't know her yet");
        assert_eq!(world.create(0, 1, "alice"), StatusCode::CONFLICT, "she can't be created twice");
        assert_eq!(world.root(2, 1, grant()).0, StatusCode::OK);
        world.root(3, 0, Request::delete("/_api/user/alice/database/x"));
        // Seen from here nothing is to be done, but in truth there is.
        assert_eq!(world.root(3, 1, grant()).0, StatusCode::OK);
        assert!(world.replicas.model.grants("alice").unwrap().contains_key("x"));
    }

    #[test]
    fn the_past_is_kept_as_long_as_somebody_may_see_it() {
        let mut world = World::new();
        for second in 0..100 {
            world.create(second, 0, &format!("user-{second}"));
            assert!(world.replicas.versions.len() <= 4);
        }
        for n in 0..2 * VERSIONS_MAX {
            world.create(200, 0, &format!("more-{n}"));
        }
        assert_eq!(world.replicas.versions.len(), VERSIONS_MAX);
    }
}
