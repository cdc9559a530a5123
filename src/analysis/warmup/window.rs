//! Windows: from the moment at which pools were emptied to the moment from which new connections come as they usually do.
//!
//! A window ends at the first moment behind which no stretch, of several lengths, has more new connections than usual:
//! three standard deviations of a Poisson count, and one (see [`is_usual`]). What is usual is told by the time around and
//! before (see [`Pace::usual`]); of one worker among others, by the rest of its life. Where the logs of several nginx are
//! read, the workers of one are held against their part of what is usual, in stretches as long as they need.
//!
//! What is counted are connections with a connect time above 0.000, as only these are certain one by one. Where
//! connects are too fast to show, a window ends where it starts. Then all that is known is that each new worker opened a
//! connection to each peer that it tried.

use super::births::Birth;
use super::lives::Life;
use super::pace::{Pace, is_usual, per, times};
use crate::analysis::report::Cause;
use crate::summary::Merge;
use crate::summary::early::{Beginning, WIDTH_MS};
use std::collections::BTreeMap;

/// A stretch has at least so many cells.
const MIN_CELLS: i64 = 2;

/// What was cold for long has to be warm for at most so many of the longest stretches.
const MOST_STRETCHES: i64 = 8;

/// A warm-up of more than this is none, in milliseconds.
const MAX_MS: i64 = 7_200_000;

/// First attempts within this time of the start belong to the window, however short it is, in milliseconds.
pub(super) const AT_ONCE_MS: i64 = 1000;

/// A window in numbers. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) start: i64,
    /// None: still cold when the log ended, or when pools were emptied again.
    pub(super) end: Option<i64>,
    /// New connections, at least.
    pub(super) new: u64,
    /// Of these, more than usual.
    pub(super) excess: f64,
    /// The same of those that showed.
    pub(super) visible_excess: f64,
    /// What was waited for these, in milliseconds.
    pub(super) handshake_ms: f64,
    /// Most new connections of one second, or of one cell where these are longer.
    pub(super) peak_per_second: f64,
    /// The peers, as of `peer_bit`.
    pub(super) peers: u64,
    /// Usual new connections per millisecond.
    pub(super) usual: f64,
    /// What is known of it ends here: the log does, or pools were emptied again.
    pub(super) until: i64,
    /// More connects showed than usual.
    pub(super) is_visible: bool,
}

/// The window of new workers. It is known as far as `until`, when pools are emptied again or the log ends.
pub(super) fn of_workers(birth: &Birth, lives: &[Life<'_>], pace: &Pace, until: i64) -> Window {
    let born: Vec<&Life<'_>> = birth.born.iter().map(|&at| &lives[at]).collect();
    match First::of(&born, birth, pace, until) {
        Some(first) => first.window(pace, until),
        None => of_pace(birth.at_ms, pace, until),
    }
}

/// The window of anything, by the log's new connections alone.
pub(super) fn of_pace(start: i64, pace: &Pace, until: i64) -> Window {
    let usual = pace.usual(start);
    let from = pace.floor(start);
    let search = Search { from, until, reach: pace.reach, width: pace.width };
    let end = search.settles(from, pace, usual);
    let to = end.unwrap_or(until);
    let new = pace.opened(from, to);
    let excess = beyond(new, times(usual, to - from));
    Window {
        start,
        end: known(end, start, excess),
        new,
        excess,
        visible_excess: excess,
        handshake_ms: costs(pace.handshake_ms(from, to), new, times(usual, to - from)),
        peak_per_second: pace.peak_per_second(from, to),
        peers: pace.peers(from, to),
        usual,
        until,
        is_visible: end != Some(from),
    }
}

/// How the end of a window is looked for. Times are in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Search {
    from: i64,
    /// What is known ends here.
    until: i64,
    /// The time in which it shows whether connections are reused.
    reach: i64,
    /// Width of a cell.
    width: i64,
}

impl Search {
    /// The shortest stretch has to be known.
    fn is_over(&self, at: i64) -> bool {
        at + self.stretches()[0] > self.until || at - self.from > MAX_MS
    }

