//! Reading what was missed: after a restart, after rotations that nobody saw, after a truncation.

use super::file::Followed;
use super::log::{Log, compressed};
use super::open::is_plain;
use super::rotated::{Candidate, Unread, last_write, rotated, unread};
use super::{Follower, Notice, Position, Sink};
use crate::error::Error;

impl Follower {
    /// Goes on with a log where an earlier run ended: with the files its positions belong to, all newer
    /// ones, and the log itself.
    pub(super) fn read_on(&mut self, id: usize, positions: &[Position], now_ms: u64) {
        let Some(log) = self.logs.get(&id) else { return };
        let mut candidates = rotated(&log.path);
        candidates.extend(Candidate::at(log.path.clone(), true));
        let found = unread(positions, candidates);
        for lost in found.lost.iter().filter(|p| !p.finished && p.fingerprint.length > 0) {
            let (name, offset) = (log.name.clone(), lost.offset);
            self.notices.push(Notice::Lost { name, offset });
        }
        // What is not read on still tells which rotated files are newer, the last of them best.
        let mut over: Vec<Position> = positions.iter().filter(|p| p.finished).cloned().collect();
        over.extend(found.lost.into_iter().filter(|position| !position.finished));
        for (candidate, position) in found.files {
            let number = self.new_file();
            let followed = !self.owners.contains_key(&candidate.identity)
                && self.follow(id, candidate, position.as_ref(), (number, None), now_ms);
            if !followed {
                over.extend(position.filter(|position| !position.finished));
            }
        }
        if let Some(log) = self.logs.get_mut(&id) {
            log.untold = over.into_iter().map(|p| Position { finished: true, ..p }).collect();
        }
    }

    /// Follows the rotated files of a log that came between two looks, in front of the last of the files
    /// `filled`, which were empty at the last look: they may have been filled, copied and cut since.
    pub(super) fn catch_up(&mut self, id: usize, filled: &[u64], now_ms: u64) {
        let Some(log) = self.logs.get(&id) else { return };
        let known = self.known(log, filled);
        let open = self.known(log, &[]);
        for (mut candidate, position) in unread(&known, rotated(&log.path)).files {
            // It may be the same file, compressed.
            let is_open = self.owners.contains_key(&candidate.identity)
                || open.iter().any(|position| candidate.begins_like(position));
            if position.is_none() && !is_open {
                let number = self.new_file();
                self.follow(id, candidate, None, (number, filled.last().copied()), now_ms);
            }
        }
    }

    /// The files of a log that need not be looked for.
    fn known(&self, log: &Log, filled: &[u64]) -> Vec<Position> {
        let path = log.path_bytes();
        let open = log.files.iter().map(|file| {
            if filled.contains(&file.id) {
                file.position_empty(path)
            } else {
                file.position_now(path)
            }
        });
        self.told.finished(path).iter().cloned().chain(open).collect()
    }

    /// A file was truncated: what was not read is looked for in a copy of it, and it is read from its
    /// start.
    pub(super) fn restart(&mut self, id: usize, file: u64, now_ms: u64, sink: &mut Sink<'_>) {
        let number = self.new_file();
        let Some(log) = self.logs.get_mut(&id) else { return };
        let Some(at) = log.files.iter().position(|other| other.id == file) else { return };
        let Ok(again) = log.files[at].again_from_start(number, now_ms) else { return };
        self.notices.push(Notice::Truncated(log.name.clone()));
        let old = std::mem::replace(&mut log.files[at], again);
        log.files[at].replaced_ms = old.replaced_ms;
        let was_behind = old.lag() > 0;
        let old = log.position(&old, false);
        let Some(log) = self.logs.get(&id) else { return };
        let known = self.known(log, &[]);
        let Unread { files, lost } = unread(std::slice::from_ref(&old), rotated(&log.path));
        if was_behind && !lost.is_empty() {
            let (name, offset) = (log.name.clone(), old.offset);
            self.notices.push(Notice::Lost { name, offset });
        }
        let mut goes_on = false;
        for (mut candidate, position) in files {
            let is_known = self.owners.contains_key(&candidate.identity)
                || known.iter().any(|position| candidate.begins_like(position));
            if is_known {
                continue;
            }
            let reuse = if position.is_some() { file } else { self.new_file() };
            let place = (reuse, Some(number));
            let followed = self.follow(id, candidate, position.as_ref(), place, now_ms);
            goes_on |= followed && position.is_some();
        }
        if !goes_on && let Some(log) = self.logs.get(&id) {
            let piece = log.piece(id, file, Position { finished: true, ..old });
            self.told.note(&piece);
            sink(piece);
        }
    }

    /// Follows a file from a position, or from its start, under the number and in front of the file that
    /// `place` says. False if it holds nothing more.
    fn follow(
        &mut self,
        id: usize,
        candidate: Candidate,
        position: Option<&Position>,
        (number, before): (u64, Option<u64>),
        now_ms: u64,
    ) -> bool {
        let Some(log) = self.logs.get(&id) else { return false };
        let (name, floor) = (log.name.clone(), last_write(&log.path));
        let (is_log, from, size) = (candidate.is_log, candidate.name.clone(), candidate.size);
        let offset = position.map_or(0, |position| position.offset);
        let finished = position.is_some_and(|position| position.finished);
        let Some(file) = candidate.into_file() else { return false };
        let plain = is_plain(&from, &file).unwrap_or(true);
        // A copy may be shorter than what was read of the file that was cut.
        let nothing_more = if finished { !plain || size <= offset } else { plain && size < offset };
        if !is_log && nothing_more {
            return false;
        }
        let followed = if plain {
            Followed::plain(number, file, offset, now_ms).map_err(|error| Error::io(&from, &error))
        } else if is_log {
            Err(compressed(&name))
        } else {
            Followed::packed(number, file, &from, offset, now_ms)
        };
        let mut followed = match followed {
            Ok(followed) => followed,
            Err(error) => {
                self.notices.push(Notice::CannotRead(error));
                return false;
            }
        };
        if is_log {
            followed.floor = floor;
        }
        let Some(identity) = self.keep(id, followed, before) else { return false };
        if is_log {
            self.lead(id, identity);
        } else {
            self.notices.push(Notice::Recovered { name, from });
        }
        true
    }
}
