//! Values over time in cells of equal width, as fine as fits and coarser by powers of two where it does not.

#![expect(
    clippy::inline_always,
    reason = "several times a line, from several places: 7 % of the time of a report, as measured"
)]

use super::Merge;
use super::codec::{ascends, by_distance, is_time, to_indices};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// Cells of `UNIT_MS << scale` milliseconds, aligned to the epoch; only those with something in them.
///
/// The scale is the smallest at which all that was ever recorded fits into `MAX` cells. That depends on the set of times
/// seen and on nothing else, so any order and any split gives the same cells; and a single line with a wild date costs
/// one cell, not the resolution of all others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored<V>", bound(deserialize = "V: Merge + Clone + Deserialize<'de>"))]
pub struct Cells<V, const UNIT_MS: i64, const MAX: usize> {
    scale: u32,
    /// In the order of time, at most `MAX`.
    #[serde(serialize_with = "distances", bound(serialize = "V: Serialize"))]
    filled: Vec<(i64, V)>,
    /// What the index of the cell that was added to last is more than its place: many lines in a row share their cell, and
    /// where none is missing it holds for those around too. It only makes it quick.
    #[serde(rename = "last", serialize_with = "none")]
    ahead: i64,
}

/// So many cells from the end are looked at one by one.
const CLOSE: usize = 8;

/// The form in which they are stored: each with the distance to the one before.
#[derive(Deserialize)]
struct Stored<V> {
    scale: u32,
    filled: Vec<(i64, V)>,
    /// A cell that once was kept apart.
    last: Option<(i64, V)>,
}

