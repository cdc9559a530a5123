//! Several logs of one nginx tell of the same workers, and so of the same events: in a busy log at once, in a quiet one
//! when the next request comes.

use super::births::Birth;
use super::lives::Life;
use crate::analysis::report::Cause;
use std::collections::{BTreeMap, BTreeSet};

/// The same event in two logs is seen at about the same time, in milliseconds.
const SAME_MS: i64 = 120_000;

/// And later, where both logs' numbers show that they have one master: in a log with a request an hour.
const SAME_MASTER_MS: i64 = 86_400_000;

/// How long old workers take requests after the first new one did, in milliseconds.
const GRACE_MS: i64 = 2000;

/// How far numbers in two logs of one master may be apart at one moment: those of this time, in milliseconds.
const APART_MS: i64 = 60_000;

/// Where pids come again with each restart, so many births of one are looked at.
const LATEST: usize = 16;

/// Births by time, each event once.
pub(super) fn unite(found: Vec<Birth>, lives: &[Life<'_>]) -> Vec<Birth> {
    let mut united: Vec<Birth> = Vec::new();
    let mut by_pid: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for birth in found {
        let pids: BTreeSet<u64> = birth.born.iter().filter_map(|&at| lives[at].pid).collect();
        let latest = pids.iter().filter_map(|pid| by_pid.get(pid));
        let mut near: Vec<usize> =
            latest.flat_map(|births| births.iter().rev().take(LATEST)).copied().collect();
        near.sort_unstable();
        let same = near.into_iter().rev().find(|&at| is_same(&united[at], &birth, lives));
        let at = same.unwrap_or(united.len());
        match same {
            Some(at) => united[at].join(birth),
            None => united.push(birth),
        }
        for pid in pids {
            let births = by_pid.entry(pid).or_default();
            if births.last() != Some(&at) {
                births.push(at);
            }
        }
    }
    united
}

impl Birth {
    fn join(&mut self, other: Birth) {
        // One that saw others go on knows more; one without a cause knows less.
        let rank = |cause: Cause| match cause {
            Cause::WorkerExit => 0,
            Cause::Unknown => 2,
            _ => 1,
        };
        if rank(other.cause) < rank(self.cause) {
            self.cause = other.cause;
            self.evidence = other.evidence;
        }
        self.born.extend(other.born);
        self.ended.extend(other.ended);
    }
}

/// Are these of two logs, with a worker in common?
fn is_same(one: &Birth, later: &Birth, lives: &[Life<'_>]) -> bool {
    let logs: BTreeSet<&str> = one.born.iter().map(|&at| lives[at].log).collect();
    if later.born.iter().any(|&at| logs.contains(lives[at].log)) {
        return false;
    }
    let apart_ms = later.at_ms - one.at_ms;
    let is_near = apart_ms <= SAME_MS;
    if apart_ms > SAME_MASTER_MS {
        return false;
    }
    let pids: BTreeSet<u64> = one.born.iter().filter_map(|&at| lives[at].pid).collect();
    // Those that were replaced take no requests any more, whatever log they write.
    let goes_on = |&at: &usize| lives[at].last > one.at_ms + GRACE_MS + lives[at].slack;
    if later.ended.iter().any(goes_on) {
        return false;
    }
    let shares = |&&at: &&usize| lives[at].pid.is_some_and(|pid| pids.contains(&pid));
    later.born.iter().filter(shares).any(|&at| match has_same_master(one, later, at, lives) {
        Some(same) => same,
        None => is_near,
    })
}

/// Do the numbers of both go on from each other? None where one of them tells none.
fn has_same_master(one: &Birth, later: &Birth, at: usize, lives: &[Life<'_>]) -> Option<bool> {
    let shared = &lives[at];
    let first = one.born.iter().map(|&at| &lives[at]).find(|life| life.pid == shared.pid)?;
    Some(fits(first, later, lives)? || fits(shared, one, lives)?)
}

/// Was the first number of a worker given while the others' clients had such numbers? None where that is not logged.
fn fits(worker: &Life<'_>, others: &Birth, lives: &[Life<'_>]) -> Option<bool> {
    let number = worker.first_serial?;
    let newest = |ms: i64| others.born.iter().filter_map(|&at| lives[at].newest_before(ms)).max();
    let last = others.born.iter().map(|&at| lives[at].newest_serial).max()?;
    (last > 0).then(|| {
        // The first client that it tells of may have come long after its first line.
        number <= last && newest(worker.first - APART_MS).is_none_or(|before| before <= number)
    })
}
