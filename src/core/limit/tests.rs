use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use proptest::prelude::*;

use super::*;

/// A server that works on so many requests at once and keeps the others waiting in a row.
#[derive(Debug, Clone, Copy)]
struct Server {
    knee: usize,
    /// How long the work on a request of each kind takes, in the middle.
    kinds: [f64; 2],
    /// How far the times are spread around it: 0 not at all, 1 from nothing to twice as much.
    spread: f64,
}

/// Requests that ended in a simulation.
struct Run {
    server: Server,
    limiter: Limiter,
    random: u64,
    now: f64,
    /// How many wait for the limiter whenever there is room.
    demand: usize,
    under_way: usize,
    waiting: VecDeque<Request>,
    /// Those that are worked on, by when they are answered (in nanoseconds).
    working: BinaryHeap<Reverse<(u64, usize)>>,
    requests: Vec<Option<Request>>,
    answered: usize,
    /// The limit at each answer, together.
    limits: usize,
}

#[derive(Clone, Copy)]
struct Request {
    ticket: Ticket,
    kind: usize,
    began: f64,
}

impl Run {
    fn new(server: Server, allowed: usize, demand: usize, seed: u64) -> Self {
        Self {
            server,
            limiter: Limiter::new(allowed),
            random: seed,
            now: 0.0,
            demand,
            under_way: 0,
            waiting: VecDeque::new(),
            working: BinaryHeap::new(),
            requests: Vec::new(),
            answered: 0,
            limits: 0,
        }
    }

    /// From 0 to 1, by the generator that is known as `SplitMix64`.
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)) / 2_f64.powi(32)
    }

    /// Until so many more are answered; what share that is of what the server could do, and the limit in the middle.
    fn run(&mut self, answers: usize) -> (f64, usize) {
        let (began, until) = (self.now, self.answered + answers);
        self.limits = 0;
        while self.answered < until {
            while self.under_way < self.limiter.limit().min(self.demand) {
                self.under_way += 1;
                let ticket = self.limiter.begin(self.under_way);
                let kind = usize::from(self.draw() < 0.5);
                self.waiting.push_back(Request { ticket, kind, began: self.now });
            }
            while self.working.len() < self.server.knee {
                let Some(request) = self.waiting.pop_front() else { break };
                let part = 1.0 + self.server.spread * (2.0 * self.draw() - 1.0);
                let at = self.now + self.server.kinds[request.kind] * part;
                self.working.push(Reverse((nanos(at), self.requests.len())));
                self.requests.push(Some(request));
            }
            let Some(Reverse((at, number))) = self.working.pop() else { panic!("nobody asks") };
            #[allow(clippy::cast_precision_loss)]
            let at = at as f64 / 1e9;
            self.now = at;
            let request = self.requests[number].take().unwrap();
            self.under_way -= 1;
            self.answered += 1;
            self.limits += self.limiter.limit();
            let took = Duration::from_secs_f64(self.now - request.began);
            self.limiter.answered(request.ticket, request.kind as u64, took);
        }
        let time = f64::midpoint(self.server.kinds[0], self.server.kinds[1]);
        let possible = ratio(self.server.knee.min(self.demand), 1) / time;
        (ratio(answers, 1) / (self.now - began) / possible, self.limits / answers)
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn server() -> impl Strategy<Value = Server> {
    (1..24_usize, 0.0005..0.2_f64, 1.0..40.0_f64, 0.0..0.9_f64)
        .prop_map(|(knee, time, slower, spread)| Server { knee, kinds: [time, time * slower], spread })
}

proptest! {
    // A simulation takes as long as a hundred other cases.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 16))]

    #[test]
    fn the_knee_is_found_and_little_is_lost(server in server(), seed: u64) {
        let mut run = Run::new(server, 64, 64, seed);
        run.run(20_000);
        let (share, limit) = run.run(20_000);
        prop_assert!(share > 0.75, "{share} of what is possible, with a limit of {limit}");
        prop_assert!(limit <= 2 * server.knee + 4, "{limit}");
    }

    #[test]
    fn a_knee_that_moves_is_found_again(server in server(), other in 1..24_usize, seed: u64) {
        let mut run = Run::new(server, 64, 64, seed);
        run.run(20_000);
        run.server.knee = other;
        run.run(20_000);
        let (share, limit) = run.run(20_000);
        prop_assert!(share > 0.75, "{share} of what is possible, with a limit of {limit}");
        prop_assert!(limit <= 2 * other + 4, "{limit}");
    }

    #[test]
    fn a_server_that_takes_more_than_is_allowed_gets_all_that_is_allowed(allowed in 2..64_usize, seed: u64) {
        let server = Server { knee: 200, kinds: [0.005, 0.02], spread: 0.5 };
        let mut run = Run::new(server, allowed, 200, seed);
        run.run(20_000);
        let (share, _) = run.run(20_000);
        let possible = ratio(allowed, 200);
        prop_assert!(share > 0.85 * possible, "{share} of {possible}");
    }

    #[test]
    fn where_little_is_asked_nothing_is_limited(server in server(), demand in 1..8_usize, seed: u64) {
        let mut run = Run::new(server, 64, demand, seed);
        let (_, limit) = run.run(10_000);
        prop_assert!(limit >= 48, "{limit}");
    }
}

#[test]
fn a_server_that_says_that_it_is_full_is_asked_less_at_once_and_once_for_all() {
    let mut limiter = Limiter::new(40);
    for _ in 0..60 {
        limiter.begin(40);
    }
    for _ in 0..40 {
        limiter.full();
    }
    assert_eq!(limiter.limit(), 28);
}

#[test]
fn one_is_always_allowed() {
    assert_eq!(Limiter::new(0).limit(), 1);
    assert_eq!(Limiter::new(1).limit(), 1);
}
