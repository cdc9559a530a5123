//! Growing logs: reads on where the last look ended, through every kind of rotation.
//!
//! A file is followed by what it is (device, inode and how it begins), never by its name. nginx's
//! workers write to a renamed log until the master has told them to reopen it (`USR1`), so the old
//! file is read on until it is quiet. The rules, for each log:
//!
//! - *Renamed and created anew*: both files are followed. The old one is given up when a newer one has
//!   lines and nothing was written to the old one for the grace time.
//! - *`copytruncate`*: the file is shorter than what was read, or begins otherwise. What was not read
//!   before the cut is looked for in the copy; what nginx wrote between the copy and the cut is lost by
//!   `copytruncate` itself.
//! - *Rotated more than once between two looks, or while nobody looked*: rotated files beside the log
//!   are searched for the one that was being read, by inode, then by how it begins (compressed ones
//!   too); all newer ones are read whole.
//! - *Deleted and created anew with the same inode number*: told by how it begins.
//!
//! Two rules hold everywhere. Before a file is read from its start it is looked up whether it was read
//! before, under whatever name: then it is read on. And a position that leads to no file yet, or to one
//! that can't be opened now, waits; it is over only when there is certainly no file for it.
//!
//! Nothing here waits, sleeps, or asks for the time: the caller calls [`Follower::poll`] now and then and
//! says what time it is.

mod catch_up;
mod file;
mod log;
mod notice;
mod open;
mod position;
mod rotated;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use notice::Notice;
pub use position::{Fingerprint, Position, Positions};

use super::MAX_LINE;

use super::source::Identity;
use crate::error::{Error, Result};
use catch_up::Waiting;
use log::Log;
use rotated::Folders;

/// After what time without the name a log is said to be gone, in milliseconds: nginx makes a new file
/// a moment after the rename.
const GONE_AFTER_MS: u64 = 5_000;
/// How many grace times an old file is kept open for while its successor is empty.
const PATIENCE: u64 = 60;

/// How logs are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Read the files that are there at the start from their beginning, not from their end.
    pub from_beginning: bool,
    /// How long nothing must have been written to a rotated file before it is given up, in
    /// milliseconds.
    pub grace_ms: u64,
    /// The most files open at a time, at least 1. Of more logs the first ones by name are followed. While
    /// there are more, rotated files that are read to their end are given up after 5 s.
    pub max_open: usize,
}

impl Default for Options {
    /// From the end, 60 s, 1,024 files.
    fn default() -> Self {
        Options { from_beginning: false, grace_ms: 60_000, max_open: 1_024 }
    }
}

/// Some lines of a followed file, and how far it has been read with them.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// The log: the same number for all files that rotation makes of it. Pieces of a log must be
    /// dealt with in order.
    pub log: usize,
    /// The log's name as the user gave it, with control characters escaped.
    pub name: &'a str,
    /// The file, never used for another one in this run.
    pub file: u64,
    /// Whole lines. The last one ends with `\n`, except the last line of a finished file. Empty when
    /// only the position is news: each file tells where it begins, and that it is finished.
    pub bytes: &'a [u8],
    /// Lines skipped before these because they are longer than [`MAX_LINE`].
    pub too_long: u64,
    /// Where the file has been read to with this piece.
    pub position: Position,
}

/// What one [`Follower::poll`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// More is there to be read: poll again at once.
    pub more: bool,
    /// Bytes in all files behind what was handed out; of compressed files they are not known.
    pub lag: u64,
    /// What happened, in order.
    pub notices: Vec<Notice>,
}

/// Takes what a follower reads.
pub type Sink<'s> = dyn FnMut(Piece<'_>) + 's;

/// Follows any number of logs.
#[derive(Debug)]
pub struct Follower {
    args: Vec<String>,
    options: Options,
    logs: BTreeMap<usize, Log>,
    by_path: BTreeMap<PathBuf, usize>,
    /// The logs that the open files belong to.
    owners: BTreeMap<Identity, usize>,
    /// Where logs go on as soon as they can.
    waiting: BTreeMap<usize, Vec<Waiting>>,
    /// The names of all logs, also of those let go: what rotation made of them is no log.
    known: BTreeSet<PathBuf>,
    /// What is in folders, while many logs are opened.
    folders: Option<Folders>,
    /// What logs wait for is to be looked for at the next poll.
    looks_for_waiting: bool,
    /// Some files could not be followed, as too many are open.
    short: bool,
    /// How many logs were said not to be followed.
    told_held_back: usize,
    /// Holds the longest line with its newline.
    buffer: Vec<u8>,
    next_file: u64,
    next_log: usize,
    /// Whose turn it is.
    turn: usize,
    told: Positions,
    notices: Vec<Notice>,
    /// What was wrong with the arguments at the last scan: said once.
    scan_errors: Vec<Error>,
}

impl Follower {
    /// Follows what `args` name, as for [`super::discover()`] without stdin: files (also those that do
    /// not exist yet), folders, patterns. Files that rotation makes of a log in sight
    /// (`access.log.1`) are not logs of their own, unless named by themselves. Files that are there
    /// now are read from their end (see [`Options::from_beginning`]), later ones from their start.
    ///
    /// # Errors
    /// Kind `Usage` for stdin, kind `Syntax` for a malformed pattern. Files that can't be followed
    /// are told by the next poll.
    pub fn new(args: &[String], options: Options, now_ms: u64) -> Result<Self> {
        Follower::resume(args, options, &[], now_ms)
    }

