//! How a source is compressed, and undoing it.
//!
//! The content decides, never the name: `access.log.1` may be compressed and `x.gz` may not be.
//! A compressed log may consist of several members one after another (nginx's `access_log … gzip`,
//! `cat a.gz b.gz`, pzstd), so members are decoded one at a time here and what stands between and
//! behind them is looked at. A log that nginx is still writing, or one left by a crash, ends in the
//! middle of a member: what came before is delivered, and the cut is a warning, not an error.

use std::fmt;
use std::io::{self, BufRead, Read};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use lzma_rust2::XzReader;

use super::ahead::Ahead;
use crate::error::{Error, ErrorKind, Result};

/// The largest window of a zstd frame, as a power of two: 128 MB, zstd's own default limit.
const ZSTD_WINDOW_LOG: u32 = 27;
/// The most memory that decoding an xz stream may take, in KiB. `xz -9` needs half of it.
const XZ_MEMORY_KIB: u32 = 128 << 10;
/// How much is decompressed at a time. Decoders drop what one read produced when it meets damage,
/// so a small step loses little; a smaller one than this costs gzip speed.
const STEP: usize = 256 << 10;
/// How many bytes tell all kinds apart: a tar archive says so at byte 257.
const HEAD: usize = 512;
/// The longest magic number of a compression.
const LONGEST_MAGIC: usize = 6;

/// How a source is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all. An empty file is plain.
    Plain,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl Compression {
    /// The name of the tool that made it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Plain => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
        }
    }

    /// The compression that starts with these bytes. [`HEAD`] bytes are enough.
    fn detect(head: &[u8]) -> Compression {
        // A gzip file cut after its first byte. No log begins with this control character.
        if head == [0x1f] {
            return Compression::Gzip;
        }
        [Compression::Gzip, Compression::Zstd, Compression::Bzip2, Compression::Xz]
            .into_iter()
            .find(|c| c.magic_length(head) == c.magic().len())
            .unwrap_or(Compression::Plain)
    }

    fn magic(self) -> &'static [u8] {
        match self {
            Compression::Plain => b"",
            Compression::Gzip => b"\x1f\x8b",
            Compression::Zstd => b"\x28\xb5\x2f\xfd",
            Compression::Bzip2 => b"BZh",
            Compression::Xz => b"\xfd7zXZ\0",
        }
    }

    /// How many bytes of the magic number `head` begins with.
    fn magic_length(self, head: &[u8]) -> usize {
        // A skippable frame (RFC 8878, 3.1.2), as pzstd writes before each of its frames.
        if self == Compression::Zstd && matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
            return self.magic().len();
        }
        // `BZh` could be text; the level and the first block's magic could not.
        if self == Compression::Bzip2
            && let Some(after) = head.get(3..5)
            && !matches!(after, [b'1'..=b'9', 0x31 | 0x17])
        {
            return 0;
        }
        self.magic().iter().zip(head).take_while(|(a, b)| a == b).count()
    }
}

/// Says how a source that begins with `head` is compressed, or refuses it in words when it is of a
/// kind that holds no lines of a log as it is: an archive, UTF-16, another compression.
fn identify(name: &str, head: &[u8]) -> Result<Compression> {
    match refusal(head) {
        Some((what, hint)) => Err(refuse(name, what).with_hint(hint)),
        None => Ok(Compression::detect(head)),
    }
}

#[cold]
fn refuse(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{name}: expected a log, found {what}"))
}

/// What the source is and what to do about it, if it is something to refuse.
fn refusal(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let magics: [(&[u8], _, _); 6] = [
        (b"PK\x03\x04", "a zip archive", "pipe it in: `unzip -p FILE | keepwarm report -`"),
        (b"PK\x05\x06", "an empty zip archive", "it holds no file"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "pipe it in: `7z x -so FILE | keepwarm report -`"),
        (b"\x04\x22\x4d\x18", "lz4 data", "pipe it in: `lz4 -dc FILE | keepwarm report -`"),
        (b"\x1f\x9d", "compress (.Z) data", "pipe it in: `gzip -dc FILE | keepwarm report -`"),
        (b"LZIP", "lzip data", "pipe it in: `lzip -dc FILE | keepwarm report -`"),
    ];
    if let Some((_, what, hint)) = magics.iter().find(|(magic, _, _)| head.starts_with(magic)) {
        return Some((what, hint));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", "pipe it in: `tar -xOf FILE | keepwarm report -`"));
    }
    is_utf16(head).then_some((
        "UTF-16 text",
        "pipe it in: `iconv -f UTF-16 -t UTF-8 FILE | keepwarm report -`",
    ))
}

