//! Bursts of new connections that are no chance, by statistics alone.
//!
//! # Method
//!
//! A scan statistic: windows of one cell, two, four and so on slide over the log by half their length, and each is held
//! against its neighbours of the same length, twelve on either side without the quarter that has most. Connections do
//! not come one by one: a pool that grows opens several at once. So they are taken to come in clumps, each as large as
//! the neighbours' ratio of variance to mean says and at least [`CLUMP`], and the clumps by Poisson's law (a compound
//! Poisson process, as in Cox and Isham, "Point processes", 1980, 3.1). A window is a burst if so many clumps have a
//! probability of less than 1e-3 over all windows of the log together (Bonferroni), if it has at least [`MIN_NEW`]
//! connections and [`MIN_TIMES`] times as many as usual, and if hardly another window around comes near it.
//! Of overlapping bursts the one with the largest likelihood ratio stands (Kulldorff, "A spatial scan statistic",
//! Communications in Statistics 26, 1997). Where it ends is found by the largest cumulative sum of log-likelihood ratios
//! (Page, "Continuous inspection schemes", Biometrika 41, 1954), and where it starts is the change-point of two Poisson
//! processes with the largest likelihood.
//!
//! That alone would still be a false alarm in each busy log with a hiccup. `suspects` takes a burst for an event only if
//! pools were emptied by it or their peer was away, as far as the attempts around tell; see there for how often that is
//! wrong.

use super::pace::{Pace, per};
use crate::summary::burst::Burst as Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

/// A burst has at least so many connections.
const MIN_NEW: u64 = 8;

/// And so many times what is usual.
const MIN_TIMES: f64 = 4.0;

/// Neighbours on either side.
const NEIGHBOURS: i64 = 12;

/// At least so many of them before the window, and in all.
const MIN_BEFORE: usize = 2;
const MIN_ALL: usize = 4;

/// The longest windows, in milliseconds.
const LONGEST_MS: i64 = 512_000;

/// Connections open at least so many at a time.
const CLUMP: f64 = 1.5;

/// Probability of one false alarm in a log, if connections came in such clumps: its natural logarithm, of 1e-3.
const LN_FALSE_ALARM: f64 = -6.908;

/// A burst. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Burst {
    pub(super) start: i64,
    /// Behind its last cell.
    pub(super) end: i64,
    /// New connections in it.
    pub(super) new: u64,
    /// New connections per millisecond that are usual around it.
    pub(super) usual: f64,
    likelihood: f64,
}

/// All bursts of a log in the order of time, none of which overlap.
pub(super) fn bursts(pace: &Pace) -> Vec<Burst> {
    let cells = (pace.period.1 - pace.period.0) / pace.width + 1;
    // Each length has twice as many windows as fit side by side, and the lengths together twice those of the shortest.
    let ln_windows = per(u64::try_from(4 * cells).unwrap_or(u64::MAX), 1).ln();
    let mut found = Vec::new();
    let mut length = pace.width;
    let of_cell = |(at, cell): &(i64, Cell)| (*at, u64::from(cell.new_certain));
    let mut steps: Vec<(i64, u64)> = pace.cells().iter().map(of_cell).collect();
    while length <= LONGEST_MS.max(pace.width) && length * 5 <= pace.period.1 - pace.period.0 {
        let step = (length / 2).max(pace.width);
        if step > pace.width {
            widen(&mut steps, step);
        }
        windows(&steps, step, length, |start, new| {
            found.extend(burst(pace, start, length, new, ln_windows));
        });
        length *= 2;
    }
    found.sort_by(|a: &Burst, b| {
        b.likelihood
            .partial_cmp(&a.likelihood)
            .unwrap_or(Ordering::Equal)
            .then(a.start.cmp(&b.start))
    });
    let mut best: BTreeMap<i64, Burst> = BTreeMap::new();
    for burst in found {
        let length = burst.end - burst.start;
        let (from, to) = (burst.start - length, burst.end + length);
        // None of these overlap: so if the last one that begins before ends before, all others do.
        let last = best.range(..to).next_back();
        if last.is_none_or(|(_, other)| from >= other.end) {
            best.insert(burst.start, burst);
        }
    }
    let mut best: Vec<Burst> = best.values().map(|burst| narrowed(pace, burst)).collect();
    best.sort_by_key(|burst| burst.start);
    best.dedup_by(|next, kept| next.start < kept.end);
    best
}

