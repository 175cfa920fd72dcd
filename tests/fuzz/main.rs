//! Every parser, fed with what nobody meant: pieces of what is right, cut, doubled and mixed with what is dangerous. Each
//! target takes `FUZZ_SECONDS` (60) and starts from `FUZZ_SEED` (a new one each time, told in a failure, which is shrunk).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a law that is broken fails a test"
)]

mod answers;
mod mutated;
mod texts;
