//! Events as lines of JSON.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::AlertEvent;
use super::queue::{Deliver, Outcome, Stopping};
use crate::error::{Error, Result};

/// On stdout.
pub(super) struct Stdout;

/// At the end of a file.
pub(super) struct File(PathBuf);

impl File {
    /// # Errors
    /// `Io` if it can't be written. A pipe is not tried: opening it waits for its reader.
    pub(super) fn new(path: &Path) -> Result<File> {
        let file = File(path.to_owned());
        if !path.metadata().is_ok_and(|found| found.file_type().is_fifo()) {
            let name = format!("--alerts {}", path.display());
            file.open().map_err(|error| Error::io(&name, &error))?;
        }
        Ok(file)
    }

    fn open(&self) -> io::Result<fs::File> {
        OpenOptions::new().append(true).create(true).open(&self.0)
    }
}

/// One write per line, so that those of several processes do not mix.
fn write(mut out: impl Write, line: &str) -> io::Result<()> {
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

fn outcome(written: io::Result<()>) -> Outcome {
    written.map_or_else(|error| Outcome::Lost(error.to_string()), |()| Outcome::Delivered)
}

impl Deliver for Stdout {
    fn deliver(&mut self, event: &AlertEvent, _: &Stopping<'_>) -> Outcome {
        outcome(write(io::stdout(), &event.json()))
    }
}

impl Deliver for File {
    fn deliver(&mut self, event: &AlertEvent, _: &Stopping<'_>) -> Outcome {
        outcome(self.open().and_then(|file| write(file, &event.json())))
    }
}
