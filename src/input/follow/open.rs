//! Opening files that are to be followed, and reading them without moving their cursors.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::position::HEAD;
use crate::error::{Error, ErrorKind, Result};
use crate::input::compression::{self, Compression};
use crate::input::source::cannot_read;

/// Opens a regular file and refuses all else. Never waits, as a FIFO put in its place would make it.
pub(super) fn open_regular(path: &Path, name: &str) -> Result<(File, Metadata)> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| cannot_read(name, &error))?;
    let metadata = file.metadata().map_err(|error| cannot_read(name, &error))?;
    if metadata.is_file() {
        return Ok((file, metadata));
    }
    Err(no_regular_file(name, &metadata))
}

#[cold]
pub(super) fn no_regular_file(name: &str, metadata: &Metadata) -> Error {
    let what = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" };
    Error::new(ErrorKind::Input, format!("{name}: expected a regular file to follow, found {what}"))
}

/// The time of the last write, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Reads until the buffer is full or the file ends.
pub(super) fn read_full_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(&mut buf[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// How a file begins.
#[derive(Debug)]
pub(super) struct Head {
    /// The first plain bytes, up to [`HEAD`].
    pub(super) bytes: Vec<u8>,
    /// Whether it is not compressed.
    pub(super) is_plain: bool,
}

/// Looks at the beginning of a file.
///
/// # Errors
/// Kind `Input` if it is no log, kind `Io` if it can't be read.
pub(super) fn head_of(name: &str, file: &File) -> Result<Head> {
    let mut bytes = vec![0; HEAD];
    let got = read_full_at(file, &mut bytes, 0).map_err(|error| cannot_read(name, &error))?;
    bytes.truncate(got);
    let compression = compression::detect(name, Box::new(io::Cursor::new(bytes.clone())))?;
    if compression == Compression::Plain {
        return Ok(Head { bytes, is_plain: true });
    }
    let file = file.try_clone().map_err(|error| cannot_read(name, &error))?;
    let mut stream = compression::open(name, Box::new(FromStart(file, 0)))?;
    let held = stream.look(|held| held.len() >= HEAD);
    Ok(Head { bytes: held[..held.len().min(HEAD)].to_vec(), is_plain: false })
}

/// Reads a file without moving its cursor: clones share it.
struct FromStart(File, u64);

impl Read for FromStart {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read_at(buf, self.1)?;
        self.1 += got as u64;
        Ok(got)
    }
}
