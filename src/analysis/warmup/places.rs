//! Where cells stand in a long list of them, found at once: a search asks for many thousands of moments.

use crate::summary::burst::Burst;

/// How many cells begin before each of so many moments at equal distances.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The start of the first cell.
    first: i64,
    /// Distance of the moments in milliseconds, as a power of two.
    scale: u32,
    before: Vec<u32>,
}

impl Places {
    /// About as many moments as there are cells, which are in order.
    pub(super) fn of(cells: &[(i64, Burst)]) -> Self {
        let (Some((first, _)), Some((last, _))) = (cells.first(), cells.last()) else {
            return Places::default();
        };
        let per_cell = last.abs_diff(*first) / cells.len() as u64;
        let scale = per_cell.max(1).ilog2();
        let mut places = Places { first: *first, scale, before: Vec::new() };
        let moments = last.abs_diff(*first) >> scale;
        places.before.reserve_exact(usize::try_from(moments).unwrap_or(0) + 2);
        for (at, (start, _)) in (0..).zip(cells) {
            let moment = places.moment(*start);
            // This one begins at or behind it, and those up to here all before.
            places.before.resize(places.before.len().max(moment + 1), at);
        }
        places.before.push(u32::try_from(cells.len()).unwrap_or(u32::MAX));
        places
    }

    /// The last moment that is not behind this one, which is not before the first.
    fn moment(&self, ms: i64) -> usize {
        usize::try_from(ms.abs_diff(self.first) >> self.scale).unwrap_or(usize::MAX)
    }

    /// How many of the cells begin before this moment.
    pub(super) fn before(&self, ms: i64, cells: &[(i64, Burst)]) -> usize {
        if ms <= self.first {
            return 0;
        }
        let moment = self.moment(ms);
        let Some([from, to]) = self.before.get(moment..moment.saturating_add(2)) else {
            return cells.len();
        };
        let (from, to) = (*from as usize, *to as usize);
        let near = cells.get(from..to).unwrap_or_default();
        from + near.partition_point(|(start, _)| *start < ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Starts that follow closely, and now and then one that is far away.
    fn any_starts() -> impl Strategy<Value = Vec<i64>> {
        let gap = prop_oneof![20 => 1i64..2000, 2 => 1i64..1_000_000, 1 => 1i64..1 << 50];
        (-1_000_000i64..1_000_000, prop::collection::vec(gap, 0..100)).prop_map(|(first, gaps)| {
            let next = |at: &mut i64, gap| {
                *at += gap;
                Some(*at)
            };
            gaps.into_iter().scan(first, next).collect()
        })
    }

    proptest! {
        #[test]
        fn places_are_those_of_a_search(starts in any_starts(), moments in prop::collection::vec(any::<i32>(), 20)) {
            let cells: Vec<(i64, Burst)> =
                starts.iter().map(|start| (*start, Burst::default())).collect();
            let places = Places::of(&cells);
            let near = starts.iter().flat_map(|start| [start - 1, *start, start + 1]);
            for ms in near.chain(moments.into_iter().map(i64::from)) {
                prop_assert_eq!(places.before(ms, &cells), starts.partition_point(|start| *start < ms));
            }
        }
    }
}
