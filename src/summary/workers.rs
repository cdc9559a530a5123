//! The workers that wrote a log: when each began and ended, and how its pools filled.
//!
//! Workers are told by `$pid`. A reload replaces all of them and a crash one, and what comes new has empty pools.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::early::Early;
use super::near::Near;
use super::pool::Worker;
use super::serials::Smallest;
use super::{Merge, Span};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most workers that are kept: those of 8,000 reloads of 8 workers.
pub const MAX_WORKERS: usize = 1 << 16;

/// Most workers whose first moments are kept.
pub const MAX_EARLY: usize = 1 << 12;

/// What is kept of one worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Lines.
    pub lines: u64,
    /// First and last start of a request, by `$request_time`; where that is not logged, of a line.
    pub starts: Span,
    /// First and last line.
    pub ends: Span,
    /// Lines that were written at a whole second: all, where the log tells no milliseconds.
    pub whole_seconds: u64,
    /// The smallest `$connection` of a client whose first request is logged (`$connection_requests` is 1).
    pub first_serial: Smallest,
    /// Lines with `$connection_requests` of 1: clients that came while the log was written.
    pub clients: u64,
    /// The smallest `$connection` of any line.
    pub oldest_serial: Smallest,
    /// The largest one.
    pub newest_serial: u64,
    /// Attempts that got a connection.
    pub connected: u64,
    /// Attempts that certainly opened one.
    pub new_certain: u64,
    /// The worker's first moments; empty where there are too many workers to keep all.
    pub early: Early,
}

impl Life {
    /// Takes in a line: when its request began and when it was written, in milliseconds since the epoch, whether that was at
    /// a whole second, `$connection` and `$connection_requests`, as far as they are logged.
    #[inline(always)]
    pub fn record(
        &mut self,
        (start, end): (i64, i64),
        whole_second: bool,
        serial: Option<u64>,
        request: Option<u64>,
    ) {
        self.lines += 1;
        self.starts.record(start);
        self.ends.record(end);
        self.whole_seconds += u64::from(whole_second);
        if let Some(serial) = serial {
            self.newest_serial = self.newest_serial.max(serial);
            self.oldest_serial.record(serial);
            if request == Some(1) {
                self.first_serial.record(serial);
                self.clients += 1;
            }
        }
    }
}

impl Merge for Life {
    fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.starts.merge(other.starts);
        self.ends.merge(other.ends);
        self.whole_seconds += other.whole_seconds;
        self.first_serial.merge(other.first_serial);
        self.clients += other.clients;
        self.oldest_serial.merge(other.oldest_serial);
        self.newest_serial = self.newest_serial.max(other.newest_serial);
        self.connected += other.connected;
        self.new_certain += other.new_certain;
        self.early.merge(other.early);
    }
}

/// All workers, by the log that they write and their `$pid`.
///
/// Of more than [`MAX_WORKERS`] those with the smallest hash are kept, and of more than [`MAX_EARLY`] the first moments
/// of those. Which ones depends on the set of workers alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Workers {
    #[serde(skip)]
    index: HashTable<usize>,
    lives: Vec<(Worker, Life)>,
    /// Where one was found, by its `$pid`.
    #[serde(skip)]
    near: Near<64>,
    /// Workers whose hash is not below this are not kept.
    limit: u64,
    /// Those whose hash is not below this keep no first moments.
    early_limit: u64,
    /// Workers that may have first moments.
    #[serde(skip)]
    early: usize,
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct Stored {
    lives: Vec<(Worker, Life)>,
    limit: u64,
    early_limit: u64,
}

impl TryFrom<Stored> for Workers {
    type Error = &'static str;

    fn try_from(Stored { lives, limit, early_limit }: Stored) -> Result<Self, &'static str> {
        let wrong = "lives of different workers";
        if lives.len() > 2 * MAX_WORKERS {
            return Err(wrong);
        }
        let mut all = Workers { limit, early_limit, ..Workers::default() };
        for (worker, mut life) in lives {
            let known = all.lives.len();
            // Within these bounds none is cut, so each adds one.
            if all.of(&worker).is_none() || all.lives.len() == known {
                return Err(wrong);
            }
            // Asked when it has its place: a state that nobody wrote may hold more first moments than are kept.
            if !all.keeps_early(&worker) {
                life.early.close();
            }
            match all.of(&worker) {
                Some(own) => *own = life,
                None => return Err(wrong),
            }
        }
        Ok(all)
    }
}

