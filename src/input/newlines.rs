//! Where the newlines of a block are, some at a time. A search for each line anew costs a call, and branches that nobody
//! can guess, for a few hundred bytes; what it costs more is a twentieth of a report's time.

use crate::wide::{self, WIDTH};

/// At least so many are found at a time, if there are as many, and at most one window's more. What is looked at stays in the
/// first-level cache until the lines are read.
const SOME: usize = 32;

/// The newlines of a block in their order.
#[derive(Debug, Clone)]
pub(super) struct Newlines {
    /// Those that were found and not yet given are `found[next..count]`.
    found: [usize; SOME + WIDTH],
    next: usize,
    count: usize,
    /// From here on none was looked for.
    rest: usize,
}

impl Newlines {
    pub(super) fn new() -> Self {
        Newlines { found: [0; SOME + WIDTH], next: 0, count: 0, rest: 0 }
    }

    /// The next newline of `bytes`, which are the same each time.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.next == self.count {
            self.search(bytes);
        }
        let found = *self.found[..self.count].get(self.next)?;
        self.next += 1;
        Some(found)
    }

    /// Finds some more, if there are any.
    #[inline(never)]
    fn search(&mut self, bytes: &[u8]) {
        (self.next, self.count) = (0, 0);
        if let Some(found) = wide::newlines(bytes, self.rest, SOME, &mut self.found) {
            (self.count, self.rest) = found;
        }
        // What is no whole window, or all of it.
        if self.count < SOME {
            self.search_rest(bytes);
        }
    }

    /// Finds some more, one by one.
    fn search_rest(&mut self, bytes: &[u8]) {
        let rest = bytes.get(self.rest..).unwrap_or_default();
        let start = self.rest;
        self.rest = bytes.len();
        for at in memchr::memchr_iter(b'\n', rest) {
            self.found[self.count] = start + at;
            self.count += 1;
            if self.count == SOME {
                self.rest = start + at + 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All of them, in the order in which they are found.
    fn all(bytes: &[u8]) -> Vec<usize> {
        let mut newlines = Newlines::new();
        let mut all = Vec::new();
        loop {
            if newlines.next == newlines.count {
                newlines.search(bytes);
                if newlines.count == 0 {
                    return all;
                }
                assert!(newlines.count < SOME + WIDTH);
            }
            let Some(found) = newlines.next(bytes) else { return all };
            all.push(found);
        }
    }

    proptest! {
        #[test]
        fn all_newlines_are_found_wherever_they_are(
            // Between all newlines and none, so that windows hold any number of them.
            share in 0u8..=255,
            bytes in prop::collection::vec(any::<(u8, u8)>(), 0..700),
        ) {
            let bytes: Vec<u8> =
                bytes.into_iter().map(|(pick, other)| if pick <= share { b'\n' } else { other }).collect();
            let plain: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
            prop_assert_eq!(&all(&bytes), &plain);
            prop_assert_eq!(&wide::plainly(|| all(&bytes)), &plain);
        }
    }

    #[test]
    fn a_byte_that_nearly_is_one_is_none() {
        for byte in 0..=255u8 {
            let expected = if byte == b'\n' { (0..200).collect() } else { Vec::new() };
            assert_eq!(all(&[byte; 200]), expected, "{byte}");
        }
    }
}
