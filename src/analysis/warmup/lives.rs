//! The lives of workers: what the access logs tell of when each began and ended.

use crate::summary::early::Early;
use crate::summary::pool::Worker;
use crate::summary::serials::{Accepted, Counter, Serials};
use crate::summary::workers;
use std::collections::BTreeMap;

/// Numbers that fall to less than this part of the largest one so far belong to a new counter. A client's first request
/// may come late, but then thousands of numbers later, not many times as many.
const FALLS_TO: u64 = 4;

/// Below this number nothing can fall far enough to be told from clients that come out of order.
const MIN_NUMBER: u64 = 64;

/// Cells behind a fall that have to agree with it.
const AGREEING: usize = 16;

/// How far times may be off, in milliseconds: nginx caches its clock, and a client's line may be written a tick late.
const SLACK_MS: i64 = 5;

/// The same where the log has whole seconds.
const SECOND_MS: i64 = 1000;

/// Fewer lines may all lie at whole seconds by chance.
const MIN_WHOLE: u64 = 8;

/// One worker of one log. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Life<'a> {
    /// The log that it writes.
    pub(super) log: &'a str,
    /// Its `$pid`; none where the log does not tell workers apart.
    pub(super) pid: Option<u64>,
    /// Start of the first request that it logged. It can't be later than the worker's birth by more than its idle time.
    pub(super) first: i64,
    /// Start of the last one: a worker that has to go takes none any more, though it may finish some.
    pub(super) last: i64,
    /// Its last line.
    pub(super) end: i64,
    /// Lines.
    pub(super) lines: u64,
    /// Clients whose first request it logged; 0 where the log does not tell.
    pub(super) clients: u64,
    /// The smallest number of a client whose first request it logged.
    pub(super) first_serial: Option<u64>,
    /// The smallest number of any client.
    pub(super) oldest_serial: Option<u64>,
    /// The largest.
    pub(super) newest_serial: u64,
    /// Certainly new connections.
    pub(super) new_certain: u64,
    /// How far its times may be off.
    pub(super) slack: i64,
    /// Its numbers begin anew, and it ended then or before: nothing tells when.
    is_cut: bool,
    /// Its first moments, if they were kept.
    pub(super) early: Option<&'a Early>,
    counter: Option<&'a Counter>,
}

impl Life<'_> {
    /// The usual distance of its lines in milliseconds.
    pub(super) fn usual_gap(&self) -> i64 {
        (self.last - self.first) / i64::try_from(self.lines).unwrap_or(i64::MAX).max(1)
    }

    /// The lines that it would write in so many milliseconds, at its usual pace.
    #[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
    pub(super) fn would_write(&self, ms: i64) -> f64 {
        self.lines as f64 * ms.max(0) as f64 / (self.last - self.first).max(1) as f64
    }

    /// The largest number of a client that came before this moment.
    pub(super) fn newest_before(&self, ms: i64) -> Option<u64> {
        if self.last < ms {
            return Some(self.newest_serial).filter(|&newest| newest > 0);
        }
        let clock = &self.counter?.clock;
        let before = clock.iter().filter(|(at, _)| at + clock.width() <= ms);
        before.map(|(_, cell)| cell.newest).max()
    }
}

/// The workers by log, each log's in the order of their first requests. A worker whose numbers fall to small ones is
/// two: containers give the same pids again, and logs without `$pid` are one worker anyway.
pub(super) fn lives<'a>(
    workers: &'a [(Worker, workers::Life)],
    serials: &'a Serials,
) -> Vec<Vec<Life<'a>>> {
    let mut logs: BTreeMap<&str, Vec<Life<'a>>> = BTreeMap::new();
    let counters: BTreeMap<(&str, Option<u64>), &Counter> =
        serials.sorted().into_iter().map(|(log, pid, counter)| ((log, pid), counter)).collect();
    for (worker, life) in workers {
        let counter = counters.get(&(&*worker.log, worker.pid)).copied();
        if let Some(life) = of_worker(worker, life, counter) {
            logs.entry(life.log).or_default().extend(split(life));
        }
    }
    for (&(log, pid), &counter) in &counters {
        if let (None, Some(life)) = (pid, of_counter(log, counter)) {
            logs.entry(log).or_default().extend(split(life));
        }
    }
    let mut logs: Vec<Vec<Life<'a>>> = logs.into_values().collect();
    for lives in &mut logs {
        end_together(lives);
        lives.sort_by_key(|life| (life.first, life.pid));
    }
    logs
}

fn of_worker<'a>(
    worker: &'a Worker,
    life: &'a workers::Life,
    counter: Option<&'a Counter>,
) -> Option<Life<'a>> {
    let (first, last) = life.starts.get()?;
    let (_, end) = life.ends.get()?;
    Some(Life {
        log: &worker.log,
        pid: worker.pid,
        first,
        last,
        end,
        lines: life.lines,
        clients: life.clients,
        first_serial: life.first_serial.get(),
        oldest_serial: life.oldest_serial.get(),
        newest_serial: life.newest_serial,
        new_certain: life.new_certain,
        slack: slack(life.lines, life.whole_seconds),
        is_cut: false,
        early: (life.early != Early::default()).then_some(&life.early),
        counter,
    })
}

