//! Blocks of lines and the memory they lie in. How it is laid out says [`super::blocks`].

use std::fmt;
use std::ops::Range;

/// How many bytes one read of a stream asks for: 1 MiB. Larger reads fall out of the second-level cache.
pub const READ: usize = 1 << 20;
/// The longest line that is handed out, in bytes without its `\n`: 1 MiB. nginx logs one request
/// per line, and its headers are bounded by `large_client_header_buffers` (32 KB by default).
pub const MAX_LINE: usize = 1 << 20;

/// The memory of a block, used again for one block after another.
pub struct Buffer {
    pub(super) bytes: Vec<u8>,
    /// Where reads go; also the longest line.
    pub(super) base: usize,
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
    /// bytes (at least 1). It takes `read + max_line` bytes.
    pub fn with_limits(read: usize, max_line: usize) -> Self {
        let base = max_line.max(1);
        // A line that lies in one read must not be too long: only the first of a block can be.
        Buffer { bytes: vec![0; base + read.clamp(1, base)], base }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, max_line) = (self.bytes.len() - self.base, self.base);
        f.debug_struct("Buffer").field("read", &read).field("max_line", &max_line).finish()
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
