//! What a live run shows: a screen that is drawn anew each second, or a line per upstream now and then.

use super::terminal::{self, Terminal};
use super::writer::Writer;
use crate::analysis::report::Report;
use crate::cli::message::Messages;
use crate::error::{Error, Result};
use crate::render::live::{History, Screen, lines, screen};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// How long the end waits for a reader of the last view.
const LAST: Duration = Duration::from_secs(1);

/// What is shown at one moment.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// What it is of: window, lines.
    pub(super) head: &'a str,
    /// Alerts that fire, in words.
    pub(super) alerts: &'a [String],
    /// The upstreams that they are about.
    pub(super) firing: &'a BTreeSet<String>,
    pub(super) report: &'a Report,
    /// Tells of warm-ups: a report of more time.
    pub(super) longer: &'a Report,
    /// The moment the window ends at, in milliseconds since the epoch.
    pub(super) to_ms: i64,
}

/// Where it is shown.
#[derive(Debug)]
enum Place {
    Screen(Terminal, History),
    /// A line per upstream.
    Lines,
    /// Stdout is for something else.
    Nowhere,
}

/// Shows views on stdout. No reader of it can hold up who calls.
#[derive(Debug)]
pub(super) struct Output {
    place: Place,
    writer: Writer,
}

impl Output {
    /// A screen if stdout is a terminal that is wanted for it; nothing if stdout is for something else.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn new(no_screen: bool, is_taken: bool) -> Result<Self> {
        let place = if is_taken {
            Place::Nowhere
        } else if no_screen || !terminal::is_capable() {
            Place::Lines
        } else {
            Place::Screen(Terminal::default(), History::default())
        };
        let writer = Writer::start(io::stdout()).map_err(|error| Error::io("stdout", &error))?;
        Ok(Output { place, writer })
    }

    pub(super) fn is_screen(&self) -> bool {
        matches!(self.place, Place::Screen(..))
    }

    /// Shows a view soon, or the next one if that comes before.
    pub(super) fn show(&mut self, view: &View<'_>, messages: &Messages) {
        match &mut self.place {
            Place::Screen(terminal, history) => {
                history.take(view.report, view.to_ms);
                let Some(enter) = terminal.enter() else { return messages.hold(false) };
                if !enter.is_empty() {
                    messages.hold(true);
                    self.writer.control(enter.as_bytes());
                }
                let (width, height) = terminal::size();
                let shown = Screen {
                    head: view.head,
                    alerts: view.alerts,
                    firing: view.firing,
                    report: view.report,
                    warmups: &view.longer.warmups,
                    messages: &messages.recent(),
                    history,
                };
                self.writer.show(drawn(&screen(&shown, width, height)));
            }
            Place::Lines => {
                let text = lines(view.report, view.firing, view.to_ms);
                self.writer.show(text.into_bytes());
            }
            Place::Nowhere => {}
        }
    }

    /// Could all be written so far? False: nobody reads it any more.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn goes_on(&self) -> Result<bool> {
        match self.writer.check() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::io("stdout", &error)),
        }
    }

    /// Was the key typed that ends it?
    pub(super) fn is_quit(&self) -> bool {
        matches!(&self.place, Place::Screen(terminal, _) if terminal.is_quit())
    }

    /// The process was stopped, and somebody else used the terminal.
    pub(super) fn lose(&mut self) {
        if let Place::Screen(terminal, _) = &mut self.place {
            terminal.lose();
        }
    }

    /// Gives back the terminal until the next view, and waits a moment for who reads.
    pub(super) fn leave(&mut self) {
        self.give_back();
        self.writer.flush(LAST);
    }

    /// Was there a terminal to give back?
    fn give_back(&mut self) -> bool {
        let Place::Screen(terminal, _) = &mut self.place else { return false };
        let Some(leave) = terminal.leave() else { return false };
        self.writer.control(leave.as_bytes());
        true
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.give_back() {
            self.writer.flush(LAST);
        }
    }
}

/// Rows over what was there before.
fn drawn(rows: &[String]) -> Vec<u8> {
    format!("\x1b[H{}\x1b[K\r\n\x1b[J", rows.join("\x1b[K\r\n")).into_bytes()
}
