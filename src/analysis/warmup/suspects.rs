//! What bursts of new connections may have been: by the peers that they went to.

use super::scan::Burst;
use crate::analysis::report::Cause;
use crate::summary::burst::News;
use crate::summary::peer::PeerSummary;
use crate::summary::timeline::{Cell, Timeline};
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

/// A peer's new connections and attempts over time.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerPace {
    news: Steps,
    attempts: Steps,
    failed: Steps,
}

/// Counts by cell.
#[derive(Debug, Clone, Default)]
struct Steps {
    width: i64,
    cells: BTreeMap<i64, u64>,
}

impl Steps {
    fn of_news(news: &News) -> Self {
        let (width, cells) = news.to_vec();
        let cells = cells.into_iter().map(|(at, new)| (at, new.count.into())).collect();
        Steps { width, cells }
    }

    fn of_timeline(timeline: &Timeline, what: fn(&Cell) -> u64) -> Self {
        let (width, cells) = timeline.to_vec();
        let cells = cells.iter().map(|(at, cell)| (*at, what(cell))).collect();
        Steps { width, cells }
    }

    /// Counts in `from..to`, as if those of a cell were spread evenly over it.
    #[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
    fn between(&self, from: i64, to: i64) -> f64 {
        let part = |at: i64| (to.min(at + self.width) - from.max(at)).max(0) as f64;
        let cells = self.cells.range(from - self.width + 1..to.max(from));
        cells.map(|(&at, &count)| count as f64 * part(at) / self.width as f64).sum()
    }
}

impl PeerPace {
    pub(super) fn of(peer: &PeerSummary) -> Self {
        PeerPace {
            news: Steps::of_news(&peer.news),
            attempts: Steps::of_timeline(&peer.timeline, |cell| cell.attempts - cell.failed),
            failed: Steps::of_timeline(&peer.timeline, |cell| cell.failed),
        }
    }
}

/// What a burst is taken for; none if something else explains it.
///
/// `by_pid`: the log tells workers apart, and none came or went then. What happened, if anything, was at a backend.
pub(super) fn cause(
    burst: &Burst,
    peers: &[PeerPace],
    by_pid: bool,
    period: (i64, i64),
) -> Option<Cause> {
    let (from, to) = (burst.start, burst.end);
    let outside =
        (from - AROUND_MS.min(from - period.0).max(0), to + AROUND_MS.min(period.1 - to).max(0));
    let usual = |steps: &Steps| {
        let sum = steps.between(outside.0, from) + steps.between(to, outside.1);
        sum / count(from - outside.0 + outside.1 - to).max(1.0) * count(to - from)
    };
    let mut all = Touched::default();
    for peer in peers {
        all.add(peer, from, to, usual);
    }
    if all.attempts > SURGE * all.usual_attempts || !(burst.stands_alone || all.most_failed) {
        return None;
    }
    let several = all.with_traffic > 1;
    // The only peer of a log is all of them, too.
    if all.most >= NEARLY_ALL * all.beyond && (several || by_pid) {
        Some(Cause::BackendRestart)
    } else if by_pid {
        None
    } else if several && all.touched >= 2.0 && all.touched >= NEARLY_ALL * all.expected {
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
    /// Peers with an attempt.
    with_traffic: usize,
    /// Peers that should have been tried: each counts by the chance that it was.
    expected: f64,
    /// Peers with new connections that are more than usual.
    touched: f64,
    /// How many more, in all and of the peer with most.
    beyond: f64,
    most: f64,
    /// Connects to that peer failed too, more than usual.
    most_failed: bool,
}

impl Touched {
    fn add(&mut self, peer: &PeerPace, from: i64, to: i64, usual: impl Fn(&Steps) -> f64) {
        let attempts = peer.attempts.between(from, to);
        self.attempts += attempts;
        self.usual_attempts += usual(&peer.attempts);
        self.with_traffic += usize::from(attempts >= 1.0);
        self.expected += 1.0 - (-attempts).exp();
        let new = peer.news.between(from, to);
        let beyond = (new - usual(&peer.news)).max(0.0);
        self.touched += f64::from(u8::from(new >= 0.9 && beyond >= new / 2.0));
        self.beyond += beyond;
        if beyond > self.most {
            self.most = beyond;
            let failed = peer.failed.between(from, to);
            self.most_failed = failed >= MIN_FAILED && failed >= 4.0 * usual(&peer.failed);
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
