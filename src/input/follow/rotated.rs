//! The files that rotation made of a log, and which of them hold what was not read yet.
//!
//! logrotate names them `access.log.1`, `access.log.2.gz` or, with `dateext`, `access.log-20260101`,
//! beside the log. With its `olddir` they are elsewhere and are not found.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::open::{Head, head_of, modified, open_regular};
use super::position::{Fingerprint, Position};
use crate::error::{Error, ErrorKind, Result};
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
    opened: Option<Result<(File, Head)>>,
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
            path,
        })
    }

    /// How it begins.
    ///
    /// # Errors
    /// Kind `Io` if it can't be opened now, kind `Input` if it is no log.
    pub(super) fn open(&mut self) -> Result<&Head> {
        if self.opened.is_none() {
            self.opened = Some(self.try_to_open());
        }
        match &self.opened {
            Some(Ok((_, head))) => Ok(head),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::new(ErrorKind::Io, self.name.clone())),
        }
    }

    fn try_to_open(&mut self) -> Result<(File, Head)> {
        let (file, metadata) = open_regular(&self.path, &self.name)?;
        let identity = Identity::of(&metadata);
        if self.is_log {
            (self.identity, self.size) = (identity, metadata.len());
        } else if identity != self.identity {
            return Err(Error::io(&self.name, &io::ErrorKind::NotFound.into()));
        }
        let head = head_of(&self.name, &file)?;
        Ok((file, head))
    }

    /// The file. None if it can't be read or is no log.
    pub(super) fn into_file(mut self) -> Option<File> {
        self.open().ok()?;
        self.opened?.ok().map(|(file, _)| file)
    }

    /// Whether it can't be told what it holds.
    fn is_closed(&mut self) -> bool {
        self.open().is_err_and(|error| error.kind() == ErrorKind::Io)
    }

    /// Whether it holds what was read to that position.
    pub(super) fn begins_like(&mut self, position: &Position) -> bool {
        // A log that is shorter than what was read of it was truncated and written again.
        let too_short = self.is_log && self.size < position.offset;
        !too_short && self.open().is_ok_and(|head| position.fingerprint.fits(&head.bytes))
    }

    /// Whether it is the very file that was read to that position.
    pub(super) fn is(&mut self, position: &Position) -> bool {
        self.has_number_of(position) && self.begins_like(position)
    }

    fn has_number_of(&self, position: &Position) -> bool {
        (self.identity.device, self.identity.inode) == (position.device, position.inode)
    }

    /// Whether it may be that unfinished file as far as can be told: nothing was known of it but its
    /// number, or it can't be opened.
    fn may_be(&mut self, position: &Position) -> bool {
        // Of a finished file the number may be in use again, as may that of one that is compressed now.
        if position.finished || !self.has_number_of(position) {
            return false;
        }
        let is_unknown = position.fingerprint.length == 0;
        self.is_closed() || is_unknown && self.open().is_ok_and(|head| head.is_plain)
    }

    /// The position at its start, for the log at `path`.
    pub(super) fn beginning(&mut self, path: &[u8]) -> Position {
        let fingerprint = self.open().map(|head| Fingerprint::of(&head.bytes)).unwrap_or_default();
        Position {
            path: path.to_vec(),
            device: self.identity.device,
            inode: self.identity.inode,
            fingerprint,
            offset: 0,
            modified: self.modified,
            finished: false,
        }
    }
}

/// A tail that rotation gives a name: `.1`, `-20260101`, `-2026-01-01_12:00`, without compression.
fn is_tail(tail: &[u8]) -> bool {
    matches!(tail.first(), Some(b'.' | b'-' | b'_'))
        && tail.iter().any(u8::is_ascii_digit)
        && tail.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b':' | b'T'))
}