    /// The same, going on where an earlier run ended: from `positions`, as [`Positions::list`] gave
    /// them. What was rotated away since then is read first. Where an argument led to a log with a
    /// position, its logs without one are new and read from their start.
    ///
    /// Poll once (a budget of 0 will do) before positions are saved again from pieces: that tells
    /// where the files are resumed.
    ///
    /// # Errors
    /// As [`Follower::new`].
    pub fn resume(
        args: &[String],
        options: Options,
        positions: &[Position],
        now_ms: u64,
    ) -> Result<Self> {
        let mut follower = Follower {
            args: args.to_vec(),
            options,
            logs: BTreeMap::new(),
            by_path: BTreeMap::new(),
            owners: BTreeMap::new(),
            buffer: vec![0; MAX_LINE + 1],
            next_file: 1,
            next_log: 0,
            turn: 0,
            waiting: BTreeMap::new(),
            known: BTreeSet::new(),
            folders: None,
            looks_for_waiting: false,
            short: false,
            told_held_back: 0,
            told: Positions::default(),
            notices: Vec::new(),
            scan_errors: Vec::new(),
        };
        let mut by_path: BTreeMap<PathBuf, Vec<&Position>> = BTreeMap::new();
        for position in positions {
            by_path.entry(position.path()).or_default().push(position);
        }
        let earlier: BTreeSet<PathBuf> = by_path.keys().cloned().collect();
        for logs in follower.scan(&earlier)? {
            let seen_before = logs.iter().any(|log| earlier.contains(&log.path));
            let at_end = !seen_before && !follower.options.from_beginning;
            for log in logs {
                let known = by_path.remove(&log.path).unwrap_or_default();
                follower.add(log, &known, at_end);
            }
        }
        follower.folders = Some(Folders::default());
        let ids: Vec<usize> = follower.logs.keys().copied().collect();
        // All that is known comes before anything is read whole.
        follower.look_for_waiting(now_ms);
        follower.folders = Some(Folders::default());
        for &id in &ids {
            follower.look_at_name(id, now_ms);
        }
        follower.folders = None;
        for &id in &ids {
            follower.conclude(id);
        }
        follower.tell_held_back();
        for log in follower.logs.values() {
            log.note_beginnings(&mut follower.told);
        }
        Ok(follower)
    }

    /// Reads what is there now and hands it out, until `budget` bytes are read (it may be up to one
    /// longest line more) or nothing is left. Logs take turns of one read each; within a log the
    /// oldest file goes first. Never blocks but in `sink`.
    ///
    /// `now_ms` is any clock in milliseconds that does not go back.
    pub fn poll(&mut self, budget: usize, now_ms: u64, sink: &mut Sink<'_>) -> Progress {
        let mut progress = Progress::default();
        let ids: Vec<usize> = self.logs.keys().copied().collect();
        for &id in &ids {
            // First the files: a truncated one must be known as such when its name leads elsewhere.
            self.look_at_files(id, now_ms);
        }
        if std::mem::take(&mut self.looks_for_waiting) {
            self.look_for_waiting(now_ms);
        }
        for &id in &ids {
            self.look_at_name(id, now_ms);
            self.announce(id, sink);
        }
        let budget = budget as u64;
        let mut idle = 0;
        while progress.bytes < budget && idle < ids.len() {
            let id = self.next_turn();
            let read = self.read_once(id, sink);
            progress.bytes += read;
            idle = if read > 0 { 0 } else { idle + 1 };
        }
        let led: BTreeSet<Identity> = self.logs.values().filter_map(|log| log.leads_to).collect();
        for &id in &ids {
            self.give_up(id, &led, now_ms, sink);
        }
        let files = || self.logs.values().flat_map(|log| &log.files);
        progress.more = files().any(|file| file.has_more() && !file.failing);
        progress.lag = files().map(file::Followed::lag).sum();
        progress.notices = std::mem::take(&mut self.notices);
        progress
    }

    /// The positions behind everything handed out so far.
    pub fn positions(&self) -> Vec<Position> {
        self.told.list()
    }

    /// Bytes behind what was handed out, by the log's name as the user gave it; of compressed files they are not known.
    pub fn lags(&self) -> impl Iterator<Item = (&str, u64)> {
        let lag = |log: &Log| log.files.iter().map(file::Followed::lag).sum();
        self.logs.values().map(move |log| (log.name.as_str(), lag(log)))
    }

    /// How many logs are not followed now, because too many files are open.
    pub fn held_back(&self) -> usize {
        self.logs.values().filter(|log| log.is_held_back).count()
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.owners.len()
    }

    fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    fn next_turn(&mut self) -> usize {
        let next = self.logs.range(self.turn..).next().or_else(|| self.logs.iter().next());
        let id = next.map_or(0, |(id, _)| *id);
        self.turn = id + 1;
        id
    }

    #[cfg(test)]
    fn set_max_line(&mut self, max_line: usize) {
        self.buffer = vec![0; max_line + 1];
    }
}

#[cfg(test)]
mod tests;
