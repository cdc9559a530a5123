//! The first moments of a worker, in fine cells: how its pools filled.

use super::Merge;
use super::codec::{ascends, is_time};
use serde::{Deserialize, Serialize, Serializer};

/// Width of a cell in milliseconds.
pub const WIDTH_MS: i64 = 250;

/// Most cells that are kept: the first 16 s of a busy worker, and longer where some cells saw nothing.
const MAX_CELLS: usize = 64;

/// What happened in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// Attempts that got a connection.
    pub connected: u32,
    /// Attempts that certainly opened one.
    pub new_certain: u32,
    /// The sum of their connect times in milliseconds.
    pub handshake_ms: u32,
    /// The peers that were tried, as of [`super::burst::peer_bit`].
    pub peers: u64,
}

impl Merge for Beginning {
    fn merge(&mut self, other: Self) {
        self.connected = self.connected.saturating_add(other.connected);
        self.new_certain = self.new_certain.saturating_add(other.new_certain);
        self.handshake_ms = self.handshake_ms.saturating_add(other.handshake_ms);
        self.peers |= other.peers;
    }
}

/// The earliest `MAX_CELLS` cells with something in them, by the time at which requests began.
///
/// A cell that is among the earliest of a union is among the earliest of every part that has it. So which cells are
/// kept depends on the set of all alone, and what is kept is whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Vec<(i64, Beginning)>")]
pub struct Early {
    cells: Vec<(i64, Beginning)>,
    /// What began before this moment, in milliseconds since the epoch, has a place among them, so far.
    until: i64,
}

impl Default for Early {
    fn default() -> Self {
        Early { cells: Vec::new(), until: i64::MAX }
    }
}

/// Equal contents. Whether more may come is not part of it: that follows from which workers there are, see
/// [`super::workers::Workers`].
impl PartialEq for Early {
    fn eq(&self, other: &Self) -> bool {
        self.cells == other.cells
    }
}

impl Serialize for Early {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.cells.serialize(serializer)
    }
}

impl TryFrom<Vec<(i64, Beginning)>> for Early {
    type Error = &'static str;

    fn try_from(cells: Vec<(i64, Beginning)>) -> Result<Self, &'static str> {
        let are_times = cells.iter().all(|(index, _)| is_time(index.saturating_mul(WIDTH_MS)));
        if cells.len() > MAX_CELLS || !are_times || !ascends(cells.iter().map(|(index, _)| index)) {
            return Err("first moments in order");
        }
        let mut early = Early { cells, ..Early::default() };
        early.bound();
        Ok(early)
    }
}

impl Early {
    /// Is a cell at `ms` (since the epoch) an early one, so far?
    #[inline]
    pub fn has_room_at(&self, ms: i64) -> bool {
        ms < self.until
    }

    /// Lets all go, and keeps nothing that comes.
    pub fn close(&mut self) {
        *self = Early { cells: Vec::new(), until: i64::MIN };
    }

    /// Adds to the cell that `ms` (since the epoch) lies in.
    #[inline]
    pub fn record(&mut self, ms: i64, what: Beginning) {
        let index = ms.div_euclid(WIDTH_MS);
        match self.cells.last_mut() {
            Some((last, cell)) if *last == index => cell.merge(what),
            _ => self.add(index, what),
        }
    }

    fn add(&mut self, index: i64, cell: Beginning) {
        if !self.has_room_at(index.saturating_mul(WIDTH_MS)) {
            return;
        }
        match self.cells.binary_search_by_key(&index, |(at, _)| *at) {
            Ok(place) => self.cells[place].1.merge(cell),
            Err(place) => {
                self.cells.insert(place, (index, cell));
                self.cells.truncate(MAX_CELLS);
                self.bound();
            }
        }
    }

    /// Notes until when there is room.
    fn bound(&mut self) {
        if let Some((last, _)) = self.cells.get(MAX_CELLS - 1) {
            self.until = last.saturating_add(1).saturating_mul(WIDTH_MS);
        }
    }

    /// The cells by their start in milliseconds since the epoch.
    pub fn cells(&self) -> impl Iterator<Item = (i64, &Beginning)> {
        self.cells.iter().map(|(index, cell)| (index * WIDTH_MS, cell))
    }

    /// Everything that began before this moment, in milliseconds since the epoch, is here; none: all is.
    pub fn known_until(&self) -> Option<i64> {
        let last = self.cells.get(MAX_CELLS - 1);
        last.map(|(index, _)| (index + 1) * WIDTH_MS)
    }
}

impl Merge for Early {
    fn merge(&mut self, other: Self) {
        for (index, cell) in other.cells {
            self.add(index, cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(times: &[i64]) -> Early {
        let mut early = Early::default();
        for &ms in times {
            early.record(ms, Beginning { connected: 1, ..Beginning::default() });
        }
        early
    }

    #[test]
    fn the_first_cells_with_something_in_them_are_kept() {
        let seconds: Vec<i64> = (0..100).map(|second| second * 1000).collect();
        let early = of(&seconds);
        let kept: Vec<i64> = early.cells().map(|(ms, _)| ms).collect();
        assert_eq!(kept, seconds[..64]);
        assert_eq!(early.known_until(), Some(63_250));
        assert_eq!(of(&seconds[..10]).known_until(), None);
    }

    #[test]
    fn what_was_closed_keeps_nothing() {
        let mut early = of(&[0]);
        early.close();
        assert!(!early.has_room_at(0));
        early.record(0, Beginning::default());
        early.merge(of(&[0, 1000]));
        assert_eq!(early.cells().count(), 0);
    }

    proptest! {
        #[test]
        fn any_order_and_split_gives_the_same(
            mut times in prop::collection::vec(-50_000i64..50_000, 0..300),
            cut in 0usize..300,
        ) {
            let whole = of(&times);
            let cut = cut.min(times.len());
            let mut parts = of(&times[cut..]);
            parts.merge(of(&times[..cut]));
            prop_assert_eq!(&parts, &whole);
            times.reverse();
            prop_assert_eq!(&of(&times), &whole);
        }
    }
}
