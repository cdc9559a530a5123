//! Events as lines: on stderr for people, as JSON for programs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use super::AlertEvent;
use super::queue::{Deliver, Outcome, Stopping};

/// Lines for people.
pub(super) struct Stderr;

/// JSON lines.
pub(super) struct Stdout;

/// JSON lines at the end of a file.
pub(super) struct File(pub(super) PathBuf);

/// One write per line, so that those of several processes do not mix.
fn write(mut out: impl Write, line: &str) -> io::Result<()> {
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

fn outcome(written: io::Result<()>) -> Outcome {
    written.map_or_else(|error| Outcome::Lost(error.to_string()), |()| Outcome::Delivered)
}

impl Deliver for Stderr {
    fn deliver(&mut self, event: &AlertEvent, _: &Stopping<'_>) -> Outcome {
        outcome(write(io::stderr(), &event.line()))
    }
}

impl Deliver for Stdout {
    fn deliver(&mut self, event: &AlertEvent, _: &Stopping<'_>) -> Outcome {
        outcome(write(io::stdout(), &event.json()))
    }
}

impl Deliver for File {
    fn deliver(&mut self, event: &AlertEvent, _: &Stopping<'_>) -> Outcome {
        let file = OpenOptions::new().append(true).create(true).open(&self.0);
        outcome(file.and_then(|file| write(file, &event.json())))
    }
}