/// A tail before the extension, as logrotate's `extension .log` gives it: `access.1.log`,
/// `access-20260101.log`. Logs of their own are named `shop-2.log`, so it must be a date or `.1`.
fn is_inner_tail(tail: &[u8]) -> bool {
    let digits = tail.iter().filter(|b| b.is_ascii_digit()).count();
    let is_number = tail.first() == Some(&b'.') && digits <= 3 && digits == tail.len() - 1;
    is_tail(tail) && (is_number || digits >= 8)
}

fn without_compression(name: &[u8]) -> &[u8] {
    let ends: [&[u8]; 4] = [b".gz", b".zst", b".bz2", b".xz"];
    ends.iter().find_map(|end| name.strip_suffix(*end)).unwrap_or(name)
}

/// `access.log` is `access` and `.log`. The extension is empty where there is none.
fn split_extension(name: &[u8]) -> (&[u8], &[u8]) {
    let at = name.iter().rposition(|b| *b == b'.').filter(|at| *at > 0);
    let at = at.filter(|at| name[at + 1..].iter().any(u8::is_ascii_alphabetic));
    name.split_at(at.unwrap_or(name.len()))
}

/// The names of logs that rotation may have made this name of.
pub(super) fn logs_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let name = without_compression(name);
    let (stem, extension) = split_extension(name);
    let inner = bases(stem, is_inner_tail).filter(|_| !extension.is_empty());
    let folder = path.parent().unwrap_or(Path::new(""));
    bases(name, is_tail)
        .map(<[u8]>::to_vec)
        .chain(inner.map(move |base| [base, extension].concat()))
        .map(|base| folder.join(OsStr::from_bytes(&base)))
}

/// What is left of a name without each tail that it may have.
fn bases(name: &[u8], is_tail: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &[u8]> {
    (1..name.len())
        .rev()
        .take_while(|at| !name[*at].is_ascii_alphabetic() || name[*at] == b'T')
        .filter(move |at| is_tail(&name[*at..]))
        .map(|at| &name[..at])
}

/// The tail that rotation put to the name of a log, if it did.
fn tail_of<'n>(name: &'n [u8], base: &[u8]) -> Option<&'n [u8]> {
    let name = without_compression(name);
    let outer = name.strip_prefix(base).filter(|tail| is_tail(tail));
    outer.or_else(|| {
        let (stem, extension) = split_extension(base);
        let tail = name.strip_prefix(stem)?.strip_suffix(extension)?;
        (!extension.is_empty() && is_inner_tail(tail)).then_some(tail)
    })
}

/// The names in folders, sorted. Each folder is read once.
#[derive(Debug, Default)]
pub(super) struct Folders(BTreeMap<PathBuf, Vec<OsString>>);

impl Folders {
    fn names(&mut self, folder: &Path, prefix: &[u8]) -> &[OsString] {
        let names = self.0.entry(folder.to_owned()).or_insert_with(|| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<OsString> = entries.map(|entry| entry.file_name()).collect();
            names.sort();
            names
        });
        let from = names.partition_point(|name| name.as_bytes() < prefix);
        let many = names[from..].partition_point(|name| name.as_bytes().starts_with(prefix));
        &names[from..from + many]
    }
}

/// What rotation made of `log`, the oldest first. Where a file lies there both plain and compressed,
/// compression is still at work or was interrupted: the plain one counts.
pub(super) fn rotated(log: &Path, folders: &mut Folders) -> Vec<Candidate> {
    let base = log.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let folder = match log.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut by_stem: BTreeMap<&[u8], (&[u8], PathBuf)> = BTreeMap::new();
    for name in folders.names(folder, split_extension(base).0) {
        let Some(tail) = tail_of(name.as_bytes(), base) else { continue };
        let stem = without_compression(name.as_bytes());
        let plain = stem.len() == name.len();
        if plain || !by_stem.contains_key(stem) {
            by_stem.insert(stem, (tail, folder.join(name)));
        }
    }
    let found = by_stem.into_values().filter_map(|(tail, path)| {
        Candidate::at(path, false).map(|candidate| (tail.to_vec(), candidate))
    });
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

/// What is known of a file of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is to be read on, and to be found first.
    Waiting,
    Open,
    Finished,
}