#[expect(clippy::ptr_arg, reason = "what serde calls it with")]
fn distances<S: Serializer, V: Serialize>(
    filled: &Vec<(i64, V)>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    by_distance(filled.iter().map(|(index, cell)| (index, cell)), serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn none<S: Serializer>(_: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_none()
}

/// Whole units since the epoch.
#[inline(always)]
fn units<const UNIT_MS: i64>(ms: i64) -> i64 {
    // What is not negative, as nearly all times, takes less to divide.
    match u64::try_from(ms) {
        Ok(ms) => (ms / UNIT_MS.cast_unsigned()).cast_signed(),
        Err(_) => ms.div_euclid(UNIT_MS),
    }
}

/// The widest cells that are read back: 2^40 units.
const MAX_SCALE: u32 = 40;

impl<V: Merge + Clone, const UNIT_MS: i64, const MAX: usize> TryFrom<Stored<V>>
    for Cells<V, UNIT_MS, MAX>
{
    type Error = &'static str;

    fn try_from(Stored { scale, mut filled, last }: Stored<V>) -> Result<Self, &'static str> {
        to_indices(&mut filled);
        let is_good = |(index, _): &(i64, V)| {
            let unit = 1i64.checked_shl(scale).unwrap_or(i64::MAX).saturating_mul(UNIT_MS);
            is_time(index.saturating_mul(unit))
        };
        if scale > MAX_SCALE
            || filled.len() > MAX
            || !filled.iter().chain(&last).all(is_good)
            || !ascends(filled.iter().map(|(index, _)| index))
        {
            return Err("cells in order");
        }
        let mut cells = Cells { scale, filled, ahead: 0 };
        if let Some((index, cell)) = last {
            cells.cell(index).merge(cell);
        }
        Ok(cells)
    }
}

impl<V: Merge + Clone, const UNIT_MS: i64, const MAX: usize> Cells<V, UNIT_MS, MAX> {
    /// Adds to the cell that `ms` (since the epoch) lies in.
    #[inline(always)]
    pub fn record(&mut self, ms: i64, what: V) {
        // Only then, so that what is added need not be passed on, and takes no room but a few registers.
        self.at(ms).merge(what);
    }

    /// The cell that `ms` lies in, for something to be added.
    #[inline(always)]
    fn at(&mut self, ms: i64) -> &mut V {
        let index = units::<UNIT_MS>(ms) >> self.scale;
        let guess = usize::try_from(index.wrapping_sub(self.ahead).cast_unsigned());
        let guess = guess.unwrap_or(usize::MAX);
        if self.filled.get(guess).is_some_and(|(own, _)| *own == index) {
            return &mut self.filled[guess].1;
        }
        self.cell(index)
    }

    /// The cell of an index, for something to be added.
    #[inline(never)]
    fn cell(&mut self, index: i64) -> &mut V {
        // Most often a new one behind all others.
        let at = self.filled.len();
        if at == MAX || self.filled.last().is_some_and(|(newest, _)| *newest >= index) {
            return self.cell_amid(index);
        }
        self.ahead = index.wrapping_sub_unsigned(at as u64);
        self.filled.push((index, V::default()));
        &mut self.filled[at].1
    }

    #[inline(never)]
    fn cell_amid(&mut self, index: i64) -> &mut V {
        let mut at = self.place(index);
        if self.filled.get(at).is_none_or(|(own, _)| *own != index) {
            if self.filled.len() < MAX {
                self.filled.insert(at, (index, V::default()));
            } else {
                at = self.fit_in(at, index);
            }
        }
        self.ahead = self.filled[at].0.wrapping_sub_unsigned(at as u64);
        &mut self.filled[at].1
    }

    /// Where the cell of an index is once the cells, one too many with it, were made fewer.
    #[cold]
    fn fit_in(&mut self, at: usize, index: i64) -> usize {
        // One more, and not twice the room.
        self.filled.reserve_exact(1);
        self.filled.insert(at, (index, V::default()));
        let scale = self.scale;
        self.fit();
        self.place(index >> (self.scale - scale))
    }

    /// Where a cell is, or is to be inserted. Lines come nearly in order, so it is at the end or close to it.
    #[inline]
    fn place(&self, index: i64) -> usize {
        if self.filled.last().is_none_or(|(newest, _)| *newest < index) {
            return self.filled.len();
        }
        let is_before = |(at, _): &(i64, V)| *at < index;
        let newest = &self.filled[self.filled.len().saturating_sub(CLOSE)..];
        match newest.iter().rposition(is_before) {
            Some(before) => self.filled.len() - newest.len() + before + 1,
            None => self.filled.partition_point(is_before),
        }
    }

    /// Widens the cells, of which there are too many, just as far as it takes for no more than `MAX`.
    fn fit(&mut self) {
        // Once is enough where cells follow closely.
        self.coarsen(self.scale + 1);
        if self.filled.len() <= MAX {
            return;
        }
        // Two neighbours become one cell when the highest bit in which they differ is cut off.
        let mut united = [0usize; 65];
        for pair in self.filled.windows(2) {
            let bits = i64::BITS - (pair[0].0 ^ pair[1].0).leading_zeros();
            united[bits as usize] += 1;
        }
        let mut left = self.filled.len();
        let by = (0..i64::BITS).zip(united).find_map(|(by, united)| {
            left -= united;
            (left <= MAX).then_some(by)
        });
        self.coarsen(self.scale + by.unwrap_or(0));
    }

    fn coarsen(&mut self, scale: u32) {
        let by = scale.saturating_sub(self.scale);
        if by == 0 {
            return;
        }
        self.scale = scale;
        if let Some((first, _)) = self.filled.first_mut() {
            *first >>= by;
        }
        // Neighbours that have become one cell are merged.
        self.filled.dedup_by(|next, kept| {
            next.0 >>= by;
            let same = next.0 == kept.0;
            if same {
                kept.1.merge(std::mem::take(&mut next.1));
            }
            same
        });
    }

    /// Takes in more cells, of which `1 << by` make one of these. Both are in order, and mostly one follows on the other:
    /// what lies before the first one that is new stays where it is.
    fn unite(&mut self, more: Vec<(i64, V)>, by: u32) {
        if self.filled.is_empty() && by == 0 {
            self.filled = more;
            return;
        }
        let Some(first) = more.first().map(|(index, _)| index >> by) else { return };
        let last = more.last().map_or(first, |(index, _)| index >> by);
        let place = self.filled.partition_point(|(index, _)| *index < first);
        let mine_last = self.filled.last().map(|(index, _)| *index);
        let mut mine = self.filled.split_off(place).into_iter().peekable();
        // Room as needed, not twice as much: sums are made of many parts, and kept.
        let last = mine_last.map_or(last, |mine| last.max(mine));
        let most = usize::try_from(last - first).map_or(usize::MAX, |cells| cells + 1);
        self.filled.reserve_exact(most.min(mine.len() + more.len()));
        for (index, cell) in more {
            let index = index >> by;
            while let Some(before) = mine.next_if(|(at, _)| *at <= index) {
                self.filled.push(before);
            }
            match self.filled.last_mut() {
                Some((at, own)) if *at == index => own.merge(cell),
                _ => self.filled.push((index, cell)),
            }
        }
        self.filled.extend(mine);
    }

    /// How often the width was doubled.
    pub fn scale(&self) -> u32 {
        self.scale
    }

    /// Cells of width `UNIT_MS << scale` by their start in milliseconds since the epoch; `scale` is raised to what the
    /// cells are kept at.
    pub fn at_scale(&self, scale: u32) -> BTreeMap<i64, V> {
        let mut coarser = self.clone();
        coarser.coarsen(scale.max(self.scale));
        let width = UNIT_MS << coarser.scale;
        coarser.filled.into_iter().map(|(index, cell)| (index * width, cell)).collect()
    }

    /// What `count` makes of the cells, summed up over `from..to` in milliseconds since the epoch, as if it were spread
    /// evenly over each cell.
    #[expect(clippy::cast_precision_loss, reason = "counts and times are far below 2^53")]
    pub fn between(&self, from: i64, to: i64, count: impl Fn(&V) -> u64) -> f64 {
        let width = UNIT_MS << self.scale;
        let first = self.filled.partition_point(|(index, _)| (index + 1) * width <= from);
        let inside = self.filled[first..].iter().take_while(|(index, _)| index * width < to);
        let part = |(index, cell): &(i64, V)| {
            let start = index * width;
            let share = (to.min(start + width) - from.max(start)).max(0) as f64 / width as f64;
            count(cell) as f64 * share
        };
        inside.map(part).sum()
    }

    /// Width of a cell in milliseconds, and start of each cell in milliseconds since the epoch with what is in it, in
    /// order.
    pub fn to_vec(&self) -> (i64, Vec<(i64, V)>) {
        let width = UNIT_MS << self.scale;
        let cells = self.filled.iter().map(|(index, cell)| (index * width, cell.clone()));
        (width, cells.collect())
    }

    /// Width of a cell in milliseconds and the cells by their start in milliseconds since the epoch.
    pub fn cells(&self) -> (i64, BTreeMap<i64, V>) {
        (UNIT_MS << self.scale, self.at_scale(self.scale))
    }
}

/// Equal contents: which cell was added to last can't be seen from outside.
impl<V: Merge + Clone + PartialEq, const UNIT_MS: i64, const MAX: usize> PartialEq
    for Cells<V, UNIT_MS, MAX>
{
    fn eq(&self, other: &Self) -> bool {
        (self.scale, &self.filled) == (other.scale, &other.filled)
    }
}

impl<V: Merge + Clone, const UNIT_MS: i64, const MAX: usize> Merge for Cells<V, UNIT_MS, MAX> {
    fn merge(&mut self, other: Self) {
        self.coarsen(self.scale.max(other.scale));
        self.unite(other.filled, self.scale - other.scale);
        if self.filled.len() > MAX {
            self.fit();
        }
        // Once they are coarser they take half the room.
        if self.filled.capacity() > 2 * self.filled.len() {
            self.filled.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
