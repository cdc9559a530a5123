//! The integration tests: what needs nothing but cargo.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod hit_rate;
