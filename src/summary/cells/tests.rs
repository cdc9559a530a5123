//! Cells against a slow and obvious form of them.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Count(u64);

impl Merge for Count {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

type Seconds = Cells<Count, 1000, 64>;

fn of(seconds: &[i64]) -> Seconds {
    let mut cells = Seconds::default();
    for second in seconds {
        cells.record(second * 1000 + 999, Count(1));
    }
    cells
}

fn all(cells: &Seconds) -> (i64, BTreeMap<i64, Count>) {
    (cells.width(), cells.iter().map(|(ms, count)| (ms, *count)).collect())
}

#[test]
fn it_coarsens_only_when_it_must() {
    assert_eq!(of(&(0..64).collect::<Vec<_>>()).width(), 1000);
    assert_eq!(of(&(0..65).collect::<Vec<_>>()).width(), 2000);
}

#[test]
fn one_wild_date_does_not_blur_the_others() {
    assert_eq!(of(&[1, 2, 3, 253_402_300_799]).width(), 1000);
}

#[test]
fn a_sum_takes_the_part_of_a_cell_that_lies_inside() {
    let cells = of(&[0, 1, 1, 5]);
    for (from, to, expected) in [
        (0, 6000, 4.0),
        (500, 1500, 1.5),
        (1000, 2000, 2.0),
        (2000, 5000, 0.0),
        (5250, 5500, 0.25),
        (3000, 3000, 0.0),
    ] {
        let sum = cells.between(from, to, |count| count.0);
        assert!((sum - expected).abs() < 1e-9, "{from}..{to}: {sum}");
    }
}

/// The slow and obvious form: all there ever was, in cells as narrow as fit.
fn slowly(seconds: &[i64]) -> (i64, BTreeMap<i64, Count>) {
    let mut width = 1;
    loop {
        let mut cells: BTreeMap<i64, Count> = BTreeMap::new();
        for second in seconds {
            cells.entry(second.div_euclid(width) * width * 1000).or_default().0 += 1;
        }
        if cells.len() <= 64 {
            return (width * 1000, cells);
        }
        width *= 2;
    }
}

/// Times that waver on their way, with gaps; and some that are nowhere near.
fn any_seconds() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![8 => -6i64..10, 1 => -300i64..100_000];
    let wild = prop_oneof![30 => Just(None), 1 => any::<i32>().prop_map(Some)];
    prop::collection::vec((step, wild), 0..600).prop_map(|steps| {
        let mut now = 0;
        let mut at = |(step, wild): (i64, Option<i32>)| {
            now += step;
            wild.map_or(now, i64::from)
        };
        steps.into_iter().map(&mut at).collect()
    })
}

proptest! {
    #[test]
    fn coarser_cells_are_those_of_the_slow_form(seconds in any_seconds(), by in 0u32..8) {
        let cells = of(&seconds);
        let scale = (cells.scale() + by).saturating_sub(4);
        let width = cells.width().max(1000 << scale);
        let mut coarser: BTreeMap<i64, Count> = BTreeMap::new();
        for second in &seconds {
            coarser.entry((second * 1000).div_euclid(width) * width).or_default().0 += 1;
        }
        let ends = coarser.keys().next().copied().zip(coarser.keys().last().copied());
        prop_assert_eq!(cells.ends_at_scale(scale), ends);
        prop_assert_eq!(cells.at_scale(scale), coarser.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn cells_are_those_of_the_slow_form(seconds in any_seconds()) {
        prop_assert_eq!(all(&of(&seconds)), slowly(&seconds));
    }

    #[test]
    fn any_order_and_split_gives_the_same(
        mut seconds in prop::collection::vec(-1000i64..1000, 0..600),
        cut in 0usize..600,
    ) {
        let whole = all(&of(&seconds));
        prop_assert_eq!(whole.1.values().map(|count| count.0).sum::<u64>(), seconds.len() as u64);
        let cut = cut.min(seconds.len());
        let mut parts = of(&seconds[cut..]);
        parts.merge(of(&seconds[..cut]));
        prop_assert_eq!(&all(&parts), &whole);
        seconds.reverse();
        prop_assert_eq!(&all(&of(&seconds)), &whole);
    }
}
