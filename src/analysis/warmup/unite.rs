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
    let mut shared = later
        .born
        .iter()
        .map(|&at| &lives[at])
        .filter(|life| life.pid.is_some_and(|pid| pids.contains(&pid)));
    shared.any(|life| is_near || has_same_master(one, life, lives))
}

/// Was the first number of this worker, which began later, given while the others' clients had such numbers?
fn has_same_master(one: &Birth, later: &Life<'_>, lives: &[Life<'_>]) -> bool {
    let Some(number) = later.first_serial else { return false };
    let newest = |ms: i64| one.born.iter().filter_map(|&at| lives[at].newest_before(ms)).max();
    newest(later.first + APART_MS).is_some_and(|behind| number <= behind)
        && newest(later.first - APART_MS).is_none_or(|before| before <= number)
}
