//! What bursts of new connections may have been: by the peers that they went to.

use super::pace::Pace;
use super::peers::{Opened, Peer, Peers};
use super::scan::Burst;
use crate::analysis::report::Cause;
use std::collections::BTreeMap;

/// Share of the peers with traffic that have to be touched for all at once, and of a burst's connections that have to be
/// one peer's for one alone.
const NEARLY_ALL: f64 = 0.8;

/// So many failed connects to a peer are a sign that it was away.
const MIN_FAILED: f64 = 3.0;

/// With so many times the usual traffic new connections need no other reason.
const SURGE: f64 = 1.5;

/// Connections that were opened together are closed together when `keepalive_time` is over: 1 h by default.
const KEEPALIVE_TIME_MS: i64 = 3_600_000;

/// How far around a burst traffic is compared, in milliseconds.
const AROUND_MS: i64 = 600_000;

/// What a burst is taken for; none if something else explains it.
///
/// `by_pid`: the log tells workers apart, and none came or went then. What happened, if anything, was at a backend.
pub(super) fn cause(burst: &Burst, peers: &Peers<'_>, pace: &Pace, by_pid: bool) -> Option<Cause> {
    let opened = peers.opened(pace, burst.start, burst.end, burst.usual);
    let mut all = Touched::default();
    for (peer, opened) in peers.iter().zip(&opened) {
        all.add(peer, opened, burst, pace.period);
    }
    if all.attempts > SURGE * all.usual_attempts || !(burst.stands_alone || all.most_failed) {
        return None;
    }
    if all.hidden > (1.0 - NEARLY_ALL) * all.beyond {
        return None;
    }
    let several = all.expected.len() > 1;
    let expected: f64 = all.expected.values().map(|attempts| 1.0 - (-attempts).exp()).sum();
    // The only peer of a log is all of them, too; and so is the only one whose connects show.
    if all.most >= NEARLY_ALL * all.beyond && (several || by_pid) {
        Some(Cause::BackendRestart)
    } else if by_pid {
        None
    } else if several
        && all.emptied.count_ones() >= 2
        && f64::from(all.emptied.count_ones()) >= NEARLY_ALL * expected
    {
        Some(Cause::Reload)
    } else {
        Some(Cause::Unknown)
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
    /// How many of them at peers whose new connections do not always show: what does is a matter of how busy the host
    /// was, and says nothing of pools.
    hidden: f64,
    /// Connects to that peer failed too, more than usual.
    most_failed: bool,
}

impl Touched {
    fn add(&mut self, peer: &Peer<'_>, opened: &Opened, burst: &Burst, period: (i64, i64)) {
        let (from, to) = (burst.start, burst.end);
        let begin = (from - AROUND_MS).max(period.0).min(from);
        let end = (to + AROUND_MS).min(period.1).max(to);
        let outside = count(from - begin + end - to).max(1.0);
        let usual = |what: &dyn Fn(i64, i64) -> f64| {
            (what(begin, from) + what(to, end)) / outside * count(to - from)
        };
        let attempts = peer.connected(from, to);
        self.attempts += attempts;
        self.usual_attempts += usual(&|from, to| peer.connected(from, to));
        if attempts > 0.0 && peer.shows() {
            *self.expected.entry(peer.bit).or_default() += attempts;
        }
        if opened.new >= 0.5 && peer.shows() && opened.beyond >= opened.new / 2.0 {
            self.emptied |= peer.bit;
        }
        self.beyond += opened.beyond;
        self.hidden += if peer.shows() { 0.0 } else { opened.beyond };
        if opened.beyond > self.most {
            self.most = opened.beyond;
            let failed = peer.failed(from, to);
            self.most_failed =
                failed >= MIN_FAILED && failed >= 4.0 * usual(&|from, to| peer.failed(from, to));
        }
    }
}

/// Is it the end of connections that were opened together an hour before?
pub(super) fn is_echo(burst: &Burst, of: &[(i64, u64)]) -> bool {
    of.iter().any(|&(start, new)| {
        let later = burst.start - start - KEEPALIVE_TIME_MS;
        (-5000..120_000).contains(&later) && burst.new <= new + new / 4
    })
}

#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53")]
fn count(ms: i64) -> f64 {
    ms as f64
}
