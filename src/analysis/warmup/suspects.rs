//! What bursts of new connections may have been: by the peers that they went to.
//!
//! # What is demanded of a burst
//!
//! - Pools were emptied: of the attempts that began in its first moments, as many opened a connection as do where none
//!   can be reused, which is all of them until the first responses are there (see [`First`]). And there were not many more
//!   attempts than usual, nor had requests piled up, as they do while a host halts.
//! - Or a peer was away: it refused attempts while the burst lasted, or just before.
//!
//! That a backend restarted is concluded if nearly all of the burst is one peer's, and
//!
//! - the log tells for all attempts which worker made them, and no worker's first or last line lies near; or
//! - that peer refused attempts, and new connections to other peers would have shown.
//!
//! # False alarms
//!
//! Measured over 900 generated quiet logs of ten minutes and 250 to 90,000 lines, with pools that grow, clients that
//! send several requests at once, and hosts that halt for up to 0.4 s: one gave a false alarm, in its first seconds,
//! while its pools still filled (the tests in `alarms.rs`).

use super::lives::Life;
use super::pace::{Pace, times};
use super::peers::{Opened, Peer, Peers};
use super::scan::Burst;
use crate::analysis::report::Cause;
use std::collections::BTreeMap;

/// Share of the peers with traffic that have to be touched for all at once, and of a burst's connections that have to be
/// one peer's for one alone.
const NEARLY_ALL: f64 = 0.8;

/// So many refused attempts are a sign that a peer was away, if they are so many times what is usual: each of two workers
/// tries once, and then takes another peer for `fail_timeout`.
const MIN_REFUSED: f64 = 2.0;
const TIMES_REFUSED: f64 = 4.0;

/// A peer that has been away is tried again after this time: `fail_timeout`, 10 s by default.
const AWAY_MS: i64 = 12_000;

/// With so many times the usual traffic new connections need no other reason.
const SURGE: f64 = 1.5;

/// Share of the connections that empty pools would open which a burst has to have.
const RENEWED: f64 = 0.6;

/// In so many cells from its start, or in twice as many and so on where there is little traffic. The start may lie at the
/// end of a cell.
const FIRST_CELLS: i64 = 4;

/// Fewer in these cells tell nothing of a share.
const MIN_FIRST: f64 = 4.0;

/// Cells of at most this width show whether requests had piled up, in milliseconds.
const FINE_MS: i64 = 100;

/// Hosts halt for this long at most, in milliseconds; or they halt too rarely to matter.
const HALT_MS: i64 = 500;

/// So many bursts of a log may be alike, and one more for each of its hours.
const MOST_ALIKE: usize = 5;

/// Connections that were opened together are closed together when `keepalive_time` is over: 1 h by default.
const KEEPALIVE_TIME_MS: i64 = 3_600_000;

/// So much earlier or later than an hour, in milliseconds: connections are closed when they are next used.
const ECHO_EARLY_MS: i64 = 5000;
const ECHO_LATE_MS: i64 = 120_000;

/// How far around a burst traffic is compared, in milliseconds.
const AROUND_MS: i64 = 600_000;

/// A worker comes or goes near a burst if it does so within this many of its lines, or within this time.
const NEAR_LINES: i64 = 20;
const NEAR_MS: i64 = 2000;
const NEAR_MOST_MS: i64 = 120_000;

/// What the log tells of workers at the time of a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workers {
    /// All attempts were made by workers that had been there before and went on.
    GoOn,
    /// One came or went.
    ComeOrGo,
    /// Not all attempts tell whose they are.
    NotTold,
}

impl Workers {
    /// `all_told`: each attempt tells its worker.
    pub(super) fn near(burst: &Burst, logs: &[Vec<Life<'_>>], all_told: bool) -> Self {
        let comes_or_goes = |life: &Life<'_>| {
            let near = (NEAR_LINES * life.usual_gap()).clamp(NEAR_MS, NEAR_MOST_MS);
            let span = burst.start - near..burst.end + near;
            span.contains(&life.first) || span.contains(&life.last)
        };
        if !all_told {
            Workers::NotTold
        } else if logs.iter().flatten().any(comes_or_goes) {
            Workers::ComeOrGo
        } else {
            Workers::GoOn
        }
    }
}

