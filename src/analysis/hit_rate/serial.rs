//! The account of serial numbers: those missing between clients' numbers went to upstream connects.
//!
//! Between two clients that were accepted one after the other, the numbers in between that no client had were drawn by
//! connects to upstreams in that time: new connections, and failed connects that the log shows. Other things draw
//! numbers too: clients that log nothing (port checks, connections closed before a request, traffic with another log),
//! subrequests, resolvers. So the account says how many new connections there were **at most**, and how many in all
//! likelihood where nothing else draws.

use super::families::{Family, Mark, families};
use super::pool::Kin;
use crate::summary::Merge;
use crate::summary::serials::{Serials, Started};

/// A silence inside a stretch of at least this long, in milliseconds, and of [`SILENT_TIMES`] the usual distance of
/// attempts, is a gap in the log or a quiet time: numbers drawn in it belong to nothing that the log shows.
const SILENT_MS: i64 = 1000;
const SILENT_TIMES: i64 = 20;

/// Connections whose first request is not in the log, above which the log can't be complete.
const MAX_LOSS: f64 = 0.02;

/// The time between two clients, and what happened in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: Mark,
    pub(super) to: Mark,
    /// Numbers that no client had.
    pub(super) missing: u64,
    /// Attempts that started in it.
    pub(super) started: Started,
}

impl Stretch {
    /// Does a cell's start lie in it?
    pub(super) fn holds(&self, ms: i64) -> bool {
        (ms > self.from.ms || (ms == self.from.ms && self.from.single))
            && (ms < self.to.ms || (ms == self.to.ms && !self.to.single))
    }

    /// New connections that the attempts' own times do not show.
    pub(super) fn hidden(&self) -> f64 {
        count(self.missing) - count(self.started.failed) - count(self.started.new_certain)
    }
}

/// What the numbers say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Account {
    /// Stretches of all counters, in the order of time.
    pub(super) stretches: Vec<Stretch>,
    /// Attempts in these.
    pub(super) covered: Started,
    /// Attempts before the first client, behind the last one, or beside a silence.
    pub(super) uncovered: Started,
    /// How many of the uncovered undecided ones were new, if they were like their neighbours.
    pub(super) uncovered_hidden: f64,
    /// Numbers drawn in silences.
    pub(super) silent: u64,
    /// Counters run side by side: several hosts, or several masters.
    pub(super) parallel: bool,
    /// How many counters.
    pub(super) counters: usize,
    /// The share of connections whose first request is not in the log.
    pub(super) loss: f64,
    /// Width of the cells in powers of two of a millisecond.
    pub(super) scale: u32,
    /// Workers that share a counter, where it tells what is older than the log.
    pub(super) kin: Vec<Kin>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of lines are far below 2^53")]
pub(super) fn count(n: u64) -> f64 {
    n as f64
}

impl Account {
    /// Keeps the account; none where serial numbers are not logged, or too few clients came.
    pub(super) fn of(serials: &Serials) -> Option<Account> {
        let scale = serials
            .sorted()
            .iter()
            .map(|(_, _, counter)| counter.clock.scale().max(counter.starts.scale()))
            .max()?;
        let mut account = Account { scale, loss: loss(serials), ..Account::default() };
        let families = families(serials, scale);
        account.counters = families.len();
        account.parallel = run_in_parallel(&families);
        for family in &families {
            account.add(family);
            account.kin.extend(family.kin.clone());
        }
        account.stretches.sort_by_key(|stretch| (stretch.from.ms, stretch.from.serial));
        (!account.stretches.is_empty()).then_some(account)
    }

    /// Is the log complete enough for the account?
    pub(super) fn is_complete(&self) -> bool {
        self.loss <= MAX_LOSS
    }

    /// Hidden new connections of the covered attempts.
    pub(super) fn hidden(&self) -> f64 {
        self.stretches.iter().map(Stretch::hidden).sum()
    }

