//! Where a line is counted is known only when its time was read: this is the seam between reading and counting.

use crate::summary::{LineCounts, Summary};

/// Where lines are counted: all in one summary, or each in the one of its time.
pub trait Place {
    /// The summary of a line that was written at `ms` since the epoch; none where its format tells no time.
    fn of(&mut self, ms: Option<i64>) -> &mut Summary;

    /// Where a line is counted that does not fit.
    fn malformed(&mut self) -> &mut LineCounts;
}

impl Place for Summary {
    #[inline]
    fn of(&mut self, _: Option<i64>) -> &mut Summary {
        self
    }

    #[inline]
    fn malformed(&mut self) -> &mut LineCounts {
        &mut self.lines
    }
}
