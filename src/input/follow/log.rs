//! What happens to one log: its name leads to another file, its files grow, end and are given up.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::file::{Followed, Look, Step};
use super::open::{is_plain, no_regular_file, open_regular};
use super::rotated::last_write;
use super::{Follower, GONE_AFTER_MS, Notice, Owner, PATIENCE, Piece, Position, Positions, Sink};
use crate::error::{Error, ErrorKind};
use crate::input::source::{Identity, cannot_read};

/// A name that is followed, with the files it led to.
#[derive(Debug)]
pub(super) struct Log {
    /// Absolute.
    pub(super) path: PathBuf,
    /// For people.
    pub(super) name: String,
    /// Named by itself, not found in a folder or by a pattern.
    pub(super) explicit: bool,
    /// The oldest first.
    pub(super) files: Vec<Followed>,
    /// What the name led to when it last led to something.
    leads_to: Option<Identity>,
    missing_since: Option<u64>,
    /// What was said last about why it can't be followed.
    trouble: Option<Notice>,
    /// Whether it is known that there is no such file yet.
    waits: bool,
    /// Finished positions to be told: there is no such file yet, or an earlier run finished one.
    pub(super) untold: Vec<Position>,
}

impl Log {
    pub(super) fn new(path: PathBuf, name: String, explicit: bool) -> Self {
        Log {
            path,
            name,
            explicit,
            files: Vec::new(),
            leads_to: None,
            missing_since: None,
            trouble: None,
            waits: false,
            untold: Vec::new(),
        }
    }

    pub(super) fn path_bytes(&self) -> &[u8] {
        self.path.as_os_str().as_bytes()
    }

    /// Whether there is nothing left to wait for.
    pub(super) fn is_over(&self) -> bool {
        !self.explicit && self.files.is_empty() && self.missing_since.is_some()
    }

    pub(super) fn piece(&self, log: usize, file: u64, position: Position) -> Piece<'_> {
        Piece { log, name: &self.name, file, bytes: &[], too_long: 0, position }
    }

    /// Notes where its files begin, before it is told.
    pub(super) fn note_beginnings(&self, told: &mut Positions) {
        for position in &self.untold {
            told.note(&self.piece(0, 0, position.clone()));
        }
        for file in &self.files {
            told.note(&self.piece(0, file.id, self.position(file, false)));
        }
    }

    pub(super) fn position(&self, file: &Followed, finished: bool) -> Position {
        file.position(self.path_bytes(), finished)
    }
}

