//! Cuts sources into tasks that workers can do in any order.

use std::ops::Range;

use super::blocks::BlockReader;
use super::buffer::Buffer;
use super::source::Source;
use crate::error::Result;

/// The usual size of a range of a plain file, in bytes: small enough to share a file among threads,
/// large enough that the work at its edges does not count.
pub const CHUNK: u64 = 8 << 20;

/// A source, or a range of it.
#[derive(Debug)]
pub struct Task<'s> {
    source: &'s Source,
    source_index: usize,
    /// Of a plain file. None: the whole source, read in order.
    range: Option<Range<u64>>,
}

/// Cuts `sources` into tasks, ordered by source and offset. A plain file over `chunk` bytes becomes
/// several ranges of that size (0 counts as 1); everything else is one task.
pub fn plan(sources: &[Source], chunk: u64) -> Vec<Task<'_>> {
    let mut tasks = Vec::new();
    for (source_index, source) in sources.iter().enumerate() {
        match source.plain_size() {
            None => tasks.push(Task { source, source_index, range: None }),
            Some(size) => {
                let ranges = cut(size, chunk).map(Some);
                tasks.extend(ranges.map(|range| Task { source, source_index, range }));
            }
        }
    }
    tasks
}

/// `0..size` in pieces of `chunk` bytes; an empty file is one empty piece.
fn cut(size: u64, chunk: u64) -> impl Iterator<Item = Range<u64>> {
    let chunk = chunk.max(1);
    let pieces = size.div_ceil(chunk).max(1);
    (0..pieces).map(move |i| i * chunk..size.min((i + 1).saturating_mul(chunk)))
}

impl<'s> Task<'s> {
    /// The source to read from.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    /// Which of the planned sources it is, from 0.
    pub fn source_index(&self) -> usize {
        self.source_index
    }

    /// Where the task begins in its source, in bytes. Lines that begin before it belong to the task
    /// before this one.
    pub fn offset(&self) -> u64 {
        self.range.as_ref().map_or(0, |range| range.start)
    }

    /// Whether it can only be read from front to back.
    pub fn is_stream(&self) -> bool {
        self.range.is_none()
    }

    /// Opens the source. A worker uses one buffer for all its tasks. A task on a stream can be
    /// opened once.
    ///
    /// # Errors
    /// Kind `Io` if the source cannot be opened (any more), kind `Input` if it is no log.
    pub fn open<'b>(&self, buffer: &'b mut Buffer) -> Result<BlockReader<'b>>
    where
        's: 'b,
    {
        let name = self.source.name();
        match (&self.range, self.source.plain_size()) {
            (Some(range), Some(size)) => Ok(BlockReader::of_range(
                name,
                self.source.open_file()?,
                range.clone(),
                size,
                buffer,
            )),
            _ => Ok(BlockReader::of_stream(name, self.source.open()?, buffer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_join_without_gaps() {
        for (size, chunk, expected) in [
            (0, 8, &[(0, 0)][..]),
            (8, 8, &[(0, 8)]),
            (9, 8, &[(0, 8), (8, 9)]),
            (3, 0, &[(0, 1), (1, 2), (2, 3)]),
            (5, u64::MAX, &[(0, 5)]),
        ] {
            let pieces: Vec<_> = cut(size, chunk).map(|piece| (piece.start, piece.end)).collect();
            assert_eq!(pieces, expected, "{size} by {chunk}");
        }
    }
}
