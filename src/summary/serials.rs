//! Connection serial numbers: which ones clients had, and when the counter stood where.
//!
//! nginx numbers connections from one counter per master process, which client connections (`ngx_event_accept`) and
//! connects to upstreams (`ngx_event_connect_peer`) both draw from. `$connection` logs the clients' numbers; those that
//! are missing between them went to upstreams. What is kept here is enough to count them over any stretch of time, per
//! worker: the set of client numbers, the newest number by time, and the attempts by the time at which they started.

use super::Merge;
use super::cells::Cells;
use hashbrown::{DefaultHashBuilder, HashMap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most cells of a worker's clocks: half a second a cell over 8 minutes, 21 minutes a cell over 30 days.
const MAX_CELLS: usize = 2048;

/// Attempts by the time at which they started, finer than the report's timeline.
pub type Starts = Cells<Started, 1, MAX_CELLS>;

/// Attempts that started in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The largest number among them.
    pub newest: u64,
    /// Lines that told so.
    pub lines: u64,
}

impl Merge for Accepted {
    fn merge(&mut self, other: Self) {
        self.newest = self.newest.max(other.newest);
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counter {
    /// Numbers that clients had.
    pub clients: SerialSet,
    /// The newest client by time.
    pub clock: Cells<Accepted, 1, MAX_CELLS>,
    /// Attempts by the time at which they started.
    pub starts: Starts,
    /// Lines with `$connection_requests` of 1: one for each client whose first request is in the log.
    pub first_requests: u64,
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
    #[inline]
    pub fn record(&mut self, seen: Seen) {
        self.clients.insert(seen.serial);
        self.lines += 1;
        self.whole_seconds += u64::from(seen.whole_second);
        match seen.request {
            Some(1) => {
                self.first_requests += 1;
                self.first_serial.record(seen.serial);
            }
            Some(_) => {}
            None => self.unnumbered += 1,
        }
        if let Some(ms) = seen.accepted_ms {
            self.clock.record(ms, Accepted { newest: seen.serial, lines: 1 });
        }
    }
}

impl Merge for Counter {
    fn merge(&mut self, other: Self) {
        self.clients.merge(other.clients);
        self.clock.merge(other.clock);
        self.starts.merge(other.starts);
        self.first_requests += other.first_requests;
        self.first_serial.merge(other.first_serial);
        self.lines += other.lines;
        self.unnumbered += other.unnumbered;
        self.whole_seconds += other.whole_seconds;
    }
}

/// The smallest number seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Smallest(Option<u64>);

impl Smallest {
    fn record(&mut self, value: u64) {
        self.0 = Some(self.0.map_or(value, |smallest| smallest.min(value)));
    }

    /// The number, if there was one.
    pub fn get(self) -> Option<u64> {
        self.0
    }
}

impl Merge for Smallest {
    fn merge(&mut self, other: Self) {
        if let Some(value) = other.0 {
            self.record(value);
        }
    }
}

/// Numbers of one page.
const PAGE: u64 = 4096;

/// Numbers kept as a list before a page becomes a bitmap of 512 bytes.
const FEW: usize = 200;

/// A set of serial numbers, in pages that are lists while sparse and bitmaps when dense.
#[derive(Debug, Clone, Default)]
pub struct SerialSet {
    pages: HashMap<u64, Page, DefaultHashBuilder>,
}

#[derive(Debug, Clone)]
enum Page {
    Few(Vec<u16>),
    Many(Box<[u64; 64]>),
}

impl Page {
    fn insert(&mut self, offset: u16) {
        match self {
            Page::Many(bits) => bits[usize::from(offset >> 6)] |= 1 << (offset & 63),
            Page::Few(list) => {
                let Err(at) = list.binary_search(&offset) else { return };
                if list.len() < FEW {
                    list.insert(at, offset);
                    return;
                }
                let mut bits = Box::new([0u64; 64]);
                for &offset in list.iter().chain([&offset]) {
                    bits[usize::from(offset >> 6)] |= 1 << (offset & 63);
                }
                *self = Page::Many(bits);
            }
        }
    }

    /// Is one of the numbers in a bitmap?
    fn meets(&self, bits: &[u64; 64]) -> bool {
        match self {
            Page::Many(mine) => bits.iter().zip(mine.iter()).any(|(all, mine)| all & mine != 0),
            Page::Few(list) => {
                list.iter().any(|offset| bits[usize::from(offset >> 6)] & (1 << (offset & 63)) != 0)
            }
        }
    }

    /// Adds the numbers to a bitmap.
    fn add_to(&self, bits: &mut [u64; 64]) {
        match self {
            Page::Many(mine) => {
                bits.iter_mut().zip(mine.iter()).for_each(|(all, mine)| *all |= mine);
            }
            Page::Few(list) => {
                for &offset in list {
                    bits[usize::from(offset >> 6)] |= 1 << (offset & 63);
                }
            }
        }
    }
}

impl SerialSet {
    /// Adds a number.
    #[inline]
    pub fn insert(&mut self, serial: u64) {
        let offset = u16::try_from(serial % PAGE).unwrap_or(0);
        self.pages.entry(serial / PAGE).or_insert_with(|| Page::Few(Vec::new())).insert(offset);
    }

    /// The pages of several sets united, in order, for counting.
    pub fn union<'a>(sets: impl Iterator<Item = &'a SerialSet>) -> Union {
        let mut union = Union::default();
        sets.for_each(|set| union.add(set));
        union
    }
}

impl Merge for SerialSet {
    fn merge(&mut self, other: Self) {
        for (number, page) in other.pages {
            match (self.pages.entry(number).or_insert_with(|| Page::Few(Vec::new())), page) {
                (mine, Page::Few(list)) => list.into_iter().for_each(|offset| mine.insert(offset)),
                (Page::Many(bits), page @ Page::Many(_)) => page.add_to(bits),
                (mine @ Page::Few(_), Page::Many(mut bits)) => {
                    mine.add_to(&mut bits);
                    *mine = Page::Many(bits);
                }
            }
        }
    }
}

impl PartialEq for SerialSet {
    fn eq(&self, other: &Self) -> bool {
        let all = |set: &SerialSet| SerialSet::union([set].into_iter()).pages;
        all(self) == all(other)
    }
}

/// Numbers of several workers together.
#[derive(Debug, Clone, Default)]
pub struct Union {
    pages: BTreeMap<u64, Box<[u64; 64]>>,
}

impl Union {
    /// Adds a set.
    pub fn add(&mut self, set: &SerialSet) {
        for (number, page) in &set.pages {
            page.add_to(self.pages.entry(*number).or_insert_with(|| Box::new([0; 64])));
        }
    }

