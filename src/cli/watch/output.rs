//! What a live run shows: a screen that is drawn anew each second, or a line per upstream now and then.

use crate::analysis::report::Report;
use crate::error::{Error, Result};
use crate::render::{Format, Options, live_lines, printable, render};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// Another screen than that of the shell, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// What is shown at one moment.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// What it is of: time, window, lines.
    pub(super) head: &'a str,
    /// Alerts that fire, worst first.
    pub(super) alerts: &'a [String],
    pub(super) report: &'a Report,
    /// The moment the window ends at, in milliseconds since the epoch.
    pub(super) to_ms: i64,
}

/// Where it is shown.
#[derive(Debug)]
pub(super) enum Output {
    /// A terminal.
    Screen,
    /// A line per upstream.
    Lines,
}

impl Output {
    /// A screen if stdout is a terminal that is wanted for it.
    pub(super) fn new(no_tui: bool) -> Self {
        if no_tui || !io::stdout().is_terminal() {
            return Output::Lines;
        }
        let mut out = io::stdout().lock();
        let _ = out.write_all(ENTER.as_bytes()).and_then(|()| out.flush());
        Output::Screen
    }

    pub(super) fn is_screen(&self) -> bool {
        matches!(self, Output::Screen)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_screen() {
            let mut out = io::stdout().lock();
            let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
        }
    }
}

/// Draws the screen.
///
/// # Errors
/// The terminal is gone.
pub(super) fn draw(view: &View<'_>) -> Result<()> {
    let size = terminal_size::terminal_size();
    let (width, height) =
        size.map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)));
    let text = screen(view, width, height)?;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::io("stdout", &error))
}

/// Writes the lines. A reader that went away ends the run: false.
///
/// # Errors
/// They can't be written.
pub(super) fn lines(view: &View<'_>) -> Result<bool> {
    let mut out = io::stdout().lock();
    for line in live_lines(view.report, view.to_ms) {
        match writeln!(out, "{line}") {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(false),
            Err(error) => return Err(Error::io("stdout", &error)),
        }
    }
    Ok(true)
}

/// All rows of a screen, over what was there before. The last row stays empty, so that nothing scrolls.
fn screen(view: &View<'_>, width: usize, height: usize) -> Result<String> {
    let mut table = Vec::new();
    let options = Options { width: Some(width), ..Options::default() };
    render(view.report, Format::Table, &options, &mut table)
        .map_err(|error| Error::io("stdout", &error))?;
    let table = String::from_utf8_lossy(&table);
    let head = printable(view.head);
    let alerts = view.alerts.iter().map(|alert| format!("ALERT {}", printable(alert)));
    // The first paragraph of a report is its period and its lines: the head says it.
    let (_, table) = table.split_once("\n\n").unwrap_or(("", &table));
    let rows =
        std::iter::once(head.into_owned()).chain(alerts).chain(table.lines().map(str::to_owned));
    let mut text = String::from("\x1b[H");
    for row in rows.take(height.saturating_sub(1)) {
        let cut: String = row.chars().take(width).collect();
        let _ = write!(text, "{cut}\x1b[K\r\n");
    }
    text.push_str("\x1b[J");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::report::InputStats;
    use crate::analysis::{Policy, analyse};
    use crate::summary::Summary;

    #[test]
    fn a_screen_never_has_more_rows_or_columns_than_the_terminal() {
        let report = analyse(Summary::default(), InputStats::default(), &Policy::default());
        let alerts = vec!["x\x1b[2J".repeat(50); 30];
        let view = View { head: "head", alerts: &alerts, report: &report, to_ms: 0 };
        for (width, height) in [(40, 5), (80, 24), (1, 1), (200, 60)] {
            let text = screen(&view, width, height).unwrap();
            assert!(text.matches("\r\n").count() < height.max(2), "{width} x {height}");
            let rows = text.trim_start_matches("\x1b[H").split("\x1b[K\r\n");
            assert!(rows.clone().all(|row| row.chars().count() <= width.max(3)), "{text:?}");
            assert!(!text.contains("\x1b[2J"), "names are escaped");
        }
    }
}