impl Follower {
    /// Sees which file the name of a log leads to now, and follows it if it is another one.
    pub(super) fn look_at_name(&mut self, id: usize, at_end: bool, now_ms: u64) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let metadata = match fs::metadata(&log.path) {
            Ok(metadata) => metadata,
            Err(error) if is_missing(&error) => return self.miss(id, now_ms),
            Err(error) => {
                let notice = Notice::CannotRead(cannot_read(&log.name, &error));
                return self.complain(id, notice);
            }
        };
        log.missing_since = None;
        let waited = log.waits;
        if !metadata.is_file() {
            let notice = Notice::CannotRead(no_regular_file(&log.name, &metadata));
            return self.complain(id, notice);
        }
        let identity = Identity::of(&metadata);
        if log.leads_to != Some(identity) {
            match self.owners.get(&identity).copied() {
                Some(owner) => self.attach(id, owner.log, identity),
                None if !self.open_log(id, at_end, now_ms) => return,
                None => {}
            }
        }
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.waits = false;
        let name = log.name.clone();
        if waited {
            self.notices.push(Notice::Appeared(name));
        } else if log.trouble.take().is_some() {
            self.notices.push(Notice::CameBack(name));
        }
    }

    /// The name leads nowhere: it may be in the middle of a rotation.
    fn miss(&mut self, id: usize, now_ms: u64) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        if log.leads_to.is_none() && log.files.is_empty() {
            if !log.waits && log.missing_since.is_none() {
                log.waits = true;
                self.notices.push(Notice::Waiting(log.name.clone()));
                log.untold.push(Position {
                    path: log.path_bytes().to_vec(),
                    device: 0,
                    inode: 0,
                    fingerprint: super::Fingerprint::default(),
                    offset: 0,
                    modified: last_write(&log.path),
                    finished: true,
                });
            }
            log.missing_since.get_or_insert(now_ms);
            return;
        }
        let since = *log.missing_since.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) >= GONE_AFTER_MS {
            let notice = Notice::Gone(log.name.clone());
            self.complain(id, notice);
        }
    }

    /// Says what is wrong, unless it was said already.
    fn complain(&mut self, id: usize, notice: Notice) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        if log.trouble.as_ref() != Some(&notice) {
            log.trouble = Some(notice.clone());
            self.notices.push(notice);
        }
    }

    /// The name leads to a file that is followed already.
    fn attach(&mut self, id: usize, owner: usize, identity: Identity) {
        if owner != id
            && let (Some(log), Some(other)) = (self.logs.get(&id), self.logs.get(&owner))
        {
            let (name, as_name) = (log.name.clone(), other.name.clone());
            self.notices.push(Notice::SameFile { name, as_name });
        }
        self.lead(id, identity);
    }

    /// Notes that the name of a log leads to an open file.
    pub(super) fn lead(&mut self, id: usize, identity: Identity) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let old = log.leads_to.replace(identity);
        if let Some(owner) = old.and_then(|old| self.owners.get_mut(&old)) {
            owner.names = owner.names.saturating_sub(1);
        }
        if let Some(owner) = self.owners.get_mut(&identity) {
            owner.names += 1;
        }
    }

    /// Opens the file that the name of a log leads to now.
    fn open_log(&mut self, id: usize, at_end: bool, now_ms: u64) -> bool {
        let Some(log) = self.logs.get(&id) else { return false };
        let opened = open_regular(&log.path, &log.name).and_then(|(file, _)| {
            if is_plain(&log.name, &file)? { Ok(file) } else { Err(compressed(&log.name)) }
        });
        let file = match opened {
            Ok(file) => file,
            // In a folder or by a pattern, what logrotate compressed long ago is no news.
            Err(error) if error.kind() == ErrorKind::Input && !log.explicit => return false,
            Err(error) => {
                self.complain(id, Notice::CannotRead(error));
                return false;
            }
        };
        let rotated = log.leads_to.is_some();
        if rotated {
            let notice = Notice::Rotated(log.name.clone());
            self.notices.push(notice);
            self.catch_up(id, &[], now_ms);
        }
        let number = self.new_file();
        let floor = self.logs.get(&id).map_or(i64::MIN, |log| last_write(&log.path));
        let followed = if at_end {
            Followed::plain_at_end(number, file, now_ms)
        } else {
            Followed::plain(number, file, 0, now_ms)
        };
        let mut followed = match followed {
            Ok(followed) => followed,
            Err(error) => {
                let name = self.logs.get(&id).map_or("", |log| &log.name);
                let notice = Notice::CannotRead(Error::io(name, &error));
                self.complain(id, notice);
                return false;
            }
        };
        followed.floor = floor;
        let Some(identity) = self.keep(id, followed, None) else { return false };
        self.lead(id, identity);
        true
    }

    /// Takes a file into the files of a log, before the one of the given number or last.
    pub(super) fn keep(
        &mut self,
        id: usize,
        followed: Followed,
        before: Option<u64>,
    ) -> Option<Identity> {
        let limit = self.options.max_open.max(1);
        let name = self.logs.get(&id)?.name.clone();
        if self.owners.len() >= limit && !self.owners.contains_key(&followed.identity) {
            self.complain(id, Notice::TooMany { name, limit });
            return None;
        }
        let identity = followed.identity;
        let log = self.logs.get_mut(&id)?;
        let at = log.files.iter().position(|file| Some(file.id) == before);
        log.files.insert(at.unwrap_or(log.files.len()), followed);
        self.owners.entry(identity).or_insert(Owner { log: id, names: 0 });
        Some(identity)
    }

    /// Sees what has become of the files of a log.
    pub(super) fn look_at_files(&mut self, id: usize, now_ms: u64, sink: &mut Sink<'_>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let (mut cut, mut filled) = (Vec::new(), Vec::new());
        for file in &mut log.files {
            let was_empty = file.was_empty();
            match file.look(now_ms) {
                Ok(Look::Truncated) => cut.push(file.id),
                Ok(Look::Grown) => {
                    file.failing = false;
                    filled.extend(was_empty.then_some(file.id));
                }
                Ok(Look::Same) => {}
                Err(error) => {
                    if !std::mem::replace(&mut file.failing, true) {
                        let error = Error::io(&log.name, &error);
                        self.notices.push(Notice::CannotRead(error));
                    }
                }
            }
        }
        for file in cut {
            self.restart(id, file, now_ms, sink);
        }
        if !filled.is_empty() {
            self.catch_up(id, &filled, now_ms);
        }
    }

    /// Tells where files begin that are new.
    pub(super) fn announce(&mut self, id: usize, sink: &mut Sink<'_>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        for position in std::mem::take(&mut log.untold) {
            let piece = log.piece(id, 0, position);
            self.told.note(&piece);
            sink(piece);
        }
        for at in 0..log.files.len() {
            if !std::mem::replace(&mut log.files[at].announced, true) {
                let file = &log.files[at];
                let piece = log.piece(id, file.id, log.position(file, false));
                self.told.note(&piece);
                sink(piece);
            }
        }
    }

    /// One read of the oldest file of a log that has something. Says how many bytes were read.
    pub(super) fn read_once(&mut self, id: usize, sink: &mut Sink<'_>) -> u64 {
        let Some(log) = self.logs.get_mut(&id) else { return 0 };
        let waiting = |file: &Followed| file.has_more() && !file.failing;
        let Some(at) = log.files.iter().position(waiting) else { return 0 };
        let step = log.files[at].read(&mut self.buffer);
        let step = step.unwrap_or_else(|error| {
            log.files[at].failing = true;
            self.notices.push(Notice::CannotRead(Error::io(&log.name, &error)));
            Step::default()
        });
        self.hand_out(id, at, &step, false, sink);
        step.read
    }

    fn hand_out(&mut self, id: usize, at: usize, step: &Step, last: bool, sink: &mut Sink<'_>) {
        let Some(log) = self.logs.get(&id) else { return };
        if step.lines == 0 && step.too_long == 0 && !last {
            return;
        }
        let file = &log.files[at];
        let mut piece = log.piece(id, file.id, log.position(file, last));
        piece.bytes = &self.buffer[..step.lines];
        piece.too_long = step.too_long;
        self.told.note(&piece);
        sink(piece);
    }

    /// Closes the files of a log that nobody will write to any more.
    pub(super) fn give_up(&mut self, id: usize, now_ms: u64, sink: &mut Sink<'_>) {
        let mut at = 0;
        while let Some(log) = self.logs.get_mut(&id)
            && at < log.files.len()
        {
            let newer_has_lines = log.files[at + 1..].iter().any(|file| file.offset > 0);
            let file = &mut log.files[at];
            let names = self.owners.get(&file.identity).map_or(0, |owner| owner.names);
            if names > 0 && !file.unlinked {
                file.replaced_ms = None;
            } else {
                file.replaced_ms.get_or_insert(now_ms);
            }
            let quiet = file
                .replaced_ms
                .map_or(0, |replaced| now_ms.saturating_sub(replaced.max(file.grown_ms)));
            let grace = self.options.grace_ms;
            let patient = !newer_has_lines && !file.unlinked;
            let grace = if patient { grace.saturating_mul(PATIENCE) } else { grace };
            let over = file.is_at_its_end()
                || (file.replaced_ms.is_some() && quiet >= grace && !file.has_more());
            if over {
                self.close(id, at, sink);
            } else {
                at += 1;
            }
        }
    }

    /// Hands out the unfinished line at the end of a file, and lets it go.
    fn close(&mut self, id: usize, at: usize, sink: &mut Sink<'_>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let step = log.files[at].read_rest(&mut self.buffer).unwrap_or_default();
        self.hand_out(id, at, &step, true, sink);
        let Some(log) = self.logs.get_mut(&id) else { return };
        let identity = log.files.remove(at).identity;
        if log.files.iter().any(|file| file.identity == identity) {
            return;
        }
        self.owners.remove(&identity);
        // The number may be given to another file now.
        for log in self.logs.values_mut().filter(|log| log.leads_to == Some(identity)) {
            log.leads_to = None;
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cold]
pub(super) fn compressed(name: &str) -> Error {
    let message = format!("{name}: expected a plain file to follow, found compressed data");
    Error::new(ErrorKind::Input, message).with_hint("`keepwarm report` reads it")
}
