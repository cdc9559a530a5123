//! Blocks of whole lines, out of a range of a file or out of a stream.
//!
//! Both uses share one buffer layout. Bytes are always read to the same place, which stays in the
//! processor's cache; the unfinished line at the end of a block is moved to just before that place,
//! so that the next read completes it:
//!
//! ```text
//! 0           base, at least max_line              base + read
//! |      ...[unfinished line][bytes just read ........ \n ...]|
//!                            ^ reads go here
//! ```
//!
//! Nothing else is copied, and memory is bounded by the two sizes whatever the input is.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use memchr::{memchr, memrchr};

use super::ahead::{Ahead, read_retrying};
use super::buffer::{Block, Buffer, OwnedBlock};
use super::compression::Decoder;
use crate::error::{Error, Result};

/// How many bytes of a plain file are read at a time, at most: what is counted stays in the second-level cache beside
/// them, and a short run touches less memory. Of less the kernel makes shorter copies, and blocks that go from thread to
/// thread pay for being small.
const PLAIN: usize = 512 << 10;

/// How many bytes are read at a time to finish the last line of a range.
const TAIL: u64 = 4 << 10;

/// What a reader has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSummary {
    /// Plain bytes of the lines that belong to the task, those that are too long included. The
    /// tasks of a file add up to its size.
    pub bytes: u64,
    /// Lines skipped because they are longer than the buffer's limit.
    pub too_long: u64,
    /// What was odd about the source, with its name: it was cut short, or something follows the
    /// compressed data.
    pub warning: Option<String>,
}

/// Hands out the lines of a task in blocks.
#[derive(Debug)]
pub struct BlockReader<'b> {
    name: &'b str,
    origin: Origin,
    buffer: &'b mut Buffer,
    /// Where reads go.
    base: usize,
    /// `buffer.bytes[start..end]` is read and not handed out; it begins where a line begins, or
    /// inside a line to be dropped.
    start: usize,
    end: usize,
    /// Reads end here.
    limit: usize,
    /// Where the block handed out last lies in `buffer.bytes`.
    block: Range<usize>,
    /// Where `start` is in the source.
    offset: u64,
    dropping: Dropping,
    done: bool,
    /// A failure that comes after the last block.
    failure: Option<Error>,
    bytes: u64,
    too_long: u64,
}

#[derive(Debug)]
enum Origin {
    /// Lines that begin in `..end`; `at` is the next byte to read.
    Range {
        file: File,
        at: u64,
        end: u64,
        size: u64,
    },
    Stream(Box<Ahead<Decoder>>),
}

/// Which line is being passed over, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropping {
    Nothing,
    /// The line that began before the range: it belongs to the range before.
    Foreign,
    TooLong,
}

impl<'b> BlockReader<'b> {
    /// The lines whose first byte lies in `range` of a plain file. Nothing at or beyond `size` is
    /// read: that is the size the file had when the run began, and it may grow.
    pub(super) fn of_range(
        name: &'b str,
        file: File,
        range: Range<u64>,
        size: u64,
        buffer: &'b mut Buffer,
    ) -> Self {
        // The byte before the range tells whether a line begins at its start.
        let at = range.start.saturating_sub(1);
        let dropping = if range.start > 0 { Dropping::Foreign } else { Dropping::Nothing };
        let origin = Origin::Range { file, at, end: range.end, size };
        let reader = BlockReader::new(name, origin, buffer, at);
        BlockReader { dropping, limit: reader.limit.min(reader.base + PLAIN), ..reader }
    }

    /// All lines of a stream.
    pub(super) fn of_stream(name: &'b str, stream: Ahead<Decoder>, buffer: &'b mut Buffer) -> Self {
        BlockReader::new(name, Origin::Stream(Box::new(stream)), buffer, 0)
    }

