//! A reader that can look ahead and lose nothing.
//!
//! Two things are known only after reading some bytes: how a source is compressed, and what format
//! its lines have. A pipe cannot be read twice, so what was looked at stays here until it is taken.

use std::fmt;
use std::io::{self, BufRead, Read};

/// How many bytes one read asks for.
const STEP: usize = 64 << 10;

/// A reader with the bytes that were looked at but not taken yet.
pub(super) struct Ahead<R> {
    inner: R,
    /// `held[at..]` was read and not taken.
    held: Vec<u8>,
    at: usize,
    /// A failure met while looking ahead: it comes after the held bytes.
    failed: Option<io::Error>,
    ended: bool,
}

impl<R: Read> Ahead<R> {
    /// Nothing is read yet.
    pub(super) fn new(inner: R) -> Self {
        Ahead { inner, held: Vec::new(), at: 0, failed: None, ended: false }
    }

    /// Reads on until `enough` says so of the bytes held, or the input ends or fails; then shows
    /// the bytes held. A failure is kept for the reader who has taken them all.
    pub(super) fn look(&mut self, mut enough: impl FnMut(&[u8]) -> bool) -> &[u8] {
        while !enough(&self.held[self.at..]) && !self.ended && self.failed.is_none() {
            self.read_more();
        }
        &self.held[self.at..]
    }

    /// Whether the bytes held are all that will come.
    pub(super) fn nothing_follows(&self) -> bool {
        self.ended || self.failed.is_some()
    }

    /// The failure that waits behind the bytes held.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }

    /// The reader underneath.
    pub(super) fn get_ref(&self) -> &R {
        &self.inner
    }

    fn read_more(&mut self) {
        if self.at > 0 {
            self.held.drain(..self.at);
            self.at = 0;
        }
        let length = self.held.len();
        self.held.resize(length + STEP, 0);
        let got = read_retrying(&mut self.inner, &mut self.held[length..]);
        self.held.truncate(length + got.as_ref().map_or(0, |n| *n));
        match got {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) => self.failed = Some(error),
        }
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let held = &self.held[self.at..];
        if !held.is_empty() {
            let n = held.len().min(buf.len());
            buf[..n].copy_from_slice(&held[..n]);
            self.at += n;
            return Ok(n);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None if self.ended => Ok(0),
            None => self.inner.read(buf),
        }
    }
}

impl<R: Read> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.look(|held| !held.is_empty()).is_empty()
            && let Some(error) = self.failed.take()
        {
            return Err(error);
        }
        Ok(&self.held[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.held.len().min(self.at + amount);
    }
}

impl<R> fmt::Debug for Ahead<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ahead").field("held", &(self.held.len() - self.at)).finish_non_exhaustive()
    }
}

/// One read; a signal in between does not count as a failure.
pub(super) fn read_retrying(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes one at a time, then fails once, then ends.
    struct Dripping(Vec<u8>, bool);

    impl Read for Dripping {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return if std::mem::take(&mut self.1) {
                    Err(io::Error::from_raw_os_error(5))
                } else {
                    Ok(0)
                };
            }
            buf[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn what_was_looked_at_is_still_read() {
        let mut ahead = Ahead::new(Dripping(b"abcdef".to_vec(), false));
        assert_eq!(ahead.look(|held| held.len() >= 2), b"ab");
        assert_eq!(ahead.look(|held| held.len() >= 2), b"ab");
        assert_eq!(ahead.read(&mut [0]).unwrap(), 1);
        assert_eq!(ahead.look(|held| held.len() >= 2), b"bc");
        let mut rest = String::new();
        ahead.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "bcdef");
        assert!(ahead.fill_buf().unwrap().is_empty());
    }

    #[test]
    fn a_failure_comes_after_the_bytes_before_it() {
        let mut ahead = Ahead::new(Dripping(b"abc".to_vec(), true));
        assert_eq!(ahead.look(|_| false), b"abc");
        assert!(ahead.nothing_follows());
        assert!(ahead.failure().is_some());
        let mut got = Vec::new();
        assert_eq!(ahead.read_to_end(&mut got).unwrap_err().raw_os_error(), Some(5));
        assert_eq!(got, b"abc");
    }
}
