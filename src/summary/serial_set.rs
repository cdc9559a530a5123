//! Sets of serial numbers that merge, and counting in them.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::Merge;
use super::codec::ascends;
use hashbrown::{DefaultHashBuilder, HashMap};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// Numbers of one page.
const PAGE: u64 = 4096;

/// Most pages of a worker: 67 million numbers. A log that needs more has something else in `$connection`. Whether a set
/// has overflown depends on its numbers alone, in whatever order they come.
const MAX_PAGES: usize = 16_384;

/// Numbers kept as a list before a page becomes a bitmap of 512 bytes: to look in a list takes longer.
const FEW: usize = 64;

/// The longest list that is read back.
const MAX_FEW: usize = 200;

/// A set of serial numbers, in pages that are lists while sparse and bitmaps when dense.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct SerialSet {
    #[serde(skip)]
    index: HashMap<u64, usize, DefaultHashBuilder>,
    pages: Vec<(u64, Page)>,
    /// The page used last: clients of a time have numbers of a time.
    #[serde(skip)]
    last: usize,
    /// There were more than [`MAX_PAGES`] pages, so all were let go.
    overflown: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredPage")]
enum Page {
    Few(Vec<u16>),
    Many(#[serde(serialize_with = "as_slice")] Box<[u64; 64]>),
}

/// Arrays of this length are nothing that serde knows.
#[expect(clippy::borrowed_box, reason = "what serde calls it with")]
fn as_slice<S: Serializer>(bits: &Box<[u64; 64]>, serializer: S) -> Result<S::Ok, S::Error> {
    bits.as_slice().serialize(serializer)
}

/// The form in which a page is stored.
#[derive(Deserialize)]
enum StoredPage {
    Few(Vec<u16>),
    Many(Box<[u64]>),
}

impl TryFrom<StoredPage> for Page {
    type Error = &'static str;

    fn try_from(page: StoredPage) -> Result<Self, &'static str> {
        let wrong = "a page of serial numbers";
        match page {
            StoredPage::Few(list) => {
                let fits = list.last().is_none_or(|last| u64::from(*last) < PAGE);
                let is_good = fits && list.len() <= MAX_FEW && ascends(list.iter());
                if is_good { Ok(Page::Few(list)) } else { Err(wrong) }
            }
            StoredPage::Many(bits) => bits.try_into().map(Page::Many).map_err(|_| wrong),
        }
    }
}

/// The form in which a set is stored.
#[derive(Deserialize)]
struct Stored {
    pages: Vec<(u64, Page)>,
    overflown: bool,
}

impl TryFrom<Stored> for SerialSet {
    type Error = &'static str;

    fn try_from(Stored { pages, overflown }: Stored) -> Result<Self, &'static str> {
        let index: HashMap<u64, usize, DefaultHashBuilder> =
            pages.iter().enumerate().map(|(at, (number, _))| (*number, at)).collect();
        let most = if overflown { 0 } else { MAX_PAGES };
        let fit = pages.iter().all(|(number, _)| *number <= u64::MAX / PAGE);
        if pages.len() > most || index.len() != pages.len() || !fit {
            return Err("pages of serial numbers");
        }
        Ok(SerialSet { index, pages, last: 0, overflown })
    }
}

/// Adds a number of a page.
#[inline]
fn set(bits: &mut [u64; 64], offset: u16) {
    bits[usize::from(offset >> 6) % 64] |= 1 << (offset & 63);
}

impl Page {
    fn insert(&mut self, offset: u16) {
        match self {
            Page::Many(bits) => set(bits, offset),
            Page::Few(list) => {
                let Err(at) = list.binary_search(&offset) else { return };
                if list.len() < FEW {
                    list.insert(at, offset);
                    return;
                }
                let mut bits = Box::new([0u64; 64]);
                for &offset in list.iter().chain([&offset]) {
                    set(&mut bits, offset);
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
                    set(bits, offset);
                }
            }
        }
    }
}

impl SerialSet {
    /// Adds a number.
    #[inline(always)]
    pub fn insert(&mut self, serial: u64) {
        let offset = u16::try_from(serial % PAGE).unwrap_or(0);
        // Of a set that has overflown no page is left.
        match self.pages.get_mut(self.last) {
            Some((number, Page::Many(bits))) if *number == serial / PAGE => set(bits, offset),
            _ => self.insert_elsewhere(serial / PAGE, offset),
        }
    }

    /// The same for a page that is not the last one, or a list.
    #[inline(never)]
    fn insert_elsewhere(&mut self, number: u64, offset: u16) {
        if self.overflown {
            return;
        }
        self.page(number).insert(offset);
        if self.pages.len() > MAX_PAGES {
            self.overflow();
        }
    }

    /// Were there too many numbers to keep?
    pub fn is_overflown(&self) -> bool {
        self.overflown
    }

    #[cold]
    fn overflow(&mut self) {
        *self = SerialSet { overflown: true, ..SerialSet::default() };
    }

    #[inline]
    fn page(&mut self, number: u64) -> &mut Page {
        if self.pages.get(self.last).is_none_or(|(last, _)| *last != number) {
            let pages = &mut self.pages;
            self.last = *self.index.entry(number).or_insert_with(|| {
                pages.push((number, Page::Few(Vec::new())));
                pages.len() - 1
            });
        }
        &mut self.pages[self.last].1
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
        if self.overflown || other.overflown {
            self.overflow();
            return;
        }
        for (number, page) in other.pages {
            match (self.page(number), page) {
                (mine, Page::Few(list)) => list.into_iter().for_each(|offset| mine.insert(offset)),
                (Page::Many(bits), page @ Page::Many(_)) => page.add_to(bits),
                (mine @ Page::Few(_), Page::Many(mut bits)) => {
                    mine.add_to(&mut bits);
                    *mine = Page::Many(bits);
                }
            }
        }
        if self.pages.len() > MAX_PAGES {
            self.overflow();
        }
    }
}

impl PartialEq for SerialSet {
    fn eq(&self, other: &Self) -> bool {
        let all = |set: &SerialSet| SerialSet::union([set].into_iter()).pages;
        self.overflown == other.overflown && all(self) == all(other)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::codec::{decode, encode};
    use proptest::prelude::*;

    #[test]
    fn lists_longer_than_are_made_now_are_read_back() {
        let list: Vec<u16> = (0..200).collect();
        let set = SerialSet { pages: vec![(7, Page::Few(list))], ..SerialSet::default() };
        let mut back: SerialSet = decode(&encode(&set).unwrap()).unwrap();
        assert_eq!(back, set);
        back.insert(7 * PAGE + 4000);
        back.insert(7 * PAGE);
        assert_eq!(SerialSet::union([&back].into_iter()).count(0, u64::MAX), 201);
    }

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