    /// Is one of the set's numbers among these?
    pub fn meets(&self, set: &SerialSet) -> bool {
        set.pages
            .iter()
            .any(|(number, page)| self.pages.get(number).is_some_and(|bits| page.meets(bits)))
    }

    /// How many of the numbers lie in `from..=to`.
    pub fn count(&self, from: u64, to: u64) -> u64 {
        if from > to {
            return 0;
        }
        let mut count = 0;
        for (&number, bits) in self.pages.range(from / PAGE..=to / PAGE) {
            for (word, &bits) in (number * 64..).zip(bits.iter()) {
                let first = word * 64;
                if first + 63 < from || first > to {
                    continue;
                }
                let below = from.saturating_sub(first).min(63);
                let above = (first + 63).saturating_sub(to).min(63);
                count += u64::from((bits & (u64::MAX << below) & (u64::MAX >> above)).count_ones());
            }
        }
        count
    }
}

/// All workers, by the log that they write and their `$pid`.
#[derive(Debug, Clone, Default)]
pub struct Serials {
    index: HashMap<(Arc<str>, Option<u64>), usize, DefaultHashBuilder>,
    counters: Vec<(Arc<str>, Option<u64>, Counter)>,
    last: usize,
}

impl Serials {
    /// The counter of a worker.
    #[inline]
    pub fn counter(&mut self, log: &Arc<str>, pid: Option<u64>) -> &mut Counter {
        let is_last = self
            .counters
            .get(self.last)
            .is_some_and(|(name, last, _)| *last == pid && (Arc::ptr_eq(name, log) || name == log));
        if !is_last {
            self.last = self.find(log, pid);
        }
        &mut self.counters[self.last].2
    }

    fn find(&mut self, log: &Arc<str>, pid: Option<u64>) -> usize {
        let counters = &mut self.counters;
        *self.index.entry((Arc::clone(log), pid)).or_insert_with(|| {
            counters.push((Arc::clone(log), pid, Counter::default()));
            counters.len() - 1
        })
    }

    /// Counters with their log and worker, in the order of these.
    pub fn sorted(&self) -> Vec<(&str, Option<u64>, &Counter)> {
        let mut all: Vec<_> =
            self.counters.iter().map(|(log, pid, counter)| (&**log, *pid, counter)).collect();
        all.sort_by_key(|(log, pid, _)| (*log, *pid));
        all
    }
}

impl Merge for Serials {
    fn merge(&mut self, other: Self) {
        for (log, pid, counter) in other.counters {
            self.counter(&log, pid).merge(counter);
        }
    }
}

impl PartialEq for Serials {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: &[u64]) -> SerialSet {
        let mut set = SerialSet::default();
        for &number in numbers {
            set.insert(number);
        }
        set
    }

    proptest! {
        #[test]
        fn counting_agrees_with_counting_one_by_one(
            numbers in prop::collection::vec(prop_oneof![0u64..600, 0u64..20_000, any::<u64>()], 0..600),
            from in 0u64..20_000, length in 0u64..20_000, cut in 0usize..600,
        ) {
            let cut = cut.min(numbers.len());
            let mut set = of(&numbers[..cut]);
            set.merge(of(&numbers[cut..]));
            prop_assert_eq!(&set, &of(&numbers));
            let mut slow = numbers.clone();
            slow.sort_unstable();
            slow.dedup();
            let to = from + length;
            let expected = slow.iter().filter(|number| (from..=to).contains(number)).count() as u64;
            let union = SerialSet::union([&set].into_iter());
            prop_assert_eq!(union.count(from, to), expected);
            prop_assert_eq!(union.meets(&of(&[from])), slow.contains(&from));
            let one = SerialSet::union([&of(&[from])].into_iter());
            prop_assert_eq!(one.meets(&set), slow.contains(&from));
        }
    }
}