/// What a burst is taken for; none if something else explains it.
pub(super) fn cause(
    burst: &Burst,
    peers: &Peers<'_>,
    pace: &Pace,
    workers: Workers,
) -> Option<Cause> {
    let opened = peers.opened(pace, burst.start, burst.end, burst.usual);
    let mut all = Touched::default();
    for (peer, opened) in peers.iter().zip(&opened) {
        all.add(peer, opened, burst, pace.period);
    }
    if all.hidden > (1.0 - NEARLY_ALL) * all.beyond {
        return None;
    }
    // The only peer of a log is all of them, too; and so is the only one whose connects show.
    let is_one = all.most >= NEARLY_ALL * all.beyond;
    let was_away = is_one && was_away(burst, peers, all.most_bit, pace.period);
    let is_surge = all.attempts > SURGE * all.usual_attempts;
    let touched = |peer: &Peer<'_>| peer.shows() && (!is_one || peer.bit == all.most_bit);
    let first = First::of(burst, peers, pace, touched)?;
    if !was_away && (is_surge || !first.is_emptied || peers.has_pile(burst, pace)) {
        return None;
    }
    let several = all.expected.len() > 1;
    match workers {
        Workers::GoOn => is_one.then_some(Cause::BackendRestart),
        Workers::ComeOrGo => is_one.then_some(Cause::Unknown),
        Workers::NotTold if was_away && several => Some(Cause::BackendRestart),
        Workers::NotTold if several && first.all_are_new && all.are_emptied() => {
            Some(Cause::Reload)
        }
        Workers::NotTold => Some(Cause::Unknown),
    }
}

/// The peers that a burst went to.
#[derive(Debug, Default)]
struct Touched {
    attempts: f64,
    usual_attempts: f64,
    /// Attempts by the peers' bit, of those whose new connections show: which ones should have been touched.
    expected: BTreeMap<u64, f64>,
    /// The bits of peers with new connections that are more than usual.
    emptied: u64,
    /// How many more, in all and of the peer with most.
    beyond: f64,
    most: f64,
    most_bit: u64,
    /// How many of them at peers whose new connections do not always show: what does is a matter of how busy the host
    /// was, and says nothing of pools.
    hidden: f64,
}

impl Touched {
    /// Are nearly all of the peers touched that should be where all pools are empty?
    fn are_emptied(&self) -> bool {
        let expected: f64 = self.expected.values().map(|attempts| 1.0 - (-attempts).exp()).sum();
        let emptied = self.emptied.count_ones();
        emptied >= 2 && f64::from(emptied) >= NEARLY_ALL * expected
    }

    fn add(&mut self, peer: &Peer<'_>, opened: &Opened, burst: &Burst, period: (i64, i64)) {
        let attempts = peer.connected(burst.start, burst.end);
        self.attempts += attempts;
        self.usual_attempts +=
            usual(burst, burst.start, period, |from, to| peer.connected(from, to));
        if attempts > 0.0 && peer.shows() {
            *self.expected.entry(peer.bit).or_default() += attempts;
        }
        if opened.new >= 0.5 && peer.shows() && opened.beyond >= opened.new / 2.0 {
            self.emptied |= peer.bit;
        }
        self.beyond += opened.beyond;
        self.hidden += if peer.shows() { 0.0 } else { opened.beyond };
        if opened.beyond > self.most {
            (self.most, self.most_bit) = (opened.beyond, peer.bit);
        }
    }
}

/// What `sum` says of the time around `from` and a burst's end, per millisecond and times the time between them.
fn usual(burst: &Burst, from: i64, period: (i64, i64), sum: impl Fn(i64, i64) -> f64) -> f64 {
    let begin = (from - AROUND_MS).max(period.0).min(from);
    let end = (burst.end + AROUND_MS).min(period.1).max(burst.end);
    let outside = times(1.0, from - begin + end - burst.end).max(1.0);
    times((sum(begin, from) + sum(burst.end, end)) / outside, burst.end - from)
}

/// Did a peer refuse attempts, more than usual?
fn was_away(burst: &Burst, peers: &Peers<'_>, bit: u64, period: (i64, i64)) -> bool {
    let from = burst.start - AWAY_MS;
    let refused = |from: i64, to: i64| peers.refused(bit, from, to);
    let count = refused(from, burst.end);
    count >= MIN_REFUSED && count >= TIMES_REFUSED * usual(burst, from, period, refused)
}

