//! Where a followed file has been read to, in a form that outlives the process.
//!
//! A file is known by its device and inode number, and by how it begins: an inode number is used
//! again after a file is deleted, and a rotated log that was compressed or copied has a new one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Piece;

/// How many bytes of a file's beginning tell it from others: some lines with their times.
pub(super) const HEAD: usize = 1024;

/// How many finished files of a log are remembered: more are not rotated within one grace time.
const MOST_FINISHED: usize = 8;

/// How many logs with finished files are remembered: names with dates are never used again.
const MOST_LOGS: usize = 16_384;

/// How a file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes it is made of: those that were there, up to 1024. With 0 it says nothing.
    pub length: u32,
    /// Their FNV-1a hash, 64 bits.
    pub hash: u64,
}

impl Fingerprint {
    /// Of the first bytes of a file (plain, if it is compressed).
    pub(super) fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(HEAD)];
        let hash = head.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Fingerprint { length: u32::try_from(head.len()).unwrap_or_default(), hash }
    }

    /// Whether a file that begins with `head` (1024 bytes or all there are) begins like this. Never
    /// for the empty fingerprint.
    pub(super) fn fits(self, head: &[u8]) -> bool {
        let length = self.length as usize;
        length > 0 && head.get(..length).is_some_and(|head| Fingerprint::of(head) == self)
    }
}

/// How far a file has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The log's name, absolute: where nginx writes it, not where rotation has moved it. Bytes, as
    /// file names need not be UTF-8.
    pub path: Vec<u8>,
    /// The device number of the file; 0 with inode 0 if the log did not exist yet.
    pub device: u64,
    /// The inode number of the file.
    pub inode: u64,
    /// How the file begins.
    pub fingerprint: Fingerprint,
    /// Plain bytes read. A line begins here, unless one that is too long is being passed over.
    pub offset: u64,
    /// When the file, or, while it is empty, any rotated file of the log was last written, as last
    /// seen, in nanoseconds since 1970. Rotated files written later are newer.
    pub modified: i64,
    /// Whether nothing more was expected: the file was rotated away and quiet.
    pub finished: bool,
}

impl Position {
    /// The log's name.
    pub fn path(&self) -> PathBuf {
        Path::new(OsStr::from_bytes(&self.path)).to_owned()
    }
}

/// The positions behind the pieces that someone has dealt with: what to write to disk, together with
/// what was made of the pieces.
///
/// Every thread that takes pieces keeps its own, so that its positions and its counts are of the
/// same pieces at any moment. All pieces of a log must go to the same thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Positions {
    open: BTreeMap<u64, Position>,
    /// The last finished files of each log, the newest last. They tell which rotated files are newer,
    /// while the next one is still empty or an older one is still written to.
    finished: BTreeMap<Vec<u8>, Vec<Position>>,
}

impl Positions {
    /// Notes that a piece has been dealt with.
    pub fn note(&mut self, piece: &Piece<'_>) {
        if piece.position.finished {
            self.open.remove(&piece.file);
            self.make_room(&piece.position.path);
            let last = self.finished.entry(piece.position.path.clone()).or_default();
            let key = |position: &Position| (position.inode, position.fingerprint);
            last.retain(|position| key(position) != key(&piece.position));
            last.push(piece.position.clone());
            if last.len() > MOST_FINISHED {
                // Nothing was read of an empty one that could be read again.
                let is_empty = |position: &Position| position.fingerprint.length == 0;
                last.remove(last.iter().position(is_empty).unwrap_or(0));
            }
        } else {
            self.open.insert(piece.file, piece.position.clone());
        }
    }

    /// Forgets the log that was written to the longest ago, if there are too many to remember one more.
    fn make_room(&mut self, path: &[u8]) {
        if self.finished.len() < MOST_LOGS || self.finished.contains_key(path) {
            return;
        }
        let written =
            |(_, all): &(&Vec<u8>, &Vec<Position>)| all.iter().map(|one| one.modified).max();
        let oldest = self.finished.iter().min_by_key(written).map(|(path, _)| path.clone());
        oldest.and_then(|path| self.finished.remove(&path));
    }

    /// The last finished ones of a log.
    pub(super) fn finished(&self, path: &[u8]) -> &[Position] {
        self.finished.get(path).map_or(&[], Vec::as_slice)
    }

    /// The last finished ones of all logs.
    pub(super) fn all_finished(&self) -> impl Iterator<Item = &Position> {
        self.finished.values().flatten()
    }

    /// All of them, for [`super::Follower::resume`].
    pub fn list(&self) -> Vec<Position> {
        self.finished.values().flatten().chain(self.open.values()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_fits_what_begins_like_it() {
        let of_abc = Fingerprint::of(b"abc");
        for (head, fits) in [(&b"abc"[..], true), (b"abcd", true), (b"ab", false), (b"abd", false)]
        {
            assert_eq!(of_abc.fits(head), fits, "{head:?}");
        }
        assert!(!Fingerprint::of(b"").fits(b"abc"));
        assert_eq!(Fingerprint::of(&[7; 5000]), Fingerprint::of(&[7; HEAD]));
    }

    #[test]
    fn the_hash_stays_the_same_for_ever() {
        // FNV-1a test vector: state files outlive versions.
        assert_eq!(Fingerprint::of(b"foobar").hash, 0x8594_4171_f739_67e8);
    }
}
