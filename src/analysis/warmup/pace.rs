//! The pace of new connections over time: how many in a span, and how many are usual around a moment.

use crate::summary::burst::Burst;
use crate::summary::burst::Bursts;

/// How far around a moment the usual pace is looked for, in milliseconds: far enough for a hundred connections of most
/// logs, and near enough that traffic is much the same.
const AROUND_MS: i64 = 600_000;

/// Stretches that this time is cut into. Warm-ups are in the quarter that has most.
const STRETCHES: i64 = 40;

/// So many attempts show whether connections are reused.
const ENOUGH: i64 = 500;

/// However busy a log is, pools take this long to fill, in milliseconds.
const MIN_REACH_MS: i64 = 1000;

/// Certainly new connections of a log, in cells of equal width. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Width of a cell.
    pub(super) width: i64,
    /// First and last moment of the log.
    pub(super) period: (i64, i64),
    /// The time that it takes to see whether connections are reused, in milliseconds: that of [`ENOUGH`] attempts.
    pub(super) reach: i64,
    cells: Vec<(i64, Burst)>,
    /// Connections before each cell, and in all.
    before: Vec<u64>,
    handshake_before: Vec<u64>,
}

impl Pace {
    /// The pace of a log with so many attempts.
    pub(super) fn of(bursts: &Bursts, attempts: u64, period: (i64, i64)) -> Self {
        let (width, cells) = bursts.to_vec();
        let attempts = i64::try_from(attempts).unwrap_or(i64::MAX).max(1);
        let reach = (period.1 - period.0).saturating_mul(ENOUGH) / attempts;
        Pace::of_cells(width, cells, period, reach.clamp(MIN_REACH_MS, AROUND_MS))
    }

    /// The same without the cells that meet any of these spans.
    pub(super) fn without(&self, spans: &[(i64, i64)]) -> Self {
        let meets = |at: i64| spans.iter().any(|&(from, to)| at < to && at + self.width > from);
        let cells = self.cells.iter().filter(|(at, _)| !meets(*at)).copied().collect();
        Pace::of_cells(self.width, cells, self.period, self.reach)
    }

    fn of_cells(width: i64, cells: Vec<(i64, Burst)>, period: (i64, i64), reach: i64) -> Self {
        let sums = |what: &dyn Fn(&Burst) -> u32| {
            let mut sum = 0;
            let mut sums = vec![0];
            sums.extend(cells.iter().map(|(_, cell)| {
                sum += u64::from(what(cell));
                sum
            }));
            sums
        };
        let before = sums(&|cell| cell.new_certain);
        let handshake_before = sums(&|cell| cell.handshake_ms);
        Pace { width, period, reach, cells, before, handshake_before }
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
        let at = |ms: i64| self.cells.partition_point(|(start, _)| *start < ms);
        at(from)..at(to).max(at(from))
    }

    /// New connections in the cells that start in `from..to`.
    pub(super) fn opened(&self, from: i64, to: i64) -> u64 {
        let range = self.range(from, to);
        self.before[range.end] - self.before[range.start]
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

    /// New connections per millisecond that are usual around a moment: the mean of the time around it, without the
    /// quarters of it in which most and fewest were opened.
    pub(super) fn usual(&self, ms: i64) -> f64 {
        let from = self.floor((ms - AROUND_MS).max(self.period.0));
        let to = (ms + AROUND_MS).min(self.period.1 + 1);
        let step = ((to - from) / STRETCHES / self.width).max(1) * self.width;
        let mut counts = Vec::new();
        let mut at = from;
        while at < to {
            counts.push(self.opened(at, at + step));
            at += step;
        }
        counts.sort_unstable();
        let quarter = counts.len() / 4;
        let middle = &counts[quarter..counts.len() - quarter];
        per(
            middle.iter().sum(),
            i64::try_from(middle.len()).unwrap_or(i64::MAX).saturating_mul(step),
        )
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