    /// Lengths of the stretches that have to be as usual: up to what shows whether connections are reused, and no more,
    /// so that what happens later does not make a window longer.
    fn stretches(&self) -> [i64; 3] {
        [16, 4, 1].map(|part| (self.reach / part / self.width).max(MIN_CELLS) * self.width)
    }

    /// Is it over from this moment on? What was cold for long has to be warm for as long, up to some stretches: among
    /// many moments one is calm by chance.
    fn is_calm_from(&self, at: i64, is_calm: impl Fn(i64, i64) -> bool) -> bool {
        let [shortest, short, long] = self.stretches();
        let cold = at - self.from;
        let needed = cold.clamp(shortest, long);
        let lasting = cold.clamp(long, long * MOST_STRETCHES);
        at + needed <= self.until
            && [shortest, short, long, lasting]
                .into_iter()
                .all(|length| is_calm(at, (at + length).min(self.until)))
    }

    /// The first cell at or behind `at` from which the log's new connections come as usual.
    fn settles(&self, mut at: i64, pace: &Pace, usual: f64) -> Option<i64> {
        let is_calm = |from: i64, to: i64| is_usual(pace.opened(from, to), times(usual, to - from));
        while !self.is_over(at) {
            if self.is_calm_from(at, is_calm) {
                return Some(at);
            }
            at += self.width;
        }
        None
    }
}

/// The end of a window. Where hardly a new connection was more than usual, nothing tells that it was cold.
fn known(end: Option<i64>, start: i64, visible_excess: f64) -> Option<i64> {
    end.map(|end| end.max(start)).or((visible_excess < 1.0).then_some(start))
}

/// The first moments of new workers together.
struct First {
    start: i64,
    cells: BTreeMap<i64, Beginning>,
    /// Everything that began before this is in the cells.
    known_until: i64,
    /// Last request of any of the workers.
    last: i64,
    /// Connections that they opened in all.
    new_certain: u64,
    /// Usual new connections per millisecond around, of the whole log.
    usual_of_all: f64,
    /// The part of these that is these workers', where all workers of an nginx are new.
    usual: Option<f64>,
    /// The time in which they show whether connections are reused, in milliseconds: [`Pace::reach`] is the whole log's.
    reach: i64,
    /// Each worker's first attempts at a peer.
    firsts: Vec<(i64, u64)>,
}

