//! Percentiles that merge exactly: one fixed histogram shape for all times.

#![expect(
    clippy::inline_always,
    reason = "several times a line: a call for each would be felt, and hide what is certain of the usual line"
)]

use super::Merge;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize, Serializer};

/// Values above count as this: one hour, in milliseconds.
pub const MAX_MS: u64 = 3_600_000;

/// Significant decimal digits: values up to 255 ms are exact, above they are within 1 %.
pub const DIGITS: u8 = 2;

/// Values below this are counted one by one: all that are exact.
const LOW: u32 = 256;

/// Counts of low values are made room for in steps of so many.
const STEP: usize = 16;

/// Distinct higher values kept as they are before the 18 KB of a full histogram are allocated. Most peers of most logs
/// never need it.
const FEW: usize = 48;

/// A distribution of times in milliseconds.
///
/// Holds count, sum and maximum exactly, and the values to the precision of an `HdrHistogram` with fixed bounds, which
/// makes merging exact: the same values give the same percentiles in any order and any split.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Stored")]
pub struct LatencySummary {
    /// Counts of the values from 0 on, as far as there were any, and below [`LOW`]. All that is told of these values is
    /// found from their counts.
    low: Vec<u64>,
    high: High,
}

/// The values from [`LOW`] on.
#[derive(Debug, Clone, Default)]
struct High {
    count: u64,
    sum: u64,
    /// 0 without such values.
    max: u32,
    /// The values with their counts, ascending.
    few: Vec<(u32, u64)>,
    /// The same, once they are too many for that.
    many: Option<Box<Histogram<u64>>>,
}

/// The form in which it is stored: the upper ends of cells that hold values, and how many.
#[derive(Serialize, Deserialize)]
struct Stored {
    sum: u64,
    max: u32,
    cells: Vec<(u32, u64)>,
}

impl Serialize for LatencySummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cells = self.cells();
        let cells = cells.map(|(end, times)| (u32::try_from(end).unwrap_or(u32::MAX), times));
        Stored { sum: self.sum(), max: self.max(), cells: cells.collect() }.serialize(serializer)
    }
}

/// Most values that are read back: no log has as many, and sums of them do not overflow.
const MAX_COUNT: u64 = 1 << 48;

impl TryFrom<Stored> for LatencySummary {
    type Error = &'static str;

    fn try_from(Stored { sum, max, cells }: Stored) -> Result<Self, &'static str> {
        let wrong = "a distribution of times";
        let mut summary = LatencySummary::default();
        let (mut count, mut low) = (0u64, 0u64);
        for (end, times) in cells {
            let more = count.checked_add(times).filter(|count| times > 0 && *count <= MAX_COUNT);
            count = more.ok_or(wrong)?;
            if end < LOW {
                let more = u64::from(end).checked_mul(times);
                low = more.and_then(|more| low.checked_add(more)).ok_or(wrong)?;
            }
            summary.add(end, times);
        }
        // Their exact sum and maximum, which the cells' ends only come near to.
        summary.high.sum = sum.checked_sub(low).ok_or(wrong)?;
        summary.high.max = if summary.high.count > 0 { max } else { 0 };
        Ok(summary)
    }
}

impl LatencySummary {
    /// Takes in a value.
    #[inline(always)]
    pub fn record(&mut self, ms: u32) {
        match self.low.get_mut(ms as usize) {
            Some(count) => *count += 1,
            None => self.add(ms, 1),
        }
    }

    /// Called as if it were rare, so that the way of low values is straight.
    #[cold]
    #[inline(never)]
    fn add(&mut self, ms: u32, times: u64) {
        if ms >= LOW {
            self.high.add(ms, times);
            return;
        }
        let at = ms as usize;
        if at >= self.low.len() {
            self.low.resize((at + 1).next_multiple_of(STEP), 0);
        }
        self.low[at] += times;
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.high.count + self.low.iter().sum::<u64>()
    }

    /// Their sum in milliseconds.
    pub fn sum(&self) -> u64 {
        let low = (0..).zip(&self.low).map(|(value, times)| value * times).sum();
        self.high.sum.saturating_add(low)
    }

    /// The largest, exactly.
    pub fn max(&self) -> u32 {
        let low = self.low.iter().rposition(|times| *times > 0);
        self.high.max.max(low.and_then(|value| u32::try_from(value).ok()).unwrap_or(0))
    }

