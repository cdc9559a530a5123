//! How many attempts of a worker were in flight at a peer at one instant: each of them holds a connection of its own.
//!
//! nginx keeps idle connections per worker (`ngx_http_upstream_keepalive_module`), and a connection serves one request
//! at a time, also over HTTP/2 and gRPC. So a worker opened at least as many connections to a peer as it ever had
//! attempts in flight there.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

mod changes;

use super::codec::ascends;
use super::near::Near;
use super::{Merge, Span};
use changes::Changes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most workers of one peer that are kept apart. Those beyond tell nothing, which is safe: what is kept here only ever
/// proves that there were more new connections.
const MAX_WORKERS: usize = 32;

/// Times are whole milliseconds of two clocks, each moved once per turn of the event loop: an attempt is only taken to
/// be in flight this long after its start and up to this long before its end, in milliseconds.
pub const SLACK_MS: i64 = 2;

/// A worker: the log that it writes and its `$pid`, if that is logged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Arc<str>, Option<u64>)")]
pub struct Worker {
    /// The log's name.
    pub log: Arc<str>,
    /// `$pid`
    pub pid: Option<u64>,
    /// The same in every process. It orders workers, and decides which ones stay when there are too many.
    #[serde(skip)]
    pub(super) hash: u64,
}

impl From<(Arc<str>, Option<u64>)> for Worker {
    fn from((log, pid): (Arc<str>, Option<u64>)) -> Self {
        Worker::new(&log, pid)
    }
}

impl Worker {
    /// A worker of a log; `pid` is not `u64::MAX`.
    pub fn new(log: &Arc<str>, pid: Option<u64>) -> Self {
        // FNV-1a of the log; no two workers of a log share a hash, as spreading it is one-to-one (`fmix64` of
        // MurmurHash3).
        let log_hash = log.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut hash = log_hash ^ pid.map_or(0, |pid| pid.wrapping_add(1));
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Worker { log: Arc::clone(log), pid, hash: hash ^ (hash >> 33) }
    }

    /// Is it this one?
    #[inline(always)]
    pub fn is(&self, log: &Arc<str>, pid: Option<u64>) -> bool {
        self.pid == pid && (Arc::ptr_eq(&self.log, log) || self.log == *log)
    }
}

/// Workers that took turns lately: to make one anew costs a hash of the log's name.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    workers: Vec<Worker>,
    /// Where one was found, by its number.
    near: Near<64>,
}

/// Most workers that are remembered.
const MAX_RECENT: usize = 64;

impl Recent {
    /// A worker of a log.
    #[inline(always)]
    pub fn of(&mut self, log: &Arc<str>, pid: Option<u64>) -> &Worker {
        let at = self.near.get(pid.unwrap_or(0));
        if self.workers.get(at).is_some_and(|worker| worker.is(log, pid)) {
            return &self.workers[at];
        }
        self.find(log, pid)
    }

    #[cold]
    #[inline(never)]
    fn find(&mut self, log: &Arc<str>, pid: Option<u64>) -> &Worker {
        let known = self.workers.iter().position(|worker| worker.is(log, pid));
        let at = known.unwrap_or_else(|| {
            if self.workers.len() >= MAX_RECENT {
                self.workers.clear();
            }
            self.workers.push(Worker::new(log, pid));
            self.workers.len() - 1
        });
        self.near.set(pid.unwrap_or(0), at);
        &self.workers[at]
    }
}

/// The pools of one peer: one per worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredPools")]
pub struct Pools {
    /// In the order of the workers' hashes.
    workers: Vec<(Worker, Pool)>,
    /// Where one was found, by its `$pid`.
    #[serde(skip)]
    near: Near<16>,
    /// Workers whose hash is not below this are not kept.
    limit: u64,
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct StoredPools {
    workers: Vec<(Worker, Pool)>,
    limit: u64,
}

impl TryFrom<StoredPools> for Pools {
    type Error = &'static str;

    fn try_from(StoredPools { workers, limit }: StoredPools) -> Result<Self, &'static str> {
        let are_below = workers.last().is_none_or(|(worker, _)| worker.hash < limit);
        let in_order = ascends(workers.iter().map(|(worker, _)| worker.hash));
        if workers.len() > MAX_WORKERS || !are_below || !in_order {
            return Err("pools in order");
        }
        Ok(Pools { workers, near: Near::default(), limit })
    }
}

impl Default for Pools {
    fn default() -> Self {
        Pools { workers: Vec::new(), near: Near::default(), limit: u64::MAX }
    }
}