/// All workers of a log without `$pid` together.
fn of_counter<'a>(log: &'a str, counter: &'a Counter) -> Option<Life<'a>> {
    let (first, last) = counter.clock.ends_at_scale(0)?;
    let last = last + counter.clock.width() - 1;
    Some(Life {
        log,
        pid: None,
        first,
        last,
        end: last,
        lines: counter.lines,
        clients: counter.first_requests,
        first_serial: counter.first_serial.get(),
        oldest_serial: counter.first_serial.get(),
        newest_serial: counter.clock.iter().map(|(_, cell)| cell.newest).max()?,
        new_certain: 0,
        slack: slack(counter.lines, counter.whole_seconds),
        is_cut: false,
        early: None,
        counter: Some(counter),
    })
}

fn slack(lines: u64, whole_seconds: u64) -> i64 {
    if lines >= MIN_WHOLE && lines == whole_seconds { SECOND_MS } else { SLACK_MS }
}

/// Cuts a life where its clients' numbers begin anew.
fn split(mut life: Life<'_>) -> Vec<Life<'_>> {
    let Some(counter) = life.counter.filter(|counter| counter.unnumbered == 0) else {
        return vec![life];
    };
    let (width, cells) = (counter.clock.width(), counter.clock.at_scale(0));
    let mut parts = Vec::new();
    let mut rest = cells.as_slice();
    // The first cell of the rest has numbers of the counter before, too.
    let mut is_mixed = false;
    while let Some((at, begun)) = fall(rest, is_mixed) {
        let (before, behind) = rest.split_at(at);
        let mut part = life.clone();
        numbers(&mut part, before, is_mixed);
        is_mixed = behind[0].1.newest > part.newest_serial / 2;
        // The last client that came: nothing tells when its last request was.
        let last = before.last().map_or(part.first, |(at, _)| at + width - 1);
        part.last = if is_mixed { begun - 1 } else { last.min(begun - 1) };
        part.end = part.last;
        part.is_cut = is_mixed;
        if is_mixed {
            part.newest_serial = part.newest_serial.max(behind[0].1.newest);
        }
        parts.push(part);
        numbers(&mut life, behind, is_mixed);
        (life.first, life.early, life.new_certain) = (begun, None, 0);
        rest = behind;
    }
    parts.push(life);
    parts
}

/// Workers whose numbers begin anew in the same cell of their clocks had one master, which ended before the first of them
/// showed.
fn end_together(lives: &mut [Life<'_>]) {
    let mut cut: Vec<usize> = (0..lives.len()).filter(|&at| lives[at].is_cut).collect();
    cut.sort_by_key(|&at| lives[at].last);
    let mut earliest = i64::MIN;
    for at in cut {
        let life = &mut lives[at];
        let width = life.counter.map_or(1, |counter| counter.clock.width());
        if life.last.div_euclid(width) != earliest.div_euclid(width) {
            earliest = life.last;
        }
        (life.last, life.end) = (earliest.max(life.first), earliest.max(life.first));
    }
}

/// What the clients of these cells tell. A mixed first cell tells nothing of the largest number.
fn numbers(life: &mut Life<'_>, cells: &[(i64, Accepted)], is_mixed: bool) {
    let oldest = cells.iter().filter_map(|(_, cell)| cell.oldest.get());
    life.first_serial = oldest.map(|(number, _)| number).min();
    life.oldest_serial = life.first_serial;
    let own = cells.iter().skip(usize::from(is_mixed));
    life.newest_serial = own.map(|(_, cell)| cell.newest).max().unwrap_or(0);
    life.clients = cells.iter().map(|(_, cell)| cell.lines).sum();
    life.lines = life.clients;
}

/// The first cell in which numbers have begun anew, and stay small for a while; and when the first client of these came.
fn fall(cells: &[(i64, Accepted)], is_mixed: bool) -> Option<(usize, i64)> {
    let mut newest = 0;
    for (at, (_, cell)) in cells.iter().enumerate().skip(usize::from(is_mixed)) {
        if let Some((oldest, begun)) = cell.oldest.get()
            && newest >= MIN_NUMBER
            && oldest < newest / FALLS_TO
        {
            let behind = cells[at + 1..].iter().take(AGREEING);
            let agree = behind.clone().filter(|(_, cell)| cell.newest < newest / 2).count();
            let all = behind.len();
            if all >= 3 && agree * 10 >= all * 9 {
                return Some((at, begun));
            }
        }
        newest = newest.max(cell.newest);
    }
    None
}
