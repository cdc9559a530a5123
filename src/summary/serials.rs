//! Connection serial numbers: which ones clients had, and when the counter stood where.
//!
//! nginx numbers connections from one counter per master process, which client connections (`ngx_event_accept`) and
//! connects to upstreams (`ngx_event_connect_peer`) both draw from. `$connection` logs the clients' numbers; those that
//! are missing between them went to upstreams. What is kept here is enough to count them over any stretch of time, per
//! worker: the set of client numbers, the newest number by time, and the attempts by the time at which they started.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

use super::Merge;
use super::cells::Cells;
use super::near::Near;
use super::pool::Worker;
pub use super::serial_set::{SerialSet, Union};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most cells of a worker's clocks: half a second a cell over 8 minutes, 21 minutes a cell over 30 days.
const MAX_CELLS: usize = 2048;

/// Attempts by the time at which they started, finer than the report's timeline.
pub type Starts = Cells<Started, 1, MAX_CELLS>;

/// Attempts that started in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Reused or new.
    pub undecided: u64,
    /// Certainly new.
    pub new_certain: u64,
    /// Failed, but a connect was tried, which took a number.
    pub failed: u64,
}

impl Started {
    /// Attempts that got a connection.
    pub fn connected(self) -> u64 {
        self.undecided + self.new_certain
    }
}

impl Merge for Started {
    fn merge(&mut self, other: Self) {
        self.undecided += other.undecided;
        self.new_certain += other.new_certain;
        self.failed += other.failed;
    }
}

/// Clients that were accepted in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The largest number among them.
    pub newest: u64,
    /// The smallest, and when that client was accepted, in milliseconds since the epoch: the first of a new counter.
    pub oldest: Smallest<(u64, i64)>,
    /// The sum of all of them.
    pub sum: u128,
    /// Lines that told so.
    pub lines: u64,
}

impl Accepted {
    /// The mean of the numbers: a few clients that came late do not move it, a second counter does.
    pub fn mean(self) -> u64 {
        u64::try_from(self.sum / u128::from(self.lines.max(1))).unwrap_or(u64::MAX)
    }
}

impl Merge for Accepted {
    fn merge(&mut self, other: Self) {
        self.newest = self.newest.max(other.newest);
        self.oldest.merge(other.oldest);
        self.sum += other.sum;
        self.lines += other.lines;
    }
}

/// A line's part in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// `$connection`
    pub serial: u64,
    /// `$connection_requests`, if logged: 1 is the first request of its connection.
    pub request: Option<u64>,
    /// When the client was accepted, in milliseconds since the epoch: none where the line does not tell.
    pub accepted_ms: Option<i64>,
    /// The line was written at a whole second, as all are where the log tells no milliseconds.
    pub whole_second: bool,
}

/// What is kept of one worker, or of one log where `$pid` is not logged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counter {
    /// Numbers that clients had.
    pub clients: SerialSet,
    /// The newest client by time.
    pub clock: Cells<Accepted, 1, MAX_CELLS>,
    /// Attempts by the time at which they started.
    pub starts: Starts,
    /// Lines with `$connection_requests` of 1: one for each client whose first request is in the log.
    pub first_requests: u64,
    /// Lines with `$connection_requests` of 2: one for each client that had more than one request.
    pub second_requests: u64,
    /// The smallest number among those.
    pub first_serial: Smallest,
    /// Lines.
    pub lines: u64,
    /// Of these: without `$connection_requests`.
    pub unnumbered: u64,
    /// Of these: written at a whole second.
    pub whole_seconds: u64,
}

impl Counter {
    /// Takes in a line.
    #[inline(always)]
    pub fn record(&mut self, seen: Seen) {
        // First: what it needs is in registers yet.
        if let Some(ms) = seen.accepted_ms {
            let oldest = Smallest(Some((seen.serial, ms)));
            let (newest, sum) = (seen.serial, u128::from(seen.serial));
            self.clock.record(ms, Accepted { newest, oldest, sum, lines: 1 });
        }
        self.clients.insert(seen.serial);
        self.lines += 1;
        self.whole_seconds += u64::from(seen.whole_second);
        match seen.request {
            Some(1) => {
                self.first_requests += 1;
                self.first_serial.record(seen.serial);
            }
            Some(2) => self.second_requests += 1,
            Some(_) => {}
            None => self.unnumbered += 1,
        }
    }
}

