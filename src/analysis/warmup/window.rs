//! Windows: from the moment at which pools were emptied to the moment from which new connections come as they usually do.
//!
//! A window ends at the first moment behind which no stretch, of several lengths, has more new connections than usual:
//! three standard deviations of a Poisson count, and one (see [`is_usual`]). What is usual is told by the time around;
//! of one worker among others, by the rest of its life.
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

/// A stretch that is cut short by the end of what is known has at least so many cells.
const MIN_CELLS: i64 = 2;

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
    let end = settles(from, pace, until, usual);
    let to = end.unwrap_or(until);
    let new = pace.opened(from, to);
    Window {
        start,
        end: end.map(|end| end.max(start)),
        new,
        excess: beyond(new, times(usual, to - from)),
        visible_excess: beyond(new, times(usual, to - from)),
        handshake_ms: costs(pace.handshake_ms(from, to), new, times(usual, to - from)),
        peak_per_second: pace.peak_per_second(from, to),
        peers: pace.peers(from, to),
        usual,
        until,
        is_visible: end != Some(from),
    }
}

/// Lengths of the stretches that have to be as usual, in milliseconds: up to what shows whether connections are reused,
/// and no more, so that what happens later does not make a window longer.
fn stretches(pace: &Pace, width: i64) -> [i64; 3] {
    [16, 4, 1].map(|part| (pace.reach / part / width).max(MIN_CELLS) * width)
}

/// The first cell at or behind `from` from which new connections come as usual.
fn settles(from: i64, pace: &Pace, until: i64, usual: f64) -> Option<i64> {
    let mut at = from;
    while at + MIN_CELLS * pace.width <= until && at - from <= MAX_MS {
        let calm = stretches(pace, pace.width).into_iter().all(|length| {
            let to = (at + length).min(until);
            is_usual(pace.opened(at, to), times(usual, to - at))
        });
        if calm {
            return Some(at);
        }
        at += pace.width;
    }
    None
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
    /// Usual new connections per millisecond around, where all workers are new.
    usual: Option<f64>,
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
        let usual = match birth.cause {
            Cause::WorkerExit => None,
            _ => Some(pace.usual(birth.at_ms)),
        };
        let last = born.iter().map(|life| life.last).max()?.min(until);
        let new_certain = born.iter().map(|life| life.new_certain).sum();
        let start = birth.at_ms;
        Some(First { start, cells, known_until, last, new_certain, usual, firsts })
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
        let mut at = from;
        let end = loop {
            if at + MIN_CELLS * WIDTH_MS > self.known_until.min(self.last) {
                // The workers' own moments end here, the log's go on.
                let goes_on = self.known_until < until.min(self.last);
                break goes_on.then(|| settles(pace.floor(at), pace, until, self.usual_after(at)));
            }
            let usual = self.usual_after(at);
            let calm = stretches(pace, WIDTH_MS).into_iter().all(|length| {
                let to = (at + length).min(self.known_until).min(self.last + 1);
                is_usual(self.sum(at, to).new_certain.into(), times(usual, to - at))
            });
            if calm {
                break Some(Some(at));
            }
            at += WIDTH_MS;
        };
        self.counted(from, end.flatten(), pace, until)
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
        Window {
            start: self.start,
            end: end.map(|end| end.max(self.start)),
            new,
            excess: beyond(new, expected),
            visible_excess: beyond(visible, expected),
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

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn beyond(new: u64, expected: f64) -> f64 {
    (new as f64 - expected).max(0.0)
}

/// What was waited for those that are more than usual: their share of all waiting.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn costs(waited_ms: u64, new: u64, expected: f64) -> f64 {
    if new == 0 { 0.0 } else { waited_ms as f64 * beyond(new, expected) / new as f64 }
}
