//! The command line: what a user may type and what it means.

pub mod when;
