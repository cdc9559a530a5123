//! Workers that were forked together, by what their pids tell.

use super::Life;

/// Pids that differ by more were not forked in one loop.
const FAR: u64 = 64;

/// Workers that came or went together.
pub(super) struct Generation {
    pub(super) pids: Vec<u64>,
    pub(super) lines: u64,
    pub(super) clients: u64,
}

impl Generation {
    pub(super) fn of<'a>(lives: impl Iterator<Item = &'a Life<'a>>) -> Self {
        let mut all = Generation { pids: Vec::new(), lines: 0, clients: 0 };
        for life in lives {
            all.pids.extend(life.pid);
            all.lines += life.lines;
            all.clients += life.clients;
        }
        all
    }

    /// Were they forked later? Pids rise, and begin anew at some point (`pid_max`).
    pub(super) fn follows(&self, old: &Generation) -> bool {
        let pairs = || self.pids.iter().flat_map(|new| old.pids.iter().map(move |old| (new, old)));
        pairs().all(|(new, old)| new > old || *new < old / 2)
    }

    pub(super) fn is_far_from(&self, other: &Generation) -> bool {
        let mut pairs = self.pids.iter().flat_map(|a| other.pids.iter().map(move |b| (a, b)));
        !self.pids.is_empty() && !other.pids.is_empty() && pairs.all(|(a, b)| a.abs_diff(*b) > FAR)
    }
}
