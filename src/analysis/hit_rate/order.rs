//! Do clients come in the order of one counter?
//!
//! A counter only rises, so a client that was accepted later has the larger number. What the log tells is when its first
//! request came, which is later by a moment, or by seconds: a TLS handshake, a slow network, a connection that a browser
//! opened in advance. So an order is only judged over times that are longer than clients are late.

use crate::summary::serials::{Accepted, Counter};

/// Clients are late by no more than this, in milliseconds; in a short log by no more than one part in
/// [`PARTS_OF_LOG`] of its time, or nothing could be told of it.
const LATE_MS: i64 = 30_000;
const PARTS_OF_LOG: i64 = 8;

/// The share of cells of one worker, by the mean of their numbers, that may be below those before them: a client that is
/// late moves a mean little, those of a second counter move it far.
const MIXED: f64 = 0.08;

/// So many cells in a row without a new number, for longer than clients are late, begin a new counter.
const FALLEN: u32 = 5;

/// Cells that are tried first, and the share of those out of order at which the rest need not be looked at.
const TRIED: usize = 64;
const CLEARLY: f64 = 0.6;

/// Clients by the cell in which they were accepted: its start in milliseconds since the epoch.
pub(super) type Clock = Vec<(i64, Accepted)>;

/// How much later than it was accepted a client may show, in milliseconds. Times may be off by `slack` anyway.
pub(super) fn lateness(counters: &[(&str, Option<u64>, &Counter)], scale: u32, slack: i64) -> i64 {
    let ends = counters.iter().filter_map(|(_, _, counter)| counter.clock.ends_at_scale(scale));
    let (from, to) =
        ends.fold((i64::MAX, i64::MIN), |all, one| (all.0.min(one.0), all.1.max(one.1)));
    let part = to.saturating_sub(from).max(0) / PARTS_OF_LOG;
    part.min(LATE_MS).max(slack).max(1 << scale)
}

/// Only the cells whose newest number is larger than all before.
pub(super) fn rising(clock: impl IntoIterator<Item = (i64, Accepted)>) -> Clock {
    only_rising(clock.into_iter(), |cell| cell.newest).collect()
}

fn only_rising<T>(
    cells: impl Iterator<Item = (i64, T)>,
    newest: impl Fn(&T) -> u64,
) -> impl Iterator<Item = (i64, T)> {
    let mut largest = None;
    cells.filter(move |(_, cell)| {
        let newest = Some(newest(cell));
        let rises = largest < newest;
        largest = largest.max(newest);
        rises
    })
}

/// The share of clients that would be out of order if both clocks were of one counter: the larger of the shares of
/// either. Both only rise.
pub(super) fn out_of_order(a: &Clock, b: &Clock, late: i64) -> f64 {
    let share = |step: fn(usize) -> usize| {
        let newest = |clock: &Clock| clock.iter().map(|(ms, cell)| (*ms, cell.newest)).collect();
        let (a, b): (Vec<_>, Vec<_>) = (newest(a), newest(b));
        let below = |all: &[(i64, u64)], later: &[(i64, u64)]| {
            share_below(all, later.iter().copied().step_by(step(later.len())), late)
        };
        below(&a, &b).max(below(&b, &a))
    };
    let tried = share(|cells| (cells / TRIED).max(1));
    if tried > CLEARLY { tried } else { share(|_| 1) }
}

/// Of the numbers in `later` that have one of `rising` long enough before them: the share that is smaller than that.
fn share_below(rising: &[(i64, u64)], later: impl Iterator<Item = (i64, u64)>, late: i64) -> f64 {
    let (mut tests, mut below) = (0u32, 0u32);
    for (ms, number) in later {
        let before = rising.partition_point(|(at, _)| at.saturating_add(late) < ms);
        if let Some((_, newest)) = before.checked_sub(1).and_then(|at| rising.get(at)) {
            tests += 1;
            below += u32::from(number < *newest);
        }
    }
    if tests == 0 { 0.0 } else { f64::from(below) / f64::from(tests) }
}

/// Is a worker's own clock, where it is of first requests only, out of order? Then it is two: those of a worker before
/// and after a restart, or of two hosts, whose log does not tell them apart.
pub(super) fn is_mixed(counter: &Counter, scale: u32, late: i64) -> bool {
    if counter.unnumbered > 0 {
        return false;
    }
    let clock = counter.clock.at_scale(scale);
    let newest = || clock.iter().map(|(ms, cell)| (*ms, cell.newest));
    let marks: Vec<(i64, u64)> = only_rising(newest(), |newest| *newest).collect();
    let means = clock.iter().map(|(ms, cell)| (*ms, cell.mean()));
    share_below(&marks, means, late) > MIXED || falls(newest(), late)
}

/// Do clients stay below a number that was there before them, one after another?
fn falls(clock: impl Iterator<Item = (i64, u64)>, late: i64) -> bool {
    let mut newest: Option<u64> = None;
    let (mut begin, mut row) = (0, 0);
    for (ms, number) in clock {
        if newest < Some(number) {
            (newest, row) = (Some(number), 0);
            continue;
        }
        if row == 0 {
            begin = ms;
        }
        row += 1;
        if row >= FALLEN && ms - begin > late {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(cells: &[(i64, u64)]) -> Clock {
        let cell = |newest: u64| Accepted {
            newest,
            sum: u128::from(newest),
            lines: 1,
            ..Accepted::default()
        };
        cells.iter().map(|&(ms, newest)| (ms, cell(newest))).collect()
    }

    #[test]
    fn late_clients_of_one_counter_are_in_order() {
        // Every third client shows 300 ms late.
        let numbers = |from: u64| {
            (0..500u64)
                .map(move |i| (i64::try_from(i * 40 + 300 * (i % 3 / 2)).unwrap(), from + 2 * i))
        };
        let sorted = |from| {
            let mut all: Vec<_> = numbers(from).collect();
            all.sort_unstable();
            clock(&all)
        };
        let (a, b) = (rising(sorted(1)), rising(sorted(2)));
        assert!(out_of_order(&a, &b, 2000) < 0.01);
        let other = rising(sorted(100_000));
        assert!(out_of_order(&a, &other, 2000) > 0.9);
    }

    #[test]
    fn a_counter_that_begins_anew_falls() {
        let before = (0..100).map(|i| (i * 100, 1000 + 5 * u64::try_from(i).unwrap()));
        let after = (100..110).map(|i| (i * 100, u64::try_from(i).unwrap()));
        assert!(falls(before.clone().chain(after), 500));
        assert!(!falls(before, 500));
        // Two clients that were very late are no new counter.
        let late = [(0, 1), (100, 50), (5000, 20), (9000, 30), (9100, 60)];
        assert!(!falls(late.into_iter(), 500));
    }
}
