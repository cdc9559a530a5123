//! Metrics as a file, for the textfile collector of Prometheus's `node_exporter`.

use std::fs::{OpenOptions, Permissions, remove_file, rename, set_permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// Replaces the file at once: whoever reads it sees the old metrics or the new ones, never a part.
///
/// The collector runs as another user and takes names that end in `.prom` only. So the file is readable for all, and the
/// temporary file beside it ends in `.tmp`. One that a crash left behind is replaced.
///
/// # Errors
/// `Io` with the path; the old file stays as it was, and no temporary file is left.
pub fn write(path: &Path, metrics: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = write_new(&temporary, metrics).and_then(|()| rename(&temporary, path));
    written.map_err(|error| {
        let _ = remove_file(&temporary);
        Error::io(path.display(), &error)
    })
}

/// Removes the file, if it is there.
///
/// # Errors
/// `Io` with the path.
pub fn remove(path: &Path) -> Result<()> {
    match remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path.display(), &error)),
        _ => Ok(()),
    }
}

fn write_new(path: &Path, metrics: &[u8]) -> std::io::Result<()> {
    match remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // `create_new` follows no link that somebody else put there.
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(metrics)?;
    set_permissions(path, Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepwarm.prom");
        fs::write(folder.path().join("keepwarm.prom.tmp"), "left behind by a crash, and longer")
            .unwrap();
        for text in ["a 1\n", "a 2\n"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_place_of_the_temporary_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("k.prom"), folder.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("k.prom.tmp")).unwrap();
        write(&path, b"a 1\n").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
    }

    #[test]
    fn what_fails_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("none/k.prom"), b"").unwrap_err();
        assert!(error.message().ends_with("none/k.prom: No such file or directory"));
    }
}
