//! Values over time in cells of equal width, as fine as fits and coarser by powers of two where it does not.

#![expect(
    clippy::inline_always,
    reason = "several times a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

use super::Merge;
use super::codec::{ascends, by_distance, is_time, to_indices};
use serde::{Deserialize, Serialize, Serializer};

/// Cells of `UNIT_MS << scale` milliseconds, aligned to the epoch; only those with something in them.
///
/// The scale is the smallest at which all that was ever recorded fits into `MAX` cells. That depends on the set of times
/// seen and on nothing else, so any order and any split gives the same cells; and a single line with a wild date costs
/// one cell, not the resolution of all others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored<V>", bound(deserialize = "V: Merge + Copy + Deserialize<'de>"))]
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

/// Up to so many cells room is made for twice as many at a time: there are many with few of them.
const FEW: usize = 64;

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

impl<V: Merge + Copy, const UNIT_MS: i64, const MAX: usize> TryFrom<Stored<V>>
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
            cells.cell(index).1.merge(cell);
        }
        Ok(cells)
    }
}

impl<V: Merge + Copy, const UNIT_MS: i64, const MAX: usize> Cells<V, UNIT_MS, MAX> {
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
        &mut self.cell(index).1
    }

    /// The cell of an index with it, for something to be added. Not as rare as it is called, but so the way of most lines is
    /// straight.
    #[cold]
    #[inline(never)]
    fn cell(&mut self, index: i64) -> &mut (i64, V) {
        // Most often a new one behind all others.
        let at = self.filled.len();
        if at == MAX || self.filled.last().is_some_and(|(newest, _)| *newest >= index) {
            return self.cell_amid(index);
        }
        self.make_room();
        self.ahead = index.wrapping_sub_unsigned(at as u64);
        self.filled.push((index, V::default()));
        &mut self.filled[at]
    }

    #[inline(never)]
    fn cell_amid(&mut self, index: i64) -> &mut (i64, V) {
        let mut at = self.place(index);
        if self.filled.get(at).is_none_or(|(own, _)| *own != index) {
            self.make_room();
            self.filled.insert(at, (index, V::default()));
            if self.filled.len() > MAX {
                let scale = self.scale;
                self.fit();
                at = self.place(index >> (self.scale - scale));
            }
        }
        self.ahead = self.filled[at].0.wrapping_sub_unsigned(at as u64);
        &mut self.filled[at]
    }

    /// Makes room for one more. Where a log fills that much it mostly fills all of it, so a few large steps move what is
    /// there less often; and one beyond `MAX` is there for a moment only, before they are made fewer.
    #[inline]
    fn make_room(&mut self) {
        if self.filled.len() == self.filled.capacity() {
            self.grow();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let length = self.filled.len();
        let times = if length < FEW { 2 } else { 4 };
        let room = (length * times).clamp(4, MAX + 1).max(length + 1);
        self.filled.reserve_exact(room - length);
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
        merge_neighbours(&mut self.filled, by);
    }

    /// Takes in more cells of the same width. Both are in order, and mostly one follows on the other: what lies before the
    /// first one that is new stays where it is.
    fn unite(&mut self, mut more: Vec<(i64, V)>) {
        if self.filled.is_empty() {
            self.filled = more;
            return;
        }
        let Some(&(first, _)) = more.first() else { return };
        let place = self.filled.partition_point(|(index, _)| *index < first);
        // Room as needed, not twice as much: sums are made of many parts, and kept.
        if place == self.filled.len() {
            self.filled.reserve_exact(more.len());
            self.filled.append(&mut more);
            return;
        }
        let mut at = place;
        more.retain(|(index, cell)| {
            while self.filled.get(at).is_some_and(|(own, _)| own < index) {
                at += 1;
            }
            match self.filled.get_mut(at) {
                Some((own, mine)) if own == index => {
                    mine.merge(*cell);
                    false
                }
                _ => true,
            }
        });
        self.filled.reserve_exact(more.len());
        let mut left = self.filled.len();
        self.filled.extend_from_slice(&more);
        // From the end on each goes to its place at once.
        let mut end = self.filled.len();
        while let Some(&new) = more.last().filter(|_| left > place) {
            end -= 1;
            if self.filled[left - 1].0 > new.0 {
                left -= 1;
                self.filled[end] = self.filled[left];
            } else {
                more.pop();
                self.filled[end] = new;
            }
        }
        self.filled[left..left + more.len()].copy_from_slice(&more);
    }

    /// How often the width was doubled.
    pub fn scale(&self) -> u32 {
        self.scale
    }

    /// Cells of width `UNIT_MS << scale` with their start in milliseconds since the epoch, in order; `scale` is raised to
    /// what the cells are kept at.
    pub fn at_scale(&self, scale: u32) -> Vec<(i64, V)> {
        let by = scale.saturating_sub(self.scale);
        let width = UNIT_MS << (self.scale + by);
        let mut cells = self.filled.clone();
        merge_neighbours(&mut cells, by);
        to_starts(&mut cells, width);
        cells
    }

    /// The cells as of [`Cells::iter`], without a copy.
    pub fn into_vec(mut self) -> Vec<(i64, V)> {
        let width = self.width();
        to_starts(&mut self.filled, width);
        self.filled
    }

    /// The starts of the first and the last cell of [`Cells::at_scale`].
    pub fn ends_at_scale(&self, scale: u32) -> Option<(i64, i64)> {
        let by = scale.saturating_sub(self.scale);
        let width = UNIT_MS << (self.scale + by);
        let start = |(index, _): &(i64, V)| (index >> by) * width;
        Some((start(self.filled.first()?), start(self.filled.last()?)))
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

    /// Width of a cell in milliseconds.
    pub fn width(&self) -> i64 {
        UNIT_MS << self.scale
    }

    /// Start of each cell in milliseconds since the epoch with what is in it, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i64, &V)> {
        let width = self.width();
        self.filled.iter().map(move |(index, cell)| (index * width, cell))
    }
}