    /// `offset` is where reading begins.
    fn new(name: &'b str, origin: Origin, buffer: &'b mut Buffer, offset: u64) -> Self {
        let base = buffer.base(offset);
        BlockReader {
            name,
            origin,
            limit: base + buffer.read,
            buffer,
            base,
            start: base,
            end: base,
            block: base..base,
            offset,
            dropping: Dropping::Nothing,
            done: false,
            failure: None,
            bytes: 0,
            too_long: 0,
        }
    }

    /// The next block, or none at the end of the task.
    ///
    /// # Errors
    /// Kind `Io` if reading or decompressing fails. All lines before the failure, and what there is
    /// of the one it fell into, have been handed out by then. After an error comes none.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>> {
        let Some(length) = self.advance()? else { return Ok(None) };
        let offset = self.offset;
        self.block = self.start..self.start + length;
        self.pass(length);
        let bytes = &self.buffer.bytes[self.block.clone()];
        Ok(Some(Block { bytes, offset, too_long_before: self.too_long }))
    }

    /// The block that [`BlockReader::next_block`] gave last, with its memory; reading goes on in `spare`, to which
    /// nothing but the unfinished line is copied. `spare` must have the limits of the reader's buffer.
    pub fn take_block(&mut self, mut spare: Buffer) -> OwnedBlock {
        // Streams alone are handed on: their places in pages are not known, and they fill what room there is.
        let base = spare.base(0);
        let rest = base - (self.end - self.start);
        spare.bytes[rest..base].copy_from_slice(&self.buffer.bytes[self.start..self.end]);
        (self.start, self.end) = (rest, base);
        (self.base, self.limit) = (base, base + spare.read);
        let lines = std::mem::replace(&mut self.block, rest..rest);
        OwnedBlock { buffer: std::mem::replace(self.buffer, spare), lines }
    }

    /// What has been read so far; complete once [`BlockReader::next_block`] gave none.
    pub fn summary(&self) -> ReadSummary {
        let warning = match &self.origin {
            Origin::Range { .. } => None,
            Origin::Stream(stream) => stream.get_ref().warning(),
        };
        ReadSummary {
            bytes: self.bytes,
            too_long: self.too_long,
            warning: warning.map(|warning| format!("{}: {warning}", self.name)),
        }
    }

    /// Reads until whole lines lie at `start`, and says how many bytes they take.
    fn advance(&mut self) -> Result<Option<usize>> {
        self.move_rest_to_base();
        while !self.done {
            if self.range_is_over() {
                self.done = true;
                break;
            }
            self.make_room();
            let fresh = self.end;
            self.fill();
            let lines = match self.whole_lines(fresh) {
                0 if self.done => self.last_line(),
                _ if self.done => self.end - self.start,
                lines => lines,
            };
            if lines > 0 {
                return Ok(Some(lines));
            }
        }
        self.failure.take().map_or(Ok(None), Err)
    }

    /// Whether all lines that begin in the range are handed out.
    fn range_is_over(&self) -> bool {
        match self.origin {
            Origin::Range { at, end, .. } if at >= end => match self.dropping {
                Dropping::Nothing => self.start == self.end,
                Dropping::Foreign => true,
                Dropping::TooLong => false,
            },
            _ => false,
        }
    }

    /// Makes room where reads go, if there is none: an unfinished line moves out of the way, or is
    /// given up as too long.
    fn make_room(&mut self) {
        if self.end < self.limit {
            return;
        }
        if self.end - self.start > self.buffer.max_line {
            self.too_long += 1;
            self.dropping = Dropping::TooLong;
            self.pass(self.end - self.start);
        }
        self.move_rest_to_base();
    }

    /// Moves the bytes in hand so that they end where reads go. There are at most `max_line` of them.
    fn move_rest_to_base(&mut self) {
        let base = self.base;
        let start = base - (self.end - self.start);
        self.buffer.bytes.copy_within(self.start..self.end, start);
        (self.start, self.end) = (start, base);
    }

    /// Reads once, or until there is no more room if the bytes are decompressed: whoever writes to a pipe goes on while
    /// what it wrote is looked at, a decompressor does not.
    fn fill(&mut self) {
        let fills =
            matches!(&self.origin, Origin::Stream(stream) if stream.get_ref().is_compressed());
        loop {
            match self.read() {
                Ok(true) => {}
                Ok(false) => self.done = true,
                Err(error) => {
                    self.done = true;
                    self.failure = Some(self.explain(&error));
                }
            }
            if self.done || !fills || self.end == self.limit {
                return;
            }
        }
    }

    /// Reads once. False means that nothing more will come.
    fn read(&mut self) -> io::Result<bool> {
        let room = &mut self.buffer.bytes[self.end..self.limit];
        let got = match &mut self.origin {
            Origin::Stream(stream) => read_retrying(stream, room)?,
            Origin::Range { file, at, end, size } => {
                let wanted = match self.dropping {
                    _ if *at < *end => *end - *at,
                    Dropping::TooLong => *size - *at,
                    _ => TAIL.min(*size - *at),
                };
                let wanted = usize::try_from(wanted).map_or(room.len(), |w| w.min(room.len()));
                let got = read_retrying(&mut At(file, *at), &mut room[..wanted])?;
                *at += got as u64;
                got
            }
        };
        self.end += got;
        Ok(got > 0)
    }

    /// Looks for line ends in what was just read (`fresh` and after) and says how many bytes of
    /// whole lines there are at `start`.
    fn whole_lines(&mut self, fresh: usize) -> usize {
        let mut fresh = fresh;
        // Behind the end of a range only the line that crosses it is wanted.
        let behind = matches!(self.origin, Origin::Range { at, end, .. } if at > end);
        if self.dropping != Dropping::Nothing {
            let newline = memchr(b'\n', &self.buffer.bytes[fresh..self.end]);
            let dropped = newline.map_or(self.end, |at| fresh + at + 1) - self.start;
            self.pass(dropped);
            if newline.is_some() {
                self.dropping = Dropping::Nothing;
            }
            if newline.is_none() || behind {
                (self.start, self.end) = (self.base, self.base);
                return 0;
            }
            fresh = self.start;
        }
        let bytes = &self.buffer.bytes[fresh..self.end];
        let newline = if behind { memchr(b'\n', bytes) } else { memrchr(b'\n', bytes) };
        let Some(newline) = newline else { return 0 };
        let lines_end = fresh + newline + 1;
        if behind {
            self.end = lines_end;
        }
        self.pass_if_too_long(fresh);
        lines_end - self.start
    }

    /// Passes over the first line in hand if it is too long. Only the first can be: the others lie
    /// in one read. Its newline is at `fresh` or after.
    fn pass_if_too_long(&mut self, fresh: usize) {
        let rest = &self.buffer.bytes[fresh..self.end];
        let (length, newline) = match memchr(b'\n', rest) {
            Some(at) => (fresh + at - self.start, 1),
            None => (self.end - self.start, 0),
        };
        if length > self.buffer.max_line {
            self.too_long += 1;
            self.pass(length + newline);
        }
    }

    /// The unfinished line at the end of the source.
    fn last_line(&mut self) -> usize {
        self.pass_if_too_long(self.end);
        self.end - self.start
    }

    /// Steps over bytes in hand.
    fn pass(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
        if self.dropping != Dropping::Foreign {
            self.bytes += length as u64;
        }
    }

    #[cold]
    fn explain(&self, error: &io::Error) -> Error {
        match &self.origin {
            Origin::Range { .. } => Error::io(self.name, error),
            Origin::Stream(stream) => stream.get_ref().explain(self.name, error),
        }
    }
}

/// A place in a file, as a reader.
struct At<'f>(&'f File, u64);

impl io::Read for At<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buf, self.1)
    }
}

#[cfg(test)]
mod tests;