/// The first moments of a burst.
struct First {
    /// As many connections were opened as are where pools are empty.
    is_emptied: bool,
    /// Nearly all attempts opened one: more than one of several workers can do.
    all_are_new: bool,
}

impl First {
    /// An attempt reuses a connection only if one has come back by then. So where pools are empty, those within a usual
    /// response time are new, and later ones only if there are more at a time than before.
    ///
    /// None without attempts at these peers.
    fn of(
        burst: &Burst,
        peers: &Peers<'_>,
        pace: &Pace,
        touched: impl Fn(&Peer<'_>) -> bool,
    ) -> Option<First> {
        let (mut mine, mut all, mut response_ms) = (0.0, 0.0, 0.0);
        for peer in peers.iter() {
            let connected = |from, to| peer.connected(from, to);
            let attempts = usual(burst, burst.start, pace.period, connected);
            all += attempts;
            if touched(peer) {
                mine += attempts;
                response_ms += attempts * peer.response_ms();
            }
        }
        if mine <= 0.0 {
            return None;
        }
        let (share, response_ms) = (mine / all, response_ms / mine);
        let mut first = First { is_emptied: false, all_are_new: false };
        let from = pace.floor(burst.start);
        let piled = if peers.begun_width() <= FINE_MS {
            0.0
        } else {
            share * peers.usual_begun(burst, pace, HALT_MS)
        };
        let mut length = pace.width;
        while length <= (FIRST_CELLS * pace.width).max(burst.end - from) {
            let to = from + length;
            let opened = peers.opened(pace, from, to, burst.usual);
            let touched = peers.iter().zip(&opened).filter(|(peer, _)| touched(peer));
            let new: f64 = touched.map(|(_, opened)| opened.beyond).sum();
            let begun = share * peers.begun_between(from, to);
            // Later on chance opens as many as this at a time, so then nearly all have to be new.
            let is_first = length <= FIRST_CELLS * pace.width;
            let part = if is_first { (response_ms / times(1.0, length)).min(1.0) } else { 1.0 };
            let expected = begun * part;
            let is_enough = new >= MIN_FIRST && new > piled;
            first.is_emptied |= is_enough && new >= RENEWED * expected;
            first.all_are_new |= is_enough && new >= NEARLY_ALL * begun;
            length *= 2;
        }
        Some(first)
    }
}

impl Peers<'_> {
    /// Connections that are usually taken in so many milliseconds around a burst.
    fn usual_begun(&self, burst: &Burst, pace: &Pace, ms: i64) -> f64 {
        let sum = |from, to| self.begun_between(from, to);
        times(usual(burst, burst.start, pace.period, sum), ms)
            / times(1.0, burst.end - burst.start).max(1.0)
    }

    /// Had requests piled up, so that many more of them than usual begin at once? Then pools grow, however full they
    /// were.
    fn has_pile(&self, burst: &Burst, pace: &Pace) -> bool {
        let from = pace.floor(burst.start) - self.begun_width();
        let to = pace.floor(burst.start) + FIRST_CELLS * pace.width;
        let usual = self.usual_begun(burst, pace, self.begun_width());
        self.begun(from, to).any(|count| count > usual + 3.0 * usual.sqrt() + 1.0)
    }
}

/// So many new connections, so that bursts of more come again and again: they are how the log's clients are, such as
/// pages of many requests after a time in which idle connections were closed. Bursts of at most twice as many are a habit;
/// none if none is.
pub(super) fn habit(all: &[Burst], period: (i64, i64)) -> Option<u64> {
    let hours = usize::try_from((period.1 - period.0) / 3_600_000).unwrap_or(0);
    let mut counts: Vec<u64> = all.iter().map(|burst| burst.new).collect();
    counts.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
    counts.get(MOST_ALIKE.saturating_add(hours)).copied()
}

/// Is it the end of connections that were opened together an hour before? `of` is by time.
pub(super) fn is_echo(burst: &Burst, of: &[(i64, u64)]) -> bool {
    let then = burst.start - KEEPALIVE_TIME_MS;
    let at = |ms: i64| of.partition_point(|(start, _)| *start < ms);
    let near = at(then - ECHO_LATE_MS + 1)..at(then + ECHO_EARLY_MS + 1);
    of[near].iter().any(|&(_, new)| burst.new <= new + new / 4)
}
