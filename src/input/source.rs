//! A log to be read: where it is, and how to open it, as often as needed or, for a pipe, once.
#![expect(clippy::disallowed_methods, reason = "this module opens the logs")]

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Lines;
use super::ahead::Ahead;
use super::compression::{self, Compression, Decoder, Raw};
use crate::error::{Error, ErrorKind, Result};

/// One log, found by [`super::discover()`].
#[derive(Debug)]
pub struct Source {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(RegularFile),
    Stream(Mutex<Stream>),
}

/// A regular file as it was when it was found.
#[derive(Debug)]
struct RegularFile {
    /// With symbolic links resolved: a link `current.log` may be switched while we read.
    path: PathBuf,
    identity: Identity,
    /// Bytes. What is appended later is not read, so that all ranges see the same file.
    size: u64,
    compression: Compression,
}

/// What can be read once only: stdin, a FIFO, `<(…)`.
#[derive(Debug)]
enum Stream {
    /// Not opened yet: opening a FIFO waits for its writer. No path means stdin.
    Waiting(Option<PathBuf>),
    /// Opened for a sample; holds what was looked at.
    Open(Box<Ahead<Decoder>>),
    Taken,
}

/// The device and inode number: two names with the same identity are one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Source {
    /// The name as the user gave it (for a file in a folder: the folder's name, then the file's),
    /// with control characters escaped. `-` is stdin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size in bytes that can be cut into ranges, or none if the source must be read in order:
    /// only a plain regular file can be cut.
    pub fn plain_size(&self) -> Option<u64> {
        match &self.kind {
            Kind::File(file) if file.compression == Compression::Plain => Some(file.size),
            _ => None,
        }
    }

    /// Is it a file, that can be read as often as needed?
    pub fn can_be_read_again(&self) -> bool {
        matches!(self.kind, Kind::File(_))
    }

    /// Is it the regular file at this path, under whatever name?
    pub fn is_at(&self, path: &Path) -> bool {
        let of = |found: io::Result<Metadata>| {
            found.ok().filter(Metadata::is_file).map(|metadata| Identity::of(&metadata))
        };
        let own = match &self.kind {
            Kind::File(file) => Some(file.identity),
            Kind::Stream(_) if self.name == "-" => of(stdin().and_then(|file| file.metadata())),
            Kind::Stream(_) => None,
        };
        own.is_some() && own == of(fs::metadata(path))
    }

    /// Stdin under the name the user gave it.
    pub(super) fn stdin(name: String) -> Result<(Self, Identity)> {
        let metadata = stdin().and_then(|file| file.metadata());
        let identity = Identity::of(&metadata.map_err(|error| Error::io(&name, &error))?);
        let kind = Kind::Stream(Mutex::new(Stream::Waiting(None)));
        Ok((Source { name, kind }, identity))
    }

    /// The file, FIFO or device at `path`, which is not a folder. A regular file is opened to see
    /// that it can be read and how it is compressed.
    ///
    /// # Errors
    /// Kind `Io` if it cannot be read, kind `Input` if it is of a kind that is no log.
    pub(super) fn at(path: &Path, name: String) -> Result<(Self, Identity)> {
        let io_error = |error: io::Error| cannot_read(&name, &error);
        let metadata = fs::metadata(path).map_err(io_error)?;
        if !metadata.is_file() {
            let kind = Kind::Stream(Mutex::new(Stream::Waiting(Some(path.to_owned()))));
            return Ok((Source { name, kind }, Identity::of(&metadata)));
        }
        let opened = File::open(path).map_err(io_error)?;
        let metadata = opened.metadata().map_err(io_error)?;
        let identity = Identity::of(&metadata);
        let file = RegularFile {
            path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
            identity,
            size: metadata.len(),
            compression: compression::detect(&name, Box::new(opened))?,
        };
        Ok((Source { name, kind: Kind::File(file) }, identity))
    }

    /// The plain bytes of the whole source. A stream is given away: it can be opened once.
    pub(super) fn open(&self) -> Result<Ahead<Decoder>> {
        match &self.kind {
            Kind::File(file) => self.open_regular(file),
            Kind::Stream(stream) => {
                let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                self.open_stream(&mut stream)?;
                match std::mem::replace(&mut *stream, Stream::Taken) {
                    Stream::Open(opened) => Ok(*opened),
                    _ => Err(self.read_twice()),
                }
            }
        }
    }

    /// The file itself, for reading ranges of it. Use only where [`Source::plain_size`] is some.
    pub(super) fn open_file(&self) -> Result<File> {
        match &self.kind {
            Kind::File(file) => self.reopen(file),
            Kind::Stream(_) => Err(self.read_twice()),
        }
    }

    fn open_regular(&self, file: &RegularFile) -> Result<Ahead<Decoder>> {
        let opened = self.reopen(file)?;
        compression::open(&self.name, Box::new(io::Read::take(opened, file.size)))
    }

    /// Leaves the stream `Open` or `Taken`.
    fn open_stream(&self, stream: &mut Stream) -> Result<()> {
        let Stream::Waiting(path) = stream else { return Ok(()) };
        let opened = match path {
            Some(path) => File::open(path),
            None => stdin(),
        };
        *stream = Stream::Taken;
        let raw: Raw = Box::new(opened.map_err(|error| cannot_read(&self.name, &error))?);
        *stream = Stream::Open(Box::new(compression::open(&self.name, raw)?));
        Ok(())
    }

    /// Opens the file that was found, even if a log rotation has renamed it since. Files are not
    /// held open in between: there may be more logs than a process may have open.
    fn reopen(&self, file: &RegularFile) -> Result<File> {
        match open_if_same(&file.path, file.identity) {
            Ok(Some(opened)) => return Ok(opened),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cannot_read(&self.name, &error));
            }
            _ => {}
        }
        let folder = file.path.parent().unwrap_or(Path::new("."));
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.ino() == file.identity.inode)
            .find_map(|entry| open_if_same(&entry.path(), file.identity).ok().flatten())
            .ok_or_else(|| {
                let message = format!("{}: removed or replaced while it was read", self.name);
                Error::new(ErrorKind::Io, message)
                    .with_hint("a log rotation may have run at the same time: run again")
            })
    }

    #[cold]
    fn read_twice(&self) -> Error {
        Error::new(ErrorKind::Io, format!("{}: a stream can be read only once", self.name))
    }
}