impl Merge for Counter {
    fn merge(&mut self, other: Self) {
        self.clients.merge(other.clients);
        self.clock.merge(other.clock);
        self.starts.merge(other.starts);
        self.first_requests += other.first_requests;
        self.second_requests += other.second_requests;
        self.first_serial.merge(other.first_serial);
        self.lines += other.lines;
        self.unnumbered += other.unnumbered;
        self.whole_seconds += other.whole_seconds;
    }
}

/// The smallest number seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smallest<T = u64>(Option<T>);

impl<T: Ord + Copy> Smallest<T> {
    /// Takes in a number.
    #[inline(always)]
    pub fn record(&mut self, value: T) {
        if self.0.is_none_or(|smallest| value < smallest) {
            self.0 = Some(value);
        }
    }

    /// The number, if there was one.
    pub fn get(self) -> Option<T> {
        self.0
    }
}

impl<T: Ord + Copy + Default> Merge for Smallest<T> {
    fn merge(&mut self, other: Self) {
        if let Some(value) = other.0 {
            self.record(value);
        }
    }
}

/// Most workers. nginx has some dozens, times its reloads; a log with more has something else in `$pid`. Then nothing is
/// kept: whether there are too many depends on the set of workers alone, so any order and split ends the same.
const MAX_WORKERS: usize = 2000;

/// All workers, by the log that they write and their `$pid`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Serials {
    #[serde(skip)]
    index: HashTable<usize>,
    counters: Vec<(Worker, Counter)>,
    /// Where one was found, by its `$pid`.
    #[serde(skip)]
    near: Near<64>,
    overflown: bool,
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct Stored {
    counters: Vec<(Worker, Counter)>,
    overflown: bool,
}

impl TryFrom<Stored> for Serials {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, &'static str> {
        let wrong = "counters of different workers";
        let most = if stored.overflown { 0 } else { MAX_WORKERS };
        if stored.counters.len() > most {
            return Err(wrong);
        }
        let mut all = Serials::default();
        for (worker, counter) in stored.counters {
            let known = all.counters.len();
            match all.of(&worker) {
                Some(own) => *own = counter,
                None => return Err(wrong),
            }
            if all.counters.len() == known {
                return Err(wrong);
            }
        }
        all.overflown = stored.overflown;
        Ok(all)
    }
}

impl Serials {
    /// The counter of a worker of a log; none where there are too many.
    pub fn counter(&mut self, log: &Arc<str>, pid: Option<u64>) -> Option<&mut Counter> {
        self.of(&Worker::new(log, pid))
    }

    /// The counter of a worker; none where there are too many.
    #[inline(always)]
    pub fn of(&mut self, worker: &Worker) -> Option<&mut Counter> {
        let at = self.near.get(worker.pid.unwrap_or(0));
        if self.counters.get(at).is_some_and(|(other, _)| other.hash == worker.hash) {
            return Some(&mut self.counters[at].1);
        }
        let at = self.find(worker)?;
        Some(&mut self.counters[at].1)
    }

    #[cold]
    fn overflow(&mut self) {
        *self = Serials { overflown: true, ..Serials::default() };
    }

    #[cold]
    #[inline(never)]
    fn find(&mut self, worker: &Worker) -> Option<usize> {
        let counters = &self.counters;
        let found = self.index.find(worker.hash, |&at| counters[at].0.hash == worker.hash);
        let at = found.copied().or_else(|| self.insert(worker))?;
        self.near.set(worker.pid.unwrap_or(0), at);
        Some(at)
    }

    #[cold]
    fn insert(&mut self, worker: &Worker) -> Option<usize> {
        if self.overflown {
            return None;
        }
        let at = self.counters.len();
        if at >= MAX_WORKERS {
            self.overflow();
            return None;
        }
        self.counters.push((worker.clone(), Counter::default()));
        let counters = &self.counters;
        self.index.insert_unique(worker.hash, at, |&at| counters[at].0.hash);
        Some(at)
    }

    /// Counters with their log and worker, in the order of these.
    pub fn sorted(&self) -> Vec<(&str, Option<u64>, &Counter)> {
        let mut all: Vec<_> =
            self.counters.iter().map(|(w, counter)| (&*w.log, w.pid, counter)).collect();
        all.sort_by_key(|(log, pid, _)| (*log, *pid));
        all
    }
}

impl Merge for Serials {
    fn merge(&mut self, other: Self) {
        if other.overflown {
            self.overflow();
        }
        for (worker, counter) in other.counters {
            if let Some(own) = self.of(&worker) {
                own.merge(counter);
            }
        }
    }
}

impl PartialEq for Serials {
    fn eq(&self, other: &Self) -> bool {
        (self.overflown, self.sorted()) == (other.overflown, other.sorted())
    }
}
