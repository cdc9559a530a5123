//! What happens to one log: its name leads to another file, its files grow, end and are given up.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::file::{Followed, Look, Step};
use super::open::no_regular_file;
use super::rotated::{Candidate, Folders, last_write};
use super::{Follower, GONE_AFTER_MS, Notice, PATIENCE, Piece, Position, Positions, Sink};
use crate::error::{Error, ErrorKind};
use crate::input::source::{Identity, cannot_read};

/// After what time a log that can't be followed is tried again, in milliseconds.
const AGAIN_MS: u64 = 1_000;

/// A name that is followed, with the files it led to.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
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
    pub(super) leads_to: Option<Identity>,
    missing_since: Option<u64>,
    /// What was said last about why it can't be followed.
    trouble: Option<Notice>,
    /// Whether it is known that there is no such file yet.
    waits: bool,
    /// Positions to be told, with the numbers of their files: where reading waits to go on, and those that
    /// are finished.
    pub(super) untold: Vec<(u64, Position)>,
    /// A file of it has been followed.
    pub(super) was_followed: bool,
    /// It is not followed, as too many files are open.
    pub(super) is_held_back: bool,
    /// What can't be followed is tried again then.
    pub(super) again_ms: u64,
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
            was_followed: false,
            is_held_back: false,
            again_ms: 0,
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
        for (number, position) in &self.untold {
            told.note(&self.piece(0, *number, position.clone()));
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
    pub(super) fn look_at_name(&mut self, id: usize, now_ms: u64) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let is_early = now_ms < log.again_ms;
        if is_early && log.files.is_empty() {
            return;
        }
        let metadata = match fs::metadata(&log.path) {
            Ok(metadata) => metadata,
            Err(error) if is_missing(&error) => return self.miss(id, now_ms),
            Err(error) => {
                let notice = Notice::CannotRead(cannot_read(&log.name, &error));
                return self.complain(id, notice);
            }
        };
        log.missing_since = None;
        if !metadata.is_file() {
            let notice = Notice::CannotRead(no_regular_file(&log.name, &metadata));
            return self.complain(id, notice);
        }
        let identity = Identity::of(&metadata);
        let is_other = log.leads_to.replace(identity) != Some(identity);
        match self.owners.get(&identity).copied() {
            Some(owner) if is_other => self.attach(id, owner),
            None if is_early => return,
            None if !self.open_log(id, now_ms) => {
                if let Some(log) = self.logs.get_mut(&id) {
                    log.again_ms = now_ms + AGAIN_MS;
                }
                return;
            }
            _ => {}
        }
        let Some(log) = self.logs.get_mut(&id) else { return };
        (log.is_held_back, log.again_ms) = (false, 0);
        if std::mem::take(&mut log.waits) {
            self.notices.push(Notice::Appeared(log.name.clone()));
        } else if log.trouble.take().is_some() {
            self.notices.push(Notice::CameBack(log.name.clone()));
        }
    }

    /// The name leads nowhere: it may be in the middle of a rotation.
    fn miss(&mut self, id: usize, now_ms: u64) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.is_held_back = false;
        if log.leads_to.is_none() && log.files.is_empty() {
            let is_news = log.missing_since.is_none();
            log.missing_since.get_or_insert(now_ms);
            if !log.explicit || !is_news || std::mem::replace(&mut log.waits, true) {
                return;
            }
            self.notices.push(Notice::Waiting(log.name.clone()));
            if self.told.finished(log.path_bytes()).is_empty() {
                let mut fresh = Folders::default();
                let folders = self.folders.as_mut().unwrap_or(&mut fresh);
                let position = Position {
                    path: log.path_bytes().to_vec(),
                    device: 0,
                    inode: 0,
                    fingerprint: super::Fingerprint::default(),
                    offset: 0,
                    modified: last_write(&log.path, folders),
                    finished: true,
                };
                log.untold.push((0, position));
            }
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
    fn attach(&mut self, id: usize, owner: usize) {
        if owner != id
            && let (Some(log), Some(other)) = (self.logs.get(&id), self.logs.get(&owner))
        {
            let (name, as_name) = (log.name.clone(), other.name.clone());
            self.notices.push(Notice::SameFile { name, as_name });
        }
    }

    /// Whether no more files may be opened.
    pub(super) fn is_full(&self) -> bool {
        self.owners.len() >= self.options.max_open.max(1)
    }

    /// Follows the file that the name of a log leads to now, after what was rotated away before it.
    fn open_log(&mut self, id: usize, now_ms: u64) -> bool {
        let is_full = self.is_full();
        let Some(log) = self.logs.get_mut(&id) else { return false };
        log.is_held_back = is_full;
        if is_full {
            self.short = true;
            return false;
        }
        let Some(mut candidate) = Candidate::at(log.path.clone(), true) else { return false };
        candidate.name.clone_from(&log.name);
        let explicit = log.explicit;
        let trouble = match candidate.open() {
            Ok(head) if head.is_plain => None,
            Ok(_) => Some(compressed(&log.name)),
            Err(error) => Some(error),
        };
        if let Some(error) = trouble {
            // In a folder or by a pattern, what logrotate compressed long ago is no news.
            if error.kind() != ErrorKind::Input || explicit {
                self.complain(id, Notice::CannotRead(error));
            }
            return false;
        }
        let (identity, was_followed) = (candidate.identity, log.was_followed);
        self.catch_up_to(id, Some(candidate), &[], now_ms);
        let is_followed = self.owners.contains_key(&identity);
        if let Some(log) = self.logs.get_mut(&id) {
            log.is_held_back = !is_followed;
            if is_followed && was_followed {
                self.notices.push(Notice::Rotated(log.name.clone()));
            }
        }
        is_followed
    }

    /// Sees what has become of the files of a log.
    pub(super) fn look_at_files(&mut self, id: usize, now_ms: u64) {
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
            self.restart(id, file, now_ms);
        }
        if !filled.is_empty() {
            self.catch_up(id, &filled, now_ms);
        }
    }

    /// Tells where files begin that are new.
    pub(super) fn announce(&mut self, id: usize, sink: &mut Sink<'_>) {
        self.conclude(id);
        let Some(log) = self.logs.get_mut(&id) else { return };
        for (number, position) in std::mem::take(&mut log.untold) {
            let piece = log.piece(id, number, position);
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
    /// `led` is what names lead to.
    pub(super) fn give_up(
        &mut self,
        id: usize,
        led: &BTreeSet<Identity>,
        now_ms: u64,
        sink: &mut Sink<'_>,
    ) {
        let mut at = 0;
        while let Some(log) = self.logs.get_mut(&id)
            && at < log.files.len()
        {
            let newer_has_lines = log.files[at + 1..].iter().any(|file| file.offset > 0);
            let file = &mut log.files[at];
            if led.contains(&file.identity) && !file.unlinked {
                file.replaced_ms = None;
            } else {
                file.replaced_ms.get_or_insert(now_ms);
            }
            let quiet = file
                .replaced_ms
                .map_or(0, |replaced| now_ms.saturating_sub(replaced.max(file.grown_ms)));
            let grace = self.options.grace_ms;
            let patient = !newer_has_lines && !file.unlinked;
            let grace = match (self.short, patient) {
                // Others wait for room; that a new file is there is not waited for.
                (true, _) => grace.min(GONE_AFTER_MS),
                (false, true) => grace.saturating_mul(PATIENCE),
                (false, false) => grace,
            };
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
