//! The integration tests: what needs nothing but cargo.

mod readme;