/// By its byte order mark, or by every other byte being NUL.
fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let Some(start) = head.first_chunk::<8>() else { return false };
    let nul = start.map(|byte| byte == 0);
    nul == [false, true, false, true, false, true, false, true]
        || nul == [true, false, true, false, true, false, true, false]
}

/// Whether `head` tells what a source is. A newline tells that it is text, so that a slow pipe is
/// not waited for.
fn head_is_enough(head: &[u8]) -> bool {
    head.len() >= HEAD || (head.len() >= LONGEST_MAGIC && memchr::memchr(b'\n', head).is_some())
}

/// The bytes of a source as they are stored.
pub(super) type Raw = Box<dyn Read + Send>;
type Stored = Ahead<Raw>;

/// How the bytes of `raw` are compressed.
///
/// # Errors
/// Kind `Input` if it is no log at all, kind `Io` if not even its first byte can be read.
pub(super) fn detect(name: &str, raw: Raw) -> Result<Compression> {
    let mut stored = Ahead::new(raw);
    let compression = identify(name, stored.look(head_is_enough))?;
    match stored.failure() {
        Some(error) => Err(Error::io(name, error)),
        None => Ok(compression),
    }
}

/// Opens a source for reading its plain bytes.
///
/// # Errors
/// Kind `Input` if the source, or what is compressed in it, is no log at all. Failures to read
/// come later, from the reader.
pub(super) fn open(name: &str, raw: Raw) -> Result<Ahead<Decoder>> {
    let mut stored = Ahead::new(raw);
    let compression = identify(name, stored.look(head_is_enough))?;
    let member = Member::open(compression, stored).map_err(|error| Error::io(name, &error))?;
    let decoder = Decoder { compression, member, produced: 0, warning: None };
    let mut plain = Ahead::new(decoder);
    if compression != Compression::Plain {
        let inside = identify(name, plain.look(head_is_enough))?;
        if inside != Compression::Plain {
            let (inner, outer) = (inside.name(), compression.name());
            return Err(refuse(name, &format!("{inner} data inside {outer} data"))
                .with_hint(format!("decompress it once: `{outer} -dc FILE | keepwarm report -`")));
        }
    }
    Ok(plain)
}

/// A member being decoded, or the plain bytes.
enum Member {
    Plain(Stored),
    Gzip(Box<GzDecoder<Stored>>),
    Zstd(zstd::stream::read::Decoder<'static, Stored>),
    Bzip2(BzDecoder<Stored>),
    Xz(Box<XzReader<Stored>>),
    /// Nothing more will come.
    Done,
}

impl Member {
    fn open(compression: Compression, stored: Stored) -> io::Result<Member> {
        Ok(match compression {
            Compression::Plain => Member::Plain(stored),
            Compression::Gzip => Member::Gzip(Box::new(GzDecoder::new(stored))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(stored)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Member::Zstd(decoder)
            }
            Compression::Bzip2 => Member::Bzip2(BzDecoder::new(stored)),
            Compression::Xz => {
                Member::Xz(Box::new(XzReader::new_mem_limit(stored, false, XZ_MEMORY_KIB)))
            }
        })
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let step = buf.len().min(STEP);
        match self {
            Member::Plain(stored) => stored.read(buf),
            Member::Gzip(decoder) => decoder.read(&mut buf[..step]),
            Member::Zstd(decoder) => decoder.read(&mut buf[..step]),
            Member::Bzip2(decoder) => decoder.read(&mut buf[..step]),
            Member::Xz(decoder) => decoder.read(&mut buf[..step]),
            Member::Done => Ok(0),
        }
    }