    /// How many values are exactly this one; for values up to 255 ms only, above it is the count of the histogram's cell.
    pub fn count_at(&self, ms: u32) -> u64 {
        if ms < LOW {
            return self.low.get(ms as usize).copied().unwrap_or(0);
        }
        self.high.count_at(ms)
    }

    /// How many values are at most this one, or in its cell: exact for values up to 255 ms, within 1 % above.
    pub fn count_up_to(&self, ms: u32) -> u64 {
        let end = Self::cell_end(u64::from(ms));
        self.cells().take_while(|(cell, _)| *cell <= end).map(|(_, times)| times).sum()
    }

    /// The upper ends of the cells that hold values, with their counts; ascending. A cell may come twice in a row.
    fn cells(&self) -> impl Iterator<Item = (u64, u64)> {
        let low = (0..).zip(&self.low).filter(|(_, times)| **times > 0);
        low.map(|(value, times)| (value, *times)).chain(self.high.cells())
    }

    /// The smallest value that at least this share of the values do not exceed (the nearest-rank percentile), rounded up
    /// to the upper end of its histogram cell, but never above the maximum. `share` is in thousandths: 950 for P95.
    /// None without values.
    pub fn percentile(&self, share: u64) -> Option<u64> {
        self.percentile_above(0, share)
    }

    /// The same for all values but the `skip` smallest ones.
    pub fn percentile_above(&self, skip: u64, share: u64) -> Option<u64> {
        let count = self.count().checked_sub(skip).filter(|count| *count > 0)?;
        // A rank in u128: counts times a thousand need not fit 64 bits.
        let rank = u128::from(skip) + (u128::from(count) * u128::from(share)).div_ceil(1000).max(1);
        let mut seen: u128 = 0;
        let found = self.cells().find(|(_, times)| {
            seen += u128::from(*times);
            seen >= rank
        });
        let max = u64::from(self.max());
        Some(found.map_or(max, |(end, _)| end.min(max)))
    }

    /// The upper end of the histogram cell that a value falls into. The same for both forms, so that the form, which is
    /// only a matter of memory, can't be seen from outside.
    fn cell_end(value: u64) -> u64 {
        let value = value.min(MAX_MS);
        // Cells are one wide below 2^8 and double with each power of two: 2 digits need 2^8 cells (HdrHistogram's
        // `sub_bucket_count` for 2 significant digits).
        let width = 1u64 << (64 - (value | 255).leading_zeros()).saturating_sub(8);
        value | (width - 1)
    }
}

impl High {
    fn add(&mut self, ms: u32, times: u64) {
        self.count += times;
        self.sum = self.sum.saturating_add(u64::from(ms).saturating_mul(times));
        self.max = self.max.max(ms);
        self.add_value(ms, times);
    }

    /// Adds to the counts of the values alone.
    fn add_value(&mut self, ms: u32, times: u64) {
        match &mut self.many {
            Some(histogram) => histogram.saturating_record_n(u64::from(ms), times),
            None => self.add_few(ms, times),
        }
    }

    fn add_few(&mut self, ms: u32, times: u64) {
        match self.few.binary_search_by_key(&ms, |&(value, _)| value) {
            Ok(at) => self.few[at].1 += times,
            Err(at) if self.few.len() < FEW => self.few.insert(at, (ms, times)),
            Err(_) => {
                let mut histogram = Box::new(full());
                for (value, times) in self.few.drain(..) {
                    histogram.saturating_record_n(u64::from(value), times);
                }
                histogram.saturating_record_n(u64::from(ms), times);
                self.few = Vec::new();
                self.many = Some(histogram);
            }
        }
    }

    fn count_at(&self, ms: u32) -> u64 {
        match &self.many {
            Some(histogram) => histogram.count_at(u64::from(ms)),
            None => self.few.iter().find(|&&(value, _)| value == ms).map_or(0, |&(_, times)| times),
        }
    }

    /// The upper ends of the cells that hold values, with their counts; ascending.
    fn cells(&self) -> impl Iterator<Item = (u64, u64)> {
        let end = LatencySummary::cell_end;
        let few = self.few.iter().map(move |&(value, times)| (end(u64::from(value)), times));
        let many = self.many.iter().flat_map(move |histogram| {
            let cells = histogram.iter_recorded();
            cells.map(move |cell| (end(cell.value_iterated_to()), cell.count_at_value()))
        });
        few.chain(many)
    }
}