impl Default for Workers {
    fn default() -> Self {
        Workers {
            index: HashTable::new(),
            lives: Vec::new(),
            near: Near::default(),
            limit: u64::MAX,
            early_limit: u64::MAX,
            early: 0,
        }
    }
}

impl Workers {
    /// A worker of a log and its life, if it is there.
    #[inline(always)]
    pub fn known(&mut self, log: &Arc<str>, pid: u64) -> Option<&mut (Worker, Life)> {
        let at = self.near.get(pid);
        if self.lives.get(at).is_some_and(|(worker, _)| worker.is(log, Some(pid))) {
            return Some(&mut self.lives[at]);
        }
        self.known_elsewhere(&Worker::new(log, Some(pid)))
    }

    #[cold]
    #[inline(never)]
    fn known_elsewhere(&mut self, worker: &Worker) -> Option<&mut (Worker, Life)> {
        let lives = &self.lives;
        let at = *self.index.find(worker.hash, |&at| lives[at].0.hash == worker.hash)?;
        self.near.set(worker.pid.unwrap_or(0), at);
        self.lives.get_mut(at)
    }

    /// The life of a worker; none if it is not kept.
    #[inline(always)]
    pub fn of(&mut self, worker: &Worker) -> Option<&mut Life> {
        let at = self.near.get(worker.pid.unwrap_or(0));
        if self.lives.get(at).is_some_and(|(other, _)| other.hash == worker.hash) {
            return Some(&mut self.lives[at].1);
        }
        let at = self.find(worker)?;
        Some(&mut self.lives[at].1)
    }

    #[cold]
    #[inline(never)]
    fn find(&mut self, worker: &Worker) -> Option<usize> {
        let workers = &self.lives;
        let found = self.index.find(worker.hash, |&at| workers[at].0.hash == worker.hash);
        let at = found.copied().or_else(|| self.insert(worker))?;
        self.near.set(worker.pid.unwrap_or(0), at);
        Some(at)
    }

    /// Does this worker keep its first moments?
    fn keeps_early(&self, worker: &Worker) -> bool {
        worker.hash < self.early_limit
    }

    #[cold]
    fn insert(&mut self, worker: &Worker) -> Option<usize> {
        // Twice the limit before anything is cut, so that cutting is rare.
        if self.lives.len() >= 2 * MAX_WORKERS {
            self.shrink();
        }
        if self.early >= 2 * MAX_EARLY {
            self.shrink_early();
        }
        if worker.hash >= self.limit {
            return None;
        }
        let at = self.lives.len();
        let mut life = Life::default();
        if self.keeps_early(worker) {
            self.early += 1;
        } else {
            life.early.close();
        }
        self.lives.push((worker.clone(), life));
        let workers = &self.lives;
        self.index.insert_unique(worker.hash, at, |&at| workers[at].0.hash);
        Some(at)
    }

    /// Keeps the [`MAX_WORKERS`] of the smallest hash.
    fn shrink(&mut self) {
        if let Some(limit) = self.nth_hash(MAX_WORKERS) {
            self.lower_limit(limit);
        }
    }

    fn shrink_early(&mut self) {
        if let Some(limit) = self.nth_hash(MAX_EARLY) {
            self.lower_early_limit(limit);
        }
    }

    fn nth_hash(&self, nth: usize) -> Option<u64> {
        let mut hashes: Vec<u64> = self.lives.iter().map(|(worker, _)| worker.hash).collect();
        (hashes.len() > nth).then(|| *hashes.select_nth_unstable(nth).1)
    }

    fn lower_limit(&mut self, limit: u64) {
        if limit >= self.limit {
            return;
        }
        self.limit = limit;
        self.lives.retain(|(worker, _)| worker.hash < limit);
        self.index.clear();
        let workers = &self.lives;
        for at in 0..workers.len() {
            self.index.insert_unique(workers[at].0.hash, at, |&at| workers[at].0.hash);
        }
    }

