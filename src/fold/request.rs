//! The request that a line tells of: when it was, and what it tells of connections and of the worker.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

use crate::log_format::variable::Field;
use crate::record::attempt::{Outcome, Tried};
use crate::record::number::{integer_of, millis, millis_of};
use crate::summary::burst::{Begun, Burst, Bursts, Count, Refusals, Refused, peer_bit};
use crate::summary::early::Beginning;
use crate::summary::pool::{Flight, SLACK_MS, Worker};
use crate::summary::serials::Seen;
use crate::summary::workers::{Life, Workers};
use crate::tokenizer::Fields;

/// The request that a line tells of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) pid: Option<u64>,
    /// When it began, in milliseconds since the epoch: its first attempt can't have begun before.
    pub(super) start: i64,
    /// When the line was written.
    end: i64,
}

/// The worker. No process has the largest number: without it workers' hashes are one-to-one, see [`Worker::new`].
#[inline(always)]
fn pid(fields: &Fields<'_>) -> Option<u64> {
    integer_of(fields, Field::Pid).filter(|pid| *pid != u64::MAX)
}

/// None where the line lacks a time.
#[inline(always)]
pub(super) fn request(fields: &Fields<'_>, ms: Option<i64>) -> Option<Request> {
    let end = ms?;
    let start = end - i64::from(millis_of(fields, Field::RequestTime)?);
    Some(Request { pid: pid(fields), start, end })
}

/// The same of a log without `$request_time`: all that is known is that the request was there when the line was written.
#[inline]
pub(super) fn line_alone(fields: &Fields<'_>, ms: Option<i64>) -> Option<Request> {
    let end = ms?;
    Some(Request { pid: pid(fields), start: end, end })
}

impl Request {
    /// Its part in the account of serial numbers; none where the line lacks the number.
    #[inline(always)]
    pub(super) fn seen(self, fields: &Fields<'_>) -> Option<Seen> {
        let serial = integer_of(fields, Field::Connection)?;
        let request = integer_of(fields, Field::ConnectionRequests);
        let age = millis_of(fields, Field::ConnectionTime);
        let accepted_ms = match (age, request) {
            (Some(age), _) => Some(self.end - i64::from(age)),
            (None, Some(1) | None) => Some(self.start),
            (None, Some(_)) => None,
        };
        let whole_second = self.end % 1000 == 0;
        Some(Seen { serial, request, accepted_ms, whole_second })
    }

    /// Milliseconds of the request that its attempts do not explain: reading its body, sending the response. So much
    /// later than the sum of those before it may an attempt have begun. Below 0 the clocks disagree.
    #[inline(always)]
    pub(super) fn gap(self, fields: &Fields<'_>) -> i64 {
        let attempts_ms = if let Some(ms) = millis_of(fields, Field::ResponseTime) {
            i64::from(ms)
        } else {
            let list = fields.get(Field::ResponseTime).unwrap_or_default();
            list.split(|byte| b", :".contains(byte)).filter_map(millis).map(i64::from).sum()
        };
        self.end - self.start - attempts_ms
    }
}

/// The life of the worker that wrote a line.
pub(super) struct Living<'a> {
    pub(super) life: &'a mut Life,
    pub(super) line: Request,
}

impl<'a> Living<'a> {
    #[inline(always)]
    pub(super) fn of(workers: &'a mut Workers, worker: &Worker, line: Request) -> Option<Self> {
        // A line may lack the key of a JSON format.
        line.pid?;
        workers.of(worker).map(|life| Living { life, line })
    }

    #[inline(always)]
    pub(super) fn attempt(&mut self, attempt: &impl Tried) {
        let new = match attempt.outcome() {
            Outcome::New => 1,
            Outcome::Undecided => 0,
            Outcome::Failed | Outcome::NoLive => return,
        };
        self.life.connected += 1;
        self.life.new_certain += u64::from(new);
        if self.life.early.has_room_at(self.line.start) {
            let handshake_ms = attempt.connect_ms().unwrap_or(0);
            let peers = peer_bit(attempt.addr());
            let cell = Beginning { connected: 1, new_certain: new, handshake_ms, peers };
            self.life.early.record(self.line.start, cell);
        }
    }

    #[inline(always)]
    pub(super) fn line(self, fields: &Fields<'_>, seen: Option<Seen>) {
        let Request { start, end, .. } = self.line;
        if let Some(Seen { serial, request, whole_second, .. }) = seen {
            self.life.record((start, end), whole_second, Some(serial), request);
        } else {
            let number = |field| integer_of(fields, field);
            let (serial, request) = (number(Field::Connection), number(Field::ConnectionRequests));
            self.life.record((start, end), end % 1000 == 0, serial, request);
        }
    }
}

/// Takes in an attempt of a request that began at `at`, in milliseconds since the epoch.
#[inline(always)]
pub(super) fn over_time(
    attempt: &impl Tried,
    at: i64,
    (bursts, begun, refusals): (&mut Bursts, &mut Begun, &mut Refusals),
) {
    if attempt.outcome() == Outcome::New {
        let handshake_ms = attempt.connect_ms().unwrap_or(0);
        let peers = peer_bit(attempt.addr());
        bursts.record(at, Burst { new_certain: 1, handshake_ms, peers });
    }
    if matches!(attempt.outcome(), Outcome::New | Outcome::Undecided) {
        begun.record(at, Count(1));
    }
    if attempt.outcome() == Outcome::Failed || attempt.stale() {
        refusals.record(at, Refused { attempts: 1, peers: peer_bit(attempt.addr()) });
    }
}

/// The time that an attempt spent on a connection, if it got one; `gap` is its request's.
#[inline(always)]
pub(super) fn flight(attempt: &impl Tried, earliest_start: i64, gap: i64) -> Option<Flight> {
    let new = match attempt.outcome() {
        Outcome::New => true,
        Outcome::Undecided => false,
        Outcome::Failed | Outcome::NoLive => return None,
    };
    let latest_start = earliest_start + gap.max(0);
    // Attempts take no longer than their request, but for the clocks' slack.
    let lasted = attempt.response_ms().filter(|_| gap >= -SLACK_MS);
    Some(Flight { earliest_start, latest_start, lasted, new })
}
