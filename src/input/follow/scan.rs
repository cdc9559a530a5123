//! Which logs there are: what the arguments lead to, what comes, and what is let go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::catch_up::Waiting;
use super::log::Log;
use super::rotated::{Folders, logs_of};
use super::{Fingerprint, Follower, Identity, Notice, Position, open};
use crate::error::{Error, ErrorKind, Result};
use crate::input::discover::{Candidate, expand, named_by};

impl Follower {
    /// Looks for new files in folders and for new matches of patterns, and for what could not be read so
    /// far: call it every few seconds. New files are read from their start.
    pub fn rescan(&mut self, now_ms: u64) {
        let found = self.scan(&BTreeSet::new()).unwrap_or_default();
        self.short = false;
        self.folders = Some(Folders::default());
        let mut there = BTreeSet::new();
        for log in found.into_iter().flatten() {
            there.insert(log.path.clone());
            if let Some(id) = self.add(log, &[], false) {
                self.look_at_name(id, now_ms);
            }
        }
        self.folders = None;
        self.looks_for_waiting = true;
        let is_over = |id: &usize, log: &Log| {
            log.is_over() && !there.contains(&log.path) && !self.waiting.contains_key(id)
        };
        let gone = self.logs.iter().filter(|(id, log)| is_over(id, log)).map(|(id, _)| *id);
        for id in gone.collect::<Vec<usize>>() {
            if let Some(log) = self.logs.remove(&id) {
                self.by_path.remove(&log.path);
                self.notices.push(Notice::LetGo(log.name));
            }
        }
        self.tell_held_back();
    }

    /// Says how many logs are not followed, when there are more of them.
    pub(super) fn tell_held_back(&mut self) {
        let mut held_back = self.logs.values().filter(|log| log.is_held_back);
        let first = held_back.next().map(|log| log.name.clone());
        let logs = usize::from(first.is_some()) + held_back.count();
        if let Some(name) = first.filter(|_| logs > self.told_held_back) {
            let limit = self.options.max_open;
            self.notices.push(Notice::TooMany { name, logs, limit });
        }
        self.told_held_back = logs;
    }

    /// The logs that the arguments lead to now, argument by argument, and those they led to `earlier`: in the
    /// middle of a rotation a log is not there.
    pub(super) fn scan(&mut self, earlier: &BTreeSet<PathBuf>) -> Result<Vec<Vec<Log>>> {
        let mut errors = Vec::new();
        let mut names: Vec<Vec<Log>> = Vec::new();
        for arg in &self.args {
            let mut found = Vec::new();
            expand(arg, &mut found, &mut errors);
            found.extend(named_by(arg, earlier));
            found.sort();
            let logs: Result<Vec<Log>> =
                found.into_iter().map(|candidate| named(candidate, arg)).collect();
            let mut logs = logs?;
            logs.dedup_by(|one, other| one.path == other.path);
            names.push(logs);
        }
        if let Some(error) = errors.iter().find(|error| error.kind() == ErrorKind::Syntax) {
            return Err(error.clone());
        }
        let fresh = errors.iter().filter(|error| !self.scan_errors.contains(error));
        self.notices.extend(fresh.cloned().map(Notice::CannotRead));
        self.scan_errors = errors;
        let paths = || names.iter().flatten().map(|log| &log.path);
        // Of a log that was let go only the name of what rotation made of it is still of use.
        let bases: BTreeSet<PathBuf> = paths().flat_map(|path| logs_of(path)).collect();
        self.known.retain(|path| self.by_path.contains_key(path) || bases.contains(path));
        self.known.extend(earlier.iter().filter(|path| bases.contains(*path)).cloned());
        let all: BTreeSet<&PathBuf> = self.known.iter().chain(paths()).collect();
        let is_rotated = |log: &Log| logs_of(&log.path).any(|base| all.contains(&base));
        let is_log = |log: &Log| {
            log.explicit
                || self.by_path.contains_key(&log.path)
                || earlier.contains(&log.path)
                || !is_rotated(log)
        };
        let keep: Vec<Vec<bool>> =
            names.iter().map(|logs| logs.iter().map(is_log).collect()).collect();
        for (logs, keep) in names.iter_mut().zip(keep) {
            let mut keep = keep.into_iter();
            logs.retain(|_| keep.next().unwrap_or(true));
        }
        Ok(names)
    }

    /// Takes a log in, with the positions known of it. Returns none if it is there already.
    pub(super) fn add(&mut self, log: Log, known: &[&Position], at_end: bool) -> Option<usize> {
        if self.by_path.contains_key(&log.path) {
            return None;
        }
        let id = self.next_log;
        self.next_log += 1;
        self.by_path.insert(log.path.clone(), id);
        self.known.insert(log.path.clone());
        let end = if at_end { end_of(&log) } else { None };
        self.logs.insert(id, log);
        for position in known.iter().copied().cloned().chain(end) {
            if position.finished {
                if let Some(log) = self.logs.get_mut(&id) {
                    self.told.note(&log.piece(id, 0, position.clone()));
                    log.untold.push((0, position));
                }
            } else {
                let number = self.new_file();
                self.wait(id, Waiting { number, position, matters: true, missed: false });
            }
        }
        Some(id)
    }
}

/// The log that an argument led to.
fn named(candidate: Candidate, arg: &str) -> Result<Log> {
    let Some(path) = candidate.path else {
        let message = format!("{}: expected files to follow, found stdin", candidate.name);
        return Err(Error::new(ErrorKind::Usage, message));
    };
    let explicit = path == Path::new(arg);
    let path = std::path::absolute(&path).unwrap_or(path);
    Ok(Log::new(path, candidate.name, explicit))
}

/// Where a file ends now that is to be read from there.
fn end_of(log: &Log) -> Option<Position> {
    let metadata = std::fs::metadata(&log.path).ok().filter(std::fs::Metadata::is_file)?;
    let Identity { device, inode } = Identity::of(&metadata);
    Some(Position {
        path: log.path_bytes().to_vec(),
        device,
        inode,
        fingerprint: Fingerprint::default(),
        offset: metadata.len(),
        modified: open::modified(&metadata),
        finished: false,
    })
}
