//! The files that rotation made of a log, and which of them hold what was not read yet.
//!
//! logrotate names them `access.log.1`, `access.log.2.gz` or, with `dateext`, `access.log-20260101`,
//! beside the log. With its `olddir` they are elsewhere and are not found.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::open::{head_of, modified, open_regular};
use super::position::Position;
use crate::input::discover::printable;
use crate::input::source::Identity;

/// The most rotated files of one log that are looked at, the newest ones.
const MOST: usize = 400;

/// A file that may hold lines of a log.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// With control characters escaped.
    pub(super) name: String,
    pub(super) identity: Identity,
    pub(super) size: u64,
    modified: i64,
    /// Whether it has the log's own name.
    pub(super) is_log: bool,
    /// Opened once, so that renames make no difference; with its first plain bytes.
    opened: Option<(File, Vec<u8>)>,
    /// Whether opening it was tried.
    tried: bool,
}

impl Candidate {
    /// The file at `path`, if it is a regular one.
    pub(super) fn at(path: PathBuf, is_log: bool) -> Option<Self> {
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some(Candidate {
            name: printable(&path.to_string_lossy()),
            identity: Identity::of(&metadata),
            size: metadata.len(),
            modified: modified(&metadata),
            is_log,
            opened: None,
            tried: false,
            path,
        })
    }

    fn open(&mut self) -> Option<&(File, Vec<u8>)> {
        if !std::mem::replace(&mut self.tried, true) {
            self.opened = self.try_to_open();
        }
        self.opened.as_ref()
    }

    fn try_to_open(&self) -> Option<(File, Vec<u8>)> {
        let (file, metadata) = open_regular(&self.path, &self.name).ok()?;
        let head = head_of(&self.name, &file).ok()?;
        (Identity::of(&metadata) == self.identity).then_some((file, head))
    }

    /// The file, opened. None if it can't be read or is no log.
    pub(super) fn into_file(mut self) -> Option<File> {
        self.open()?;
        self.opened.map(|(file, _)| file)
    }

    /// Whether it holds what was read to that position.
    pub(super) fn begins_like(&mut self, position: &Position) -> bool {
        // A log that is shorter than what was read of it was truncated and written again.
        let too_short = self.is_log && self.size < position.offset;
        !too_short && self.open().is_some_and(|(_, head)| position.fingerprint.fits(head))
    }

    fn is(&mut self, position: &Position) -> bool {
        // Of a finished empty file there is only the number, which may be in use again.
        let is_unread = position.fingerprint.length == 0 && !position.finished;
        self.identity.device == position.device
            && self.identity.inode == position.inode
            && (self.begins_like(position) || is_unread)
    }
}

/// A tail that rotation gives a name: `.1`, `-20260101`, `-2026-01-01_12:00`, without compression.
fn is_tail(tail: &[u8]) -> bool {
    matches!(tail.first(), Some(b'.' | b'-' | b'_'))
        && tail.iter().any(u8::is_ascii_digit)
        && tail.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b':' | b'T'))
}

fn without_compression(name: &[u8]) -> &[u8] {
    let ends: [&[u8]; 4] = [b".gz", b".zst", b".bz2", b".xz"];
    ends.iter().find_map(|end| name.strip_suffix(*end)).unwrap_or(name)
}

/// The names of logs that rotation may have made this name of.
pub(super) fn logs_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let stem = without_compression(name);
    let folder = path.parent().unwrap_or(Path::new(""));
    (1..stem.len())
        .rev()
        .take_while(|at| !stem[*at].is_ascii_alphabetic() || stem[*at] == b'T')
        .filter(|at| is_tail(&stem[*at..]))
        .map(|at| folder.join(OsStr::from_bytes(&stem[..at])))
}