fn to_starts<V>(cells: &mut [(i64, V)], width: i64) {
    for (index, _) in cells {
        *index *= width;
    }
}

/// Cells of which `1 << by` make one of those that they become: neighbours that are the same then are merged.
fn merge_neighbours<V: Merge + Copy>(cells: &mut Vec<(i64, V)>, by: u32) {
    if by == 0 {
        return;
    }
    let are_one = |pair: &[(i64, V)]| pair[0].0 >> by == pair[1].0 >> by;
    // Of many that are far apart few are: up to the first of these all stay where they are.
    let alone = cells.windows(2).position(are_one).unwrap_or(cells.len());
    for (index, _) in &mut cells[..alone] {
        *index >>= by;
    }
    let Some(&(first, mut sum)) = cells.get(alone) else { return };
    let (mut kept, mut own) = (alone, first >> by);
    for at in alone + 1..cells.len() {
        let (index, cell) = cells[at];
        if index >> by == own {
            sum.merge(cell);
        } else {
            cells[kept] = (own, sum);
            kept += 1;
            (own, sum) = (index >> by, cell);
        }
    }
    cells[kept] = (own, sum);
    cells.truncate(kept + 1);
}

/// Equal contents: which cell was added to last can't be seen from outside.
impl<V: Merge + Copy + PartialEq, const UNIT_MS: i64, const MAX: usize> PartialEq
    for Cells<V, UNIT_MS, MAX>
{
    fn eq(&self, other: &Self) -> bool {
        (self.scale, &self.filled) == (other.scale, &other.filled)
    }
}

impl<V: Merge + Copy, const UNIT_MS: i64, const MAX: usize> Merge for Cells<V, UNIT_MS, MAX> {
    fn merge(&mut self, mut other: Self) {
        self.coarsen(other.scale);
        other.coarsen(self.scale);
        self.unite(other.filled);
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
