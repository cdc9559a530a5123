//! When pools were emptied, and why.

pub mod history;
