//! Blocks of lines and the memory they lie in. How it is laid out says [`super::blocks`].

use std::fmt;
use std::ops::Range;

/// How many bytes one read of a stream asks for: 1 MiB. Larger reads fall out of the second-level cache.
pub const READ: usize = 1 << 20;
/// The longest line that is handed out, in bytes without its `\n`: 1 MiB. nginx logs one request
/// per line, and its headers are bounded by `large_client_header_buffers` (32 KB by default).
pub const MAX_LINE: usize = 1 << 20;

/// Bytes of a page of memory, of which the kernel copies.
const PAGE: usize = 4096;

/// The memory of a block, used again for one block after another.
pub struct Buffer {
    pub(super) bytes: Vec<u8>,
    /// Bytes of a read, and of the longest line.
    pub(super) read: usize,
    pub(super) max_line: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer::new()
    }
}

impl Buffer {
    /// A buffer for reads of [`READ`] bytes and lines of up to [`MAX_LINE`] bytes.
    pub fn new() -> Self {
        Buffer::with_limits(READ, MAX_LINE)
    }

    /// A buffer for reads of `read` bytes (from 1 to `max_line`) and lines of up to `max_line`
    /// bytes (at least 1). It takes `read + max_line` bytes and a page.
    pub fn with_limits(read: usize, max_line: usize) -> Self {
        let max_line = max_line.max(1);
        // A line that lies in one read must not be too long: only the first of a block can be.
        let read = read.clamp(1, max_line);
        Buffer { bytes: vec![0; max_line + PAGE - 1 + read], read, max_line }
    }

    /// Where reads of a source go, the first of which begins at `offset` in it: behind the longest line, at the same place
    /// of a page as there. A copy to a place a few bytes further in a page is held up by the processor, for which what is
    /// written seems to be what is read next: it compares the lower twelve bits first (Intel's optimization manual calls it
    /// 4-KByte aliasing). Copies took up to four times as long.
    pub(super) fn base(&self, offset: u64) -> usize {
        let least = self.bytes.as_ptr().addr() + self.max_line;
        let offset = usize::try_from(offset % PAGE as u64).unwrap_or(0);
        self.max_line + offset.wrapping_sub(least) % PAGE
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Buffer { read, max_line, .. } = self;
        f.debug_struct("Buffer").field("read", read).field("max_line", max_line).finish()
    }
}

/// Some lines of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Whole lines, at least one. The last one ends with `\n`, except at the end of the source.
    pub bytes: &'a [u8],
    /// Where the block begins in the plain bytes of the source.
    pub offset: u64,
    /// How many lines of this task were skipped before this block because they are too long; for
    /// numbering lines.
    pub too_long_before: u64,
}

/// A block with its memory, for another thread to look at.
#[derive(Debug, Default)]
pub struct OwnedBlock {
    pub(super) buffer: Buffer,
    pub(super) lines: Range<usize>,
}

impl OwnedBlock {
    /// Whole lines, as in [`Block::bytes`].
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.bytes[self.lines.clone()]
    }

    /// The memory, to be used again.
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_go_to_the_place_of_a_page_that_they_come_from(
            offset: u64, read in 1usize..9000, max_line in 1usize..9000,
        ) {
            let buffer = Buffer::with_limits(read, max_line);
            let base = buffer.base(offset);
            prop_assert!((max_line..=buffer.bytes.len() - buffer.read).contains(&base));
            let place = buffer.bytes[base..].as_ptr().addr() % PAGE;
            prop_assert_eq!(place as u64, offset % PAGE as u64);
        }
    }
}
