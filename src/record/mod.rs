//! The meaning of a line's values: numbers, times, and the attempts that its `$upstream_*` lists tell of.

pub mod attempt;
pub mod error_log;
pub mod number;
pub mod time;

/// Why the values of a line make no sense, and where in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject<'a> {
    /// The value at fault: a part of the line.
    pub value: &'a [u8],
    /// What was expected instead.
    pub expected: &'static str,
}

impl Reject<'_> {
    /// The byte offset of the value in its line, from 0. The value must be a part of `line`.
    pub fn column(&self, line: &[u8]) -> usize {
        (self.value.as_ptr().addr()).saturating_sub(line.as_ptr().addr()).min(line.len())
    }
}
