//! One followed file: what has been read of it, and reading on.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, BufRead};
use std::os::unix::fs::MetadataExt;

use memchr::{memchr, memrchr};

use super::open::{modified, read_full_at};
use super::position::{Fingerprint, HEAD, Position};
use crate::error::{Error, Result};
use crate::input::ahead::Ahead;
use crate::input::compression::{self, Decoder};
use crate::input::source::Identity;

/// How far back the beginning of the line that is being written is looked for, in bytes.
const BACK: u64 = 64 << 10;

/// A file that is open and read on.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Followed {
    /// Told in pieces; never used twice.
    pub(super) id: u64,
    pub(super) identity: Identity,
    content: Content,
    /// Plain bytes dealt with.
    pub(super) offset: u64,
    /// The first bytes of the file as last seen, up to [`HEAD`].
    head: Vec<u8>,
    /// `offset..scanned` holds no newline.
    scanned: u64,
    /// The bytes at `offset` belong to a line that is passed over.
    dropping: bool,
    /// Bytes, as last seen.
    pub(super) size: u64,
    modified: i64,
    /// The last write to a rotated file of the log when this one was opened.
    pub(super) floor: i64,
    /// No name leads to it any more.
    pub(super) unlinked: bool,
    /// When it was last seen to have been written to.
    pub(super) grown_ms: u64,
    /// Since when it is not what its log's name leads to.
    pub(super) replaced_ms: Option<u64>,
    /// Whether its beginning has been told in a piece.
    pub(super) announced: bool,
    /// The last read failed, and that was said.
    pub(super) failing: bool,
}

enum Content {
    Plain(File),
    /// A rotated file that was compressed: read once, to its end.
    Packed(Box<Ahead<Decoder>>),
    Done,
}

/// What one reading step gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of whole lines at the beginning of the buffer.
    pub(super) lines: usize,
    /// Lines that ended or were given up as too long in this step; they come before the lines.
    pub(super) too_long: u64,
    /// Bytes read.
    pub(super) read: u64,
}

/// What has become of a file since it was last looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Same,
    Grown,
    /// It is shorter than what was read, or begins otherwise.
    Truncated,
}

impl Followed {
    /// A plain file to be read on from `offset`.
    pub(super) fn plain(id: u64, file: File, offset: u64, now_ms: u64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mut head = vec![0; HEAD];
        let got = read_full_at(&file, &mut head, 0)?;
        head.truncate(got);
        let mut before = [b'\n'];
        if offset > 0 {
            read_full_at(&file, &mut before, offset - 1)?;
        }
        let mut followed = Followed::new(id, &metadata, Content::Plain(file), now_ms);
        (followed.offset, followed.scanned, followed.head) = (offset, offset, head);
        followed.dropping = before != *b"\n";
        Ok(followed)
    }

    /// A plain file to be read from where its end was when it had that size, or from the line that was
    /// being written there.
    pub(super) fn plain_at_end(id: u64, file: File, size: u64, now_ms: u64) -> io::Result<Self> {
        let from = size.saturating_sub(BACK);
        let mut tail = vec![0; usize::try_from(size - from).unwrap_or_default()];
        let got = read_full_at(&file, &mut tail, from)?;
        let offset = match memrchr(b'\n', &tail[..got]) {
            Some(newline) => from + newline as u64 + 1,
            None if from == 0 => 0,
            None => size,
        };
        Followed::plain(id, file, offset, now_ms)
    }

    /// A compressed file to be read on from `offset` of its plain bytes.
    ///
    /// # Errors
    /// As [`compression::open`]; kind `Io` if it can't be decompressed that far.
    pub(super) fn packed(
        id: u64,
        file: File,
        name: &str,
        offset: u64,
        now_ms: u64,
    ) -> Result<Self> {
        let metadata = file.metadata().map_err(|error| Error::io(name, &error))?;
        let mut stream = compression::open(name, Box::new(file))?;
        let head = stream.look(|held| held.len() >= HEAD);
        let head = head[..head.len().min(HEAD)].to_vec();
        let mut before = b'\n';
        let mut left = offset;
        while left > 0 {
            let held = stream.fill_buf().map_err(|error| Error::io(name, &error))?;
            let passed = held.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(last) = held[..passed].last() else { break };
            before = *last;
            stream.consume(passed);
            left -= passed as u64;
        }
        let mut followed = Followed::new(id, &metadata, Content::Packed(Box::new(stream)), now_ms);
        let offset = offset - left;
        (followed.offset, followed.scanned, followed.head) = (offset, offset, head);
        followed.dropping = before != b'\n';
        Ok(followed)
    }

