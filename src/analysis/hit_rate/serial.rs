//! The account of serial numbers: those missing between clients' numbers went to upstream connects.
//!
//! Between two clients that were accepted one after the other, the numbers in between that no client had were drawn by
//! connects to upstreams in that time: new connections, and failed connects that the log shows. Other things draw
//! numbers too: clients that log nothing (port checks, connections closed before a request, traffic with another log),
//! subrequests, resolvers. So the account says how many new connections there were **at most**, and how many in all
//! likelihood where nothing else draws.

use super::families::{Family, Mark, families};
use super::order::{is_mixed, lateness};
use super::pool::Kin;
use super::ticks::poisson_upper;
use crate::summary::Merge;
use crate::summary::serials::{Counter, Serials, Started};

/// A silence inside a stretch of at least this long, in milliseconds, and of [`SILENT_TIMES`] the usual distance of
/// attempts, is a gap in the log or a quiet time: numbers drawn in it belong to nothing that the log shows.
const SILENT_MS: i64 = 1000;
const SILENT_TIMES: i64 = 20;

/// Fewer attempts in a row than this tell nothing of their like.
const ROW: u64 = 10;

/// Cells where the log tells whole seconds only, in powers of two of a millisecond: the smallest that are longer.
const SECOND_SCALE: u32 = 10;

/// Connections whose first request is not in the log, above which the log can't be complete.
const MAX_LOSS: f64 = 0.02;

