//! The integration tests: what needs nothing but cargo.
//!
//! `PROPTEST_CASES` raises the number of generated cases; the defaults keep the whole binary well under a minute.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "these are tests"
)]

mod cli;
mod contrib;
mod error_logs;
mod follow;
mod hit_rate;
mod hostile;
mod input;
mod invalid_lines;
mod laws;
mod layers;
mod lines;
mod numbers;
mod prometheus;
mod readme;
mod recorded;
mod screen;
mod steady;
mod threads;
mod tokenizer;
mod util;
mod warmup;
mod watch;
mod watch_hostile;
mod watch_told;
