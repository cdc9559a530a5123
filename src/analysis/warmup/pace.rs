//! The pace of new connections over time: how many in a span, and how many are usual around a moment.

use super::places::Places;
use crate::summary::burst::{Begun, Burst, Bursts, Count};
use std::rc::Rc;

/// How far around a moment the usual pace is looked for, in milliseconds: far enough for a hundred connections of most
/// logs, and near enough that traffic is much the same.
const AROUND_MS: i64 = 600_000;

/// Stretches that this time is cut into. Warm-ups are in the quarter that has most.
const STRETCHES: i64 = 40;

/// So many attempts show whether connections are reused.
const ENOUGH: i64 = 500;

/// Pools from which so many attempts of a hundred open a connection are warm, whatever they were before.
const WARM: f64 = 0.02;

/// However busy a log is, pools take this long to fill, in milliseconds.
const MIN_REACH_MS: i64 = 1000;

/// The start of a cell, the attempts in it, and how many came before.
pub(super) type BegunBefore = (i64, Count, u64);

/// Certainly new connections of a log, in cells of equal width. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Width of a cell.
    pub(super) width: i64,
    /// First and last moment of the log.
    pub(super) period: (i64, i64),
    /// The time that it takes to see whether connections are reused, in milliseconds: that of [`ENOUGH`] attempts.
    pub(super) reach: i64,
    /// Attempts that got a connection, new or reused, in cells of this width, and how many came before each.
    pub(super) begun_width: i64,
    pub(super) begun: Rc<[BegunBefore]>,
    cells: Vec<(i64, Burst)>,
    /// Where to look for a cell.
    places: Places,
    /// New connections before each cell, and in all.
    before: Vec<u64>,
    handshake_before: Vec<u64>,
}

impl Pace {
    /// The pace of a log with so many attempts.
    pub(super) fn of(bursts: Bursts, begun: &Begun, attempts: u64, period: (i64, i64)) -> Self {
        let (width, cells) = (bursts.width(), bursts.into_vec());
        let attempts = i64::try_from(attempts).unwrap_or(i64::MAX).max(1);
        let reach = (period.1 - period.0).saturating_mul(ENOUGH) / attempts;
        let pace = Pace::of_cells(width, cells, period, reach.clamp(MIN_REACH_MS, AROUND_MS));
        let mut before = 0;
        let with_sum = |(at, count): (i64, &Count)| {
            before += u64::from(count.0);
            (at, *count, before - u64::from(count.0))
        };
        Pace { begun_width: begun.width(), begun: begun.iter().map(with_sum).collect(), ..pace }
    }

    /// The same without the cells that meet any of these spans.
    pub(super) fn without(&self, spans: &[(i64, i64)]) -> Self {
        let meets = |at: i64| spans.iter().any(|&(from, to)| at < to && at + self.width > from);
        let cells = self.cells.iter().filter(|(at, _)| !meets(*at)).copied().collect();
        let pace = Pace::of_cells(self.width, cells, self.period, self.reach);
        Pace { begun_width: self.begun_width, begun: Rc::clone(&self.begun), ..pace }
    }

    fn of_cells(width: i64, cells: Vec<(i64, Burst)>, period: (i64, i64), reach: i64) -> Self {
        let sums = |what: &dyn Fn(&Burst) -> u32| {
            let mut sum = 0;
            let mut sums = Vec::with_capacity(cells.len() + 1);
            sums.push(0);
            sums.extend(cells.iter().map(|(_, cell)| {
                sum += u64::from(what(cell));
                sum
            }));
            sums
        };
        let before = sums(&|cell| cell.new_certain);
        let handshake_before = sums(&|cell| cell.handshake_ms);
        let (begun_width, begun) = (1, Rc::default());
        let places = Places::of(&cells);
        Pace { width, period, reach, begun_width, begun, cells, places, before, handshake_before }
    }

    /// Cells with something in them, in order.
    pub(super) fn cells(&self) -> &[(i64, Burst)] {
        &self.cells
    }

    /// The start of the cell that a moment lies in.
    pub(super) fn floor(&self, ms: i64) -> i64 {
        ms.div_euclid(self.width) * self.width
    }

    /// The places of the cells that start in `from..to`.
    pub(super) fn range(&self, from: i64, to: i64) -> std::ops::Range<usize> {
        let at = |ms: i64| self.places.before(ms, &self.cells);
        at(from)..at(to).max(at(from))
    }

    /// New connections in the cells that start in `from..to`.
    pub(super) fn opened(&self, from: i64, to: i64) -> u64 {
        self.before(to.max(from)) - self.before(from)
    }

    /// New connections in the cells that start before a moment.
    pub(super) fn before(&self, ms: i64) -> u64 {
        self.before[self.places.before(ms, &self.cells)]
    }

    /// The sum of their connect times in milliseconds.
    pub(super) fn handshake_ms(&self, from: i64, to: i64) -> u64 {
        let range = self.range(from, to);
        self.handshake_before[range.end] - self.handshake_before[range.start]
    }

