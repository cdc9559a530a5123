//! What is said on stderr: errors, warnings, hints and notes. Data never goes there.

use super::aside::Aside;
use crate::error::{Error, Result};
use crate::render::{printable, printable_lines};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

/// Writes messages, and remembers whether one was an error.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    quiet: bool,
    errors: usize,
    /// Of a live run: who writes.
    aside: Option<Arc<Aside>>,
}

impl Messages {
    /// With `quiet`, only errors are written.
    pub(super) fn new(quiet: bool) -> Self {
        Messages { quiet, errors: 0, aside: None }
    }

    /// The same for a live run, which no reader of stderr can hold up; so it is over with [`Messages::end`].
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn live(&self) -> Result<Self> {
        let aside = Aside::start(io::stderr()).map_err(|error| Error::io("stderr", &error))?;
        Ok(Messages { aside: Some(Arc::new(aside)), ..self.clone() })
    }

    /// Waits a moment for what is not written yet.
    pub(super) fn end(&self) {
        self.aside.iter().for_each(|aside| aside.end());
    }

    /// There is a screen now, or no longer: messages to the same terminal wait meanwhile.
    pub(super) fn hold(&self, holds: bool) {
        let holds = holds && io::stderr().is_terminal();
        self.aside.iter().for_each(|aside| aside.hold(holds));
    }

    /// The last messages of a live run, oldest first.
    pub(super) fn recent(&self) -> Vec<String> {
        self.aside.as_ref().map(|aside| aside.recent()).unwrap_or_default()
    }

    /// An alert, or that it is over: never left out.
    pub(super) fn alert(&self, text: &str) {
        self.write("ALERT", &printable(text));
    }

    /// That an alert is over.
    pub(super) fn resolved(&self, text: &str) {
        self.write("resolved", &printable(text));
    }

    /// Was there an error?
    pub(super) fn had_errors(&self) -> bool {
        self.errors > 0
    }

    /// Something failed.
    pub(super) fn error(&mut self, error: &Error) {
        self.errors += 1;
        self.write("error", &printable_lines(error.message()));
        if let Some(hint) = error.hint() {
            self.write("hint", &printable_lines(hint));
        }
    }

    /// Something is odd, and the numbers may be affected.
    pub(super) fn warning(&self, text: &str) {
        if !self.quiet {
            self.write("warning", &printable(text));
        }
    }

    /// Something that the user should know was chosen for them.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            self.write("note", &printable(text));
        }
    }

    /// One message. If stderr is closed there is nobody to tell.
    fn write(&self, kind: &str, text: &str) {
        let line = format!("keepwarm: {kind}: {text}\n");
        match &self.aside {
            Some(aside) => aside.say(line, kind == "ALERT"),
            None => drop(io::stderr().lock().write_all(line.as_bytes())),
        }
    }
}