    fn add(&mut self, family: &Family) {
        let mut stretches = Vec::new();
        let mut left: Started = total(family.starts.values());
        let usual = usual_distance(family);
        for pair in family.marks.windows(2) {
            let &[from, to] = pair else { continue };
            let drawn = to.serial - from.serial;
            let missing = drawn - family.clients.count(from.serial + 1, to.serial);
            let mut stretch = Stretch { from, to, missing, started: Started::default() };
            let cells: Vec<(i64, Started)> = family
                .starts
                .range(from.ms..=to.ms)
                .filter(|(ms, _)| stretch.holds(**ms))
                .map(|(ms, cell)| (*ms, *cell))
                .collect();
            if longest_silence(&stretch, &cells) >= SILENT_MS.max(SILENT_TIMES * usual) {
                self.silent += missing;
                continue;
            }
            stretch.started = total(cells.iter().map(|(_, cell)| cell));
            left = minus(left, stretch.started);
            self.covered.merge(stretch.started);
            stretches.push(stretch);
        }
        self.uncovered.merge(left);
        self.uncovered_hidden += hidden_like_neighbours(&stretches, left);
        self.stretches.extend(stretches);
    }
}

fn total<'a>(cells: impl Iterator<Item = &'a Started>) -> Started {
    let mut sum = Started::default();
    for cell in cells {
        sum.merge(*cell);
    }
    sum
}

fn minus(all: Started, part: Started) -> Started {
    Started {
        undecided: all.undecided.saturating_sub(part.undecided),
        new_certain: all.new_certain.saturating_sub(part.new_certain),
        failed: all.failed.saturating_sub(part.failed),
    }
}

/// The mean distance of attempts, in milliseconds.
fn usual_distance(family: &Family) -> i64 {
    let (Some((first, _)), Some((last, _))) =
        (family.starts.first_key_value(), family.starts.last_key_value())
    else {
        return 0;
    };
    let all = total(family.starts.values());
    let attempts = i64::try_from(all.connected() + all.failed).unwrap_or(i64::MAX);
    (last - first) / attempts.max(1)
}

/// The longest time without an attempt between the ends of a stretch.
fn longest_silence(stretch: &Stretch, cells: &[(i64, Started)]) -> i64 {
    let ends = cells.iter().map(|(ms, _)| *ms).chain([stretch.to.ms]);
    let mut last = stretch.from.ms;
    let mut longest = 0;
    for ms in ends {
        longest = longest.max(ms - last);
        last = ms;
    }
    longest
}

/// Undecided attempts behind the last client are taken to be like as many before it, twice over: traffic changes with
/// time, and the neighbours know best.
fn hidden_like_neighbours(stretches: &[Stretch], uncovered: Started) -> f64 {
    let enough = (2 * uncovered.undecided).max(20);
    let (mut undecided, mut hidden) = (0, 0.0);
    for stretch in stretches.iter().rev() {
        if undecided >= enough {
            break;
        }
        undecided += stretch.started.undecided;
        hidden += stretch.hidden();
    }
    if undecided == 0 {
        0.0
    } else {
        count(uncovered.undecided) * (hidden / count(undecided)).clamp(0.0, 1.0)
    }
}

/// Does one counter begin before another has ended, by more than a moment?
fn run_in_parallel(families: &[Family]) -> bool {
    let mut spans: Vec<(i64, i64)> = families
        .iter()
        .filter_map(|family| Some((family.marks.first()?.ms, family.marks.last()?.ms)))
        .collect();
    spans.sort_unstable();
    spans.windows(2).any(|pair| pair[1].0 < pair[0].1)
}

/// The share of connections whose first request is not in the log, of those that began in its time: 0 in a whole log.
fn loss(serials: &Serials) -> f64 {
    let (mut connections, mut first) = (0, 0);
    for (_, _, counter) in serials.sorted() {
        if counter.unnumbered > 0 {
            continue;
        }
        if let Some(smallest) = counter.first_serial.get() {
            let clients = crate::summary::serials::SerialSet::union([&counter.clients].into_iter());
            connections += clients.count(smallest, u64::MAX);
            first += counter.first_requests;
        }
    }
    if connections == 0 { 0.0 } else { 1.0 - (count(first) / count(connections)).min(1.0) }
}