/// Steps of time with their new connections, as steps of this length.
fn widen(steps: &mut Vec<(i64, u64)>, length: i64) {
    for (at, _) in steps.iter_mut() {
        *at = at.div_euclid(length) * length;
    }
    steps.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
}

/// Windows of one or two steps that have new connections, in order.
fn windows(steps: &[(i64, u64)], step: i64, length: i64, mut look: impl FnMut(i64, u64)) {
    let is_double = length > step;
    let mut last = None;
    for (i, &(at, new)) in steps.iter().enumerate() {
        // Else it is that of the step before.
        if is_double && last != Some(at - step) {
            look(at - step, new);
        }
        let next = steps.get(i + 1).filter(|(next, _)| is_double && *next == at + step);
        look(at, new + next.map_or(0, |(_, new)| *new));
        last = Some(at);
    }
}

/// The window with so many new connections as a burst, if it is one.
fn burst(pace: &Pace, start: i64, length: i64, new: u64, ln_windows: f64) -> Option<Burst> {
    if new < MIN_NEW {
        return None;
    }
    let at = |i: i64| pace.opened(start + i * length, start + (i + 1) * length);
    // Most windows of a busy log end here.
    if at(-2) * 4 > new && at(-3) * 4 > new {
        return None;
    }
    let mut all = neighbours(pace, start, length)?;
    let like_it = all.iter().filter(|&&other| other * 2 >= new).count();
    if like_it > (all.len() / 10).max(2) {
        return None;
    }
    all.sort_unstable();
    let clump = clump(&all);
    all.truncate((all.len() * 3).div_ceil(4));
    // One more than there were: none seen is not none ever.
    let usual = per(all.iter().sum::<u64>() + 1, i64::try_from(all.len()).ok()?);
    let count = per(new, 1);
    let ln_chance = ln_tail(count / clump, usual / clump) + ln_windows;
    if count < MIN_TIMES * usual || ln_chance > LN_FALSE_ALARM {
        return None;
    }
    let likelihood = count * (count / usual).ln() - (count - usual);
    let usual = usual / per(u64::try_from(length).ok()?, 1);
    Some(Burst { start, end: start + length, new, usual, likelihood })
}

/// New connections of the windows around this one, none where there are too few of them.
fn neighbours(pace: &Pace, start: i64, length: i64) -> Option<Vec<u64>> {
    // At least half of it.
    let is_inside =
        |i: &i64| (pace.period.0..=pace.period.1).contains(&(start + i * length + length / 2));
    let mut all = Vec::with_capacity(usize::try_from(2 * NEIGHBOURS).unwrap_or(0));
    // Each ends where the next one begins.
    let mut add = |places: Range<i64>| {
        let mut last = None;
        for i in places.filter(is_inside) {
            let from = last.unwrap_or_else(|| pace.before(start + i * length));
            let to = pace.before(start + (i + 1) * length);
            all.push(to - from);
            last = Some(to);
        }
        all.len()
    };
    let before = add(-1 - NEIGHBOURS..-1);
    (add(2..2 + NEIGHBOURS) >= MIN_ALL && before >= MIN_BEFORE).then_some(all)
}

/// How many connections are opened at a time: variance by mean of these sorted counts, without the largest tenth of
/// them. Another burst may be there.
fn clump(sorted: &[u64]) -> f64 {
    let kept = &sorted[..sorted.len() - sorted.len() / 10];
    let length = i64::try_from(kept.len()).unwrap_or(1);
    let mean = per(kept.iter().sum(), length);
    let squares = per(kept.iter().map(|count| count * count).sum(), length);
    if mean > 0.0 { ((squares - mean * mean) / mean).max(CLUMP) } else { CLUMP }
}

