//! When pools are emptied: at random, but never soon after one another.

use super::Options;
use super::rng::Rng;

/// What empties pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// All of them.
    Reload,
    /// Those of one peer.
    BackendRestart,
}

/// What will happen, the last first, each at a size of the log in the unit of its limit.
#[derive(Debug)]
pub(super) struct Schedule(Vec<(u64, Change)>);

impl Schedule {
    /// Spreads the changes that the options ask for over a log of this size. Between two of them lies at least a
    /// quarter of the distance that they would have if they were spread evenly.
    pub(super) fn new(options: &Options, size: u64, rng: &mut Rng) -> Self {
        let reloads = std::iter::repeat_n(Change::Reload, index(options.reloads));
        let restarts = std::iter::repeat_n(Change::BackendRestart, index(options.backend_restarts));
        let mut changes: Vec<Change> = reloads.chain(restarts).collect();
        for last in (1..changes.len()).rev() {
            changes.swap(last, rng.below(last + 1));
        }
        let step = size / (changes.len() as u64 + 1);
        let at = |i: u64, rng: &mut Rng| {
            let jitter = rng.below(index(step - step / 4)) as u64;
            (i + 1) * step + jitter - step * 3 / 8
        };
        let mut due: Vec<(u64, Change)> =
            (0..).zip(changes).map(|(i, change)| (at(i, rng), change)).collect();
        due.reverse();
        Schedule(due)
    }

    /// What is due once the log has this size, one at a time.
    #[inline]
    pub(super) fn next(&mut self, written: u64) -> Option<Change> {
        self.0.pop_if(|(at, _)| *at <= written).map(|(_, change)| change)
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
