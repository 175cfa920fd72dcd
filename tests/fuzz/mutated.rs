//! Inputs: seeds and what becomes of them.

use std::{
    env,
    time::{Duration, Instant},
};

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    sample::{Index, select},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};

/// What parsers stumble over.
const TOKENS: [&str; 40] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\"",
    "'",
    "\\",
    "/",
    "..",
    ".",
    ":",
    "@",
    "#",
    "?",
    "*",
    "%",
    "%2F",
    "%00",
    "$",
    "$$",
    "$(",
    ")",
    "|url",
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "\u{feff}",
    "\u{202e}",
    "e\u{301}",
    "\u{1f600}",
    "\u{ffff}",
    "ſ",
];

/// How many inputs are drawn before somebody looks at the clock.
const BATCH: u32 = 256;
/// The longest run of one byte or of nesting.
const LONG: usize = 20_000;

#[derive(Debug, Clone)]
enum Change {
    Insert(Index, &'static str),
    Delete(Index, u8),
    Replace(Index, u8),
    Double(Index, u8),
    Splice(Index, Index),
    Repeat(Index, &'static str, u16),
}

fn change() -> impl Strategy<Value = Change> {
    let token = || select(&TOKENS[..]);
    proptest::prop_oneof![
        4 => (any::<Index>(), token()).prop_map(|(at, token)| Change::Insert(at, token)),
        3 => (any::<Index>(), 0_u8..20).prop_map(|(at, length)| Change::Delete(at, length)),
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Change::Double(at, length)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Change::Splice(at, other)),
        1 => (any::<Index>(), token(), any::<u16>()).prop_map(|(at, token, times)| Change::Repeat(at, token, times)),
    ]
}

/// One of the seeds, changed up to a dozen times; or bytes out of nowhere.
fn input(seeds: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let changed = (select(seeds), vec(change(), 0..12)).prop_map(|(seed, changes)| {
        changes.into_iter().fold(seed.as_bytes().to_vec(), |mut bytes, change| {
            let at = |index: Index| index.index(bytes.len() + 1);
            match change {
                Change::Insert(place, token) => {
                    let place = at(place);
                    bytes.splice(place..place, token.bytes());
                }
                Change::Delete(place, length) => {
                    let place = at(place);
                    bytes.drain(place..(place + usize::from(length)).min(bytes.len()));
                }
                Change::Replace(place, byte) => {
                    let place = at(place);
                    bytes.splice(place..(place + 1).min(bytes.len()), [byte]);
                }
                Change::Double(place, length) => {
                    let place = at(place);
                    let piece = bytes[place..(place + usize::from(length)).min(bytes.len())].to_vec();
                    bytes.splice(place..place, piece);
                }
                Change::Splice(place, other) => {
                    let other = seeds[other.index(seeds.len())].as_bytes();
                    bytes.truncate(at(place));
                    bytes.extend(&other[other.len() / 2..]);
                }
                Change::Repeat(place, token, times) => {
                    let place = at(place);
                    let times = usize::from(times).min(LONG / token.len().max(1));
                    bytes.splice(place..place, token.repeat(times).into_bytes());
                }
            }
            bytes
        })
    });
    proptest::prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..300)]
}

/// Holds a law against inputs for as long as is asked for. A law is broken by a panic or by what it says.
pub(crate) fn holds(name: &str, seeds: &'static [&'static str], law: impl Fn(&[u8]) -> Result<(), String>) {
    let number = |variable: &str| env::var(variable).ok().map(|text| text.parse().expect("a whole number"));
    let limit = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(60));
    let first = number("FUZZ_SEED").unwrap_or_else(rand::random);
    let begin = Instant::now();
    let (mut seed, mut inputs) = (first, 0_u64);
    while begin.elapsed() < limit {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config { cases: BATCH, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        match runner.run(&input(seeds), |input| law(&input).map_err(TestCaseError::fail)) {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => panic!(
                "{name}: {why}\ninput: {}\nagain: FUZZ_SEED={seed} cargo test --test fuzz {name}",
                input.escape_ascii()
            ),
            Err(TestError::Abort(why)) => panic!("{name}: {why}"),
        }
        inputs += u64::from(BATCH);
        seed = seed.wrapping_add(1);
    }
    eprintln!("FIGURE {name}: {inputs} inputs in {:.0} s from seed {first}", begin.elapsed().as_secs_f64());
}
