//! What a live run keeps, and the file that it is kept in: counts, and how far files were read for them, are one.

use crate::error::{Error, ErrorKind, Result};
use crate::input::follow::Position;
use crate::live::alert::Alerts;
use crate::live::slices::Slices;
use crate::live::warmups::Warmups;
use crate::notify::Untold;
use crate::summary::LineCounts;
use crate::summary::codec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// All that goes on after a restart.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) positions: Vec<Position>,
    pub(super) slices: Slices,
    /// What became of all lines that were ever read.
    pub(super) lines: LineCounts,
    pub(super) alerts: Alerts,
    pub(super) warmups: Warmups,
    /// When the last line of each source came, in milliseconds since the epoch.
    pub(super) last_lines_ms: BTreeMap<String, i64>,
    /// What is not delivered of alerts that fire or are over.
    pub(super) untold: Untold,
}

impl State {
    /// That of a first run, with windows of up to so many milliseconds.
    pub(super) fn new(longest_ms: i64) -> Self {
        State {
            positions: Vec::new(),
            slices: Slices::new(longest_ms),
            lines: LineCounts::default(),
            alerts: Alerts::default(),
            warmups: Warmups::default(),
            last_lines_ms: BTreeMap::new(),
            untold: Untold::default(),
        }
    }
}

/// Refuses what can't be replaced by a new state, or never ends: folders, pipes, devices.
///
/// # Errors
/// It is so.
fn check_kind(name: &str, path: &Path) -> Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let message = format!("{name}: expected a regular file, found something else");
        return Err(Error::new(ErrorKind::Input, message));
    }
    Ok(())
}

/// Keeps others from the state as long as the file that is returned is open: two runs would overwrite each other's.
///
/// # Errors
/// Another run has it, it is no file, or the lock can't be written.
pub(super) fn lock(path: &Path) -> Result<File> {
    let name = format!("--state {}", path.display());
    check_kind(&name, path)?;
    let path = beside(path, ".lock");
    let file = File::options().create(true).append(true).open(path);
    let file = file.map_err(|error| Error::io(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(ErrorKind::Input, format!("{name}: another keepwarm watch uses it"))
                .with_hint("give each its own file"))
        }
        Err(TryLockError::Error(error)) => Err(Error::io(&name, &error)),
    }
}

/// Reads a state; none if there is no file yet.
///
/// # Errors
/// The file can't be read, or is no state.
pub(super) fn load(path: &Path) -> Result<Option<State>> {
    let name = format!("--state {}", path.display());
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&name, &error)),
    };
    let state = codec::decode(&bytes);
    state.map(Some).map_err(|error| {
        Error::new(ErrorKind::Input, format!("{name}: {}", error.message()))
            .with_hint(error.hint().unwrap_or_default().to_owned())
    })
}

/// Writes a state so that the file is always whole: the old one or the new one.
///
/// # Errors
/// Kind `Io`; the old state stays.
pub(super) fn save(path: &Path, state: &State) -> Result<()> {
    let failed = |error: &io::Error| Error::io(format_args!("--state {}", path.display()), error);
    let bytes = codec::encode(state)?;
    let temporary = beside(path, ".new");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| {
        // A full disk must not stay full of half a state.
        let _ = fs::remove_file(&temporary);
        failed(&error)
    })
}

/// The name of a file beside it: the one that is written before it takes the state's name, or the lock.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> State {
        State::new(3_600_000)
    }

    #[test]
    fn a_state_comes_back_and_a_broken_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(load(&path).unwrap().is_none());
        save(&path, &empty()).unwrap();
        assert_eq!(load(&path).unwrap().unwrap().slices, empty().slices);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        fs::write(&path, b"nonsense").unwrap();
        let error = load(&path).unwrap_err();
        assert!(error.message().contains("--state"), "{error:?}");
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_state_has_one_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let first = lock(&path).unwrap();
        assert!(lock(&path).unwrap_err().message().contains("another"));
        drop(first);
        lock(&path).unwrap();
    }

    #[test]
    fn a_state_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path(), Path::new("/dev/null")] {
            let error = lock(path).unwrap_err();
            assert!(error.message().contains("expected a regular file"), "{error:?}");
        }
        assert!(!Path::new("/dev/null.lock").exists());
    }

    #[test]
    fn a_state_that_cannot_be_written_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        save(&path, &empty()).unwrap();
        fs::create_dir(folder.path().join("state.new")).unwrap();
        assert!(save(&path, &empty()).is_err());
        assert!(load(&path).unwrap().is_some());
    }
}
