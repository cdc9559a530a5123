//! Standard input and named pipes, read as lines come: not block by block, as a line must be counted within a second.

use super::MAX_LINE;
use crate::error::{Error, ErrorKind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Bytes that are read at once: what a pipe holds by default, several times.
const READ: usize = 256 << 10;

/// A pipe whose lines are read as they come.
#[derive(Debug)]
pub struct Stream {
    name: String,
    file: OwnedFd,
    /// A named pipe is opened by one writer after the other; standard input ends with its writer.
    is_named: bool,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
    /// That line is too long already, and is being skipped.
    skips: bool,
}

impl Stream {
    /// Standard input.
    ///
    /// # Errors
    /// Kind `Io` if it is closed.
    pub fn stdin() -> Result<Self> {
        let file = rustix::io::dup(rustix::stdio::stdin());
        let file = file.map_err(|error| Error::io("stdin", &error.into()))?;
        Ok(Stream::of("stdin", file, false))
    }

    /// A named pipe.
    ///
    /// # Errors
    /// Kind `Io` if it can't be opened, kind `Usage` if it is something else.
    pub fn named(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |errno: Errno| Error::io(&name, &io::Error::from(errno));
        // Without waiting for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(failed)?.st_mode);
        if kind != FileType::Fifo {
            let message = format!("{name}: expected a named pipe, found something else");
            return Err(Error::new(ErrorKind::Usage, message));
        }
        Ok(Stream::of(&name, file, true))
    }

    fn of(name: &str, file: OwnedFd, is_named: bool) -> Self {
        Stream { name: name.to_owned(), file, is_named, rest: Vec::new(), skips: false }
    }

    /// What to call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits up to `wait` for bytes, and hands out the whole lines among them, with how many lines before were skipped
    /// because they are longer than [`MAX_LINE`]. The last line of a writer may lack its end. False: it has ended.
    ///
    /// # Errors
    /// Kind `Io` if reading fails: it has ended.
    pub fn read(&mut self, wait: Duration, sink: &mut dyn FnMut(&[u8], u64)) -> Result<bool> {
        let timeout = Timespec::try_from(wait).ok();
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        let ready = poll(&mut fds, timeout.as_ref()).unwrap_or(0);
        let events = fds[0].revents();
        if ready == 0 {
            return Ok(true);
        }
        if !events.contains(PollFlags::IN) && self.is_named {
            // No writer: another one may come, whose first line is not the end of this one's last.
            self.end(sink);
            std::thread::sleep(wait);
            return Ok(true);
        }
        let from = self.rest.len();
        self.rest.resize(from + READ, 0);
        let read = rustix::io::read(&self.file, &mut self.rest[from..]);
        self.rest.truncate(from + read.unwrap_or(0));
        match read {
            Err(Errno::INTR | Errno::AGAIN) => Ok(true),
            Ok(0) if self.is_named => {
                self.end(sink);
                std::thread::sleep(wait);
                Ok(true)
            }
            Ok(0) => {
                self.end(sink);
                Ok(false)
            }
            Err(errno) => {
                self.end(sink);
                Err(Error::io(&self.name, &errno.into()))
            }
            Ok(_) => {
                self.hand_out(from, sink);
                Ok(true)
            }
        }
    }

    fn hand_out(&mut self, from: usize, sink: &mut dyn FnMut(&[u8], u64)) {
        let Some(end) = memchr::memrchr(b'\n', &self.rest[from..]).map(|at| from + at + 1) else {
            if self.rest.len() > MAX_LINE {
                self.rest.clear();
                self.skips = true;
            }
            return;
        };
        let mut lines = &self.rest[..end];
        let mut skipped = 0;
        if self.skips {
            let line = memchr::memchr(b'\n', lines).map_or(end, |at| at + 1);
            lines = &lines[line..];
            (self.skips, skipped) = (false, 1);
        }
        sink(lines, skipped);
        self.rest.drain(..end);
    }

    /// What is left is a line whose end never came.
    fn end(&mut self, sink: &mut dyn FnMut(&[u8], u64)) {
        if self.skips || !self.rest.is_empty() {
            let rest: &[u8] = if self.skips { &[] } else { &self.rest };
            sink(rest, u64::from(self.skips));
        }
        self.rest.clear();
        self.skips = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A stream of what is written to the other end of a pipe.
    fn piped() -> (Stream, std::fs::File) {
        let (read, write) = rustix::pipe::pipe().unwrap();
        (Stream::of("test", read, false), std::fs::File::from(write))
    }

    fn all(stream: &mut Stream) -> (Vec<Vec<u8>>, u64, bool) {
        let (mut blocks, mut skipped) = (Vec::new(), 0);
        let mut goes_on = true;
        for _ in 0..100 {
            let mut some = false;
            let read = stream.read(Duration::ZERO, &mut |bytes, lines| {
                blocks.push(bytes.to_vec());
                skipped += lines;
                some = true;
            });
            goes_on = read.unwrap();
            if !goes_on {
                break;
            }
        }
        (blocks, skipped, goes_on)
    }

    #[test]
    fn lines_come_as_soon_as_they_end() {
        let (mut stream, mut write) = piped();
        write.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(all(&mut stream), (vec![b"one\ntwo\n".to_vec()], 0, true));
        write.write_all(b"ee\nfour").unwrap();
        assert_eq!(all(&mut stream), (vec![b"three\n".to_vec()], 0, true));
        drop(write);
        assert_eq!(all(&mut stream), (vec![b"four".to_vec()], 0, false));
    }

    #[test]
    fn the_last_line_of_one_writer_is_not_the_beginning_of_the_next_ones_first() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let mut stream = Stream::named(&path).unwrap();
        let mut got = Vec::new();
        for text in ["one\nha", "two\n"] {
            let mut write = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            write.write_all(text.as_bytes()).unwrap();
            drop(write);
            got.extend(all(&mut stream).0);
        }
        assert_eq!(got, [&b"one\n"[..], b"ha", b"two\n"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = std::fs::OpenOptions::new().read(true).open("/").unwrap();
        let mut stream = Stream::of("stdin", folder.into(), false);
        let error = stream.read(Duration::ZERO, &mut |_, _| {}).unwrap_err();
        assert!(error.message().starts_with("stdin: "), "{error}");
    }

    #[test]
    fn a_line_that_is_too_long_is_counted_and_takes_no_memory() {
        let (mut stream, mut write) = piped();
        let writer = std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                let long = vec![b'x'; 3 * MAX_LINE];
                write.write_all(&long).unwrap();
                write.write_all(b"\nnext\n").unwrap();
            });
            let (mut lines, mut skipped) = (Vec::new(), 0);
            while stream
                .read(Duration::from_secs(10), &mut |bytes, more| {
                    lines.extend_from_slice(bytes);
                    skipped += more;
                })
                .unwrap()
            {
                assert!(stream.rest.len() <= MAX_LINE + READ);
            }
            assert_eq!((&*lines, skipped), (&b"next\n"[..], 1));
            writer.join()
        });
        writer.unwrap();
    }
}
