//! Attempts that come into flight and end, over time: as fine as fits, coarser by powers of two where it does not.

#![expect(
    clippy::inline_always,
    reason = "once a line, from several places: 7 % of the time of a report together, see benches/README.md"
)]

use super::super::codec::{ascends, by_distance, to_indices};
use super::super::{Merge, Span};
use serde::{Deserialize, Serialize, Serializer};

/// Most instants at which the attempts in flight are counted.
const MAX_CELLS: u64 = 256;

/// Changes within a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Attempts that came into flight, less those that ended.
    pub(super) net: i64,
    /// Certainly new connections that were opened in this cell or later.
    pub(super) new: u64,
}

impl Change {
    #[inline]
    fn add(&mut self, other: Change) {
        self.net += other.net;
        self.new += other.new;
    }
}

/// Changes in cells of `1 << scale` milliseconds, aligned to the epoch. The scale is the smallest at which the whole span
/// fits into [`MAX_CELLS`], so it depends on what was seen and on no order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub(super) struct Changes {
    /// From the first to the last moment of anything that changed.
    span: Span,
    scale: u32,
    #[serde(serialize_with = "distances")]
    cells: Cells,
}

/// All cells of the span, those as well in which nothing changed: a list to be found one's way in at once.
#[derive(Debug, Clone, Default, PartialEq)]
struct Cells {
    /// The index of the first one.
    first: i64,
    changes: Vec<Change>,
}

impl Cells {
    /// The place of a cell by its index; beyond the end for any that is not there.
    #[inline]
    fn place(&self, index: i64) -> usize {
        usize::try_from(index.wrapping_sub(self.first).cast_unsigned()).unwrap_or(usize::MAX)
    }
}

/// Only those cells are stored in which something changed, each with the distance to the one before.
fn distances<S: Serializer>(cells: &Cells, serializer: S) -> Result<S::Ok, S::Error> {
    let all = (cells.first..).zip(&cells.changes);
    let some: Vec<_> = all.filter(|(_, change)| **change != Change::default()).collect();
    by_distance(some.iter().map(|(index, change)| (index, *change)), serializer)
}

/// The form in which they are stored.
#[derive(Deserialize)]
struct Stored {
    span: Span,
    scale: u32,
    cells: Vec<(i64, Change)>,
}

/// No cell changes by more: it would take years.
const MAX_CHANGE: u64 = 1 << 48;

impl TryFrom<Stored> for Changes {
    type Error = &'static str;

    fn try_from(Stored { span, scale, mut cells }: Stored) -> Result<Self, &'static str> {
        to_indices(&mut cells);
        let wrong = "attempts in flight";
        let mut all = Changes { span, scale, ..Changes::default() };
        match span.get() {
            Some((from, to)) if scale < i64::BITS => {
                if (to >> scale).abs_diff(from >> scale) >= MAX_CELLS {
                    return Err(wrong);
                }
                all.extend();
            }
            None if scale == 0 && cells.is_empty() => {}
            _ => return Err(wrong),
        }
        if !ascends(cells.iter().map(|(index, _)| index)) {
            return Err(wrong);
        }
        for (index, change) in cells {
            let at = all.cells.place(index);
            let own = all.cells.changes.get_mut(at).ok_or(wrong)?;
            if change.net.unsigned_abs() > MAX_CHANGE {
                return Err(wrong);
            }
            *own = change;
        }
        Ok(all)
    }
}

impl Changes {
    /// An attempt was in flight from one moment to a later one.
    #[inline(always)]
    pub(super) fn fly(&mut self, from: i64, to: i64) {
        let (from, to) = self.cover(from, to);
        // In flight between two instants at which is counted: not seen.
        if from != to {
            self.cells.changes[from].net += 1;
            self.cells.changes[to].net -= 1;
        }
    }

    /// A certainly new connection was opened, at this moment or later.
    pub(super) fn open(&mut self, from: i64) {
        let (from, _) = self.cover(from, from);
        self.cells.changes[from].new += 1;
    }

    /// The places of two moments, the second of which is not before the first, after making room for them.
    #[inline(always)]
    fn cover(&mut self, from: i64, to: i64) -> (usize, usize) {
        self.span.merge(Span::of(from, to));
        let count = self.cells.changes.len();
        let places = self.places(from, to);
        if places.0 < count && places.1 < count {
            return places;
        }
        self.extend();
        self.places(from, to)
    }

    #[inline]
    fn places(&self, from: i64, to: i64) -> (usize, usize) {
        (self.cells.place(from >> self.scale), self.cells.place(to >> self.scale))
    }