    fn new(id: u64, metadata: &Metadata, content: Content, now_ms: u64) -> Self {
        Followed {
            id,
            identity: Identity::of(metadata),
            content,
            offset: 0,
            head: Vec::new(),
            scanned: 0,
            dropping: false,
            size: metadata.len(),
            modified: modified(metadata),
            floor: i64::MIN,
            unlinked: metadata.nlink() == 0,
            grown_ms: now_ms,
            replaced_ms: None,
            announced: false,
            failing: false,
        }
    }

    /// The position behind what was handed out.
    pub(super) fn position(&self, path: &[u8], finished: bool) -> Position {
        Position {
            path: path.to_vec(),
            device: self.identity.device,
            inode: self.identity.inode,
            fingerprint: Fingerprint::of(&self.head),
            offset: self.offset,
            modified: if self.head.is_empty() { self.floor } else { self.modified },
            finished,
        }
    }

    /// The same, by how the file begins now: it may have been compressed before it was read.
    pub(super) fn position_now(&self, path: &[u8]) -> Position {
        let mut position = self.position(path, false);
        let mut head = [0; HEAD];
        if let Content::Plain(file) = &self.content
            && let Ok(got) = read_full_at(file, &mut head, 0)
        {
            position.fingerprint = Fingerprint::of(&head[..got]);
        }
        position
    }

    /// The same as if nothing had been written to it since it was opened empty.
    pub(super) fn position_empty(&self, path: &[u8]) -> Position {
        let fingerprint = Fingerprint::default();
        Position { fingerprint, modified: self.floor, ..self.position(path, false) }
    }

    /// Sees what there is now.
    pub(super) fn look(&mut self, now_ms: u64) -> io::Result<Look> {
        let Content::Plain(file) = &self.content else { return Ok(Look::Same) };
        let metadata = file.metadata()?;
        self.unlinked = metadata.nlink() == 0;
        let (size, modified) = (metadata.len(), modified(&metadata));
        if (size, modified) == (self.size, self.modified) {
            return Ok(Look::Same);
        }
        self.grown_ms = now_ms;
        if size < self.offset || !self.begins_the_same()? {
            return Ok(Look::Truncated);
        }
        if self.head.len() < HEAD
            && let Content::Plain(file) = &self.content
        {
            // Told again with the first fingerprint: by it the file is found when it is compressed.
            self.announced &= !self.head.is_empty();
            self.head.resize(HEAD, 0);
            let got = read_full_at(file, &mut self.head, 0)?;
            self.head.truncate(got);
        }
        (self.size, self.modified) = (size, modified);
        self.scanned = self.scanned.min(size);
        Ok(Look::Grown)
    }

    fn begins_the_same(&self) -> io::Result<bool> {
        let Content::Plain(file) = &self.content else { return Ok(true) };
        let mut head = vec![0; self.head.len()];
        Ok(read_full_at(file, &mut head, 0)? == head.len() && head == self.head)
    }

    /// The same open file, to be read from its start under a new number.
    pub(super) fn again_from_start(&self, id: u64, now_ms: u64) -> io::Result<Self> {
        match &self.content {
            Content::Plain(file) => Followed::plain(id, file.try_clone()?, 0, now_ms),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether it was empty when it was last looked at: it may have been filled, copied and cut since.
    pub(super) fn was_empty(&self) -> bool {
        matches!(self.content, Content::Plain(_)) && self.head.is_empty()
    }

    /// Whether there is something to read that was not looked through yet.
    pub(super) fn has_more(&self) -> bool {
        match self.content {
            Content::Plain(_) => self.size > self.scanned,
            Content::Packed(_) => true,
            Content::Done => false,
        }
    }

    /// Whether it can't grow any more.
    pub(super) fn is_at_its_end(&self) -> bool {
        matches!(self.content, Content::Done)
    }

    /// Bytes not dealt with yet; 0 for a compressed file.
    pub(super) fn lag(&self) -> u64 {
        match self.content {
            Content::Plain(_) => self.size.saturating_sub(self.offset),
            _ => 0,
        }
    }

    /// Reads once, at most as much as the buffer holds, which is the longest line with its newline.
    ///
    /// # Errors
    /// If reading or decompressing fails. A compressed file is at its end then.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        match &self.content {
            Content::Plain(_) => self.read_plain(buffer),
            Content::Packed(_) => self.read_packed(buffer),
            Content::Done => Ok(Step::default()),
        }
    }

