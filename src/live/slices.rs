//! Lines by slices of their own time, of which windows are made.
//!
//! Slices of [`FINE_MS`] for the last [`FINE_FOR_MS`], of [`COARSE_MS`] before that, as far back as the longest window
//! goes. Lines that come later than that count in the totals only. A line that comes late, but not too late, goes to the
//! slice of its own time: any order and any split among threads ends in the same windows.

use super::part::{COARSE_MS, FINE_FOR_MS, FINE_MS, Part, start_of};
use super::slice::Slice;
use super::time::{AHEAD_MS, Newest};
use crate::record::error_log::ErrorLogEvent;
use crate::summary::events::Events;
use crate::summary::{Merge, Summary};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Slices older than this are packed, in milliseconds: lines that a buffer holds back (`access_log buffer flush`) have
/// come by then.
const PACKED_AFTER_MS: i64 = 90_000;

/// So are those to which nothing was added for so long, in milliseconds.
const QUIET_MS: i64 = 3_000;

/// Slices that begin so long before the end of the windows hardly change any more, in milliseconds.
const CLOSED_AFTER_MS: i64 = 10_000;

/// The longest window, in milliseconds: six hours.
pub const MAX_WINDOW_MS: i64 = 6 * 3_600_000;

/// Clocks of hosts differ by up to half a day from UTC, and error logs tell local time: their events are kept so much
/// longer, in milliseconds.
const ZONES_MS: i64 = 15 * 3_600_000;

/// All slices that windows are made of. To be stored as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slices {
    /// By their start. There may be fine slices beside coarse ones of the same time after the clock was set back.
    fine: BTreeMap<i64, Slice>,
    coarse: BTreeMap<i64, Slice>,
    events: Events,
    newest: Newest,
    /// How far back slices are kept, in milliseconds.
    keep_ms: i64,
    /// Both are of this process: those of a state may be older than what was exposed last.
    #[serde(skip)]
    late: u64,
    #[serde(skip)]
    ahead: u64,
    /// How often closed slices changed all the same.
    #[serde(skip)]
    changes: u64,
    /// Where the windows ended when slices were taken in last, in milliseconds since the epoch.
    #[serde(skip)]
    last_end_ms: i64,
}

/// The sum of the closed slices of a window, kept from one look at it to the next; packed, as windows are many and it may
/// be large.
#[derive(Debug, Default)]
pub struct Closed {
    /// From when, and after how many changes.
    of: Option<(i64, u64)>,
    /// Up to this moment, in milliseconds since the epoch.
    to_ms: i64,
    sum: Slice,
}

/// A window of time and what was written in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Its first moment, in milliseconds since the epoch: windows are made of whole slices, so it is up to 15 s earlier
    /// than asked for, and up to a minute where they are longer than those of 5 s are kept.
    pub from_ms: i64,
    /// The moment it ends at. Clocks differ: there may be lines up to [`AHEAD_MS`] later.
    pub to_ms: i64,
    /// Its lines; of those that do not fit no one knows when they were written, so they are in no window.
    pub summary: Summary,
}

impl Slices {
    /// Slices for windows of up to `longest_ms` milliseconds, at most [`MAX_WINDOW_MS`].
    pub fn new(longest_ms: i64) -> Self {
        Slices {
            fine: BTreeMap::new(),
            coarse: BTreeMap::new(),
            events: Events::default(),
            newest: Newest::default(),
            keep_ms: longest_ms.clamp(COARSE_MS, MAX_WINDOW_MS),
            late: 0,
            ahead: 0,
            changes: 0,
            last_end_ms: 0,
        }
    }

    /// Windows of up to `longest_ms` milliseconds are asked for from now on, at most [`MAX_WINDOW_MS`]. Longer ones than
    /// before fill with time.
    pub fn keep(&mut self, longest_ms: i64) {
        self.keep_ms = longest_ms.clamp(COARSE_MS, MAX_WINDOW_MS);
    }

    /// An empty part for a thread to count in, at this moment in milliseconds since the epoch.
    pub fn part(&self, now_ms: i64) -> Part {
        Part::new(now_ms, self.keep_ms)
    }

    /// Takes in what threads counted, at this moment in milliseconds since the epoch, and lets go what no window holds
    /// any more. To be called about once a second, also when there are no parts.
    pub fn take(&mut self, parts: impl IntoIterator<Item = Part>, now_ms: i64) {
        let horizon = self.horizon(now_ms);
        let mut oldest = i64::MAX;
        for mut part in parts {
            self.late += part.late.lines.lines;
            self.ahead += part.ahead.lines.lines;
            self.events.merge(std::mem::take(&mut part.events));
            for (start, summary) in part.into_slices() {
                // A slice whose lines tell no time was written when its part was open.
                let newest = summary.span.get().map_or(start, |(_, to)| to);
                self.newest.record(newest, now_ms);
                if horizon.is_some_and(|horizon| start < horizon) {
                    self.late += summary.lines.lines;
                } else {
                    oldest = oldest.min(start);
                    self.fine.entry(start).or_default().add(summary, now_ms);
                }
            }
        }
        self.advance(now_ms);
        let end = self.end(now_ms);
        if oldest < closed_to(end) || end < self.last_end_ms {
            self.changes += 1;
        }
        self.last_end_ms = end;
    }