    /// Makes the cells those of the whole span, and wide enough for it.
    #[inline(never)]
    fn extend(&mut self) {
        let Some((from, to)) = self.span.get() else { return };
        let mut scale = self.scale;
        let count = |scale: u32| (to >> scale).abs_diff(from >> scale).saturating_add(1);
        while count(scale) > MAX_CELLS {
            scale += 1;
        }
        while self.scale < scale {
            self.coarsen();
        }
        let first = from >> scale;
        let Cells { first: own_first, changes } = &mut self.cells;
        if changes.is_empty() {
            *own_first = first;
        }
        let before = usize::try_from(own_first.abs_diff(first)).unwrap_or(0);
        if before > 0 {
            changes.splice(..0, std::iter::repeat_n(Change::default(), before));
            *own_first = first;
        }
        let places = usize::try_from(count(scale)).unwrap_or(0);
        if places > changes.capacity() {
            // There are many pools: no more room than a few times in a row will need.
            changes.reserve_exact(places.next_multiple_of(32) - changes.len());
        }
        // Mostly it is one.
        while changes.len() < places {
            changes.push(Change::default());
        }
    }

    /// Makes the cells twice as wide.
    fn coarsen(&mut self) {
        self.scale += 1;
        let Cells { first, changes } = &mut self.cells;
        // The first one's neighbour before it may be missing, and the last one's behind it.
        let alone = usize::from(*first & 1 == 1).min(changes.len());
        let all = std::cell::Cell::from_mut(changes.as_mut_slice()).as_slice_of_cells();
        let pairs = all[alone..].chunks_exact(2);
        let last = pairs.remainder().first();
        let mut places = all[alone..].iter();
        for (pair, place) in pairs.zip(&mut places) {
            let mut sum = pair[0].get();
            sum.add(pair[1].get());
            place.set(sum);
        }
        if let (Some(last), Some(place)) = (last, places.next()) {
            place.set(last.get());
        }
        changes.truncate(alone + (changes.len() - alone).div_ceil(2));
        *first >>= 1;
    }

    /// All cells in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Change> {
        self.cells.changes.iter()
    }
}

impl Merge for Changes {
    fn merge(&mut self, mut other: Self) {
        while self.scale < other.scale {
            self.coarsen();
        }
        self.span.merge(other.span);
        self.extend();
        while other.scale < self.scale {
            other.coarsen();
        }
        if other.cells.changes.is_empty() {
            return;
        }
        let at = self.cells.place(other.cells.first);
        for (own, change) in self.cells.changes.iter_mut().skip(at).zip(other.cells.changes) {
            own.add(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// An attempt from one moment to another, or a new connection at a moment.
    type Event = (i64, Option<i64>);

    fn of(events: &[Event]) -> Changes {
        let mut changes = Changes::default();
        for &(from, lasted) in events {
            match lasted {
                Some(lasted) => changes.fly(from, from + lasted),
                None => changes.open(from),
            }
        }
        changes
    }

    /// The scale, and the cells in which something changed, as they were to be found if all events were known at once.
    fn slowly(events: &[Event]) -> (u32, BTreeMap<i64, Change>) {
        let moments =
            || events.iter().flat_map(|(from, lasted)| [*from, from + lasted.unwrap_or(0)]);
        let (from, to) = (moments().min().unwrap_or(0), moments().max().unwrap_or(0));
        let scale = (0..64).find(|scale| (to >> scale) - (from >> scale) < 256).unwrap();
        let mut cells: BTreeMap<i64, Change> = BTreeMap::new();
        for &(from, lasted) in events {
            let own = cells.entry(from >> scale).or_default();
            match lasted {
                Some(lasted) => {
                    own.net += 1;
                    cells.entry((from + lasted) >> scale).or_default().net -= 1;
                }
                None => own.new += 1,
            }
        }
        cells.retain(|_, change| *change != Change::default());
        (scale, cells)
    }

    fn any_events() -> impl Strategy<Value = Vec<Event>> {
        let wild = any::<i32>().prop_map(i64::from);
        let from = prop_oneof![8 => -300i64..300, 4 => 0i64..20_000, 1 => wild];
        let lasted = prop_oneof![Just(None), (1i64..10_000).prop_map(Some)];
        prop::collection::vec((from, lasted), 0..200)
    }

    proptest! {
        #[test]
        fn changes_are_those_of_the_slow_form(events in any_events(), cut in 0usize..200) {
            let cut = cut.min(events.len());
            let mut parts = of(&events[cut..]);
            parts.merge(of(&events[..cut]));
            for changes in [of(&events), parts] {
                let Cells { first, changes: all } = &changes.cells;
                let mut cells: BTreeMap<i64, Change> = (*first..).zip(all.iter().copied()).collect();
                cells.retain(|_, change| *change != Change::default());
                prop_assert_eq!((changes.scale, cells), slowly(&events));
            }
        }
    }
}