    /// All new connections.
    pub(super) fn all(&self) -> u64 {
        self.before.last().copied().unwrap_or(0)
    }

    /// The most new connections per second, of a second or a cell that starts in `from..to`, whichever is longer.
    pub(super) fn peak_per_second(&self, from: i64, to: i64) -> f64 {
        let length = self.width.max(1000);
        let cells = self.cells.get(self.range(from, to)).unwrap_or_default();
        let most = cells.iter().map(|(at, _)| self.opened(*at, at + length)).max();
        per(most.unwrap_or(0), length) * 1000.0
    }

    /// The peers of the new connections in `from..to`.
    pub(super) fn peers(&self, from: i64, to: i64) -> u64 {
        let cells = self.cells.get(self.range(from, to)).unwrap_or_default();
        cells.iter().fold(0, |peers, (_, cell)| peers | cell.peers)
    }

    /// Attempts that got a connection, of requests that began in `from..to`, as if cells were filled evenly.
    pub(super) fn connected(&self, from: i64, to: i64) -> f64 {
        let until = |ms: i64| {
            let next = self.begun.partition_point(|(at, ..)| *at < ms);
            let Some((at, count, before)) = next.checked_sub(1).map(|last| self.begun[last]) else {
                return 0.0;
            };
            let part = (ms - at).min(self.begun_width);
            per(before, 1) + times(f64::from(count.0) * per(1, self.begun_width), part)
        };
        until(to.max(from)) - until(from)
    }

    /// The time that workers with this share of all attempts take to show whether connections are reused.
    #[expect(clippy::cast_possible_truncation, reason = "a time of at most ten minutes")]
    pub(super) fn reach_of(&self, share: f64) -> i64 {
        (times(1.0, self.reach) / share).min(times(1.0, AROUND_MS)) as i64
    }

    /// New connections per millisecond that are usual around a moment. A pool that stays cold from then on is not its own
    /// measure: where fewer attempts opened one before, that is what is usual.
    pub(super) fn usual(&self, ms: i64) -> f64 {
        let from = self.floor((ms - AROUND_MS).max(self.period.0));
        let to = (ms + AROUND_MS).min(self.period.1 + 1);
        let (count, length) = self.middle(from, to);
        let around = per(count, length);
        let behind = self.connected(ms, to) / times(1.0, (to - ms).max(1));
        let expected = self.share(from, self.floor(ms)).map(|share| share.max(WARM) * behind);
        match expected {
            Some(before) if !is_usual(count, times(before, length)) => before.min(around),
            // Traffic may have grown.
            _ => self.share(from, to).map_or(around, |share| around.max(share * behind)),
        }
    }

    /// New connections of the stretches of this time without the quarters that have most and fewest, and how long these
    /// stretches are.
    fn middle(&self, from: i64, to: i64) -> (u64, i64) {
        let stretches = self.stretches(from, to);
        let mut counts: Vec<u64> = stretches.map(|(at, end)| self.opened(at, end)).collect();
        counts.sort_unstable();
        let quarter = counts.len() / 4;
        let middle = &counts[quarter..counts.len() - quarter];
        let each = self.stretch(from, to);
        let length = i64::try_from(middle.len()).unwrap_or(i64::MAX).saturating_mul(each);
        (middle.iter().sum(), length)
    }

    /// The share of attempts that opened a connection, in the same middle of a time by that share; none if there were
    /// not enough to tell.
    fn share(&self, from: i64, to: i64) -> Option<f64> {
        let of = |(at, end)| (per(self.opened(at, end), 1), self.connected(at, end));
        let mut parts: Vec<(f64, f64)> =
            self.stretches(from, to).filter(|(_, end)| *end <= to).map(of).collect();
        parts.retain(|(_, all)| *all > 0.0);
        parts.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let quarter = parts.len() / 4;
        let middle = parts[quarter..parts.len() - quarter].iter();
        let (new, all) = middle.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        (all * 2.0 >= per(ENOUGH.unsigned_abs(), 1)).then(|| new / all)
    }

    /// The stretches that a time is cut into.
    fn stretches(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
        let length = self.stretch(from, to);
        let count = (to - from).max(0).saturating_add(length - 1) / length;
        (0..count).map(move |n| (from + n * length, from + (n + 1) * length))
    }

    fn stretch(&self, from: i64, to: i64) -> i64 {
        ((to - from) / STRETCHES / self.width).max(1) * self.width
    }
}

/// So many per millisecond.
#[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
pub(super) fn per(count: u64, ms: i64) -> f64 {
    count as f64 / ms.max(1) as f64
}

/// So many in so many milliseconds.
#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53")]
pub(super) fn times(per_ms: f64, ms: i64) -> f64 {
    per_ms * ms.max(0) as f64
}

/// Is this count no more than what comes by chance where `expected` is usual: three standard deviations of a Poisson
/// count, and one.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(super) fn is_usual(count: u64, expected: f64) -> bool {
    count as f64 <= expected + 3.0 * expected.sqrt() + 1.0
}
