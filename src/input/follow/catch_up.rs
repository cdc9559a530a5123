//! Reading what was missed: after a restart, after rotations that nobody saw, after a truncation.
//!
//! One rule holds for all of it: before a file is read from its start, it is looked up whether it was read
//! before, under whatever name.

use super::file::Followed;
use super::rotated::{Candidate, Folders, Known, Unread, last_write, rotated, unread};
use super::{Follower, Notice, Position};
use crate::error::{Error, Result};

/// Where to read on, once the file is found and can be opened.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The number of the file.
    pub(super) number: u64,
    pub(super) position: Position,
    /// Whether lines may be missing if there is no such file any more.
    pub(super) matters: bool,
    /// It was looked for, and there is none.
    pub(super) missed: bool,
}

impl Follower {
    /// Notes where to read on.
    pub(super) fn wait(&mut self, id: usize, waiting: Waiting) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.untold.push((waiting.number, waiting.position.clone()));
            self.waiting.entry(id).or_default().push(waiting);
        }
    }

    /// Notes that there is nothing more to be read.
    fn finish(&mut self, id: usize, waiting: Waiting) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.untold.push((waiting.number, Position { finished: true, ..waiting.position }));
        }
    }

    /// What is not found is over.
    pub(super) fn conclude(&mut self, id: usize) {
        let Some(all) = self.waiting.remove(&id) else { return };
        let (missed, waiting): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.missed);
        if !waiting.is_empty() {
            self.waiting.insert(id, waiting);
        }
        for lost in missed {
            if lost.matters
                && lost.position.fingerprint.length > 0
                && let Some(log) = self.logs.get(&id)
            {
                let (name, offset) = (log.name.clone(), lost.position.offset);
                self.notices.push(Notice::Lost { name, offset });
            }
            self.finish(id, lost);
        }
    }

    /// Looks for the files that logs wait for.
    pub(super) fn look_for_waiting(&mut self, now_ms: u64) {
        let ids: Vec<usize> = self.waiting.keys().copied().collect();
        for id in ids {
            if !self.is_full() {
                self.catch_up(id, &[], now_ms);
            }
        }
        // Names that were read before may be wrong by now.
        self.folders = None;
        let missed = |all: &[Waiting]| all.iter().any(|waiting| waiting.missed);
        let ids = self.waiting.iter().filter(|(_, all)| missed(all)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<usize>>() {
            self.catch_up(id, &[], now_ms);
        }
    }

    /// Follows what a log waits for, all newer rotated files of it, and the file that has its name.
    pub(super) fn catch_up(&mut self, id: usize, filled: &[u64], now_ms: u64) {
        let Some(log) = self.logs.get(&id) else { return };
        let candidate = Candidate::at(log.path.clone(), true);
        self.catch_up_to(id, candidate, filled, now_ms);
    }

    /// The same. Files that came between two looks are put in front of the last of the files `filled`, which
    /// were empty at the last look: they may have been filled, copied and cut since.
    pub(super) fn catch_up_to(
        &mut self,
        id: usize,
        candidate: Option<Candidate>,
        filled: &[u64],
        now_ms: u64,
    ) {
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        let Some(log) = self.logs.get(&id) else { return };
        let path = log.path_bytes();
        let open: Vec<Position> = log.files.iter().map(|file| file.position_now(path)).collect();
        let as_filled = log.files.iter().zip(&open).map(|(file, position)| {
            let is_filled = filled.contains(&file.id);
            if is_filled { file.position_empty(path) } else { position.clone() }
        });
        let finished = self.told.finished(path);
        let known = waiting.iter().map(|waiting| (Known::Waiting, waiting.position.clone()));
        let known = known.chain(as_filled.map(|position| (Known::Open, position)));
        let known =
            known.chain(finished.iter().map(|position| (Known::Finished, position.clone())));
        let known: Vec<(Known, Position)> = known.collect();
        let read: Vec<Position> = open.into_iter().chain(finished.iter().cloned()).collect();
        let mut fresh = Folders::default();
        let folders = self.folders.as_mut().unwrap_or(&mut fresh);
        let mut candidates =
            if known.is_empty() { Vec::new() } else { rotated(&log.path, folders) };
        candidates.extend(candidate);
        let current = log.files.iter().find(|file| Some(file.identity) == log.leads_to);
        let before = filled.last().copied().or(current.map(|file| file.id));
        let Unread { files, lost } = unread(&known, candidates);
        let mut waiting: Vec<Option<Waiting>> = waiting.into_iter().map(Some).collect();
        for (mut candidate, index) in files {
            let own = index.and_then(|index| waiting.get_mut(index)).and_then(Option::take);
            let position = index.map(|index| &known[index]);
            if self.owners.contains_key(&candidate.identity) {
                // Somebody reads it on.
                if let Some(own) = own {
                    self.finish(id, own);
                }
                continue;
            }
            let is_read = match position {
                Some((known, _)) => *known == Known::Open,
                // It may be the same file, compressed.
                None => !candidate.is_log && read.iter().any(|one| candidate.begins_like(one)),
            };
            if !is_read {
                let before = if candidate.is_log { None } else { before };
                let finished = position.filter(|_| own.is_none()).map(|(_, position)| position);
                self.follow(id, candidate, (own, finished), before, now_ms);
            }
        }
        for (index, one) in waiting.into_iter().enumerate() {
            let Some(mut one) = one else { continue };
            one.missed = lost.contains(&index);
            self.waiting.entry(id).or_default().push(one);
        }
    }

    /// A file was truncated: what was not read is looked for in a copy of it, and it is read from its
    /// start.
    pub(super) fn restart(&mut self, id: usize, file: u64, now_ms: u64) {
        let number = self.new_file();
        let Some(log) = self.logs.get_mut(&id) else { return };
        let Some(at) = log.files.iter().position(|other| other.id == file) else { return };
        let Ok(again) = log.files[at].again_from_start(number, now_ms) else { return };
        self.notices.push(Notice::Truncated(log.name.clone()));
        let old = std::mem::replace(&mut log.files[at], again);
        log.files[at].replaced_ms = old.replaced_ms;
        let (position, matters) = (log.position(&old, false), old.lag() > 0);
        self.wait(id, Waiting { number: file, position, matters, missed: false });
        self.catch_up(id, &[number], now_ms);
    }

    /// How far a file was read under another name, or before it was given up.
    fn claim(&mut self, candidate: &mut Candidate) -> Option<u64> {
        let mut claimed = None;
        for (id, all) in &mut self.waiting {
            if let Some(at) = all.iter().position(|one| candidate.is(&one.position)) {
                claimed = Some((*id, all.remove(at)));
                break;
            }
        }
        if let Some((id, waiting)) = claimed {
            let offset = waiting.position.offset;
            self.finish(id, waiting);
            return Some(offset);
        }
        self.told
            .all_finished()
            .filter(|position| position.offset <= candidate.size && candidate.is(position))
            .map(|position| position.offset)
            .max()
    }

    /// Follows a file from a position that waits for it, from a finished one, or whole, in front of the file
    /// that `before` says.
    fn follow(
        &mut self,
        id: usize,
        mut candidate: Candidate,
        (own, finished): (Option<Waiting>, Option<&Position>),
        before: Option<u64>,
        now_ms: u64,
    ) {
        let Some(log) = self.logs.get(&id) else { return };
        let (name, log_path, path) =
            (log.name.clone(), log.path.clone(), log.path_bytes().to_vec());
        let (is_log, from) = (candidate.is_log, candidate.name.clone());
        let is_plain = candidate.open().is_ok_and(|head| head.is_plain);
        if finished.is_some_and(|position| !is_plain || candidate.size <= position.offset) {
            return;
        }
        let failed = candidate.open().err();
        if self.is_full() || failed.is_some() || is_log && !is_plain {
            if own.is_none() && !is_log {
                self.notices.extend(failed.map(Notice::CannotRead));
            }
            let position = || finished.cloned().unwrap_or_else(|| candidate.beginning(&path));
            let own = own.or_else(|| {
                let position = (!is_log).then(position)?;
                let number = self.new_file();
                Some(Waiting { number, position, matters: true, missed: false })
            });
            self.short |= self.is_full();
            if let Some(own) = own {
                self.wait(id, own);
            }
            return;
        }
        let position = own.as_ref().map(|own| &own.position).or(finished);
        let offset = match position {
            Some(position) => position.offset,
            None => self.claim(&mut candidate).unwrap_or(0),
        };
        // A copy may be shorter than what was read of the file that was cut.
        let size = candidate.size;
        if !is_log && is_plain && size < offset {
            if let Some(own) = own {
                self.finish(id, own);
            }
            return;
        }
        // Of a file that was never opened only its size is known.
        let at_end = own.as_ref().is_some_and(|own| own.position.fingerprint.length == 0);
        let number = own.as_ref().map_or_else(|| self.new_file(), |own| own.number);
        let Some(file) = candidate.into_file() else { return };
        let followed = match (is_plain, at_end && offset <= size) {
            (true, true) => {
                followed_or(&from, Followed::plain_at_end(number, file, offset, now_ms))
            }
            (true, false) => {
                let offset = if offset <= size { offset } else { 0 };
                followed_or(&from, Followed::plain(number, file, offset, now_ms))
            }
            _ => Followed::packed(number, file, &from, offset, now_ms),
        };
        match followed {
            Ok(mut followed) => {
                if is_log && followed.was_empty() {
                    let mut fresh = Folders::default();
                    let folders = self.folders.as_mut().unwrap_or(&mut fresh);
                    followed.floor = last_write(&log_path, folders);
                }
                self.keep(id, followed, before);
                if !is_log {
                    self.notices.push(Notice::Recovered { name, from });
                } else if let Some(log) = self.logs.get_mut(&id) {
                    log.was_followed = true;
                }
            }
            Err(error) => {
                self.notices.push(Notice::CannotRead(error));
                if let Some(own) = own {
                    self.finish(id, own);
                }
            }
        }
    }

    /// Takes a file into the files of a log, before the one of the given number or last.
    fn keep(&mut self, id: usize, followed: Followed, before: Option<u64>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        self.owners.insert(followed.identity, id);
        let at = log.files.iter().position(|file| Some(file.id) == before);
        log.files.insert(at.unwrap_or(log.files.len()), followed);
    }
}

fn followed_or(name: &str, followed: std::io::Result<Followed>) -> Result<Followed> {
    followed.map_err(|error| Error::io(name, &error))
}
