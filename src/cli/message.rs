//! What is said on stderr: errors, warnings, hints and notes. Data never goes there.

use crate::error::Error;
use crate::render::{printable, printable_lines};
use std::io::{self, Write};

/// Writes messages, and remembers whether one was an error.
#[derive(Debug)]
pub(super) struct Messages {
    quiet: bool,
    errors: usize,
}

impl Messages {
    /// With `quiet`, only errors are written.
    pub(super) fn new(quiet: bool) -> Self {
        Messages { quiet, errors: 0 }
    }

    /// Are only errors written?
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// An alert, or that it is over: never left out.
    #[expect(clippy::unused_self, reason = "messages go through here")]
    pub(super) fn alert(&self, text: &str) {
        write("ALERT", &printable(text));
    }

    /// That an alert is over.
    #[expect(clippy::unused_self, reason = "messages go through here")]
    pub(super) fn resolved(&self, text: &str) {
        write("resolved", &printable(text));
    }

    /// Was there an error?
    pub(super) fn had_errors(&self) -> bool {
        self.errors > 0
    }

    /// Something failed.
    pub(super) fn error(&mut self, error: &Error) {
        self.errors += 1;
        write("error", &printable_lines(error.message()));
        if let Some(hint) = error.hint() {
            write("hint", &printable_lines(hint));
        }
    }

    /// Something is odd, and the numbers may be affected.
    pub(super) fn warning(&self, text: &str) {
        if !self.quiet {
            write("warning", &printable(text));
        }
    }

    /// Something that the user should know was chosen for them.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            write("note", &printable(text));
        }
    }
}

/// One message. If stderr is closed there is nobody to tell.
fn write(kind: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "keepwarm: {kind}: {text}");
}
