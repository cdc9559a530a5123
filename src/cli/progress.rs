//! How far a long run is: one line on stderr that is rewritten in place and gone at the end.
//!
//! There is no thread for it. Whichever worker finishes a block writes the line when the last one is old enough, so a
//! run that waits for a pipe shows where it stopped.
#![expect(clippy::disallowed_methods, reason = "a line a few times per second needs the clock")]

use crate::units::bytes;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How old a line is before it is rewritten. Also how long a run is silent at first: most are over by then.
const EVERY: Duration = Duration::from_millis(300);

/// Counts what was read, and shows it if stderr is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    /// Plain bytes of all sources, if they are known.
    total: Option<u64>,
    done: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    /// When it was written; at first when the run began.
    at: Instant,
    /// Columns of it; 0 if there is none.
    width: usize,
}

impl Progress {
    /// For a run over `total` bytes, if that is known. A quiet one never shows anything.
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        Progress {
            shown: !quiet && io::stderr().is_terminal(),
            total,
            done: AtomicU64::new(0),
            line: Mutex::new(Line { at: Instant::now(), width: 0 }),
        }
    }

    /// So many bytes more were read.
    pub(super) fn add(&self, read: u64) {
        let done = self.done.fetch_add(read, Ordering::Relaxed).saturating_add(read);
        if !self.shown {
            return;
        }
        // A worker that finds another one writing has nothing newer to say.
        let Ok(mut line) = self.line.try_lock() else { return };
        if line.at.elapsed() < EVERY {
            return;
        }
        let text = text(done, self.total);
        // Spaces at its end cover a longer line before it.
        let _ = write!(io::stderr().lock(), "\r{text:<width$}", width = line.width);
        *line = Line { at: Instant::now(), width: text.len() };
    }
}

/// Takes the line away, however the run ends.
impl Drop for Progress {
    fn drop(&mut self) {
        let width = self.line.get_mut().map_or(0, |line| line.width);
        if width > 0 {
            let _ = write!(io::stderr().lock(), "\r{:width$}\r", "");
        }
    }
}

/// `reading: 1.2 of 3.4 GB, 35 %`, or `reading: 1.2 GB`. ASCII, so its length is its width.
fn text(done: u64, total: Option<u64>) -> String {
    match total {
        // A file may be cut while it is read, but none is read beyond the size it had.
        Some(total) if total > 0 => {
            let percent = u128::from(done.min(total)) * 100 / u128::from(total);
            format!("reading: {} of {}, {percent} %", bytes(done), bytes(total))
        }
        _ => format!("reading: {}", bytes(done)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_where_the_whole_is_known() {
        assert_eq!(text(1_200_000_000, Some(3_400_000_000)), "reading: 1.2 GB of 3.4 GB, 35 %");
        assert_eq!(text(1_200_000_000, None), "reading: 1.2 GB");
        assert_eq!(text(0, Some(0)), "reading: 0 B");
        assert_eq!(
            text(u64::MAX, Some(u64::MAX)),
            "reading: 18446744.0 TB of 18446744.0 TB, 100 %"
        );
    }

    #[test]
    fn all_workers_count_together() {
        let progress = Progress::new(None, true);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| progress.add(3)));
            }
        });
        assert_eq!(progress.done.load(Ordering::Relaxed), 12_000);
    }
}