/// What rotation made of `log`, the oldest first. Where a file lies there both plain and compressed,
/// compression is still at work or was interrupted: the plain one counts.
pub(super) fn rotated(log: &Path) -> Vec<Candidate> {
    let base = log.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let folder = match log.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut by_tail: BTreeMap<Vec<u8>, PathBuf> = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(tail) = name.as_bytes().strip_prefix(base) else { continue };
        let stem = without_compression(tail);
        if !is_tail(stem) {
            continue;
        }
        let plain = stem == tail;
        let path = folder.join(&name);
        if plain || !by_tail.contains_key(stem) {
            by_tail.insert(stem.to_vec(), path);
        }
    }
    let found = by_tail.into_iter();
    let found =
        found.filter_map(|(tail, path)| Candidate::at(path, false).map(|found| (tail, found)));
    let sorted = oldest_first(found.collect());
    let skipped = sorted.len().saturating_sub(MOST);
    sorted.into_iter().skip(skipped).collect()
}

/// Numbers count up with age, dates count down; where names are of both kinds, the time of the last
/// write decides.
fn oldest_first(found: Vec<(Vec<u8>, Candidate)>) -> Vec<Candidate> {
    let mut found: Vec<(Option<u32>, Vec<u8>, Candidate)> = found
        .into_iter()
        .map(|(tail, candidate)| {
            let number = std::str::from_utf8(&tail[1..]).ok();
            let number = number.filter(|digits| digits.len() < 6).and_then(|n| n.parse().ok());
            let digits = tail.iter().copied().filter(u8::is_ascii_digit).collect();
            (number, digits, candidate)
        })
        .collect();
    if found.iter().all(|(number, ..)| number.is_some()) {
        found.sort_by_key(|(number, ..)| std::cmp::Reverse(*number));
    } else if found.iter().all(|(number, ..)| number.is_none()) {
        found.sort_by(|a, b| (&a.1, a.2.modified).cmp(&(&b.1, b.2.modified)));
    } else {
        found.sort_by_key(|(.., candidate)| candidate.modified);
    }
    found.into_iter().map(|(.., candidate)| candidate).collect()
}

/// What holds lines not read yet.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The files to read on in, the oldest first, each with the position that belongs to it; without
    /// one it is to be read whole.
    pub(super) files: Vec<(Candidate, Option<Position>)>,
    /// The positions for which there is no file.
    pub(super) lost: Vec<Position>,
}

/// Finds the files that `positions` of one log belong to, and those that are newer. `candidates` are
/// in order, the oldest first, the log itself (if it is among them) last.
pub(super) fn unread(positions: &[Position], mut candidates: Vec<Candidate>) -> Unread {
    let mut matched: Vec<Option<usize>> = vec![None; candidates.len()];
    let mut lost = Vec::new();
    // First by number, which is certain, then by how they begin.
    for by_number in [true, false] {
        for (index, position) in positions.iter().enumerate() {
            if matched.contains(&Some(index)) {
                continue;
            }
            let found = candidates.iter_mut().zip(&matched).rposition(|(candidate, taken)| {
                taken.is_none()
                    && if by_number {
                        candidate.is(position)
                    } else {
                        candidate.begins_like(position)
                    }
            });
            match found {
                Some(at) => matched[at] = Some(index),
                None if !by_number => lost.push(position.clone()),
                None => {}
            }
        }
    }
    // A file that was empty may have been filled, copied and cut: it tells nothing of the copies.
    let tells =
        |index: &Option<usize>| index.is_some_and(|at| positions[at].fingerprint.length > 0);
    let newest_known = matched.iter().rposition(tells);
    let last_write = positions.iter().map(|position| position.modified).max();
    let is_newer = |at: usize, candidate: &Candidate| match newest_known {
        Some(known) => at > known,
        None => last_write.is_some_and(|written| candidate.modified > written),
    };
    let mut files = Vec::new();
    for (at, candidate) in candidates.into_iter().enumerate() {
        match matched[at] {
            Some(index) => files.push((candidate, Some(positions[index].clone()))),
            None if candidate.is_log || is_newer(at, &candidate) => files.push((candidate, None)),
            None => {}
        }
    }
    Unread { files, lost }
}

/// The time of the newest write to a rotated file of `log`, for a log that does not exist yet.
pub(super) fn last_write(log: &Path) -> i64 {
    rotated(log).iter().map(|candidate| candidate.modified).max().unwrap_or(i64::MIN)
}
