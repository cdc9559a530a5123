//! The windows of time that a live run looks at.

use crate::analysis::report::{InputStats, Report};
use crate::analysis::{Policy, analyse};
use crate::live::slices::Slices;
use crate::summary::Summary;

/// A window is looked at this many times while it passes, but each second at most.
const LOOKS: i64 = 60;

/// One window.
#[derive(Debug)]
pub(super) struct Window {
    /// As the user wrote it: `5m`.
    pub(super) name: String,
    /// Its length in milliseconds.
    span_ms: i64,
    looked_ms: i64,
    /// The moment it ends at, in milliseconds since the epoch.
    pub(super) to_ms: i64,
    /// What it shows.
    pub(super) report: Report,
}

/// All windows, the one that alerts are judged by first; at least one.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) first: Window,
    pub(super) others: Vec<Window>,
}

impl Windows {
    /// Empty windows of these names and lengths in milliseconds; none if there are none.
    pub(super) fn new(times: Vec<(String, i64)>, policy: &Policy) -> Option<Self> {
        let nothing = analyse(Summary::default(), InputStats::default(), policy);
        let mut windows = times.into_iter().map(|(name, span_ms)| Window {
            name,
            span_ms,
            looked_ms: i64::MIN,
            to_ms: 0,
            report: nothing.clone(),
        });
        Some(Windows { first: windows.next()?, others: windows.collect() })
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Window> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The one that goes furthest back.
    pub(super) fn longest(&self) -> &Window {
        self.others.iter().fold(&self.first, |longest, window| {
            if window.span_ms > longest.span_ms { window } else { longest }
        })
    }

    /// Makes the reports that are due at this moment, in milliseconds since the epoch: that of the first window always.
    pub(super) fn look(&mut self, slices: &Slices, now: i64, policy: &Policy, is_last: bool) {
        self.first.look(slices, now, policy);
        for window in &mut self.others {
            let due = window.looked_ms.saturating_add(window.span_ms / LOOKS);
            if is_last || now >= due || now < window.looked_ms {
                window.look(slices, now, policy);
            }
        }
    }
}

impl Window {
    fn look(&mut self, slices: &Slices, now: i64, policy: &Policy) {
        self.looked_ms = now;
        let found = slices.window(self.span_ms, now);
        self.to_ms = found.to_ms;
        let lines = found.summary.lines;
        let input = InputStats {
            bytes: lines.bytes,
            lines: lines.lines,
            matched: lines.matched,
            without_upstream: lines.without_upstream,
            ..InputStats::default()
        };
        self.report = analyse(found.summary, input, policy);
    }
}