    fn read_plain(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        let Content::Plain(file) = &self.content else { return Ok(Step::default()) };
        let mut step = Step::default();
        if self.scanned > self.offset {
            // An unfinished line: only what is new is looked through until its end is there.
            let start = self.scanned;
            let got = read_full_at(file, buffer, start)?;
            step.read = got as u64;
            let newline = memchr(b'\n', &buffer[..got]);
            self.scanned += newline.unwrap_or(got) as u64;
            self.saw_end(start, got, buffer.len());
            if self.scanned - self.offset >= buffer.len() as u64 {
                self.give_up_line(newline.is_some());
                step.too_long = 1;
                return Ok(step);
            }
            if newline.is_none() {
                return Ok(step);
            }
        }
        let Content::Plain(file) = &self.content else { return Ok(step) };
        let got = read_full_at(file, buffer, self.offset)?;
        step.read += got as u64;
        self.saw_end(self.offset, got, buffer.len());
        if self.dropping {
            self.drop_line(&buffer[..got]);
            return Ok(step);
        }
        match memrchr(b'\n', &buffer[..got]) {
            Some(newline) => {
                step.lines = newline + 1;
                self.advance(newline + 1);
                self.scanned = self.offset + (got - newline - 1) as u64;
            }
            None if got == buffer.len() => {
                self.advance(got);
                self.dropping = true;
                step.too_long = 1;
            }
            None => self.scanned = self.offset + got as u64,
        }
        Ok(step)
    }

    /// A read that was not filled reached the end of the file, whatever its size was thought to be.
    fn saw_end(&mut self, start: u64, got: usize, room: usize) {
        if got < room {
            self.size = start + got as u64;
        }
    }

    /// Passes over a line of which `offset..scanned` is known, with its newline if that comes next.
    fn give_up_line(&mut self, ended: bool) {
        self.scanned += u64::from(ended);
        self.offset = self.scanned;
        self.dropping = !ended;
    }

    fn drop_line(&mut self, bytes: &[u8]) {
        let newline = memchr(b'\n', bytes);
        self.dropping = newline.is_none();
        self.advance(newline.map_or(bytes.len(), |at| at + 1));
    }

    /// Steps over bytes that are dealt with.
    fn advance(&mut self, length: usize) {
        self.offset += length as u64;
        self.scanned = self.offset;
    }

    fn read_packed(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        let Content::Packed(stream) = &mut self.content else { return Ok(Step::default()) };
        let enough = buffer.len();
        let held = stream.look(|held| held.len() >= enough);
        let held_all = held.len();
        let fitting = held_all.min(enough);
        buffer[..fitting].copy_from_slice(&held[..fitting]);
        let ended = stream.nothing_follows() && fitting == held_all;
        let bytes = &buffer[..fitting];
        let newline = memrchr(b'\n', bytes).map(|at| at + 1);
        let mut step = Step { read: fitting as u64, ..Step::default() };
        let taken = if self.dropping {
            memchr(b'\n', bytes).map_or(fitting, |at| at + 1)
        } else if ended {
            step.lines = fitting;
            fitting
        } else if let Some(lines) = newline {
            step.lines = lines;
            lines
        } else {
            step.too_long = 1;
            fitting
        };
        stream.consume(taken);
        // A failure comes alone, after the lines before it.
        let over = ended && taken == held_all && (stream.failure().is_none() || step.lines == 0);
        let failed = if over { stream.fill_buf().err() } else { None };
        self.dropping = newline.is_none() && !ended;
        self.advance(taken);
        if over {
            self.content = Content::Done;
        }
        failed.map_or(Ok(step), Err)
    }

    /// The unfinished line at the end of a file that is known to be finished.
    pub(super) fn read_rest(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        let Content::Plain(file) = &self.content else { return Ok(Step::default()) };
        let mut step = Step::default();
        if !self.dropping {
            step.lines = read_full_at(file, buffer, self.offset)?;
            step.read = step.lines as u64;
            self.advance(step.lines);
        }
        self.content = Content::Done;
        Ok(step)
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed")
            .field("id", &self.id)
            .field("offset", &self.offset)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
