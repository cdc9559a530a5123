//! Counts over time, at one second where that fits and coarser by powers of two where it does not.

use super::Merge;
use std::collections::BTreeMap;

/// Most cells of one timeline. At one second a cell this is 34 minutes of traffic; a day takes cells of 64 s.
pub const MAX_CELLS: usize = 2048;

/// What happened in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// Attempts.
    pub attempts: u64,
    /// Attempts that certainly opened a connection.
    pub new_certain: u64,
    /// Attempts that never connected.
    pub failed: u64,
}

impl Cell {
    fn add(&mut self, other: Cell) {
        self.attempts += other.attempts;
        self.new_certain += other.new_certain;
        self.failed += other.failed;
    }
}

/// Cells of `2^scale` seconds, aligned to the epoch; only those with something in them.
///
/// The scale is the smallest at which all that was ever recorded fits into [`MAX_CELLS`] cells. That depends on the set
/// of seconds seen and on nothing else, so any order and any split gives the same timeline; and a single line with a
/// wild date costs one cell, not the resolution of all others.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    scale: u32,
    cells: BTreeMap<i64, Cell>,
    last: Option<(i64, Cell)>,
}

impl Timeline {
    /// Adds to the second that `ms` (since the epoch) lies in.
    #[inline]
    pub fn record(&mut self, ms: i64, what: Cell) {
        let index = ms.div_euclid(1000) >> self.scale;
        match &mut self.last {
            Some((last, cell)) if *last == index => cell.add(what),
            _ => {
                self.settle();
                // Settling may have coarsened the scale.
                self.last = Some((ms.div_euclid(1000) >> self.scale, what));
            }
        }
    }

    /// Moves the cell that is being filled to the others.
    fn settle(&mut self) {
        if let Some((index, cell)) = self.last.take() {
            self.cells.entry(index).or_default().add(cell);
            self.fit();
        }
    }

    fn fit(&mut self) {
        while self.cells.len() > MAX_CELLS {
            self.coarsen(self.scale + 1);
        }
    }

    fn coarsen(&mut self, scale: u32) {
        let by = scale - self.scale;
        if by == 0 {
            return;
        }
        let mut coarse: BTreeMap<i64, Cell> = BTreeMap::new();
        for (index, cell) in std::mem::take(&mut self.cells) {
            coarse.entry(index >> by).or_default().add(cell);
        }
        self.cells = coarse;
        self.scale = scale;
    }

    /// Width of a cell in seconds and the cells by their start in seconds since the epoch.
    pub fn cells(&self) -> (u64, BTreeMap<i64, Cell>) {
        let mut settled = self.clone();
        settled.settle();
        let width = 1u64 << settled.scale;
        (
            width,
            settled.cells.into_iter().map(|(index, cell)| (index << settled.scale, cell)).collect(),
        )
    }
}

/// Equal contents: which cell is being filled can't be seen from outside.
impl PartialEq for Timeline {
    fn eq(&self, other: &Self) -> bool {
        self.cells() == other.cells()
    }
}

impl Merge for Timeline {
    fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        let scale = self.scale.max(other.scale);
        self.coarsen(scale);
        other.coarsen(scale);
        for (index, cell) in other.cells {
            self.cells.entry(index).or_default().add(cell);
        }
        self.fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: Cell = Cell { attempts: 1, new_certain: 0, failed: 0 };

    fn of(seconds: &[i64]) -> Timeline {
        let mut timeline = Timeline::default();
        for second in seconds {
            timeline.record(second * 1000 + 999, ONE);
        }
        timeline
    }

    #[test]
    fn it_coarsens_only_when_it_must() {
        let most = i64::try_from(MAX_CELLS).unwrap();
        let seconds: Vec<i64> = (0..most).collect();
        assert_eq!(of(&seconds).cells().0, 1);
        let seconds: Vec<i64> = (0..=most).collect();
        assert_eq!(of(&seconds).cells().0, 2);
    }

    #[test]
    fn one_wild_date_does_not_blur_the_others() {
        assert_eq!(of(&[1, 2, 3, 253_402_300_799]).cells().0, 1);
    }

    proptest! {
        #[test]
        fn any_order_and_split_gives_the_same(
            mut seconds in prop::collection::vec(-10_000i64..10_000, 0..6000),
            cut in 0usize..6000,
        ) {
            let whole = of(&seconds).cells();
            prop_assert_eq!(whole.1.values().map(|cell| cell.attempts).sum::<u64>(), seconds.len() as u64);
            let cut = cut.min(seconds.len());
            let mut parts = of(&seconds[cut..]);
            parts.merge(of(&seconds[..cut]));
            prop_assert_eq!(&parts.cells(), &whole);
            seconds.reverse();
            prop_assert_eq!(&of(&seconds).cells(), &whole);
        }
    }
}