impl First {
    /// None where the first moments of one were not kept.
    fn of(born: &[&Life<'_>], birth: &Birth, pace: &Pace, until: i64) -> Option<First> {
        let mut cells: BTreeMap<i64, Beginning> = BTreeMap::new();
        let mut firsts = Vec::new();
        let mut known_until = until;
        for life in born {
            let mut seen = 0;
            for (at, cell) in life.early?.cells() {
                cells.entry(at).or_default().merge(*cell);
                firsts.push((at, cell.peers & !seen));
                seen |= cell.peers;
            }
            known_until = known_until.min(life.early?.known_until().unwrap_or(until));
        }
        let last = born.iter().map(|life| life.last).max()?.min(until);
        let new_certain = born.iter().map(|life| life.new_certain).sum();
        let start = birth.at_ms;
        let usual_of_all = pace.usual(start);
        let share = share(&cells, pace, start, known_until.min(last + 1));
        let usual = (birth.cause != Cause::WorkerExit).then_some(usual_of_all * share);
        let reach = pace.reach_of(share);
        Some(First {
            start,
            cells,
            known_until,
            last,
            new_certain,
            usual_of_all,
            usual,
            reach,
            firsts,
        })
    }

    /// Are new connections as usual between two moments? Behind what is known of the workers, the log's go on.
    fn is_calm(&self, at: i64, to: i64, pace: &Pace) -> bool {
        let own = to.min(self.known_until);
        let rest = pace.floor(self.known_until) + pace.width;
        let count = u64::from(self.sum(at, own).new_certain) + pace.opened(rest, to);
        let expected =
            times(self.usual_after(at), own - at) + times(self.usual_of_all, to - rest.max(own));
        is_usual(count, expected)
    }

    fn sum(&self, from: i64, to: i64) -> Beginning {
        let mut sum = Beginning::default();
        self.cells.range(from..to.max(from)).for_each(|(_, cell)| sum.merge(*cell));
        sum
    }

    /// New connections per millisecond that are usual behind this moment. Of one worker among others it is the rest of
    /// its life that tells.
    fn usual_after(&self, at: i64) -> f64 {
        self.usual.unwrap_or_else(|| {
            let before = u64::from(self.sum(i64::MIN, at).new_certain);
            per(self.new_certain.saturating_sub(before), self.last - at)
        })
    }

    fn window(&self, pace: &Pace, until: i64) -> Window {
        let from = self.start.div_euclid(WIDTH_MS) * WIDTH_MS;
        let known = until.min(self.last + 1);
        let search = Search { from, until: known, reach: self.reach, width: WIDTH_MS };
        let mut at = from;
        let end = loop {
            if at >= self.known_until && self.known_until < known {
                let search = Search { until, reach: pace.reach, width: pace.width, ..search };
                break search.settles(pace.floor(at), pace, self.usual_of_all);
            }
            if search.is_over(at) {
                break None;
            }
            if search.is_calm_from(at, |from, to| self.is_calm(from, to, pace)) {
                break Some(at);
            }
            at += WIDTH_MS;
        };
        self.counted(from, end, pace, until)
    }

    fn counted(&self, from: i64, end: Option<i64>, pace: &Pace, until: i64) -> Window {
        let to = end.unwrap_or(until);
        let own = self.sum(from, to.max(from + AT_ONCE_MS));
        let (mut visible, mut waited) = (u64::from(own.new_certain), u64::from(own.handshake_ms));
        if to > self.known_until {
            let rest = pace.floor(self.known_until) + pace.width;
            visible += pace.opened(rest, to);
            waited += pace.handshake_ms(rest, to);
        }
        let near = |at: i64| at < to.max(from + AT_ONCE_MS);
        let firsts: u64 = self
            .firsts
            .iter()
            .filter(|(at, _)| near(*at))
            .map(|(_, peers)| u64::from(peers.count_ones()))
            .sum();
        let new = visible.max(firsts);
        let expected = times(self.usual_after(to.min(self.known_until)), to - from);
        let second = |at: i64| u64::from(self.sum(at, at + AT_ONCE_MS).new_certain);
        let peak = self.cells.range(from..to.max(from + 1)).map(|(&at, _)| second(at)).max();
        let visible_excess = beyond(visible, expected);
        Window {
            start: self.start,
            end: known(end, self.start, visible_excess),
            new,
            excess: beyond(new, expected),
            visible_excess,
            handshake_ms: costs(waited, visible, expected),
            peak_per_second: per(peak.unwrap_or(0), AT_ONCE_MS) * 1000.0,
            peers: self
                .firsts
                .iter()
                .filter(|(at, _)| near(*at))
                .fold(0, |all, (_, bits)| all | bits),
            usual: self.usual_after(to.min(self.known_until)),
            until,
            is_visible: end != Some(from),
        }
    }
}

/// The share of a log's attempts that new workers make.
fn share(cells: &BTreeMap<i64, Beginning>, pace: &Pace, from: i64, to: i64) -> f64 {
    let own: f64 = cells.range(..to).map(|(_, cell)| f64::from(cell.connected)).sum();
    let all = pace.connected(from, to);
    if all > own { own / all } else { 1.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn beyond(new: u64, expected: f64) -> f64 {
    (new as f64 - expected).max(0.0)
}

/// What was waited for those that are more than usual: their share of all waiting.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn costs(waited_ms: u64, new: u64, expected: f64) -> f64 {
    if new == 0 { 0.0 } else { waited_ms as f64 * beyond(new, expected) / new as f64 }
}