    /// What follows a member that has been read to its end.
    fn into_rest(self) -> Option<Stored> {
        match self {
            Member::Gzip(decoder) => Some(decoder.into_inner()),
            Member::Zstd(decoder) => Some(decoder.into_inner()),
            Member::Bzip2(decoder) => Some(decoder.into_inner()),
            Member::Xz(decoder) => Some(decoder.into_inner()),
            Member::Plain(_) | Member::Done => None,
        }
    }
}

/// Reads the plain bytes of a source, member after member.
pub(super) struct Decoder {
    compression: Compression,
    member: Member,
    /// Plain bytes delivered so far.
    produced: u64,
    warning: Option<String>,
}

impl Decoder {
    /// What was odd about the source but did not stop the reading, without its name.
    pub(super) fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Whether its bytes are decompressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.compression != Compression::Plain
    }

    /// Names the source and says what a failure to read it means.
    #[cold]
    pub(super) fn explain(&self, name: &str, error: &io::Error) -> Error {
        if self.compression == Compression::Plain || error.raw_os_error().is_some() {
            return Error::io(name, error);
        }
        let tool = self.compression.name();
        // zstd has no error kind of its own, only this text.
        if error.kind() == io::ErrorKind::OutOfMemory || error.to_string().contains("much memory") {
            let message = format!(
                "{name}: expected {tool} data that needs at most 128 MB of memory, found more"
            );
            let long = if self.compression == Compression::Zstd { " --long=31" } else { "" };
            return Error::new(ErrorKind::Io, message)
                .with_hint(format!("pipe it in: `{tool} -dc{long} FILE | keepwarm report -`"));
        }
        let after = self.produced;
        Error::new(
            ErrorKind::Io,
            format!("{name}: corrupt {tool} data after {after} bytes: {error}"),
        )
        .with_hint(format!("`{tool} -t FILE` checks the file"))
    }

    /// Goes on to the next member, if one follows.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(mut stored) = std::mem::replace(&mut self.member, Member::Done).into_rest() else {
            return Ok(());
        };
        let padding = skip_zeros(&mut stored)?;
        // xz allows padding between and after streams; elsewhere it is left by a crash or a tape.
        if padding > 0 && self.compression != Compression::Xz {
            let after = self.produced;
            self.warn(format!(
                "{padding} zero bytes behind the compressed data, after {after} bytes"
            ));
        }
        let head = stored.look(|head| head.len() >= LONGEST_MAGIC);
        let known = self.compression.magic_length(head);
        if known == self.compression.magic().len() {
            self.member = Member::open(self.compression, stored)?;
        } else if known > 0 && known == head.len() {
            self.warn_of_cut();
        } else if !head.is_empty() {
            let (after, tool) = (self.produced, self.compression.name());
            self.warn(format!("ignored what follows after {after} bytes: it is not {tool} data"));
        }
        Ok(())
    }

    fn warn_of_cut(&mut self) {
        let after = self.produced;
        self.warn(format!("cut short after {after} bytes"));
    }

    /// Warnings may add up (padding between members, then a cut): the last one says how it ended.
    fn warn(&mut self, warning: String) {
        self.warning = Some(warning);
    }
}

/// Skips zero bytes and says how many there were.
fn skip_zeros(stored: &mut Stored) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let held = stored.fill_buf()?;
        let zeros = held.iter().take_while(|byte| **byte == 0).count();
        let all_of_it = zeros == held.len();
        stored.consume(zeros);
        skipped += zeros as u64;
        if zeros == 0 || !all_of_it {
            return Ok(skipped);
        }
    }
}

impl Read for Decoder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match self.member.read(buf) {
                Ok(0) => {
                    self.next_member()?;
                    if matches!(self.member, Member::Done) {
                        return Ok(0);
                    }
                }
                Ok(n) => {
                    self.produced += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.member = Member::Done;
                    self.warn_of_cut();
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.member = Member::Done;
                    return Err(error);
                }
            }
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("compression", &self.compression)
            .field("produced", &self.produced)
            .field("warning", &self.warning)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