/// The stretch in or beside a window that stands out most, from where the pace changes.
fn narrowed(pace: &Pace, burst: &Burst) -> Burst {
    let whole = standing_out(pace, burst);
    let start = onset(pace, &whole);
    Burst { start, new: pace.opened(start, whole.end), ..whole }
}

/// The moment that parts the time before a burst best from its first half, as two Poisson processes of different paces:
/// where their likelihood is largest. Single connections before the burst are not part of it.
fn onset(pace: &Pace, burst: &Burst) -> i64 {
    let cells = &pace.cells()[pace.range(burst.start, burst.end)];
    let mut sum = 0;
    let half = cells.iter().find(|(_, cell)| {
        sum += u64::from(cell.new_certain);
        sum * 2 >= burst.new
    });
    let end = half.map_or(burst.end, |(at, _)| at + pace.width);
    let begin = burst.start - (burst.end - burst.start);
    let ln_likelihood = |from: i64, to: i64| {
        let (count, ms) = (pace.opened(from, to), u64::try_from(to - from).unwrap_or(0));
        if count == 0 { 0.0 } else { per(count, 1) * (per(count, 1) / per(ms.max(1), 1)).ln() }
    };
    let starts = pace.cells()[pace.range(begin, end)].iter().map(|(at, _)| *at);
    let slower = |at: &i64| {
        per(pace.opened(begin, *at), *at - begin) < per(pace.opened(*at, end), end - *at)
    };
    let best = starts
        .filter(slower)
        .map(|at| (ln_likelihood(begin, at) + ln_likelihood(at, end), at))
        .max_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal));
    best.map_or(burst.start, |(_, at)| at)
}

fn standing_out(pace: &Pace, burst: &Burst) -> Burst {
    let length = burst.end - burst.start;
    let usual_per_cell = burst.usual * per(u64::try_from(pace.width).unwrap_or(1), 1);
    let mean = burst.usual * per(u64::try_from(length).unwrap_or(1), 1);
    let times = (per(burst.new, 1) / mean / 2.0).max(MIN_TIMES);
    let (mut sum, mut from, mut last) = (0.0, burst.start, burst.start);
    let (mut best, mut start, mut end) = (0.0, burst.start, burst.end);
    for (at, cell) in &pace.cells()[pace.range(burst.start - length, burst.end + length)] {
        let cells = per(u64::try_from((at - last) / pace.width).unwrap_or(0), 1);
        sum -= (times - 1.0) * usual_per_cell * cells;
        if sum <= 0.0 {
            (sum, from) = (0.0, *at);
        }
        sum += f64::from(cell.new_certain) * times.ln();
        last = *at;
        if sum > best {
            (best, start, end) = (sum, from, at + pace.width);
        }
    }
    Burst { start, end, new: pace.opened(start, end), ..burst.clone() }
}

/// The natural logarithm of an upper bound of the probability that a Poisson count of this mean reaches `count`, which
/// is more than the mean, and is no whole number of clumps.
fn ln_tail(count: f64, mean: f64) -> f64 {
    -mean + count * mean.ln() - ln_factorial(count) - (1.0 - mean / (count + 1.0)).ln()
}

/// Stirling's series: at 1 it is right to three digits, at 8 to nine.
fn ln_factorial(n: f64) -> f64 {
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + 1.0 / (12.0 * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn windows_are_those_that_hold_a_cell(
            cells in prop::collection::btree_map(-300i64..300, 1u64..9, 0..60), doublings in 0u32..5,
        ) {
            // Windows of a length slide by half of it, but for the first ones.
            let length = 1i64 << doublings;
            let step = (length / 2).max(1);
            let mut steps: Vec<(i64, u64)> = cells.iter().map(|(at, new)| (*at, *new)).collect();
            widen(&mut steps, step);
            let mut found = Vec::new();
            windows(&steps, step, length, |start, new| found.push((start, new)));
            let mut expected = BTreeMap::new();
            for at in cells.keys() {
                let last = at.div_euclid(step) * step;
                for start in [last - step, last].into_iter().filter(|start| at - start < length) {
                    let new: u64 = cells.range(start..start + length).map(|(_, new)| new).sum();
                    expected.insert(start, new);
                }
            }
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
