//! Counters and histograms of one peer.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

use super::Merge;
use super::latency::LatencySummary;
use super::pool::Pools;
use super::serials::{Started, Starts};
use super::sizes::{Sent, Sizes};
use super::timeline::{Cell, Timeline};
use crate::record::attempt::{Outcome, Tried};
use serde::{Deserialize, Serialize};

/// What is kept of the attempts at one peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PeerSummary {
    /// Tries.
    pub attempts: u64,
    /// Tries that never connected, with those in `no_live`.
    pub failed: u64,
    /// No live upstream: no connect was tried.
    pub no_live: u64,
    /// Pooled connections that the peer had already closed.
    pub stale: u64,
    /// Certainly new.
    pub new_certain: u64,
    /// Reused or new.
    pub undecided: u64,
    /// Tries of a pass behind which another came (`X-Accel-Redirect`, `error_page`): they caused those of the next.
    pub redirected: u64,
    /// Of `undecided`: no connect time is logged at all.
    pub unmeasured: u64,
    /// Connect times of connected attempts.
    pub connect: LatencySummary,
    /// Time to the response header.
    pub header: LatencySummary,
    /// Time to the end of the response.
    pub response: LatencySummary,
    /// Counts over time.
    pub timeline: Timeline,
    /// Attempts by the time at which they started, where serial numbers are logged.
    pub starts: Starts,
    /// Connected attempts by the bytes that they sent, where that is logged.
    pub sent: Sizes,
    /// Attempts in flight per worker, where the log tells when they began and ended.
    pub pools: Pools,
}

impl PeerSummary {
    /// Takes in an attempt of a line that was written at `ms` since the epoch, if the log tells.
    #[inline(always)]
    pub fn record(&mut self, attempt: &impl Tried, ms: Option<i64>) {
        let Started { undecided, new_certain, .. } = started(attempt);
        let failed = 1 - undecided - new_certain;
        self.attempts += 1;
        self.new_certain += new_certain;
        self.undecided += undecided;
        self.failed += failed;
        self.no_live += u64::from(attempt.outcome() == Outcome::NoLive);
        self.unmeasured += undecided & u64::from(attempt.connect_ms().is_none());
        self.stale += u64::from(attempt.stale());
        self.redirected += u64::from(!attempt.last_pass());
        if let Some(ms) = attempt.connect_ms() {
            self.connect.record(ms);
        }
        if let Some(ms) = attempt.header_ms() {
            self.header.record(ms);
        }
        if let Some(ms) = attempt.response_ms() {
            self.response.record(ms);
        }
        if let Some(ms) = ms {
            self.timeline.record(ms, Cell { attempts: 1, new_certain, failed });
        }
    }

    /// Takes in the bytes that the same attempt sent, if it got a connection and the log tells.
    #[inline(always)]
    pub fn record_sent(&mut self, attempt: &impl Tried) {
        let Some(bytes) = attempt.bytes_sent() else { return };
        let Started { undecided, new_certain, .. } = started(attempt);
        if undecided + new_certain > 0 {
            self.sent.record(bytes, Sent { undecided, new_certain });
        }
    }

    /// Lets go what is only kept for a few peers.
    pub fn drop_detail(&mut self) {
        self.starts = Starts::default();
        self.sent = Sizes::default();
        self.pools = Pools::default();
    }
}

/// The part of an attempt in the account of serial numbers. With no live upstream no connect was tried.
#[inline(always)]
pub fn started(attempt: &impl Tried) -> Started {
    Started {
        undecided: u64::from(attempt.outcome() == Outcome::Undecided),
        new_certain: u64::from(attempt.outcome() == Outcome::New),
        failed: u64::from(attempt.outcome() == Outcome::Failed),
    }
}

impl Merge for PeerSummary {
    fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.failed += other.failed;
        self.no_live += other.no_live;
        self.stale += other.stale;
        self.redirected += other.redirected;
        self.new_certain += other.new_certain;
        self.undecided += other.undecided;
        self.unmeasured += other.unmeasured;
        self.connect.merge(other.connect);
        self.header.merge(other.header);
        self.response.merge(other.response);
        self.timeline.merge(other.timeline);
        self.starts.merge(other.starts);
        self.sent.merge(other.sent);
        self.pools.merge(other.pools);
    }
}