/// An empty histogram of the one shape. The bounds are constants that the constructor accepts, so there is no error.
fn full() -> Histogram<u64> {
    #[expect(
        clippy::expect_used,
        reason = "constant bounds, covered by every test that records 49 values above 255"
    )]
    Histogram::new_with_bounds(1, MAX_MS, DIGITS).expect("constant bounds are valid")
}

impl Merge for LatencySummary {
    fn merge(&mut self, other: Self) {
        if self.low.len() < other.low.len() {
            self.low.resize(other.low.len(), 0);
        }
        self.low.iter_mut().zip(&other.low).for_each(|(mine, theirs)| *mine += theirs);
        self.high.merge(other.high);
    }
}

impl Merge for High {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
        match (&mut self.many, other.many) {
            (Some(mine), Some(theirs)) => {
                // Same bounds: nothing can be out of range.
                let _ = mine.add(&*theirs);
            }
            (None, Some(theirs)) => {
                self.many = Some(theirs);
                for (value, times) in std::mem::take(&mut self.few) {
                    self.add_value(value, times);
                }
            }
            (_, None) => {
                for (value, times) in other.few {
                    self.add_value(value, times);
                }
            }
        }
    }
}

/// Equal contents, whatever the form.
impl PartialEq for LatencySummary {
    fn eq(&self, other: &Self) -> bool {
        let cells = |summary: &LatencySummary| -> Vec<(u64, u64)> {
            let mut cells: Vec<(u64, u64)> = summary.cells().collect();
            cells.dedup_by(|b, a| {
                let same = a.0 == b.0;
                if same {
                    a.1 += b.1;
                }
                same
            });
            cells
        };
        (self.count(), self.sum(), self.max()) == (other.count(), other.sum(), other.max())
            && cells(self) == cells(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u32]) -> LatencySummary {
        let mut summary = LatencySummary::default();
        for &value in values {
            summary.record(value);
        }
        summary
    }

    #[test]
    fn an_empty_one_has_no_percentile() {
        assert_eq!(of(&[]).percentile(950), None);
    }

    #[test]
    fn small_values_are_exact() {
        let values: Vec<u32> = (0..=255).collect();
        let summary = of(&values);
        assert_eq!(summary.percentile(500), Some(127));
        assert_eq!(summary.percentile(950), Some(243));
        assert_eq!(summary.percentile(1000), Some(255));
        assert_eq!(summary.count_at(7), 1);
    }

    #[test]
    fn more_than_an_hour_counts_as_an_hour_but_the_maximum_is_kept() {
        let summary = of(&[7_200_000]);
        assert_eq!(summary.max(), 7_200_000);
        assert!(
            summary.percentile(500).is_some_and(|ms| (MAX_MS..MAX_MS * 101 / 100).contains(&ms))
        );
    }

    fn any_value() -> impl Strategy<Value = u32> {
        prop_oneof![0u32..5, 0u32..300, 0u32..100_000, any::<u32>()]
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values(values in prop::collection::vec(any_value(), 1..300), share in 1u64..=1000) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = (values.len() * usize::try_from(share).unwrap()).div_ceil(1000).max(1);
            let exact = u64::from(sorted[rank - 1]);
            let got = of(&values).percentile(share).unwrap();
            if exact <= MAX_MS {
                prop_assert!(got >= exact && got <= exact + exact / 100, "{got} for {exact}");
            } else {
                prop_assert!(got >= MAX_MS);
            }
        }

        #[test]
        fn count_sum_and_maximum_are_those_of_the_values(values in prop::collection::vec(any_value(), 0..300)) {
            let summary = of(&values);
            let sum: u64 = values.iter().copied().map(u64::from).sum();
            let max = values.iter().copied().max().unwrap_or(0);
            prop_assert_eq!((summary.count(), summary.sum(), summary.max()), (values.len() as u64, sum, max));
        }

        #[test]
        fn the_form_can_not_be_seen(values in prop::collection::vec(any_value(), 0..200), cut in 0usize..200) {
            let cut = cut.min(values.len());
            let mut parts = of(&values[..cut]);
            parts.merge(of(&values[cut..]));
            let whole = of(&values);
            prop_assert_eq!(&parts, &whole);
            for share in [1, 500, 950, 990, 1000] {
                prop_assert_eq!(parts.percentile(share), whole.percentile(share));
            }
        }
    }
}