    /// Makes old slices coarse and lets go of those that are too old, or from the future because the clock was set back.
    fn advance(&mut self, now_ms: i64) {
        self.newest.check(now_ms);
        let end = self.newest.end(now_ms);
        let fine_from = start_of(end.saturating_sub(FINE_FOR_MS), COARSE_MS);
        while let Some(slice) = self.fine.first_entry().filter(|slice| *slice.key() < fine_from) {
            let (start, slice) = slice.remove_entry();
            let summary = slice.into_summary();
            let coarse = self.coarse.entry(start_of(start, COARSE_MS)).or_default();
            coarse.add(*summary, i64::MIN);
        }
        let kept_from = self.horizon(now_ms).unwrap_or(i64::MIN);
        self.coarse = self.coarse.split_off(&kept_from);
        let future = now_ms.saturating_add(AHEAD_MS);
        drop(self.fine.split_off(&future));
        drop(self.coarse.split_off(&future));
        self.forget_events(kept_from.saturating_sub(ZONES_MS));
        let is_old = ..end.saturating_sub(PACKED_AFTER_MS);
        let old = self.fine.range_mut(is_old).chain(self.coarse.iter_mut());
        old.for_each(|(_, slice)| slice.pack(i64::MAX));
        let quiet = now_ms.saturating_sub(QUIET_MS);
        self.fine.range_mut(..closed_to(end)).for_each(|(_, slice)| slice.pack(quiet));
    }

    fn forget_events(&mut self, from_ms: i64) {
        if self.events.iter().next().is_some_and(|oldest| oldest.at.utc_ms(0) < from_ms) {
            let mut kept = Events::default();
            let newer = |event: &&ErrorLogEvent| event.at.utc_ms(0) >= from_ms;
            self.events.iter().filter(newer).for_each(|event| kept.record(event.clone()));
            self.events = kept;
        }
    }

    /// The first moment that windows may still need; none before the first line.
    fn horizon(&self, now_ms: i64) -> Option<i64> {
        self.newest.lag_ms()?;
        Some(start_of(self.end(now_ms).saturating_sub(self.keep_ms), COARSE_MS))
    }

    /// The moment that windows end at, see [`super::time`]; all in milliseconds since the epoch.
    pub fn end(&self, now_ms: i64) -> i64 {
        self.newest.end(now_ms)
    }

    /// How far the newest line was behind the clock when it came, in milliseconds; none before the first line.
    pub fn lag_ms(&self) -> Option<i64> {
        self.newest.lag_ms()
    }

    /// Lines that were too old for any window when they were taken in.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Lines that were more than [`AHEAD_MS`] ahead of the clock, which are in no window: is the clock right?
    pub fn ahead(&self) -> u64 {
        self.ahead
    }

    /// What was written in the last `span_ms` milliseconds; `closed` is that of the last time, or a new one.
    pub fn window(&self, span_ms: i64, now_ms: i64, closed: &mut Closed) -> Window {
        let to_ms = self.end(now_ms);
        let from = to_ms.saturating_sub(span_ms.clamp(FINE_MS, self.keep_ms));
        let is_fine = from >= start_of(to_ms.saturating_sub(FINE_FOR_MS), COARSE_MS);
        let from_ms = start_of(from, if is_fine { step(span_ms) } else { COARSE_MS });
        let open_from = closed_to(to_ms).max(from_ms);
        let of = Some((from_ms, self.changes));
        if closed.of != of || open_from < closed.to_ms {
            (closed.of, closed.to_ms, closed.sum) = (of, from_ms, Slice::default());
        }
        let mut summary = if closed.to_ms < open_from {
            let mut sum = std::mem::take(&mut closed.sum).into_summary();
            let slices = self.coarse.range(closed.to_ms..open_from);
            let slices = slices.chain(self.fine.range(closed.to_ms..open_from));
            slices.for_each(|(_, slice)| slice.add_to(&mut sum));
            closed.sum = Slice::packed(&sum);
            closed.to_ms = open_from;
            *sum
        } else {
            closed.sum.to_summary()
        };
        summary.events.merge(self.events.clone());
        let open = self.coarse.range(open_from..).chain(self.fine.range(open_from..));
        open.for_each(|(_, slice)| slice.add_to(&mut summary));
        Window { from_ms, to_ms, summary }
    }
}

/// Fine windows begin at multiples of this many milliseconds, a twentieth of their length: with each beginning the sum of
/// their slices is made anew, and long windows have many.
fn step(span_ms: i64) -> i64 {
    start_of(span_ms / 20, FINE_MS).clamp(FINE_MS, 3 * FINE_MS)
}

/// Where the slices end that hardly change any more, if the windows end at this moment; in milliseconds.
fn closed_to(end_ms: i64) -> i64 {
    start_of(end_ms.saturating_sub(CLOSED_AFTER_MS), FINE_MS)
}

#[cfg(test)]
mod tests;
