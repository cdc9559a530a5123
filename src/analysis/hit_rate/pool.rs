//! What attempts in flight at one time prove: each holds a connection of its own, and a worker that began in the log
//! had none before.
//!
//! Workers that were there before the log may have brought connections along. So a worker counts only if
//! - the numbers of clients tell how few connections are older than the log: the first client that began in it has
//!   number s, so no more than s - 1 connections of all workers of that nginx are older; or
//! - it comes right behind the end of others: all workers of a log end, and others begin (a reload); or one ends and
//!   another begins, long after the log began (a crash, or a reload while others still finish).

use super::Row;
use crate::summary::Merge;
use crate::summary::pool::{Pool, Pools, Worker};
use std::collections::{BTreeMap, BTreeSet};

/// How long after the log's first attempt a worker must begin to be taken for a new one when others go on, in
/// milliseconds. One that was there and idle for so long keeps no connections: `keepalive_timeout` is 60 s by default,
/// and seldom above this.
const LONG_MS: i64 = 600_000;

/// Two generations of workers follow on each other within this time, in milliseconds, or within [`MOMENT_TIMES`] the
/// usual distance of attempts. More is a gap in the log.
const MOMENT_MS: i64 = 200;
const MOMENT_TIMES: i64 = 20;

/// A generation is told by at least so many workers and attempts: one worker that ends while another begins may be two
/// clients of one connection each.
const MIN_WORKERS: u32 = 2;
const MIN_ATTEMPTS: u64 = 100;

/// A worker as the log names it.
type Id<'a> = (&'a str, Option<u64>);

/// Workers that share a counter of serial numbers, and how many connections can be older than their log.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kin {
    /// Log and `$pid`.
    pub(super) workers: Vec<(String, Option<u64>)>,
    /// At most so many connections were opened before.
    pub(super) older: u64,
}

/// Connections that must have been opened besides the certainly new ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Opened {
    /// Per row.
    pub(super) rows: Vec<u64>,
    /// By peers that have several rows, so that it can't be said by which.
    pub(super) shared: u64,
}

/// Counts them, for all rows of a report.
pub(super) fn opened(rows: &[&Row<'_>], kin: &[Kin]) -> Opened {
    let born = born(rows);
    let kin_of: BTreeMap<Id<'_>, usize> = kin
        .iter()
        .enumerate()
        .flat_map(|(i, kin)| kin.workers.iter().map(move |(log, pid)| ((log.as_str(), *pid), i)))
        .collect();
    let mut peers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        peers.entry(row.addr).or_default().push(i);
    }
    let mut opened = Opened { rows: vec![0; rows.len()], shared: 0 };
    for indices in peers.values() {
        if let [only] = indices[..] {
            opened.rows[only] = beyond_certain(&rows[only].peer.pools, &born, kin, &kin_of);
        } else {
            let mut all = Pools::default();
            for &i in indices {
                all.merge(rows[i].peer.pools.clone());
            }
            opened.shared += beyond_certain(&all, &born, kin, &kin_of);
        }
    }
    opened
}

fn id(worker: &Worker) -> Id<'_> {
    (&worker.log, worker.pid)
}

/// For one peer. A worker may write several logs, so those of a `$pid` are taken together: attempts that were in flight
/// at one instant in two hosts hold as many connections, too.
fn beyond_certain(
    pools: &Pools,
    born: &BTreeSet<Id<'_>>,
    kin: &[Kin],
    kin_of: &BTreeMap<Id<'_>, usize>,
) -> u64 {
    let mut workers: BTreeMap<Option<u64>, Vec<(Id<'_>, &Pool)>> = BTreeMap::new();
    for (worker, pool) in pools.iter() {
        workers.entry(worker.pid).or_default().push((id(worker), pool));
    }
    let mut sum = 0;
    let mut by_kin: BTreeMap<usize, u64> = BTreeMap::new();
    for logs in workers.values() {
        let beyond = if let [(_, only)] = logs[..] {
            only.opened() - only.new_certain
        } else {
            let mut all = Pool::default();
            for (_, pool) in logs {
                all.merge((*pool).clone());
            }
            all.opened() - all.new_certain
        };
        let mut kins = logs.iter().map(|(id, _)| kin_of.get(id));
        if logs.iter().all(|(id, _)| born.contains(id)) {
            sum += beyond;
        } else if let Some(Some(&kin)) = kins.next()
            && kins.all(|other| other == Some(&kin))
        {
            *by_kin.entry(kin).or_default() += beyond;
        }
    }
    sum + by_kin.iter().map(|(&i, beyond)| beyond.saturating_sub(kin[i].older)).sum::<u64>()
}

/// A worker's time in the log: first and last start of an attempt, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
struct Life<'a> {
    id: Id<'a>,
    first: i64,
    last: i64,
    attempts: u64,
}

/// The workers that began in the log, by the others that ended.
fn born<'a>(rows: &[&Row<'a>]) -> BTreeSet<Id<'a>> {
    let mut lives: BTreeMap<Id<'a>, Life<'a>> = BTreeMap::new();
    for (worker, pool) in rows.iter().flat_map(|row| row.peer.pools.iter()) {
        let Some((first, last)) = pool.starts.get() else { continue };
        let id = id(worker);
        let life = lives.entry(id).or_insert(Life { id, first, last, attempts: 0 });
        life.first = life.first.min(first);
        life.last = life.last.max(last);
        life.attempts += pool.connected;
    }
    let lives: Vec<Life<'a>> = lives.into_values().filter(|life| life.id.1.is_some()).collect();
    lives.chunk_by(|a, b| a.id.0 == b.id.0).flat_map(|log| born_in(log.to_vec())).collect()
}

/// The same for the workers of one log.
fn born_in(mut lives: Vec<Life<'_>>) -> Vec<Id<'_>> {
    lives.sort_by_key(|life| (life.first, life.id));
    let mut ends: Vec<i64> = lives.iter().map(|life| life.last).collect();
    ends.sort_unstable();
    let (Some(first), Some(&last)) = (lives.first(), ends.last()) else { return Vec::new() };
    let attempts: u64 = lives.iter().map(|life| life.attempts).sum();
    let usual = (last - first.first) / i64::try_from(attempts).unwrap_or(i64::MAX).max(1);
    let moment = MOMENT_MS.max(MOMENT_TIMES * usual);
    let ends_before = |ms: i64| {
        let at = ends.partition_point(|&end| end < ms);
        at.checked_sub(1).is_some_and(|at| ms - ends[at] <= moment)
    };
    let mut begin = first.first;
    let (mut workers, mut attempts, mut newest_end) = (0, 0, i64::MIN);
    let mut reloaded = false;
    let mut born = Vec::new();
    for life in &lives {
        if newest_end < life.first && workers > 0 {
            let close = life.first - newest_end <= moment;
            if !close {
                // A gap: what began in it is not known.
                reloaded = false;
                begin = life.first;
            } else if workers >= MIN_WORKERS && attempts >= MIN_ATTEMPTS {
                reloaded = true;
            }
            (workers, attempts) = (0, 0);
        }
        workers += 1;
        attempts += life.attempts;
        newest_end = newest_end.max(life.last);
        if reloaded || (life.first - begin >= LONG_MS && ends_before(life.first)) {
            born.push(life.id);
        }
    }
    born
}

#[cfg(test)]
mod tests;