/// So many prove nothing.
const FEW_LOST: u64 = 3;

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

    /// Its length in seconds.
    pub(super) fn seconds(&self) -> f64 {
        count(u64::try_from(self.to.ms - self.from.ms).unwrap_or(0)) / 1000.0
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
    pub(super) uncovered_hidden: Guess,
    /// Counters run side by side: several hosts, or several masters.
    pub(super) parallel: bool,
    /// How many counters.
    pub(super) counters: usize,
    /// The share of connections whose first request is not in the log.
    pub(super) loss: f64,
    /// At most so many connections may have had one request that is not in the log, by chance: none of their numbers
    /// shows. Infinite where all clients have one request, so that a loss could not show.
    pub(super) unseen: f64,
    /// Connections whose first request is in a log twice: two counters are mixed there.
    pub(super) twice: u64,
    /// Clients of a counter come in no order: two counters are mixed there.
    pub(super) mixed: bool,
    /// Attempts so near to the ends of what is covered that they may lie on the other side: those of a second, where
    /// the log tells whole seconds only.
    pub(super) doubtful: Started,
    /// `$connection_requests` is logged, so that lost lines show.
    pub(super) is_numbered: bool,
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
    /// Keeps the account; none where serial numbers are not logged, or too few clients came. Attempts that began in one of
    /// the `excluded` spans are not in it.
    pub(super) fn of(serials: &Serials, excluded: &[(i64, i64)]) -> Option<Account> {
        let counters = serials.sorted();
        let overflow = counters.iter().any(|(_, _, counter)| counter.clients.is_overflown());
        if overflow {
            return None;
        }
        let is_numbered = counters.iter().all(|(_, _, counter)| counter.unnumbered == 0);
        let (scale, slack) = resolution(&counters)?;
        let late = lateness(&counters, scale, slack);
        let mixed = counters.iter().any(|(_, _, counter)| is_mixed(counter, scale, late));
        let families = families(serials, scale, late)?;
        let firsts: Vec<Firsts> = families.iter().filter_map(Firsts::of).collect();
        let mut account = Account {
            loss: loss(&firsts),
            unseen: unseen(&firsts),
            twice: firsts.iter().map(|of| of.first.saturating_sub(of.connections)).sum(),
            mixed,
            is_numbered,
            scale,
            ..Account::default()
        };
        account.counters = families.len();
        account.parallel = run_in_parallel(&families);
        for family in &families {
            account.add(family, slack, excluded);
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

    fn add(&mut self, family: &Family, slack: i64, excluded: &[(i64, i64)]) {
        let mut stretches = Vec::new();
        let mut left = total(&family.starts);
        let usual = usual_distance(family);
        for pair in family.marks.windows(2) {
            let &[from, to] = pair else { continue };
            let at = excluded.partition_point(|(_, end)| *end < from.ms - slack);
            if excluded.get(at).is_some_and(|(begin, _)| *begin <= to.ms + slack) {
                continue;
            }
            let drawn = to.serial - from.serial;
            let missing = drawn - family.clients.count(from.serial + 1, to.serial);
            let mut stretch = Stretch { from, to, missing, started: Started::default() };
            // The cells that it holds, see there.
            let begin = from.ms + i64::from(!from.single);
            let cells = family.started(begin, to.ms + i64::from(!to.single));
            // Two neighbouring cells may hold attempts that are as far apart as both are wide.
            let silence = longest_silence(&stretch, cells) - (1 << self.scale) - slack;
            if silence >= SILENT_MS.max(SILENT_TIMES.saturating_mul(usual)) {
                continue;
            }
            stretch.started = total(cells);
            left = minus(left, stretch.started);
            self.covered.merge(stretch.started);
            stretches.push(stretch);
        }
        let birth = birth(family);
        left = minus(left, birth);
        self.uncovered.merge(birth);
        self.uncovered_hidden.add(hidden_at_birth(family, &stretches, birth));
        self.doubtful.merge(doubtful(family, &stretches, slack));
        self.uncovered.merge(left);
        let behind = if ends_like_before(family, &stretches) {
            hidden_like_neighbours(&stretches, left.undecided)
        } else {
            let best = hidden_like_neighbours(&stretches, left.undecided).best;
            Guess { least: 0.0, best, most: count(left.undecided) }
        };
        self.uncovered_hidden.add(behind);
        self.stretches.extend(stretches);
    }
}

/// The width of cells as a power of two of a millisecond, and by how many milliseconds times may be off. None where
/// nothing shows a restart: without `$pid`, first requests do.
fn resolution(counters: &[(&str, Option<u64>, &Counter)]) -> Option<(u32, i64)> {
    if counters.iter().any(|(_, pid, counter)| pid.is_none() && counter.unnumbered > 0) {
        return None;
    }
    let scales = counters.iter().map(|(_, _, of)| of.clock.scale().max(of.starts.scale()));
    // A worker of few lines may have met whole seconds by chance.
    let coarse = counters.iter().any(|(_, _, of)| of.lines >= 8 && of.lines == of.whole_seconds);
    let scale = scales.max()?;
    Some(if coarse { (scale.max(SECOND_SCALE), 1000) } else { (scale, 0) })
}

/// Attempts within `slack` milliseconds of where stretches in a row begin and end.
fn doubtful(family: &Family, stretches: &[Stretch], slack: i64) -> Started {
    let begins =
        stretches.iter().enumerate().filter(|(i, of)| *i == 0 || stretches[i - 1].to != of.from);
    let ends = stretches
        .iter()
        .enumerate()
        .filter(|(i, of)| stretches.get(i + 1).is_none_or(|next| next.from != of.to));
    let places = begins.map(|(_, of)| of.from.ms).chain(ends.map(|(_, of)| of.to.ms));
    places.filter(|_| slack > 0).fold(Started::default(), |mut sum, ms| {
        sum.merge(total(family.started(ms - slack, ms + slack + 1)));
        sum
    })
}

fn total(cells: &[(i64, Started)]) -> Started {
    let mut sum = Started::default();
    for (_, cell) in cells {
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
    let (Some((first, _)), Some((last, _))) = (family.starts.first(), family.starts.last()) else {
        return 0;
    };
    let all = total(&family.starts);
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

/// A number of new connections that may be anything from `least` to `most`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Guess {
    pub(super) least: f64,
    pub(super) best: f64,
    pub(super) most: f64,
}

impl Guess {
    fn add(&mut self, other: Guess) {
        self.least += other.least;
        self.best += other.best;
        self.most += other.most;
    }
}

/// Attempts before the first stretch: those of the moment in which the first clients came.
fn birth(family: &Family) -> Started {
    let Some(first) = family.marks.first() else { return Started::default() };
    let end = if first.single { first.ms } else { first.ms + 1 };
    total(family.started(i64::MIN, end))
}

/// Pools are filled when a server starts, so these attempts are not like those behind them: all may be new, and the
/// numbers between the first clients tell how many in all likelihood.
fn hidden_at_birth(family: &Family, stretches: &[Stretch], birth: Started) -> Guess {
    let all = count(birth.undecided);
    let best = match (family.first, family.marks.first()) {
        (Some(first), Some(mark)) if first <= mark.serial => {
            let numbers = (mark.serial - first).saturating_add(1);
            let missing = numbers - family.clients.count(first, mark.serial);
            count(missing) - count(birth.failed) - count(birth.new_certain)
        }
        _ => hidden_like_neighbours(stretches, birth.undecided).best,
    };
    Guess { least: 0.0, best: best.clamp(0.0, all), most: all }
}

/// Undecided attempts behind the last client are taken to be like as many before it, twice over: traffic changes with
/// time, and the neighbours know best. What as many attempts in a row have been, at least and at most, they may be.
fn hidden_like_neighbours(stretches: &[Stretch], uncovered: u64) -> Guess {
    let all = count(uncovered);
    let rows = |attempts: u64| {
        let mut row = (0, 0.0);
        stretches.iter().rev().filter_map(move |stretch| {
            row.0 += stretch.started.undecided;
            row.1 += stretch.hidden();
            let full = row.0 >= attempts;
            full.then(|| std::mem::take(&mut row)).map(|(n, hidden)| share(hidden, n))
        })
    };
    let whole = share(
        stretches.iter().map(Stretch::hidden).sum(),
        stretches.iter().map(|stretch| stretch.started.undecided).sum(),
    );
    let best = rows((2 * uncovered).max(2 * ROW)).next().unwrap_or(whole);
    let (mut least, mut most, mut seen) = (best, best, 0);
    for share in rows(uncovered.max(ROW)) {
        (least, most, seen) = (least.min(share), most.max(share), seen + 1);
    }
    if seen < 3 {
        (least, most) = (0.0, 1.0);
    }
    Guess { least: all * least, best: all * best, most: all * most }
}

fn share(hidden: f64, undecided: u64) -> f64 {
    (hidden / count(undecided.max(1))).clamp(0.0, 1.0)
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

/// Is the time behind the last client no longer than the longest between two? Else something has changed: a restart
/// whose first clients are still to come.
fn ends_like_before(family: &Family, stretches: &[Stretch]) -> bool {
    let (Some((end, _)), Some(mark)) = (family.starts.last(), family.marks.last()) else {
        return true;
    };
    let longest = stretches.iter().map(|stretch| stretch.to.ms - stretch.from.ms).max();
    longest.is_some_and(|longest| end - mark.ms <= longest.max(SILENT_MS))
}

/// Connections of one counter that began in the logs' time, where requests are numbered.
struct Firsts {
    /// By their numbers.
    connections: u64,
    /// By their first requests.
    first: u64,
    /// Those that had a second one.
    second: u64,
}

impl Firsts {
    fn of(family: &Family) -> Option<Firsts> {
        let connections = family.clients.count(family.first?, u64::MAX);
        Some(Firsts { connections, first: family.first_requests, second: family.second_requests })
    }
}

/// The share of connections whose first request is not in the log, of those that began in its time: 0 in a whole log.
fn loss(firsts: &[Firsts]) -> f64 {
    let connections: u64 = firsts.iter().map(|of| of.connections).sum();
    let first: u64 = firsts.iter().map(|of| of.first).sum();
    // A few may have begun before what was read, as `--since` cuts it.
    if connections <= first + FEW_LOST { 0.0 } else { 1.0 - count(first) / count(connections) }
}

/// Lost lines show as connections with a second request and no first one; those of a connection with a single request
/// take its number along. So the loss that may have remained unseen, at 95 % confidence, times the connections of one
/// request.
fn unseen(firsts: &[Firsts]) -> f64 {
    let sum = |of: fn(&Firsts) -> u64| firsts.iter().map(of).sum::<u64>();
    let (lost, second) = (sum(|of| of.connections.saturating_sub(of.first)), sum(|of| of.second));
    let single = sum(|of| of.connections).saturating_sub(second);
    let share = poisson_upper(lost) / count(second.max(1));
    if share < 0.5 { count(single) * share / (1.0 - share) } else { f64::INFINITY }
}