/// What holds lines not read yet.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// The files to read on in, the oldest first, each with the number of the position that belongs to
    /// it; without one it is to be read whole.
    pub(super) files: Vec<(Candidate, Option<usize>)>,
    /// The numbers of the positions for which there is certainly no file.
    pub(super) lost: Vec<usize>,
}

/// Whether a candidate is the file of a position.
type Rule<'r> = dyn Fn(Known, &mut Candidate, &Position) -> bool + 'r;

/// Finds the files that `positions` of one log belong to, and those that are newer. Of two positions in
/// the same file the first counts. `candidates` are in order, the oldest first, the log itself (if it is
/// among them) last.
pub(super) fn unread(positions: &[(Known, Position)], mut candidates: Vec<Candidate>) -> Unread {
    let mut matched: Vec<Option<usize>> = vec![None; candidates.len()];
    let same = |_, candidate: &mut Candidate, position: &Position| candidate.is(position);
    // A copy, or the same file compressed. What begins like a log is not read as its successor.
    let alike = |known, candidate: &mut Candidate, position: &Position| {
        (!candidate.is_log || known == Known::Waiting) && candidate.begins_like(position)
    };
    let maybe = |_, candidate: &mut Candidate, position: &Position| candidate.may_be(position);
    // What is certain first.
    for rule in [&same as &Rule<'_>, &alike, &maybe] {
        for (index, (known, position)) in positions.iter().enumerate() {
            if matched.contains(&Some(index)) {
                continue;
            }
            let found = candidates.iter_mut().zip(&matched).rposition(|(candidate, taken)| {
                taken.is_none() && rule(*known, candidate, position)
            });
            if let Some(at) = found {
                matched[at] = Some(index);
            }
        }
    }
    let lost = (0..positions.len()).filter(|index| {
        let position = &positions[*index].1;
        !matched.contains(&Some(*index))
            && !candidates.iter_mut().zip(&matched).any(|(candidate, taken)| {
                // It may be in what can't be opened.
                taken.is_none() && candidate.modified >= position.modified && candidate.is_closed()
            })
    });
    let lost: Vec<usize> = lost.collect();
    // A file that was empty may have been filled, copied and cut: it tells nothing of the copies.
    let tells =
        |index: &Option<usize>| index.is_some_and(|at| positions[at].1.fingerprint.length > 0);
    let newest_known = matched.iter().rposition(tells);
    let last_write = positions.iter().map(|(_, position)| position.modified).max();
    // A file that was empty may have been filled and compressed: nothing but its time tells it. So what was finished long
    // ago, was forgotten, and is written anew meanwhile is read again.
    let filled = positions.iter().enumerate().filter(|(index, (known, position))| {
        let was_empty = position.fingerprint.length == 0 && position.offset == 0;
        *known == Known::Waiting && was_empty && !matched.contains(&Some(*index))
    });
    let filled = filled.map(|(_, (_, position))| position.modified).min();
    let is_newer = |at: usize, candidate: &Candidate| {
        let is_after = |written: Option<i64>| written.is_some_and(|at| candidate.modified > at);
        is_after(filled) || newest_known.map_or_else(|| is_after(last_write), |known| at > known)
    };
    let mut files = Vec::new();
    for (at, candidate) in candidates.into_iter().enumerate() {
        if matched[at].is_some() || candidate.is_log || is_newer(at, &candidate) {
            files.push((candidate, matched[at]));
        }
    }
    Unread { files, lost }
}

/// The time of the newest write to a rotated file of `log`, for a log that does not exist yet.
pub(super) fn last_write(log: &Path, folders: &mut Folders) -> i64 {
    let rotated = rotated(log, folders);
    rotated.iter().map(|candidate| candidate.modified).max().unwrap_or(i64::MIN)
}
