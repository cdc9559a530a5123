//! The windows of time that a live run looks at.

use crate::analysis::report::{Cold, InputStats, Report};
use crate::analysis::{Policy, analyse, analyse_with_cold};
use crate::live::alert::Seen;
use crate::live::slices::{Closed, Slices};
use crate::summary::Summary;
use std::sync::Arc;

/// A window is looked at this many times while it passes, but each second at most.
const LOOKS: i64 = 150;

/// Warm-ups are those of a window so many times as long as they may take: what was before shows what is usual.
const BEFORE: i64 = 4;

/// What alerts see as the last seconds, in milliseconds. Windows are made of whole slices, so it is up to twice that.
const RECENT_MS: i64 = 5_000;

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
    pub(super) report: Arc<Report>,
    /// The times in which pools were cold, in order.
    pub(super) cold: Vec<Cold>,
    closed: Closed,
}

/// All windows, the one that alerts are judged by first; at least one.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) first: Window,
    pub(super) others: Vec<Window>,
    /// The last seconds, unless the first window is hardly longer.
    recent: Option<Window>,
}

impl Windows {
    /// Empty windows of these names and lengths in milliseconds; none if there are none.
    pub(super) fn new(times: Vec<(String, i64)>, policy: &Policy) -> Option<Self> {
        let nothing = Arc::new(analyse(Summary::default(), InputStats::default(), policy));
        let window = |(name, span_ms)| Window {
            name,
            span_ms,
            looked_ms: i64::MIN,
            to_ms: 0,
            report: Arc::clone(&nothing),
            cold: Vec::new(),
            closed: Closed::default(),
        };
        let mut windows = times.into_iter().map(window);
        let first = windows.next()?;
        let others = windows.collect();
        let is_long = first.span_ms > 2 * RECENT_MS;
        let recent = is_long.then(|| window((String::new(), RECENT_MS)));
        Some(Windows { first, others, recent })
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

    /// What alerts see of the upstreams, where a warm-up may take so many seconds. In the end the first window is judged
    /// as a whole.
    pub(super) fn seen(&self, grace_s: u64, is_last: bool) -> Seen {
        let recent = self.recent.as_ref().filter(|_| !is_last).map(|recent| &*recent.report);
        Seen::of_reports(&self.first.report, recent, &self.for_warmups(grace_s).report)
    }

    /// The report that tells of warm-ups that may take so many seconds.
    pub(super) fn report_for_warmups(&self, grace_s: u64) -> &Report {
        &self.for_warmups(grace_s).report
    }

    /// The one that tells of warm-ups that may take so many seconds: the shortest that goes back far enough, or else the
    /// one that goes furthest back.
    fn for_warmups(&self, grace_s: u64) -> &Window {
        let enough = i64::try_from(grace_s).unwrap_or(i64::MAX).saturating_mul(1000 * BEFORE);
        let reach = |window: &Window| window.span_ms.min(enough);
        let most = self.iter().map(reach).max();
        let far = self.iter().filter(|window| Some(reach(window)) == most);
        far.min_by_key(|window| window.span_ms).unwrap_or(&self.first)
    }

    /// Makes the reports that are due at this moment, in milliseconds since the epoch: those of the first
    /// window and of the last seconds always.
    pub(super) fn look(&mut self, slices: &Slices, now: i64, policy: &Policy, is_last: bool) {
        self.first.look(slices, now, policy);
        if let Some(recent) = &mut self.recent {
            recent.look(slices, now, policy);
        }
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
        let found = slices.window(self.span_ms, now, &mut self.closed);
        self.to_ms = found.to_ms;
        let lines = found.summary.lines;
        let input = InputStats {
            bytes: lines.bytes,
            lines: lines.lines,
            matched: lines.matched,
            without_upstream: lines.without_upstream,
            ..InputStats::default()
        };
        let (mut report, cold) = analyse_with_cold(found.summary, input, policy);
        spread(&mut report, found.to_ms - found.from_ms);
        (self.report, self.cold) = (Arc::new(report), cold);
    }
}

/// New connections per second over a window of so many milliseconds, though there were some in a part of it only.
#[expect(clippy::cast_precision_loss, reason = "windows are far below 2^53 ms")]
fn spread(report: &mut Report, window_ms: i64) {
    let Some(period) = report.period else { return };
    let share = (1000.0 * period.seconds() / window_ms as f64).min(1.0);
    let upstreams = report.upstreams.iter_mut();
    let stats = upstreams
        .flat_map(|of| of.peers.iter_mut().map(|peer| &mut peer.stats).chain([&mut of.stats]));
    for new in stats.chain([&mut report.total]).filter_map(|of| of.new_per_second.as_mut()) {
        new.mean *= share;
    }
}

#[cfg(test)]
mod tests;