impl Pools {
    /// The pool of a worker; none if it is not kept.
    #[inline(always)]
    pub fn of(&mut self, worker: &Worker) -> Option<&mut Pool> {
        let at = self.near.get(worker.pid.unwrap_or(0));
        if self.workers.get(at).is_some_and(|(other, _)| other.hash == worker.hash) {
            return Some(&mut self.workers[at].1);
        }
        let at = self.find(worker)?;
        Some(&mut self.workers[at].1)
    }

    #[cold]
    #[inline(never)]
    fn find(&mut self, worker: &Worker) -> Option<usize> {
        let at = match self.workers.binary_search_by_key(&worker.hash, |(worker, _)| worker.hash) {
            Ok(at) => at,
            Err(_) if worker.hash >= self.limit => return None,
            Err(at) => {
                self.workers.insert(at, (worker.clone(), Pool::default()));
                self.shrink();
                at
            }
        };
        self.near.set(worker.pid.unwrap_or(0), at);
        (at < self.workers.len()).then_some(at)
    }

    fn shrink(&mut self) {
        if let Some((first_left_out, _)) = self.workers.get(MAX_WORKERS) {
            self.limit = self.limit.min(first_left_out.hash);
            self.workers.truncate(MAX_WORKERS);
        }
    }

    /// The workers that are kept, with their pools.
    pub fn iter(&self) -> impl Iterator<Item = (&Worker, &Pool)> {
        self.workers.iter().map(|(worker, pool)| (worker, pool))
    }
}

impl Merge for Pools {
    fn merge(&mut self, other: Self) {
        self.limit = self.limit.min(other.limit);
        self.workers.retain(|(worker, _)| worker.hash < self.limit);
        for (worker, pool) in other.workers {
            if let Some(mine) = self.of(&worker) {
                mine.merge(pool);
            }
        }
    }
}

/// Equal contents: which one was used last can't be seen from outside.
impl PartialEq for Pools {
    fn eq(&self, other: &Self) -> bool {
        (&self.workers, self.limit) == (&other.workers, other.limit)
    }
}

/// An attempt that got a connection, with what is known of its time, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// It can't have started before.
    pub earliest_start: i64,
    /// It can't have started later.
    pub latest_start: i64,
    /// `$upstream_response_time` in milliseconds, which is how long it took from its start; none where not known.
    pub lasted: Option<u32>,
    /// It certainly opened a connection.
    pub new: bool,
}

/// Attempts of one worker at one peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredPool")]
pub struct Pool {
    /// First and last start of an attempt.
    pub starts: Span,
    /// Attempts that got a connection.
    pub connected: u64,
    /// Certainly new connections.
    pub new_certain: u64,
    changes: Changes,
}

/// The form in which a pool is stored.
#[derive(Deserialize)]
struct StoredPool {
    starts: Span,
    connected: u64,
    new_certain: u64,
    changes: Changes,
}

impl TryFrom<StoredPool> for Pool {
    type Error = &'static str;

    fn try_from(stored: StoredPool) -> Result<Self, &'static str> {
        let StoredPool { starts, connected, new_certain, changes } = stored;
        let new = changes.iter().try_fold(0u64, |sum, change| sum.checked_add(change.new));
        if new.is_none_or(|new| new > new_certain) {
            return Err("connections of a pool");
        }
        Ok(Pool { starts, connected, new_certain, changes })
    }
}

impl Pool {
    /// Takes in an attempt.
    #[inline(always)]
    pub fn record(&mut self, flight: Flight) {
        self.connected += 1;
        self.starts.record(flight.latest_start);
        if flight.new {
            self.new_certain += 1;
            self.changes.open(flight.earliest_start - SLACK_MS);
        }
        let Some(lasted) = flight.lasted else { return };
        let from = flight.latest_start + SLACK_MS;
        let to = flight.earliest_start + i64::from(lasted) - SLACK_MS;
        if from < to {
            self.changes.fly(from, to);
        }
    }

    /// At least this many connections were opened, in this pool's whole life: those in flight at one instant, and the
    /// certainly new ones after it; for the instant that gives most.
    pub fn opened(&self) -> u64 {
        let (mut in_flight, mut after) = (0, self.new_certain);
        let mut most = after;
        for change in self.changes.iter() {
            in_flight += change.net;
            after -= change.new;
            most = most.max(after.saturating_add_signed(in_flight));
        }
        most.max(u64::from(self.connected > 0))
    }
}

impl Merge for Pool {
    fn merge(&mut self, other: Self) {
        self.starts.merge(other.starts);
        self.connected += other.connected;
        self.new_certain += other.new_certain;
        self.changes.merge(other.changes);
    }
}

#[cfg(test)]
mod tests;