fn open_if_same(path: &Path, identity: Identity) -> io::Result<Option<File>> {
    let opened = File::open(path)?;
    let same = Identity::of(&opened.metadata()?) == identity;
    Ok(same.then_some(opened))
}

/// Stdin as a file of its own: without the lock and the buffer of [`io::Stdin`].
fn stdin() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// An I/O error with a hint where there is one to give.
#[cold]
pub(super) fn cannot_read(name: &str, error: &io::Error) -> Error {
    let io_error = Error::io(name, error);
    if error.kind() == io::ErrorKind::PermissionDenied {
        return io_error.with_hint("logs of nginx are often for root and the group `adm` only");
    }
    io_error
}

/// The first lines of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Whole lines. The last one ends with `\n`, unless the source ends without one.
    pub bytes: Vec<u8>,
    /// Whether these are known to be all the lines of the source: it ended before the limits.
    pub complete: bool,
    /// What was odd about the source as far as it was looked at, without its name: it was cut short.
    pub warning: Option<String>,
}

impl Sample {
    /// The lines of the sample.
    pub fn lines(&self) -> Lines<'_> {
        Lines::new(&self.bytes)
    }
}

/// Looks at the first `max_lines` lines of a source, or as many of them as fit whole in `max_bytes`
/// (after decompression). The source is still read from its start afterwards, even if it is a pipe.
/// On a pipe this waits for that many lines or the end.
///
/// # Errors
/// Kind `Io` if the source cannot be read at all, kind `Input` if it is an archive or UTF-16.
/// A failure behind some whole lines is left to the reader of the source.
pub fn sample(source: &Source, max_lines: usize, max_bytes: usize) -> Result<Sample> {
    match &source.kind {
        Kind::File(file) => {
            look(&source.name, &mut source.open_regular(file)?, max_lines, max_bytes)
        }
        Kind::Stream(stream) => {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            source.open_stream(&mut stream)?;
            match &mut *stream {
                Stream::Open(opened) => look(&source.name, opened, max_lines, max_bytes),
                _ => Err(source.read_twice()),
            }
        }
    }
}

fn look(
    name: &str,
    opened: &mut Ahead<Decoder>,
    max_lines: usize,
    max_bytes: usize,
) -> Result<Sample> {
    let (mut lines, mut seen) = (0, 0);
    // Each byte is looked at once, however small the pieces are in which a pipe gives them.
    let length = opened
        .look(|held| {
            lines += memchr::memchr_iter(b'\n', &held[seen..]).count();
            seen = held.len();
            lines >= max_lines || seen > max_bytes
        })
        .len();
    let nothing_follows = opened.nothing_follows();
    let held = opened.look(|_| true);
    let fitting = &held[..length.min(max_bytes)];
    let mut end = memchr::memchr_iter(b'\n', fitting).take(max_lines).last().map_or(0, |at| at + 1);
    let last_line = max_lines > 0 && lines < max_lines && nothing_follows && length <= max_bytes;
    if last_line {
        end = length;
    }
    let (bytes, complete) = (fitting[..end].to_vec(), nothing_follows && end == length);
    match opened.failure() {
        Some(error) if bytes.is_empty() => Err(opened.get_ref().explain(name, error)),
        _ => {
            let warning = opened.get_ref().warning().map(str::to_owned);
            Ok(Sample { bytes, complete, warning })
        }
    }
}

#[cfg(test)]
mod tests;
