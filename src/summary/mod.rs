//! What is kept of a log: a summary that merges.
//!
//! Every part is a commutative monoid: its default is the identity, merging is associative and commutative, and
//! recording lines one by one equals merging the summaries of any parts in any order. That is what makes one engine
//! serve threads, rotated files, live windows and clusters with the same bytes out. So there are integers only, one
//! fixed histogram shape, no arrival order, and caps that depend on the whole set of what was seen, not on what came
//! first.

pub mod burst;
pub mod cells;
pub mod codec;
pub mod early;
pub mod events;
pub mod keys;
pub mod latency;
mod near;
pub mod peer;
pub mod pool;
pub mod serial_set;
pub mod serials;
pub mod sizes;
pub mod timeline;
pub mod workers;

use burst::{Begun, Bursts, Refusals};
use codec::is_time;
use events::Events;
use keys::{Key, Keys};
use peer::PeerSummary;
use serde::{Deserialize, Serialize};
use serials::Serials;
use workers::Workers;

/// Merges another part into this one. See the module's laws, which `tests/laws.rs` holds every implementor to.
pub trait Merge: Default {
    /// Adds what `other` has seen.
    fn merge(&mut self, other: Self);
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCounts {
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Lines read; empty ones are not counted anywhere.
    pub lines: u64,
    /// Lines that fit the format.
    pub matched: u64,
    /// Of those: requests without an upstream.
    pub without_upstream: u64,
    /// Lines that do not fit.
    pub malformed: u64,
    /// Lines over the limit of length, skipped.
    pub too_long: u64,
    /// Lines outside the wanted span of time.
    pub filtered: u64,
    /// Lines of requests that began while pools were cold, where these are left out.
    pub excluded: u64,
}

impl Merge for LineCounts {
    fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.lines += other.lines;
        self.matched += other.matched;
        self.without_upstream += other.without_upstream;
        self.malformed += other.malformed;
        self.too_long += other.too_long;
        self.filtered += other.filtered;
        self.excluded += other.excluded;
    }
}

/// The span of time of the matched lines, in milliseconds since the epoch, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Option<(i64, i64)>", into = "Option<(i64, i64)>")]
pub struct Span {
    from: i64,
    /// Before `from` where there was no moment: then the first one is both the least and the greatest.
    to: i64,
}

impl Default for Span {
    fn default() -> Self {
        Span { from: i64::MAX, to: i64::MIN }
    }
}

impl Span {
    /// From one moment to another one, which is not before it.
    #[inline]
    pub fn of(from: i64, to: i64) -> Self {
        Span { from, to }
    }

    /// Takes in a moment.
    #[inline]
    pub fn record(&mut self, ms: i64) {
        // Rarely so.
        if ms < self.from {
            self.from = ms;
        }
        self.to = self.to.max(ms);
    }

    /// First and last moment.
    #[inline]
    pub fn get(self) -> Option<(i64, i64)> {
        (self.from <= self.to).then_some((self.from, self.to))
    }
}

impl From<Span> for Option<(i64, i64)> {
    fn from(span: Span) -> Self {
        span.get()
    }
}

impl TryFrom<Option<(i64, i64)>> for Span {
    type Error = &'static str;

    fn try_from(span: Option<(i64, i64)>) -> Result<Self, &'static str> {
        let is_good = |(from, to)| is_time(from) && is_time(to) && from <= to;
        match span {
            None => Ok(Span::default()),
            Some((from, to)) if is_good((from, to)) => Ok(Span { from, to }),
            Some(_) => Err("a span of time"),
        }
    }
}

impl Merge for Span {
    #[inline]
    fn merge(&mut self, other: Self) {
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
    }
}

/// With more groups and peers than this, what is kept of each one for the evidence of attempts in flight, of bytes and of
/// variation over time would take more memory than it could tell.
const MAX_DETAILED: usize = 200;

/// Everything that is kept of a log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Line accounting.
    pub lines: LineCounts,
    /// First and last line.
    pub span: Span,
    /// Counters and histograms per group and peer.
    pub peers: Keys<PeerSummary>,
    /// Connection serial numbers.
    pub serials: Serials,
    /// What error logs told.
    pub events: Events,
    /// There are too many groups and peers for details of each. Whether there are depends on their set alone.
    is_coarse: bool,
    /// When workers began and ended, where `$pid` is logged.
    pub workers: Workers,
    /// Certainly new connections over time.
    pub bursts: Bursts,
    /// All attempts over time that got a connection.
    pub begun: Begun,
    /// Attempts over time that peers refused.
    pub refusals: Refusals,
}

impl Summary {
    /// Lets details go where there are too many groups and peers. To be called after each entry that may be new.
    #[inline]
    pub fn bound_detail(&mut self) {
        if self.peers.len() > MAX_DETAILED && !self.is_coarse {
            self.drop_detail();
        }
    }

    #[cold]
    fn drop_detail(&mut self) {
        self.is_coarse = true;
        self.peers.values_mut().for_each(PeerSummary::drop_detail);
    }

    /// Are details kept?
    #[inline]
    pub fn is_detailed(&self) -> bool {
        !self.is_coarse
    }

    /// Merges a copy of another summary, which takes less memory than to copy it as a whole.
    pub fn merge_copy(&mut self, other: &Summary) {
        self.peers.merge_copy(&other.peers);
        self.merge(Summary {
            lines: other.lines,
            span: other.span,
            peers: Keys::default(),
            serials: other.serials.clone(),
            events: other.events.clone(),
            is_coarse: other.is_coarse,
            workers: other.workers.clone(),
            bursts: other.bursts.clone(),
            begun: other.begun.clone(),
            refusals: other.refusals.clone(),
        });
    }

    /// The entry of a peer in its group (an upstream's name, or a value of `--by`).
    #[inline]
    pub fn peer(&mut self, key: Key<'_>) -> &mut PeerSummary {
        self.peers.entry(key)
    }
}

impl Merge for Summary {
    fn merge(&mut self, other: Self) {
        self.lines.merge(other.lines);
        self.span.merge(other.span);
        self.peers.merge(other.peers);
        self.serials.merge(other.serials);
        self.events.merge(other.events);
        if self.is_coarse || other.is_coarse || self.peers.len() > MAX_DETAILED {
            self.drop_detail();
        }
        self.workers.merge(other.workers);
        self.bursts.merge(other.bursts);
        self.begun.merge(other.begun);
        self.refusals.merge(other.refusals);
    }
}
