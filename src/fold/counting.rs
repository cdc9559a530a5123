//! A line's part in a summary: its attempts at their peers, and what they tell of their worker and of the time.

use super::By;
use super::request::{Living, Request, flight, over_time};
use crate::record::attempt::{Attempt, Outcome, Tried};
use crate::summary::burst::{Begun, Bursts, Refusals};
use crate::summary::keys::{Key, Keys};
use crate::summary::peer::{PeerSummary, started};
use crate::summary::pool::Worker;
use crate::summary::serials::Counter;
use crate::summary::{LineCounts, Span};
use crate::tokenizer::Fields;

/// What is known of a line but for its attempts, and where they are counted.
pub(super) struct Counting<'a> {
    /// When it was written.
    pub(super) ms: Option<i64>,
    /// When its next attempt began at the earliest, where its request is known.
    pub(super) start: Option<i64>,
    pub(super) is_detailed: bool,
    /// The request, where its part in the account of serial numbers is told.
    pub(super) seen: Option<Request>,
    /// The request's gap and its worker, where attempts in flight are kept.
    pub(super) flying: Option<(i64, &'a Worker)>,
    pub(super) lines: &'a mut LineCounts,
    pub(super) span: &'a mut Span,
    pub(super) counter: Option<&'a mut Counter>,
    pub(super) living: Option<Living<'a>>,
    pub(super) over_time: (&'a mut Bursts, &'a mut Begun, &'a mut Refusals),
}

impl Counting<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as that which makes it")]
    pub(super) fn attempt(&mut self, peer: &mut PeerSummary, attempt: &impl Tried) {
        peer.record(attempt, self.ms);
        if self.is_detailed {
            peer.record_sent(attempt);
        }
        if let Some(start) = self.start {
            if let Some(counter) = &mut self.counter {
                let started = started(attempt);
                counter.starts.record(start, started);
                if self.is_detailed {
                    peer.starts.record(start, started);
                }
            }
            if let Some((gap, worker)) = self.flying
                && let Some(flight) = flight(attempt, start, gap)
                && let Some(pool) = peer.pools.of(worker)
            {
                pool.record(flight);
            }
        }
        if let Some(living) = &mut self.living {
            living.attempt(attempt);
        }
        let lasted = i64::from(attempt.response_ms().unwrap_or(0));
        if let Some(ms) = self.ms {
            let (bursts, begun, refusals) = &mut self.over_time;
            over_time(attempt, self.start.unwrap_or(ms - lasted), (bursts, begun, refusals));
        }
        // The next try begins where this one ended.
        self.start = self.start.map(|start| start + lasted);
    }

    /// Takes in the rest of the line, once all its attempts were.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as that which makes it")]
    pub(super) fn end(self, fields: &Fields<'_>, count: usize) {
        self.lines.lines += 1;
        let seen = self.seen.and_then(|request| request.seen(fields));
        if let (Some(counter), Some(seen)) = (self.counter, seen) {
            counter.record(seen);
        }
        if let Some(living) = self.living {
            living.line(fields, seen);
        }
        self.lines.matched += 1;
        self.lines.without_upstream += u64::from(count == 0);
        if let Some(ms) = self.ms {
            self.span.record(ms);
        }
    }
}

/// Where a line's attempts are counted.
pub(super) struct Peers<'a> {
    pub(super) by: &'a By,
    /// The name of the group that they belong to.
    pub(super) name: Option<&'a [u8]>,
    pub(super) all: &'a mut Keys<PeerSummary>,
}

impl Peers<'_> {
    /// That of an attempt. `$proxy_host` names the upstream of the last pass only; with no live upstream the address
    /// itself is the upstream's name.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as that which makes it")]
    pub(super) fn entry(&mut self, attempt: &Attempt<'_>) -> &mut PeerSummary {
        let group = match self.by {
            By::Upstream if attempt.last_pass && self.name.is_some() => self.name,
            By::Upstream if attempt.outcome == Outcome::NoLive => Some(attempt.addr),
            By::Upstream => None,
            By::Peer | By::Variable(_) => self.name,
        };
        self.all.entry(Key { group, peer: attempt.addr })
    }
}
