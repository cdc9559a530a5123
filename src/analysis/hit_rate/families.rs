//! Which workers draw from one counter.
//!
//! All workers of one master process share a counter, across reloads and crashes; a restart or a binary upgrade begins a
//! new one at 1; another host has its own. Two things tell them apart. In one counter every client that is accepted
//! later has a larger number than all that were accepted before; and a client belongs to one worker for its life, so no
//! number is seen in two. Whether a single number fell tells nothing, because old keepalive clients go on being logged
//! with theirs.

use super::order::{Clock, out_of_order, rising};
use super::pool::Kin;
use crate::summary::Merge;
use crate::summary::serials::{Counter, Serials, Started, Union};

/// Share of accepts out of order above which two workers can't share a counter. Accepts of one counter come out of
/// order only by the time that a client takes to send its first request.
const OUT_OF_ORDER: f64 = 0.3;

/// More counters than this are not told apart: they are no hosts, but something else in `$pid` or `$connection`.
const MAX_FAMILIES: usize = 256;

/// Workers that draw from one counter.
pub(super) struct Family {
    /// Numbers of their clients.
    pub(super) clients: Union,
    /// The smallest number of a client whose first request is logged; none where the log does not tell which is first.
    pub(super) first: Option<u64>,
    /// First requests of clients, and second ones.
    pub(super) first_requests: u64,
    pub(super) second_requests: u64,
    /// When the counter stood where: cells in which a client with a number larger than all before was accepted.
    pub(super) marks: Vec<Mark>,
    /// Attempts of these workers by the cell in which they started, in order.
    pub(super) starts: Vec<(i64, Started)>,
    /// The workers, and how many connections may be older than their log; none where that can't be told.
    pub(super) kin: Option<Kin>,
}

impl Family {
    /// Attempts of the cells that start in `from..to`.
    pub(super) fn started(&self, from: i64, to: i64) -> &[(i64, Started)] {
        let at = |end: i64| self.starts.partition_point(|(ms, _)| *ms < end);
        &self.starts[at(from)..at(to.max(from))]
    }
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

/// A worker and when clients came to it whose numbers were larger than all before. Where the log does not tell which
/// requests are a client's first, all others are those of older clients too.
struct Worker<'a> {
    log: &'a str,
    pid: Option<u64>,
    counter: &'a Counter,
    clock: Clock,
}

/// The workers found so far to share a counter.
#[derive(Default)]
struct Group<'a> {
    workers: Vec<(&'a str, Option<u64>, &'a Counter)>,
    clock: Clock,
    clients: Union,
}

impl<'a> Group<'a> {
    fn add(&mut self, worker: Worker<'a>) {
        self.workers.push((worker.log, worker.pid, worker.counter));
        self.clients.add(&worker.counter.clients);
        let mut clock = std::mem::take(&mut self.clock);
        clock.extend(worker.clock);
        unite(&mut clock);
        self.clock = rising(clock);
    }

    /// Have both had a client of the same number? Two logs of one worker may have.
    fn meets(&self, worker: &Worker<'_>) -> bool {
        self.workers.iter().all(|(_, pid, _)| *pid != worker.pid)
            && self.clients.meets(&worker.counter.clients)
    }
}

/// Puts the cells of several workers in the order of time, and those of the same time together.
fn unite<T: Merge + Copy>(cells: &mut Vec<(i64, T)>) {
    // Those of each worker are in order, which is quick to sort.
    cells.sort_by_key(|(ms, _)| *ms);
    cells.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1.merge(next.1);
        }
        same
    });
}

/// Sorts the workers into families; clocks and attempts are put on cells of `scale`. Clients may show `late` ms after
/// they were accepted. None with too many families.
pub(super) fn families(serials: &Serials, scale: u32, late: i64) -> Option<Vec<Family>> {
    let mut workers: Vec<Worker<'_>> = serials
        .sorted()
        .into_iter()
        .map(|(log, pid, counter)| Worker {
            log,
            pid,
            counter,
            clock: rising(counter.clock.at_scale(scale)),
        })
        .filter(|worker| !worker.clock.is_empty())
        .collect();
    // By birth, so that a worker is compared with those that were there before it.
    workers.sort_by_key(|worker| worker.clock.first().map(|(ms, cell)| (*ms, cell.newest)));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for worker in workers {
        let fit = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| !group.meets(&worker))
            .map(|(i, group)| (out_of_order(&group.clock, &worker.clock, late), i))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        match fit {
            Some((share, i)) if share <= OUT_OF_ORDER => groups[i].add(worker),
            _ => {
                let mut group = Group::default();
                group.add(worker);
                groups.push(group);
                if groups.len() > MAX_FAMILIES {
                    return None;
                }
            }
        }
    }
    Some(groups.into_iter().map(|group| family(group, scale)).collect())
}

fn family(group: Group<'_>, scale: u32) -> Family {
    let marks = group
        .clock
        .into_iter()
        .map(|(ms, cell)| Mark { ms, serial: cell.newest, single: cell.lines < 2 })
        .collect();
    let of_each = group.workers.iter().map(|(_, _, counter)| counter.starts.at_scale(scale));
    let mut starts: Vec<(i64, Started)> = of_each.flatten().collect();
    unite(&mut starts);
    let numbered = group.workers.iter().all(|(_, _, counter)| counter.unnumbered == 0);
    let firsts = group.workers.iter().filter_map(|(_, _, counter)| counter.first_serial.get());
    let first = firsts.min().filter(|_| numbered);
    // When the first client came that began in the log, its number was the largest drawn so far. Clients behind it whose
    // first requests are not there tell of lost lines.
    let sum =
        |of: fn(&Counter) -> u64| group.workers.iter().map(|(_, _, counter)| of(counter)).sum();
    let first_requests = sum(|counter| counter.first_requests);
    let second_requests = sum(|counter| counter.second_requests);
    let whole = first.filter(|&first| group.clients.count(first, u64::MAX) <= first_requests);
    let kin = whole.map(|first| Kin {
        workers: group.workers.iter().map(|(log, pid, _)| ((*log).to_owned(), *pid)).collect(),
        older: first.saturating_sub(1),
    });
    Family { clients: group.clients, first, first_requests, second_requests, marks, starts, kin }
}
