//! Which workers draw from one counter.
//!
//! All workers of one master process share a counter, across reloads and crashes; a restart or a binary upgrade begins a
//! new one at 1; another host has its own. What tells them apart is order: in one counter every client that is accepted
//! later has a larger number than all that were accepted before. Whether a single number fell tells nothing, because old
//! keepalive clients go on being logged with theirs.

use super::pool::Kin;
use crate::summary::Merge;
use crate::summary::serials::{Accepted, Counter, SerialSet, Serials, Started, Union};
use std::collections::BTreeMap;

/// Share of accepts out of order above which two workers can't share a counter. Accepts of one counter come out of
/// order only by the time that a client takes to send its first request.
const OUT_OF_ORDER: f64 = 0.3;

/// Workers that draw from one counter.
pub(super) struct Family {
    /// Numbers of their clients.
    pub(super) clients: Union,
    /// When the counter stood where: cells in which a client with a number larger than all before was accepted.
    pub(super) marks: Vec<Mark>,
    /// Attempts of these workers by the cell in which they started.
    pub(super) starts: BTreeMap<i64, Started>,
    /// The workers, and how many connections may be older than their log; none where that can't be told.
    pub(super) kin: Option<Kin>,
}

/// The counter at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Start of the cell, in milliseconds since the epoch.
    pub(super) ms: i64,
    /// The newest client's number by the end of the cell.
    pub(super) serial: u64,
    /// Only one client was accepted in the cell: attempts in it come behind it. With many clients the newest came at
    /// the cell's end, so they come before it.
    pub(super) single: bool,
}

/// A worker, or the workers found so far to share its counter.
struct Group<'a> {
    members: Vec<&'a Counter>,
    names: Vec<(&'a str, Option<u64>)>,
    clock: BTreeMap<i64, Accepted>,
}

/// Sorts the workers into families; clocks and attempts are put on cells of `scale`.
pub(super) fn families(serials: &Serials, scale: u32) -> Vec<Family> {
    let mut workers: Vec<Group<'_>> = serials
        .sorted()
        .into_iter()
        .map(|(log, pid, counter)| Group {
            members: vec![counter],
            names: vec![(log, pid)],
            clock: counter.clock.at_scale(scale),
        })
        .filter(|group| !group.clock.is_empty())
        .collect();
    // By birth, so that a worker is compared with those that were there before it.
    workers.sort_by_key(|group| group.clock.first_key_value().map(|(&ms, cell)| (ms, cell.newest)));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for worker in workers {
        let fit = groups
            .iter()
            .enumerate()
            .map(|(i, group)| (out_of_order(&group.clock, &worker.clock), i))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        match fit {
            Some((share, i)) if share <= OUT_OF_ORDER => {
                groups[i].members.extend(&worker.members);
                groups[i].names.extend(&worker.names);
                for (ms, cell) in worker.clock {
                    groups[i].clock.entry(ms).or_default().merge(cell);
                }
            }
            _ => groups.push(worker),
        }
    }
    groups.into_iter().map(|group| family(&group, scale)).collect()
}

/// The share of accepts that would be out of order if both drew from one counter: the larger of the shares of either.
fn out_of_order(a: &BTreeMap<i64, Accepted>, b: &BTreeMap<i64, Accepted>) -> f64 {
    share_below(a, b).max(share_below(b, a))
}

/// Of the accepts in `later` that have a cell of `earlier` before them: the share with a smaller number than one there.
fn share_below(earlier: &BTreeMap<i64, Accepted>, later: &BTreeMap<i64, Accepted>) -> f64 {
    let mut newest = None;
    let mut before = earlier.iter().peekable();
    let (mut tests, mut below) = (0u32, 0u32);
    for (&ms, cell) in later {
        // Not the cell just before: a first request takes a moment to come.
        while let Some((_, earlier)) = before.next_if(|&(&at, _)| at < ms) {
            newest = newest.max(Some(earlier.newest));
        }
        if let Some(newest) = newest {
            tests += 1;
            below += u32::from(cell.newest < newest);
        }
    }
    if tests == 0 { 0.0 } else { f64::from(below) / f64::from(tests) }
}

fn family(group: &Group<'_>, scale: u32) -> Family {
    let clients = SerialSet::union(group.members.iter().map(|counter| &counter.clients));
    let mut marks: Vec<Mark> = Vec::new();
    for (&ms, cell) in &group.clock {
        if marks.last().is_none_or(|last| cell.newest > last.serial) {
            marks.push(Mark { ms, serial: cell.newest, single: cell.lines < 2 });
        }
    }
    let mut starts: BTreeMap<i64, Started> = BTreeMap::new();
    for counter in &group.members {
        for (ms, cell) in counter.starts.at_scale(scale) {
            starts.entry(ms).or_default().merge(cell);
        }
    }
    Family { clients, marks, starts, kin: kin(&group.members, &group.names) }
}

/// When the first client came that began in the log, its number was the largest drawn so far.
fn kin(members: &[&Counter], names: &[(&str, Option<u64>)]) -> Option<Kin> {
    if members.iter().any(|counter| counter.unnumbered > 0) {
        return None;
    }
    let first = members.iter().filter_map(|counter| counter.first_serial.get()).min()?;
    let workers = names.iter().map(|(log, pid)| ((*log).to_owned(), *pid)).collect();
    Some(Kin { workers, older: first.saturating_sub(1) })
}
