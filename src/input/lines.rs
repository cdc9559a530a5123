//! The lines of a block, one after another, without copying.

use super::newlines::Newlines;

/// One line of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line without its `\n` and without one `\r` before it.
    pub bytes: &'a [u8],
    /// Where the line begins, in bytes from the start of the block.
    pub offset: usize,
}

/// An iterator over the lines of a block.
///
/// Empty lines are yielded too, so that the caller can number lines. A last line without `\n` is
/// yielded; nothing is yielded after a final `\n`.
///
/// ```
/// let lines: Vec<_> = keepwarm::input::Lines::new(b"one\r\n\ntwo").map(|l| l.bytes).collect();
/// assert_eq!(lines, [&b"one"[..], b"", b"two"]);
/// ```
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    newlines: Newlines,
}

impl<'a> Lines<'a> {
    /// The lines of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Lines { bytes, at: 0, newlines: Newlines::new() }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        let offset = self.at;
        let end = match self.newlines.next(self.bytes) {
            Some(newline) => newline,
            None if offset < self.bytes.len() => self.bytes.len(),
            None => return None,
        };
        let line = self.bytes.get(offset..end)?;
        self.at = end + 1;
        Some(Line { bytes: line.strip_suffix(b"\r").unwrap_or(line), offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_ends_and_keep_their_offsets() {
        for (text, expected) in [
            ("", &[][..]),
            ("\n", &[("", 0)]),
            ("a\nb\n", &[("a", 0), ("b", 2)]),
            ("a\nb", &[("a", 0), ("b", 2)]),
            ("a\r\n\r\nb\r", &[("a", 0), ("", 3), ("b", 5)]),
            ("a\r\r\n", &[("a\r", 0)]),
            ("a\rb\n", &[("a\rb", 0)]),
            ("\0\n\0", &[("\0", 0), ("\0", 2)]),
        ] {
            let lines: Vec<_> = Lines::new(text.as_bytes())
                .map(|line| (std::str::from_utf8(line.bytes).unwrap(), line.offset))
                .collect();
            assert_eq!(lines, expected, "{text:?}");
        }
    }
}
