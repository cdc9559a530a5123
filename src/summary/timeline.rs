//! Counts over time, at one second where that fits.

use super::Merge;
use super::cells::Cells;
use serde::{Deserialize, Serialize};

/// Most cells of one timeline. At one second a cell this is 34 minutes of traffic; a day takes cells of 64 s.
pub const MAX_CELLS: usize = 2048;

/// Counts by the time at which lines were written.
pub type Timeline = Cells<Cell, 1000, MAX_CELLS>;

/// What happened in one cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Attempts.
    pub attempts: u64,
    /// Attempts that certainly opened a connection.
    pub new_certain: u64,
    /// Attempts that never connected.
    pub failed: u64,
}

impl Merge for Cell {
    fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.new_certain += other.new_certain;
        self.failed += other.failed;
    }
}