    fn lower_early_limit(&mut self, limit: u64) {
        if limit >= self.early_limit {
            return;
        }
        self.early_limit = limit;
        self.early = 0;
        for (worker, life) in &mut self.lives {
            if worker.hash < limit {
                self.early += 1;
            } else {
                life.early.close();
            }
        }
    }

    /// Workers in the order of their logs and pids, and their lives.
    pub fn sorted(mut self) -> Vec<(Worker, Life)> {
        self.shrink();
        self.shrink_early();
        self.lives.sort_by(|(a, _), (b, _)| (&a.log, a.pid).cmp(&(&b.log, b.pid)));
        self.lives
    }
}

impl Merge for Workers {
    fn merge(&mut self, other: Self) {
        self.lower_limit(other.limit);
        self.lower_early_limit(other.early_limit);
        for (worker, life) in other.lives {
            if self.lives.len() >= 2 * MAX_WORKERS || self.early >= 2 * MAX_EARLY {
                self.shrink();
                self.shrink_early();
            }
            if let Some(mine) = self.of(&worker) {
                mine.merge(life);
            }
        }
    }
}

impl PartialEq for Workers {
    fn eq(&self, other: &Self) -> bool {
        self.clone().sorted() == other.clone().sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::early::Beginning;
    use super::*;

    fn of(pids: impl Iterator<Item = u64>) -> Workers {
        let log: Arc<str> = "access.log".into();
        let mut workers = Workers::default();
        for pid in pids {
            let worker = Worker::new(&log, Some(pid));
            if let Some(life) = workers.of(&worker) {
                life.record((0, 0), true, None, None);
            }
            if let Some(life) = workers.of(&worker).filter(|life| life.early.has_room_at(0)) {
                life.early.record(0, Beginning { connected: 1, ..Beginning::default() });
            }
        }
        workers
    }

    #[test]
    fn a_state_with_too_many_first_moments_is_read_with_those_that_are_kept() {
        let log: Arc<str> = "access.log".into();
        let mut life = Life::default();
        life.early.record(0, Beginning { connected: 1, ..Beginning::default() });
        // The limit falls when the last one comes, which is above it in half of the cases.
        for first in 0..16 {
            let pids = first..=first + 2 * MAX_EARLY as u64;
            let lives = pids.map(|pid| (Worker::new(&log, Some(pid)), life.clone())).collect();
            let stored = Stored { lives, limit: u64::MAX, early_limit: u64::MAX };
            let workers = Workers::try_from(stored).unwrap();
            assert!(workers.early_limit < u64::MAX);
            for (worker, life) in &workers.lives {
                assert_eq!(life.early.has_room_at(0), workers.keeps_early(worker));
            }
        }
    }

    #[test]
    fn too_many_workers_keep_the_same_ones_in_any_order_and_split() {
        for most in [MAX_EARLY as u64, MAX_WORKERS as u64] {
            let many = 3 * most;
            let forward = of((0..many).chain(0..many));
            let mut merged = of(0..many / 2);
            merged.merge(of((0..many).chain(many / 2..many).rev()));
            assert_eq!(forward, of((0..many).rev().chain((0..many).rev())));
            assert_eq!(forward, merged);
            let kept = forward.sorted();
            assert_eq!(kept.len(), usize::try_from(many).unwrap().min(MAX_WORKERS));
            assert!(kept.iter().all(|(_, life)| life.lines == 2), "what is kept is whole");
            let early = kept.iter().filter(|(_, life)| life.early != Early::default());
            assert!(
                early.clone().all(|(_, life)| life.early.cells().all(|(_, c)| c.connected == 2))
            );
            assert_eq!(early.count(), MAX_EARLY);
        }
    }

    #[test]
    fn workers_are_known_by_their_log_and_pid() {
        let log: Arc<str> = "access.log".into();
        let mut workers = of(0..200);
        for pid in (0..200).chain([0, 64, 128]) {
            // The same name at another place.
            for log in [&log, &Arc::from(&*log)] {
                let (worker, life) = workers.known(log, pid).unwrap();
                assert_eq!((worker.pid, life.lines), (Some(pid), 1));
            }
        }
        assert!(workers.known(&log, 200).is_none());
        assert!(workers.known(&"other.log".into(), 7).is_none());
        assert_eq!(workers.lives.len(), 200, "none came by being asked for");
    }
}
