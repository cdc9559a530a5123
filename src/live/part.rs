//! What one fold thread counted since it last handed over.

use super::time::AHEAD_MS;
use crate::fold::Place;
use crate::record::error_log::ErrorLogEvent;
use crate::summary::events::Events;
use crate::summary::{LineCounts, Merge, Summary};
use std::collections::BTreeMap;

/// Width of a slice in milliseconds.
pub const FINE_MS: i64 = 5_000;

/// Width of a slice that is older than [`FINE_FOR_MS`], in milliseconds.
pub const COARSE_MS: i64 = 60_000;

/// Slices stay fine for so long, in milliseconds: for windows of 5 minutes, and for what comes a little late.
pub const FINE_FOR_MS: i64 = 360_000;

/// A part makes its own slices coarse when they are this far behind its newest line, in milliseconds. By then they are so
/// wherever the windows end.
const COARSE_BEHIND_MS: i64 = FINE_FOR_MS + COARSE_MS + AHEAD_MS;

/// The start of the slice of this width that a moment lies in; all in milliseconds.
pub(super) fn start_of(ms: i64, width: i64) -> i64 {
    // Just above the least number there is no start to give.
    ms.div_euclid(width).saturating_mul(width)
}

/// Lines by slices of [`FINE_MS`], each in that of its own time. Made by [`super::slices::Slices::part`].
///
/// Bounded by time, not by lines: slices that are older than any window are only kept as one sum. An old log is read
/// hours in a second: what is far behind its newest line is kept by slices of [`COARSE_MS`].
#[derive(Debug, Clone)]
pub struct Part {
    now_ms: i64,
    /// Most coarse slices: those of the longest window, and a few more.
    most: usize,
    fine: BTreeMap<i64, Summary>,
    /// What is older is coarse, in milliseconds since the epoch.
    fine_from: i64,
    coarse: BTreeMap<i64, Summary>,
    /// Lines too old for any window.
    pub(super) late: Summary,
    /// Lines from the future.
    pub(super) ahead: Summary,
    /// Lines that do not fit, and what is known of lines that nobody folded.
    pub(super) lines: LineCounts,
    pub(super) events: Events,
}

impl Part {
    pub(super) fn new(now_ms: i64, keep_ms: i64) -> Self {
        let most = usize::try_from((keep_ms + 2 * AHEAD_MS) / COARSE_MS).unwrap_or(usize::MAX);
        Part::empty(now_ms, most)
    }

    fn empty(now_ms: i64, most: usize) -> Self {
        Part {
            now_ms,
            most,
            fine: BTreeMap::new(),
            fine_from: i64::MIN,
            coarse: BTreeMap::new(),
            late: Summary::default(),
            ahead: Summary::default(),
            lines: LineCounts::default(),
            events: Events::default(),
        }
    }

    /// Tells the time, in milliseconds since the epoch. To be called at least every few seconds: lines are from the
    /// future or not as of this moment, and those that tell no time were written at it.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// Hands over what was counted, and begins anew.
    #[must_use]
    pub fn hand_over(&mut self) -> Part {
        let fresh = Part::empty(self.now_ms, self.most);
        std::mem::replace(self, fresh)
    }

    /// Adds what is known of the input besides its lines: bytes, and lines that were too long to be folded.
    pub fn count(&mut self, lines: LineCounts) {
        self.lines.merge(lines);
    }

    /// Takes in an event of an error log.
    pub fn event(&mut self, event: ErrorLogEvent) {
        self.events.record(event);
    }

    /// All that was counted, each line once: for totals.
    pub fn summaries(&self) -> impl Iterator<Item = &Summary> {
        self.fine.values().chain(self.coarse.values()).chain([&self.late, &self.ahead])
    }

    /// What became of all lines.
    pub fn line_counts(&self) -> LineCounts {
        let mut all = self.lines;
        self.summaries().for_each(|summary| all.merge(summary.lines));
        all
    }

    /// Was nothing counted?
    pub fn is_empty(&self) -> bool {
        self.line_counts() == LineCounts::default() && self.events.is_empty()
    }

    /// The slices, by their start.
    pub(super) fn into_slices(self) -> impl Iterator<Item = (i64, Summary)> {
        self.fine.into_iter().chain(self.coarse)
    }

    /// Makes room for a slice that begins at this moment.
    #[cold]
    fn open(&mut self, start: i64) {
        let newest = self.fine.last_key_value().map_or(start, |(newest, _)| start.max(*newest));
        self.fine_from = start_of(newest.saturating_sub(COARSE_BEHIND_MS), COARSE_MS);
        while let Some(oldest) = self.fine.first_entry().filter(|of| *of.key() < self.fine_from) {
            let (start, summary) = oldest.remove_entry();
            self.coarse(start).merge(summary);
        }
    }

    /// The coarse slice of a moment. If there are too many, the oldest is let go.
    #[cold]
    fn coarse(&mut self, ms: i64) -> &mut Summary {
        let start = start_of(ms, COARSE_MS);
        if self.coarse.len() >= self.most && !self.coarse.contains_key(&start) {
            if self.coarse.first_key_value().is_some_and(|(oldest, _)| start < *oldest) {
                return &mut self.late;
            }
            if let Some((_, oldest)) = self.coarse.pop_first() {
                add_late(&mut self.late, oldest);
            }
        }
        self.coarse.entry(start).or_default()
    }
}

/// Keeps of lines that no window holds what totals need.
fn add_late(late: &mut Summary, summary: Summary) {
    late.lines.merge(summary.lines);
    late.peers.merge(summary.peers);
    late.bound_detail();
}

impl Place for Part {
    #[inline]
    fn of(&mut self, ms: Option<i64>) -> &mut Summary {
        let ms = ms.unwrap_or(self.now_ms);
        if ms > self.now_ms.saturating_add(AHEAD_MS) {
            return &mut self.ahead;
        }
        let start = start_of(ms, FINE_MS);
        if start < self.fine_from {
            return self.coarse(start);
        }
        if !self.fine.contains_key(&start) {
            self.open(start);
        }
        self.fine.entry(start).or_default()
    }

    fn malformed(&mut self) -> &mut LineCounts {
        &mut self.lines
    }
}
